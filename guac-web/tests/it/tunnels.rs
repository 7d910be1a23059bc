use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use guac_auth_mysql::{
    Access, ConnectionGroupAttributes, ConnectionGroupType, HistoryQuery, Holder, NewConnection, NewConnectionGroup,
    ObjectPermission, Permission, ProxyEncryption,
};
use guac_protocol::{Selection, Status};
use guac_tunnel::{GuacdTls, GuacdVerify};
use guac_web::WebConfig;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tower::ServiceExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::support::{
    ADMIN_PASSWORD, ANN_PASSWORD, PARAMETER, ScriptedHost, World, refusal, request, world, world_with,
};

/// The application on a port of loopback.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

pub(crate) async fn serve(world: &World) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = world.app.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, peer)) = listener.accept().await {
            let app = app.clone();
            connections.spawn(async move { app.serve_connection(stream, peer).await });
        }
    });
    Served { address, _tasks: tasks }
}

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn websocket(served: &Served, query: &str, headers: &[(&'static str, String)]) -> Socket {
    let mut request = format!("ws://{}/websocket-tunnel?{query}", served.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "guacamole".parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let (socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "guacamole");
    socket
}

pub(crate) fn query(id: impl ToString, kind: &str) -> String {
    let id = id.to_string();
    format!(
        "GUAC_DATA_SOURCE=mysql&GUAC_ID={id}&GUAC_TYPE={kind}&GUAC_WIDTH=800&GUAC_HEIGHT=600&GUAC_DPI=96\
         &GUAC_IMAGE=image%2Fpng&GUAC_TIMEZONE=Europe%2FBerlin"
    )
}

pub(crate) async fn text(socket: &mut Socket) -> String {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Close(frame) => {
                let frame = frame.unwrap();
                return format!("close {} {}", u16::from(frame.code), frame.reason);
            }
            _ => {}
        }
    }
}

/// The tunnel's UUID out of its first message.
pub(crate) async fn uuid(socket: &mut Socket) -> String {
    let hello = text(socket).await;
    hello.strip_prefix("0.,36.").unwrap().trim_end_matches(';').to_owned()
}

#[tokio::test]
async fn a_websocket_opens_the_connection_relays_and_its_history_is_closed() {
    let world = world().await;
    let served = serve(&world).await;
    let token = world.token_of("ann").await;
    let mut socket = websocket(&served, &format!("token={token}&{}", query(world.shell, "c")), &[]).await;
    let uuid = uuid(&mut socket).await;
    let mut session = world.host.session();
    assert_eq!(session.request.selection, Selection::Protocol("ssh".into()));
    assert_eq!(session.request.params["username"], "ann", "tokens are replaced");
    assert_eq!(session.request.params["password"], PARAMETER);
    let info = &session.request.info;
    assert_eq!((info.width_px, info.height_px, info.name.as_deref()), (800, 600, Some("ann")));
    assert_eq!(info.timezone.as_deref(), Some("Europe/Berlin"));

    let data = async |path: &str| world.get(&token, path).await.json();
    assert_eq!(data("tunnels").await, json!([uuid]));
    let active = data("data/mysql/activeConnections").await;
    let entry = &active[&uuid];
    assert_eq!(entry["connectionIdentifier"], json!(world.shell.to_string()));
    assert_eq!((&entry["username"], &entry["connectable"]), (&json!("ann"), &json!(true)));
    assert_eq!(entry["remoteHost"], "127.0.0.1");
    assert_eq!(data(&format!("data/mysql/activeConnections/{uuid}")).await, *entry);
    assert_eq!(data(&format!("tunnels/{uuid}/activeConnection")).await, *entry);
    assert_eq!(data(&format!("tunnels/{uuid}/protocol")).await["name"], "ssh");
    let profiles = format!("tunnels/{uuid}/activeConnection/connection/sharingProfiles");
    assert_eq!(data(&profiles).await, json!({}));
    assert_eq!(data(&format!("data/mysql/connections/{}", world.shell)).await["activeConnections"], 1);
    let permissions = data("data/mysql/self/effectivePermissions").await;
    assert_eq!(permissions["activeConnectionPermissions"][&uuid], json!(["READ", "DELETE"]));

    socket.send(Message::text("0.,4.ping,1.7;3.key,2.97,1.1;")).await.unwrap();
    assert_eq!(text(&mut socket).await, "0.,4.ping,1.7;");
    assert_eq!(session.heard.recv().await.unwrap(), "3.key,2.97,1.1;");
    session.say.send(Bytes::from_static(b"4.sync,1.5;")).await.unwrap();
    assert_eq!(text(&mut socket).await, "4.sync,1.5;");
    socket.close(None).await.unwrap();
    while let Some(message) = socket.next().await {
        message.expect("closed in an orderly way");
    }
    session.say.closed().await;
    world.drain().await;
    let history = world.store.connection_history(&Access::operator(), &HistoryQuery::default()).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].record.uuid.to_string(), uuid, "the tunnel is named after its record");
    assert!(history[0].end.is_some());
    assert_eq!(history[0].remote_host.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn refusals_are_close_frames_with_the_status() {
    let world = world().await;
    let served = serve(&world).await;
    let token = world.token_of("ann").await;
    for (query, close) in [
        (query(world.shell, "c"), "close 1008 769"),
        (format!("token=UNKNOWN&{}", query(world.shell, "c")), "close 1008 769"),
        (format!("token={token}&{}", query(world.hidden, "c")), "close 1002 516"),
        (format!("token={token}&{}", query(4711, "c")), "close 1002 516"),
        (format!("token={token}&{}", query(world.shell, "x")), "close 1002 768"),
        (format!("token={token}&{}", query(world.shell, "g")), "close 1002 516"),
        (format!("token={token}&{}", query("unknown", "a")), "close 1002 516"),
        (format!("token={token}&GUAC_ID=1"), "close 1002 768"),
    ] {
        let mut socket = websocket(&served, &query, &[]).await;
        assert_eq!(text(&mut socket).await, close, "{query}");
    }
    *world.host.refuse.lock().unwrap() = Some(refusal(Status::UpstreamUnavailable));
    let mut socket = websocket(&served, &format!("token={token}&{}", query(world.shell, "c")), &[]).await;
    assert_eq!(text(&mut socket).await, "close 1011 520");
    world.drain().await;
    let history = world.store.connection_history(&Access::operator(), &HistoryQuery::default()).await.unwrap();
    assert!(history.len() == 1 && history[0].end.is_some(), "closed also when connecting failed: {history:?}");
}

#[tokio::test]
async fn the_cookie_opens_a_tunnel_for_our_own_page_and_no_other() {
    let world = world().await;
    let served = serve(&world).await;
    let form = format!("username=ann&password={ANN_PASSWORD}");
    let answer = world.call("POST", "/api/tokens", &[("guacamole-cookie", "1")], &form).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let own = format!("http://{}", served.address);
    let query = query(world.shell, "c");
    for origin in
        [None, Some("http://evil.example".to_owned()), Some("null".to_owned()), Some(format!("{own}.evil.example"))]
    {
        let mut headers = vec![("cookie", cookie.clone())];
        headers.extend(origin.clone().map(|origin| ("origin", origin)));
        let mut socket = websocket(&served, &query, &headers).await;
        assert_eq!(text(&mut socket).await, "close 1008 769", "{origin:?}");
    }
    let mut socket = websocket(&served, &query, &[("cookie", cookie), ("origin", own)]).await;
    uuid(&mut socket).await;
}

#[tokio::test]
async fn logout_and_kill_end_tunnels_with_a_status() {
    let world = world().await;
    let served = serve(&world).await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    let query = format!("token={ann}&{}", query(world.shell, "c"));
    let mut socket = websocket(&served, &query, &[]).await;
    let killed = uuid(&mut socket).await;
    let patch = json!([{"op": "remove", "path": format!("/{killed}")}]).to_string();
    let path = "/api/session/data/mysql/activeConnections";
    let answer =
        world.call("PATCH", path, &[("guacamole-token", &admin), ("content-type", "application/json")], &patch).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({"patches": [{"op": "remove", "identifier": killed, "path": format!("/{killed}")}]})
    );
    assert_eq!(text(&mut socket).await, "close 1002 523");
    assert!(socket.next().await.is_none(), "closed in an orderly way");

    let mut socket = websocket(&served, &query, &[]).await;
    uuid(&mut socket).await;
    assert_eq!(world.call("DELETE", "/api/session", &[("guacamole-token", &ann)], "").await.status, 204);
    assert_eq!(text(&mut socket).await, "close 1002 523");
}

#[tokio::test]
async fn others_see_no_foreign_session_and_cannot_end_it() {
    let world = world().await;
    let served = serve(&world).await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    let mut hidden = websocket(&served, &format!("token={admin}&{}", query(world.hidden, "c")), &[]).await;
    let hidden = uuid(&mut hidden).await;
    let mut shared = websocket(&served, &format!("token={admin}&{}", query(world.shell, "c")), &[]).await;
    let shared = uuid(&mut shared).await;
    let seen = world.get(&ann, "data/mysql/activeConnections").await.json();
    assert!(seen.get(&hidden).is_none());
    let foreign = &seen[&shared];
    assert_eq!(
        (&foreign["username"], &foreign["remoteHost"], &foreign["connectable"]),
        (&json!(null), &json!(null), &json!(false))
    );
    let headers = [("guacamole-token", ann.as_str())];
    let path = |uuid: &str| format!("/api/session/data/mysql/activeConnections/{uuid}");
    assert_eq!(world.call("DELETE", &path(&shared), &headers, "").await.status, 403);
    assert_eq!(world.call("DELETE", &path(&hidden), &headers, "").await.status, 404);
    assert_eq!(world.get(&ann, &format!("tunnels/{shared}/protocol")).await.status, 404);
    let mut join = websocket(&served, &format!("token={ann}&{}", query(&shared, "a")), &[]).await;
    assert_eq!(text(&mut join).await, "close 1002 516");
}

#[tokio::test]
async fn an_administrator_joins_a_live_session_by_its_id() {
    let world = world().await;
    let served = serve(&world).await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    let mut first = websocket(&served, &format!("token={ann}&{}", query(world.shell, "c")), &[]).await;
    let first = uuid(&mut first).await;
    let opened = world.host.session();
    let mut second = websocket(&served, &format!("token={admin}&{}", query(&first, "a")), &[]).await;
    assert_ne!(uuid(&mut second).await, first);
    let joined = world.host.session();
    assert!(matches!(joined.request.selection, Selection::Join(_)));
    assert_eq!(joined.request.params["hostname"], opened.request.params["hostname"]);
}

#[tokio::test]
async fn one_user_takes_as_many_seats_as_allowed() {
    let world = world().await;
    let served = serve(&world).await;
    let ann = world.token_of("ann").await;
    let query = format!("token={ann}&{}", query(world.shell, "c"));
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut socket = websocket(&served, &query, &[]).await;
        uuid(&mut socket).await;
        open.push(socket);
    }
    let mut third = websocket(&served, &query, &[]).await;
    assert_eq!(text(&mut third).await, "close 1008 797");
    open.pop().unwrap().close(None).await.unwrap();
    while world.app.registry().count() > 1 {
        tokio::task::yield_now().await;
    }
    let mut third = websocket(&served, &query, &[]).await;
    uuid(&mut third).await;
}

#[tokio::test]
async fn draining_closes_tunnels_so_that_clients_come_again() {
    let world = world().await;
    let served = serve(&world).await;
    let ann = world.token_of("ann").await;
    let query = format!("token={ann}&{}", query(world.shell, "c"));
    let mut socket = websocket(&served, &query, &[]).await;
    uuid(&mut socket).await;
    let ((), last) = tokio::join!(world.drain(), text(&mut socket));
    assert_eq!(last, "close 1011 520");
    let history = world.store.connection_history(&Access::operator(), &HistoryQuery::default()).await.unwrap();
    assert!(history.iter().all(|entry| entry.end.is_some()));
}

#[tokio::test]
async fn an_oversized_message_ends_the_tunnel() {
    let world = world().await;
    let served = serve(&world).await;
    let ann = world.token_of("ann").await;
    let mut socket = websocket(&served, &format!("token={ann}&{}", query(world.shell, "c")), &[]).await;
    uuid(&mut socket).await;
    // The server may cut us off before all is sent.
    let _ = socket.send(Message::text("9".repeat(1024 * 1024))).await;
    loop {
        match socket.next().await {
            None | Some(Err(_)) => break,
            Some(Ok(Message::Close(_))) => break,
            Some(Ok(_)) => {}
        }
    }
    while world.app.registry().count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn plain_requests_to_the_websocket_are_refused() {
    let world = world().await;
    assert!(world.call("GET", "/websocket-tunnel", &[], "").await.status.is_client_error());
    let served = serve(&world).await;
    let request = format!("ws://{}/api/languages", served.address).into_client_request().unwrap();
    assert!(matches!(tokio_tungstenite::connect_async(request).await, Err(tungstenite::Error::Http(_))));
}

#[tokio::test]
async fn the_http_tunnel_reads_and_writes_and_ends() {
    let world = world().await;
    let token = world.token_of("ann").await;
    let form = format!("token={token}&{}", query(world.shell, "c"));
    let answer = world.call("POST", "/tunnel?connect", &[], &form).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-cache"));
    let uuid = String::from_utf8(answer.body.to_vec()).unwrap();
    let tunnel = answer.header("guacamole-tunnel-token").to_owned();
    assert_eq!((uuid.len(), tunnel.len()), (36, 44));
    let mut session = world.host.session();

    let headers = [("guacamole-tunnel-token", tunnel.as_str())];
    let body = "3.key,2.97,1.1;3.nop;";
    let answer = world.call("POST", &format!("/tunnel?write:{uuid}"), &headers, body).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(session.heard.recv().await.unwrap(), "3.key,2.97,1.1;");

    let read = async |number: u32| {
        let request = request("GET", &format!("/tunnel?read:{uuid}:{number}"), &headers, "");
        world.app.router().oneshot(request).await.unwrap()
    };
    let first = read(0).await;
    assert_eq!(first.headers()["content-type"], "application/octet-stream");
    let mut first = first.into_body().into_data_stream();
    session.say.send(Bytes::from_static(b"4.sync,1.5;")).await.unwrap();
    assert_eq!(first.next().await.unwrap().unwrap(), "4.sync,1.5;");
    let mut second = read(1).await.into_body().into_data_stream();
    assert_eq!(first.next().await.unwrap().unwrap(), "0.;");
    assert!(first.next().await.is_none());
    drop(session);
    assert_eq!(second.next().await.unwrap().unwrap(), "0.;");
    let answer = world.call("GET", &format!("/tunnel?read:{uuid}:2"), &headers, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("guacamole-status-code")), (404, "516"));
    world.drain().await;
    let history = world.store.connection_history(&Access::operator(), &HistoryQuery::default()).await.unwrap();
    assert!(history[0].end.is_some());
}

#[tokio::test]
async fn errors_of_the_http_tunnel_are_headers() {
    let world = world().await;
    let token = world.token_of("ann").await;
    let unknown = [("guacamole-tunnel-token", "unknown")];
    let hidden = format!("token={token}&{}", query(world.hidden, "c"));
    for (uri, headers, body, http, status) in [
        ("/tunnel", &[][..], "", 400, "768"),
        ("/tunnel?other", &[], "", 400, "768"),
        ("/tunnel?connect", &[], "", 403, "769"),
        ("/tunnel?connect", &[], hidden.as_str(), 404, "516"),
        ("/tunnel?read:x:0", &[], "", 400, "768"),
        ("/tunnel?read:x:0", &unknown[..], "", 404, "516"),
        ("/tunnel?write:x", &unknown[..], "3.nop;", 404, "516"),
    ] {
        let answer = world.call("POST", uri, headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.header("guacamole-status-code")), (http, status), "{uri}");
        assert!(!answer.header("guacamole-error-message").is_empty());
    }
}

#[tokio::test]
async fn a_cross_site_form_cannot_open_an_http_tunnel_with_the_cookie() {
    let world = world().await;
    let form = format!("username=ann&password={ANN_PASSWORD}");
    let answer = world.call("POST", "/api/tokens", &[("guacamole-cookie", "1")], &form).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let query = query(world.shell, "c");
    for (origin, http) in [("http://evil.example", 403), ("http://desk.example", 200)] {
        let headers = [("cookie", cookie.as_str()), ("host", "desk.example"), ("origin", origin)];
        assert_eq!(world.call("POST", "/tunnel?connect", &headers, &query).await.status.as_u16(), http, "{origin}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_password_token_or_parameter_reaches_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let targets = Targets::new().with_targets(
        ["guac_web", "guac_tunnel", "guac_auth_mysql", "guac_protocol"].map(|t| (t, tracing::Level::TRACE)),
    );
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer).with(targets));

    let world = world().await;
    let served = serve(&world).await;
    world.login("canary-typed-as-name", "canary-wrong").await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    world.get(&ann, "data/mysql/connectionGroups/ROOT/tree").await;
    world.call("GET", &format!("/api/session/tunnels?token={ann}"), &[], "").await;
    let mut socket = websocket(&served, &format!("token={ann}&{}", query(world.shell, "c")), &[]).await;
    uuid(&mut socket).await;
    let mut session = world.host.session();
    socket.send(Message::text("4.argv,1.0,10.text/plain,8.password;4.blob,1.0,16.canary-typed-key;")).await.unwrap();
    session.heard.recv().await.unwrap();
    let answer = world.call("POST", "/tunnel?connect", &[], &format!("token={ann}&{}", query(world.shell, "c"))).await;
    let tunnel = answer.header("guacamole-tunnel-token").to_owned();
    world.call("POST", "/tunnel?write:x", &[("guacamole-tunnel-token", &tunnel)], "garbage").await;
    world.call("DELETE", &format!("/api/tokens/{admin}"), &[], "").await;
    tokio::time::timeout(Duration::from_secs(10), world.drain()).await.unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("Tunnel opened") && log.contains("Request answered"), "something is logged: {log}");
    let secrets = [ADMIN_PASSWORD, ANN_PASSWORD, PARAMETER, &ann, &admin, &tunnel, "canary"];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
}

#[tokio::test]
async fn a_balancing_group_spreads_over_its_members_and_keeps_the_last_for_emergencies() {
    let world = world().await;
    let operator = Access::operator();
    let group = NewConnectionGroup {
        name: "farm".into(),
        parent: None,
        group_type: ConnectionGroupType::Balancing,
        attributes: ConnectionGroupAttributes { max_connections_per_user: Some(0), ..Default::default() },
    };
    let group = world.store.create_connection_group(&operator, &group).await.unwrap();
    for (name, failover_only) in [("one", false), ("two", false), ("spare", true)] {
        let mut member = NewConnection::new(name, "ssh");
        member.parent = Some(group);
        member.parameters.insert("hostname", name);
        member.attributes.failover_only = failover_only;
        member.attributes.max_connections = Some(1);
        world.store.create_connection(&operator, &member).await.unwrap();
    }
    let read = Permission::ConnectionGroup(group, ObjectPermission::Read);
    world.store.update_permissions(&operator, &Holder::User("ann".into()), &[read], &[]).await.unwrap();
    let served = serve(&world).await;
    let query = format!("token={}&{}", world.token_of("ann").await, query(group, "g"));
    let mut sockets = Vec::new();
    let mut used = Vec::new();
    for _ in 0..2 {
        let mut socket = websocket(&served, &query, &[]).await;
        uuid(&mut socket).await;
        used.push(world.host.session().request.params["hostname"].clone());
        sockets.push(socket);
    }
    used.sort();
    assert_eq!(used, ["one", "two"]);
    let mut third = websocket(&served, &query, &[]).await;
    assert_eq!(text(&mut third).await, "close 1008 517", "full members are no emergency");
}

#[tokio::test]
async fn a_connection_that_names_an_outside_guacd_goes_there() {
    let world = world().await;
    let outside = Arc::new(ScriptedHost::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut guacd = JoinSet::new();
    let host = Arc::clone(&outside);
    guacd.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = guac_tunnel::serve_guacd(stream, &*host, &guac_tunnel::TunnelLimits::default()).await;
    });
    let operator = Access::operator();
    let mut proxied = NewConnection::new("proxied", "ssh");
    proxied.parameters.insert("hostname", "behind");
    proxied.attributes.guacd_hostname = Some("127.0.0.1".into());
    proxied.attributes.guacd_port = Some(port);
    let proxied = world.store.create_connection(&operator, &proxied).await.unwrap();
    let served = serve(&world).await;
    let query = format!("token={}&{}", world.token_of("admin").await, query(proxied, "c"));
    let mut socket = websocket(&served, &query, &[]).await;
    uuid(&mut socket).await;
    let mut session = outside.session();
    assert_eq!(session.request.params["hostname"], "behind");
    assert_eq!(session.request.info.name.as_deref(), Some("admin"));
    session.say.send(Bytes::from_static(b"4.sync,1.5;")).await.unwrap();
    assert_eq!(text(&mut socket).await, "4.sync,1.5;");
    socket.send(Message::text("3.key,2.97,1.1;")).await.unwrap();
    assert_eq!(session.heard.recv().await.unwrap(), "3.key,2.97,1.1;");
    drop(session);
    assert_eq!(text(&mut socket).await, "close 1000 0");
    guacd.join_all().await;
    let mut refused = websocket(&served, &query, &[]).await;
    assert_eq!(text(&mut refused).await, "close 1011 520");
}

#[tokio::test]
async fn a_connection_that_asks_for_encryption_speaks_tls_to_its_guacd() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = GuacdTls::new(GuacdVerify::System).unwrap();
    let config = |tls| {
        let mut config = WebConfig::default();
        config.guacd_tls = tls;
        config
    };
    for (encryption, tls, first, close) in [
        (Some(ProxyEncryption::Ssl), Some(tls.clone()), &b"\x16\x03"[..], "close 1011 515"),
        (None, Some(tls), b"6.", "close 1011 515"),
        (Some(ProxyEncryption::Ssl), None, b"", "close 1011 512"),
    ] {
        let world = world_with(config(tls)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxied = NewConnection::new("proxied", "ssh");
        proxied.attributes.guacd_hostname = Some("127.0.0.1".into());
        proxied.attributes.guacd_port = Some(listener.local_addr().unwrap().port());
        proxied.attributes.guacd_encryption = encryption;
        let proxied = world.store.create_connection(&Access::operator(), &proxied).await.unwrap();
        let served = serve(&world).await;
        let query = format!("token={}&{}", world.token_of("admin").await, query(proxied, "c"));
        let mut socket = websocket(&served, &query, &[]).await;
        if !first.is_empty() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut said = [0; 2];
            stream.read_exact(&mut said).await.unwrap();
            assert_eq!(said, first);
        }
        assert_eq!(text(&mut socket).await, close);
    }
}

#[tokio::test]
async fn the_log_tells_who_used_what_and_for_how_long() {
    let log = Log::default();
    let writer = log.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let targets = Targets::new().with_target("guac_web", tracing::Level::INFO);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer).with(targets));
    let world = world().await;
    let served = serve(&world).await;
    let query = format!("token={}&{}", world.token_of("ann").await, query(world.shell, "c"));
    let mut socket = websocket(&served, &query, &[]).await;
    let uuid = uuid(&mut socket).await;
    drop(world.host.session());
    assert_eq!(text(&mut socket).await, "close 1000 0");
    world.drain().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = |what: &str| log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {log}"));
    let opened = line("Tunnel opened");
    for part in [
        format!("tunnel={uuid}"),
        "username=\"ann\"".into(),
        "kind=\"connection\"".into(),
        format!("connection={}", world.shell),
    ] {
        assert!(opened.contains(&part), "{part}: {opened}");
    }
    let closed = line("Tunnel closed");
    let (_, duration) = closed.split_once("duration_ms=").unwrap();
    assert!(closed.contains(&uuid) && duration.trim().parse::<u128>().is_ok(), "{closed}");
}

#[tokio::test]
async fn a_browser_that_does_not_read_is_not_buffered_for() {
    const ITEM_BYTES: usize = 64 * 1024;
    let world = world().await;
    let served = serve(&world).await;
    let query = format!("token={}&{}", world.token_of("ann").await, query(world.shell, "c"));
    let socket = websocket(&served, &query, &[]).await;
    while world.app.registry().count() == 0 {
        tokio::task::yield_now().await;
    }
    let session = world.host.session();
    let blob = format!("4.blob,1.1,8064.{};", "A".repeat(8064));
    let item = Bytes::from(blob.repeat(ITEM_BYTES / blob.len()));
    let mut taken = 0;
    // Full for so long means that nothing is taken any more: what was is in the sockets' buffers.
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(2), session.say.send(item.clone())).await {
        taken += item.len();
        assert!(taken < 64 * 1024 * 1024, "{taken} bytes taken for a browser that reads nothing");
    }
    drop(socket);
}

#[tokio::test]
async fn joining_takes_no_seat_and_the_owner_may_end_his_session() {
    let world = world().await;
    let served = serve(&world).await;
    let ann = world.token_of("ann").await;
    let own = format!("token={ann}&{}", query(world.shell, "c"));
    let mut first = websocket(&served, &own, &[]).await;
    let live = uuid(&mut first).await;
    let join = format!("token={ann}&{}", query(&live, "a"));
    let mut joined = Vec::new();
    for _ in 0..2 {
        let mut socket = websocket(&served, &join, &[]).await;
        uuid(&mut socket).await;
        joined.push(socket);
    }
    // Two are allowed at once, and the joined ones do not count.
    let mut second = websocket(&served, &own, &[]).await;
    uuid(&mut second).await;

    let connection = world.get(&ann, &format!("data/mysql/activeConnections/{live}/connection")).await.json();
    assert_eq!(connection["identifier"], json!(world.shell.to_string()));
    let path = format!("/api/session/data/mysql/activeConnections/{live}");
    let answer = world.call("DELETE", &path, &[("guacamole-token", &ann)], "").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    assert_eq!(text(&mut first).await, "close 1002 523");
}
