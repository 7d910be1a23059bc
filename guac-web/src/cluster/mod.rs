//! Several nodes on one database: what each knows of the others, and what it tells them.
//!
//! The database is all that nodes share. Each node writes down that it lives and what it has open, and looks now and
//! then what the others have written. What lives here never waits for it. Without a cluster none of this is used.

mod anywhere;
mod keys;
mod logins;
mod open;
mod tick;

pub(crate) use self::anywhere::share_hash;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use guac_auth_mysql::cluster::{Beat, ClusterStore, Digest, NewClusterTunnel, Node, Place, SeatError};
use guac_auth_mysql::{
    ConnectionHistoryKey, HistoryRecord, NewConnectionRecord, SchemaError, Store, StoreError, UserKey,
};
use guac_protocol::{ConnectionId, TunnelUuid};
use rand::Rng as _;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::keys::Keys;
pub(crate) use self::keys::SealKey;
use self::open::{Open, What};
use crate::peers::{CertificateSum, Peer};

/// A list of nodes that is younger is not asked for again, whoever knocks.
const NODES_KEPT: Duration = Duration::from_secs(1);

/// How a node takes part in a cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// For the log and for operators; each node has its own. Cut to 128 characters.
    pub name: String,
    /// The same on all nodes, and nowhere else: 32 random bytes or more, in any form of text.
    pub secret: SecretString,
    /// A node that is silent for this long is taken for dead.
    pub lease: Duration,
}

impl ClusterConfig {
    /// A lease that outlives a slow database, and leaves people time to be back within half a minute.
    pub const DEFAULT_LEASE: Duration = Duration::from_secs(15);

    /// Checks what can be without the database.
    ///
    /// # Errors
    /// [`ClusterError::ShortSecret`]
    pub fn check(&self) -> Result<(), ClusterError> {
        Keys::new(&self.secret).map(drop)
    }
}

/// Why a node cannot take part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// *Caller*: the secret could be guessed.
    #[error("the cluster's secret is shorter than {least} bytes: make one of random bytes, the same for all nodes")]
    ShortSecret {
        /// How many it has to have.
        least: usize,
    },
    /// The tables cannot be made.
    #[error("the cluster's tables are not there")]
    Tables(#[from] SchemaError),
    /// *Us*: a key cannot be made.
    #[error("a cryptographic operation failed")]
    Crypto,
}

/// A node's place in its cluster. Cheap to clone: clones are the same. One for one application.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    store: ClusterStore,
    keys: Keys,
    lease: Duration,
    node: Mutex<Myself>,
    open: Mutex<Open>,
    nodes: Mutex<Nodes>,
    /// There is something to write down.
    wake: Notify,
}

/// This node, as it shows itself.
struct Myself {
    node: Node,
    /// Others do not know it like this yet.
    changed: bool,
}

/// The others as they were seen last.
#[derive(Default)]
struct Nodes {
    at: Option<Instant>,
    peers: Vec<(String, Peer)>,
}

impl Cluster {
    /// Takes part. Others see it once an application runs with it.
    ///
    /// # Errors
    /// [`ClusterError::ShortSecret`]; [`ClusterError::Tables`] while the database is away or where its user may not
    /// make what is missing.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn join(store: Store, config: ClusterConfig) -> Result<Self, ClusterError> {
        let keys = Keys::new(&config.secret)?;
        let id: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(32).map(char::from).collect();
        let id = id.to_lowercase();
        let store = ClusterStore::join(store, id.clone()).await?;
        let name = config.name.chars().take(128).collect();
        let mut node =
            Node { id, name, address: String::new(), certificate: Digest::default(), mac: Digest::default() };
        keys.sign(&mut node);
        Ok(Self(Arc::new(Inner {
            store,
            keys,
            lease: config.lease,
            node: Mutex::new(Myself { node, changed: true }),
            open: Mutex::default(),
            nodes: Mutex::default(),
            wake: Notify::new(),
        })))
    }

    /// Says where other nodes reach this one, and the SHA-256 of the certificate it shows there. Best before the
    /// application is made: others find it once they know.
    pub fn announce(&self, certificate: CertificateSum, address: &str) {
        let mut myself = lock(&self.0.node);
        address.clone_into(&mut myself.node.address);
        myself.node.certificate = certificate;
        self.0.keys.sign(&mut myself.node);
        myself.changed = true;
        drop(myself);
        self.0.wake.notify_one();
    }

    /// This node's own name, new with each start.
    #[must_use]
    pub fn node_id(&self) -> String {
        lock(&self.0.node).node.id.clone()
    }

    /// The other live nodes whose row was written by somebody who has the secret. From memory where that is fresh or
    /// the database is away.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn peers(&self) -> Vec<Peer> {
        if !self.has_fresh_nodes()
            && let Err(error) = self.load_nodes().await
        {
            tracing::debug!(%error, "Nodes not asked for");
        }
        lock(&self.0.nodes).peers.iter().map(|(_, peer)| peer.clone()).collect()
    }

    /// The other live node that has this tunnel; `None` where it is this one, or none is known.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn owner_of(&self, tunnel: &TunnelUuid) -> Option<Peer> {
        match self.find_owner(tunnel).await {
            Ok(peer) => peer,
            Err(error) => {
                tracing::debug!(%error, %tunnel, "Node of a tunnel not asked for");
                None
            }
        }
    }

    /// The one of [`peers`](Self::peers) that shows this certificate. From memory, and from the database, now and
    /// then at most, for those not known there.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn peer_by_certificate(&self, certificate: CertificateSum) -> Option<Peer> {
        let known = lock(&self.0.nodes).peers.iter().find(|(_, peer)| peer.certificate == certificate).cloned();
        match known {
            Some((_, peer)) => Some(peer),
            None => self.peers().await.into_iter().find(|peer| peer.certificate == certificate),
        }
    }

    /// Seals something small that nodes keep together, by the cluster's secret.
    ///
    /// # Errors
    /// [`ClusterError::Crypto`], which does not happen.
    pub fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, ClusterError> {
        self.0.keys.value().seal(name.as_bytes(), plain)
    }

    /// Opens what [`seal`](Self::seal) sealed under the same name. `None`: it did not.
    #[must_use]
    pub fn unseal(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.keys.value().open(name.as_bytes(), sealed)
    }

    /// What nodes keep together.
    #[must_use]
    pub fn store(&self) -> &ClusterStore {
        &self.0.store
    }

    /// The node that a tunnel of another node lives on.
    async fn find_owner(&self, tunnel: &TunnelUuid) -> Result<Option<Peer>, StoreError> {
        let node = self.0.store.node_of(&tunnel.to_string()).await?;
        Ok(node.filter(|node| node.id != self.node_id() && self.0.keys.is_signed(node)).and_then(peer_of))
    }

    fn has_fresh_nodes(&self) -> bool {
        lock(&self.0.nodes).at.is_some_and(|at| at.elapsed() < NODES_KEPT)
    }

    async fn load_nodes(&self) -> Result<Vec<(Node, Beat)>, StoreError> {
        // Set beforehand: while the database is away, one asks and the others have the answer of before.
        lock(&self.0.nodes).at = Some(Instant::now());
        let (own, all) = (self.node_id(), self.0.store.nodes().await?);
        let others = all.iter().filter(|(node, _)| node.id != own && self.0.keys.is_signed(node));
        let peers = others.filter_map(|(node, _)| Some((node.id.clone(), peer_of(node.clone())?))).collect();
        *lock(&self.0.nodes) = Nodes { at: Some(Instant::now()), peers };
        Ok(all)
    }

    pub(crate) async fn take_seat(
        &self,
        place: Place,
        user: UserKey,
        per_user: u32,
        total: u32,
    ) -> Result<Taken, SeatError> {
        let seat = self.0.store.take_seat(place, user, per_user, total).await?;
        let id = seat.id.clone();
        self.open().seats.insert(id.clone(), seat);
        Ok(Taken { cluster: self.clone(), id })
    }

    /// Notes a tunnel with its row of history.
    pub(crate) async fn open_tunnel(
        &self,
        record: &NewConnectionRecord<'_>,
        new: &NewClusterTunnel<'_>,
    ) -> Result<(HistoryRecord<ConnectionHistoryKey>, SystemTime), StoreError> {
        let (opened, tunnel) = self.0.store.open_tunnel(record, new).await?;
        let started = tunnel.started;
        self.open().tunnels.insert(tunnel.uuid.clone(), tunnel);
        Ok((opened, started))
    }

    /// Lets others see a tunnel.
    pub(crate) async fn show_tunnel(&self, uuid: &TunnelUuid, session: &ConnectionId) -> Result<(), StoreError> {
        let (uuid, session) = (uuid.to_string(), session.to_string());
        self.0.store.show_tunnel(&uuid, &session).await?;
        if let Some(tunnel) = self.open().tunnels.get_mut(&uuid) {
            tunnel.session = Some(session);
        }
        Ok(())
    }

    /// Notes that a tunnel is over.
    pub(crate) fn end_tunnel(&self, uuid: &TunnelUuid, record: ConnectionHistoryKey) {
        self.open().end_tunnel(&uuid.to_string(), record);
        self.0.wake.notify_one();
    }

    /// Writes down what ended, the oldest first, until the database fails.
    async fn write_down(&self) -> Result<(), StoreError> {
        loop {
            let Some(ended) = self.open().first() else { return Ok(()) };
            let (store, ago) = (&self.0.store, ended.at.elapsed());
            let done = match &ended.what {
                What::Login(key) => store.end_login(&key.0, ago).await,
                What::Tunnel(uuid, record) => store.close_tunnel(uuid, *record, ago).await,
                What::Seat(id) => store.free_seat(id).await,
            };
            match done {
                Ok(()) => {}
                // It would be refused again and again, and hold up everything behind it.
                Err(error @ StoreError::Query { .. }) => tracing::error!(%error, "An end could not be written down"),
                Err(error) => return Err(error),
            }
            self.open().done(&ended);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        lock(&self.0.open)
    }
}

/// `None`: it has no peer port.
fn peer_of(node: Node) -> Option<Peer> {
    let Node { name, address, certificate, .. } = node;
    (!address.is_empty()).then_some(Peer { name, address, certificate })
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("node", &self.node_id()).finish_non_exhaustive()
    }
}

/// A seat of the cluster's; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Taken {
    cluster: Cluster,
    id: String,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.cluster.open().end_seat(&self.id);
        self.cluster.0.wake.notify_one();
    }
}

/// Nothing panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
