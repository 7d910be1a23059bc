//! Two nodes: what lives at one is served by the other, too.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use guac_protocol::{ClientInfo, Parser, Selection, Status, TunnelUuid};
use guac_tunnel::OpenRequest;
use guac_web::{CertificateSum, Peer, PeerDirectory, PeerIdentity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::streams::{Reply, http, unchunked};
use crate::support::{Session, World, world};
use crate::tunnels::{Served, query, serve, text, uuid, websocket};

/// A file larger than all buffers on its way together.
const FILE_BYTES: usize = 50 * 1024 * 1024;

/// What one blob holds: the most that fits into an instruction.
const BLOB_BYTES: usize = 6048;

/// What one node knows of the others.
#[derive(Default)]
struct Directory {
    owners: Mutex<HashMap<String, Peer>>,
    live: Mutex<Vec<Peer>>,
    asked: AtomicUsize,
}

impl PeerDirectory for Directory {
    fn owner_of<'a>(&'a self, tunnel: &'a TunnelUuid) -> BoxFuture<'a, Option<Peer>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let owner = self.owners.lock().unwrap().get(tunnel.as_str()).cloned();
        async move { owner }.boxed()
    }

    fn peer_by_certificate(&self, certificate: CertificateSum) -> BoxFuture<'_, Option<Peer>> {
        let found = self.live.lock().unwrap().iter().find(|peer| peer.certificate == certificate).cloned();
        async move { found }.boxed()
    }
}

struct Node {
    world: World,
    served: Served,
    peer: Peer,
    directory: Arc<Directory>,
    /// Accepts and serves at the peer port.
    port: JoinSet<()>,
}

impl Node {
    fn web(&self) -> SocketAddr {
        self.served.address
    }

    fn knows(&self, other: &Self) {
        self.directory.live.lock().unwrap().push(other.peer.clone());
    }

    fn believes(&self, tunnel: &str, owner: &Self) {
        self.directory.owners.lock().unwrap().insert(tunnel.to_owned(), owner.peer.clone());
    }

    fn lookups(&self) -> usize {
        self.directory.asked.load(Ordering::SeqCst)
    }
}

async fn node(name: &str) -> Node {
    let world = world().await;
    let served = serve(&world).await;
    let identity = PeerIdentity::generate().unwrap();
    let directory = Arc::new(Directory::default());
    let certificate = identity.certificate_sum();
    let port = world.app.join_peers(identity, Arc::clone(&directory) as _).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, address)) = listener.accept().await {
            let port = port.clone();
            connections.spawn(async move { port.serve(stream, address).await });
        }
    });
    Node { world, served, peer: Peer { name: name.to_owned(), address, certificate }, directory, port: tasks }
}

/// Ann's tunnel lives at `home`; her requests land at `away`.
struct Pair {
    home: Node,
    away: Node,
}

async fn pair() -> Pair {
    let (home, away) = (node("home").await, node("away").await);
    home.knows(&away);
    away.knows(&home);
    Pair { home, away }
}

/// A tunnel over HTTP at home.
async fn http_tunnel(pair: &Pair) -> (String, String, Session) {
    let token = pair.home.world.token_of("ann").await;
    let form = format!("token={token}&{}", query(pair.home.world.shell, "c"));
    let answer = pair.home.world.call("POST", "/tunnel?connect", &[], &form).await;
    let uuid = String::from_utf8(answer.body.to_vec()).unwrap();
    pair.away.believes(&uuid, &pair.home);
    let secret = format!("Guacamole-Tunnel-Token: {}\r\n", answer.header("guacamole-tunnel-token"));
    (uuid, secret, pair.home.world.host.session())
}

/// A tunnel over a WebSocket at home, whose page takes whatever comes.
struct Desk {
    pair: Pair,
    token: String,
    uuid: String,
    session: Session,
    page: JoinSet<()>,
}

impl Desk {
    fn path(&self, rest: &str) -> String {
        format!("/api/session/tunnels/{}/{rest}", self.uuid)
    }

    fn headers(&self) -> String {
        format!("Guacamole-Token: {}\r\n", self.token)
    }

    async fn away(&self, method: &str, rest: &str, headers: &str) -> Reply {
        http(self.pair.away.web(), method, &self.path(rest), headers, b"").await
    }
}

/// `begin`: what the page says first.
async fn desk(begin: &'static str) -> Desk {
    let pair = pair().await;
    let token = pair.home.world.token_of("ann").await;
    let request = format!("token={token}&{}", query(pair.home.world.shell, "c"));
    let mut socket = websocket(&pair.home.served, &request, &[]).await;
    let uuid = uuid(&mut socket).await;
    pair.away.believes(&uuid, &pair.home);
    let mut session = pair.home.world.host.session();
    if !begin.is_empty() {
        socket.send(Message::text(begin)).await.unwrap();
        session.heard.recv().await.unwrap();
    }
    let mut page = JoinSet::new();
    page.spawn(async move { while socket.next().await.is_some_and(|message| message.is_ok()) {} });
    Desk { pair, token, uuid, session, page }
}

fn file() -> Vec<u8> {
    (0..FILE_BYTES / 4).flat_map(|word| u32::try_from(word).unwrap().to_le_bytes()).collect()
}

fn blob(stream: u32, data: &[u8]) -> Bytes {
    let (index, data) = (stream.to_string(), base64_simd::STANDARD.encode_to_string(data));
    format!("4.blob,{}.{index},{}.{data};", index.len(), data.len()).into()
}

/// Sends a file on stream 4 as it is asked for it, and tells how much.
async fn offer_file(mut session: Session, file: Vec<u8>, sent: watch::Sender<usize>) -> Session {
    let mut pieces = file.chunks(BLOB_BYTES);
    while let Some(ack) = session.heard.recv().await {
        assert_eq!(ack, "3.ack,1.4,2.OK,1.0;");
        let Some(piece) = pieces.next() else { break };
        session.say.send(blob(4, piece)).await.unwrap();
        sent.send_modify(|sum| *sum += piece.len());
    }
    let _ = session.say.send(Bytes::from_static(b"3.end,1.4;")).await;
    session
}

async fn request(address: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\nHost: {address}\r\n").as_bytes()).await.unwrap();
    stream
}

async fn until_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_tunnel_over_http_keeps_its_order_through_the_wrong_node() {
    let pair = pair().await;
    let (uuid, secret, session) = http_tunnel(&pair).await;
    let (home, away) = (pair.home.web(), pair.away.web());
    let (count, parts) = (20_000, 200);
    let instruction = |n: usize| format!("5.count,{}.{n};", n.to_string().len());

    let part = |from: usize| Bytes::from((from..from + count / parts).map(instruction).collect::<String>());
    let mut first = request(away, &format!("GET /tunnel?read:{uuid}:0 HTTP/1.1\r\nConnection: close")).await;
    first.write_all(format!("{secret}\r\n").as_bytes()).await.unwrap();
    session.say.send(part(0)).await.unwrap();
    until_head(&mut first).await;
    // The next read comes by the right node and takes over.
    let say = session.say;
    let talk = async move {
        for from in (0..count).step_by(count / parts).skip(1) {
            say.send(part(from)).await.unwrap();
        }
    };
    let mut body = Vec::new();
    let next = format!("/tunnel?read:{uuid}:1");
    let (read, second, ()) = tokio::join!(first.read_to_end(&mut body), http(home, "GET", &next, &secret, b""), talk);
    read.unwrap();
    let (body, cut) = unchunked(&body);
    assert!(!cut && !second.cut);
    let mut picture = body.strip_suffix(b"0.;").unwrap().to_vec();
    picture.extend_from_slice(second.body.strip_suffix(b"0.;").unwrap());
    assert!(picture == (0..count).map(instruction).collect::<String>().as_bytes());
    let reply = http(away, "GET", &format!("/tunnel?read:{uuid}:2"), &secret, b"").await;
    assert_eq!((reply.status, reply.header("guacamole-status-code")), (404, Some("516")));
    assert_eq!(pair.home.lookups(), 0);
    assert_eq!(pair.away.lookups(), 1, "a tunnel does not move");
}

#[tokio::test]
async fn what_is_written_at_the_wrong_node_arrives_in_order() {
    let pair = pair().await;
    let (uuid, secret, mut session) = http_tunnel(&pair).await;
    let address = format!("/tunnel?write:{uuid}");
    let mut expected = 0;
    for from in (0..2000).step_by(50) {
        let keys: String =
            (from..from + 50).map(|n: usize| format!("3.key,{}.{n},1.1;", n.to_string().len())).collect();
        // At either node, the next after the one before.
        let node = if from % 100 == 0 { &pair.away } else { &pair.home };
        let reply = http(node.web(), "POST", &address, &secret, keys.as_bytes()).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0));
        while expected < from + 50 {
            let key = session.heard.recv().await.unwrap();
            assert_eq!(key, format!("3.key,{}.{expected},1.1;", expected.to_string().len()));
            expected += 1;
        }
    }
    let reply = http(pair.away.web(), "POST", &address, "Guacamole-Tunnel-Token: unknown\r\n", b"3.nop;").await;
    assert_eq!((reply.status, reply.header("guacamole-status-code")), (404, Some("516")), "the answer of its node");
    let reply = http(pair.away.web(), "POST", &address, "", b"3.nop;").await;
    assert_eq!(reply.status, 400, "without the secret there is nothing to pass on");
}

#[tokio::test]
async fn a_file_of_50_mb_is_downloaded_through_the_wrong_node() {
    let desk = desk("").await;
    let (path, headers) = (desk.path("streams/4/a.bin"), desk.headers());
    let (sent, _) = watch::channel(0);
    let reading = http(desk.pair.away.web(), "GET", &path, &headers, b"");
    let (reply, _session) = tokio::join!(reading, offer_file(desk.session, file(), sent));
    assert_eq!((reply.status, reply.cut), (200, false));
    assert_eq!(reply.header("content-disposition"), Some("attachment"));
    assert!(reply.body == file(), "{} bytes", reply.body.len());
}

#[tokio::test]
async fn a_slow_reader_at_the_wrong_node_holds_the_session_back() {
    let desk = desk("").await;
    let (sent, mut watched) = watch::channel(0);
    let mut tasks = JoinSet::new();
    let whole = file();
    tasks.spawn(async move { drop(offer_file(desk.session, whole, sent).await) });
    let head = format!("GET /api/session/tunnels/{}/streams/4/a.bin HTTP/1.1", desk.uuid);
    let mut stream = request(desk.pair.away.web(), &head).await;
    stream.write_all(format!("Guacamole-Token: {}\r\n\r\n", desk.token).as_bytes()).await.unwrap();
    assert!(until_head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    // Nothing is read. Either all comes to rest, or the file is gone.
    while timeout(Duration::from_secs(1), watched.changed()).await.is_ok_and(|changed| changed.is_ok()) {}
    let sent = *watched.borrow();
    assert!(sent > 0 && sent < FILE_BYTES / 2, "{sent} bytes on their way");
}

#[tokio::test]
async fn a_download_given_up_at_the_wrong_node_is_given_up_at_the_right_one() {
    let mut desk = desk("").await;
    let head = format!("GET {} HTTP/1.1", desk.path("streams/4/a.bin"));
    let mut stream = request(desk.pair.away.web(), &head).await;
    stream.write_all(format!("{}\r\n", desk.headers()).as_bytes()).await.unwrap();
    assert_eq!(desk.session.heard.recv().await.unwrap(), "3.ack,1.4,2.OK,1.0;");
    desk.session.say.send(blob(4, b"one")).await.unwrap();
    assert_eq!(desk.session.heard.recv().await.unwrap(), "3.ack,1.4,2.OK,1.0;");
    until_head(&mut stream).await;
    assert_eq!((desk.pair.away.world.app.passed_on(), desk.pair.home.world.app.passed_on()), (1, 0));
    drop(stream);
    let told = desk.session.heard.recv().await.unwrap();
    assert!(told.starts_with("3.ack,1.4,") && !told.contains("2.OK"), "{told}");
    assert_eq!(desk.pair.away.world.app.passed_on(), 0);
}

#[tokio::test]
async fn a_node_that_takes_nothing_new_sends_guests_of_other_nodes_elsewhere() {
    let pair = pair().await;
    let (uuid, secret, mut session) = http_tunnel(&pair).await;
    let path = format!("/tunnel?write:{uuid}");
    let _held = [pair.home.world.app.not_ready("test"), pair.away.world.app.not_ready("test")];
    for (node, connection) in [(&pair.home, None), (&pair.away, Some("close"))] {
        let mut stream = request(node.web(), &format!("POST {path} HTTP/1.1\r\nContent-Length: 6")).await;
        stream.write_all(format!("{secret}\r\n3.nop;").as_bytes()).await.unwrap();
        let head = until_head(&mut stream).await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let told = head.lines().find_map(|line| line.strip_prefix("connection: "));
        assert_eq!(told, connection);
    }
    session.heard.close();
}

#[tokio::test]
async fn a_file_of_50_mb_is_uploaded_through_the_wrong_node() {
    let mut desk = desk("4.file,1.1,10.text/plain,5.a.txt;").await;
    let (path, headers, body) = (desk.path("streams/1/a.txt"), desk.headers(), file());
    let posting = http(desk.pair.away.web(), "POST", &path, &headers, &body);
    let taking = async {
        let mut got = Vec::with_capacity(FILE_BYTES);
        while got.len() < FILE_BYTES {
            let blob = desk.session.heard.recv().await.unwrap();
            let data = blob.strip_prefix("4.blob,1.1,").unwrap().split_once('.').unwrap().1.trim_end_matches(';');
            got.extend_from_slice(&base64_simd::STANDARD.decode_to_vec(data).unwrap());
            desk.session.say.send(Bytes::from_static(b"3.ack,1.1,2.OK,1.0;")).await.unwrap();
        }
        got
    };
    let (reply, got) = tokio::join!(posting, taking);
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert!(got == body);
}

#[tokio::test]
async fn the_end_of_the_other_node_cuts_a_download_off_and_its_tunnels_are_no_more() {
    let mut desk = desk("").await;
    let head = format!("GET {} HTTP/1.1", desk.path("streams/4/a.bin"));
    let mut stream = request(desk.pair.away.web(), &head).await;
    stream.write_all(format!("{}\r\n", desk.headers()).as_bytes()).await.unwrap();
    desk.session.heard.recv().await.unwrap();
    desk.session.say.send(blob(4, b"one")).await.unwrap();
    let mut reply = until_head(&mut stream).await.into_bytes();
    desk.pair.home.port.shutdown().await;
    let _ = stream.read_to_end(&mut reply).await;
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (body, cut) = unchunked(&reply[end + 4..]);
    assert!(cut && (body.is_empty() || body == b"one"));

    let token = desk.pair.away.world.token_of("ann").await;
    let own = format!("Guacamole-Token: {token}\r\n");
    let reply = desk.away("GET", "streams/4/a.bin", &own).await;
    assert_eq!(reply.status, 404, "nobody listens any more");
    let reply = http(
        desk.pair.away.web(),
        "GET",
        &format!("/tunnel?read:{}:0", desk.uuid),
        "Guacamole-Tunnel-Token: any\r\n",
        b"",
    )
    .await;
    assert_eq!((reply.status, reply.header("guacamole-status-code")), (404, Some("516")));
    desk.page.shutdown().await;
}

#[tokio::test]
async fn what_is_asked_about_a_tunnel_is_answered_by_its_node() {
    let desk = desk("").await;
    let home = http(desk.pair.home.web(), "GET", &desk.path("protocol"), &desk.headers(), b"").await;
    let away = desk.away("GET", "protocol", &desk.headers()).await;
    assert_eq!((away.status, &away.body), (200, &home.body));
    assert_eq!(away.header("content-type"), home.header("content-type"));
    assert_eq!(desk.away("GET", "protocol", "Guacamole-Token: unknown\r\n").await.status, 403);
    let share = "activeConnection/sharingCredentials/1";
    assert_eq!(desk.away("GET", share, &desk.headers()).await.status, 404, "there is no such profile");
    // The list of one's tunnels is no tunnel's.
    let reply = http(desk.pair.away.web(), "GET", "/api/session/tunnels", &desk.headers(), b"").await;
    assert_eq!(reply.status, 403, "this node has no such login");
}

#[tokio::test]
async fn cookies_and_origins_count_at_the_other_node_as_at_the_first() {
    let mut desk = desk("").await;
    let away = desk.pair.away.web();
    let cookie = format!("Cookie: guac={}\r\n", desk.token);
    for (more, status) in [
        (format!("Origin: http://{away}\r\n"), 200),
        (String::new(), 403),
        ("Origin: https://evil.example\r\n".to_owned(), 403),
        ("Origin: https://evil.example\r\nX-Forwarded-Host: evil.example\r\n".to_owned(), 403),
        (format!("Origin: http://{}\r\n", desk.pair.home.web()), 403),
        (format!("Origin: http://{}\r\nConnection: X-Forwarded-Host\r\n", desk.pair.home.web()), 403),
        // Over TLS the cookie has another name; a browser cannot claim to come by TLS.
        (format!("Origin: http://{away}\r\nX-Forwarded-Proto: https\r\n"), 200),
    ] {
        let (path, headers) = (desk.path("streams/4/a.txt"), format!("{cookie}{more}"));
        let asking = http(away, "GET", &path, &headers, b"");
        let talking = async {
            if status == 200 {
                desk.session.heard.recv().await.unwrap();
                desk.session.say.send(blob(4, b"one")).await.unwrap();
                desk.session.heard.recv().await.unwrap();
                desk.session.say.send(Bytes::from_static(b"3.end,1.4;")).await.unwrap();
            }
        };
        let (reply, ()) = tokio::join!(asking, talking);
        assert_eq!(reply.status, status, "{more}");
    }
}

#[tokio::test]
async fn a_request_is_never_passed_on_twice() {
    let pair = pair().await;
    let gone = "8a3c1d2e-4f50-4b6a-9c7d-0123456789ab";
    // Each takes the other for the one that has it.
    pair.away.believes(gone, &pair.home);
    pair.home.believes(gone, &pair.away);
    let path = format!("/tunnel?read:{gone}:0");
    // What a browser says about itself makes no difference.
    for forged in ["", "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-From-Peer: 1\r\n"] {
        let headers = format!("Guacamole-Tunnel-Token: any\r\n{forged}");
        let (away, home) = (pair.away.lookups(), pair.home.lookups());
        let reply = http(pair.away.web(), "GET", &path, &headers, b"").await;
        assert_eq!((reply.status, reply.header("guacamole-status-code")), (404, Some("516")));
        assert_eq!((pair.away.lookups(), pair.home.lookups()), (away + 1, home), "the other has not asked on");
    }
}

#[tokio::test]
async fn who_shows_no_certificate_of_a_node_is_turned_away() {
    let pair = pair().await;
    let (uuid, secret, _session) = http_tunnel(&pair).await;
    let path = format!("/tunnel?write:{uuid}");
    // A stranger that knows all but is known to nobody.
    let stranger = node("stranger").await;
    stranger.knows(&pair.home);
    stranger.believes(&uuid, &pair.home);
    assert_eq!(http(stranger.web(), "POST", &path, &secret, b"3.nop;").await.status, 404);
    // A node that has another certificate than it should.
    let mut forged = pair.home.peer.clone();
    forged.certificate = [7; 32];
    stranger.directory.owners.lock().unwrap().insert(uuid.clone(), forged);
    pair.home.knows(&stranger);
    assert_eq!(http(stranger.web(), "POST", &path, &secret, b"3.nop;").await.status, 404);
    stranger.believes(&uuid, &pair.home);
    assert_eq!(http(stranger.web(), "POST", &path, &secret, b"3.nop;").await.status, 200, "now both know each other");
    // No TLS at all.
    let mut plain = TcpStream::connect(&pair.home.peer.address).await.unwrap();
    plain.write_all(format!("POST {path} HTTP/1.1\r\nHost: x\r\n{secret}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test]
async fn a_session_of_another_node_is_joined_and_hears_the_guests_keys() {
    let pair = pair().await;
    let (_, _, _owner) = http_tunnel(&pair).await;
    let live = pair.home.world.app.registry().list().remove(0);
    let host = pair.away.world.app.peer_host(pair.home.peer.clone()).unwrap();
    let info = ClientInfo { name: Some("guest".to_owned()), width_px: 800, ..ClientInfo::default() };
    let params = [("read-only".to_owned(), "true".to_owned()), ("password".to_owned(), "not asked for".to_owned())];
    let request = |selection| OpenRequest { selection, info: info.clone(), params: params.clone().into() };
    let opened = host.open(request(Selection::Join(live.connection_id.clone()))).await.unwrap();
    assert_eq!(opened.connection_id, live.connection_id);
    let mut session = pair.home.world.host.session();
    assert_eq!(session.request.selection, Selection::Join(live.connection_id.clone()));
    assert_eq!((session.request.info.name.as_deref(), session.request.info.width_px), (Some("guest"), 800));
    assert_eq!(session.request.params.into_iter().collect::<Vec<_>>(), [("read-only".to_owned(), "true".to_owned())]);

    let mut link = opened.link;
    session.say.send(Bytes::from_static(b"4.size,1.0,3.800,3.600;4.sync,1.1;")).await.unwrap();
    let mut picture = Vec::new();
    while picture.len() < 34 {
        picture.extend_from_slice(&link.source.next().await.unwrap());
    }
    assert_eq!(picture, b"4.size,1.0,3.800,3.600;4.sync,1.1;");
    for key in ["3.key,2.97,1.1;", "3.key,2.97,1.0;"] {
        poll_fn(|cx| link.sink.poll_ready(cx)).await.unwrap();
        let instruction = Parser::new().parse(key.as_bytes()).unwrap().unwrap().raw().to_owned();
        link.sink.start_send(&Parser::new().parse(instruction.as_bytes()).unwrap().unwrap()).unwrap();
        poll_fn(|cx| link.sink.poll_flush(cx)).await.unwrap();
        assert_eq!(session.heard.recv().await.unwrap(), key);
    }
    // The session goes on without the guest.
    drop(link);
    assert!(session.heard.recv().await.is_none());

    let refused = host.open(request(Selection::Protocol("ssh".to_owned()))).await.unwrap_err();
    assert_eq!(refused.status, Status::ClientForbidden);
    let mut nowhere = pair.home.peer.clone();
    nowhere.address = "127.0.0.1:1".to_owned();
    let host = pair.away.world.app.peer_host(nowhere).unwrap();
    let lost = host.open(request(Selection::Join(live.connection_id))).await.unwrap_err();
    assert_eq!(lost.status, Status::ResourceNotFound);
}

#[tokio::test]
async fn a_node_that_stops_lets_go_of_what_it_passes_on() {
    let pair = pair().await;
    let (uuid, secret, session) = http_tunnel(&pair).await;
    let mut stream = request(pair.away.web(), &format!("GET /tunnel?read:{uuid}:0 HTTP/1.1")).await;
    stream.write_all(format!("{secret}\r\n").as_bytes()).await.unwrap();
    session.say.send(Bytes::from_static(b"4.sync,1.5;")).await.unwrap();
    until_head(&mut stream).await;
    pair.away.world.drain().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.windows(11).any(|window| window == b"4.sync,1.5;"));
    // The tunnel lives on, and its next request finds another way.
    let reply = http(pair.home.web(), "POST", &format!("/tunnel?write:{uuid}"), &secret, b"3.nop;").await;
    assert_eq!(reply.status, 200);
    assert_eq!(pair.home.world.app.registry().count(), 1);
}

#[tokio::test]
async fn a_tunnel_of_this_node_asks_no_other() {
    let pair = pair().await;
    let token = pair.away.world.token_of("ann").await;
    let request = format!("token={token}&{}", query(pair.away.world.shell, "c"));
    let mut socket = websocket(&pair.away.served, &request, &[]).await;
    let uuid = uuid(&mut socket).await;
    pair.away.believes(&uuid, &pair.home);
    let headers = format!("Guacamole-Token: {token}\r\n");
    let path = format!("/api/session/tunnels/{uuid}/protocol");
    assert_eq!(http(pair.away.web(), "GET", &path, &headers, b"").await.status, 200);
    pair.away.world.host.session().say.send(Bytes::from_static(b"3.nop;")).await.unwrap();
    assert_eq!(text(&mut socket).await, "3.nop;");
    assert_eq!(pair.away.lookups(), 0);
}
