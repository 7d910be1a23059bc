//! From an endpoint to an open session.

use guac_protocol::{ClientHandshake, ClientStep, ConnectionId, Decoder, Status, TunnelUuid};
use hyper::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, http};
use url::{Url, form_urlencoded};

use crate::http::Address;
use crate::transport::{Closed, Incoming, Outgoing, connect, over_stream, over_web_socket};
use crate::view::End;
use crate::{ClientError, ConnectionKind, ConnectionRef, Endpoint, Gateway, Guacd, Login, Options};

/// Longest message taken from a gateway. The stock one sends a few instructions of 8192 characters each.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// Depth of a tree of connections that is searched. Deeper ones are a broken answer.
const MAX_DEPTH: usize = 32;

/// A session that is open.
pub(crate) struct Session {
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
    /// May hold instructions already.
    pub(crate) decoder: Decoder,
    pub(crate) connection_id: Option<ConnectionId>,
    pub(crate) tunnel: Option<TunnelUuid>,
    /// A login of our own, to be ended with the session.
    pub(crate) login: Option<OwnLogin>,
}

/// A login at a gateway.
pub(crate) struct OwnLogin {
    address: Address,
    token: SecretString,
}

impl OwnLogin {
    /// Logs out.
    pub(crate) async fn end(&self) -> Result<(), ClientError> {
        let token = Some(self.token.expose_secret());
        self.address.request(Method::DELETE, "api/session", token, String::new()).await.map(|_| ())
    }
}

pub(crate) async fn open(endpoint: Endpoint, options: &Options) -> Result<Session, ClientError> {
    match endpoint {
        Endpoint::Guacd(guacd) => open_guacd(guacd, options).await,
        Endpoint::Gateway(gateway) => open_gateway(gateway, options).await,
    }
}

async fn open_guacd(guacd: Guacd, options: &Options) -> Result<Session, ClientError> {
    let tls = guacd.tls.as_ref().map(crate::Tls::config).transpose()?;
    let (mut incoming, mut outgoing) = over_stream(connect(&guacd.host, guacd.port, tls).await?);
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let mut handshake = ClientHandshake::start(&guacd.selection, &mut out);
    let info = options.info();
    loop {
        if !out.is_empty() {
            let written = outgoing.send(std::mem::take(&mut out)).await;
            written.map_err(|error| ended(&Closed::Broken(error)).error())?;
        }
        let chunk = incoming.next().await.map_err(|closed| ended(&closed).error())?;
        decoder.feed(&chunk)?;
        while let Some(instruction) = decoder.next_instruction()? {
            match handshake.handle_instruction(&instruction)? {
                ClientStep::Args(_) => {
                    let value = |name: &str| guacd.params.get(name).map_or("", |value| value.expose_secret());
                    handshake.connect(&info, value, &mut out)?;
                }
                ClientStep::Ready(id) => {
                    let connection_id = Some(id);
                    return Ok(Session { incoming, outgoing, decoder, connection_id, tunnel: None, login: None });
                }
                _ => {}
            }
        }
    }
}

/// What stands for a connection that closed before it said why.
pub(crate) fn ended(closed: &Closed) -> End {
    match closed {
        Closed::Eof => End::new(Status::UpstreamError, "the connection was closed without a word"),
        Closed::Told(Some(Status::Success)) => End::new(Status::Success, "the server closed the session"),
        Closed::Told(Some(status)) => End::new(*status, "the gateway ended the tunnel"),
        Closed::Told(None) => End::new(Status::UpstreamError, "the gateway ended the tunnel without a reason"),
        Closed::Broken(error) => End::new(Status::UpstreamError, format!("the connection broke: {error}")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginAnswer {
    auth_token: String,
    data_source: String,
}

#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    identifier: String,
    #[serde(default)]
    child_connections: Vec<Entry>,
    #[serde(default)]
    child_connection_groups: Vec<Self>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    identifier: String,
}

impl Group {
    /// The identifier of a connection or group, breadth first within each group.
    fn find(&self, name: &str, kind: ConnectionKind, depth: usize) -> Option<&str> {
        let here = match kind {
            ConnectionKind::Connection => {
                self.child_connections.iter().find(|entry| entry.name == name).map(|entry| &entry.identifier)
            }
            ConnectionKind::Group => {
                self.child_connection_groups.iter().find(|group| group.name == name).map(|group| &group.identifier)
            }
            ConnectionKind::Active => None,
        };
        let below = || match depth.checked_sub(1) {
            Some(depth) => self.child_connection_groups.iter().find_map(|group| group.find(name, kind, depth)),
            None => None,
        };
        here.map(String::as_str).or_else(below)
    }
}

async fn open_gateway(gateway: Gateway, options: &Options) -> Result<Session, ClientError> {
    let address = address_of(&gateway)?;
    let (token, data_source, own) = match &gateway.login {
        Login::Token(token) => (token.clone(), "mysql".to_owned(), false),
        Login::Password { username, password } => {
            let answer = log_in(&address, username, password).await?;
            (SecretString::from(answer.auth_token), answer.data_source, true)
        }
    };
    let data_source = gateway.data_source.clone().unwrap_or(data_source);
    let login = own.then(|| OwnLogin { address: address.clone(), token: token.clone() });
    let session = open_tunnel(&gateway, &address, &token, &data_source, options).await;
    match session {
        Ok(session) => Ok(Session { login, ..session }),
        Err(error) => {
            if let Some(login) = login {
                // The first failure is the one to tell.
                let _ = login.end().await;
            }
            Err(error)
        }
    }
}

fn address_of(gateway: &Gateway) -> Result<Address, ClientError> {
    let url = Url::parse(&gateway.url).map_err(|_| ClientError::BadUrl)?;
    let tls = match url.scheme() {
        "http" => None,
        "https" => Some(gateway.tls.config()?),
        _ => return Err(ClientError::BadUrl),
    };
    let (host, port) = url.host_str().zip(url.port_or_known_default()).ok_or(ClientError::BadUrl)?;
    let mut base = url.path().to_owned();
    if !base.ends_with('/') {
        base.push('/');
    }
    Ok(Address { host: host.to_owned(), port, base, tls })
}

async fn log_in(address: &Address, username: &str, password: &SecretString) -> Result<LoginAnswer, ClientError> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("username", username)
        .append_pair("password", password.expose_secret())
        .finish();
    let (status, body) = address.request(Method::POST, "api/tokens", None, form).await?;
    if status.is_success() {
        let bad = ClientError::BadAnswer { path: "api/tokens", http_status: status.as_u16() };
        return serde_json::from_slice(&body).map_err(|_| bad);
    }
    let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
    let message = refusal.and_then(|refusal| refusal.message).unwrap_or_else(|| status.to_string());
    let status = match status {
        StatusCode::TOO_MANY_REQUESTS => Status::ClientTooMany,
        StatusCode::SERVICE_UNAVAILABLE => Status::ServerBusy,
        status if status.is_client_error() => Status::ClientUnauthorized,
        _ => Status::UpstreamError,
    };
    Err(ClientError::LoginRefused { message: message.chars().take(256).collect(), status })
}

async fn identifier_of(
    gateway: &Gateway,
    address: &Address,
    token: &SecretString,
    data_source: &str,
) -> Result<String, ClientError> {
    let name = match &gateway.connection {
        ConnectionRef::Identifier(identifier) => return Ok(identifier.clone()),
        ConnectionRef::Name(name) => name,
    };
    let source: String = form_urlencoded::byte_serialize(data_source.as_bytes()).collect();
    let path = format!("api/session/data/{source}/connectionGroups/ROOT/tree");
    let (status, body) = address.request(Method::GET, &path, Some(token.expose_secret()), String::new()).await?;
    let bad = ClientError::BadAnswer { path: "the tree of connections", http_status: status.as_u16() };
    if !status.is_success() {
        return Err(bad);
    }
    let tree: Group = serde_json::from_slice(&body).map_err(|_| bad)?;
    let found = tree.find(name, gateway.kind, MAX_DEPTH).map(str::to_owned);
    found.ok_or_else(|| ClientError::NoSuchConnection { name: name.clone() })
}

async fn open_tunnel(
    gateway: &Gateway,
    address: &Address,
    token: &SecretString,
    data_source: &str,
    options: &Options,
) -> Result<Session, ClientError> {
    let identifier = identifier_of(gateway, address, token, data_source).await?;
    let url = tunnel_url(gateway, address, token, data_source, &identifier, options);
    let mut request = url.into_client_request().map_err(|_| ClientError::BadUrl)?;
    request.headers_mut().insert("sec-websocket-protocol", http::HeaderValue::from_static("guacamole"));
    let io = connect(&address.host, address.port, address.tls.clone()).await?;
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES)).max_frame_size(Some(MAX_MESSAGE_BYTES));
    let opened = tokio_tungstenite::client_async_with_config(request, io, Some(config)).await;
    let (socket, _) = opened.map_err(|error| match error {
        WebSocketError::Http(answer) => {
            ClientError::BadAnswer { path: "websocket-tunnel", http_status: answer.status().as_u16() }
        }
        error => ClientError::Http { source: error.into() },
    })?;
    let (mut incoming, outgoing) = over_web_socket(socket);
    let mut decoder = Decoder::new();
    // The tunnel's first word is its UUID; a refusal is a close frame instead.
    loop {
        let chunk = incoming.next().await.map_err(|closed| ended(&closed).error())?;
        decoder.feed(&chunk)?;
        if let Some(instruction) = decoder.next_instruction()? {
            let bad = ClientError::BadAnswer { path: "websocket-tunnel", http_status: 101 };
            let uuid = instruction.arg(0).filter(|_| instruction.opcode().is_empty());
            let tunnel = Some(uuid.and_then(|uuid| uuid.parse().ok()).ok_or(bad)?);
            return Ok(Session { incoming, outgoing, decoder, connection_id: None, tunnel, login: None });
        }
    }
}

/// The address of a tunnel. By itself, because the serializer would keep the future above from changing threads.
fn tunnel_url(
    gateway: &Gateway,
    address: &Address,
    token: &SecretString,
    data_source: &str,
    identifier: &str,
    options: &Options,
) -> String {
    let info = options.info();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("token", token.expose_secret())
        .append_pair("GUAC_DATA_SOURCE", data_source)
        .append_pair("GUAC_ID", identifier)
        .append_pair("GUAC_TYPE", gateway.kind.letter())
        .append_pair("GUAC_WIDTH", &info.width_px.to_string())
        .append_pair("GUAC_HEIGHT", &info.height_px.to_string())
        .append_pair("GUAC_DPI", &info.dpi.to_string());
    for mimetype in &info.image_mimetypes {
        query.append_pair("GUAC_IMAGE", mimetype);
    }
    if let Some(timezone) = &info.timezone {
        query.append_pair("GUAC_TIMEZONE", timezone);
    }
    let scheme = if address.tls.is_some() { "wss" } else { "ws" };
    format!("{scheme}://{}{}websocket-tunnel?{}", address.authority(), address.base, query.finish())
}
