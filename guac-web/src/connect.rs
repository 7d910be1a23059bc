//! From a tunnel request to an open session: rights, seats, history, tokens, host (T-001 to T-011, T-048).

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use guac_auth_mysql::cluster::NewClusterTunnel;
use guac_auth_mysql::tokens::{LoginTokens, Tokens};
use guac_auth_mysql::{Connection, ConnectionGroupKey, NewConnectionRecord, Parameters, ProxyEncryption, UserKey};
use guac_protocol::{ClientInfo, ConnectionId, MAX_LAYER_SIDE_PX, ProtocolVersion, Selection, Status, TunnelUuid};
use guac_tunnel::{GuacdHost, Link, OpenRequest, OwnerKey, Registration, SessionHost, TunnelInfo, intercept};
use url::form_urlencoded;

use crate::auth::Caller;
use crate::cluster::share_hash;
use crate::config::GuacdResolver;
use crate::error::ConnectError;
use crate::events::Veto;
use crate::row::OpenRow;
use crate::seats::{AnySeat, Capacity, Place};
use crate::shares::{Share, ShareKey};
use crate::state::App;

/// Port of an outside guacd whose connection names none.
const GUACD_PORT: u16 = 4822;

/// Mimetypes of each kind that are listened to; browsers name a handful.
const MAX_MIMETYPES: usize = 32;

/// What is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connection,
    Group,
    ActiveConnection,
}

/// The parameters of a tunnel request, the same for both tunnels.
#[derive(Debug)]
pub(crate) struct TunnelRequest {
    data_source: String,
    identifier: String,
    kind: Kind,
    info: ClientInfo,
}

impl TunnelRequest {
    /// Reads a query or a form.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, ConnectError> {
        let (mut data_source, mut identifier, mut kind) = (None, None, None);
        let mut info = ClientInfo { version: ProtocolVersion::LATEST, ..ClientInfo::default() };
        for (name, value) in form_urlencoded::parse(encoded) {
            match &*name {
                "GUAC_DATA_SOURCE" => data_source = Some(value),
                "GUAC_ID" => identifier = Some(value),
                "GUAC_TYPE" => kind = Some(value),
                "GUAC_WIDTH" => info.width_px = side(&value)?,
                "GUAC_HEIGHT" => info.height_px = side(&value)?,
                "GUAC_DPI" => info.dpi = side(&value)?,
                "GUAC_AUDIO" => push(&mut info.audio_mimetypes, value),
                "GUAC_VIDEO" => push(&mut info.video_mimetypes, value),
                "GUAC_IMAGE" => push(&mut info.image_mimetypes, value),
                "GUAC_TIMEZONE" => info.timezone = Some(value.into_owned()).filter(|zone| !zone.is_empty()),
                _ => {}
            }
        }
        let required = |value: Option<Cow<'_, str>>| value.map(Cow::into_owned).filter(|value| !value.is_empty());
        let missing = || bad_request("The tunnel request lacks a parameter.");
        let kind = match &*kind.ok_or_else(missing)? {
            "c" => Kind::Connection,
            "g" => Kind::Group,
            "a" => Kind::ActiveConnection,
            _ => return Err(bad_request("The tunnel request asks for an unknown kind of object.")),
        };
        Ok(Self {
            data_source: required(data_source).ok_or_else(missing)?,
            identifier: required(identifier).ok_or_else(missing)?,
            kind,
            info,
        })
    }
}

fn side(text: &str) -> Result<u32, ConnectError> {
    let number: u32 = text.parse().map_err(|_| bad_request("A size in the tunnel request is not a number."))?;
    Ok(number.clamp(1, MAX_LAYER_SIDE_PX))
}

fn push(list: &mut Vec<String>, value: Cow<'_, str>) {
    if list.len() < MAX_MIMETYPES {
        list.push(value.into_owned());
    }
}

fn bad_request(message: &'static str) -> ConnectError {
    ConnectError::new(Status::ClientBadRequest, message)
}

/// An open tunnel and everything that ends with it.
pub(crate) struct OpenTunnel {
    pub(crate) uuid: TunnelUuid,
    pub(crate) registration: Registration,
    pub(crate) link: Link,
    pub(crate) guard: TunnelGuard,
}

/// Closes the row of history, gives back the seats and ends what was shared when it is dropped.
pub(crate) struct TunnelGuard {
    row: OpenRow,
    owner: OwnerKey,
    /// The link it joined by.
    share: Option<Arc<Share>>,
    /// For the listener, where there is one.
    heard: Option<Box<TunnelInfo>>,
    _seats: Vec<AnySeat>,
}

impl Drop for TunnelGuard {
    fn drop(&mut self) {
        let OpenRow { app, uuid, begin, .. } = &self.row;
        // A login was in use for as long as its tunnel was open.
        app.sessions.touch(self.owner);
        if let Some(share) = &self.share {
            app.shares.leave(&share.key, uuid);
        }
        for joined in app.shares.revoke(uuid) {
            app.registry.stop(&joined, Status::SessionClosed);
        }
        if let (Some(listener), Some(info)) = (app.listener.get(), &self.heard) {
            listener.closed(info, begin.elapsed());
        }
    }
}

/// A stored connection about to be opened, and how.
struct Target {
    connection: Connection,
    parameters: Parameters,
    selection: Selection,
    seats: Vec<AnySeat>,
    /// Where the session is, unless where its connection says.
    host: Option<Arc<dyn SessionHost>>,
    /// The link by which somebody else's session is joined.
    share: Option<Arc<Share>>,
}

/// The data source of what others share, beside one of an account's own (T-069).
pub(crate) fn shared_source(data_source: &str) -> String {
    format!("{data_source}-shared")
}

/// Opens what a request asks for, on behalf of a caller.
///
/// Not cancel safe: a row of history might be written and never closed. Run it in a task of its own.
pub(crate) async fn open(
    app: &App,
    caller: &Caller,
    address: IpAddr,
    mut request: TunnelRequest,
) -> Result<OpenTunnel, ConnectError> {
    // Whoever joins a live session finds it nowhere else.
    let joins = request.kind == Kind::ActiveConnection || request.data_source == shared_source(&app.config.data_source);
    if app.draining.is_cancelled() || !(joins || app.readiness.is_ready()) {
        return Err(ConnectError::new(Status::UpstreamUnavailable, "This server takes no new sessions; another may."));
    }
    request.info.name = Some(caller.username().to_owned()).filter(|name| !name.is_empty());
    if request.data_source == shared_source(&app.config.data_source) {
        return join_shared(app, caller, address, &request).await;
    }
    if request.data_source != app.config.data_source {
        return Err(ConnectError::new(Status::ResourceNotFound, "No such data source."));
    }
    let user = caller.user().ok_or_else(not_found)?;
    match request.kind {
        Kind::Connection => {
            let key = request.identifier.parse().map_err(|_| not_found())?;
            let (connection, parameters) = app.store.connection_to_open(&caller.access, key).await?;
            let seat = take_seat(app, user, &connection).await?;
            let selection = Selection::Protocol(connection.protocol.clone());
            let target = Target { connection, parameters, selection, seats: vec![seat], host: None, share: None };
            open_target(app, caller, address, &request.info, target).await
        }
        Kind::Group => {
            let key = request.identifier.parse().map_err(|_| not_found())?;
            open_member(app, caller, user, address, &request.info, key).await
        }
        Kind::ActiveConnection => join(app, caller, address, &request).await,
    }
}

/// Opens a member of a balancing group: the one least used for its weight that has a seat. Members for emergencies
/// are tried only after the upstream of another has failed (D-101).
async fn open_member(
    app: &App,
    caller: &Caller,
    user: UserKey,
    address: IpAddr,
    info: &ClientInfo,
    group: ConnectionGroupKey,
) -> Result<OpenTunnel, ConnectError> {
    let attributes = app.store.connection_group(&caller.access, group).await?.attributes;
    let capacity = Capacity {
        total: attributes.max_connections.unwrap_or(app.config.concurrency.group),
        per_user: attributes.max_connections_per_user.unwrap_or(app.config.concurrency.group_per_user),
    };
    let mut members = app.store.members_to_open(&caller.access, group).await?;
    let keys: Vec<_> = members.iter().map(|(connection, _)| connection.key).collect();
    let used = app.used(&keys).await?;
    members.sort_by_key(|(connection, _)| {
        let weight = u64::try_from(connection.attributes.weight.unwrap_or(1)).unwrap_or(1).max(1);
        let used = used.get(&connection.key).copied().map_or(0, u64::from);
        // Ratios compared in millionths; among equals the heavier comes first, as it will be the less used.
        (connection.attributes.failover_only, used * 1_000_000 / weight, Reverse(weight))
    });
    let mut failure = None;
    for (connection, parameters) in members {
        if connection.attributes.failover_only && failure.is_none() {
            continue;
        }
        let seats = vec![
            app.take_seat(Place::Group(group), user, capacity).await?,
            match take_seat(app, user, &connection).await {
                Ok(seat) => seat,
                Err(_) => continue,
            },
        ];
        let selection = Selection::Protocol(connection.protocol.clone());
        let target = Target { connection, parameters, selection, seats, host: None, share: None };
        match open_target(app, caller, address, info, target).await {
            Err(error) if is_upstream(error.status) => failure = Some(error),
            done => return done,
        }
    }
    Err(ConnectError::new(Status::ResourceConflict, "No member of the group can be used at the moment."))
}

fn is_upstream(status: Status) -> bool {
    matches!(
        status,
        Status::UpstreamTimeout | Status::UpstreamError | Status::UpstreamNotFound | Status::UpstreamUnavailable
    )
}

/// Joins a live tunnel: one's own, or any for administrators (T-072). Unlike stock, no seat is given back that was
/// never taken.
async fn join(
    app: &App,
    caller: &Caller,
    address: IpAddr,
    request: &TunnelRequest,
) -> Result<OpenTunnel, ConnectError> {
    let uuid: TunnelUuid = request.identifier.parse().map_err(|_| not_found())?;
    let live = app.live_tunnel(&uuid).await?.ok_or_else(not_found)?;
    if !caller.access.is_administrator() && live.username != caller.username() {
        return Err(not_found());
    }
    let key = live.connection_identifier.parse().map_err(|_| not_found())?;
    let (connection, parameters) = app.store.connection_to_open(&caller.access, key).await?;
    let host = host_of_tunnel(app, &connection, &live).await?;
    let selection = Selection::Join(live.connection_id);
    let target = Target { connection, parameters, selection, seats: Vec::new(), host, share: None };
    open_target(app, caller, address, &request.info, target).await
}

/// Joins what a link leads to, with the parameters of its profile and no others (T-071). Takes no seat (T-076).
async fn join_shared(
    app: &App,
    caller: &Caller,
    address: IpAddr,
    request: &TunnelRequest,
) -> Result<OpenTunnel, ConnectError> {
    let key = ShareKey::given(&request.identifier);
    if request.kind != Kind::Connection
        || !(caller.session.shares().contains(&key) || app.links_of(&caller.session).await?.contains(&key))
    {
        return Err(not_found());
    }
    let share = app.find_share(&key).await?.ok_or_else(not_found)?;
    let live = app.live_tunnel(&share.tunnel).await?.ok_or_else(not_found)?;
    let target = Target {
        connection: share.connection.clone(),
        parameters: share.parameters.clone(),
        host: host_of_tunnel(app, &share.connection, &live).await?,
        selection: Selection::Join(live.connection_id),
        seats: Vec::new(),
        share: Some(share),
    };
    open_target(app, caller, address, &request.info, target).await
}

async fn take_seat(app: &App, user: UserKey, connection: &Connection) -> Result<AnySeat, ConnectError> {
    let defaults = app.config.concurrency;
    let capacity = Capacity {
        total: connection.attributes.max_connections.unwrap_or(defaults.connection),
        per_user: connection.attributes.max_connections_per_user.unwrap_or(defaults.connection_per_user),
    };
    app.take_seat(Place::Connection(connection.key), user, capacity).await
}

async fn open_target(
    app: &App,
    caller: &Caller,
    address: IpAddr,
    info: &ClientInfo,
    target: Target,
) -> Result<OpenTunnel, ConnectError> {
    let Target { connection, parameters, selection, seats, host, share } = target;
    let remote_host = address.to_string();
    let own_source = &app.config.data_source;
    let data_source = if share.is_some() { shared_source(own_source) } else { own_source.clone() };
    let joined = matches!(selection, Selection::Join(_));
    let record = NewConnectionRecord {
        user: caller.user(),
        username: caller.username(),
        remote_host: Some(&remote_host),
        connection: Some(connection.key),
        connection_name: &connection.name,
        sharing_profile: share.as_ref().map(|share| (share.profile.key, share.profile.name.as_str())),
    };
    let new = NewClusterTunnel {
        login: caller.session.key.0,
        data_source: &data_source,
        connection: connection.key,
        protocol: &connection.protocol,
        joined,
        share: share.as_ref().map(|share| share_hash(&share.key)),
    };
    let (row, record, now) = OpenRow::open(app, &record, &new).await?;
    let uuid = row.uuid.clone();

    let mut tokens = Tokens::for_login(LoginTokens {
        username: caller.username(),
        password: Some(&caller.session.password),
        client_address: &remote_host,
        client_hostname: &remote_host,
    });
    tokens.set_connection(&connection, &parameters, record.uuid, info.timezone.as_deref(), now);
    let params: BTreeMap<String, String> =
        tokens.apply(&parameters).iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let host = match host {
        Some(elsewhere) => elsewhere,
        None => host_of(app, &connection)?,
    };
    let opening = host.open(OpenRequest { selection, info: info.clone(), params });
    let opened = tokio::time::timeout(app.config.tunnel_limits.open, opening)
        .await
        .map_err(|_| ConnectError::new(Status::UpstreamTimeout, "The session did not start in time."))?
        .map_err(|error| ConnectError::new(error.status, error.message))?;

    let session = opened.connection_id.clone();
    let info = TunnelInfo {
        uuid: uuid.clone(),
        owner: caller.session.key,
        data_source,
        connection_identifier: connection.key.to_string(),
        protocol: connection.protocol,
        connection_id: opened.connection_id,
        joined,
        start: now,
        remote_host: Some(remote_host),
        username: caller.username().to_owned(),
    };
    let heard = ask_listener(app, &info)?;
    let registration = app.registry.insert(info)?;
    let guard = TunnelGuard { row, owner: caller.session.key, share, heard, _seats: seats };
    show(app, &uuid, &session, guard.share.as_deref()).await?;
    // The login may have ended meanwhile, and then nobody would have told this tunnel.
    if !app.sessions.contains(caller.session.key) {
        return Err(ConnectError::new(Status::SessionClosed, "The login has ended."));
    }
    let kind = if guard.share.is_some() { "shared connection" } else { "connection" };
    tracing::info!(tunnel = %uuid, username = caller.username(), kind, connection = %connection.key, joined, "Tunnel opened");
    let (link, streams) = intercept(opened.link);
    registration.offer_streams(streams);
    Ok(OpenTunnel { uuid, registration, link, guard })
}

/// Lets others know of a tunnel: the nodes of the cluster, and the end of what it joined.
async fn show(app: &App, uuid: &TunnelUuid, session: &ConnectionId, share: Option<&Share>) -> Result<(), ConnectError> {
    let valid = match (&app.config.cluster, share) {
        (Some(cluster), share) => {
            cluster.show_tunnel(uuid, session).await?;
            match share {
                None => true,
                // It is written down by what link we came: if that is still valid now, its end will find us.
                Some(share) => app.find_share(&share.key).await?.is_some(),
            }
        }
        (None, Some(share)) => app.shares.enter(&share.key, uuid.clone()),
        (None, None) => true,
    };
    if valid { Ok(()) } else { Err(ConnectError::new(Status::SessionClosed, "The session that was shared is over.")) }
}

/// Lets the listener forbid a tunnel. A veto for want of authority ends the login (T-050); a machine behind that
/// refuses its own password does not.
fn ask_listener(app: &App, info: &TunnelInfo) -> Result<Option<Box<TunnelInfo>>, ConnectError> {
    let Some(listener) = app.listener.get() else {
        return Ok(None);
    };
    match listener.opening(info) {
        Ok(()) => Ok(Some(Box::new(info.clone()))),
        Err(Veto { status, message }) => {
            if status == Status::ClientUnauthorized {
                app.end_session(info.owner);
            }
            Err(ConnectError::new(status, message))
        }
    }
}

/// Where the session of a live tunnel is, if that is another node. Sessions of outside guacds are joined there.
async fn host_of_tunnel(
    app: &App,
    connection: &Connection,
    live: &TunnelInfo,
) -> Result<Option<Arc<dyn SessionHost>>, ConnectError> {
    let outside = connection.attributes.guacd_hostname.as_deref().is_some_and(|name| !name.is_empty());
    // A tunnel that has joined tells nothing about where its session is.
    let here = match live.joined {
        true => app.host.parameters(live.connection_id.as_str()).is_some(),
        false => app.registry.info(&live.uuid).is_some(),
    };
    if outside || here {
        return Ok(None);
    }
    app.host_elsewhere(live).await?.map(Some).ok_or_else(not_found)
}

/// The sessions of this process, or an outside guacd where the connection names one.
fn host_of(app: &App, connection: &Connection) -> Result<Arc<dyn SessionHost>, ConnectError> {
    let attributes = &connection.attributes;
    let Some(hostname) = attributes.guacd_hostname.as_deref().filter(|name| !name.is_empty()) else {
        return Ok(Arc::clone(&app.host));
    };
    let port = attributes.guacd_port.unwrap_or(GUACD_PORT);
    let mut host = GuacdHost::new(hostname, port, app.config.tunnel_limits.clone());
    if let Some(GuacdResolver(resolver)) = &app.config.guacd_resolver {
        host = host.with_resolver(Arc::clone(resolver));
    }
    match (attributes.guacd_encryption, &app.config.guacd_tls) {
        (None | Some(ProxyEncryption::None), _) => Ok(Arc::new(host)),
        (Some(ProxyEncryption::Ssl), Some(tls)) => Ok(Arc::new(host.with_tls(tls.clone()))),
        (Some(ProxyEncryption::Ssl), None) => {
            Err(ConnectError::new(Status::ServerError, "TLS towards guacd is not set up on this server."))
        }
    }
}

fn not_found() -> ConnectError {
    ConnectError::new(Status::ResourceNotFound, "No such connection.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<TunnelRequest, Status> {
        TunnelRequest::parse(query.as_bytes()).map_err(|error| error.status)
    }

    #[test]
    fn reads_all_parameters_of_a_tunnel() {
        let query = "token=x&GUAC_DATA_SOURCE=mysql&GUAC_ID=7&GUAC_TYPE=c&GUAC_WIDTH=1920&GUAC_HEIGHT=99999&GUAC_DPI=120\
                     &GUAC_AUDIO=audio%2FL8&GUAC_AUDIO=audio%2FL16&GUAC_IMAGE=image%2Fpng&GUAC_TIMEZONE=Europe%2FBerlin";
        let request = parse(query).unwrap();
        assert_eq!((request.identifier.as_str(), request.kind), ("7", Kind::Connection));
        assert_eq!((request.info.width_px, request.info.height_px, request.info.dpi), (1920, 8192, 120));
        assert_eq!(request.info.audio_mimetypes, ["audio/L8", "audio/L16"]);
        assert_eq!(request.info.image_mimetypes, ["image/png"]);
        assert_eq!(request.info.timezone.as_deref(), Some("Europe/Berlin"));
    }

    #[test]
    fn what_a_tunnel_does_not_say_has_the_stock_defaults() {
        let request =
            parse("GUAC_DATA_SOURCE=mysql&GUAC_ID=7&GUAC_TYPE=g&GUAC_VIDEO=video%2Fmp4&GUAC_OTHER=x").unwrap();
        assert_eq!((request.data_source.as_str(), request.kind), ("mysql", Kind::Group));
        assert_eq!((request.info.width_px, request.info.height_px, request.info.dpi), (1024, 768, 96));
        assert_eq!(request.info.video_mimetypes, ["video/mp4"]);
        assert!(request.info.image_mimetypes.is_empty() && request.info.timezone.is_none());
    }

    #[test]
    fn refuses_what_is_missing_or_no_number() {
        for query in [
            "GUAC_ID=7&GUAC_TYPE=c",
            "GUAC_DATA_SOURCE=mysql&GUAC_TYPE=c",
            "GUAC_DATA_SOURCE=mysql&GUAC_ID=7",
            "GUAC_DATA_SOURCE=mysql&GUAC_ID=7&GUAC_TYPE=x",
            "GUAC_DATA_SOURCE=mysql&GUAC_ID=7&GUAC_TYPE=c&GUAC_WIDTH=wide",
        ] {
            assert_eq!(parse(query).unwrap_err(), Status::ClientBadRequest, "{query}");
        }
    }
}
