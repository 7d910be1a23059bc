//! Files of a real OpenSSH beside a desktop (CM-001, V-016).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use guac_protocol::{Decoder, Status};
use guac_session::{Hub, Params};
use guac_sftp::MemoryHostKeys;
use guac_vnc::VncBackend;
use testsuite::{Sshd, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::opening;
use crate::viewer::Viewer;
use crate::xvnc::Xvnc;

/// More than a few blobs, and no multiple of one.
const FILE_BYTES: usize = 300_001;

const OCTETS: &str = "application/octet-stream";

/// A VNC server with nothing to show, which counts who comes.
struct Desk {
    port: u16,
    visits: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Desk {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, visits, mut tasks) =
            (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default(), JoinSet::new());
        let count = Arc::clone(&visits);
        tasks.spawn(async move {
            let mut guests = Vec::new();
            while let Ok((mut guest, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                guest.write_all(&opening(64, 48)).await.unwrap();
                guests.push(guest);
            }
        });
        Self { port, visits, _tasks: tasks }
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }

    /// A session with files of `sshd` below `root`.
    fn open(&self, sshd: &Sshd, root: &Path, more: &[(&str, &str)]) -> Viewer {
        Viewer::open_with(beside(self.port, sshd, root, more))
    }
}

fn beside(port: u16, sshd: &Sshd, root: &Path, more: &[(&str, &str)]) -> Params {
    let mut params: Params = sshd.beside(root, more).into_iter().collect();
    params.set("hostname", "127.0.0.1");
    params.set("port", port.to_string());
    params
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

    /// Number and name of the file system.
    async fn file_system(&mut self) -> (String, String) {
        self.until("a file system", |viewer| viewer.ended || viewer.text.contains("10.filesystem,")).await;
        let said = self.said("filesystem").pop().unwrap();
        (said[0].clone(), said[1].clone())
    }

    /// Reads a stream; the log's line where it is refused.
    async fn get(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let (object, _) = self.file_system().await;
        let (streams, refusals) = (self.streams.len(), self.said("log").len());
        self.say(&["get", &object, name]).await;
        let done = |viewer: &Self| viewer.streams.get(streams).is_some_and(|stream| stream.ended);
        self.until(name, |viewer| done(viewer) || viewer.said("log").len() > refusals).await;
        match self.said("log").get(refusals) {
            Some(line) => Err(line[0].clone()),
            None => Ok(self.streams[streams].data.clone()),
        }
    }

    /// Waits for the next answer; gives its status.
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

    async fn put(&mut self, name: &str, data: &[u8]) -> u16 {
        let (object, _) = self.file_system().await;
        self.send(&["put", &object, "7", OCTETS, name], "7", data).await
    }

    async fn drop_file(&mut self, name: &str, data: &[u8]) -> u16 {
        self.file_system().await;
        self.send(&["file", "8", OCTETS, name], "8", data).await
    }
}

/// A server, and an empty directory of its home.
fn machine() -> Option<(Sshd, std::path::PathBuf)> {
    let sshd = Sshd::start()?;
    let root = sshd.home().join("root");
    fs::create_dir(&root).unwrap();
    Some((sshd, root))
}

fn content() -> Vec<u8> {
    (0..FILE_BYTES).map(|at| u8::try_from(at * at % 251).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_down_and_up_beside_a_real_desktop_and_dropped_ones_go_where_they_should() {
    let (Some(xvnc), Some((sshd, root))) = (Xvnc::start(&["-SecurityTypes", "None"]), machine()) else { return };
    let (incoming, data) = (sshd.home().join("incoming"), content());
    fs::create_dir(&incoming).unwrap();
    fs::create_dir(root.join("dir")).unwrap();
    fs::write(root.join("down"), &data).unwrap();
    let directory = incoming.display().to_string();
    let mut viewer = Viewer::open_with(beside(xvnc.port, &sshd, &root, &[("sftp-directory", &directory)]));
    viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
    assert_eq!(viewer.file_system().await.1, root.display().to_string(), "it is called by its root");

    let index = String::from_utf8(viewer.get("/").await.unwrap()).unwrap();
    assert!(index.contains(r#""/dir":"application/vnd.glyptodon.guacamole.stream-index+json""#), "{index}");
    assert!(index.contains(r#""/down":"application/octet-stream""#), "{index}");
    assert!(viewer.get("/down").await.unwrap() == data, "down");
    assert_eq!(viewer.put("/dir/up", &data).await, 0);
    assert!(fs::read(root.join("dir/up")).unwrap() == data, "up");
    assert_eq!(viewer.drop_file("a b.txt", b"dropped").await, 0);
    assert_eq!(fs::read(incoming.join("a b.txt")).unwrap(), b"dropped");

    let hub = viewer.hub.clone();
    drop(viewer);
    wait_until("no session and no connection", || hub.task_count() == 0 && sshd.connections() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_with_the_files_comes_first_and_ends_the_session_if_it_does_not_let_us_in() {
    let (Some((sshd, root)), Some(bare)) = (machine(), Sshd::without_files()) else { return };
    let desk = Desk::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (locked, strange, other) = (sshd.locked_key("sesame"), sshd.strange_key(), bare.host_key());
    let no_key = ("sftp-private-key", "");
    for (more, status, words) in [
        (&[("sftp-port", nobody.as_str())][..], Status::ServerError, "nothing listens"),
        (&[("sftp-hostname", "no-such-host.invalid")], Status::ServerError, "host name is unknown"),
        (&[no_key, ("sftp-password", "guess")], Status::ClientUnauthorized, "refused the login"),
        (&[("sftp-private-key", &strange)], Status::ClientUnauthorized, "refused the login"),
        (&[no_key], Status::ClientUnauthorized, "not set for this connection"),
        (&[("sftp-private-key", &locked)], Status::ClientUnauthorized, "not set for this connection"),
        (&[("sftp-private-key", &locked), ("sftp-passphrase", "x")], Status::ClientUnauthorized, "passphrase"),
        (&[("sftp-host-key", &other)], Status::ClientUnauthorized, "host key"),
    ] {
        let text = desk.open(&sshd, &root, more).until_error(status).await;
        assert!(text.contains(words) && text.contains("no file transfer (SFTP)"), "{words}: {text}");
        assert!(!text.contains("guess") && !text.contains("8.required"), "{text}");
    }
    let text = desk.open(&bare, bare.home(), &[]).until_error(Status::UpstreamError).await;
    assert!(text.contains("subsystem for files"), "{text}");
    assert_eq!(desk.visits(), 0, "the desktop was never reached");
    wait_until("no connection", || sshd.connections() + bare.connections() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_passphrase_opens_the_key_and_a_set_host_key_is_the_one() {
    let Some((sshd, root)) = machine() else { return };
    let desk = Desk::start().await;
    let (locked, host_key) = (sshd.locked_key("sesame"), sshd.host_key());
    let more = [("sftp-private-key", locked.as_str()), ("sftp-passphrase", "sesame"), ("sftp-host-key", &host_key)];
    let mut viewer = desk.open(&sshd, &root, &more);
    assert_eq!(viewer.put("/file", b"x").await, 0);
    assert_eq!(desk.visits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_key_of_the_first_session_is_the_one_of_all_later_ones() {
    let Some((mut sshd, root)) = machine() else { return };
    let desk = Desk::start().await;
    let backend = VncBackend::new().with_host_keys(Arc::new(MemoryHostKeys::default()));
    let hub = Hub::new(vec![Box::new(backend)], 1);
    let params = beside(desk.port, &sshd, &root, &[]);
    for _ in 0..2 {
        Viewer::open_on(hub.clone(), params.clone()).file_system().await;
    }
    sshd.change_host_key();
    let text = Viewer::open_on(hub, params).until_error(Status::ClientUnauthorized).await;
    assert!(text.contains("host key (SHA256:"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_direction_can_be_switched_off() {
    let Some((sshd, root)) = machine() else { return };
    let desk = Desk::start().await;
    fs::write(root.join("file"), "x").unwrap();
    let mut viewer = desk.open(&sshd, &root, &[("sftp-disable-download", "true")]);
    assert!(viewer.get("/file").await.unwrap_err().contains("CLIENT_FORBIDDEN"));
    assert!(viewer.get("/").await.is_ok(), "what is there may be seen");
    assert_eq!(viewer.put("/up", b"x").await, 0);
    let mut viewer = desk.open(&sshd, &root, &[("sftp-disable-upload", "true")]);
    assert_eq!(viewer.get("/file").await.unwrap(), b"x");
    let forbidden = Status::ClientForbidden as u16;
    assert_eq!(viewer.put("/no", b"x").await, forbidden);
    assert_eq!(viewer.drop_file("no", b"x").await, forbidden);
    assert!(!root.join("no").exists() && !sshd.home().join("no").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_leads_above_the_root() {
    let Some((sshd, root)) = machine() else { return };
    let desk = Desk::start().await;
    let mut viewer = desk.open(&sshd, &root, &[]);
    for name in ["/../host", "..", "/a/../../host"] {
        assert!(viewer.get(name).await.unwrap_err().contains("CLIENT_FORBIDDEN"), "{name}");
        assert_eq!(viewer.put(name, b"x").await, Status::ClientForbidden as u16, "{name}");
    }
    for name in ["../x", "..", "a/b", "a\\b"] {
        assert_eq!(viewer.drop_file(name, b"x").await, Status::ClientBadRequest as u16, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desktop_goes_on_when_the_machine_ends_file_transfer() {
    let (Some(xvnc), Some((sshd, root))) = (Xvnc::start(&["-SecurityTypes", "None"]), machine()) else { return };
    let mut viewer = Viewer::open_with(beside(xvnc.port, &sshd, &root, &[]));
    assert_eq!(viewer.put("/file", b"x").await, 0);
    sshd.kill_sessions();
    viewer.until("the end of the files", |viewer| viewer.text.contains("8.undefine,")).await;
    assert_eq!(viewer.send(&["file", "8", OCTETS, "a"], "8", b"x").await, Status::Unsupported as u16);
    viewer.say(&["size", "803", "601"]).await;
    viewer.until("the new size", |viewer| viewer.canvas.size() == (803, 601)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_parameter_there_are_no_files() {
    let Some((sshd, root)) = machine() else { return };
    let desk = Desk::start().await;
    let mut viewer = desk.open(&sshd, &root, &[("enable-sftp", "false")]);
    viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
    assert_eq!(viewer.send(&["file", "8", OCTETS, "a"], "8", b"x").await, Status::Unsupported as u16);
    assert!(!viewer.text.contains("filesystem"));
    assert_eq!(sshd.connections(), 0);
}

/// A session whose files are on a machine that a test plays.
async fn reach(machine: &TcpListener) -> (Viewer, TcpStream) {
    let port = machine.local_addr().unwrap().port().to_string();
    let params = [("hostname", "127.0.0.1"), ("port", "1"), ("enable-sftp", "true"), ("sftp-port", port.as_str())];
    let viewer = Viewer::open_with(params.into_iter().collect());
    let (socket, _) = machine.accept().await.unwrap();
    (viewer, socket)
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_says_nothing_is_not_waited_for_for_ever() {
    let machine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut viewer, _socket) = reach(&machine).await;
    let text = viewer.until_error(Status::ServerError).await;
    assert!(text.contains("no file transfer (SFTP): the machine did not answer"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_says_too_much_ends_the_session() {
    let machine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut viewer, mut socket) = reach(&machine).await;
    let flood = vec![b'x'; 4 << 20];
    let (text, _) = tokio::join!(viewer.until_error(Status::UpstreamError), socket.write_all(&flood));
    assert!(text.contains("no file transfer (SFTP)"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_the_machine_with_the_files_is_reached_leaves_nothing_behind() {
    let machine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (viewer, mut socket) = reach(&machine).await;
    let hub = viewer.hub.clone();
    drop(viewer);
    let mut greeting = Vec::new();
    socket.read_to_end(&mut greeting).await.unwrap();
    assert!(greeting.starts_with(b"SSH-2.0-") || greeting.is_empty(), "{greeting:?}, and then the end");
    wait_until("no session", || hub.task_count() == 0);
}
