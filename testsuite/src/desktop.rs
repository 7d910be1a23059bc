//! A display of an X server, the programs on it, and what it shows.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::process::{PATIENCE, Running};

/// Programs end with it, and its home directory is gone.
#[derive(Debug)]
pub struct Desktop {
    programs: Vec<Running>,
    display: String,
    home: TempDir,
}

impl Desktop {
    pub(crate) fn new(number: &str, home: TempDir) -> Self {
        Self { programs: Vec::new(), display: format!(":{}", number.trim()), home }
    }

    /// A program of this display, not started.
    #[must_use]
    pub fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env("HOME", self.home.path()).stderr(Stdio::null());
        command
    }

    /// What its programs have as `DISPLAY`.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
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
        // xwd gives up where the screen changes its size while it is being read.
        let end = Instant::now() + PATIENCE;
        let dump = loop {
            let output = self.program("xwd").args(["-root", "-silent"]).output().unwrap();
            if output.status.success() {
                break output.stdout;
            }
            assert!(Instant::now() < end, "xwd: {}", String::from_utf8_lossy(&output.stderr));
        };
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
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}
