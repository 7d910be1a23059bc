//! Both ends at once: the client for an outside guacd against our own guacd port, over loopback.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use guac_protocol::{ClientInfo, Decoder, ProtocolVersion, Selection, Status};
use guac_tunnel::{
    GuacdHost, GuacdTls, GuacdVerify, OpenError, OpenRequest, Opened, SessionHost as _, TunnelLimits, serve_guacd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::{ScriptedHost, Session, link, sync};

fn request(selection: Selection) -> OpenRequest {
    let params = [("hostname", "target"), ("password", "s3cret"), ("unwanted", "x")];
    let info = ClientInfo {
        name: Some("Ann".into()),
        image_mimetypes: vec!["image/png".into()],
        version: ProtocolVersion::LATEST,
        ..ClientInfo::default()
    };
    let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
    OpenRequest { selection, info, params: BTreeMap::from(params) }
}

fn ssh() -> OpenRequest {
    request(Selection::Protocol("ssh".into()))
}

struct Guacd {
    port: u16,
    host: Arc<ScriptedHost>,
    session: Session,
    _task: JoinSet<()>,
}

/// A guacd that serves one connection.
async fn guacd(tls: Option<TlsAcceptor>) -> Guacd {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (link, session) = link();
    let host = Arc::new(ScriptedHost::with(link));
    let mut task = JoinSet::new();
    let serving = Arc::clone(&host);
    task.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let limits = TunnelLimits::default();
        match tls {
            None => drop(serve_guacd(stream, &*serving, &limits).await),
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    drop(serve_guacd(stream, &*serving, &limits).await);
                }
            }
        }
    });
    Guacd { port, host, session, _task: task }
}

async fn say(opened: &mut Opened, text: &str) {
    let mut decoder = Decoder::new();
    decoder.feed(text.as_bytes()).unwrap();
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        std::future::poll_fn(|cx| opened.link.sink.poll_ready(cx)).await.unwrap();
        opened.link.sink.start_send(&instruction).unwrap();
    }
    std::future::poll_fn(|cx| opened.link.sink.poll_flush(cx)).await.unwrap();
}

#[tokio::test]
async fn opens_a_session_at_an_outside_guacd_and_relays_both_ways() {
    let mut guacd = guacd(None).await;
    let host = GuacdHost::new("127.0.0.1", guacd.port, TunnelLimits::default());
    let mut opened = host.open(ssh()).await.unwrap();
    {
        let requests = guacd.host.requests.lock().unwrap();
        let seen = &requests[0];
        assert_eq!((seen.params["hostname"].as_str(), seen.params["port"].as_str()), ("target", ""));
        assert_eq!(seen.info, request(Selection::Protocol("ssh".into())).info);
    }
    assert_eq!(opened.connection_id.as_str(), "$00000000-0000-4000-8000-000000000000");
    guacd.session.say.send(sync(1)).await.unwrap();
    assert_eq!(opened.link.source.next().await.unwrap(), "4.sync,1.1;");
    say(&mut opened, "3.key,2.97,1.1;4.sync,1.1;").await;
    assert_eq!(
        (guacd.session.hear().await, guacd.session.hear().await),
        ("3.key,2.97,1.1;".into(), "4.sync,1.1;".into())
    );
    drop(opened);
    guacd.session.left.cancelled().await;
}

#[tokio::test]
async fn the_last_words_of_an_outside_guacd_arrive_before_the_end() {
    let guacd = guacd(None).await;
    let host = GuacdHost::new("127.0.0.1", guacd.port, TunnelLimits::default());
    let mut opened = host.open(ssh()).await.unwrap();
    guacd.session.say.send(Bytes::from_static(b"5.error,5.Gone.,3.515;10.disconnect;")).await.unwrap();
    drop(guacd.session);
    assert_eq!(opened.link.source.next().await.unwrap(), "5.error,5.Gone.,3.515;10.disconnect;");
    assert_eq!(opened.link.source.next().await, None);
}

#[tokio::test]
async fn joins_by_id_and_reports_an_unknown_one() {
    let known = guacd(None).await;
    let host = GuacdHost::new("127.0.0.1", known.port, TunnelLimits::default());
    let opened = host.open(request(Selection::Join("$known".parse().unwrap()))).await.unwrap();
    assert_eq!(opened.connection_id.as_str(), "$01010101-0101-4101-8101-010101010101");

    let unknown = guacd(None).await;
    let host = GuacdHost::new("127.0.0.1", unknown.port, TunnelLimits::default());
    let error = host.open(request(Selection::Join("$unknown".parse().unwrap()))).await.unwrap_err();
    assert_eq!(error, OpenError::no_such_connection());
}

#[tokio::test]
async fn a_refused_port_a_silent_guacd_and_garbage_have_their_own_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut limits = TunnelLimits::default();
    limits.guacd_read = Duration::from_millis(50);
    let silent = GuacdHost::new("127.0.0.1", port, limits.clone()).open(ssh()).await.unwrap_err();
    assert_eq!(silent.status, Status::UpstreamTimeout);

    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        }
    });
    let garbage = GuacdHost::new("127.0.0.1", port, TunnelLimits::default()).open(ssh()).await.unwrap_err();
    assert_eq!(garbage.status, Status::UpstreamError);
    task.shutdown().await;

    let refused = GuacdHost::new("127.0.0.1", port, limits.clone()).open(ssh()).await.unwrap_err();
    assert_eq!(refused.status, Status::UpstreamUnavailable);
    let unknown = GuacdHost::new("guacd.invalid", port, limits).open(ssh()).await.unwrap_err();
    assert_eq!(unknown.status, Status::UpstreamNotFound);
}

#[tokio::test]
async fn a_guacd_that_falls_silent_ends_the_link_with_a_timeout() {
    let guacd = guacd(None).await;
    let mut limits = TunnelLimits::default();
    limits.guacd_read = Duration::from_millis(100);
    let mut opened = GuacdHost::new("127.0.0.1", guacd.port, limits).open(ssh()).await.unwrap();
    assert_eq!(opened.link.source.next().await.unwrap(), "5.error,30.Connection to guacd timed out.,3.514;");
    assert_eq!(opened.link.source.next().await, None);
}

fn acceptor(names: &[&str]) -> (TlsAcceptor, CertificateDer<'static>) {
    // Another test of this process may have been first; the provider is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let pair = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = pair.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    (TlsAcceptor::from(Arc::new(config.unwrap())), certificate)
}

#[tokio::test]
async fn over_tls_the_certificate_must_be_trusted_and_for_the_name() {
    for (names, trust, expected) in [
        (["localhost"], true, None),
        (["localhost"], false, Some(Status::UpstreamError)),
        (["elsewhere"], true, Some(Status::UpstreamError)),
    ] {
        let (tls, certificate) = acceptor(&names);
        let guacd = guacd(Some(tls)).await;
        let mut roots = RootCertStore::empty();
        if trust {
            roots.add(certificate).unwrap();
        }
        let tls = GuacdTls::new(GuacdVerify::Roots(roots)).unwrap();
        let host = GuacdHost::new("localhost", guacd.port, TunnelLimits::default()).with_tls(tls);
        let opened = host.open(ssh()).await;
        assert_eq!(opened.err().map(|error| error.status), expected, "{names:?} {trust}");
    }
}

#[tokio::test]
async fn over_tls_everything_works_and_verification_can_be_switched_off() {
    let (tls, _) = acceptor(&["elsewhere"]);
    let mut guacd = guacd(Some(tls)).await;
    let tls = GuacdTls::new(GuacdVerify::Nothing).unwrap();
    let host = GuacdHost::new("127.0.0.1", guacd.port, TunnelLimits::default()).with_tls(tls);
    let mut opened = host.open(ssh()).await.unwrap();
    say(&mut opened, "3.nop;").await;
    assert_eq!(guacd.session.hear().await, "3.nop;");
    guacd.session.say.send(sync(2)).await.unwrap();
    assert_eq!(opened.link.source.next().await.unwrap(), "4.sync,1.2;");
}
