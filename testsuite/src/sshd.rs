//! A real OpenSSH server on a free port, with keys of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{Running, children_of, find, missing, on_free_port, until_logged};

/// A running server.
#[derive(Debug)]
pub struct Sshd {
    server: Running,
    home: TempDir,
    port: u16,
    user: String,
    files: bool,
}

impl Sshd {
    /// Starts one that takes a key, and passwords of the system's accounts. `None`, loudly, where none is installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(true)
    }

    /// The same, without SFTP.
    #[must_use]
    pub fn without_files() -> Option<Self> {
        Self::start_with(false)
    }

    fn start_with(files: bool) -> Option<Self> {
        if find("sshd").is_none() {
            missing("sshd");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        for name in ["host", "user", "stranger"] {
            keygen(home.path(), name);
        }
        fs::copy(home.path().join("user.pub"), home.path().join("authorized")).unwrap();
        // Where it was never started as a service, its directory is missing.
        let _ = fs::create_dir_all("/run/sshd");
        let (server, port) = on_free_port("sshd", |port| Ok((launch(home.path(), port, files)?, port)));
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        Some(Self { server, home, port, user: user.trim().to_owned(), files })
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The private key that logs in.
    #[must_use]
    pub fn key(&self) -> String {
        fs::read_to_string(self.home.path().join("user")).unwrap()
    }

    /// The same key, locked.
    #[must_use]
    pub fn locked_key(&self, passphrase: &str) -> String {
        let path = self.home.path().join("locked");
        fs::copy(self.home.path().join("user"), &path).unwrap();
        let arguments = ["-q", "-p", "-P", "", "-N", passphrase, "-a", "2", "-f"];
        assert!(Command::new("ssh-keygen").args(arguments).arg(&path).status().unwrap().success());
        fs::read_to_string(path).unwrap()
    }

    /// Its own key, as a line of `known_hosts` without the host.
    #[must_use]
    pub fn host_key(&self) -> String {
        fs::read_to_string(self.home.path().join("host.pub")).unwrap()
    }

    /// A directory that nobody else uses, and the home of who logs in.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A private key that it does not know.
    #[must_use]
    pub fn strange_key(&self) -> String {
        fs::read_to_string(self.home.path().join("stranger")).unwrap()
    }

    /// Parameters that say where and who, and `more`.
    #[must_use]
    pub fn login(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let port = self.port.to_string();
        let own = [("hostname", "127.0.0.1"), ("port", port.as_str()), ("username", self.user.as_str())];
        own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Parameters that log in with the key and run `command`.
    #[must_use]
    pub fn command(&self, command: &str) -> Vec<(String, String)> {
        self.login(&[("private-key", &self.key()), ("command", command)])
    }

    /// Parameters of a desktop that show files of this machine below `root`, by the key; `more` replaces what it names.
    #[must_use]
    pub fn beside(&self, root: &Path, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let (port, key, root) = (self.port.to_string(), self.key(), root.display().to_string());
        let own = [
            ("enable-sftp", "true"),
            ("sftp-hostname", "127.0.0.1"),
            ("sftp-port", port.as_str()),
            ("sftp-username", self.user.as_str()),
            ("sftp-private-key", key.as_str()),
            ("sftp-root-directory", root.as_str()),
        ];
        let own = own.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        own.chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Who may log in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Comes back on the same port with another host key, as a reinstalled machine or an impostor would.
    pub fn change_host_key(&mut self) {
        self.server.kill();
        for file in ["host", "host.pub", "log"] {
            fs::remove_file(self.home.path().join(file)).unwrap();
        }
        keygen(self.home.path(), "host");
        self.server = launch(self.home.path(), self.port, self.files).unwrap();
    }

    /// Connections that it serves at the moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        children_of(self.server.pid()).len()
    }

    /// Kills the processes that serve live sessions, so that their connections just break.
    pub fn kill_sessions(&self) {
        let children = children_of(self.server.pid());
        assert!(!children.is_empty(), "sshd serves somebody");
        for pid in children {
            // It may have ended between listing and killing.
            let _ = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status().unwrap();
        }
    }
}

fn keygen(directory: &Path, name: &str) {
    let arguments = ["-q", "-C", "", "-t", "ed25519", "-N", "", "-f"];
    assert!(Command::new("ssh-keygen").args(arguments).arg(directory.join(name)).status().unwrap().success());
}

fn launch(home: &Path, port: u16, files: bool) -> Result<Running, String> {
    let path = |name: &str| home.join(name).display().to_string();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
         PasswordAuthentication yes\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n\
         SetEnv HOME={}\n{}",
        path("host"),
        path("authorized"),
        // Shells would read what the account's owner starts his with: slow, and different on every machine.
        home.display(),
        if files { "Subsystem sftp internal-sftp\n" } else { "" }
    );
    fs::write(path("config"), config).unwrap();
    let log = fs::File::create(path("log")).unwrap();
    let mut command = Command::new(find("sshd").unwrap());
    command.args(["-D", "-e", "-f", &path("config")]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut server = Running::spawn(&mut command);
    until_logged(&mut server, &home.join("log"), "Server listening on")?;
    Ok(server)
}
