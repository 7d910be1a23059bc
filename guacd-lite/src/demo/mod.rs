//! `guacd-lite demo`: everything thrown away at the end, nothing needed beside the binary.

mod ssh_target;
mod vnc_target;

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use secrecy::ExposeSecret as _;

use crate::commands::{add_connection, add_user, quiet_log};
use crate::config::{Config, GuacdListen};
use crate::logging;
use crate::signals::Stop;
use crate::supervisor::{Server, open_store};

use ssh_target::SshTarget;
use vnc_target::VncTarget;

/// Who logs in.
const USER: &str = "demo";

/// Runs the demo until a signal comes.
pub(crate) async fn run(web_listen: SocketAddr) -> Result<()> {
    logging::start(&quiet_log())?;
    let mut stop = Stop::new()?;
    let dir = tempfile::Builder::new()
        .prefix("guacd-lite-demo-")
        .tempdir()
        .context("cannot make a directory for the demo")?;
    let mut config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    config.web.listen = web_listen;
    config.guacd.listen = GuacdListen::Off;
    // This machine is the target here.
    config.targets.allow = vec!["127.0.0.0/8".to_owned(), "::1".to_owned()];

    let store = open_store(&config).await?;
    let password = add_user(&store, USER, true, None).await?.context("a password was made up")?;
    let ssh = SshTarget::start().await.context("cannot start the demo's SSH server")?;
    let grants = [USER.to_owned()];
    add_connection(&store, "This machine: terminal", "ssh", ssh.parameters(), None, &grants).await?;
    let vnc = VncTarget::start(dir.path()).await.context("cannot start the demo's desktop")?;
    if let Some(vnc) = &vnc {
        add_connection(&store, "This machine: desktop", "vnc", vnc.parameters(), None, &grants).await?;
    }
    let server = Server::start(&config, store).await?;

    println!("guacd-lite demo. Everything below is made up for this run and gone at its end.\n");
    println!("  open       {}", server.web_url());
    println!("  user       {USER}");
    println!("  password   {}\n", password.expose_secret());
    println!("  database   SQLite in {}", dir.path().display());
    println!("  terminal   an SSH server of our own on {}, one key only, runs your shell", ssh.address());
    match &vnc {
        Some(vnc) => println!("  desktop    Xvnc on port {}, with {}", vnc.port(), vnc.desktop()),
        None => println!("  desktop    none: install tigervnc-standalone-server and openbox or xterm to get one"),
    }
    if !web_listen.ip().is_loopback() {
        println!(
            "\n  Careful: {web_listen} is not loopback and the demo has no TLS. Whoever gets the password gets a shell as you."
        );
    }
    println!("\nCtrl+C ends it.");
    // Nobody else works here, so either signal ends it at once.
    let _ = stop.received().await;
    server.stop().await;
    if let Some(vnc) = vnc {
        vnc.stop().await;
    }
    ssh.stop().await;
    Ok(())
}
