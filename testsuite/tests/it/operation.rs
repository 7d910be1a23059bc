//! What an operator meets: configuration, the first start, TLS on both ports.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::sync::Arc;

use guac_protocol::Selection;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use testsuite::{Authority, GuacClient, Home, Sshd, TcpTransport, request, trusting};

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn check_config_shows_what_is_in_force_without_secrets() {
    let home = Home::new();
    let file = home.path().join("config.toml");
    fs::write(
        &file,
        "drain_timeout_s = 3\n[web]\nlisten = \"127.0.0.1:1\"\n[database]\nurl = \"mysql://guac:canary@db/guac\"\n",
    )
    .unwrap();
    let file = file.display().to_string();
    let arguments = ["serve", "--check-config", "--config", &file, "--guacd-listen", "off"];
    let output = home.run(&arguments, &[("GUACD_LITE_WEB_LISTEN", "127.0.0.1:2")]);
    let (shown, log) = texts(&output);
    assert!(output.status.success(), "{log}");
    for line in ["drain_timeout_s = 3", "listen = \"127.0.0.1:2\"", "listen = \"off\"", "url = \"mysql://***@db/guac\""]
    {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert!(!shown.contains("canary") && !log.contains("canary"), "{shown}{log}");
    assert!(!home.path().join("data").exists(), "checking makes nothing");
}

#[test]
fn unknown_settings_are_refused_by_name() {
    let home = Home::new();
    let file = home.path().join("config.toml");
    fs::write(&file, "[web]\nlisten_port = 1\n").unwrap();
    let file = file.display().to_string();
    let (output, name) = (home.run(&["serve", "--config", &file], &[]), "listen_port");
    let other = home.run(&["serve"], &[("GUACD_LITE_WEB_COLOUR", "blue")]);
    for (output, name) in [(output, name), (other, "GUACD_LITE_WEB_COLOUR")] {
        let (said, log) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(name), "{log}");
        assert!(said.is_empty(), "{said}");
    }
}

#[test]
fn the_first_start_prints_a_password_for_one_login_and_no_later_start_does() {
    let home = Home::new();
    let daemon = home.try_start(&[]).unwrap();
    let line = daemon.said.lines().find(|line| line.starts_with("First start")).expect("the first start says so");
    let password = line.rsplit(' ').next().unwrap().to_owned();
    assert!(password.len() >= 16, "{line}");
    assert_eq!(daemon.login("admin", "admin").status, 403);
    // It opens nothing but the choice of another.
    let answer = daemon.login("admin", &password);
    assert_eq!((answer.status, answer.body.contains("LOGIN.INFO_PASSWORD_EXPIRED")), (403, true), "{answer:?}");
    let chosen = format!("{password}&new-password=canary-chosen&confirm-new-password=canary-chosen");
    assert_eq!(daemon.login("admin", &chosen).status, 200);
    assert!(!daemon.log().contains(&password) && !daemon.log().contains("canary"), "it is printed, not logged");
    assert!(daemon.stop().status.success());

    let daemon = home.try_start(&[]).unwrap();
    assert!(!daemon.said.contains("password") && !daemon.said.contains("First start"), "{}", daemon.said);
    assert_eq!(daemon.login("admin", "canary-chosen").status, 200);
    assert_eq!(daemon.login("admin", &password).status, 403);
    assert!(daemon.stop().status.success());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let home = Home::new();
    let daemon = home.start();
    let other = Home::new();
    let taken = daemon.web.to_string();
    let output = other.run(&["serve", "--web-listen", &taken, "--guacd-listen", "off"], &[]);
    let (_, log) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains(&taken), "{log}");
    daemon.stops_clean();
}

#[test]
fn both_ports_speak_tls_with_the_certificate_given() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let authority = Authority::new("test authority");
    let (certificate, key) = authority.certify(home.path(), "localhost");
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let daemon = home.start_with(&[
        ("GUACD_LITE_WEB_TLS_CERTIFICATE_FILE", &certificate),
        ("GUACD_LITE_WEB_TLS_KEY_FILE", &key),
        ("GUACD_LITE_GUACD_TLS_CERTIFICATE_FILE", &certificate),
        ("GUACD_LITE_GUACD_TLS_KEY_FILE", &key),
    ]);
    assert!(daemon.said.contains("https://"), "{}", daemon.said);
    let config = trusting(&authority);
    let secure = |address: SocketAddr| {
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(&config), name).unwrap(), stream)
    };

    assert_eq!(request(secure(daemon.web), "GET", "/healthz", &[], "").status, 200);
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Guacamole-Cookie", "1")];
    let body = format!("username=admin&password={}", testsuite::ADMIN_PASSWORD);
    let answer = request(secure(daemon.web), "POST", "/api/tokens", &form, &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.head.lines().find(|line| line.to_lowercase().starts_with("set-cookie")).unwrap();
    assert!(cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");

    let stream = secure(daemon.guacd);
    stream.sock.set_read_timeout(Some(std::time::Duration::from_millis(20))).unwrap();
    let selection = Selection::Protocol("ssh".to_owned());
    let params = sshd.command("echo rea''dy; cat");
    let mut client = GuacClient::shake_hands(TcpTransport(stream), &selection, &params, (640, 480));
    client.reads("ready");
    client.write("over TLS\n");
    client.reads("over TLS\nover TLS");
    drop(client);

    // In clear neither port answers anything useful.
    let mut plain = TcpTransport(TcpStream::connect(daemon.guacd).unwrap());
    testsuite::Transport::send(&mut plain, b"6.select,3.ssh;");
    let mut said = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain.0, &mut said);
    assert!(!String::from_utf8_lossy(&said).contains("args"));
    assert!(daemon.stop().status.success());
}
