//! A real TigerVNC: what we draw is what its own X server says it shows.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use guac_vnc::rfb::{ColorDepth, Config, Credentials, Encoding, Event, Limits, RfbError, Security};

use crate::support::Peer;

/// How long anything may take here before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An X server with a VNC port, ended with its clients when dropped.
pub(crate) struct Xvnc {
    server: Child,
    clients: Vec<Child>,
    pub(crate) display: String,
    pub(crate) port: u16,
    pub(crate) home: PathBuf,
}

impl Xvnc {
    /// Starts one with these arguments. Nothing, loudly, where it is not installed; in CI that is a failure.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        if Command::new("Xvnc").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            skipped("Xvnc");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = std::env::temp_dir().join(format!("guac-vnc-test-{}-{port}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let mut server = Command::new("Xvnc")
            .args(["-displayfd", "1", "-rfbport", &port.to_string(), "-localhost", "-interface", "127.0.0.1"])
            .args(["-geometry", "640x480", "-depth", "24", "-nolisten", "tcp", "-desktop", "test desk"])
            // Connections that come together are no attack here.
            .arg("-UseBlacklist=0")
            .args(arguments)
            .env("HOME", &home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        Some(Self { server, clients: Vec::new(), display, port, home })
    }

    /// A program on this display.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Text is UTF-8 whatever the locale of whoever runs the tests.
        command.env("LC_ALL", "C.UTF-8").env("DISPLAY", &self.display).env("HOME", &self.home).stderr(Stdio::null());
        command
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn spawn(&mut self, program: &str, arguments: &[&str]) {
        let child = self.command(program).args(arguments).stdout(Stdio::null()).spawn().unwrap();
        self.clients.push(child);
    }

    /// The server's own view of its screen: width, height, pixels as 0x00RRGGBB.
    pub(crate) fn screenshot(&self) -> (u16, u16, Vec<u32>) {
        let dump = self.command("xwd").args(["-root", "-silent"]).output().unwrap().stdout;
        let field = |index: usize| u32::from_be_bytes(dump[index * 4..index * 4 + 4].try_into().unwrap());
        let (header, width, height) = (field(0), field(4), field(5));
        let (bits, line, colours) = (field(11), field(12), field(19));
        assert_eq!((bits, field(7)), (32, 0), "32 bits a pixel, least significant byte first");
        let start = usize::try_from(header + colours * 12).unwrap();
        let rows = dump[start..].chunks_exact(usize::try_from(line).unwrap());
        let pixels = rows.flat_map(|row| row.as_chunks::<4>().0.iter().take(usize::try_from(width).unwrap()));
        let pixels = pixels.map(|pixel| u32::from_le_bytes(*pixel) & 0xFF_FFFF).collect();
        (width.try_into().unwrap(), height.try_into().unwrap(), pixels)
    }
}

impl Drop for Xvnc {
    fn drop(&mut self) {
        for child in self.clients.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Says loudly that a test did not run; in CI that is a failure.
#[expect(clippy::print_stderr, reason = "whoever runs the tests shall see it")]
pub(crate) fn skipped(program: &str) {
    assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
    eprintln!("SKIPPED: {program} is not installed");
}

/// A column where the pointer was not before. A pointer that somebody else moved last is drawn into the picture by the
/// server, until we move it.
pub(crate) fn elsewhere() -> u16 {
    static MOVES: AtomicU16 = AtomicU16::new(0);
    3 + MOVES.fetch_add(1, Ordering::Relaxed) % 20
}

/// Our client on a real socket.
struct Live {
    peer: Peer,
    socket: TcpStream,
    credentials: Credentials,
    seen: usize,
}

impl Live {
    fn connect(xvnc: &Xvnc, config: Config, password: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", xvnc.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let credentials = Credentials { username: String::new(), password: password.into(), seed: [0; 32] };
        Self { peer: Peer::new(config), socket, credentials, seen: 0 }
    }

    /// Sends what there is, reads what comes, for a moment.
    fn turn(&mut self) -> Result<(), RfbError> {
        self.peer.drain();
        self.socket.write_all(&std::mem::take(&mut self.peer.sent)).unwrap();
        let mut buffer = vec![0; 65536];
        match self.socket.read(&mut buffer) {
            Ok(0) => return Err(self.peer.connection.handle_end()),
            Ok(len) => self.peer.feed(&buffer[..len])?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return Err(self.peer.connection.handle_end()),
        }
        for event in &self.peer.events[self.seen..] {
            if let Event::CredentialsNeeded { .. } = event {
                self.peer.connection.provide_credentials(&self.credentials);
            }
        }
        self.seen = self.peer.events.len();
        Ok(())
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Peer) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(&self.peer) {
            assert!(Instant::now() < end, "{what} did not happen");
            self.turn().unwrap();
        }
    }

    fn until_same_picture(&mut self, xvnc: &Xvnc) {
        self.until("the desktop", |peer| peer.connection.is_connected());
        self.peer.connection.pointer(elsewhere(), 3, 0);
        let end = Instant::now() + PATIENCE;
        loop {
            for _ in 0..5 {
                self.turn().unwrap();
            }
            let (width, height, pixels) = xvnc.screenshot();
            let ours = &self.peer.picture;
            let same = (ours.width, ours.height) == (width, height) && ours.pixels == pixels;
            // A blank screen proves nothing.
            if same && pixels.iter().any(|pixel| *pixel != pixels[0]) {
                return;
            }
            let differ = |at: &usize| ours.pixels.get(*at) != pixels.get(*at);
            let off: Vec<usize> = (0..pixels.len()).filter(differ).collect();
            let places: Vec<_> =
                off.iter().map(|at| (at % usize::from(width), at / usize::from(width))).take(20).collect();
            assert!(Instant::now() < end, "{} of {} pixels differ: {places:?}", off.len(), pixels.len());
        }
    }
}

/// Text, a pattern, shapes and windows, still after a moment.
pub(crate) fn draw(xvnc: &mut Xvnc) {
    xvnc.run("xsetroot", &["-mod", "5", "7", "-fg", "steelblue", "-bg", "wheat"]);
    let script =
        "for i in $(seq 1 40); do printf '\\033[3%dm%s line of text \\033[0m\\n' $((i % 8)) $i; done; sleep 60";
    xvnc.spawn("xterm", &["-geometry", "60x20+100+80", "-e", "sh", "-c", script]);
    // Beside the other: TigerVNC 1.12 sends wrong copies when a window moves that is partly covered.
    xvnc.spawn("xev", &["-geometry", "100x80+500+380"]);
}

fn with(encoding: Encoding, color_depth: ColorDepth) -> Config {
    Config { encodings: vec![encoding, Encoding::CopyRect, Encoding::Raw], color_depth, ..Config::default() }
}

#[test]
fn every_encoding_shows_what_the_server_shows() {
    let Some(mut xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    draw(&mut xvnc);
    for encoding in [Encoding::Raw, Encoding::Rre, Encoding::Hextile, Encoding::Tight, Encoding::Zrle] {
        let mut live = Live::connect(&xvnc, with(encoding, ColorDepth::Bits24), "");
        live.until_same_picture(&xvnc);
        // Windows that move use CopyRect, and keep the streams going.
        let id = xvnc.run("xdotool", &["search", "--class", "xterm"]);
        for (x, y) in [("30", "40"), ("110", "95"), ("60", "20")] {
            xvnc.run("xdotool", &["windowmove", id.trim(), x, y]);
            live.until_same_picture(&xvnc);
        }
        assert!(live.peer.connection.has_continuous_updates());
        assert!(live.peer.events.contains(&Event::Connected { name: "test desk".into() }));
    }
}

#[test]
fn fewer_bits_show_the_nearest_colours() {
    let Some(mut xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    draw(&mut xvnc);
    for encoding in [Encoding::Hextile, Encoding::Tight, Encoding::Zrle] {
        for (depth, step) in [(ColorDepth::Bits16, 8), (ColorDepth::Bits8, 85)] {
            Live::connect(&xvnc, with(Encoding::Raw, ColorDepth::Bits24), "").until_same_picture(&xvnc);
            let mut live = Live::connect(&xvnc, with(encoding, depth), "");
            let (.., pixels) = xvnc.screenshot();
            live.until("nearly the same picture", |peer| {
                let near = |ours: &u32, theirs: &u32| {
                    let parts = ours.to_be_bytes().into_iter().zip(theirs.to_be_bytes());
                    parts.into_iter().all(|(a, b)| a.abs_diff(b) <= step)
                };
                peer.picture.pixels.len() == pixels.len()
                    && peer.picture.pixels.iter().zip(&pixels).all(|(ours, theirs)| near(ours, theirs))
            });
        }
    }
}

#[test]
fn keys_pointer_and_size_arrive() {
    let Some(mut xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    xvnc.run("xsetroot", &["-solid", "navy"]);
    let typed = xvnc.home.join("typed");
    let script = format!("read line; printf %s \"$line\" > {}; sleep 60", typed.display());
    xvnc.spawn("xterm", &["-geometry", "40x10+50+50", "-e", "sh", "-c", &script]);
    let mut live = Live::connect(&xvnc, Config::default(), "");
    live.until_same_picture(&xvnc);
    live.peer.connection.pointer(120, 110, 0);
    live.turn().unwrap();
    let end = Instant::now() + PATIENCE;
    while !xvnc.run("xdotool", &["getmouselocation"]).starts_with("x:120 y:110") {
        assert!(Instant::now() < end, "the pointer did not arrive");
        live.turn().unwrap();
    }
    assert!(live.peer.events.iter().any(|event| matches!(event, Event::Cursor(shape) if !shape.pixels.is_empty())));
    // A capital needs Shift, as the browser sends it.
    for keysym in [0x68, 0xFFE1, 0x49, 0xFF0D] {
        live.peer.connection.key(keysym, true);
        if keysym != 0xFFE1 {
            live.peer.connection.key(keysym, false);
        }
        if keysym == 0x49 {
            live.peer.connection.key(0xFFE1, false);
        }
    }
    while fs::read_to_string(&typed).unwrap_or_default() != "hI" {
        assert!(Instant::now() < end, "the keys did not arrive");
        live.turn().unwrap();
    }
    live.peer.connection.set_desktop_size(802, 598);
    live.until("the new size", |peer| peer.connection.size() == (802, 598));
    live.until_same_picture(&xvnc);
    assert_eq!(xvnc.screenshot().0, 802);
}

#[test]
fn vnc_authentication_takes_the_password_and_no_other() {
    let home = std::env::temp_dir().join(format!("guac-vnc-passwd-{}", std::process::id()));
    let mut tool = Command::new("vncpasswd").arg("-f").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(tool) = &mut tool else {
        skipped("vncpasswd");
        return;
    };
    tool.stdin.take().unwrap().write_all(b"s3cret!\n").unwrap();
    let mut file = Vec::new();
    tool.stdout.take().unwrap().read_to_end(&mut file).unwrap();
    tool.wait().unwrap();
    fs::write(&home, file).unwrap();
    let xvnc = Xvnc::start(&["-SecurityTypes", "VncAuth", "-PasswordFile", home.to_str().unwrap()]);
    if let Some(xvnc) = xvnc {
        let security = Security { has_password: true, vencrypt: true, ..Security::default() };
        let config = Config { security, ..Config::default() };
        let mut live = Live::connect(&xvnc, config.clone(), "s3cret!");
        live.until("the desktop", |peer| peer.connection.is_connected());
        let mut live = Live::connect(&xvnc, config, "wrong");
        let error = (0..1000).find_map(|_| live.turn().err()).unwrap();
        assert!(matches!(&error, RfbError::AuthenticationFailed { reason } if !reason.as_str().is_empty()), "{error}");
    }
    fs::remove_file(home).unwrap();
}

#[test]
fn an_idle_connection_is_silent() {
    let Some(xvnc) = Xvnc::start(&["-SecurityTypes", "None"]) else { return };
    let limits = Limits { clipboard_bytes: 1000, ..Limits::default() };
    let mut live = Live::connect(&xvnc, Config { limits, ..Config::default() }, "");
    live.until("continuous updates", |peer| peer.connection.has_continuous_updates());
    let quiet = (0..200).any(|_| {
        let before = live.peer.events.len();
        (0..10).for_each(|_| live.turn().unwrap());
        live.peer.events.len() == before && live.peer.sent.is_empty()
    });
    assert!(quiet);
}
