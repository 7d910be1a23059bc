//! A desktop by TigerVNC's Xvnc, where that is installed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use des::Des;
use des::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use rand::Rng as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The first port of X displays' VNC servers.
const FIRST_PORT: u16 = 5900;

/// Displays tried, from 50 on: below that people have their own.
const DISPLAYS: std::ops::Range<u16> = 50..100;

/// How long Xvnc may take to listen.
const START: Duration = Duration::from_secs(10);

/// How long a program may take to end when asked to.
const STOP: Duration = Duration::from_secs(3);

/// A terminal, to have something to look at where there is no whole desktop.
const TERMINAL: &str = "xterm -geometry 100x30+60+60 -fa 'DejaVu Sans Mono' -fs 11";

/// The key with which VNC password files are scrambled, the same in every implementation. It hides, it does not protect.
const PASSWORD_FILE_KEY: [u8; 8] = [0x17, 0x52, 0x6b, 0x06, 0x23, 0x4e, 0x58, 0x07];

/// A running desktop.
pub(crate) struct VncTarget {
    port: u16,
    password: String,
    desktop: &'static str,
    children: Vec<Child>,
}

impl VncTarget {
    /// Starts Xvnc and a desktop on it, or gives `None` if one of them is not installed.
    pub(crate) async fn start(dir: &Path) -> Result<Option<Self>> {
        let Some(xvnc) = find("Xvnc") else { return Ok(None) };
        let Some((desktop, mut program)) = desktop() else { return Ok(None) };
        let password = random_password();
        let password_file = dir.join("vnc-password");
        std::fs::write(&password_file, scramble(&password))?;
        let display = free_display().context("no free display between :50 and :99")?;
        let port = FIRST_PORT + display;
        let log = std::fs::File::create(dir.join("xvnc.log"))?;
        let server = Command::new(xvnc)
            .arg(format!(":{display}"))
            .args([
                "-localhost",
                "-SecurityTypes",
                "VncAuth",
                "-geometry",
                "1280x800",
                "-depth",
                "24",
                "-nolisten",
                "tcp",
                // Without it the server starts over when its last client leaves, and takes those down that just came.
                "-noreset",
            ])
            .arg("-rfbport")
            .arg(port.to_string())
            .arg("-rfbauth")
            .arg(&password_file)
            .args(["-desktop", "guacd-lite demo"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .kill_on_drop(true)
            .spawn()
            .context("Xvnc does not start")?;
        let mut target = Self { port, password, desktop, children: vec![server] };
        target.wait_until_listening().await?;
        let session = program
            .env("DISPLAY", format!(":{display}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{desktop} does not start"))?;
        target.children.push(session);
        Ok(Some(target))
    }

    async fn wait_until_listening(&mut self) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(START, listening).await.is_err() {
            bail!("Xvnc did not listen on port {} within {} s", self.port, START.as_secs());
        }
        Ok(())
    }

    /// Its port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What runs on it.
    pub(crate) fn desktop(&self) -> &'static str {
        self.desktop
    }

    /// Parameters of a connection to it.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        [("hostname", "127.0.0.1".to_owned()), ("port", self.port.to_string()), ("password", self.password.clone())]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    /// Ends the desktop and its server. The server is asked, so that it takes its lock and socket along.
    pub(crate) async fn stop(mut self) {
        for child in self.children.iter_mut().rev() {
            if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::TERM);
            }
            if tokio::time::timeout(STOP, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
}

/// What to run on the display, of what is installed, and how to call it.
fn desktop() -> Option<(&'static str, Command)> {
    if let Some(xfce) = find("startxfce4") {
        return Some(("Xfce", Command::new(xfce)));
    }
    let terminal = find("xterm");
    if let Some(openbox) = find("openbox") {
        let mut command = Command::new(openbox);
        if terminal.is_some() {
            // By the window manager itself: it loses windows that come while it starts.
            command.args(["--startup", TERMINAL]);
        }
        return Some((if terminal.is_some() { "Openbox and xterm" } else { "Openbox" }, command));
    }
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {TERMINAL}")]);
    terminal.map(|_| ("xterm", command))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}

/// A display whose VNC port is free and that no X server holds.
fn free_display() -> Option<u16> {
    DISPLAYS
        .into_iter()
        .find(|display| TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST_PORT + display)).is_ok() && !is_locked(*display))
}

/// Whether a living X server holds the lock of a display. X servers take over the locks of dead ones.
fn is_locked(display: u16) -> bool {
    let Ok(lock) = std::fs::read_to_string(format!("/tmp/.X{display}-lock")) else { return false };
    lock.trim().parse::<u32>().is_ok_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

/// Eight letters: VNC passwords have no more.
fn random_password() -> String {
    let mut rng = rand::rng();
    (0..8).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}

/// A password file's content: eight bytes.
fn scramble(password: &str) -> Vec<u8> {
    // DES in VNC takes the bits of each key byte in the opposite order.
    let key = PASSWORD_FILE_KEY.map(u8::reverse_bits);
    let mut block = [0_u8; 8];
    for (slot, byte) in block.iter_mut().zip(password.bytes()) {
        *slot = byte;
    }
    let mut block = block.into();
    Des::new(&key.into()).encrypt_block(&mut block);
    block.to_vec()
}
