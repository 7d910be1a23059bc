//! Reaching the machine, and making sure that it is the one.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use guac_session::TargetError;
use russh::client::{self, Handle, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Disconnect};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::auth::{self, Attendant};
use crate::error::SshError;
use crate::hostkey::{HostKey, HostKeyError, HostKeyStore, Verdict, is_set_key};
use crate::params::{Credentials, Target};
use crate::transport::{Budget, Transport};

/// Time for the key exchange. OpenSSH gives a whole login two minutes; slow small machines need some seconds.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// Bytes of a channel under way. Small, so that Ctrl-C is not behind megabytes of output; large enough for any pty.
const WINDOW_BYTES: u32 = 256 << 10;

/// Largest packet, as all implementations take it.
const PACKET_BYTES: u32 = 32 << 10;

/// Packets that may wait for the terminal. Past it the socket is not read, so the machine waits.
const CHANNEL_PACKETS: usize = 16;

/// Keep-alives without an answer until the connection counts as lost, as OpenSSH.
const KEEPALIVE_MAX: usize = 3;

/// Longest text that the machine may show before the login.
const MAX_NOTES_BYTES: usize = 16 << 10;

/// What the library's task and the connection share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Upstream {
    budget: Budget,
    notes: Arc<Mutex<String>>,
}

impl Upstream {
    fn note(&self, text: &str) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for c in text.chars() {
            if notes.len() + c.len_utf8() > MAX_NOTES_BYTES {
                break;
            }
            notes.push(c);
        }
    }

    /// Shows what came since the last time.
    pub(crate) fn show_notes(&self, attendant: &mut impl Attendant) {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        if !notes.is_empty() {
            attendant.show_message(&notes);
        }
    }
}

/// Hears what the library has to say.
pub(crate) struct Client {
    host: String,
    port: u16,
    host_key: Option<String>,
    store: Arc<dyn HostKeyStore>,
    upstream: Upstream,
}

impl client::Handler for Client {
    type Error = SshError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            // We offer no certificate algorithms, so none can have been agreed upon.
            return Err(SshError::BadHostKeyParameter);
        };
        let key = HostKey::new(key);
        let changed = || SshError::HostKeyChanged { fingerprint: key.fingerprint().to_owned() };
        if let Some(parameter) = &self.host_key {
            return match is_set_key(parameter, &key) {
                Some(true) => Ok(true),
                Some(false) => Err(changed()),
                None => Err(SshError::BadHostKeyParameter),
            };
        }
        let (store, host, port, shown) = (Arc::clone(&self.store), self.host.clone(), self.port, key.clone());
        let verdict = tokio::task::spawn_blocking(move || store.check(&host, port, &shown))
            .await
            .unwrap_or_else(|error| Err(HostKeyError::Io(error.into())));
        match verdict.map_err(|source| SshError::HostKeyStore { source })? {
            Verdict::Known => {}
            Verdict::New => {
                tracing::info!(fingerprint = key.fingerprint(), "Host key is new and remembered");
                self.upstream.note(&format!(
                    "First connection to {}. Its host key is remembered:\n{} {}\n",
                    self.host,
                    key.algorithm(),
                    key.fingerprint()
                ));
            }
            Verdict::Changed => return Err(changed()),
        }
        Ok(true)
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut client::Session) -> Result<(), SshError> {
        self.upstream.note(banner);
        Ok(())
    }
}

/// An SSH connection. Dropping it cuts it.
pub struct Connection {
    handle: Handle<Client>,
    upstream: Upstream,
    /// Ends the library's task: its socket is cut.
    cut: CancellationToken,
    _cut_on_drop: DropGuard,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, exchanges keys and makes sure that the machine is the one.
    ///
    /// # Errors
    /// [`SshError`] if nobody answers, or somebody else does.
    ///
    /// # Cancel safety
    /// If the future is dropped the connection is cut.
    pub async fn open(target: &Target, store: Arc<dyn HostKeyStore>) -> Result<Self, SshError> {
        let (cut, upstream) = (CancellationToken::new(), Upstream::default());
        let cut_on_drop = cut.clone().drop_guard();
        let stream = reach(target).await?;
        let config = client::Config {
            client_id: russh::SshId::Standard(Cow::Borrowed("SSH-2.0-guacd-lite")),
            window_size: WINDOW_BYTES,
            maximum_packet_size: PACKET_BYTES,
            channel_buffer_size: CHANNEL_PACKETS,
            keepalive_interval: target.alive_interval,
            keepalive_max: KEEPALIVE_MAX,
            nodelay: true,
            ..client::Config::default()
        };
        let client = Client {
            host: target.host.clone(),
            port: target.port,
            host_key: target.host_key.clone(),
            store,
            upstream: upstream.clone(),
        };
        let transport = Transport::new(stream, cut.clone(), upstream.budget.clone());
        let handle = timeout(HANDSHAKE, client::connect_stream(Arc::new(config), transport, client))
            .await
            .map_err(|_| SshError::Timeout { after: HANDSHAKE })??;
        Ok(Self { handle, upstream, cut, _cut_on_drop: cut_on_drop })
    }

    /// Logs in; from then on the machine may send as much as it likes.
    ///
    /// # Errors
    /// [`SshError::Refused`] if nothing helps, and whatever else ends the connection or the attendant's part.
    pub async fn log_in<A: Attendant>(&mut self, credentials: &Credentials, attendant: &mut A) -> Result<(), A::Stop> {
        self.upstream.show_notes(attendant);
        auth::log_in(attendant, &mut self.handle, credentials, &self.upstream).await?;
        self.upstream.budget.lift();
        Ok(())
    }

    /// Opens a channel for a shell, a command or a subsystem.
    ///
    /// # Errors
    /// [`SshError::NotOpened`] if the machine refuses.
    pub async fn open_session(&self) -> Result<Channel<Msg>, SshError> {
        self.handle.channel_open_session().await.map_err(|error| match error {
            russh::Error::ChannelOpenFailure(_) | russh::Error::RequestDenied => {
                SshError::NotOpened { what: "session" }
            }
            error => error.into(),
        })
    }

    /// Takes leave and waits until no task of the library is left. The error says why the connection had ended before,
    /// if it had.
    ///
    /// # Errors
    /// What the library's task ended with.
    pub async fn close(mut self) -> Result<(), SshError> {
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
        self.cut.cancel();
        (&mut self.handle).await
    }
}

/// Finds the machine and opens a socket to the first of its addresses that is permitted and answers. All SSH
/// connections begin here.
async fn reach(target: &Target) -> Result<TcpStream, SshError> {
    let host = target.host.trim();
    if host.is_empty() {
        return Err(SshError::NoHost);
    }
    let after = target.timeout;
    let deadline = Instant::now() + after;
    let late = |_| SshError::Timeout { after };
    let stream = timeout_at(deadline, target.targets.connect(host, target.port)).await.map_err(late)?;
    let stream = stream.map_err(|error| match error {
        TargetError::Refused => SshError::NotAllowed,
        TargetError::Unknown { source } => SshError::UnknownHost { source: Some(source) },
        TargetError::Connect { source } => SshError::from_connect(source, after),
        error => SshError::Unreachable { source: std::io::Error::other(error) },
    })?;
    // Keys are small packets that must not wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "Socket without TCP_NODELAY");
    }
    Ok(stream)
}
