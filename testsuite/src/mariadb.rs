//! A real MariaDB that talks TLS only.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{Running, find, missing, on_free_port, until_logged};
use crate::tls::Authority;

/// A server with an empty database `guac`, an account for it, and a certificate for `localhost`.
#[derive(Debug)]
pub struct MariaDb {
    server: Running,
    dir: TempDir,
    port: u16,
    /// Runs it once more.
    command: (PathBuf, Vec<String>),
}

impl MariaDb {
    /// Starts one. `None`, loudly, where it is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_certified(Authority::certify)
    }

    /// One whose certificate is out of date.
    #[must_use]
    pub fn start_out_of_date() -> Option<Self> {
        Self::start_certified(Authority::certify_long_ago)
    }

    fn start_certified(certify: fn(&Authority, &Path, &str) -> (PathBuf, PathBuf)) -> Option<Self> {
        let (Some(program), Some(install)) = (find("mariadbd"), find("mariadb-install-db")) else {
            missing("mariadb-server");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let as_root = (fs::metadata("/proc/self").unwrap().uid() == 0).then_some("--user=root");
        let data = format!("--datadir={}", path("data"));
        let mut command = Command::new(install);
        command.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal", &data]);
        let made = command.args(as_root).env("TMPDIR", dir.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let authority = Authority::new("the right authority");
        authority.write(&dir.path().join("ca.pem"));
        Authority::new("another authority").write(&dir.path().join("other-ca.pem"));
        let (certificate, key) = certify(&authority, dir.path(), "localhost");
        let init = "CREATE DATABASE guac;\nCREATE USER 'guac'@'%' IDENTIFIED BY 'canary-database-password';\n\
                    GRANT ALL ON guac.* TO 'guac'@'%';\n";
        fs::write(path("init.sql"), init).unwrap();

        let arguments = |port: u16| {
            let mut arguments: Vec<String> = [
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-flush-method=nosync",
                "--require-secure-transport=ON",
            ]
            .map(str::to_owned)
            .into();
            arguments.extend([data.clone(), format!("--port={port}"), format!("--socket={}", path("sock"))]);
            arguments.extend([format!("--pid-file={}", path("pid"))]);
            arguments.push(format!("--ssl-cert={}", certificate.display()));
            arguments.push(format!("--ssl-key={}", key.display()));
            arguments.extend(as_root.map(str::to_owned));
            arguments
        };
        let init = format!("--init-file={}", path("init.sql"));
        let (server, port) = on_free_port("mariadbd", |port| {
            let mut arguments = arguments(port);
            arguments.insert(1, init.clone());
            Ok((run(&program, &arguments, dir.path())?, port))
        });
        let command = (program, arguments(port));
        Some(Self { server, dir, port, command })
    }

    /// Stops it, as for an update.
    pub fn stop(&mut self) {
        self.server.signal("TERM");
        self.server.wait();
    }

    /// Starts it again at the same port, with what it has.
    ///
    /// # Panics
    /// If somebody else has the port by now.
    pub fn start_again(&mut self) {
        let (program, arguments) = &self.command;
        self.server = run(program, arguments, self.dir.path()).expect("the port is still free");
    }

    /// A URL to the database; `query` begins with `?` or is empty.
    #[must_use]
    pub fn url(&self, host: &str, query: &str) -> String {
        format!("mysql://guac:canary-database-password@{host}:{}/guac{query}", self.port)
    }

    /// Certificate of the authority that signed the server's.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Certificate of an authority that did not.
    #[must_use]
    pub fn other_ca(&self) -> PathBuf {
        self.dir.path().join("other-ca.pem")
    }
}

/// Runs it until it takes connections.
fn run(program: &Path, arguments: &[String], dir: &Path) -> Result<Running, String> {
    let log = dir.join("log");
    let mut command = Command::new(program);
    command
        .args(arguments)
        // A starting server removes what it takes for its own leftovers, and others share the default.
        .env("TMPDIR", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap());
    let mut server = Running::spawn(&mut command);
    until_logged(&mut server, &log, "ready for connections")?;
    Ok(server)
}
