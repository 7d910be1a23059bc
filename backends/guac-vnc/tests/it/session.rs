//! Whole sessions: a user on one side, a real VNC server on the other.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use guac_protocol::{ClientInfo, Status};
use guac_session::Params;
use sha2::{Digest as _, Sha256};

use crate::viewer::Viewer;
use crate::xvnc::{PATIENCE, Xvnc, draw, skipped};

/// A password file in the format of `vncpasswd`; removed when dropped.
struct PasswordFile(PathBuf);

impl PasswordFile {
    fn new(name: &str, password: &str) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("guac-vnc-{name}-{}", std::process::id()));
        let tool = Command::new("vncpasswd").arg("-f").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut tool) = tool else {
            skipped("vncpasswd");
            return None;
        };
        writeln!(tool.stdin.take().unwrap(), "{password}").unwrap();
        fs::write(&path, tool.wait_with_output().unwrap().stdout).unwrap();
        Some(Self(path))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_the_desktop_and_a_joiner_sees_it_at_once() {
    let Some(mut xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    draw(&mut xvnc);
    for more in [&[("force-lossless", "true")][..], &[("encodings", "tight copyrect"), ("force-lossless", "true")]] {
        let mut viewer = Viewer::open(xvnc.port, more);
        viewer.until_same_picture(&xvnc).await;
        let id = xvnc.run("xdotool", &["search", "--class", "xterm"]);
        for (x, y) in [("30", "40"), ("110", "95")] {
            xvnc.run("xdotool", &["windowmove", id.trim(), x, y]);
            viewer.until_same_picture(&xvnc).await;
        }
        assert!(viewer.text.contains("6.cursor,"), "the pointer's shape came along");
        let session = viewer.hub.sessions().pop().unwrap();
        let joined = viewer.hub.join(&session.connection_id, Params::default(), ClientInfo::default()).await.unwrap();
        let mut joiner = Viewer::new(viewer.hub.clone(), joined);
        joiner.until("the joiner's picture", |joiner| joiner.canvas.frames > 0).await;
        assert_eq!(joiner.canvas.pixels(), viewer.canvas.pixels());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_clicks_and_sizes_reach_the_desktop() {
    let Some(mut xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    draw(&mut xvnc);
    let typed = xvnc.home.join("typed");
    let script = format!("read line; printf %s \"$line\" > {}; sleep 60", typed.display());
    xvnc.spawn("xterm", &["-geometry", "30x6+400+20", "-e", "sh", "-c", &script]);
    let mut viewer = Viewer::open(xvnc.port, &[("force-lossless", "true")]);
    viewer.until_same_picture(&xvnc).await;
    viewer.say(&["mouse", "450", "60", "0"]).await;
    viewer.say(&["mouse", "450", "60", "1"]).await;
    viewer.say(&["mouse", "450", "60", "0"]).await;
    let end = Instant::now() + PATIENCE;
    while !xvnc.run("xdotool", &["getmouselocation"]).starts_with("x:450 y:60") {
        assert!(Instant::now() < end, "the pointer did not arrive");
        viewer.turn().await;
    }
    for (keysym, pressed) in [("104", "1"), ("104", "0"), ("105", "1"), ("105", "0"), ("65293", "1"), ("65293", "0")] {
        viewer.say(&["key", keysym, pressed]).await;
    }
    while fs::read_to_string(&typed).unwrap_or_default() != "hi" {
        assert!(Instant::now() < end, "the keys did not arrive");
        viewer.turn().await;
    }
    viewer.say(&["size", "803", "601"]).await;
    viewer.until("the new size", |viewer| viewer.canvas.size() == (803, 601)).await;
    viewer.until_same_picture(&xvnc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desktop_takes_the_owners_size_unless_that_is_off() {
    let Some(xvnc) = Xvnc::start(&["-SecurityTypes", "None", "-geometry", "500x400"]) else { return };
    let mut fixed = Viewer::open(xvnc.port, &[("disable-display-resize", "true")]);
    fixed.until("a picture", |viewer| viewer.canvas.frames > 0).await;
    fixed.say(&["size", "800", "600"]).await;
    fixed.say(&["mouse", "3", "3", "0"]).await;
    for _ in 0..10 {
        fixed.turn().await;
    }
    assert_eq!(fixed.canvas.size(), (500, 400));
    let mut following = Viewer::open(xvnc.port, &[]);
    following.until("the owner's size", |viewer| viewer.canvas.size() == (640, 480)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_copied_and_pasted() {
    let Some(mut xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    let typed = xvnc.home.join("pasted");
    let script = format!("printf 'Grüße\\n'; read line; printf %s \"$line\" > {}; sleep 60", typed.display());
    xvnc.spawn("xterm", &["-u8", "-geometry", "40x10+0+0", "-e", "sh", "-c", &script]);
    let mut viewer = Viewer::open(xvnc.port, &[("force-lossless", "true")]);
    viewer.until_same_picture(&xvnc).await;
    // A double click selects the word, which is what X calls copying.
    let click = |x: &'static str, y: &'static str, repeat: &'static str, button: &'static str| {
        ["mousemove", x, y, "click", "--repeat", repeat, "--delay", "30", button]
    };
    let end = Instant::now() + PATIENCE;
    let wanted = base64("Grüße");
    while !viewer.text.contains(&wanted) {
        assert!(Instant::now() < end, "nothing was copied: {}", viewer.text);
        xvnc.run("xdotool", &click("12", "8", "2", "1"));
        viewer.turn().await;
    }
    // The user's clipboard, pasted by the middle button.
    viewer.say(&["clipboard", "0", "text/plain"]).await;
    viewer.say(&["blob", "0", &base64("zurück € ")]).await;
    viewer.say(&["end", "0"]).await;
    for _ in 0..10 {
        viewer.turn().await;
    }
    while fs::read_to_string(&typed).unwrap_or_default().is_empty() {
        assert!(Instant::now() < end, "nothing was pasted");
        xvnc.run("xdotool", &click("40", "60", "1", "2"));
        xvnc.run("xdotool", &["key", "Return"]);
        viewer.turn().await;
    }
    let pasted = fs::read_to_string(&typed).unwrap();
    assert!(pasted.starts_with("zurück €"), "{pasted:?}");
}

fn base64(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_password_is_asked_for() {
    let Some(file) = PasswordFile::new("asked", "s3cret") else { return };
    let Some(xvnc) = Xvnc::start(&["-SecurityTypes", "VncAuth", "-PasswordFile", file.path()]) else { return };
    let mut viewer = Viewer::open(xvnc.port, &[]);
    viewer.until("the question", |viewer| viewer.text.contains("8.required,8.password;")).await;
    assert_eq!(viewer.canvas.frames, 0);
    viewer.say(&["argv", "0", "text/plain", "password"]).await;
    viewer.say(&["blob", "0", &base64("s3cret")]).await;
    viewer.say(&["end", "0"]).await;
    viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_ends_the_session_as_unauthorized() {
    let Some(file) = PasswordFile::new("wrong", "s3cret") else { return };
    let Some(xvnc) = Xvnc::start(&["-SecurityTypes", "VncAuth", "-PasswordFile", file.path()]) else { return };
    let mut viewer = Viewer::open(xvnc.port, &[("password", "guess")]);
    let text = viewer.until_error(Status::ClientUnauthorized).await;
    assert!(text.contains("rejected the credentials"), "{text}");
    assert!(!text.contains("guess"));
    let mut viewer = Viewer::open(xvnc.port, &[("password", "s3cret")]);
    viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_servers_are_told_apart_in_words() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = Viewer::open(free, &[]).until_error(Status::UpstreamUnavailable).await;
    assert!(text.contains("cannot be reached"), "{text}");
    let unknown: Params = [("hostname", "no-such-host.invalid")].into_iter().collect();
    let text = Viewer::open_with(unknown).until_error(Status::UpstreamNotFound).await;
    assert!(text.contains("host name of the VNC server is unknown"), "{text}");
    let text = Viewer::open_with(Params::default()).until_error(Status::ClientBadRequest).await;
    assert!(text.contains("hostname"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_garbage_ends_its_session_only() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut viewer = Viewer::open(port, &[]);
    let (mut socket, _) = listener.accept().await.unwrap();
    let garbage = vec![0xA5; 10 << 20];
    let (text, _) = tokio::join!(
        viewer.until_error(Status::UpstreamError),
        tokio::io::AsyncWriteExt::write_all(&mut socket, &garbage)
    );
    assert!(text.contains("not a VNC server"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_or_half_a_greeting_is_not_waited_for_for_ever() {
    for half in [&b""[..], b"RFB 003.0", b"RFB 003.008\n\x01\x02\0\0"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut viewer = Viewer::open(port, &[("password", "secret")]);
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, half).await.unwrap();
        let text = viewer.until_error(Status::UpstreamTimeout).await;
        assert!(text.contains("did not answer within 30 s during the handshake"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_up_yet_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut viewer = Viewer::open(port, &[("autoretry", "1")]);
    // The first connection is dropped at once, the second gets an answer.
    drop(listener.accept().unwrap());
    let (mut socket, _) = tokio::task::spawn_blocking(move || listener.accept()).await.unwrap().unwrap();
    socket.write_all(b"RFB 003.008\n\0\0\0\0\x04full").unwrap();
    let text = viewer.until_error(Status::UpstreamUnavailable).await;
    assert!(text.contains("refused the connection: full"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_pointer_is_drawn_by_the_server() {
    let Some(xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    xvnc.run("xsetroot", &["-solid", "navy", "-cursor_name", "left_ptr"]);
    let mut viewer = Viewer::open(xvnc.port, &[("cursor", "remote"), ("force-lossless", "true")]);
    viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
    viewer.say(&["mouse", "300", "200", "0"]).await;
    viewer
        .until("the pointer", |viewer| {
            let (width, _) = viewer.canvas.size();
            let pixels = viewer.canvas.pixels();
            let around = (190..210).flat_map(|y| (290..310).map(move |x| y * width + x));
            around.filter_map(|at| pixels.get(at)).collect::<std::collections::HashSet<_>>().len() > 1
        })
        .await;
    // Where we are is shown by a dot.
    assert_eq!(viewer.canvas.cursor, Some((2, 2, 5, 5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_ends_the_session_with_a_status_and_no_task() {
    let Some(xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    let mut viewer = Viewer::open(xvnc.port, &[]);
    viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
    drop(xvnc);
    viewer.until_error(Status::UpstreamError).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_leaves_leaves_nothing_behind() {
    let Some(xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    let mut viewer = Viewer::open(xvnc.port, &[]);
    viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
    let hub = viewer.hub.clone();
    drop(viewer);
    let end = Instant::now() + PATIENCE;
    while hub.task_count() > 0 {
        assert!(Instant::now() < end, "the session goes on without users");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_machine_is_sent_a_packet_first() {
    let lan = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let udp_port = lan.local_addr().unwrap().port().to_string();
    let wake = [
        ("wol-send-packet", "true"),
        ("wol-mac-addr", "02:00:5e:10:ab:cd"),
        ("wol-broadcast-addr", "127.0.0.1"),
        ("wol-udp-port", &udp_port),
    ];
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Viewer::open(nobody, &wake).until_error(Status::UpstreamUnavailable).await;
    assert_eq!(lan.recv(&mut [0; 200]).await.unwrap(), 102);
}

/// A certificate of our own making for this address; its fingerprint.
fn certificate(home: &Path) -> (PathBuf, PathBuf, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let (cert, key) = (home.join("cert.pem"), home.join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let digest = Sha256::digest(made.cert.der());
    (cert, key, digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_pinned_or_ignored() {
    let home = std::env::temp_dir().join(format!("guac-vnc-tls-{}", std::process::id()));
    fs::create_dir_all(&home).unwrap();
    let (cert, key, fingerprint) = certificate(&home);
    let Some(file) = PasswordFile::new("x509", "s3cret") else { return };
    let server = ["-SecurityTypes", "X509Vnc", "-PasswordFile", file.path()];
    let tls = ["-X509Cert", cert.to_str().unwrap(), "-X509Key", key.to_str().unwrap()];
    let Some(xvnc) = Xvnc::start(&[&server[..], &tls].concat()) else { return };
    let password = ("password", "s3cret");
    let text = Viewer::open(xvnc.port, &[password]).until_error(Status::UpstreamError).await;
    assert!(text.contains("no trusted TLS connection"), "{text}");
    let wrong = "00".repeat(32);
    let mut viewer = Viewer::open(xvnc.port, &[password, ("cert-fingerprints", &wrong)]);
    viewer.until_error(Status::UpstreamError).await;
    for trust in [("cert-fingerprints", fingerprint.as_str()), ("ignore-cert", "true")] {
        let mut viewer = Viewer::open(xvnc.port, &[password, trust]);
        viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
        viewer.say(&["size", "700", "500"]).await;
        viewer.until("the new size", |viewer| viewer.canvas.size() == (700, 500)).await;
    }
    fs::remove_dir_all(&home).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_anonymous_tls_and_passwords_is_used_by_password() {
    let Some(file) = PasswordFile::new("anon", "s3cret") else { return };
    let arguments = ["-SecurityTypes", "TLSVnc,VncAuth", "-PasswordFile", file.path()];
    let Some(xvnc) = Xvnc::start(&arguments) else { return };
    let mut viewer = Viewer::open(xvnc.port, &[("password", "s3cret")]);
    viewer.until("a picture", |viewer| viewer.canvas.frames > 0).await;
    let arguments = ["-SecurityTypes", "TLSVnc", "-PasswordFile", file.path()];
    let Some(xvnc) = Xvnc::start(&arguments) else { return };
    let mut viewer = Viewer::open(xvnc.port, &[("password", "s3cret")]);
    let text = viewer.until_error(Status::UpstreamError).await;
    assert!(text.contains("no way to authenticate"), "{text}");
}
