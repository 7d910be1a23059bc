//! What a session's task and its users' tasks share, and what passes between them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::SessionEnd;
use crate::broadcast::Broadcast;
use crate::core::Member;
use crate::input::{InputEvent, UserKey};

/// A message to the session's task.
#[derive(Debug)]
pub(crate) enum ToSession {
    Input(UserKey, InputEvent),
    Join(Box<Member>),
}

/// What the session and its users' tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) broadcast: Broadcast,
    /// Users who left, and users who need a snapshot. Lists, because a message could not wait in a destructor.
    notes: Mutex<Notes>,
    pub(crate) wake: Notify,
    killed: Mutex<Option<SessionEnd>>,
    pub(crate) cancel: CancellationToken,
    next_key: AtomicU32,
}

#[derive(Debug, Default)]
struct Notes {
    /// Users with a half that is still held, whether or not the session has met them.
    present: HashSet<UserKey>,
    departed: Vec<UserKey>,
    behind: Vec<UserKey>,
}

impl Shared {
    pub(crate) fn new(cancel: CancellationToken) -> Self {
        Self {
            broadcast: Broadcast::default(),
            notes: Mutex::default(),
            wake: Notify::new(),
            killed: Mutex::default(),
            cancel,
            next_key: AtomicU32::new(0),
        }
    }

    pub(crate) fn next_key(&self) -> UserKey {
        let key = UserKey(self.next_key.fetch_add(1, Ordering::Relaxed));
        self.notes().present.insert(key);
        key
    }

    pub(crate) fn users(&self) -> usize {
        self.notes().present.len()
    }

    pub(crate) fn is_present(&self, user: UserKey) -> bool {
        self.notes().present.contains(&user)
    }

    /// A user's last half is gone, he said `disconnect`, or he was put out: whatever comes first.
    pub(crate) fn depart(&self, user: UserKey) {
        let mut notes = self.notes();
        if notes.present.remove(&user) {
            notes.departed.push(user);
            drop(notes);
            self.wake.notify_one();
        }
    }

    pub(crate) fn ask_for_snapshot(&self, user: UserKey) {
        self.notes().behind.push(user);
        self.wake.notify_one();
    }

    /// Users who left and users who fell behind since the last call.
    pub(crate) fn take_notes(&self) -> (Vec<UserKey>, Vec<UserKey>) {
        let mut notes = self.notes();
        (std::mem::take(&mut notes.departed), std::mem::take(&mut notes.behind))
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session for this reason.
    pub(crate) fn kill(&self, end: SessionEnd) {
        self.killed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(end);
        self.cancel.cancel();
    }

    pub(crate) fn killed_by(&self) -> Option<SessionEnd> {
        self.killed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
