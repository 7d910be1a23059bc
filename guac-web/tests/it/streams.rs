//! Files beside a tunnel, over real HTTP.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Session, World, world};
use crate::tunnels::{Served, Socket, query, serve, text, uuid, websocket};

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
    /// The body was cut off.
    pub(crate) cut: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        found.next()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) async fn http(address: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply { status, head, body: all[end + 4..].to_vec(), cut: false };
    if reply.header("transfer-encoding") == Some("chunked") {
        let (body, cut) = unchunked(&reply.body);
        (reply.body, reply.cut) = (body, cut);
    }
    reply
}

pub(crate) fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, false);
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    (body, true)
}

/// Ann with an open session.
struct Desk {
    world: World,
    served: Served,
    token: String,
    socket: Socket,
    session: Session,
    uuid: String,
}

async fn desk() -> Desk {
    let world = world().await;
    let served = serve(&world).await;
    let token = world.token_of("ann").await;
    let mut socket = websocket(&served, &format!("token={token}&{}", query(world.shell, "c")), &[]).await;
    let uuid = uuid(&mut socket).await;
    let session = world.host.session();
    Desk { world, served, token, socket, session, uuid }
}

impl Desk {
    fn path(&self, rest: &str) -> String {
        format!("/api/session/tunnels/{}/streams/{rest}", self.uuid)
    }

    async fn request(&self, method: &str, rest: &str, body: &[u8]) -> Reply {
        let headers = format!("Guacamole-Token: {}\r\n", self.token);
        http(self.served.address, method, &self.path(rest), &headers, body).await
    }
}

fn spawn_request(desk: &Desk, method: &'static str, rest: &str, body: Vec<u8>) -> tokio::task::JoinHandle<Reply> {
    let (address, path) = (desk.served.address, desk.path(rest));
    let headers = format!("Guacamole-Token: {}\r\n", desk.token);
    #[expect(clippy::disallowed_methods, reason = "a test waits for it")]
    tokio::spawn(async move { http(address, method, &path, &headers, &body).await })
}

#[tokio::test]
async fn a_stream_of_the_session_is_a_download_and_the_browser_sees_its_end_only() {
    let mut desk = desk().await;
    let reading = spawn_request(&desk, "GET", "4/notes_.txt?type=", Vec::new());
    assert_eq!(desk.session.heard.recv().await.unwrap(), "3.ack,1.4,2.OK,1.0;");
    desk.session.say.send(Bytes::from_static(b"4.blob,1.4,4.b25l;")).await.unwrap();
    assert_eq!(desk.session.heard.recv().await.unwrap(), "3.ack,1.4,2.OK,1.0;");
    desk.session.say.send(Bytes::from_static(b"4.sync,1.5;4.blob,1.4,4.dHdv;")).await.unwrap();
    assert_eq!(text(&mut desk.socket).await, "4.sync,1.5;4.blob,1.4,0.;");
    desk.socket.send(Message::text("3.ack,1.4,2.OK,1.0;")).await.unwrap();
    assert_eq!(desk.session.heard.recv().await.unwrap(), "3.ack,1.4,2.OK,1.0;", "the browser's own ack");
    desk.session.say.send(Bytes::from_static(b"3.end,1.4;")).await.unwrap();
    assert_eq!(text(&mut desk.socket).await, "3.end,1.4;");
    let reply = reading.await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice(), reply.cut), (200, &b"onetwo"[..], false));
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    assert_eq!(reply.header("content-disposition"), Some("attachment"), "and no name: the address has it");
}

#[tokio::test]
async fn a_download_says_its_type_and_takes_the_token_from_the_query_or_the_cookie() {
    let mut desk = desk().await;
    let form = format!("username=ann&password={}", crate::support::ANN_PASSWORD);
    let answer = desk.world.call("POST", "/api/tokens", &[("guacamole-cookie", "1")], &form).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let (address, token) = (desk.served.address, desk.token.clone());
    for (path, headers, status) in [
        (desk.path(&format!("4/a.png?type=image%2Fpng&token={token}")), String::new(), 200),
        (desk.path("4/a.png"), String::new(), 403),
        (desk.path("4/a.png"), format!("Cookie: {cookie}\r\n"), 403),
        // Another login of the same person: the tunnel is not its own.
        (desk.path("4/a.png"), format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n"), 404),
        (desk.path("4/a.png"), format!("Cookie: {cookie}\r\nSec-Fetch-Site: cross-site\r\n"), 403),
    ] {
        let asking = http(address, "GET", &path, &headers, b"");
        let talking = async {
            if status == 200 {
                desk.session.heard.recv().await.unwrap();
                desk.session.say.send(Bytes::from_static(b"4.blob,1.4,4.b25l;3.end,1.4;")).await.unwrap();
            }
        };
        let (reply, ()) = tokio::join!(asking, talking);
        assert_eq!(reply.status, status, "{path} {headers}");
        if status == 200 {
            assert_eq!((reply.header("content-type"), reply.header("content-disposition")), (Some("image/png"), None));
        }
    }
}

#[tokio::test]
async fn parts_of_a_file_follow_each_other_into_one_stream() {
    let mut desk = desk().await;
    desk.socket.send(Message::text("4.file,1.1,10.text/plain,5.a.txt;")).await.unwrap();
    desk.session.heard.recv().await.unwrap();
    // Above the limit of other requests, and of any content type.
    let parts = [vec![b'a'; 3 * 1024 * 1024], b"tail".to_vec(), Vec::new()];
    let mut got = 0;
    for part in parts {
        let len = part.len();
        let posting = spawn_request(&desk, "POST", "1/a.txt", part);
        let mut taken = 0;
        while taken < len {
            let blob = desk.session.heard.recv().await.unwrap();
            let data = blob.strip_prefix("4.blob,1.1,").unwrap().split_once('.').unwrap().1.trim_end_matches(';');
            let data = base64_simd::STANDARD.decode_to_vec(data).unwrap();
            assert!((1..=6048).contains(&data.len()));
            taken += data.len();
            desk.session.say.send(Bytes::from_static(b"3.ack,1.1,2.OK,1.0;")).await.unwrap();
        }
        let reply = posting.await.unwrap();
        assert_eq!((reply.status, reply.body.len(), taken), (204, 0, len));
        got += taken;
    }
    assert_eq!(got, 3 * 1024 * 1024 + 4);
    desk.socket.send(Message::text("3.end,1.1;")).await.unwrap();
    assert_eq!(desk.session.heard.recv().await.unwrap(), "3.end,1.1;", "the browser ends the stream, nobody else");
    desk.session.say.send(Bytes::from_static(b"3.nop;")).await.unwrap();
    assert_eq!(text(&mut desk.socket).await, "3.nop;", "no answer to a part reached the browser");
}

#[tokio::test]
async fn an_upload_that_the_session_refuses_fails_with_its_status() {
    let mut desk = desk().await;
    desk.socket.send(Message::text("4.file,1.1,10.text/plain,5.a.txt;")).await.unwrap();
    desk.session.heard.recv().await.unwrap();
    let posting = spawn_request(&desk, "POST", "1/a.txt", b"x".to_vec());
    desk.session.heard.recv().await.unwrap();
    desk.session.say.send(Bytes::from_static(b"3.ack,1.1,9.Disk full,3.771;")).await.unwrap();
    let reply = posting.await.unwrap();
    let error = reply.json();
    assert_eq!((reply.status, &error["type"], &error["statusCode"]), (403, &json!("STREAM_ERROR"), &json!(771)));
    assert_eq!(error["message"], "Disk full");
}

#[tokio::test]
async fn streams_that_are_not_open_and_tunnels_of_others_are_not_found() {
    let desk = desk().await;
    let reply = desk.request("POST", "1/a.txt", b"x").await;
    let error = reply.json();
    assert_eq!((reply.status, &error["type"], &error["statusCode"]), (404, &json!("STREAM_ERROR"), &json!(516)));
    assert_eq!(desk.request("GET", "1024/a.txt", b"").await.status, 404);
    assert_eq!(desk.request("GET", "x/a.txt", b"").await.status, 404);
    assert_eq!(desk.request("PUT", "4/a.txt", b"").await.status, 405);
    let other = desk.world.token_of("admin").await;
    let headers = format!("Guacamole-Token: {other}\r\n");
    let reply = http(desk.served.address, "GET", &desk.path("4/a.txt"), &headers, b"").await;
    assert_eq!((reply.status, &reply.json()["type"]), (404, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn the_end_of_the_tunnel_cuts_a_download_off() {
    let mut desk = desk().await;
    let reading = spawn_request(&desk, "GET", "4/a.txt", Vec::new());
    desk.session.heard.recv().await.unwrap();
    desk.session.say.send(Bytes::from_static(b"4.blob,1.4,4.b25l;")).await.unwrap();
    desk.session.heard.recv().await.unwrap();
    desk.socket.close(None).await.unwrap();
    let reply = reading.await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice(), reply.cut), (200, &b"one"[..], true));
}
