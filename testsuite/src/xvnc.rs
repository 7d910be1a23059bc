//! A real TigerVNC: an X server that can be asked what it shows.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::desktop::Desktop;
use crate::process::{Running, find, missing, on_free_port};

/// An X server with a VNC port, ended with its programs.
#[derive(Debug)]
pub struct Xvnc {
    desktop: Desktop,
    server: Running,
    port: u16,
}

impl Xvnc {
    /// Starts a desktop of 640x480 for whoever comes. `None`, loudly, where it is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&|_| vec!["-SecurityTypes".to_owned(), "None".to_owned()])
    }

    /// Starts a desktop for whoever knows the password.
    #[must_use]
    pub fn start_with_password(password: &str) -> Option<Self> {
        let Some(tool) = find("vncpasswd") else {
            missing("vncpasswd");
            return None;
        };
        Self::start_with(&|home| {
            let mut command = Command::new(&tool);
            command.arg("-f").stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut tool = command.spawn().unwrap();
            writeln!(tool.stdin.take().unwrap(), "{password}").unwrap();
            let file = home.join("password");
            fs::write(&file, tool.wait_with_output().unwrap().stdout).unwrap();
            ["-SecurityTypes", "VncAuth", "-PasswordFile", file.to_str().unwrap()].map(str::to_owned).to_vec()
        })
    }

    fn start_with(arguments: &dyn Fn(PathBuf) -> Vec<String>) -> Option<Self> {
        if find("Xvnc").is_none() {
            missing("Xvnc");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let arguments = arguments(home.path().to_owned());
        let (server, display, port) = on_free_port("Xvnc", |port| {
            let mut command = Command::new("Xvnc");
            command
                .args(["-displayfd", "1", "-rfbport", &port.to_string(), "-localhost", "-interface", "127.0.0.1"])
                .args(["-geometry", "640x480", "-depth", "24", "-nolisten", "tcp", "-desktop", "test desk"])
                .args(&arguments)
                .env("HOME", home.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let mut server = Running::spawn(&mut command);
            let mut number = String::new();
            BufReader::new(server.child().stdout.take().unwrap()).read_line(&mut number).unwrap();
            // It says its number when it is ready, and nothing if it had to give up.
            if number.trim().is_empty() { Err("no display".to_owned()) } else { Ok((server, number, port)) }
        });
        Some(Self { desktop: Desktop::new(&display, home), server, port })
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Parameters that say where, and `more`.
    #[must_use]
    pub fn params(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let port = self.port.to_string();
        let own = [("hostname", "127.0.0.1"), ("port", port.as_str())];
        own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.server.kill();
    }
}

impl Deref for Xvnc {
    type Target = Desktop;

    fn deref(&self) -> &Desktop {
        &self.desktop
    }
}

impl DerefMut for Xvnc {
    fn deref_mut(&mut self) -> &mut Desktop {
        &mut self.desktop
    }
}
