//! What goes wrong is told by type, blame and status.

use std::net::TcpListener;
use std::time::Duration;

use guac_client::{Blame, Client, ClientError, ConnectionRef, Gateway, Guacd, Login, Options, Status, Tls};
use testsuite::{ADMIN_PASSWORD, Authority, Home, PATIENCE, Sshd};

use crate::open;

async fn refused(target: impl Into<guac_client::Endpoint>) -> ClientError {
    Client::connect(target, Options::default()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_refuses_wrong_passwords_tokens_and_unknown_connections() {
    let home = Home::new();
    let daemon = home.start();
    let gateway = |password: &str, name: &str| {
        let login = Login::Password { username: "admin".to_owned(), password: password.into() };
        Gateway::new(format!("http://{}/", daemon.web), login, ConnectionRef::Name(name.to_owned()))
    };
    let error = refused(gateway("wrong", "any")).await;
    assert!(matches!(error, ClientError::LoginRefused { .. }), "{error:?}");
    assert_eq!((error.status(), error.blame()), (Status::ClientUnauthorized, Blame::Upstream));
    let error = refused(gateway(ADMIN_PASSWORD, "nowhere")).await;
    assert!(matches!(&error, ClientError::NoSuchConnection { name } if name == "nowhere"), "{error:?}");

    let by_id = ConnectionRef::Identifier("4711".to_owned());
    let token = Gateway::new(format!("http://{}/", daemon.web), Login::Token("stale".into()), by_id);
    let error = refused(token).await;
    assert!(matches!(error, ClientError::Ended { status: Status::ClientUnauthorized, .. }), "{error:?}");
    let ftp = Gateway::new("ftp://localhost/", Login::Token("x".into()), ConnectionRef::Name("any".to_owned()));
    assert!(matches!(refused(ftp).await, ClientError::BadUrl));
    daemon.stops_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_fails_ends_with_the_servers_status() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let mut daemon = home.start();
    let port = daemon.guacd.port();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let cases = [
        (sshd.login(&[("private-key", &sshd.strange_key())]), Status::ClientUnauthorized),
        (
            vec![("hostname".to_owned(), "127.0.0.1".to_owned()), ("port".to_owned(), closed)],
            Status::UpstreamUnavailable,
        ),
    ];
    for (params, status) in cases {
        let target = Guacd::open("127.0.0.1", port, "ssh").params(params);
        let client = Client::connect(target, Options::default()).await.unwrap();
        let error = client.wait_for_end(PATIENCE).await.unwrap();
        assert!(matches!(error, ClientError::Ended { .. }), "{error:?}");
        assert_eq!((error.status(), error.blame()), (status, Blame::Upstream), "{error}");
        // Whatever is asked of it afterwards says the same.
        assert_eq!(client.screenshot().await.unwrap_err().status(), status);
        assert_eq!(client.type_text("x").await.unwrap_err().status(), status);
    }
    let error = refused(Guacd::open("127.0.0.1", port, "carrier-pigeon")).await;
    assert!(matches!(error, ClientError::Handshake(_)), "{error:?}");
    assert_eq!((error.status(), error.blame()), (Status::Unsupported, Blame::Upstream));
    let id = "$00000000-0000-4000-8000-000000000000".parse().unwrap();
    assert_eq!(refused(Guacd::join("127.0.0.1", port, id)).await.status(), Status::ResourceNotFound);

    let client = open(&daemon, "ssh", sshd.command("cat")).await;
    let error = client.wait_for_title(|_| false, Duration::from_millis(10)).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { what: "the title", .. }), "{error:?}");
    let error = client.press("Kontrol+c").await.unwrap_err();
    assert_eq!(error.blame(), Blame::Caller);
    daemon.crash();
    let error = client.wait_for_end(PATIENCE).await.unwrap();
    assert_eq!(error.status(), Status::UpstreamError, "{error}");
    assert!(client.last_picture().is_some(), "the last picture stays");
    let error = refused(Guacd::open("127.0.0.1", port, "ssh")).await;
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_is_refused_and_of_a_known_one_taken() {
    let home = Home::new();
    let authority = Authority::new("test");
    let (certificate, key) = authority.certify(home.path(), "localhost");
    authority.write(&home.path().join("authority.pem"));
    let paths = [certificate, key].map(|path| path.display().to_string());
    let daemon = home
        .start_with(&[("GUACD_LITE_WEB_TLS_CERTIFICATE_FILE", &paths[0]), ("GUACD_LITE_WEB_TLS_KEY_FILE", &paths[1])]);
    let target = |tls: Tls| {
        let login = Login::Password { username: "admin".to_owned(), password: ADMIN_PASSWORD.into() };
        let url = format!("https://localhost:{}/", daemon.web.port());
        Gateway::new(url, login, ConnectionRef::Name("nowhere".to_owned())).tls(tls)
    };
    let error = refused(target(Tls::default())).await;
    assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
    let pem = std::fs::read(home.path().join("authority.pem")).unwrap();
    for tls in [Tls::default().with_authorities(&pem).unwrap(), Tls::default().danger_accept_any_certificate()] {
        let error = refused(target(tls)).await;
        assert!(matches!(error, ClientError::NoSuchConnection { .. }), "the login went through: {error:?}");
    }
    assert!(matches!(Tls::default().with_authorities(b"none"), Err(ClientError::BadCertificate)));
    assert!(daemon.stop().status.success());
}
