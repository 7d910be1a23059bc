//! The drive's `Download` folder: files that the server puts there go to the owner.
//!
//! A file is sent when the server closes it after writing to it, or after moving it there, and is removed once the
//! owner has all of it. What he refuses, or does not wait for, stays in the folder, where he finds it in the file
//! system: guacd deletes it before he has it, so that a download that breaks off is lost (test `what_the_owner_refuses_stays`).

use std::collections::VecDeque;

use crate::drive::path::DrivePath;

/// The folder's name, in the drive's directory.
pub(super) const FOLDER: &str = "Download";

/// Files on their way at once. Browsers ask about each.
const MAX_SENDING: usize = 4;

/// Files that wait for their turn. What is beyond stays in the folder.
const MAX_WAITING: usize = 512;

/// Files for the owner.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    waiting: VecDeque<DrivePath>,
    /// Being opened or sent.
    sending: usize,
}

impl Arrivals {
    /// A file has arrived.
    pub(super) fn add(&mut self, path: DrivePath) {
        if self.waiting.contains(&path) {
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            tracing::warn!(limit = MAX_WAITING, "File for the owner not sent: too many wait");
            return;
        }
        self.waiting.push_back(path);
    }

    /// The next one to open and send, if it is its turn. [`done`](Self::done) follows.
    pub(super) fn next(&mut self) -> Option<DrivePath> {
        if self.sending >= MAX_SENDING {
            return None;
        }
        let path = self.waiting.pop_front()?;
        self.sending += 1;
        Some(path)
    }

    /// One was sent, or cannot be.
    pub(super) fn done(&mut self) {
        self.sending = self.sending.saturating_sub(1);
    }

    /// The owner has left: what waits for him stays.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Whether it has arrived anew and not been sent since.
    pub(super) fn is_waiting(&self, path: &DrivePath) -> bool {
        self.waiting.contains(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(number: usize) -> DrivePath {
        DrivePath::parse(&format!("\\Download\\{number}")).unwrap()
    }

    #[test]
    fn four_are_sent_at_once() {
        let mut arrivals = Arrivals::default();
        for number in 0..6 {
            arrivals.add(path(number));
        }
        let sending: Vec<_> = std::iter::from_fn(|| arrivals.next()).collect();
        assert_eq!(sending, [0, 1, 2, 3].map(path));
        arrivals.done();
        assert_eq!(arrivals.next(), Some(path(4)));
        assert_eq!(arrivals.next(), None);
    }

    #[test]
    fn of_those_that_wait_512_are_kept_and_one_more_is_not() {
        let mut arrivals = Arrivals::default();
        for number in 0..513 {
            arrivals.add(path(number));
        }
        assert!(arrivals.is_waiting(&path(511)));
        assert!(!arrivals.is_waiting(&path(512)));
    }
}
