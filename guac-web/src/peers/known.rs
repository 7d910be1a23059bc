//! Where tunnels were found: a tunnel never moves, so that its requests need no database.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guac_protocol::TunnelUuid;
use tokio::time::Instant;

use super::Peer;

/// Tunnels remembered. Past it the longest unused is forgotten, which costs it a look into the directory.
const MAX_KNOWN: usize = 4096;

/// Unused for this long, a tunnel is forgotten. Above the pause between two requests of any tunnel, and between two
/// files of most people.
const KEEP: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<TunnelUuid, Entry>>);

#[derive(Debug)]
struct Entry {
    peer: Peer,
    used: Instant,
}

impl Known {
    pub(super) fn find(&self, tunnel: &TunnelUuid) -> Option<Peer> {
        let now = Instant::now();
        let mut entries = self.entries();
        let entry = entries.get_mut(tunnel).filter(|entry| now.duration_since(entry.used) < KEEP)?;
        entry.used = now;
        Some(entry.peer.clone())
    }

    pub(super) fn enter(&self, tunnel: &TunnelUuid, peer: &Peer) {
        let now = Instant::now();
        let mut entries = self.entries();
        if entries.len() >= MAX_KNOWN {
            entries.retain(|_, entry| now.duration_since(entry.used) < KEEP);
        }
        if entries.len() >= MAX_KNOWN
            && let Some(oldest) = entries.iter().min_by_key(|(_, entry)| entry.used).map(|(uuid, _)| uuid.clone())
        {
            entries.remove(&oldest);
        }
        entries.insert(tunnel.clone(), Entry { peer: peer.clone(), used: now });
    }

    pub(super) fn forget(&self, tunnel: &TunnelUuid) {
        self.entries().remove(tunnel);
    }

    /// Nothing panics while it holds this lock.
    fn entries(&self) -> MutexGuard<'_, HashMap<TunnelUuid, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn tunnel(number: usize) -> TunnelUuid {
        let mut random = [0; 16];
        random[8..].copy_from_slice(&number.to_be_bytes());
        TunnelUuid::from_random(random)
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_unused_is_forgotten_first() {
        let (known, peer) = (Known::default(), Peer { name: "b".into(), address: "b:1".into(), certificate: [1; 32] });
        for number in 0..MAX_KNOWN {
            known.enter(&tunnel(number), &peer);
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(known.find(&tunnel(0)), Some(peer.clone()), "at the limit all are there, and this one is used");
        known.enter(&tunnel(MAX_KNOWN), &peer);
        assert!(known.find(&tunnel(0)).is_some() && known.find(&tunnel(1)).is_none());
        advance(KEEP).await;
        assert!(known.find(&tunnel(0)).is_none());
        known.enter(&tunnel(7), &peer);
        known.forget(&tunnel(7));
        assert!(known.find(&tunnel(7)).is_none());
    }
}
