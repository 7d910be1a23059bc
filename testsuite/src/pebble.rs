//! Pebble: a certificate authority that speaks ACME and checks names for real, over ports of the test's choice.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tempfile::TempDir;

use crate::http::request;
use crate::process::{Running, find, free_port, missing, on_free_port, until_listening};
use crate::tls::{Authority, trusting};

/// A running authority. Every name is at 127.0.0.1 for it.
#[derive(Debug)]
pub struct Pebble {
    server: Running,
    _names: Running,
    home: TempDir,
    authority: Authority,
    port: u16,
    management_port: u16,
}

impl Pebble {
    /// Starts one that asks at these ports by TLS-ALPN-01 and HTTP-01. `None`, loudly, where it is not installed.
    #[must_use]
    pub fn start(tls_port: u16, http_port: u16) -> Option<Self> {
        for program in ["pebble", "pebble-challtestsrv"] {
            if find(program).is_none() {
                missing(program);
                return None;
            }
        }
        let home = TempDir::new().unwrap();
        let authority = Authority::new("authority of the authority");
        authority.write(&home.path().join("roots.pem"));
        let (certificate, key) = authority.certify(home.path(), "localhost");
        let (names, names_port) = on_free_port("pebble-challtestsrv", start_names);
        let (server, (port, management_port)) = on_free_port("pebble", |port| {
            let management_port = free_port();
            let config = serde_json::json!({ "pebble": {
                "listenAddress": format!("127.0.0.1:{port}"),
                "managementListenAddress": format!("127.0.0.1:{management_port}"),
                "certificate": certificate,
                "privateKey": key,
                "httpPort": http_port,
                "tlsPort": tls_port,
            }});
            let file = home.path().join("pebble.json");
            std::fs::write(&file, config.to_string()).unwrap();
            let mut command = Command::new("pebble");
            command.arg("-config").arg(file).args(["-dnsserver", &format!("127.0.0.1:{names_port}")]);
            // Checks at once; and no nonce refused on purpose, which is for testing the client library.
            command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
            let mut server = Running::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
            until_listening(&mut server, port)?;
            until_listening(&mut server, management_port)?;
            Ok((server, (port, management_port)))
        });
        Some(Self { server, _names: names, home, authority, port, management_port })
    }

    /// Address of its directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// PEM file of those who certify it.
    #[must_use]
    pub fn roots_file(&self) -> PathBuf {
        self.home.path().join("roots.pem")
    }

    /// PEM of the authority that what it issues leads back to. It has another at each start.
    #[must_use]
    pub fn issuer(&self) -> String {
        let stream = TcpStream::connect(("127.0.0.1", self.management_port)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(trusting(&self.authority), name).unwrap();
        request(StreamOwned::new(session, stream), "GET", "/roots/0", &[], "").body
    }

    /// Ends it; its files stay.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// A directory of its own, for what a test keeps.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

fn start_names(port: u16) -> Result<(Running, u16), String> {
    let mut command = Command::new("pebble-challtestsrv");
    command.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", &format!("127.0.0.1:{port}")]);
    command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", "127.0.0.1:0"]);
    let mut names = Running::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
    until_listening(&mut names, port)?;
    Ok((names, port))
}
