//! What this node has open, and what it still has to write down.

use std::collections::{HashMap, HashSet, VecDeque};

use guac_auth_mysql::ConnectionHistoryKey;
use guac_auth_mysql::cluster::{ClusterSeat, ClusterTunnel};
use guac_tunnel::OwnerKey;
use tokio::time::Instant;

/// All of it. What ends is noted here and written down when the database is there.
#[derive(Default)]
pub(super) struct Open {
    /// By name.
    pub(super) tunnels: HashMap<String, ClusterTunnel>,
    /// By name.
    pub(super) seats: HashMap<String, ClusterSeat>,
    /// In the order it happened. Bounded by what could be open when the database went away.
    outbox: VecDeque<Ended>,
    /// Logins that ended here: until that is written down they must not be taken up from the database again.
    logins: HashSet<OwnerKey>,
}

/// Something that ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) what: What,
    pub(super) at: Instant,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Login(OwnerKey),
    Tunnel(String, ConnectionHistoryKey),
    Seat(String),
}

impl Open {
    pub(super) fn end_login(&mut self, key: OwnerKey) {
        self.logins.insert(key);
        self.note(What::Login(key));
    }

    pub(super) fn has_ended(&self, key: OwnerKey) -> bool {
        self.logins.contains(&key)
    }

    pub(super) fn end_tunnel(&mut self, uuid: &str, record: ConnectionHistoryKey) {
        self.tunnels.remove(uuid);
        self.note(What::Tunnel(uuid.to_owned(), record));
    }

    pub(super) fn end_seat(&mut self, id: &str) {
        self.seats.remove(id);
        self.note(What::Seat(id.to_owned()));
    }

    /// Whether nothing is open and everything is written down.
    pub(super) fn is_done(&self) -> bool {
        self.tunnels.is_empty() && self.seats.is_empty() && self.outbox.is_empty()
    }

    fn note(&mut self, what: What) {
        self.outbox.push_back(Ended { what, at: Instant::now() });
    }

    pub(super) fn first(&self) -> Option<Ended> {
        self.outbox.front().cloned()
    }

    pub(super) fn done(&mut self, ended: &Ended) {
        self.outbox.pop_front();
        if let What::Login(key) = ended.what {
            self.logins.remove(&key);
        }
    }
}
