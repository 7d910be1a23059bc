//! What a service manager hears of the daemon (`Type=notify`).

use std::os::unix::net::UnixDatagram;

use testsuite::{Authority, Home, PATIENCE, Sshd};

/// Stands in for systemd.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn listen(home: &Home) -> Self {
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path: path.display().to_string() }
    }

    /// Reads on until one of the lines is wanted, and gives that.
    fn hears(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).expect("the daemon says it in time");
            let said = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if let Some(line) = said.lines().find(|line| wanted(line)) {
                return line.to_owned();
            }
        }
    }

    fn nothing_more_than(&self, allowed: impl Fn(&str) -> bool) {
        self.socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let said = String::from_utf8(buffer[..length].to_vec()).unwrap();
            assert!(said.lines().all(&allowed), "{said}");
        }
    }
}

#[test]
fn a_service_manager_hears_that_it_is_ready_lives_drains_and_stops() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let manager = Manager::listen(&home);
    let authority = Authority::new("test authority");
    let (certificate, key) = authority.certify(home.path(), "localhost");
    // Over TLS, so that the proof of life has to be given through it; whose name the certificate has is no matter.
    let daemon = home.start_with(&[
        ("NOTIFY_SOCKET", &manager.path),
        ("WATCHDOG_USEC", "2000000"),
        ("GUACD_LITE_WEB_TLS_CERTIFICATE_FILE", &certificate.display().to_string()),
        ("GUACD_LITE_WEB_TLS_KEY_FILE", &key.display().to_string()),
        ("GUACD_LITE_DRAIN_TIMEOUT_S", "86400"),
    ]);
    manager.hears(|line| line == "READY=1");
    for _ in 0..3 {
        manager.hears(|line| line == "WATCHDOG=1");
    }
    let mut gateway = daemon.open("ssh", &sshd.command("echo rea''dy; cat"));
    gateway.reads("ready");
    manager.hears(|line| line == "STATUS=Ready; 1 sessions, 0 tunnels");

    daemon.terminate();
    manager.hears(|line| line == "STOPPING=1");
    let more = manager.hears(|line| line.starts_with("EXTEND_TIMEOUT_USEC="));
    assert_eq!(more, "EXTEND_TIMEOUT_USEC=40000000", "half a minute, and the end after it");
    manager.hears(|line| line == "STATUS=Not ready: stopping; 1 sessions, 0 tunnels");
    manager.hears(|line| line == "WATCHDOG=1");
    drop(gateway);
    let stopped = daemon.ended();
    assert!(stopped.status.success(), "{}", stopped.log);
    assert!(!stopped.log.contains("does not answer"), "{}", stopped.log);
}

#[test]
fn without_a_watchdog_nothing_is_proved() {
    let home = Home::new();
    let manager = Manager::listen(&home);
    let daemon = home.start_with(&[("NOTIFY_SOCKET", &manager.path)]);
    manager.hears(|line| line == "READY=1");
    assert_eq!(daemon.http("GET", "/readyz", &[], "").status, 200, "ready is said when it is");
    assert!(daemon.stop().status.success());
    manager.nothing_more_than(|line| !line.starts_with("WATCHDOG"));
}
