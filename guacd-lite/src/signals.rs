//! SIGTERM and SIGINT.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that stop the daemon.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

/// How it is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// SIGTERM: with time for those who work.
    Drain,
    /// SIGINT: whoever sent it waits for the end.
    AtOnce,
}

impl Stop {
    /// Takes the signals over from the operating system's default.
    pub(crate) fn new() -> Result<Self> {
        let take = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { terminate: take(SignalKind::terminate())?, interrupt: take(SignalKind::interrupt())? })
    }

    /// Resolves at the next of them.
    ///
    /// # Cancel safety
    /// No signal is lost when the future is dropped.
    pub(crate) async fn received(&mut self) -> Stopping {
        tokio::select! {
            _ = self.terminate.recv() => Stopping::Drain,
            _ = self.interrupt.recv() => Stopping::AtOnce,
        }
    }
}
