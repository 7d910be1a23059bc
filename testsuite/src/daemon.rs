//! The real program: its data directory, its commands, and the server.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;

use guac_protocol::Selection;
use serde_json::Value;
use tempfile::TempDir;

use crate::guac_client::GuacClient;
use crate::http::{Answer, request};
use crate::process::{Running, wait_until};
use crate::transport::{TcpTransport, WebSocketTransport, connect, web_socket};

/// Password of `admin` in a fresh [`Home`].
pub const ADMIN_PASSWORD: &str = "canary-admin-password";

/// Machines that connections of tests may reach.
const LOOPBACK: &str = "127.0.0.0/8,::1";

/// Size that clients ask for.
const SIZE_PX: (u32, u32) = (640, 480);

/// Tasks of a daemon that does nothing: one per listener, the sweeper of logins, and the database's pool.
const IDLE_TASKS: usize = 4;

/// Where the daemon keeps its data; outlives its runs.
#[derive(Debug)]
pub struct Home {
    dir: TempDir,
    runs: Cell<u32>,
}

impl Home {
    /// An empty one, with a file that holds the administrator's first password.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("admin-password"), ADMIN_PASSWORD).unwrap();
        Self { dir, runs: Cell::new(0) }
    }

    /// A place for files of the test.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Path of the file with the administrator's first password.
    #[must_use]
    pub fn admin_password_file(&self) -> String {
        self.path().join("admin-password").display().to_string()
    }

    /// The program with our data directory and nothing of this process's own settings.
    fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GUACD_LITE_")) {
            command.env_remove(name);
        }
        // Targets of tests are on this machine.
        command.env("GUACD_LITE_TARGETS_ALLOW", LOOPBACK);
        command.args(arguments).envs(environment.iter().copied()).arg("--data-dir").arg(self.path().join("data"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        self.command(arguments, environment).output().unwrap()
    }

    /// Stores a connection; gives its identifier.
    #[must_use]
    pub fn add_connection(&self, name: &str, protocol: &str, params: &[(String, String)]) -> String {
        self.add_connection_with(name, protocol, params, &[])
    }

    /// Stores a connection in the database that these variables name.
    #[must_use]
    pub fn add_connection_with(
        &self,
        name: &str,
        protocol: &str,
        params: &[(String, String)],
        environment: &[(&str, &str)],
    ) -> String {
        let params: Vec<String> = params.iter().map(|(name, value)| format!("--parameter={name}={value}")).collect();
        let mut arguments = vec!["connection", "add", name, "--protocol", protocol];
        arguments.extend(params.iter().map(String::as_str));
        let output = self.run(&arguments, environment);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let id = said.strip_prefix("connection ").and_then(|rest| rest.split(' ').next());
        id.unwrap_or_else(|| panic!("no identifier in {said:?}")).to_owned()
    }

    /// Runs the server on free ports.
    #[must_use]
    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// Runs the server on free ports with these settings.
    #[must_use]
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Daemon {
        let password_file = self.admin_password_file();
        let filter = std::env::var("TESTSUITE_LOG").unwrap_or_else(|_| "info".to_owned());
        let ours =
            [("GUACD_LITE_ADMIN_PASSWORD_FILE", password_file.as_str()), ("GUACD_LITE_LOG_FILTER", filter.as_str())];
        let settings = [&ours, environment].concat();
        self.try_start(&settings).unwrap_or_else(|(_, log)| panic!("the daemon does not start: {log}"))
    }

    /// Runs the server with these settings and no others.
    ///
    /// # Errors
    /// Exit status and log of one that does not come up.
    pub fn try_start(&self, environment: &[(&str, &str)]) -> Result<Daemon, (ExitStatus, String)> {
        self.runs.set(self.runs.get() + 1);
        let log = self.path().join(format!("log-{}", self.runs.get()));
        let mut arguments = vec!["serve", "--guacd-listen", "127.0.0.1:0"];
        if !environment.iter().any(|(name, _)| *name == "GUACD_LITE_WEB_LISTEN") {
            arguments.extend(["--web-listen", "127.0.0.1:0"]);
        }
        let mut command = self.command(&arguments, environment);
        command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap());
        let mut process = Running::spawn(&mut command);
        let mut stdout = BufReader::new(process.child().stdout.take().unwrap());
        let mut said = String::new();
        let guacd = loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                return Err((process.wait(), fs::read_to_string(&log).unwrap()));
            }
            said.push_str(&line);
            if let Some(address) = line.strip_prefix("guacd protocol on ") {
                break address.trim().parse().unwrap();
            }
        };
        let url = said.lines().find_map(|line| line.strip_prefix("guacd-lite is ready: http")).unwrap();
        let web = url.rsplit("://").next().unwrap().trim_end_matches('/').parse().unwrap();
        Ok(Daemon { process, web, guacd, said, log, token: Mutex::default(), _stdout: stdout })
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// The program under test: `GUACD_LITE_BIN`, or what cargo built beside these tests.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GUACD_LITE_BIN") {
        return path.into();
    }
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("guacd-lite");
    assert!(
        built.is_file(),
        "{} is missing; build it first: cargo build --package guacd-lite (or name another in GUACD_LITE_BIN)",
        built.display()
    );
    built
}

/// What a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Open descriptors but for database files, of which a pool keeps as many as it likes: what they refer to, sorted.
    pub descriptors: Vec<String>,
    /// Threads, but for those of the database.
    pub threads: usize,
}

/// A server that was told to stop.
#[derive(Debug)]
pub struct Stopped {
    /// How it ended.
    pub status: ExitStatus,
    /// All it logged.
    pub log: String,
}

/// A running server.
#[derive(Debug)]
pub struct Daemon {
    process: Running,
    /// Where browsers connect.
    pub web: SocketAddr,
    /// Where gateways connect.
    pub guacd: SocketAddr,
    /// What it printed at its start.
    pub said: String,
    log: PathBuf,
    token: Mutex<Option<String>>,
    /// Held, for a closed pipe would kill whoever prints.
    _stdout: BufReader<ChildStdout>,
}

impl Daemon {
    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Sends a request to the web port.
    pub fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        request(std::net::TcpStream::connect(self.web).unwrap(), method, path, headers, body)
    }

    /// Tries to log in.
    pub fn login(&self, username: &str, password: &str) -> Answer {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        self.http("POST", "/api/tokens", &form, &format!("username={username}&password={password}"))
    }

    /// The administrator's token; logs in the first time.
    #[must_use]
    pub fn token(&self) -> String {
        let mut known = self.token.lock().unwrap();
        let token = known.get_or_insert_with(|| {
            let answer = self.login("admin", ADMIN_PASSWORD);
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()["authToken"].as_str().unwrap().to_owned()
        });
        token.clone()
    }

    /// Reads something below `/api/session/data/mysql` as the administrator.
    #[must_use]
    pub fn data(&self, path: &str) -> Value {
        let token = self.token();
        let answer = self.http("GET", &format!("/api/session/data/mysql/{path}"), &[("Guacamole-Token", &token)], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Opens a session over the guacd port.
    #[must_use]
    pub fn open(&self, protocol: &str, params: &[(String, String)]) -> GuacClient {
        let selection = Selection::Protocol(protocol.to_owned());
        GuacClient::shake_hands(TcpTransport(connect(self.guacd)), &selection, params, SIZE_PX)
    }

    /// Joins a session over the guacd port.
    #[must_use]
    pub fn join(&self, client: &GuacClient) -> GuacClient {
        let selection = Selection::Join(client.id.clone().expect("the session has an id"));
        GuacClient::shake_hands(TcpTransport(connect(self.guacd)), &selection, &[], SIZE_PX)
    }

    /// Query of a tunnel to a stored connection.
    #[must_use]
    pub fn tunnel_query(&self, connection: &str) -> String {
        format!(
            "token={}&GUAC_DATA_SOURCE=mysql&GUAC_ID={connection}&GUAC_TYPE=c&GUAC_WIDTH={}&GUAC_HEIGHT={}&GUAC_DPI=96\
             &GUAC_IMAGE=image%2Fpng&GUAC_IMAGE=image%2Fwebp",
            self.token(),
            SIZE_PX.0,
            SIZE_PX.1
        )
    }

    /// Opens a stored connection as the administrator's browser would.
    #[must_use]
    pub fn browse(&self, connection: &str) -> GuacClient {
        GuacClient::new(WebSocketTransport(web_socket(self.web, &self.tunnel_query(connection))))
    }

    /// What it holds while nothing goes on but the administrator's login.
    #[must_use]
    pub fn idle_usage(&self) -> Usage {
        let _ = self.token();
        let (mut usage, mut same) = (self.usage(), 0);
        // The connection that logged in may still be closing.
        wait_until("rest", || {
            let now = self.usage();
            same = if now == usage { same + 1 } else { 0 };
            usage = now;
            same >= 10
        });
        usage
    }

    fn usage(&self) -> Usage {
        let proc = |what: &str| fs::read_dir(format!("/proc/{}/{what}", self.pid())).unwrap().flatten();
        let target = |path: PathBuf| fs::read_link(path).ok().map(|target| target.display().to_string());
        let mut descriptors: Vec<String> = proc("fd")
            .filter_map(|entry| target(entry.path()))
            .filter(|target| !target.contains(".sqlite3"))
            .map(|target| target.split(':').next().unwrap_or_default().to_owned())
            .collect();
        descriptors.sort();
        let name = |path: PathBuf| fs::read_to_string(path.join("comm")).unwrap_or_default();
        let threads = proc("task").filter(|entry| !name(entry.path()).starts_with("sqlx-sqlite")).count();
        Usage { descriptors, threads }
    }

    /// Waits until no session is open, every row of history is closed, and it holds no more than `before`.
    pub fn settles(&self, before: &Usage) {
        wait_until("the end of every tunnel", || self.data("activeConnections").as_object().unwrap().is_empty());
        wait_until("the end of every row of history", || {
            let history = self.data("history/connections");
            history.as_array().unwrap().iter().all(|row| !row["endDate"].is_null() && row["active"] == false)
        });
        let mut looks = 0;
        // Threads of the blocking pool stay for ten seconds.
        wait_until(&format!("what was held before, {before:?}"), || {
            let now = self.usage();
            looks += 1;
            if looks % 500 == 0 {
                eprintln!("still held: {now:?}");
            }
            now.descriptors.len() <= before.descriptors.len() && now.threads <= before.threads
        });
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Asks it to stop, without waiting. It drains.
    pub fn terminate(&self) {
        self.process.signal("TERM");
    }

    /// Asks it to stop at once, without waiting.
    pub fn interrupt(&self) {
        self.process.signal("INT");
    }

    /// Waits for its end, which somebody has asked for.
    #[must_use]
    pub fn ended(mut self) -> Stopped {
        let status = self.process.wait();
        Stopped { status, log: self.log() }
    }

    /// Asks it to stop and waits for its end.
    #[must_use]
    pub fn stop(self) -> Stopped {
        self.terminate();
        self.ended()
    }

    /// Stops it; it must have nothing left to stop, nothing may have panicked, and nothing may hold it up.
    pub fn stops_clean(self) {
        // The last question of the test may still be closing its connection.
        let _ = self.idle_usage();
        let Stopped { status, log } = self.stop();
        assert!(status.success(), "{status}: {log}");
        assert!(!log.contains("panicked"), "{log}");
        assert!(log.contains("Drained sessions=0 tunnels=0"), "{log}");
        assert!(log.contains("Stopping sessions=0 connections=0"), "{log}");
        let tasks = log.split("connections=0 tasks=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let tasks: usize = tasks.unwrap().parse().unwrap();
        assert!(tasks <= IDLE_TASKS, "{tasks} tasks are left: {log}");
        assert!(!log.contains("Not everything ended in time"), "{log}");
        assert!(!log.contains(ADMIN_PASSWORD), "{log}");
    }
}
