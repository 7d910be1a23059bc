//! FreeRDP's shadow server: an RDP server with NLA, `RemoteFX` and the graphics pipeline, that shows an X display.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::desktop::Desktop;
use crate::process::{Running, find, missing, on_free_port, until_listening};
use crate::xvnc::Xvnc;

/// What the server asks of its clients.
#[derive(Clone, Copy, Debug)]
pub struct ShadowSetup<'a> {
    /// `nla`, `tls`, `rdp` or `ext`.
    pub security: &'a str,
    /// The account that NLA knows.
    pub username: &'a str,
    /// Its password.
    pub password: &'a str,
    /// More of its own arguments.
    pub arguments: &'a [&'a str],
}

impl Default for ShadowSetup<'_> {
    fn default() -> Self {
        Self { security: "nla", username: "tester", password: "correct horse", arguments: &[] }
    }
}

/// A running server and the desktop it shows.
#[derive(Debug)]
pub struct Shadow {
    server: Running,
    desktop: Xvnc,
    arguments: Vec<String>,
    username: String,
    password: String,
    port: u16,
}

impl Shadow {
    /// Starts one on a desktop of 640x480. `None`, loudly, where something of it is not installed.
    #[must_use]
    pub fn start(setup: ShadowSetup<'_>) -> Option<Self> {
        for program in ["freerdp-shadow-cli", "winpr-hash"] {
            if find(program).is_none() {
                missing(program);
                return None;
            }
        }
        let desktop = Xvnc::start()?;
        let accounts = desktop.home().join("accounts");
        let hash = ["-u", setup.username, "-p", setup.password, "-f", "sam"];
        fs::write(&accounts, Command::new("winpr-hash").args(hash).output().unwrap().stdout).unwrap();
        let mut arguments = vec![
            "/bind-address:127.0.0.1".to_owned(),
            format!("/sec:{}", setup.security),
            format!("/sam-file:{}", accounts.display()),
        ];
        if matches!(setup.security, "nla" | "ext") {
            arguments.push("+auth".to_owned());
        }
        arguments.extend(setup.arguments.iter().map(|&argument| argument.to_owned()));
        let (server, port) = on_free_port("freerdp-shadow-cli", |port| Ok((launch(&desktop, &arguments, port)?, port)));
        let (username, password) = (setup.username.to_owned(), setup.password.to_owned());
        Some(Self { server, desktop, arguments, username, password, port })
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, to measure it by.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Parameters that say where and who, and `more`, which wins.
    #[must_use]
    pub fn login(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let port = self.port.to_string();
        let own = [
            ("hostname", "127.0.0.1"),
            ("port", port.as_str()),
            ("username", self.username.as_str()),
            ("password", self.password.as_str()),
        ];
        own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Its certificate as PEM: made by itself, for itself.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        fs::read_to_string(certificates(self.desktop.home()).join("shadow.crt")).unwrap()
    }

    /// Comes back on the same port with another key, as a reinstalled machine or an impostor would.
    pub fn change_certificate(&mut self) {
        self.server.kill();
        fs::remove_dir_all(certificates(self.desktop.home())).unwrap();
        self.server = launch(&self.desktop, &self.arguments, self.port).unwrap();
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.desktop.home().join("shadow.log")).unwrap_or_default()).into_owned()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.server.kill();
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        self.server.kill();
    }
}

impl Deref for Shadow {
    type Target = Desktop;

    fn deref(&self) -> &Desktop {
        &self.desktop
    }
}

impl DerefMut for Shadow {
    fn deref_mut(&mut self) -> &mut Desktop {
        &mut self.desktop
    }
}

fn certificates(home: &Path) -> std::path::PathBuf {
    home.join(".config/freerdp/shadow")
}

fn launch(desktop: &Desktop, arguments: &[String], port: u16) -> Result<Running, String> {
    let log = desktop.home().join("shadow.log");
    let mut command = desktop.program("freerdp-shadow-cli");
    command.arg(format!("/port:{port}")).args(arguments).stdin(Stdio::null());
    let output = fs::File::create(&log).unwrap();
    command.env_remove("XDG_CONFIG_HOME").stdout(output.try_clone().unwrap()).stderr(output);
    let mut server = Running::spawn(&mut command);
    until_listening(&mut server, port)
        .map_err(|error| format!("{error}: {}", fs::read_to_string(&log).unwrap_or_default()))?;
    Ok(server)
}
