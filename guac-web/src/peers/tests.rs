//! What a node that turned against the others could do at the peer port.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use guac_auth_mysql::{Store, StoreConfig};
use guac_protocol::ConnectionId;
use guac_tunnel::{OpenError, OpenRequest, Opened};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::identity::{ALPN_GUACD, ALPN_HTTP};
use super::*;
use crate::{WebApp, WebConfig};

/// Knows what to ask for, and notes what is opened.
#[derive(Default)]
struct Host(Mutex<Vec<String>>);

impl SessionHost for Host {
    fn parameters(&self, _selected: &str) -> Option<Vec<String>> {
        Some(vec!["hostname".to_owned()])
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        self.0.lock().unwrap().push(format!("{:?}", request.selection));
        async { Err(OpenError::no_such_connection()) }.boxed()
    }
}

struct One(Mutex<Vec<Peer>>);

impl PeerDirectory for One {
    fn owner_of<'a>(&'a self, _tunnel: &'a TunnelUuid) -> BoxFuture<'a, Option<Peer>> {
        async { None }.boxed()
    }

    fn peer_by_certificate(&self, certificate: CertificateSum) -> BoxFuture<'_, Option<Peer>> {
        let found = self.0.lock().unwrap().iter().find(|peer| peer.certificate == certificate).cloned();
        async move { found }.boxed()
    }
}

struct Port {
    peer: Peer,
    host: Arc<Host>,
    _tasks: JoinSet<()>,
    _dir: tempfile::TempDir,
}

/// A node that knows this one.
async fn port(known: &PeerIdentity) -> Port {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::connect(&StoreConfig::sqlite(&dir.path().join("store.db"))).await.unwrap();
    store.migrate().await.unwrap();
    let host = Arc::new(Host::default());
    let app = WebApp::new(WebConfig::default(), store, Arc::clone(&host) as _);
    let identity = PeerIdentity::generate().unwrap();
    let certificate = identity.certificate_sum();
    let it = Peer { name: "it".to_owned(), address: String::new(), certificate: known.certificate_sum() };
    let port = app.join_peers(identity, Arc::new(One(Mutex::new(vec![it])))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, address)) = listener.accept().await {
            port.serve(stream, address).await;
        }
    });
    Port { peer: Peer { name: "port".to_owned(), address, certificate }, host, _tasks: tasks, _dir: dir }
}

async fn say(port: &Port, identity: &PeerIdentity, alpn: &[u8], text: &str) -> String {
    let Ok(mut stream) = dial::connect(identity, &port.peer, alpn).await else { return String::new() };
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_node_finds_nothing_but_tunnels_at_the_peer_port() {
    let identity = PeerIdentity::generate().unwrap();
    let port = port(&identity).await;
    let tunnel = "/api/session/tunnels/8a3c1d2e-4f50-4b6a-9c7d-0123456789ab/protocol";
    for (path, status) in [("/api/languages", 404), ("/healthz", 404), ("/", 404), ("/api/tokens", 404), (tunnel, 403)]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = say(&port, &identity, ALPN_HTTP, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    let stranger = PeerIdentity::generate().unwrap();
    let request = format!("GET {tunnel} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(say(&port, &stranger, ALPN_HTTP, &request).await, "");
    assert_eq!(say(&port, &identity, b"h2", &request).await, "", "no other protocol");
}

#[tokio::test]
async fn a_node_joins_sessions_and_opens_none() {
    let identity = PeerIdentity::generate().unwrap();
    let port = port(&identity).await;
    let answer = say(&port, &identity, ALPN_GUACD, "6.select,3.ssh;").await;
    assert!(answer.starts_with("5.error,"), "{answer}");
    let id = ConnectionId::from_random([1; 16]);
    let join = format!("6.select,37.{id};4.size,3.800,3.600,2.96;7.connect,13.VERSION_1_5_0,1.x;");
    let answer = say(&port, &identity, ALPN_GUACD, &join).await;
    assert!(answer.starts_with("4.args,13.VERSION_1_5_0,8.hostname;"), "{answer}");
    assert_eq!(*port.host.0.lock().unwrap(), [format!("{:?}", guac_protocol::Selection::Join(id))]);
    let stranger = PeerIdentity::generate().unwrap();
    assert_eq!(say(&port, &stranger, ALPN_GUACD, &join).await, "");
}
