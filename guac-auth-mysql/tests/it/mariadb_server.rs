//! A MariaDB server of our own: its own data, a free port of the loopback interface, stopped with the test.

use std::{
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use guac_auth_mysql::StoreConfig;
use sqlx::{
    AssertSqlSafe,
    mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlSslMode},
};
use tempfile::TempDir;

use crate::fixture::{Fixture, Raw};

/// How long the server may take to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The account the store uses.
pub(crate) const USER: &str = "guac";
/// Its password, with characters that have to be encoded in a URL.
pub(crate) const PASSWORD: &str = "p@ss:w/rd%";
const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%25";

pub(crate) struct Server {
    process: Child,
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data is thrown away, so there is nothing to be gentle about.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where Debian and others put the server.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(extra).map(|dir| dir.join(program)).find(|file| file.is_file())
}

impl Server {
    /// Starts a server, with `options` added to its command line. `None`, loudly, where MariaDB is not installed;
    /// in CI that is a failure.
    pub(crate) async fn start(options: impl Fn(&Path) -> Vec<String>) -> Option<Self> {
        let (Some(server), Some(install)) = (find("mariadbd"), find("mariadb-install-db")) else {
            assert!(std::env::var_os("CI").is_none(), "mariadb-server is not installed, and CI has to have it");
            eprintln!("SKIPPED: mariadb-server is not installed");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let as_root = (std::fs::metadata("/proc/self").unwrap().uid() == 0).then_some("--user=root");
        let data = format!("--datadir={}", dir.path().join("data").display());
        let made = Command::new(install)
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal", &data])
            .args(as_root)
            .env("TMPDIR", dir.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let extra = options(dir.path());
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let process = Command::new(server)
            .args(["--no-defaults", &data, "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args([
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-flush-method=nosync",
            ])
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", dir.path().join("sock").display()))
            .arg(format!("--pid-file={}", dir.path().join("pid").display()))
            .args(as_root)
            .args(extra)
            // A starting server removes what it takes for its own leftovers from the directory, and others share the default.
            .env("TMPDIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { process, dir, port };
        server.prepare().await;
        Some(server)
    }

    /// Over the socket, as root: what no test is about.
    fn root(&self) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .socket(self.dir.path().join("sock"))
            .username("root")
            .ssl_mode(MySqlSslMode::Disabled)
    }

    async fn prepare(&self) {
        let deadline = Instant::now() + START_TIMEOUT;
        let admin = loop {
            match MySqlPoolOptions::new().max_connections(1).connect_with(self.root()).await {
                Ok(pool) => break pool,
                Err(error) if Instant::now() > deadline => {
                    let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
                    panic!("{error}\n{log}");
                }
                // There is nothing to wait on but the server's first answer.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        for sql in [
            format!("CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'"),
            format!("GRANT ALL ON `guac\\_%`.* TO '{USER}'@'%'"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&admin).await.unwrap();
        }
    }

    /// A URL with the right password.
    pub(crate) fn url(&self, host: &str, database: &str, query: &str) -> String {
        format!("mysql://{USER}:{PASSWORD_IN_URL}@{host}:{}/{database}{query}", self.port)
    }

    /// A pool of root on `database`, or on none where that is empty.
    pub(crate) async fn raw(&self, database: &str) -> MySqlPool {
        let options = if database.is_empty() { self.root() } else { self.root().database(database) };
        MySqlPoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
    }

    /// A new, empty database with a store on it that is not migrated. Names start with `guac_`.
    pub(crate) async fn database(&self, name: &str) -> Fixture {
        let admin = self.raw("").await;
        // The server's own default would be utf8mb4: the tables have to say what they are, whatever the database says.
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE `{name}`"))).execute(&admin).await.unwrap();
        let config = StoreConfig::new(self.url("127.0.0.1", name, "?ssl-mode=disabled"));
        let store = guac_auth_mysql::Store::connect(&config).await.unwrap();
        Fixture { store, raw: Raw::MySql(self.raw(name).await), config }
    }
}
