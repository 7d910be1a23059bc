//! What waits to be written. Replies never wait, so that reading goes on whatever the other side does; callers do.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Unsent bytes above which callers wait: some blobs of an upload, hundreds of keys.
const ROOM_BYTES: usize = 128 * 1024;

/// Unsent bytes above which even replies do not fit: the other side has stopped reading while it goes on writing.
const FULL_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
struct Queue {
    /// Each holds whole instructions.
    items: VecDeque<Vec<u8>>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    fn push(&mut self, item: Vec<u8>) {
        self.bytes += item.len();
        self.items.push_back(item);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    room: Notify,
}

impl Outbox {
    /// Adds a reply. `false` if the other side has let far too many pile up.
    pub(crate) fn push(&self, item: Vec<u8>) -> bool {
        let mut queue = self.lock();
        if queue.closed || item.is_empty() {
            return true;
        }
        if queue.bytes + item.len() > FULL_BYTES {
            return false;
        }
        queue.push(item);
        self.filled.notify_one();
        true
    }

    /// Adds what a caller says, when there is room. Once closed, it is dropped. Cancel safe: it is added whole or not.
    pub(crate) async fn send(&self, item: Vec<u8>) {
        let mut item = Some(item);
        loop {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            {
                let mut queue = self.lock();
                if queue.closed {
                    return;
                }
                if queue.bytes < ROOM_BYTES {
                    if let Some(item) = item.take() {
                        queue.push(item);
                    }
                    self.filled.notify_one();
                    return;
                }
            }
            room.await;
        }
    }

    /// The next instructions: as many as make `most` bytes, or a single item that is longer. `None` once closed and
    /// empty.
    pub(crate) async fn take(&self, most: usize) -> Option<Vec<u8>> {
        loop {
            {
                let mut queue = self.lock();
                if let Some(mut taken) = queue.items.pop_front() {
                    while queue.items.front().is_some_and(|next| taken.len() + next.len() <= most)
                        && let Some(next) = queue.items.pop_front()
                    {
                        taken.extend_from_slice(&next);
                    }
                    queue.bytes -= taken.len();
                    self.room.notify_waiters();
                    return Some(taken);
                }
                if queue.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// What is in is still written; nothing is added.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.room.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn instructions_are_joined_up_to_a_message_and_never_split() {
        let outbox = Outbox::default();
        for len in [3, 4, 5, 20] {
            assert!(outbox.push(vec![0; len]));
        }
        outbox.close();
        let mut taken = Vec::new();
        while let Some(item) = outbox.take(8).await {
            taken.push(item.len());
        }
        assert_eq!(taken, [7, 5, 20]);
    }

    #[tokio::test]
    async fn replies_are_refused_beyond_the_limit_and_callers_wait_long_before() {
        let outbox = Outbox::default();
        assert!(outbox.push(vec![0; FULL_BYTES]));
        assert!(!outbox.push(vec![0]));
        tokio::select! {
            biased;
            () = outbox.send(vec![1]) => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        let (taken, ()) = tokio::join!(outbox.take(1), outbox.send(vec![1]));
        assert_eq!(taken.map(|item| item.len()), Some(FULL_BYTES));
        assert_eq!(outbox.take(1).await, Some(vec![1]));
    }
}
