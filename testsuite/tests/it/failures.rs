//! What goes wrong on the way to a machine: each ends with its status and a sentence, over both ports, and leaves
//! nothing behind.

use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use guac_protocol::Status;
use testsuite::{Daemon, GuacClient, Home, PATIENCE, Sshd, Xvnc};

/// Something that must fail, and how.
struct Case {
    name: &'static str,
    protocol: &'static str,
    params: Vec<(String, String)>,
    status: Status,
    /// Part of the sentence that the user gets.
    message: &'static str,
}

/// A port of this machine on which certainly nobody listens: it is the other end of a connection.
struct RefusedPort {
    _listener: TcpListener,
    client: TcpStream,
}

impl RefusedPort {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Self { _listener: listener, client }
    }

    fn params(&self) -> Vec<(String, String)> {
        let port = self.client.local_addr().unwrap().port().to_string();
        params(&[("hostname", "127.0.0.1"), ("port", &port), ("username", "nobody"), ("password", "none")])
    }
}

fn params(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn assert_ended(mut client: GuacClient, case: &Case, port: &str) {
    let (message, status) = client.end();
    let expected = u32::from(case.status.code());
    assert_eq!(status, expected, "{} over {port}: {message:?}, {:?}", case.name, client.closed);
    assert!(message.contains(case.message), "{} over {port}: {message:?}", case.name);
    assert!(client.disconnected, "{} ends with disconnect", case.name);
    if port == "web" {
        // The tunnel itself did nothing wrong (T-033).
        assert_eq!(client.closed.as_deref(), Some("1000 0"), "{}", case.name);
    }
}

/// Runs every case over both ports at once.
fn assert_all(daemon: &Daemon, cases: &[Case], stored: &[String]) {
    let clients: Vec<_> = cases
        .iter()
        .zip(stored)
        .map(|(case, id)| (case, daemon.open(case.protocol, &case.params), daemon.browse(id)))
        .collect();
    for (case, gateway, browser) in clients {
        assert_ended(gateway, case, "4822");
        assert_ended(browser, case, "web");
    }
}

#[test]
fn every_failure_to_connect_has_its_status_and_sentence_and_leaves_nothing() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(xvnc) = Xvnc::start_with_password("s3cret!") else { return };
    let refused = RefusedPort::new();
    let case = |name, protocol, params, status, message| Case { name, protocol, params, status, message };
    let unknown = params(&[("hostname", "no-such-machine.invalid"), ("port", "22"), ("username", "nobody")]);
    let cases = [
        case(
            "SSH with a wrong password",
            "ssh",
            sshd.login(&[("password", "wrong")]),
            Status::ClientUnauthorized,
            "refused the login",
        ),
        case(
            "SSH with a strange key",
            "ssh",
            sshd.login(&[("private-key", &sshd.strange_key())]),
            Status::ClientUnauthorized,
            "refused the login",
        ),
        case(
            "SSH with rubbish for a key",
            "ssh",
            sshd.login(&[("private-key", "rubbish")]),
            Status::ClientUnauthorized,
            "private key",
        ),
        case(
            "VNC with a wrong password",
            "vnc",
            xvnc.params(&[("password", "wrong")]),
            Status::ClientUnauthorized,
            "rejected the credentials",
        ),
        case("SSH to an unknown host", "ssh", unknown.clone(), Status::UpstreamNotFound, "host name is unknown"),
        case(
            "VNC to an unknown host",
            "vnc",
            unknown,
            Status::UpstreamNotFound,
            "host name of the VNC server is unknown",
        ),
        case(
            "SSH to a refused port",
            "ssh",
            refused.params(),
            Status::UpstreamUnavailable,
            "nothing listens on that port",
        ),
        case(
            "VNC to a refused port",
            "vnc",
            refused.params(),
            Status::UpstreamUnavailable,
            "nothing listens on that port",
        ),
    ];
    let home = Home::new();
    let stored: Vec<String> =
        cases.iter().map(|case| home.add_connection(case.name, case.protocol, &case.params)).collect();
    let daemon = home.start();
    let before = daemon.idle_usage();
    assert_all(&daemon, &cases, &stored);
    daemon.settles(&before);
    assert_eq!(daemon.data("history/connections").as_array().unwrap().len(), cases.len(), "one row each");
    daemon.stops_clean();
}

#[test]
fn a_changed_host_key_is_refused_and_a_killed_server_is_reported() {
    let Some(mut sshd) = Sshd::start() else { return };
    let Some(mut xvnc) = Xvnc::start() else { return };
    xvnc.draw(0);
    let home = Home::new();
    let (shell_params, desk_params) = (sshd.command("echo rea''dy; cat"), xvnc.params(&[]));
    let shell = home.add_connection("shell", "ssh", &shell_params);
    let desk = home.add_connection("desk", "vnc", &desk_params);
    let daemon = home.start();
    let before = daemon.idle_usage();

    // The first use remembers the key, and what runs is cut off when the machine's processes die.
    let mut shells = [daemon.browse(&shell), daemon.open("ssh", &shell_params)];
    let mut desks = [daemon.browse(&desk), daemon.open("vnc", &desk_params)];
    for client in &mut shells {
        client.reads("ready");
    }
    for client in &mut desks {
        client.sees_a_picture();
    }
    sshd.kill_sessions();
    xvnc.kill();
    for (client, message) in shells.iter_mut().zip(["lost"; 2]).chain(desks.iter_mut().zip(["VNC server"; 2])) {
        let (said, status) = client.end();
        assert_eq!(status, u32::from(Status::UpstreamError.code()), "{said:?}");
        assert!(said.contains(message), "{said:?}");
    }
    daemon.settles(&before);

    // The same machine with the key it had lets us in again; with another it is a stranger.
    daemon.open("ssh", &shell_params).reads("ready");
    sshd.change_host_key();
    for mut client in [daemon.browse(&shell), daemon.open("ssh", &shell_params)] {
        let (said, status) = client.end();
        assert_eq!(status, u32::from(Status::ClientUnauthorized.code()), "{said:?}");
        assert!(said.contains("host key") && said.contains("SHA256:"), "{said:?}");
    }
    daemon.settles(&before);
    daemon.stops_clean();
}

#[test]
fn wrong_answers_to_prompts_end_with_the_same_status_and_right_ones_let_in() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(mut xvnc) = Xvnc::start_with_password("s3cret!") else { return };
    xvnc.draw(0);
    let home = Home::new();
    let shell = home.add_connection("shell", "ssh", &sshd.login(&[]));
    let desk = home.add_connection("desk", "vnc", &xvnc.params(&[]));
    let daemon = home.start();
    let before = daemon.idle_usage();

    for mut client in [daemon.browse(&shell), daemon.open("ssh", &sshd.login(&[]))] {
        for tries in 1..=3 {
            wait_for_prompts(&mut client, tries);
            client.write("wrong\n");
        }
        let (message, status) = client.end();
        assert_eq!(status, u32::from(Status::ClientUnauthorized.code()), "{message}");
    }
    for (password, lets_in) in [("wrong", false), ("s3cret!", true)] {
        for mut client in [daemon.browse(&desk), daemon.open("vnc", &xvnc.params(&[]))] {
            client.until("the question", |client| client.text.contains("8.required,"));
            assert!(client.text.contains("8.required,8.password;"), "{}", client.text);
            client.say(&["argv", "1", "text/plain", "password"]);
            client.say(&["blob", "1", &base64_simd::STANDARD.encode_to_string(password)]);
            client.say(&["end", "1"]);
            if lets_in {
                client.until("the desktop", |client| client.canvas.size() == (640, 480) && client.canvas.frames > 0);
            } else {
                let (message, status) = client.end();
                assert_eq!(status, u32::from(Status::ClientUnauthorized.code()), "{message}");
            }
        }
    }
    daemon.settles(&before);
    daemon.stops_clean();
}

/// Reads until the terminal has asked for a password so many times.
fn wait_for_prompts(client: &mut GuacClient, times: usize) {
    let mut screen = String::new();
    let end = Instant::now() + PATIENCE;
    while screen.matches("Password:").count() < times {
        assert!(client.closed.is_none(), "{:?}", client.error);
        assert!(Instant::now() < end, "prompt {times} does not come: {screen}");
        screen = client.screen();
    }
}
