//! Several nodes on one database: what each knows of the others, and what it tells them.
//!
//! The database is all that nodes share. Each node writes down that it lives and what it has open, and looks now and
//! then what the others have written. Without a cluster none of this is used.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use guac_protocol::TunnelUuid;
use secrecy::SecretString;

use crate::peers::Peer;

/// How a node takes part in a cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// For the log and for operators; each node has its own.
    pub name: String,
    /// The same on all nodes, and nowhere else: 32 random bytes or more, in any form of text.
    pub secret: SecretString,
    /// A node that is silent for this long is taken for dead.
    pub lease: Duration,
}

/// A node's place in its cluster. Cheap to clone: clones are the same.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    config: ClusterConfig,
    /// Where others reach this node, and the certificate it shows there.
    announced: Mutex<Option<Peer>>,
}

impl Cluster {
    /// Says where other nodes reach this one, and the SHA-256 of the certificate it shows there. To be called before
    /// the application is made.
    pub fn announce(&self, certificate: [u8; 32], address: &str) {
        let peer = Peer { name: self.0.config.name.clone(), address: address.to_owned(), certificate };
        *self.0.announced.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
    }

    /// The other live node that has this tunnel; `None` where it is this one, or none is known.
    ///
    /// # Cancel safety
    /// Cancel safe.
    #[expect(clippy::unused_async, reason = "asks the database once that is there")]
    pub async fn owner_of(&self, _tunnel: &TunnelUuid) -> Option<Peer> {
        None
    }

    /// The other live nodes whose row was written by somebody who has the secret.
    ///
    /// # Cancel safety
    /// Cancel safe.
    #[expect(clippy::unused_async, reason = "asks the database once that is there")]
    pub async fn peers(&self) -> Vec<Peer> {
        Vec::new()
    }

    /// The one of [`peers`](Self::peers) that shows this certificate. From memory, and from the database, now and
    /// then at most, for those not known there.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn peer_by_certificate(&self, certificate: [u8; 32]) -> Option<Peer> {
        self.peers().await.into_iter().find(|peer| peer.certificate == certificate)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.0.config.name).finish_non_exhaustive()
    }
}
