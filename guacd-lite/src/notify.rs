//! What a service manager hears of us (`Type=notify`): that we are ready, that we stop, how we are, and that we live.
//! Where no `NOTIFY_SOCKET` is set, nobody listens, and nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::drain::Live;
use crate::probe::Probe;
use crate::supervisor::Work;

/// How often the line of `systemctl status` is brought up to date.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// How often we ask for more time while draining, and for how much of it. More than the pause, so that the manager may
/// be slow; little enough that it sees soon if we hang.
const PATIENCE_EVERY: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// Tries to answer ourselves in one period of the watchdog: the last but one may still fail.
const TRIES_PER_PERIOD: u32 = 4;

/// The service manager, if there is one.
pub(crate) struct Notify {
    watchdog: Option<Duration>,
}

impl Notify {
    pub(crate) fn from_environment() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        // Zero would mean never.
        Some(Self { watchdog: sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) })
    }

    /// Everything is open.
    pub(crate) fn ready(&self) {
        say(&[NotifyState::Ready]);
    }

    /// Tells how we are, and that we live, until dropped. The proof of life is an answer of our own web port, which
    /// takes a listener, a runtime with a free worker, and the certificate.
    pub(crate) async fn report(self, work: Work, probe: Probe) {
        tokio::join!(status(&work), async {
            if let Some(period) = self.watchdog {
                watch(&work, &probe, period).await;
            }
        });
    }
}

async fn status(work: &Work) {
    let mut said = String::new();
    let mut ticks = interval(STATUS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Live { sessions, tunnels } = work.live();
        let reasons = work.app.reasons_not_ready();
        let state = if reasons.is_empty() { "Ready".to_owned() } else { format!("Not ready: {}", reasons.join(", ")) };
        let now = format!("{state}; {sessions} sessions, {tunnels} tunnels");
        if now != said {
            say(&[NotifyState::Status(&now)]);
            said = now;
        }
    }
}

async fn watch(work: &Work, probe: &Probe, period: Duration) {
    let pause = period / TRIES_PER_PERIOD;
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout(pause, probe.answers()).await {
            Ok(Ok(())) => say(&[NotifyState::Watchdog]),
            // Whoever fills all places must not get the sessions killed as well.
            _ if work.is_full() => say(&[NotifyState::Watchdog]),
            Ok(Err(error)) => tracing::warn!(%error, "Our own web port does not answer"),
            Err(_) => tracing::warn!("Our own web port does not answer in time"),
        }
    }
}

/// The end has begun.
pub(crate) fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// Asks the service manager for more time while we drain, so that its own limit need not be as long as ours.
#[derive(Default)]
pub(crate) struct Patience {
    asked: Option<Instant>,
}

impl Patience {
    /// To be called often. `end`: what comes after the draining.
    pub(crate) fn ask(&mut self, left: Duration, end: Duration) {
        if self.asked.is_some_and(|asked| asked.elapsed() < PATIENCE_EVERY) {
            return;
        }
        self.asked = Some(Instant::now());
        let wanted = left.min(PATIENCE).saturating_add(end);
        say(&[NotifyState::ExtendTimeoutUsec(u32::try_from(wanted.as_micros()).unwrap_or(u32::MAX))]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "The service manager does not listen");
    }
}
