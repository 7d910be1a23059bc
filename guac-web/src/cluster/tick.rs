//! What a node does every few moments: says that it lives, hears what others want, and buries the dead.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use guac_auth_mysql::StoreError;
use guac_auth_mysql::cluster::{Beat, Digest, Node};
use guac_protocol::Status;
use guac_tunnel::OwnerKey;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{Cluster, lock};
use crate::state::App;

/// Signs of life within a lease: some may be late or lost.
const BEATS_PER_LEASE: u32 = 8;

/// How often logins that nobody uses are looked for.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(30);

/// A node that leaves gives up on a database that does not answer by then; the others clear up after it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a node that leaves looks whether all is closed, should it miss the call.
const LEAVE_INTERVAL: Duration = Duration::from_millis(200);

/// What one node has seen of the others.
///
/// Nobody's clock is believed: a node is dead when its sign of life has not changed for a lease by our own monotonic
/// clock, all through which we had the database ourselves.
#[derive(Default)]
struct Watch {
    seen: HashMap<String, (Beat, Instant)>,
    last: Option<Instant>,
    failing: bool,
    expired: Option<Instant>,
    touched: Option<Instant>,
}

impl Watch {
    /// Forgets all: what was not looked at all along may have lived.
    fn lose_sight(&mut self) {
        self.seen.clear();
    }

    /// Notes what is there now. Returns the dead.
    fn look(&mut self, own: &str, nodes: &[(Node, Beat)], lease: Duration) -> Vec<(Node, Beat)> {
        let now = Instant::now();
        // Whoever slept himself has not watched.
        if self.last.replace(now).is_some_and(|last| now.duration_since(last) > lease / 2) {
            self.lose_sight();
        }
        let present: HashSet<&str> = nodes.iter().map(|(node, _)| node.id.as_str()).collect();
        self.seen.retain(|id, _| present.contains(id.as_str()));
        let mut dead = Vec::new();
        for (node, beat) in nodes.iter().filter(|(node, _)| node.id != own) {
            let (seen, since) = self.seen.entry(node.id.clone()).or_insert((*beat, now));
            if seen != beat {
                (*seen, *since) = (*beat, now);
            } else if now.duration_since(*since) >= lease {
                dead.push((node.clone(), *beat));
            }
        }
        dead
    }
}

impl Cluster {
    /// Takes part until the application drains, and leaves once nothing is open any more.
    pub(crate) async fn run(&self, app: &App) {
        let mut ticks = interval(self.0.lease / BEATS_PER_LEASE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Watch::default();
        loop {
            let done = tokio::select! {
                () = app.draining.cancelled() => break,
                () = self.0.wake.notified() => self.write_down().await,
                _ = ticks.tick() => self.tick(app, &mut watch).await,
            };
            match done {
                Ok(()) if watch.failing => {
                    watch.failing = false;
                    tracing::info!("The database is back");
                }
                Ok(()) => {}
                Err(error) => {
                    watch.lose_sight();
                    if !std::mem::replace(&mut watch.failing, true) {
                        tracing::warn!(%error, "The cluster's database is away; what lives here goes on");
                    }
                }
            }
        }
        self.leave().await;
    }

    async fn tick(&self, app: &App, watch: &mut Watch) -> Result<(), StoreError> {
        let changed = lock(&self.0.node).changed;
        if changed || !self.0.store.beat().await? {
            self.enter(!changed).await?;
        }
        self.write_down().await?;
        let nodes = self.load_nodes().await?;
        for (node, beat) in watch.look(&self.node_id(), &nodes, self.0.lease) {
            if let Some(tunnels) = self.0.store.reap(&node.id, beat).await? {
                tracing::warn!(node = node.name, tunnels, "Node is dead; what it had open is closed");
            }
        }
        self.0.store.clear_strays().await?;
        for uuid in self.0.store.stop_requests().await? {
            if let Ok(uuid) = uuid.parse() {
                app.registry.stop(&uuid, Status::SessionClosed);
            }
        }
        self.look_after_logins(app, watch).await
    }

    async fn enter(&self, again: bool) -> Result<(), StoreError> {
        let node = {
            let mut myself = lock(&self.0.node);
            myself.changed = false;
            myself.node.clone()
        };
        let (tunnels, seats): (Vec<_>, Vec<_>) = {
            let open = self.open();
            (open.tunnels.values().cloned().collect(), open.seats.values().cloned().collect())
        };
        if again {
            tracing::warn!(tunnels = tunnels.len(), "Others took this node for dead; it is back with what lives here");
        }
        let entered = self.0.store.enter(&node, &tunnels, &seats).await;
        if entered.is_err() {
            lock(&self.0.node).changed = true;
        } else {
            tracing::debug!(node = node.id, address = node.address, "Node entered");
        }
        entered
    }

    /// Ends here what was ended elsewhere, takes over what was changed, and tells what is used here.
    async fn look_after_logins(&self, app: &App, watch: &mut Watch) -> Result<(), StoreError> {
        let started = Instant::now();
        let used = app.sessions.used_since(watch.touched);
        if !used.is_empty() {
            self.0.store.touch_logins(&digests(&used)).await?;
        }
        watch.touched = Some(started);
        // What is not used here for so long may be used elsewhere: it is only forgotten.
        drop(app.sessions.remove_idle(app.config.session_idle, |key| app.registry.has_any_of(key)));
        if watch.expired.is_none_or(|last| last.elapsed() >= EXPIRE_INTERVAL.min(app.config.session_idle)) {
            watch.expired = Some(started);
            let ended = self.0.store.expire_logins(app.config.session_idle).await?;
            if ended > 0 {
                tracing::info!(ended, "Idle logins ended");
            }
        }
        let known = app.sessions.all();
        let keys: Vec<OwnerKey> = known.iter().map(|session| session.key).collect();
        let living: HashMap<Digest, i64> = self.0.store.living_logins(&digests(&keys)).await?.into_iter().collect();
        for session in known {
            match living.get(&session.key.0) {
                None => app.forget_login(session.key),
                Some(version) if session.seal.as_ref().is_none_or(|seal| seal.version != *version) => {
                    app.reload_login(&session).await?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn leave(&self) {
        let leaving = async {
            while !self.open().is_done() {
                self.write_down().await?;
                let _ = timeout(LEAVE_INTERVAL, self.0.wake.notified()).await;
            }
            self.0.store.leave().await
        };
        match timeout(LEAVE_TIMEOUT, leaving).await {
            Ok(Ok(())) => tracing::debug!("Node left"),
            Ok(Err(error)) => tracing::warn!(%error, "Node left without a word; the others will clear up after it"),
            Err(_) => tracing::warn!("Node left before all was closed; the others will clear up after it"),
        }
    }
}

fn digests(keys: &[OwnerKey]) -> Vec<Digest> {
    keys.iter().map(|key| key.0).collect()
}
