//! Programs that run beside a test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Two busy cores are slow; a test that waits this long is broken.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Pause between two looks at something that cannot be waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process that is killed with its owner.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it.
    #[must_use]
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}")))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Ends it at once, as a crash would (SIGKILL).
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of a process", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks again and again until `done`.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Where a program is; servers lie outside of an ordinary user's path.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(extra).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Says loudly that a test does not run for want of a program; in CI that is a failure.
pub fn missing(program: &str) {
    assert!(std::env::var_os("CI").is_none(), "{program} is not installed, and CI has to have it");
    eprintln!("SKIPPED: {program} is not installed");
}

/// A port that nobody listened on a moment ago. Who binds it next is open: whoever starts a server has to see whether
/// it got the port.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server on a free port, again if somebody else took the port first.
pub(crate) fn on_free_port<T>(what: &str, mut start: impl FnMut(u16) -> Result<T, String>) -> T {
    let mut failures = Vec::new();
    for _ in 0..5 {
        match start(free_port()) {
            Ok(server) => return server,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("{what} does not start: {failures:#?}")
}

/// Waits until a starting server has logged `ready`. An error with its log if it ended instead.
pub(crate) fn until_logged(server: &mut Running, log: &std::path::Path, ready: &str) -> Result<(), String> {
    let mut outcome = None;
    wait_until(ready, || {
        let ended = server.has_ended();
        let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
        if text.contains(ready) {
            outcome = Some(Ok(()));
        } else if ended {
            outcome = Some(Err(text));
        }
        outcome.is_some()
    });
    outcome.unwrap()
}

/// Processes whose parent this is.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        // The name in parentheses may hold anything; state and parent come after the last of them.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        rest.split(' ').nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    };
    pids.filter(is_child).collect()
}

/// Waits until a starting server takes connections on 127.0.0.1. An error if it ended instead.
pub(crate) fn until_listening(server: &mut Running, port: u16) -> Result<(), String> {
    let mut outcome = None;
    wait_until("a server that listens", || {
        let ended = server.has_ended();
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            outcome = Some(Ok(()));
        }
        if ended {
            outcome = Some(Err("it ended".to_owned()));
        }
        outcome.is_some()
    });
    outcome.unwrap()
}
