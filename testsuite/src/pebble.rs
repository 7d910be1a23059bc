//! Pebble: a certificate authority that speaks ACME and checks names for real, over ports of the test's choice.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{Running, find, missing, on_free_port, until_listening};
use crate::tls::Authority;

/// A running authority. Every name is at 127.0.0.1 for it.
#[derive(Debug)]
pub struct Pebble {
    _server: Running,
    _names: Running,
    home: TempDir,
    port: u16,
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
        let (server, port) = on_free_port("pebble", |port| {
            let config = serde_json::json!({ "pebble": {
                "listenAddress": format!("127.0.0.1:{port}"),
                "managementListenAddress": "127.0.0.1:0",
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
            Ok((server, port))
        });
        Some(Self { _server: server, _names: names, home, port })
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
