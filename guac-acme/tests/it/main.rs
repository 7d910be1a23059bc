//! Orders at a real authority, which asks back.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use guac_acme::{ALPN, Acme, AcmeConfig, Certificate, Challenge, FileStore, HTTP_PATH, Sealed, Store as _};
use rustls::crypto::ring::default_provider;
use rustls::server::{Acceptor, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use testsuite::Pebble;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::task::TaskTracker;

/// Two ports that nobody has, for the authority to ask at.
fn ports() -> (TcpListener, TcpListener) {
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (tls, http) = (bind(), bind());
    tls.set_nonblocking(true).unwrap();
    http.set_nonblocking(true).unwrap();
    (tls, http)
}

struct Site {
    pebble: Pebble,
    tls: Option<TcpListener>,
    http: Option<TcpListener>,
    tasks: TaskTracker,
}

impl Site {
    fn start() -> Option<Self> {
        let _ = default_provider().install_default();
        let (tls, http) = ports();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let pebble = Pebble::start(port(&tls), port(&http))?;
        Some(Self { pebble, tls: Some(tls), http: Some(http), tasks: TaskTracker::new() })
    }

    fn config(&self, domains: &[&str], challenge: Challenge) -> AcmeConfig {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(self.pebble.roots_file()).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        AcmeConfig {
            directory: self.pebble.directory(),
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            contact: vec!["mailto:ops@desk.example".to_owned()],
            terms_of_service_agreed: true,
            challenge,
            roots: Some(roots),
        }
    }

    fn shared(&self) -> PathBuf {
        self.pebble.home().join("shared")
    }

    /// One of the nodes, which share a store.
    fn node(&self, domains: &[&str], challenge: Challenge) -> Arc<Acme> {
        let store = Sealed::new(FileStore::new(self.shared()), &vec![7; 32].into());
        Arc::new(Acme::new(self.config(domains, challenge), Box::new(store)).unwrap())
    }

    /// Lets `node` answer at both ports.
    fn answer(&mut self, node: &Arc<Acme>) {
        let tls = tokio::net::TcpListener::from_std(self.tls.take().unwrap()).unwrap();
        let http = tokio::net::TcpListener::from_std(self.http.take().unwrap()).unwrap();
        let (by_tls, by_http) = (Arc::clone(node), Arc::clone(node));
        self.tasks.spawn(async move {
            loop {
                let (stream, _) = tls.accept().await.unwrap();
                answer_tls(&by_tls, stream).await;
            }
        });
        self.tasks.spawn(async move {
            loop {
                let (stream, _) = http.accept().await.unwrap();
                answer_http(&by_http, stream).await;
            }
        });
    }
}

#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

async fn answer_tls(node: &Acme, stream: tokio::net::TcpStream) {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.unwrap();
    let hello = start.client_hello();
    assert!(hello.alpn().unwrap().any(|name| name == ALPN));
    let name = hello.server_name().unwrap().to_owned();
    let Some(certificate) = node.tls_answer(&name).await else { return };
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(Only(certificate)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    if let Ok(mut stream) = start.into_stream(Arc::new(config)).await {
        let _ = stream.shutdown().await;
    }
}

async fn answer_http(node: &Acme, mut stream: tokio::net::TcpStream) {
    let mut request = vec![0; 4096];
    let len = stream.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..len]).into_owned();
    let token = request.strip_prefix("GET ").and_then(|rest| rest.strip_prefix(HTTP_PATH)).unwrap();
    let answer = node.http_answer(token.split(' ').next().unwrap()).await.unwrap();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}", answer.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// Runs a node and gives what it installs first.
async fn installed(node: Arc<Acme>) -> Certificate {
    let (sender, mut receiver) = mpsc::channel(4);
    let run = async move { node.run(|certificate| sender.try_send(certificate.clone()).unwrap()).await };
    tokio::select! {
        () = run => unreachable!("it never ends"),
        certificate = receiver.recv() => certificate.unwrap(),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("no certificate"),
    }
}

/// The account's address at the authority.
async fn account(site: &Site) -> String {
    let store = Sealed::new(FileStore::new(site.shared()), &vec![7; 32].into());
    String::from_utf8(store.load("account").await.unwrap().unwrap()).unwrap()
}

async fn one_orders_and_the_other_answers(challenge: Challenge) {
    let Some(mut site) = Site::start() else { return };
    let (ordering, answering) =
        (site.node(&["desk.example", "www.desk.example"], challenge), site.node(&["desk.example"], challenge));
    let other = site.node(&["desk.example", "www.desk.example"], challenge);
    // The one that answers knows both names, too.
    site.answer(&other);
    let certificate = installed(Arc::clone(&ordering)).await;
    assert_eq!(certificate.names(), ["desk.example", "www.desk.example"]);
    assert!(certificate.certified_key().cert.len() > 1, "a chain");
    // The other takes it from the store, and so does the next start of the first.
    for node in [&other, &answering] {
        let same = installed(Arc::clone(node)).await;
        assert_eq!(same.pem().expose_secret(), certificate.pem().expose_secret());
    }
    assert_eq!(ordering.first().await.unwrap().names(), certificate.names());
    // Nothing of the answers is left.
    let left: Vec<String> = std::fs::read_dir(site.shared())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("tls-") || name.starts_with("http-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn one_node_orders_and_another_answers_by_tls() {
    one_orders_and_the_other_answers(Challenge::TlsAlpn01).await;
}

#[tokio::test]
async fn one_node_orders_and_another_answers_by_http() {
    one_orders_and_the_other_answers(Challenge::Http01).await;
}

#[tokio::test]
async fn a_new_name_is_ordered_at_once_with_the_same_account() {
    let Some(mut site) = Site::start() else { return };
    let first = site.node(&["desk.example"], Challenge::TlsAlpn01);
    let more = site.node(&["desk.example", "new.desk.example"], Challenge::TlsAlpn01);
    site.answer(&more);
    let old = installed(first).await;
    let account_before = account(&site).await;
    let (sender, mut receiver) = mpsc::channel(4);
    let run = async { more.run(|certificate| sender.try_send(certificate.clone()).unwrap()).await };
    let both = async { (receiver.recv().await.unwrap(), receiver.recv().await.unwrap()) };
    let (served, new) = tokio::select! {
        () = run => unreachable!("it never ends"),
        both = both => both,
    };
    // The old one is better than none until then.
    assert_eq!(served.pem().expose_secret(), old.pem().expose_secret());
    assert!(new.covers(&["new.desk.example".to_owned()]));
    assert_eq!(account(&site).await, account_before);
}

#[tokio::test]
async fn a_failed_order_is_not_repeated_at_once_by_anybody() {
    let Some(site) = Site::start() else { return };
    let address: SocketAddr = site.tls.as_ref().unwrap().local_addr().unwrap();
    let node = site.node(&["desk.example"], Challenge::TlsAlpn01);
    // Whoever asks is turned away.
    let listener = tokio::net::TcpListener::from_std(site.tls.as_ref().unwrap().try_clone().unwrap()).unwrap();
    let turned_away = site.tasks.spawn(async move {
        let mut count = 0;
        while let Ok(accepted) = tokio::time::timeout(Duration::from_secs(3), listener.accept()).await {
            drop(accepted.unwrap());
            count += 1;
        }
        count
    });
    let run = async { node.run(|_| panic!("{address} did not answer")).await };
    tokio::select! {
        () = run => unreachable!("it never ends"),
        count = turned_away => assert!(count.unwrap() > 0, "the authority asked"),
    }
    let store = Sealed::new(FileStore::new(site.shared()), &vec![7; 32].into());
    let failures = String::from_utf8(store.load("failures").await.unwrap().unwrap()).unwrap();
    assert!(failures.contains("\"count\":1"), "{failures}");
    // The other node does not even order.
    let other = site.node(&["desk.example"], Challenge::TlsAlpn01);
    let waited = tokio::time::timeout(Duration::from_millis(500), other.run(|_| panic!("a certificate"))).await;
    assert!(waited.is_err());
    let again = String::from_utf8(store.load("failures").await.unwrap().unwrap()).unwrap();
    assert_eq!(again, failures);
}
