//! Two nodes on one database: whatever lives at one is used through the other.

use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use testsuite::{
    Daemon, GuacClient, Home, MariaDb, Received, Sshd, Stopped, Transport, WebSocketTransport, wait_until, web_socket,
};

use crate::files::{Browser, OCTETS};

/// How long one look for something to read takes at most.
const LOOK: Duration = Duration::from_millis(20);

const END_MARKER: &[u8] = b"0.;";

/// Two daemons on one MariaDB.
struct Cluster {
    _database: MariaDb,
    sshd: Sshd,
    homes: [Home; 2],
    environment: Vec<(&'static str, String)>,
}

impl Cluster {
    fn new() -> Option<Self> {
        let (database, sshd) = (MariaDb::start()?, Sshd::start()?);
        let homes = [Home::new(), Home::new()];
        let secret = homes[0].path().join("cluster-secret");
        fs::write(&secret, "canary-cluster-secret-of-32-bytes-and-more\n").unwrap();
        let environment = vec![
            ("GUACD_LITE_DATABASE_URL", database.url("localhost", "")),
            ("GUACD_LITE_DATABASE_SSL_CA_FILE", database.ca().display().to_string()),
            // The dead are noticed within it.
            ("GUACD_LITE_CLUSTER_LEASE_S", "4".to_owned()),
            ("GUACD_LITE_CLUSTER_LISTEN", "127.0.0.1:0".to_owned()),
            ("GUACD_LITE_CLUSTER_SECRET_FILE", secret.display().to_string()),
        ];
        Some(Self { _database: database, sshd, homes, environment })
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn add_connection(&self, name: &str, params: &[(String, String)]) -> String {
        // What it is to reach the other nodes by is for those that run.
        let environment: Vec<_> =
            self.environment().into_iter().filter(|(name, _)| name.contains("DATABASE")).collect();
        self.homes[0].add_connection_with(name, "ssh", params, &environment)
    }

    fn start(&self) -> [Daemon; 2] {
        self.homes.each_ref().map(|home| home.start_with(&self.environment()))
    }
}

/// A tunnel over HTTP whose every request is to the other node than the one before.
struct Alternating {
    nodes: [SocketAddr; 2],
    uuid: String,
    secret: String,
    requests: usize,
    reads: VecDeque<ReadRequest>,
}

struct ReadRequest {
    stream: TcpStream,
    /// What came and is not passed on yet: the head first, then chunks.
    raw: Vec<u8>,
    has_head: bool,
    body: Vec<u8>,
}

impl Alternating {
    /// Opened at the first of them.
    fn open(nodes: [&Daemon; 2], connection: &str) -> Self {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = nodes[0].http("POST", "/tunnel?connect", &form, &nodes[0].tunnel_query(connection));
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
        let secret = lines.find(|(name, _)| name.eq_ignore_ascii_case("guacamole-tunnel-token")).unwrap().1;
        let addresses = nodes.map(|node| node.web);
        let (uuid, secret) = (answer.body.clone(), secret.to_owned());
        let mut it = Self { nodes: addresses, uuid, secret, requests: 0, reads: VecDeque::new() };
        it.ask();
        it
    }

    fn request(&mut self, method: &str, operation: &str, body: &[u8]) -> TcpStream {
        self.requests += 1;
        let mut stream = TcpStream::connect(self.nodes[self.requests % 2]).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LOOK)).unwrap();
        let head = format!(
            "{method} /tunnel?{operation}:{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Guacamole-Tunnel-Token: {}\r\nContent-Length: {}\r\n\r\n",
            self.uuid,
            self.secret,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    fn ask(&mut self) {
        let stream = self.request("GET", "read", b"");
        self.reads.push_back(ReadRequest { stream, raw: Vec::new(), has_head: false, body: Vec::new() });
    }
}

impl ReadRequest {
    /// Whole chunks out of what came.
    fn unchunk(&mut self) {
        if !self.has_head {
            let Some(end) = self.raw.windows(4).position(|four| four == b"\r\n\r\n") else { return };
            let head = String::from_utf8_lossy(&self.raw[..end]).into_owned();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            self.raw.drain(..end + 4);
            self.has_head = true;
        }
        while let Some(end) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&self.raw[..end]).unwrap(), 16).unwrap();
            if self.raw.len() < end + 2 + size + 2 {
                return;
            }
            self.body.extend_from_slice(&self.raw[end + 2..end + 2 + size]);
            self.raw.drain(..end + 2 + size + 2);
        }
    }
}

impl Transport for Alternating {
    fn send(&mut self, bytes: &[u8]) {
        let mut answer = Vec::new();
        let mut stream = self.request("POST", "write", bytes);
        stream.set_read_timeout(None).unwrap();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }

    fn receive(&mut self) -> Received {
        let read = self.reads.front_mut().unwrap();
        let mut buffer = vec![0; 64 * 1024];
        match read.stream.read(&mut buffer) {
            Ok(len) => read.raw.extend_from_slice(&buffer[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Received::Nothing;
            }
            Err(error) => return Received::Closed(error.to_string()),
        }
        read.unchunk();
        let mut bytes = std::mem::take(&mut read.body);
        let over = bytes.ends_with(END_MARKER);
        if over {
            bytes.truncate(bytes.len() - END_MARKER.len());
        }
        // Once one brings something the next is on its way, and takes over.
        if !bytes.is_empty() && self.reads.len() < 2 {
            self.ask();
        }
        if over {
            self.reads.pop_front();
            if self.reads.is_empty() {
                self.ask();
            }
        }
        if bytes.is_empty() { Received::Nothing } else { Received::Bytes(bytes) }
    }
}

#[test]
fn desktops_files_and_guests_go_through_whichever_node_a_connection_lands_on() {
    let Some(cluster) = Cluster::new() else { return };
    let shell = cluster.add_connection("shell", &cluster.sshd.command("echo rea''dy; cat"));
    let root = cluster.homes[0].path().join("root");
    fs::create_dir(&root).unwrap();
    let (key, shown) = (cluster.sshd.key(), root.display().to_string());
    let more = [
        ("private-key", key.as_str()),
        ("command", "cat"),
        ("enable-sftp", "true"),
        ("sftp-root-directory", shown.as_str()),
    ];
    let files = cluster.add_connection("files", &cluster.sshd.login(&more));
    let [mut first, second] = cluster.start();

    // A terminal by HTTP, every request at the other node.
    let tunnel = Alternating::open([&first, &second], &shell);
    let (uuid, secret, token) = (tunnel.uuid.clone(), tunnel.secret.clone(), first.token());
    let mut alternating = GuacClient::new(tunnel);
    alternating.reads("ready");
    alternating.write("typed at two nodes\n");
    alternating.reads("typed at two nodes");
    let path = format!("/api/session/tunnels/{uuid}/protocol");
    assert_eq!(second.http("GET", &path, &[("Guacamole-Token", &token)], "").status, 200);

    // A guest who lands on the other node sees it and types.
    let joining = format!(
        "token={token}&GUAC_DATA_SOURCE=mysql&GUAC_ID={uuid}&GUAC_TYPE=a&GUAC_WIDTH=640&GUAC_HEIGHT=480&GUAC_DPI=96\
         &GUAC_IMAGE=image%2Fpng"
    );
    let mut guest = GuacClient::new(WebSocketTransport(web_socket(second.web, &joining)));
    guest.reads("typed at two nodes");
    guest.write("typed by the guest\n");
    guest.reads("typed by the guest");
    alternating.reads("typed by the guest");
    // Guests of the guest, who is where the session is not.
    let live = second.data("activeConnections");
    let joined = live.as_object().unwrap().keys().find(|name| **name != uuid).unwrap();
    for node in [&first, &second] {
        let query = joining.replace(&uuid, joined);
        GuacClient::new(WebSocketTransport(web_socket(node.web, &query))).reads("typed by the guest");
    }
    drop(guest);

    files_through(&second, &first, &files, &root);

    // What is lost with its node is over for whoever asks the other, and for all once the node is known to be dead.
    first.crash();
    let read = format!("/tunnel?read:{uuid}:0");
    assert_eq!(second.http("GET", &read, &[("Guacamole-Tunnel-Token", &secret)], "").status, 404);
    wait_until("the end of the tunnel", || second.http("GET", &path, &[("Guacamole-Token", &token)], "").status == 404);
    let Stopped { status, log } = second.stop();
    assert!(status.success() && !log.contains("panicked"), "{status}: {log}");
    assert!(log.contains("Stopping sessions=0"), "{log}");
    assert!(!log.contains("Not everything ended in time") && !log.contains("canary"), "{log}");
}

/// A file up and down by requests to `there`, of a tunnel at `here`.
fn files_through(there: &Daemon, here: &Daemon, connection: &str, root: &std::path::Path) {
    let mut browser = Browser::open(here, connection);
    let uuid = browser.hears("")[1].clone();
    let object = browser.hears("filesystem")[1].clone();
    let (content, token) = ((0..400_000).map(|n| format!("{n:07}\n")).collect::<String>(), here.token());
    let request = |method: &str, stream: &str, body: &str| {
        let path = format!("/api/session/tunnels/{uuid}/streams/{stream}/file.txt");
        there.http(method, &path, &[("Guacamole-Token", &token)], body)
    };
    browser.say(&["put", &object, "7", OCTETS, "/file.txt"]);
    assert_eq!(browser.hears("ack")[3], "0");
    thread::scope(|scope| {
        let posting = scope.spawn(|| request("POST", "7", &content));
        while !posting.is_finished() {
            browser.turn();
        }
        assert_eq!(posting.join().unwrap().status, 204);
    });
    browser.say(&["end", "7"]);
    browser.hears("ack");
    assert!(fs::read_to_string(root.join("file.txt")).unwrap() == content, "what was sent is what is there");

    browser.say(&["get", &object, "/file.txt"]);
    let stream = browser.hears("body")[2].clone();
    thread::scope(|scope| {
        let getting = scope.spawn(|| request("GET", &stream, ""));
        while !getting.is_finished() {
            browser.turn();
        }
        let answer = getting.join().unwrap();
        assert_eq!(answer.status, 200);
        let body: String = answer.body.split("\r\n").skip(1).step_by(2).collect();
        assert!(body == content, "what is there is what comes");
    });
}
