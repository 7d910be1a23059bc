//! The ring of what all users get: each entry written once, held once, and dropped when all have it.

use std::collections::{HashMap, VecDeque};
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;

use crate::input::UserKey;
use crate::sync::{Mutex, MutexGuard, Notified, Notify};

/// Bytes the ring may hold, unless two frames are larger than that. About one second of a busy desktop: enough for a
/// hiccup of the network, little enough for hundreds of sessions.
const MAX_RING_BYTES: usize = 4 << 20;

/// Entries that stay whatever their size, so that one large frame can always be delivered.
const MIN_RING_ENTRIES: usize = 2;

/// Sound that a user may have before him. What is older he misses: a gap is better than hearing everything late, and his
/// line may not carry more.
const MAX_AUDIO_BEHIND: Duration = Duration::from_millis(500);

/// Whole instructions.
#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    /// For sound: where it ends on the clock of all sound of the session.
    plays_until: Option<Duration>,
}

/// What a user finds at his place.
#[derive(Debug)]
pub(crate) enum Next {
    /// Whole instructions; the place moved on.
    Entry(Bytes),
    /// Nothing yet.
    Wait,
    /// The ring moved on without him; he has no place any more and needs a snapshot.
    Behind,
    /// The session is over; these are its last instructions.
    Ended(Bytes),
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How long all sound published so far plays.
    played: Duration,
    /// Number of the first entry held.
    first: u64,
    /// Places of the users who have one: the number of the next entry each will take.
    places: HashMap<UserKey, u64>,
    /// Last instructions of users who are out before the session ends.
    user_ends: HashMap<UserKey, Bytes>,
    end: Option<Bytes>,
}

impl Ring {
    fn next_number(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn pop(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.bytes.len();
            self.first += 1;
        }
    }

    /// Drops what every user has taken. A session that is idle holds nothing here.
    fn drop_taken(&mut self) {
        let slowest = self.places.values().copied().min().unwrap_or_else(|| self.next_number());
        while self.first < slowest && !self.entries.is_empty() {
            self.pop();
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }
}

/// The broadcast ring of one session. The lock is held for a few pointer moves, never across an await.
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    ring: Mutex<Ring>,
    changed: Notify,
}

impl Broadcast {
    /// Appends whole instructions. Users too far behind lose their places.
    pub(crate) fn publish(&self, entry: Bytes) {
        self.append(entry, None);
    }

    /// Appends sound that plays so long, as one entry that a user may miss.
    pub(crate) fn publish_audio(&self, entry: Bytes, length: Duration) {
        self.append(entry, Some(length));
    }

    fn append(&self, bytes: Bytes, plays: Option<Duration>) {
        let mut ring = self.lock();
        if ring.places.is_empty() {
            ring.first += 1;
            return;
        }
        ring.bytes += bytes.len();
        ring.played += plays.unwrap_or_default();
        let plays_until = plays.map(|_| ring.played);
        ring.entries.push_back(Entry { bytes, plays_until });
        while ring.bytes > MAX_RING_BYTES && ring.entries.len() > MIN_RING_ENTRIES {
            ring.pop();
        }
        drop(ring);
        self.changed.notify_waiters();
    }

    /// Gives a user the place behind everything published so far.
    pub(crate) fn place_at_end(&self, user: UserKey) {
        let mut ring = self.lock();
        let next = ring.next_number();
        ring.places.insert(user, next);
    }

    /// Number of the next entry to be published.
    #[cfg(all(test, not(feature = "_loom")))]
    fn next_number(&self) -> u64 {
        self.lock().next_number()
    }

    /// Takes a user's place away; last instructions meant for him stay until he has read them.
    pub(crate) fn remove_place(&self, user: UserKey) {
        let mut ring = self.lock();
        ring.places.remove(&user);
        ring.drop_taken();
    }

    /// Nobody reads for this user any more.
    pub(crate) fn forget(&self, user: UserKey) {
        let mut ring = self.lock();
        ring.places.remove(&user);
        ring.user_ends.remove(&user);
        ring.drop_taken();
    }

    /// Ends one user with these instructions, at once: what he has not taken yet he will not get.
    pub(crate) fn finish_user(&self, user: UserKey, last: Bytes) {
        let mut ring = self.lock();
        ring.places.remove(&user);
        ring.drop_taken();
        ring.user_ends.entry(user).or_insert(last);
        drop(ring);
        self.changed.notify_waiters();
    }

    /// Ends the ring with these instructions for everyone.
    pub(crate) fn finish(&self, last: Bytes) {
        self.lock().end.get_or_insert(last);
        self.changed.notify_waiters();
    }

    /// What is at a user's place. Moves it on, unless he waits for a snapshot: then what follows it must wait, too.
    pub(crate) fn take(&self, user: UserKey, awaiting_snapshot: bool) -> Next {
        let mut ring = self.lock();
        if let Some(last) = ring.user_ends.get(&user) {
            return Next::Ended(last.clone());
        }
        if let Some(&place) = ring.places.get(&user).filter(|_| !awaiting_snapshot) {
            let Some(offset) = place.checked_sub(ring.first) else {
                ring.places.remove(&user);
                return Next::Behind;
            };
            let waiting = ring.entries.range(usize::try_from(offset).unwrap_or(usize::MAX).min(ring.entries.len())..);
            let found = (place..).zip(waiting).find(|(_, entry)| {
                entry.plays_until.is_none_or(|until| ring.played.saturating_sub(until) <= MAX_AUDIO_BEHIND)
            });
            if let Some((place, bytes)) = found.map(|(place, entry)| (place, entry.bytes.clone())) {
                ring.places.insert(user, place + 1);
                ring.drop_taken();
                return Next::Entry(bytes);
            }
        }
        ring.end.clone().map_or(Next::Wait, Next::Ended)
    }

    /// Resolves when something may have changed since it was created.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// The lock guards plain data that is consistent after every statement, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(feature = "_loom")))]
mod tests {
    use super::*;

    fn entry(len: usize) -> Bytes {
        Bytes::from(vec![b'x'; len])
    }

    #[test]
    fn everyone_gets_every_entry_in_order_and_nothing_is_kept() {
        let ring = Broadcast::default();
        let users = [UserKey(1), UserKey(2)];
        users.iter().for_each(|&user| ring.place_at_end(user));
        for len in 1..=3 {
            ring.publish(entry(len));
        }
        for user in users {
            for len in 1..=3 {
                assert!(matches!(ring.take(user, false), Next::Entry(bytes) if bytes.len() == len));
            }
            assert!(matches!(ring.take(user, false), Next::Wait));
        }
        assert_eq!(ring.lock().bytes, 0);
        assert_eq!(ring.next_number(), 3);
    }

    #[test]
    fn a_user_too_far_behind_loses_his_place_and_others_do_not() {
        let ring = Broadcast::default();
        ring.place_at_end(UserKey(1));
        ring.place_at_end(UserKey(2));
        for _ in 0..5 {
            ring.publish(entry(1 << 20));
            assert!(matches!(ring.take(UserKey(1), false), Next::Entry(_)));
        }
        assert!(ring.lock().bytes <= MAX_RING_BYTES);
        assert!(matches!(ring.take(UserKey(2), false), Next::Behind));
        assert!(matches!(ring.take(UserKey(2), false), Next::Wait));
        ring.place_at_end(UserKey(2));
        ring.publish(entry(7));
        assert!(matches!(ring.take(UserKey(2), false), Next::Entry(bytes) if bytes.len() == 7));
    }

    #[test]
    fn two_frames_larger_than_the_bound_are_kept_and_a_third_pushes_one_out() {
        let ring = Broadcast::default();
        ring.place_at_end(UserKey(1));
        ring.publish(entry(MAX_RING_BYTES));
        ring.publish(entry(MAX_RING_BYTES));
        assert_eq!(ring.lock().entries.len(), 2);
        ring.publish(entry(1));
        assert!(matches!(ring.take(UserKey(1), false), Next::Behind));
    }

    #[test]
    fn who_is_half_a_second_behind_with_sound_keeps_all_and_a_moment_more_costs_the_oldest() {
        let ring = Broadcast::default();
        ring.place_at_end(UserKey(1));
        let tenth = Duration::from_millis(100);
        for sound in [&b"0"[..], b"1", b"2", b"3", b"4", b"5"] {
            ring.publish_audio(Bytes::from_static(sound), tenth);
        }
        assert!(matches!(ring.take(UserKey(1), false), Next::Entry(bytes) if bytes == "0"));
        ring.publish(Bytes::from_static(b"picture"));
        ring.publish_audio(Bytes::from_static(b"6"), tenth);
        ring.publish_audio(Bytes::from_static(b"7"), tenth);
        for expected in ["2", "3", "4", "5", "picture", "6", "7"] {
            assert!(matches!(ring.take(UserKey(1), false), Next::Entry(bytes) if bytes == expected), "{expected}");
        }
        assert!(matches!(ring.take(UserKey(1), false), Next::Wait));
        assert_eq!(ring.lock().bytes, 0);
    }

    #[test]
    fn the_end_comes_after_what_was_published() {
        let ring = Broadcast::default();
        ring.place_at_end(UserKey(1));
        ring.publish(entry(1));
        ring.finish(Bytes::from_static(b"10.disconnect;"));
        assert!(matches!(ring.take(UserKey(1), false), Next::Entry(_)));
        assert!(matches!(ring.take(UserKey(1), false), Next::Ended(_)));
    }
}

/// The interleavings of a few steps: `cargo test --package guac-session --features _loom --lib model`.
#[cfg(all(test, feature = "_loom"))]
mod model {
    use std::pin::pin;

    use loom::future::block_on;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Three forced switches find what is wrong in code of this size; going through all of them would take hours.
    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(model);
    }

    /// As a user's receiver reads: registered before looking.
    async fn next(broadcast: &Broadcast, user: UserKey) -> Next {
        loop {
            let mut changed = pin!(broadcast.changed());
            let _ = changed.as_mut().enable();
            match broadcast.take(user, false) {
                Next::Wait => changed.await,
                other => return other,
            }
        }
    }

    /// Everything a user gets until the end.
    fn read_to_end(broadcast: &Broadcast, user: UserKey) -> Vec<Bytes> {
        let mut all = Vec::new();
        loop {
            match block_on(next(broadcast, user)) {
                Next::Entry(entry) => all.push(entry),
                Next::Ended(last) => {
                    all.push(last);
                    return all;
                }
                Next::Behind | Next::Wait => panic!("a small ring leaves nobody behind"),
            }
        }
    }

    const ENTRIES: [&[u8]; 3] = [b"3.nop;", b"3.log,1.a;", b"10.disconnect;"];

    #[test]
    fn a_reader_gets_every_entry_in_order_and_never_sleeps_through_one() {
        check(|| {
            let broadcast = Arc::new(Broadcast::default());
            broadcast.place_at_end(UserKey(1));
            let writer = thread::spawn({
                let broadcast = Arc::clone(&broadcast);
                move || {
                    broadcast.publish(Bytes::from_static(ENTRIES[0]));
                    broadcast.publish(Bytes::from_static(ENTRIES[1]));
                    broadcast.finish(Bytes::from_static(ENTRIES[2]));
                }
            });
            assert_eq!(read_to_end(&broadcast, UserKey(1)), ENTRIES);
            writer.join().unwrap();
            let ring = broadcast.lock();
            assert_eq!((ring.bytes, ring.entries.len()), (0, 0), "what all have taken is dropped");
        });
    }

    #[test]
    fn a_user_who_leaves_while_entries_come_leaves_nothing_behind() {
        check(|| {
            let broadcast = Arc::new(Broadcast::default());
            broadcast.place_at_end(UserKey(1));
            broadcast.place_at_end(UserKey(2));
            let leaver = thread::spawn({
                let broadcast = Arc::clone(&broadcast);
                move || broadcast.forget(UserKey(2))
            });
            let writer = thread::spawn({
                let broadcast = Arc::clone(&broadcast);
                move || {
                    broadcast.publish(Bytes::from_static(ENTRIES[0]));
                    broadcast.finish(Bytes::from_static(ENTRIES[2]));
                }
            });
            assert_eq!(read_to_end(&broadcast, UserKey(1)), [ENTRIES[0], ENTRIES[2]]);
            leaver.join().unwrap();
            writer.join().unwrap();
            let ring = broadcast.lock();
            assert_eq!((ring.bytes, ring.entries.len()), (0, 0), "a place that is gone holds nothing");
        });
    }

    #[test]
    fn one_user_is_ended_while_another_reads_on() {
        check(|| {
            let broadcast = Arc::new(Broadcast::default());
            broadcast.place_at_end(UserKey(1));
            let killer = thread::spawn({
                let broadcast = Arc::clone(&broadcast);
                move || broadcast.finish_user(UserKey(1), Bytes::from_static(ENTRIES[2]))
            });
            broadcast.publish(Bytes::from_static(ENTRIES[0]));
            let got = read_to_end(&broadcast, UserKey(1));
            assert!(got == [ENTRIES[2]] || got == [ENTRIES[0], ENTRIES[2]], "{got:?}");
            killer.join().unwrap();
        });
    }
}
