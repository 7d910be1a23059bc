//! Which tunnels live, whose they are, and how to end them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use guac_protocol::{ConnectionId, Status, TunnelUuid};
use tokio_util::sync::CancellationToken;

use crate::sync::{Mutex, MutexGuard, lock};
use crate::{StreamsHandle, TunnelError};

/// Names the login session a tunnel belongs to, without being its secret: a digest, for instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnerKey(pub [u8; 32]);

impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerKey")
    }
}

/// What is known about a live tunnel.
#[derive(Debug, Clone)]
pub struct TunnelInfo {
    /// Names the tunnel, and for stored connections also the history record.
    pub uuid: TunnelUuid,
    /// The login session it belongs to.
    pub owner: OwnerKey,
    /// Data source of the connection.
    pub data_source: String,
    /// Identifier of the connection within its data source.
    pub connection_identifier: String,
    /// Protocol of the connection.
    pub protocol: String,
    /// The session, for others to join.
    pub connection_id: ConnectionId,
    /// Whether the tunnel joined a session that somebody else opened.
    pub joined: bool,
    /// When it was opened.
    pub start: SystemTime,
    /// Address of the browser.
    pub remote_host: Option<String>,
    /// Name of the user, empty for an anonymous one.
    pub username: String,
}

/// The live tunnels of a process; clones are the same registry.
///
/// One short lock, never held across an await: entries change when tunnels open and close, not while they run.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    entries: Mutex<HashMap<TunnelUuid, Entry>>,
    limit: usize,
}

struct Entry {
    info: TunnelInfo,
    stop: Stop,
    streams: Option<StreamsHandle>,
}

#[derive(Clone, Default)]
struct Stop {
    token: CancellationToken,
    status: Arc<OnceLock<Status>>,
}

impl Stop {
    fn order(&self, status: Status) {
        // The first order counts.
        let _ = self.status.set(status);
        self.token.cancel();
    }
}

impl Registry {
    /// An empty registry for at most `limit` tunnels.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { shared: Arc::new(Shared { entries: Mutex::new(HashMap::new()), limit }) }
    }

    /// Enters a tunnel. It stays until the registration is dropped.
    ///
    /// # Errors
    /// [`TunnelError::Full`] at the limit, or if a tunnel of this name lives already.
    pub fn insert(&self, info: TunnelInfo) -> Result<Registration, TunnelError> {
        let uuid = info.uuid.clone();
        let stop = Stop::default();
        let mut entries = self.shared.entries();
        if entries.len() >= self.shared.limit || entries.contains_key(&uuid) {
            return Err(TunnelError::Full);
        }
        entries.insert(uuid.clone(), Entry { info, stop: stop.clone(), streams: None });
        Ok(Registration { registry: self.clone(), uuid, stop })
    }

    /// What is known about one tunnel.
    #[must_use]
    pub fn info(&self, uuid: &TunnelUuid) -> Option<TunnelInfo> {
        self.shared.entries().get(uuid).map(|entry| entry.info.clone())
    }

    /// The streams of a login session's own tunnel. `None`: it has no such tunnel, or one without.
    #[must_use]
    pub fn streams(&self, uuid: &TunnelUuid, owner: OwnerKey) -> Option<StreamsHandle> {
        let entries = self.shared.entries();
        entries.get(uuid).filter(|entry| entry.info.owner == owner).and_then(|entry| entry.streams.clone())
    }

    /// Everything that lives, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<TunnelInfo> {
        let mut all: Vec<_> = self.shared.entries().values().map(|entry| entry.info.clone()).collect();
        all.sort_by(|a, b| (a.start, &a.uuid).cmp(&(b.start, &b.uuid)));
        all
    }

    /// What one login session has open.
    #[must_use]
    pub fn owned_by(&self, owner: OwnerKey) -> Vec<TunnelInfo> {
        let mut all = self.list();
        all.retain(|info| info.owner == owner);
        all
    }

    /// Whether a login session has anything open.
    #[must_use]
    pub fn has_any_of(&self, owner: OwnerKey) -> bool {
        self.shared.entries().values().any(|entry| entry.info.owner == owner)
    }

    /// Number of live tunnels.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.entries().len()
    }

    /// Tells one tunnel to end with this status. `false`: there is none of this name.
    pub fn stop(&self, uuid: &TunnelUuid, status: Status) -> bool {
        let entries = self.shared.entries();
        let entry = entries.get(uuid);
        if let Some(entry) = entry {
            entry.stop.order(status);
        }
        entry.is_some()
    }

    /// Tells all tunnels of a login session to end. Returns how many.
    pub fn stop_owned_by(&self, owner: OwnerKey, status: Status) -> usize {
        self.stop_where(status, |info| info.owner == owner)
    }

    /// Tells all tunnels to end. Returns how many.
    pub fn stop_all(&self, status: Status) -> usize {
        self.stop_where(status, |_| true)
    }

    fn stop_where(&self, status: Status, mut chosen: impl FnMut(&TunnelInfo) -> bool) -> usize {
        let entries = self.shared.entries();
        let stopped = entries.values().filter(|entry| chosen(&entry.info)).map(|entry| entry.stop.order(status));
        stopped.count()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, HashMap<TunnelUuid, Entry>> {
        lock(&self.entries)
    }
}

/// A tunnel's place in the registry; dropping it gives the place up.
#[derive(Debug)]
pub struct Registration {
    registry: Registry,
    uuid: TunnelUuid,
    stop: Stop,
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("status", &self.status.get()).finish_non_exhaustive()
    }
}

impl Registration {
    /// The tunnel's name.
    #[must_use]
    pub fn uuid(&self) -> &TunnelUuid {
        &self.uuid
    }

    /// Lets [`Registry::streams`] find the streams of this tunnel.
    pub fn offer_streams(&self, streams: StreamsHandle) {
        if let Some(entry) = self.registry.shared.entries().get_mut(&self.uuid) {
            entry.streams = Some(streams);
        }
    }

    /// Waits until somebody tells the tunnel to end, and with which status.
    ///
    /// # Cancel safety
    /// An order is kept: a later call returns at once.
    pub async fn stopped(&self) -> Status {
        self.stop.token.cancelled().await;
        self.stop.status.get().copied().unwrap_or(Status::SessionClosed)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.shared.entries().remove(&self.uuid);
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests {
    use super::*;

    fn info(number: u8, owner: u8) -> TunnelInfo {
        TunnelInfo {
            uuid: TunnelUuid::from_random([number; 16]),
            owner: OwnerKey([owner; 32]),
            data_source: "mysql".into(),
            connection_identifier: "7".into(),
            protocol: "ssh".into(),
            connection_id: ConnectionId::from_random([number; 16]),
            joined: false,
            start: SystemTime::UNIX_EPOCH,
            remote_host: None,
            username: "ann".into(),
        }
    }

    #[tokio::test]
    async fn the_first_order_to_stop_counts_and_is_kept() {
        let registry = Registry::new(8);
        let place = registry.insert(info(1, 1)).unwrap();
        assert!(registry.stop(place.uuid(), Status::SessionClosed));
        assert!(registry.stop(place.uuid(), Status::ServerBusy));
        assert_eq!(place.stopped().await, Status::SessionClosed);
        assert_eq!(place.stopped().await, Status::SessionClosed);
    }

    #[test]
    fn a_dropped_registration_is_gone() {
        let registry = Registry::new(8);
        let place = registry.insert(info(1, 1)).unwrap();
        let uuid = place.uuid().clone();
        assert_eq!(registry.info(&uuid).unwrap().username, "ann");
        drop(place);
        assert_eq!((registry.count(), registry.info(&uuid).is_none()), (0, true));
        assert!(!registry.stop(&uuid, Status::SessionClosed));
    }

    #[test]
    fn a_logout_stops_the_tunnels_of_that_login_only() {
        let registry = Registry::new(8);
        let places: Vec<_> = [(1, 1), (2, 1), (3, 2)].map(|(n, o)| registry.insert(info(n, o)).unwrap()).into();
        assert_eq!(registry.owned_by(OwnerKey([1; 32])).len(), 2);
        assert_eq!(registry.stop_owned_by(OwnerKey([1; 32]), Status::SessionClosed), 2);
        assert!(registry.has_any_of(OwnerKey([1; 32])), "they end themselves");
        assert!(!places[2].stop.token.is_cancelled());
        assert_eq!(registry.stop_all(Status::ServerBusy), 3);
    }

    #[test]
    fn takes_as_many_as_the_limit_and_no_name_twice() {
        let registry = Registry::new(2);
        let _first = registry.insert(info(1, 1)).unwrap();
        assert!(registry.insert(info(1, 1)).is_err());
        let _second = registry.insert(info(2, 1)).unwrap();
        assert!(registry.insert(info(3, 1)).is_err());
    }
}

#[cfg(test)]
#[cfg(feature = "_loom")]
mod model {
    use super::*;

    fn info(number: u8) -> TunnelInfo {
        TunnelInfo {
            uuid: TunnelUuid::from_random([number; 16]),
            owner: OwnerKey([1; 32]),
            data_source: String::new(),
            connection_identifier: String::new(),
            protocol: String::new(),
            connection_id: ConnectionId::from_random([number; 16]),
            joined: false,
            start: SystemTime::UNIX_EPOCH,
            remote_host: None,
            username: String::new(),
        }
    }

    #[test]
    fn an_order_that_found_its_tunnel_is_always_heard() {
        loom::model(|| {
            let registry = Registry::new(1);
            let place = registry.insert(info(1)).expect("there is room");
            let (orders, uuid) = (registry.clone(), place.uuid().clone());
            let other = loom::thread::spawn(move || assert!(orders.stop(&uuid, Status::SessionClosed)));
            let heard = loom::future::block_on(place.stopped());
            other.join().expect("no panic");
            assert_eq!(heard, Status::SessionClosed);
        });
    }

    #[test]
    fn a_place_is_given_up_once_whoever_looks_on() {
        loom::model(|| {
            let registry = Registry::new(1);
            let place = registry.insert(info(1)).expect("there is room");
            let (orders, uuid) = (registry.clone(), place.uuid().clone());
            let other = loom::thread::spawn(move || {
                let found = orders.info(&uuid).is_some();
                let stopped = orders.stop(&uuid, Status::SessionClosed);
                assert!(found || !stopped, "what was gone does not come back");
                let _ = orders.stop_owned_by(OwnerKey([1; 32]), Status::ServerBusy);
            });
            drop(place);
            let second = registry.insert(info(2)).expect("the place is free again");
            other.join().expect("no panic");
            assert_eq!(registry.count(), 1);
            drop(second);
            assert_eq!(registry.count(), 0);
        });
    }

    #[test]
    fn two_that_want_the_last_place_never_both_get_it() {
        loom::model(|| {
            let registry = Registry::new(1);
            let rival = registry.clone();
            let other = loom::thread::spawn(move || {
                rival.insert(info(2)).is_ok_and(|place| {
                    std::mem::forget(place);
                    true
                })
            });
            let first = registry.insert(info(1)).map(std::mem::forget).is_ok();
            let second = other.join().expect("no panic");
            assert!(first != second);
            assert_eq!(registry.count(), 1);
        });
    }
}
