//! A desktop by TigerVNC's Xvnc, where that is installed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use des::Des;
use des::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use rand::Rng as _;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The first port of X displays' VNC servers.
const FIRST_PORT: u16 = 5900;

/// Displays tried, from 50 on: below that people have their own.
const DISPLAYS: std::ops::Range<u16> = 50..100;

/// How long Xvnc may take to listen.
const START: Duration = Duration::from_secs(10);

/// What may run on the display: program, arguments, how to call it. Of a desktop and of window managers the first that
/// is installed; with a window manager alone, a terminal to have something to look at.
const DESKTOPS: [(&str, &[&str], &str); 3] =
    [("startxfce4", &[], "Xfce"), ("openbox", &[], "Openbox"), ("twm", &[], "twm")];
const TERMINAL: (&str, &[&str], &str) =
    ("xterm", &["-geometry", "100x30+60+60", "-fa", "DejaVu Sans Mono", "-fs", "11"], "xterm");

/// The key with which VNC password files are scrambled, the same in every implementation. It hides, it does not protect.
const PASSWORD_FILE_KEY: [u8; 8] = [0x17, 0x52, 0x6b, 0x06, 0x23, 0x4e, 0x58, 0x07];

/// A running desktop.
pub(crate) struct VncTarget {
    port: u16,
    password: String,
    desktop: String,
    children: Vec<Child>,
}

impl VncTarget {
    /// Starts Xvnc and a desktop on it, or gives `None` if one of them is not installed.
    pub(crate) async fn start(dir: &Path) -> Result<Option<Self>> {
        let Some(xvnc) = find("Xvnc") else { return Ok(None) };
        let programs = programs();
        if programs.is_empty() {
            return Ok(None);
        }
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
            ])
            .arg("-rfbport")
            .arg(port.to_string())
            .arg("-rfbauth")
            .arg(&password_file)
            .args(["-desktop", "guacd-lite demo"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("Xvnc does not start")?;
        let desktop = programs.iter().map(|(_, _, name)| *name).collect::<Vec<_>>().join(" and ");
        let mut target = Self { port, password, desktop, children: vec![server] };
        target.wait_until_listening().await?;
        for (program, arguments, name) in programs {
            let session = Command::new(program)
                .args(arguments)
                .env("DISPLAY", format!(":{display}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .with_context(|| format!("{name} does not start"))?;
            target.children.push(session);
        }
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
    pub(crate) fn desktop(&self) -> &str {
        &self.desktop
    }

    /// Parameters of a connection to it.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        [("hostname", "127.0.0.1".to_owned()), ("port", self.port.to_string()), ("password", self.password.clone())]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    /// Ends the desktop and its server.
    pub(crate) async fn stop(mut self) {
        for child in self.children.iter_mut().rev() {
            // It may have ended by itself.
            let _ = child.kill().await;
        }
    }
}

/// What of the above is installed.
fn programs() -> Vec<(PathBuf, &'static [&'static str], &'static str)> {
    let installed = |&(program, arguments, name)| Some((find(program)?, arguments, name));
    let desktop: Option<(PathBuf, &[&str], &str)> = DESKTOPS.iter().find_map(installed);
    let complete = desktop.as_ref().is_some_and(|(_, _, name)| *name == "Xfce");
    let terminal = (!complete).then(|| installed(&TERMINAL)).flatten();
    desktop.into_iter().chain(terminal).collect()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}

/// A display whose VNC port is free and that no X server holds.
fn free_display() -> Option<u16> {
    DISPLAYS.into_iter().find(|display| {
        let port_is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST_PORT + display)).is_ok();
        port_is_free
            && !Path::new(&format!("/tmp/.X11-unix/X{display}")).exists()
            && !Path::new(&format!("/tmp/.X{display}-lock")).exists()
    })
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
