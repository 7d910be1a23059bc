//! How many transfers of a session go on at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::shared::Shared;

/// Places for transfers of one direction.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    used: Arc<AtomicUsize>,
    limit: usize,
    shared: Arc<Shared>,
}

/// One transfer's place. Giving it back wakes the session, where the next one may wait.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
}

impl Slots {
    pub(crate) fn new(limit: usize, shared: Arc<Shared>) -> Self {
        Self { used: Arc::default(), limit, shared }
    }

    /// A free place. Only the session's task takes them, so looking before taking is no race.
    pub(crate) fn take(&self) -> Option<Arc<Slot>> {
        self.take_below(self.limit)
    }

    /// A free place for what nobody asked for: half of them stay for what is asked for.
    pub(crate) fn take_unasked(&self) -> Option<Arc<Slot>> {
        self.take_below(self.limit / 2)
    }

    fn take_below(&self, limit: usize) -> Option<Arc<Slot>> {
        if self.used.load(Ordering::Acquire) >= limit {
            return None;
        }
        self.used.fetch_add(1, Ordering::AcqRel);
        Some(Arc::new(Slot { slots: self.clone() }))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.used.fetch_sub(1, Ordering::AcqRel);
        self.slots.shared.wake.notify_one();
    }
}
