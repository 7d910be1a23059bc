//! Locks and flags whose interleavings a model checker goes through; the standard ones otherwise.
//!
//! The models, beside what they check, run by `cargo test -p guac-tunnel --lib --features _loom model::`.

#[cfg(not(feature = "_loom"))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};

#[cfg(feature = "_loom")]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicBool};

use std::sync::PoisonError;
use std::task::{Wake, Waker};

/// Nothing panics while it holds one of these locks, and nothing could be left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One task's wish to be woken. The last one registered counts.
#[derive(Debug)]
pub(crate) struct WakeSlot(Mutex<Option<Waker>>);

impl WakeSlot {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Register first and look at what is waited for then: what happens in between wakes.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = lock(&self.0);
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    pub(crate) fn wake(&self) {
        let waker = lock(&self.0).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Two tasks that wait for room at the same sink, which itself remembers only one.
#[derive(Debug)]
pub(crate) struct Waiters {
    /// Who writes the browser's input.
    pub(crate) browser: WakeSlot,
    /// Who reads from the session, and writes what interceptions have for it.
    pub(crate) source: WakeSlot,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { browser: WakeSlot::new(), source: WakeSlot::new() }
    }
}

impl Wake for Waiters {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        self.browser.wake();
        self.source.wake();
    }
}
