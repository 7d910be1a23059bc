//! When the next frame may be sent: how fast users acknowledge decides.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Shortest time between two frames. 10 ms is guacd's, and faster than any screen shows.
pub(crate) const MIN_FRAME_INTERVAL: Duration = Duration::from_millis(10);

/// How long damage may wait for the rest of its frame when the protocol does not say where frames end.
pub(crate) const MAX_ACCUMULATION: Duration = Duration::from_millis(10);

/// A user whose oldest unanswered frame is older than this does not keep up, and no longer slows the others.
pub(crate) const STALLED_AFTER: Duration = Duration::from_millis(1500);

/// Frames remembered to time acknowledgements: more than any window allows.
const MAX_FRAMES: usize = 64;

/// Fewest and most frames that may be unanswered. Two keep sender and browser busy at once; more only hide the
/// network's delay.
const WINDOW: (u32, u32) = (2, 16);

/// Frame rate for which the window covers the round trip.
const WINDOW_FRAME: Duration = Duration::from_millis(33);

/// One user's acknowledgements.
#[derive(Debug)]
pub(crate) struct UserPace {
    /// Frames sent and not acknowledged, oldest first: timestamp and when it was published.
    unanswered: VecDeque<(i64, Instant)>,
    /// Shortest round trip seen lately: the network's share of every acknowledgement.
    round_trip: Option<Duration>,
    /// How much longer than that the last acknowledgement took.
    lag: Duration,
    /// Newest timestamp sent.
    last_sent: Option<i64>,
}

/// A user acknowledged a frame that was never sent (P-131).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FromTheFuture;

impl UserPace {
    pub(crate) fn new() -> Self {
        Self { unanswered: VecDeque::new(), round_trip: None, lag: Duration::ZERO, last_sent: None }
    }

    /// A frame was published for the user.
    pub(crate) fn sent(&mut self, timestamp_ms: i64, now: Instant) {
        if self.unanswered.len() == MAX_FRAMES {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back((timestamp_ms, now));
        self.last_sent = Some(timestamp_ms);
    }

    /// The user says that this frame and all before it are on the screen.
    pub(crate) fn acknowledge(&mut self, timestamp_ms: i64, now: Instant) -> Result<(), FromTheFuture> {
        if self.last_sent.is_none_or(|last| timestamp_ms > last) {
            return Err(FromTheFuture);
        }
        while let Some(&(sent_ms, at)) = self.unanswered.front() {
            if sent_ms > timestamp_ms {
                break;
            }
            self.unanswered.pop_front();
            if sent_ms == timestamp_ms {
                self.measure(now.saturating_duration_since(at));
            }
        }
        Ok(())
    }

    /// The baseline follows down at once and up slowly, so a network that became slower is not taken for a slow
    /// browser for long.
    fn measure(&mut self, took: Duration) {
        let base = self.round_trip.map_or(took, |base| took.min(base + (took.saturating_sub(base)) / 64));
        self.round_trip = Some(base);
        self.lag = took.saturating_sub(base);
    }

    /// The user starts over from a snapshot.
    pub(crate) fn restart(&mut self) {
        self.unanswered.clear();
        self.lag = Duration::ZERO;
    }

    /// How far the browser is behind, beyond the network's own delay. Zero for one that does not keep up at all.
    pub(crate) fn lag(&self, now: Instant) -> Duration {
        if self.is_stalled(now) { Duration::ZERO } else { self.lag }
    }

    fn is_stalled(&self, now: Instant) -> bool {
        self.unanswered.front().is_some_and(|&(_, at)| now.saturating_duration_since(at) >= STALLED_AFTER)
    }

    /// Until when this user holds the next frame back, unless he acknowledges before; `None` if he does not.
    pub(crate) fn holds_until(&self, now: Instant) -> Option<Instant> {
        let round_trip_frames = self.round_trip.unwrap_or_default().as_millis() / WINDOW_FRAME.as_millis();
        let window = u32::try_from(round_trip_frames).unwrap_or(u32::MAX).saturating_add(WINDOW.0).min(WINDOW.1);
        let &(_, oldest) = self.unanswered.front()?;
        let full = self.unanswered.len() >= window as usize;
        (full && !self.is_stalled(now)).then(|| oldest + STALLED_AFTER)
    }
}

/// JPEG quality for a lag: full up to 20 ms behind, then one step per millisecond down to 30 (P-135).
pub(crate) fn quality(lag: Duration) -> u8 {
    let late_ms = u8::try_from(lag.as_millis().saturating_sub(20)).unwrap_or(u8::MAX);
    90_u8.saturating_sub(late_ms).max(30)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn two_unanswered_frames_hold_the_third_until_one_is_answered_or_the_user_stalls() {
        let start = Instant::now();
        let mut pace = UserPace::new();
        pace.sent(1, start);
        assert_eq!(pace.holds_until(start), None);
        pace.sent(2, start + ms(10));
        assert_eq!(pace.holds_until(start + ms(10)), Some(start + STALLED_AFTER));
        assert_eq!(pace.holds_until(start + STALLED_AFTER), None, "a stalled user holds nobody back");
        pace.acknowledge(1, start + ms(20)).unwrap();
        assert_eq!(pace.holds_until(start + ms(20)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_round_trip_widens_the_window_instead_of_counting_as_lag() {
        let start = Instant::now();
        let mut pace = UserPace::new();
        pace.sent(1, start);
        pace.acknowledge(1, start + ms(200)).unwrap();
        assert_eq!(pace.lag(start), Duration::ZERO);
        for frame in 2..8 {
            pace.sent(frame, start + ms(200));
        }
        assert_eq!(pace.holds_until(start + ms(200)), None);
        pace.acknowledge(7, start + ms(500)).unwrap();
        assert!(pace.lag(start) > ms(90), "100 ms more than the network needs are the browser's");
    }

    #[tokio::test(start_paused = true)]
    async fn an_acknowledgement_from_the_future_is_refused_and_an_old_one_ignored() {
        let now = Instant::now();
        let mut pace = UserPace::new();
        assert_eq!(pace.acknowledge(1, now), Err(FromTheFuture));
        pace.sent(5, now);
        assert_eq!(pace.acknowledge(6, now), Err(FromTheFuture));
        assert_eq!(pace.acknowledge(5, now), Ok(()));
        assert_eq!(pace.acknowledge(3, now), Ok(()));
    }

    #[test]
    fn quality_falls_with_lag_between_its_bounds() {
        assert_eq!(
            [quality(ms(0)), quality(ms(20)), quality(ms(50)), quality(ms(80)), quality(ms(5000))],
            [90, 90, 60, 30, 30]
        );
    }
}
