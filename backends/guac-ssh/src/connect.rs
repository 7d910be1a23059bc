//! Reaching the machine, and making sure that it is the one.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::PublicKeyOrCertificate;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::backend::Console;
use crate::error::SshError;
use crate::hostkey::{HostKey, HostKeyError, HostKeyStore, Verdict, is_set_key};
use crate::params::SshParams;
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

/// What the library's task and the session share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Upstream {
    pub(crate) budget: Budget,
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
    pub(crate) fn show_notes(&mut self, console: &mut Console) {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        if !notes.is_empty() {
            console.show_message(&notes);
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

/// Connects and exchanges keys. `cut` ends the connection at any time.
///
/// # Cancel safety
/// If the future is dropped the connection may stay open until `cut` is cancelled.
pub(crate) async fn connect(
    params: &SshParams,
    store: Arc<dyn HostKeyStore>,
    cut: CancellationToken,
    upstream: Upstream,
) -> Result<Handle<Client>, SshError> {
    let stream = reach(params).await?;
    let config = client::Config {
        client_id: russh::SshId::Standard(Cow::Borrowed("SSH-2.0-guacd-lite")),
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        channel_buffer_size: CHANNEL_PACKETS,
        keepalive_interval: params.alive_interval,
        keepalive_max: KEEPALIVE_MAX,
        nodelay: true,
        ..client::Config::default()
    };
    let client = Client {
        host: params.host.clone(),
        port: params.port,
        host_key: params.host_key.clone(),
        store,
        upstream: upstream.clone(),
    };
    let transport = Transport::new(stream, cut, upstream.budget);
    timeout(HANDSHAKE, client::connect_stream(Arc::new(config), transport, client))
        .await
        .map_err(|_| SshError::Timeout { after: HANDSHAKE })?
}

/// Finds the machine and opens a socket to the first of its addresses that answers.
async fn reach(params: &SshParams) -> Result<TcpStream, SshError> {
    let host = params.host.trim();
    if host.is_empty() {
        return Err(SshError::NoHost);
    }
    let after = params.timeout;
    let deadline = Instant::now() + after;
    let late = |_| SshError::Timeout { after };
    let addresses = timeout_at(deadline, tokio::net::lookup_host((host, params.port)))
        .await
        .map_err(late)?
        .map_err(|source| SshError::UnknownHost { source: Some(source) })?;
    let mut last = SshError::UnknownHost { source: None };
    for address in addresses {
        match timeout_at(deadline, TcpStream::connect(address)).await.map_err(late)? {
            Ok(stream) => {
                // Keys are small packets that must not wait for each other.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "Socket without TCP_NODELAY");
                }
                return Ok(stream);
            }
            Err(error) => last = SshError::from_connect(error, after),
        }
    }
    Err(last)
}
