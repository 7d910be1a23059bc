//! The relays as processes of their own, and what the kernel knows about them.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::client::Way;

/// Relays that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relay {
    /// `guac-tunnel`'s gateway example, over WebSocket.
    Gateway,
    Socat,
    Haproxy,
}

impl Relay {
    pub(crate) const ALL: [Self; 3] = [Self::Gateway, Self::Socat, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "guac-tunnel (WebSocket)",
            Self::Socat => "socat (TCP)",
            Self::Haproxy => "haproxy (TCP)",
        }
    }

    pub(crate) fn way(self) -> Way {
        if self == Self::Gateway { Way::WebSocket } else { Way::Tcp }
    }

    /// Starts it between a port of its own and the fake guacd. `None`: not installed.
    pub(crate) fn start(self, guacd: u16, mode: &str) -> Result<Option<Running>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut config = None;
        let mut command = match self {
            Self::Gateway => {
                let path = gateway()?;
                let mut command = Command::new(path);
                command.args([&format!("127.0.0.1:{port}"), "127.0.0.1", &guacd.to_string(), "/nonexistent", mode]);
                command.env("GATEWAY_TOKEN", "bench");
                command
            }
            Self::Socat => {
                let mut command = Command::new("socat");
                command.arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=1024"));
                command.arg(format!("TCP:127.0.0.1:{guacd},nodelay"));
                command
            }
            Self::Haproxy => {
                let path = std::env::temp_dir().join(format!("relay-bench-{port}.cfg"));
                fs::write(
                    &path,
                    format!(
                        "global\n maxconn 5000\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n \
                         timeout server 1h\nlisten relay\n bind 127.0.0.1:{port} backlog 2000\n \
                         server guacd 127.0.0.1:{guacd}\n"
                    ),
                )?;
                let mut command = Command::new("haproxy");
                command.arg("-f").arg(&path);
                config = Some(path);
                command
            }
        };
        let child = match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(self.name()),
        };
        let running = Running { child, port, config };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(Some(running));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} does not listen", self.name())
    }
}

/// The example beside this program.
fn gateway() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().context("a program lies somewhere")?.join("examples/gateway");
    if !path.exists() {
        bail!("{} is missing: cargo build --release -p guac-tunnel --example gateway", path.display());
    }
    Ok(path)
}

/// A running relay; dropping it ends it.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
    config: Option<PathBuf>,
}

impl Running {
    /// CPU seconds of the process and of children that have ended.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks: u64 = after.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
        ticks as f64 / 100.0
    }

    /// Resident memory in KB, shared pages counted in part, children included.
    pub(crate) fn pss_kb(&self) -> f64 {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        std::iter::once(own).chain(children).map(pss_kb).sum()
    }
}

fn pss_kb(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0.0)
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(path) = &self.config {
            let _ = fs::remove_file(path);
        }
    }
}
