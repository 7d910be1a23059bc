//! The peer port: connections from other nodes.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use guac_tunnel::serve_guacd;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::identity::{ALPN_GUACD, ALPN_HTTP, sum_of};
use super::join::JoinsOnly;
use super::{Peer, Peers, dial};
use crate::WebApp;

/// Connections that have not proved yet whose they are. Nodes connect in milliseconds.
const MAX_HALF_OPEN: usize = 64;

/// Who has not proved it by then is no node.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// A node that has just come may not be in the directory's memory: it is looked for again after a pause that is longer
/// than a directory goes by memory.
const SECOND_LOOK: Duration = Duration::from_millis(1200);

/// Serves other nodes. Clones are the same. Listening is the embedder's.
#[derive(Clone)]
pub struct PeerPort {
    app: WebApp,
    peers: Peers,
    half_open: Arc<Semaphore>,
}

impl PeerPort {
    pub(crate) fn new(app: WebApp, peers: Peers) -> Self {
        Self { app, peers, half_open: Arc::new(Semaphore::new(MAX_HALF_OPEN)) }
    }

    /// Serves one accepted connection until it ends. Failures are logged at debug: anybody who reaches the port can
    /// cause them.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let Ok(half_open) = self.half_open.try_acquire() else {
            tracing::debug!(peer = %address, "Peer port has as many half-open connections as allowed");
            return;
        };
        let (stream, peer) = match timeout(HANDSHAKE_TIMEOUT, self.identify(stream)).await {
            Ok(Ok(identified)) => identified,
            Ok(Err(error)) => {
                tracing::debug!(peer = %address, %error, "Connection to the peer port refused");
                return;
            }
            Err(_) => {
                tracing::debug!(peer = %address, "Connection to the peer port said not in time whose it is");
                return;
            }
        };
        drop(half_open);
        let serve = async {
            match stream.get_ref().1.alpn_protocol() {
                Some(ALPN_GUACD) => {
                    let host = JoinsOnly(self.app.app.clone());
                    let limits = &self.app.app.config.tunnel_limits;
                    match serve_guacd(stream, &host, limits).await {
                        Ok(ended) => tracing::debug!(node = peer.name, ?ended, "Join from a node ended"),
                        Err(error) => tracing::debug!(node = peer.name, %error, "Join from a node cut off"),
                    }
                }
                Some(ALPN_HTTP) => self.app.serve_peer(stream, address).await,
                // The handshake fails without a protocol of ours, unless none was asked for.
                _ => tracing::debug!(node = peer.name, "Connection of a node without a protocol"),
            }
        };
        tokio::select! {
            () = serve => {}
            () = self.peers.is_gone(peer.certificate) => {
                tracing::debug!(node = peer.name, "Connection of a node that is gone closed");
            }
        }
    }

    /// Finds out whose connection it is. Nothing is read but the handshake before that is known.
    async fn identify(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Peer)> {
        dial::tune(&stream);
        let shared = &self.peers.0;
        let stream = TlsAcceptor::from(shared.identity.server()).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let sum = sum_of(shown.ok_or_else(|| io::Error::other("no certificate shown"))?);
        let mut peer = shared.directory.peer_by_certificate(sum).await;
        if peer.is_none() {
            sleep(SECOND_LOOK).await;
            peer = shared.directory.peer_by_certificate(sum).await;
        }
        let peer = peer.ok_or_else(|| io::Error::other("the certificate is of no node"))?;
        Ok((stream, peer))
    }
}

impl fmt::Debug for PeerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerPort").finish_non_exhaustive()
    }
}
