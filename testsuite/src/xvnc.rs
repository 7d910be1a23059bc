//! A real TigerVNC: an X server that can be asked what it shows.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{Running, find, missing, on_free_port};

/// An X server with a VNC port, ended with its programs.
#[derive(Debug)]
pub struct Xvnc {
    server: Running,
    programs: Vec<Running>,
    display: String,
    port: u16,
    home: TempDir,
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
        Some(Self { server, programs: Vec::new(), display: format!(":{}", display.trim()), port, home })
    }

    /// Parameters that say where, and `more`.
    #[must_use]
    pub fn params(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let port = self.port.to_string();
        let own = [("hostname", "127.0.0.1"), ("port", port.as_str())];
        own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env("HOME", self.home.path()).stderr(Stdio::null());
        command
    }

    /// Text in colours and a pattern, still after a moment. `seed` makes desktops differ.
    pub fn draw(&mut self, seed: usize) {
        let colours = [["steelblue", "wheat"], ["firebrick", "khaki"], ["seagreen", "lavender"]];
        let [front, back] = colours[seed % colours.len()];
        assert!(
            self.program("xsetroot").args(["-mod", "5", "7", "-fg", front, "-bg", back]).status().unwrap().success()
        );
        let script = format!(
            "for i in $(seq 1 40); do printf '\\033[3%dm%s line of desk {seed} \\033[0m\\n' $((i % 8)) $i; done; sleep 600"
        );
        let mut command = self.program("xterm");
        command.args(["-geometry", "60x20+100+80", "-e", "sh", "-c", &script]).stdout(Stdio::null());
        self.programs.push(Running::spawn(&mut command));
    }

    /// The server's own view of its screen: width, height, pixels as `0x00RRGGBB`.
    #[must_use]
    pub fn screenshot(&self) -> (usize, usize, Vec<u32>) {
        let dump = self.program("xwd").args(["-root", "-silent"]).output().unwrap().stdout;
        let field =
            |index: usize| u32::from_be_bytes(dump[index * 4..index * 4 + 4].try_into().unwrap()).try_into().unwrap();
        let (header, width, height): (usize, usize, usize) = (field(0), field(4), field(5));
        let (bits, line, colours) = (field(11), field(12), field(19));
        assert_eq!((bits, field(7)), (32, 0), "32 bits a pixel, least significant byte first");
        let rows = dump[header + colours * 12..].chunks_exact(line);
        let pixels = rows.flat_map(|row| row.as_chunks::<4>().0.iter().take(width));
        (width, height, pixels.map(|pixel| u32::from_le_bytes(*pixel) & 0xFF_FFFF).collect())
    }

    /// Runs a program of this display to its end and gives what it printed.
    #[must_use]
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.program(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a program of this display that ends with it.
    pub fn show(&mut self, program: &str, arguments: &[&str]) {
        let mut command = self.program(program);
        // Text is UTF-8 whatever the locale of whoever runs the tests.
        command.env("LC_ALL", "C.UTF-8").args(arguments).stdout(Stdio::null());
        self.programs.push(Running::spawn(&mut command));
    }

    /// A directory of its own, gone with it.
    #[must_use]
    pub fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.server.kill();
    }
}
