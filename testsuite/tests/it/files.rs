//! Files by requests beside the tunnel, to and from OpenSSH's own SFTP server.

use std::collections::VecDeque;
use std::fs;
use std::thread;
use std::time::Instant;

use guac_protocol::{Decoder, Status};
use testsuite::{Daemon, Home, PATIENCE, Received, Sshd, Transport as _, WebSocketTransport, Xvnc, web_socket};

/// More than many blobs and than other requests may carry.
const FILE_BYTES: usize = 3 * 1024 * 1024;

pub(crate) const OCTETS: &str = "application/octet-stream";

/// A browser's end of a tunnel: answers frames and what is left of downloads, and keeps what is said about files.
pub(crate) struct Browser {
    transport: WebSocketTransport,
    decoder: Decoder,
    said: VecDeque<Vec<String>>,
    data_bytes: usize,
}

impl Browser {
    pub(crate) fn open(daemon: &Daemon, connection: &str) -> Self {
        let transport = WebSocketTransport(web_socket(daemon.web, &daemon.tunnel_query(connection)));
        Self { transport, decoder: Decoder::new(), said: VecDeque::new(), data_bytes: 0 }
    }

    pub(crate) fn say(&mut self, elements: &[&str]) {
        let elements: Vec<String> = elements.iter().map(|text| format!("{}.{text}", text.chars().count())).collect();
        self.transport.send(format!("{};", elements.join(",")).as_bytes());
    }

    pub(crate) fn turn(&mut self) {
        match self.transport.receive() {
            Received::Bytes(bytes) => self.decoder.feed(&bytes).unwrap(),
            Received::Nothing => {}
            Received::Closed(how) => assert!(how.is_empty(), "closed: {how}"),
        }
        let mut answers = Vec::new();
        while let Some(instruction) = self.decoder.next_instruction().unwrap() {
            let args: Vec<&str> = instruction.args().collect();
            match (instruction.opcode(), args.as_slice()) {
                ("sync", [time, ..]) => answers.push(vec!["sync".to_owned(), (*time).to_owned()]),
                ("blob", [stream, ""]) => answers.push(["ack", stream, "OK", "0"].map(str::to_owned).to_vec()),
                ("filesystem" | "body" | "ack" | "end" | "", _) => {
                    let opcode = std::iter::once(instruction.opcode());
                    self.said.push_back(opcode.chain(args.iter().copied()).map(str::to_owned).collect());
                }
                ("blob", [_, data]) => self.data_bytes += data.len(),
                _ => {}
            }
        }
        for answer in answers {
            self.say(&answer.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }

    /// The next instruction with this opcode; what comes before it is of no interest.
    pub(crate) fn hears(&mut self, opcode: &str) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            while let Some(said) = self.said.pop_front() {
                if said[0] == opcode {
                    return said;
                }
            }
            assert!(Instant::now() < end, "no {opcode}");
            self.turn();
        }
    }
}

#[test]
fn files_go_by_requests_beside_the_tunnel_to_and_from_a_real_sftp_server() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let root = home.path().join("root");
    fs::create_dir(&root).unwrap();
    let (key, shown) = (sshd.key(), root.display().to_string());
    let more = [
        ("private-key", key.as_str()),
        ("command", "cat"),
        ("enable-sftp", "true"),
        ("sftp-root-directory", shown.as_str()),
    ];
    let connection = home.add_connection("files", "ssh", &sshd.login(&more));
    let daemon = home.start();
    let before = daemon.idle_usage();
    let token = daemon.token();
    let mut browser = Browser::open(&daemon, &connection);
    let uuid = browser.hears("")[1].clone();
    let object = browser.hears("filesystem")[1].clone();
    let content: String = (0..FILE_BYTES / 8).map(|n| format!("{n:07}\n")).collect();
    let request = |method: &str, stream: &str, body: &str| {
        let path = format!("/api/session/tunnels/{uuid}/streams/{stream}/file.txt");
        daemon.http(method, &path, &[("Guacamole-Token", &token)], body)
    };

    browser.say(&["put", &object, "7", OCTETS, "/file.txt"]);
    assert_eq!(browser.hears("ack")[3], "0");
    let (first, second) = content.split_at(FILE_BYTES / 3);
    thread::scope(|scope| {
        for part in [first, second] {
            let posting = scope.spawn(|| request("POST", "7", part));
            while !posting.is_finished() {
                browser.turn();
            }
            assert_eq!(posting.join().unwrap().status, 204);
        }
    });
    browser.say(&["end", "7"]);
    browser.hears("ack");
    assert!(fs::read_to_string(root.join("file.txt")).unwrap() == content, "what was sent is what is there");

    browser.said.clear();
    browser.say(&["get", &object, "/file.txt"]);
    let stream = browser.hears("body")[2].clone();
    let carried = browser.data_bytes;
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
    assert!(browser.data_bytes - carried < FILE_BYTES / 10, "the data does not go through the tunnel");
    drop(browser);
    daemon.settles(&before);
    daemon.stops_clean();
}

#[test]
fn a_machine_with_files_is_known_by_one_host_key_to_shells_and_desktops() {
    let (Some(mut sshd), Some(xvnc)) = (Sshd::start(), Xvnc::start()) else { return };
    let home = Home::new();
    let daemon = home.start();
    let before = daemon.idle_usage();
    let root = sshd.home().display().to_string();
    let beside = sshd.beside(sshd.home(), &[]);
    let desktop = [xvnc.params(&[]), beside].concat();
    let mut owner = daemon.open("vnc", &desktop);
    owner.sees_a_picture();
    owner.until("the files", |client| client.text.contains(&format!("{}.{root};", root.len())));
    drop(owner);
    daemon.open("ssh", &sshd.command("echo ready; cat")).reads("ready");
    daemon.settles(&before);

    sshd.change_host_key();
    // Nothing listens for RDP there: files come before the desktop.
    for (protocol, params) in [("ssh", sshd.command("cat")), ("vnc", desktop.clone()), ("rdp", desktop)] {
        let (said, status) = daemon.open(protocol, &params).end();
        assert_eq!(status, u32::from(Status::ClientUnauthorized.code()), "{protocol}: {said:?}");
        assert!(said.contains("host key") && said.contains("SHA256:"), "{protocol}: {said:?}");
    }
    daemon.settles(&before);
    daemon.stops_clean();
}
