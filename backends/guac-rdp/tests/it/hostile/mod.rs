//! Servers that mean harm: whatever they say, their session ends with an error of theirs, at a price that is bounded, and
//! the session beside it goes on.
//!
//! The client runs in a process of its own, so that what is measured is it and nothing else.

mod channels;
mod desktop;
mod handshake;
mod pipeline;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use guac_protocol::Status;
use guac_rdp::RdpBackend;
use guac_session::Hub;
use rdp_peer::{Message, Peer, RdpServer, Setup};

use crate::support::Viewer;

/// What one session with a hostile server may cost, its viewer's and its neighbour's part included: the processor's
/// time of the whole process, and its highest resident memory above that before the first case.
const MAX_CPU_MS: u64 = 2000;
const MAX_MEMORY_KB: u64 = 64 * 1024;

type Attack = Box<dyn FnOnce(&mut Peer) -> io::Result<()> + Send>;

/// A way to be hostile.
struct Case {
    name: String,
    setup: Setup,
    attack: Attack,
    /// It is no error: what is said is a way of saying goodbye.
    ends_well: bool,
}

impl Case {
    /// Hostile once the desktop is open.
    fn new(name: &str, attack: impl FnOnce(&mut Peer) -> io::Result<()> + Send + 'static) -> Self {
        Self { name: name.to_owned(), setup: Setup::default(), attack: Box::new(attack), ends_well: false }
    }

    /// Hostile before.
    fn before(name: String, setup: Setup) -> Self {
        Self { name, setup, attack: Box::new(|_| Ok(())), ends_well: false }
    }

    fn ends_well(self) -> Self {
        Self { ends_well: true, ..self }
    }
}

/// What a session with a hostile server cost, and how it ended.
#[derive(Debug)]
struct Outcome {
    cpu_ms: u64,
    memory_kb: u64,
    status: u64,
    /// What the viewer is told.
    #[expect(dead_code, reason = "shown where a test fails")]
    text: String,
}

/// Lets a client meet each of these servers, one after the other.
fn endure(cases: Vec<Case>) {
    let names: Vec<(String, bool)> = cases.iter().map(|case| (case.name.clone(), case.ends_well)).collect();
    let directory = tempfile::tempdir().unwrap();
    let hostile = RdpServer::start();
    let neighbour = RdpServer::start();
    let result = directory.path().join("result");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "hostile::the_client_of_hostile_servers", "--nocapture"])
        .env("HOSTILE_PORT", hostile.port().to_string())
        .env("NEIGHBOUR_PORT", neighbour.port().to_string())
        .env("HOSTILE_COUNT", cases.len().to_string())
        .env("HOSTILE_DIRECTORY", directory.path())
        .stdout(Stdio::null());
    let _beside = neighbour.serve(Setup::default(), answer_clicks);
    std::thread::spawn(move || {
        for case in cases {
            if let Ok(mut peer) = hostile.accept(case.setup) {
                let _ = (case.attack)(&mut peer);
                peer.finish();
            }
        }
    });
    let mut client = command.spawn().unwrap();
    let fine = client.wait().unwrap().success();
    let outcomes = outcomes(&result);
    let mut wrong = Vec::new();
    for ((name, ends_well), outcome) in names.iter().zip(&outcomes) {
        let theirs = outcome.status != u64::from(Status::ServerError as u16) && (outcome.status == 0) == *ends_well;
        if !theirs || outcome.cpu_ms > MAX_CPU_MS || outcome.memory_kb > MAX_MEMORY_KB {
            wrong.push(format!("{name}: {outcome:?}"));
        }
    }
    if let Ok(file) = std::env::var("HOSTILE_REPORT") {
        let lines: Vec<String> =
            names.iter().zip(&outcomes).map(|((name, _), outcome)| format!("{name}: {outcome:?}\n")).collect();
        let old = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(file, old + &lines.concat()).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(fine, "the client ended at {:?}", names.get(outcomes.len()));
    assert_eq!(outcomes.len(), names.len());
}

/// A good server: a pixel for each click.
fn answer_clicks(mut peer: Peer) {
    let mut clicks = 0_u8;
    loop {
        match peer.receive() {
            Ok(Message::Input(_)) => {
                clicks = clicks.wrapping_add(1);
                let numbers = [1_u16, 1, 0, 0, 3, 0, 4, 1, 32, 0, 16].map(u16::to_le_bytes).concat();
                let _ = peer.send_update(1, &[numbers, [clicks, 0, 0, 0].repeat(4)].concat());
            }
            Ok(Message::Closed) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn outcomes(file: &Path) -> Vec<Outcome> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let outcome = |line: &str| {
        let mut fields = line.split('\t');
        let mut number = || fields.next().unwrap().parse().unwrap();
        let (cpu_ms, memory_kb, status) = (number(), number(), number());
        Outcome { cpu_ms, memory_kb, status, text: fields.next().unwrap_or_default().to_owned() }
    };
    text.lines().map(outcome).collect()
}

/// The process that [`endure`] starts; nothing by itself.
#[tokio::test]
async fn the_client_of_hostile_servers() {
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let Some(directory) = variables.get("HOSTILE_DIRECTORY") else { return };
    let hub = Hub::new(vec![Box::new(RdpBackend::new())], 2);
    let neighbour = params(&variables["NEIGHBOUR_PORT"], &[("disable-gfx", "true")]);
    let mut neighbour = Viewer::open_on(hub.clone(), &neighbour);
    neighbour.until("a desktop", |viewer| viewer.canvas.size() == (640, 480)).await;
    let drive = Path::new(directory).join("drive");
    std::fs::create_dir(&drive).unwrap();
    let count: usize = variables["HOSTILE_COUNT"].parse().unwrap();
    let mut lines = String::new();
    // What the sessions before a case have left behind counts too.
    let memory = memory_kb("VmRSS:");
    for _ in 0..count {
        // The peak so far is forgotten.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let cpu = cpu_ms();
        let port = &variables["HOSTILE_PORT"];
        let more = [
            ("enable-drive", "true"),
            ("drive-path", drive.to_str().unwrap()),
            ("enable-printing", "true"),
            ("enable-audio-input", "true"),
            ("enable-touch", "true"),
            ("resize-method", "display-update"),
            ("timeout", "5"),
            ("username", "tester"),
            ("password", "secret"),
        ];
        let mut viewer = Viewer::open_on(hub.clone(), &params(port, &more));
        viewer.until("the end", |viewer| viewer.ended).await;
        let (cpu, memory) = (cpu_ms() - cpu, memory_kb("VmHWM:").saturating_sub(memory));
        let (text, status) = viewer.error().unwrap_or_default();
        lines.push_str(&format!("{cpu}\t{memory}\t{status}\t{text}\n"));
        std::fs::write(Path::new(directory).join("result"), &lines).unwrap();
        drop(viewer);
        // The session beside it answers.
        let before = neighbour.canvas.pixels()[0];
        neighbour.say(&["mouse", "5", "5", "1"]).await;
        neighbour.say(&["mouse", "5", "5", "0"]).await;
        neighbour.until("an answer", |viewer| viewer.ended || viewer.canvas.pixels()[0] != before).await;
        assert!(!neighbour.ended, "{}", neighbour.text);
    }
    drop(neighbour);
    hub.shutdown().await;
    assert_eq!(hub.task_count(), 0);
}

fn params(port: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = [("hostname", "127.0.0.1"), ("port", port), ("ignore-cert", "true"), ("security", "any")];
    own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What this process has used of the processor.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let ticks = rest.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum::<u64>();
    ticks * 10
}

fn memory_kb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Numbers that look random and are not.
struct Dice(u64);

impl Dice {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.to_be_bytes()[0]
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }
}
