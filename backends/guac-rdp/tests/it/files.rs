//! Files of a real OpenSSH beside a desktop (CM-001, RDP-026, RDP-045).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use guac_protocol::{Decoder, Status};
use rdp_peer::{RdpServer, Setup};
use testsuite::{Sshd, wait_until};

use crate::support::{Viewer, ended};

/// More than a few blobs, and no multiple of one.
const FILE_BYTES: usize = 300_001;

const OCTETS: &str = "application/octet-stream";

/// A server, and an empty directory of its home.
fn machine() -> Option<(Sshd, PathBuf)> {
    let sshd = Sshd::start()?;
    let root = sshd.home().join("root");
    fs::create_dir(&root).unwrap();
    Some((sshd, root))
}

fn joined(one: Vec<(String, String)>, other: Vec<(String, String)>) -> Vec<(String, String)> {
    one.into_iter().chain(other).collect()
}

impl Viewer {
    /// What was said with this opcode, but for it.
    fn said(&self, opcode: &str) -> Vec<Vec<String>> {
        let mut decoder = Decoder::new();
        let mut said = Vec::new();
        for chunk in self.text.as_bytes().chunks(8192) {
            decoder.feed(chunk).unwrap();
            while let Some(heard) = decoder.next_instruction().unwrap() {
                if heard.opcode() == opcode {
                    said.push(heard.args().map(str::to_owned).collect());
                }
            }
        }
        said
    }

    /// The number of a file system.
    async fn file_system(&mut self, name: &str) -> String {
        let find = |viewer: &Self| viewer.said("filesystem").into_iter().find(|said| said[1] == name);
        self.until("a file system", |viewer| viewer.ended || find(viewer).is_some()).await;
        find(self).unwrap()[0].clone()
    }

    /// Reads a stream; the log's line where it is refused.
    async fn get(&mut self, object: &str, name: &str) -> Result<Vec<u8>, String> {
        let (streams, refusals) = (self.streams.len(), self.said("log").len());
        self.say(&["get", object, name]).await;
        let done = |viewer: &Self| viewer.streams.get(streams).is_some_and(|stream| stream.ended);
        self.until(name, |viewer| done(viewer) || viewer.said("log").len() > refusals).await;
        match self.said("log").get(refusals) {
            Some(line) => Err(line[0].clone()),
            None => Ok(self.streams[streams].data.clone()),
        }
    }

    async fn answer(&mut self, before: usize) -> u16 {
        self.until("an answer", |viewer| viewer.said("ack").len() > before).await;
        self.said("ack")[before][2].parse().unwrap()
    }

    /// Sends a stream that `opening` opens; gives the first status that is no success, or that of the end.
    async fn send(&mut self, opening: &[&str], stream: &str, data: &[u8]) -> u16 {
        let before = self.said("ack").len();
        self.say(opening).await;
        let mut status = self.answer(before).await;
        for (at, chunk) in data.chunks(6048).enumerate() {
            if status != 0 {
                return status;
            }
            self.say(&["blob", stream, &base64_simd::STANDARD.encode_to_string(chunk)]).await;
            status = self.answer(before + 1 + at).await;
        }
        if status == 0 {
            let answered = self.said("ack").len();
            self.say(&["end", stream]).await;
            status = self.answer(answered).await;
        }
        status
    }
}

#[tokio::test]
async fn files_go_down_and_up_beside_the_desktop_and_its_drive_as_the_desktops_user() {
    let Some((sshd, root)) = machine() else { return };
    let (incoming, drive) = (sshd.home().join("incoming"), tempfile::tempdir().unwrap());
    fs::create_dir(&incoming).unwrap();
    let data: Vec<u8> = (0..FILE_BYTES).map(|at| u8::try_from(at * at % 251).unwrap()).collect();
    fs::write(root.join("down"), &data).unwrap();
    let server = RdpServer::start();
    let (directory, path) = (incoming.display().to_string(), drive.path().display().to_string());
    let own = [("username", sshd.user()), ("enable-drive", "true"), ("drive-path", &path)];
    let sftp = sshd.beside(&root, &[("sftp-username", ""), ("sftp-directory", &directory)]);
    let params = joined(server.params(&own), sftp);
    let served = server.serve(Setup::default(), |mut peer| drop(peer.until_closed()));
    let mut viewer = Viewer::open(&params);
    let files = viewer.file_system(&root.display().to_string()).await;
    let index = String::from_utf8(viewer.get(&files, "/").await.unwrap()).unwrap();
    assert_eq!(index, format!(r#"{{"/down":"{OCTETS}"}}"#));
    assert!(viewer.get(&files, "/down").await.unwrap() == data, "down");
    assert_eq!(viewer.send(&["put", &files, "7", OCTETS, "/up"], "7", &data).await, 0);
    assert!(fs::read(root.join("up")).unwrap() == data, "up");
    assert_eq!(viewer.send(&["file", "8", OCTETS, "a b.txt"], "8", b"dropped").await, 0);
    assert_eq!(fs::read(incoming.join("a b.txt")).unwrap(), b"dropped");
    assert!(viewer.get(&files, "/../host").await.unwrap_err().contains("CLIENT_FORBIDDEN"));

    let shared = viewer.file_system("Shared Drive").await;
    assert_eq!(viewer.send(&["put", &shared, "7", OCTETS, "/mine"], "7", b"x").await, 0);
    assert_eq!(fs::read(drive.path().join("mine")).unwrap(), b"x");
    assert!(!root.join("mine").exists());
    let hub = viewer.hub.clone();
    drop(viewer);
    ended(served).await;
    // The session ends on this thread.
    let gone = move || wait_until("no session, no connection", || hub.task_count() == 0 && sshd.connections() == 0);
    tokio::task::spawn_blocking(gone).await.unwrap();
}

#[tokio::test]
async fn without_a_directory_for_them_dropped_files_are_the_drives() {
    let Some((sshd, root)) = machine() else { return };
    let drive = tempfile::tempdir().unwrap();
    let path = drive.path().display().to_string();
    let server = RdpServer::start();
    let own = server.params(&[("enable-drive", "true"), ("drive-path", &path)]);
    let params = joined(own, sshd.beside(&root, &[]));
    let served = server.serve(Setup::default(), |mut peer| drop(peer.until_closed()));
    let mut viewer = Viewer::open(&params);
    viewer.file_system(&root.display().to_string()).await;
    viewer.file_system("Shared Drive").await;
    assert_eq!(viewer.send(&["file", "8", OCTETS, "a.txt"], "8", b"dropped").await, 0);
    assert_eq!(fs::read(drive.path().join("a.txt")).unwrap(), b"dropped");
    drop(viewer);
    ended(served).await;
}

#[tokio::test]
async fn the_machine_with_the_files_comes_first_and_ends_the_session_if_it_does_not_let_us_in() {
    let (Some((sshd, root)), Some(bare)) = (machine(), Sshd::without_files()) else { return };
    let desk = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    desk.set_nonblocking(true).unwrap();
    let (port, nobody) = (desk.local_addr().unwrap().port().to_string(), {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port().to_string()
    });
    let own = || {
        let own = [("hostname", "127.0.0.1"), ("port", port.as_str()), ("username", "tester"), ("password", "secret")];
        own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    let (no_key, other) = (("sftp-private-key", ""), bare.host_key());
    for (sshd, more, status, words) in [
        (&sshd, &[("sftp-port", nobody.as_str())][..], Status::ServerError, "nothing listens"),
        (&sshd, &[no_key, ("sftp-password", "guess")], Status::ClientUnauthorized, "refused the login"),
        (&sshd, &[no_key], Status::ClientUnauthorized, "not set for this connection"),
        (&sshd, &[("sftp-host-key", &other)], Status::ClientUnauthorized, "host key"),
        (&bare, &[], Status::UpstreamError, "subsystem for files"),
    ] {
        let mut viewer = Viewer::open(&joined(own(), sshd.beside(&root, more)));
        let text = viewer.until_error(status).await;
        assert!(text.contains(words) && text.contains("no file transfer (SFTP)"), "{words}: {text}");
        assert!(!text.contains("guess") && !text.contains("8.required"), "{text}");
    }
    assert!(desk.accept().is_err(), "the desktop was never reached");
}

#[tokio::test]
async fn each_direction_can_be_switched_off() {
    let Some((sshd, root)) = machine() else { return };
    fs::write(root.join("file"), "x").unwrap();
    let server = RdpServer::start();
    let more = [("sftp-disable-download", "true"), ("sftp-disable-upload", "true")];
    let params = joined(server.params(&[]), sshd.beside(&root, &more));
    let served = server.serve(Setup::default(), |mut peer| drop(peer.until_closed()));
    let mut viewer = Viewer::open(&params);
    let files = viewer.file_system(&root.display().to_string()).await;
    assert!(viewer.get(&files, "/").await.is_ok(), "what is there may be seen");
    assert!(viewer.get(&files, "/file").await.unwrap_err().contains("CLIENT_FORBIDDEN"));
    let forbidden = Status::ClientForbidden as u16;
    assert_eq!(viewer.send(&["put", &files, "7", OCTETS, "/no"], "7", b"x").await, forbidden);
    assert_eq!(viewer.send(&["file", "8", OCTETS, "no"], "8", b"x").await, forbidden);
    drop(viewer);
    ended(served).await;
}

#[tokio::test]
async fn files_stay_while_the_desktop_comes_again_and_the_desktop_when_they_end() {
    let Some((sshd, root)) = machine() else { return };
    fs::write(root.join("file"), "x").unwrap();
    let server = RdpServer::start();
    let params = joined(server.params(&[("resize-method", "reconnect")]), sshd.beside(&root, &[]));
    let (came, again) = tokio::sync::oneshot::channel();
    let served = std::thread::spawn(move || {
        server.accept(Setup::default())?.until_closed();
        let mut peer = server.accept(Setup::default())?;
        let _ = came.send(());
        peer.until_closed();
        Ok(())
    });
    let mut viewer = Viewer::open(&params);
    let files = viewer.file_system(&root.display().to_string()).await;
    viewer.say(&["size", "800", "600"]).await;
    viewer.until("the new size", |viewer| viewer.canvas.size() == (800, 600)).await;
    tokio::time::timeout(Duration::from_secs(30), again).await.unwrap().unwrap();
    assert_eq!(viewer.get(&files, "/file").await.unwrap(), b"x");
    assert_eq!(viewer.said("filesystem").len(), 1, "shown once");
    sshd.kill_sessions();
    viewer.until("the end of the files", |viewer| viewer.text.contains("8.undefine,")).await;
    let unsupported = Status::Unsupported as u16;
    assert_eq!(viewer.send(&["file", "8", OCTETS, "a"], "8", b"x").await, unsupported);
    assert!(!viewer.ended);
    drop(viewer);
    ended(served).await;
}
