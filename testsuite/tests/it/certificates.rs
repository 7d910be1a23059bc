//! Certificates that the daemon gets by itself, from an authority that asks back.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use testsuite::{Answer, Authority, Home, PATIENCE, Pebble, free_port, request, trusting_pem, wait_until};

/// Asks for `/readyz`, if the certificate is good for `name`.
fn ready(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Result<Answer, String> {
    let mut stream = TcpStream::connect(address).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(request(StreamOwned::new(session, stream), "GET", "/readyz", &[], ""))
}

/// Starts a daemon that has to get a certificate by `challenge`, and waits until it shows it.
fn gets_a_certificate(challenge: &str) {
    let (tls_port, http_port) = (free_port(), free_port());
    let Some(mut pebble) = Pebble::start(tls_port, http_port) else { return };
    let home = Home::new();
    let (listen, plain) = (format!("127.0.0.1:{tls_port}"), format!("127.0.0.1:{http_port}"));
    let roots = pebble.roots_file().display().to_string();
    let settings = [
        ("GUACD_LITE_WEB_LISTEN", listen.as_str()),
        ("GUACD_LITE_WEB_HTTP_LISTEN", &plain),
        ("GUACD_LITE_ACME_DOMAINS", "desk.example"),
        ("GUACD_LITE_ACME_AGREE_TERMS", "true"),
        ("GUACD_LITE_ACME_DIRECTORY", &pebble.directory()),
        ("GUACD_LITE_ACME_CA_FILE", &roots),
        ("GUACD_LITE_ACME_CHALLENGE", challenge),
    ];
    let daemon = home.start_with(&settings);
    assert!(daemon.said.contains("https://"), "{}", daemon.said);
    let trust = trusting_pem(pebble.issuer().as_bytes());
    wait_until("a certificate", || ready(daemon.web, &trust, "desk.example").is_ok());
    assert_eq!(ready(daemon.web, &trust, "desk.example").unwrap().status, 200);

    let plain = request(TcpStream::connect(plain.as_str()).unwrap(), "GET", "/a?b", &[], "");
    assert_eq!(plain.status, 308);
    assert!(plain.head.contains(&format!("https://localhost:{tls_port}/a?b")), "{}", plain.head);
    let log = daemon.stop().log;
    assert!(log.contains("Certificate issued"), "{log}");

    // The next start has it at once, and asks nobody.
    pebble.kill();
    let daemon = home.start_with(&settings);
    assert_eq!(ready(daemon.web, &trust, "desk.example").unwrap().status, 200);
    assert!(!daemon.stop().log.contains("Ordering"));
}

#[test]
fn the_daemon_gets_its_certificate_over_its_own_https_port() {
    gets_a_certificate("tls-alpn-01");
}

#[test]
fn the_daemon_gets_its_certificate_over_its_plain_port() {
    gets_a_certificate("http-01");
}

#[test]
fn without_an_authority_the_port_speaks_tls_all_the_same() {
    let home = Home::new();
    let nobody = format!("https://localhost:{}/dir", free_port());
    let daemon = home.start_with(&[
        ("GUACD_LITE_ACME_DOMAINS", "desk.example"),
        ("GUACD_LITE_ACME_AGREE_TERMS", "true"),
        ("GUACD_LITE_ACME_DIRECTORY", &nobody),
    ]);
    let mut elsewhere = Vec::new();
    let file = home.path().join("elsewhere.pem");
    Authority::new("elsewhere").write(&file);
    elsewhere.extend(std::fs::read(&file).unwrap());
    let error = ready(daemon.web, &trusting_pem(&elsewhere), "desk.example").unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    let end = Instant::now() + PATIENCE;
    while !daemon.log().contains("There is no valid certificate") {
        assert!(Instant::now() < end, "{}", daemon.log());
        std::thread::yield_now();
    }
    assert_eq!(daemon.stop().status.code(), Some(0));
}
