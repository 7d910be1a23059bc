//! How long a daemon that is to stop goes on for those who work on it.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often it is looked whether somebody is still there, and the supervisor is told to have patience.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How much time a drain takes. New tunnels are refused meanwhile, everything else is served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    /// It takes this long at least, so that balancers notice before the port closes.
    pub(crate) notice: Duration,
    /// Live sessions are kept for this long at most.
    pub(crate) timeout: Duration,
}

/// What is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Live {
    /// Sessions of this process, those of other gateways included.
    pub(crate) sessions: usize,
    /// Tunnels of browsers, those to outside guacds included, and what is passed on for those of other nodes.
    pub(crate) tunnels: usize,
}

impl Live {
    pub(crate) fn is_nobody(self) -> bool {
        self.sessions == 0 && self.tunnels == 0
    }
}

impl Drain {
    /// Waits until nobody is there any more or the time is over; gives who is left. `tell` hears again and again how
    /// long it may still take.
    ///
    /// # Cancel safety
    /// Cancelled, the wait is over, and nothing else has changed.
    pub(crate) async fn wait(self, live: impl Fn() -> Live, mut tell: impl FnMut(Duration)) -> Live {
        let begin = Instant::now();
        let longest = self.timeout.max(self.notice);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let (there, passed) = (live(), begin.elapsed());
            if passed >= self.notice && (there.is_nobody() || passed >= self.timeout) {
                return there;
            }
            tell(longest.saturating_sub(passed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const NOBODY: Live = Live { sessions: 0, tunnels: 0 };
    const SOMEBODY: Live = Live { sessions: 1, tunnels: 0 };

    async fn takes(notice_s: u64, timeout_s: u64, live: impl Fn(Duration) -> Live) -> (u64, Live) {
        let drain = Drain { notice: Duration::from_secs(notice_s), timeout: Duration::from_secs(timeout_s) };
        let begin = Instant::now();
        let left = drain.wait(|| live(begin.elapsed()), |_| {}).await;
        (begin.elapsed().as_secs(), left)
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_last_session_but_not_before_balancers_have_noticed() {
        let until = |end_s: u64| move |now: Duration| if now.as_secs() < end_s { SOMEBODY } else { NOBODY };
        assert_eq!(takes(0, 600, until(0)).await, (0, NOBODY));
        assert_eq!(takes(0, 600, until(100)).await, (100, NOBODY));
        assert_eq!(takes(20, 600, until(0)).await, (20, NOBODY));
        assert_eq!(takes(20, 600, until(100)).await, (100, NOBODY));
        assert_eq!(takes(20, 600, until(9999)).await, (600, SOMEBODY));
        assert_eq!(takes(20, 0, until(9999)).await, (20, SOMEBODY));
    }

    #[tokio::test(start_paused = true)]
    async fn who_supervises_hears_how_long_it_may_still_take() {
        let drain = Drain { notice: Duration::ZERO, timeout: Duration::from_secs(60) };
        let last = Cell::new(Duration::MAX);
        drain
            .wait(
                || SOMEBODY,
                |left| {
                    assert!(left < last.get());
                    last.set(left);
                },
            )
            .await;
        assert!(last.get() < Duration::from_secs(1));
    }
}
