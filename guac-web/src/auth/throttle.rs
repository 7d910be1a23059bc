//! Guessing passwords is slowed down, by user and address and by address alone.
//!
//! Each failure beyond the first few puts the next attempt off, twice as long each time. Attempts queue behind one
//! another, so that a thousand at once are no faster than a thousand in a row; one that would wait too long is turned
//! away unseen.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures of one user from one address that cost nothing: people mistype.
const FREE_PER_USER: u32 = 3;

/// Failures from one address that cost nothing: many people may share one.
const FREE_PER_ADDRESS: u32 = 30;

/// Delay of the first attempt that is delayed; doubled by each failure.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// Longest delay between two attempts.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// An attempt that would wait longer is turned away: requests in waiting cost memory.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Failures are forgotten this long after the last one.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// Names and addresses remembered. Past this, the one that is oldest is forgotten.
const MAX_REMEMBERED: usize = 10_000;

/// Remembers failures.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    remembered: Mutex<HashMap<u64, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    /// No attempt starts before this.
    next: Instant,
    last: Instant,
}

/// The attempt would have to wait for too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TurnedAway;

impl Throttle {
    /// Books an attempt and says when it may start.
    pub(crate) fn book(&self, username: &str, address: IpAddr) -> Result<Instant, TurnedAway> {
        let now = Instant::now();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut start = now;
        for (key, free) in keys(username, address) {
            if let Some(failures) = remembered.get(&key).filter(|failures| failures.last + FORGET_AFTER > now)
                && failures.count >= free
            {
                start = start.max(failures.next);
            }
        }
        if start > now + LONGEST_WAIT {
            return Err(TurnedAway);
        }
        for (key, free) in keys(username, address) {
            if let Some(failures) = remembered.get_mut(&key) {
                failures.next = start + delay(failures.count, free);
            }
        }
        Ok(start)
    }

    /// Notes that an attempt failed.
    pub(crate) fn failed(&self, username: &str, address: IpAddr) {
        let now = Instant::now();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, free) in keys(username, address) {
            make_room(&mut remembered, key);
            let failures = match remembered.entry(key) {
                Entry::Occupied(known) if known.get().last + FORGET_AFTER > now => known.into_mut(),
                entry => entry.insert_entry(Failures { count: 0, next: now, last: now }).into_mut(),
            };
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
            failures.next = failures.next.max(now + delay(failures.count, free));
        }
    }

    /// Notes that somebody proved who he is: his own mistakes are forgotten, those of his address are not.
    pub(crate) fn succeeded(&self, username: &str, address: IpAddr) {
        let [(own, _), _] = keys(username, address);
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).remove(&own);
    }
}

/// By user and address, and by address alone. Names count without regard to letter case, as the database compares
/// them. A collision of two keys delays somebody else, no more.
fn keys(username: &str, address: IpAddr) -> [(u64, u32); 2] {
    let key = |user: Option<String>| {
        let mut hasher = DefaultHasher::new();
        (user, network_of(address)).hash(&mut hasher);
        hasher.finish()
    };
    [(key(Some(username.trim().to_lowercase())), FREE_PER_USER), (key(None), FREE_PER_ADDRESS)]
}

/// One household has one IPv4 address, and 2^64 of IPv6.
fn network_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

fn delay(count: u32, free: u32) -> Duration {
    match count.checked_sub(free) {
        None => Duration::ZERO,
        Some(over) => FIRST_DELAY.saturating_mul(1 << over.min(16)).min(LONGEST_DELAY),
    }
}

fn make_room(remembered: &mut HashMap<u64, Failures>, for_key: u64) {
    if remembered.len() >= MAX_REMEMBERED
        && !remembered.contains_key(&for_key)
        && let Some(oldest) = remembered.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| *key)
    {
        remembered.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test(start_paused = true)]
    async fn the_first_mistakes_are_free_and_then_each_doubles_the_wait() {
        let throttle = Throttle::default();
        for _ in 0..3 {
            assert_eq!(throttle.book("ann", HOME), Ok(Instant::now()));
            throttle.failed("ann", HOME);
        }
        assert_eq!(throttle.book("ANN ", HOME), Ok(Instant::now() + Duration::from_secs(1)));
        throttle.failed("ann", HOME);
        assert_eq!(throttle.book("ann", HOME).unwrap(), Instant::now() + Duration::from_secs(2));
        assert_eq!(throttle.book("bob", HOME), Ok(Instant::now()), "others are not delayed");
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_at_once_are_no_faster_than_in_a_row() {
        let throttle = Throttle::default();
        for _ in 0..4 {
            throttle.failed("ann", HOME);
        }
        let starts: Vec<_> = (0..100).map_while(|_| throttle.book("ann", HOME).ok()).collect();
        assert!(starts.len() <= 6, "{starts:?}");
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_forgets_and_so_does_time() {
        let throttle = Throttle::default();
        for _ in 0..10 {
            throttle.failed("ann", HOME);
            throttle.failed("bob", HOME);
        }
        assert_eq!(throttle.book("ann", HOME), Err(TurnedAway));
        throttle.succeeded("ann", HOME);
        assert_eq!(throttle.book("ann", HOME), Ok(Instant::now()));
        advance(FORGET_AFTER + Duration::from_secs(1)).await;
        assert_eq!(throttle.book("bob", HOME), Ok(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_trying_many_names_is_slowed_down_too() {
        let throttle = Throttle::default();
        for number in 0..40 {
            throttle.failed(&format!("user{number}"), HOME);
        }
        assert!(throttle.book("somebody", HOME) != Ok(Instant::now()));
        assert_eq!(throttle.book("somebody", "198.51.100.1".parse().unwrap()), Ok(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..MAX_REMEMBERED + 50 {
            throttle.failed(&number.to_string(), HOME);
        }
        assert!(throttle.remembered.lock().unwrap().len() <= MAX_REMEMBERED);
    }
}
