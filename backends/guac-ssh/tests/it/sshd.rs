//! A real OpenSSH server on a free port, with keys of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub(crate) struct Sshd {
    server: Child,
    pub(crate) home: TempDir,
    pub(crate) port: String,
    pub(crate) user: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A free port of this machine.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Makes a key pair: `name` and `name.pub`.
pub(crate) fn keygen(directory: &Path, name: &str, arguments: &[&str]) -> String {
    let path = directory.join(name);
    let status = Command::new("ssh-keygen").args(["-q", "-C", "", "-f"]).arg(&path).args(arguments).status().unwrap();
    assert!(status.success());
    fs::read_to_string(path).unwrap()
}

pub(crate) fn start() -> Option<Sshd> {
    start_with("internal-sftp")
}

/// With this program for files.
pub(crate) fn start_with(sftp: &str) -> Option<Sshd> {
    let installed = |path: &&&str| Path::new(path).exists();
    let Some(program) = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].iter().find(installed) else {
        assert!(std::env::var_os("CI").is_none(), "sshd is missing");
        eprintln!("SKIPPED: sshd is not installed");
        return None;
    };
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    keygen(home.path(), "host", &["-t", "ed25519", "-N", ""]);
    keygen(home.path(), "user", &["-t", "ed25519", "-N", ""]);
    fs::copy(path("user.pub"), path("authorized")).unwrap();
    let port = free_port().to_string();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nAcceptEnv LANG TZ\n\
         SetEnv HOME={}\nSubsystem sftp {sftp}\n",
        path("host"),
        path("authorized"),
        // A home of its own: what somebody's start-up files do must not decide about a test.
        home.path().display()
    );
    fs::write(path("config"), config).unwrap();
    // Where it was never started as a service, its directory is missing.
    let _ = fs::create_dir_all("/run/sshd");
    let log = fs::File::create(path("log")).unwrap();
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned();
    let server = Command::new(program)
        .args(["-D", "-e", "-f", &path("config")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let sshd = Sshd { server, home, port, user };
    for _ in 0..500 {
        if TcpStream::connect(format!("127.0.0.1:{}", sshd.port)).is_ok() {
            return Some(sshd);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("sshd does not start: {}", sshd.file("log"));
}

impl Sshd {
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    /// The process below this server that runs a program of this name.
    pub(crate) fn process(&self, name: &str) -> Option<u32> {
        // `pid (name) state parent …`; none of the names has parentheses in it.
        let stats = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (pid, rest) = stat.split_once(" (")?;
            let (comm, rest) = rest.rsplit_once(") ")?;
            Some((pid.parse().ok()?, (comm.to_owned(), rest.split(' ').nth(1)?.parse().ok()?)))
        });
        let all: std::collections::HashMap<u32, (String, u32)> = stats.collect();
        let is_ours = |mut pid: u32| {
            while let Some((_, parent)) = all.get(&pid) {
                if *parent == self.server.id() {
                    return true;
                }
                pid = *parent;
            }
            false
        };
        all.iter().find(|(pid, (comm, _))| comm == name && is_ours(**pid)).map(|(pid, _)| *pid)
    }

    /// Parameters that log in with a key, and `more`.
    pub(crate) fn params<'a>(&'a self, key: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut params = vec![
            ("hostname", "127.0.0.1"),
            ("port", self.port.as_str()),
            ("username", self.user.as_str()),
            ("private-key", key),
        ];
        params.extend_from_slice(more);
        params
    }
}
