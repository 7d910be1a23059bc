//! When to try again: what the nodes know together of orders that failed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Pauses after the first, second … failure, and after all further ones. Let's Encrypt takes five failures an hour.
const PAUSES_MIN: [u64; 5] = [1, 5, 30, 60, 360];

/// Orders that failed in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failures {
    /// What was asked of whom; a change of it is a new beginning.
    asked: String,
    count: usize,
    last_unix_s: u64,
}

impl Failures {
    /// Reads what was stored. What cannot be read never was.
    pub(crate) fn read(stored: Option<Vec<u8>>, asked: &str) -> Self {
        let read: Option<Self> = stored.and_then(|stored| serde_json::from_slice(&stored).ok());
        let fresh = Self { asked: asked.to_owned(), ..Self::default() };
        read.filter(|read| read.asked == asked).unwrap_or(fresh)
    }

    pub(crate) fn stored(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, now: SystemTime) {
        self.count = self.count.saturating_add(1);
        self.last_unix_s = unix(now);
    }

    /// Until when nobody should try, if so.
    pub(crate) fn pause(&self) -> Duration {
        let index = self.count.checked_sub(1).map(|index| index.min(PAUSES_MIN.len() - 1));
        let minutes = index.and_then(|index| PAUSES_MIN.get(index)).copied().unwrap_or_default();
        Duration::from_secs(minutes * 60)
    }

    /// Whether it is time. A last failure in the future is another node's clock, and no reason to wait for ever.
    pub(crate) fn over(&self, now: SystemTime) -> bool {
        unix(now).abs_diff(self.last_unix_s) >= self.pause().as_secs()
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_when_something_else_is_asked() {
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        let mut failures = Failures::read(None, "desk.example");
        assert!(failures.over(at(0)));
        let mut now = 0;
        for minutes in [1, 5, 30, 60, 360, 360] {
            failures.add(at(now));
            failures = Failures::read(Some(failures.stored()), "desk.example");
            assert!(!failures.over(at(now + minutes * 60 - 1)), "{minutes}");
            assert!(failures.over(at(now + minutes * 60)), "{minutes}");
            now += minutes * 60;
        }
        assert!(Failures::read(Some(failures.stored()), "other.example").over(at(now)));
        assert!(Failures::read(Some(b"rubbish".to_vec()), "desk.example").over(at(now)));
    }
}
