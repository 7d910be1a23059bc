//! An SSH server on loopback that runs the user's own shell for whoever has the one key made for this run.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use pty_process::{OwnedReadPty, OwnedWritePty, Size};
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Server as _, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Pty};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes read from a shell at once.
const READ_BYTES: usize = 32 * 1024;

/// The running server.
pub(crate) struct SshTarget {
    address: SocketAddr,
    client_key: String,
    host_key: String,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl SshTarget {
    /// Makes two keys and listens on a free port of the loopback interface.
    pub(crate) async fn start() -> Result<Self> {
        let host_key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)?;
        let client_key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)?;
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let host_key_line = host_key.public_key().to_openssh()?;
        let config = Config {
            keys: vec![host_key],
            auth_rejection_time: Duration::from_secs(1),
            inactivity_timeout: None,
            nodelay: true,
            ..Config::default()
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut factory = Factory { key: client_key.public_key().clone(), tasks: tasks.clone(), stop: stop.clone() };
        let stopped = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                result = factory.run_on_socket(Arc::new(config), &socket) => {
                    if let Err(error) = result {
                        tracing::error!(%error, "The demo's SSH server ended");
                    }
                }
            }
        });
        let client_key = client_key.to_openssh(LineEnding::LF)?.to_string();
        Ok(Self { address, client_key, host_key: host_key_line, tasks, stop })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Parameters of a connection to it.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        [
            ("hostname", self.address.ip().to_string()),
            ("port", self.address.port().to_string()),
            ("username", std::env::var("USER").unwrap_or_else(|_| "demo".to_owned())),
            ("private-key", self.client_key.clone()),
            ("host-key", self.host_key.clone()),
            ("terminal-type", "xterm-256color".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Ends it and every shell it started.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[derive(Clone)]
struct Factory {
    key: PublicKey,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl russh::server::Server for Factory {
    type Handler = Shells;

    fn new_client(&mut self, _peer: Option<SocketAddr>) -> Shells {
        Shells { factory: self.clone(), requested: HashMap::new(), running: HashMap::new() }
    }
}

/// What was asked for a channel before its shell starts.
struct Requested {
    terminal: String,
    size: Size,
    environment: Vec<(String, String)>,
}

/// One client's channels.
struct Shells {
    factory: Factory,
    requested: HashMap<ChannelId, Requested>,
    running: HashMap<ChannelId, Arc<Mutex<OwnedWritePty>>>,
}

fn size(columns: u32, rows: u32) -> Size {
    let clamp = |cells: u32| u16::try_from(cells.clamp(1, 1024)).unwrap_or(80);
    Size::new(clamp(rows), clamp(columns))
}

impl Handler for Shells {
    type Error = anyhow::Error;

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth> {
        let same = key.public_key.key_data() == self.factory.key.key_data();
        Ok(if same { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<()> {
        let fresh = Requested { terminal: "xterm-256color".to_owned(), size: size(80, 24), environment: Vec::new() };
        self.requested.insert(channel.id(), fresh);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        terminal: &str,
        columns: u32,
        rows: u32,
        _width_px: u32,
        _height_px: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<()> {
        if let Some(requested) = self.requested.get_mut(&channel) {
            requested.terminal = terminal.to_owned();
            requested.size = size(columns, rows);
        }
        session.channel_success(channel)?;
        Ok(())
    }

    async fn env_request(&mut self, channel: ChannelId, name: &str, value: &str, session: &mut Session) -> Result<()> {
        // As OpenSSH's default on Debian: language settings only.
        let allowed = name == "LANG" || name == "TZ" || name.starts_with("LC_");
        if let Some(requested) =
            self.requested.get_mut(&channel).filter(|requested| allowed && requested.environment.len() < 16)
        {
            requested.environment.push((name.to_owned(), value.to_owned()));
            session.channel_success(channel)?;
        } else {
            session.channel_failure(channel)?;
        }
        Ok(())
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<()> {
        let Some(requested) = self.requested.remove(&channel) else {
            session.channel_failure(channel)?;
            return Ok(());
        };
        let (pty, pts) = pty_process::open().context("no pseudo-terminal")?;
        pty.resize(requested.size)?;
        let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
        let mut command = pty_process::Command::new(shell)
            .arg("-i")
            .env("TERM", requested.terminal)
            .envs(requested.environment)
            .kill_on_drop(true);
        if let Some(home) = std::env::var_os("HOME") {
            command = command.current_dir(home);
        }
        let child = command.spawn(pts).context("the shell does not start")?;
        let (reader, writer) = pty.into_split();
        self.running.insert(channel, Arc::new(Mutex::new(writer)));
        session.channel_success(channel)?;
        let (handle, stop) = (session.handle(), self.factory.stop.clone());
        self.factory.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = relay(reader, child, &handle, channel) => {}
            }
            // The client may be gone.
            let _ = handle.close(channel).await;
        });
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _session: &mut Session) -> Result<()> {
        if let Some(writer) = self.running.get(&channel) {
            writer.lock().await.write_all(data).await?;
        }
        Ok(())
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        _width_px: u32,
        _height_px: u32,
        _session: &mut Session,
    ) -> Result<()> {
        if let Some(writer) = self.running.get(&channel) {
            writer.lock().await.resize(size(columns, rows))?;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<()> {
        self.running.remove(&channel);
        Ok(())
    }
}

/// Sends what the shell writes until it ends. Dropped, it kills the shell.
async fn relay(mut reader: OwnedReadPty, mut child: tokio::process::Child, handle: &Handle, channel: ChannelId) {
    let mut buffer = vec![0; READ_BYTES];
    // Reading fails with EIO when the shell is gone: that is its end.
    while let Ok(len @ 1..) = reader.read(&mut buffer).await {
        let data = buffer.get(..len).unwrap_or_default().to_vec();
        if handle.data(channel, data).await.is_err() {
            return;
        }
    }
    let code = child.wait().await.ok().and_then(|status| status.code()).unwrap_or(0);
    let _ = handle.exit_status_request(channel, code.unsigned_abs()).await;
    let _ = handle.eof(channel).await;
}
