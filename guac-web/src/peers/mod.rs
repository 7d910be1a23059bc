//! The other nodes of a cluster: what lives there is served from here all the same, whichever node a browser's
//! connection lands on.
//!
//! Two things go over the peer port, told apart by TLS's ALPN: requests for a tunnel of another node (`http/1.1`),
//! and joins of a session of another node (`guacd`). Both ends show a certificate, and each knows the other's by its
//! SHA-256 from the [`PeerDirectory`]; no authority vouches for any.

mod dial;
mod forward;
mod headers;
mod identity;
mod join;
mod known;
mod pool;
mod port;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use guac_protocol::TunnelUuid;
use guac_tunnel::{SessionHost, TunnelLimits};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use forward::{PassedOn, forward};
pub(crate) use headers::{ADDED, FromPeer};
pub use identity::{IdentityError, PeerIdentity};
pub use port::PeerPort;

use crate::cluster::Cluster;
use crate::state::App;

/// The SHA-256 of a certificate in DER.
pub type CertificateSum = [u8; 32];

/// Requests that one node passes on at once. A tunnel over HTTP keeps two or three, and so does a file that is
/// copied: as many as a few hundred users make whose connections all land on the wrong node.
const MAX_FORWARDS: usize = 1024;

/// Questions to the directory at once: each may be one to the database, and anybody can ask for tunnels that are not.
const MAX_LOOKUPS: usize = 16;

/// A tunnel that is not found by then is not there.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a node is asked for in the directory while it is connected.
const LIVENESS_INTERVAL: Duration = Duration::from_secs(10);

/// What is passed on may end by itself for this long once the node stops.
const FORWARDS_GRACE: Duration = Duration::from_secs(3);

/// Another node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// For the log.
    pub name: String,
    /// Its peer port: host or address, and port.
    pub address: String,
    /// The certificate that it shows.
    pub certificate: CertificateSum,
}

/// Which nodes there are and what lives where.
pub trait PeerDirectory: Send + Sync + 'static {
    /// The node that has this tunnel; `None` where no live node has it, or it is not known.
    ///
    /// # Cancel safety
    /// Dropping the future gives the question up.
    fn owner_of<'a>(&'a self, tunnel: &'a TunnelUuid) -> BoxFuture<'a, Option<Peer>>;

    /// The live node that shows this certificate. Asked on each connection of a peer and now and then while it lasts:
    /// answer from memory where that has it, and look further for the unknown with moderation, for anybody who
    /// reaches the port can show a certificate.
    ///
    /// # Cancel safety
    /// Dropping the future gives the question up.
    fn peer_by_certificate(&self, certificate: CertificateSum) -> BoxFuture<'_, Option<Peer>>;
}

impl PeerDirectory for Cluster {
    fn owner_of<'a>(&'a self, tunnel: &'a TunnelUuid) -> BoxFuture<'a, Option<Peer>> {
        Box::pin(Cluster::owner_of(self, tunnel))
    }

    fn peer_by_certificate(&self, certificate: CertificateSum) -> BoxFuture<'_, Option<Peer>> {
        Box::pin(Cluster::peer_by_certificate(self, certificate))
    }
}

/// The way to the other nodes; clones are the same.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Shared>);

struct Shared {
    limits: TunnelLimits,
    tasks: TaskTracker,
    identity: PeerIdentity,
    directory: Arc<dyn PeerDirectory>,
    /// Where tunnels were found.
    known: known::Known,
    pool: pool::Pool,
    forwards: Arc<Semaphore>,
    lookups: Semaphore,
    /// Cancelled when what is passed on must end.
    cut: CancellationToken,
}

impl Peers {
    pub(crate) fn new(app: &App, identity: PeerIdentity, directory: Arc<dyn PeerDirectory>) -> Self {
        let peers = Self(Arc::new(Shared {
            limits: app.config.tunnel_limits.clone(),
            tasks: app.tracker.clone(),
            identity,
            directory,
            known: known::Known::default(),
            pool: pool::Pool::default(),
            forwards: Arc::new(Semaphore::new(MAX_FORWARDS)),
            lookups: Semaphore::new(MAX_LOOKUPS),
            cut: CancellationToken::new(),
        }));
        let (draining, forwards, cut) = (app.draining.clone(), Arc::clone(&peers.0.forwards), peers.0.cut.clone());
        app.tracker.spawn(async move {
            draining.cancelled().await;
            let all = u32::try_from(MAX_FORWARDS).unwrap_or(u32::MAX);
            let _ = timeout(FORWARDS_GRACE, forwards.acquire_many(all)).await;
            cut.cancel();
        });
        peers
    }

    /// The other node that has a tunnel.
    async fn owner_of(&self, tunnel: &TunnelUuid) -> Option<Peer> {
        if let Some(peer) = self.0.known.find(tunnel) {
            return Some(peer);
        }
        let ask = async {
            let _turn = self.0.lookups.acquire().await.ok()?;
            self.0.directory.owner_of(tunnel).await
        };
        let peer = timeout(LOOKUP_TIMEOUT, ask).await.ok().flatten()?;
        // What the directory believes to be here is over.
        if peer.certificate == self.0.identity.certificate_sum() {
            return None;
        }
        self.0.known.enter(tunnel, &peer);
        Some(peer)
    }

    /// Waits until a node is no live one any more. Twice in a row, for a directory may err while it recovers.
    async fn is_gone(&self, certificate: CertificateSum) {
        let mut misses = 0;
        while misses < 2 {
            sleep(LIVENESS_INTERVAL).await;
            let found = self.0.directory.peer_by_certificate(certificate).await;
            misses = if found.is_some() { 0 } else { misses + 1 };
        }
    }

    /// Requests that are being passed on.
    pub(crate) fn passed_on(&self) -> usize {
        MAX_FORWARDS.saturating_sub(self.0.forwards.available_permits())
    }

    /// Where sessions of other nodes are joined, at the first that has them. It opens nothing new.
    pub(crate) fn host(&self, nodes: Vec<Peer>) -> Arc<dyn SessionHost> {
        Arc::new(join::PeerHost::new(self.clone(), nodes))
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}
