//! A user's two ends: what the session sends to him, and what he says to it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use guac_protocol::{Encode as _, Instruction, ServerInstruction, Status, UserId};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::SessionEnd;
use crate::UserGone;
use crate::broadcast::Next;
use crate::input::{Said, UserKey, interpret};
use crate::shared::{Shared, ToSession};

/// Messages for one user alone that may wait: answers to his streams, prompts, his snapshot. A user who lets this many
/// answers pile up does not read at all.
pub(crate) const PRIVATE_QUEUE: usize = 64;

/// For one user only.
#[derive(Debug)]
pub(crate) enum Private {
    Bytes(Bytes),
    /// The whole picture; the ring goes on from here.
    Snapshot(Bytes),
}

/// A participant of a session. Dropping it (both halves, if it was split) leaves.
#[derive(Debug)]
pub struct User {
    receiver: UserReceiver,
    sender: UserSender,
}

/// Leaves the session when the last half is gone.
#[derive(Debug)]
struct Membership {
    key: UserKey,
    id: UserId,
    shared: Arc<Shared>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.broadcast.forget(self.key);
        self.shared.depart(self.key);
    }
}

/// The half that listens.
#[derive(Debug)]
pub struct UserReceiver {
    member: Arc<Membership>,
    private: mpsc::Receiver<Private>,
    awaiting_snapshot: bool,
    /// The last message was for this user alone; now it is everybody's turn. So files do not hold up frames.
    shared_turn: bool,
    over: bool,
}

/// The half that speaks.
#[derive(Debug)]
pub struct UserSender {
    member: Arc<Membership>,
    mailbox: PollSender<ToSession>,
}

impl User {
    pub(crate) fn new(
        key: UserKey,
        id: UserId,
        shared: Arc<Shared>,
        mailbox: mpsc::Sender<ToSession>,
        private: mpsc::Receiver<Private>,
        awaiting_snapshot: bool,
    ) -> Self {
        let member = Arc::new(Membership { key, id, shared });
        Self {
            receiver: UserReceiver {
                member: Arc::clone(&member),
                private,
                awaiting_snapshot,
                shared_turn: false,
                over: false,
            },
            sender: UserSender { member, mailbox: PollSender::new(mailbox) },
        }
    }

    /// The user's id within the session.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.receiver.member.id
    }

    /// As [`UserReceiver::recv`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.receiver.recv().await
    }

    /// As [`UserSender::handle_instruction`].
    ///
    /// # Errors
    /// [`UserGone`] when the user is no longer part of the session.
    ///
    /// # Cancel safety
    /// If the future is dropped the instruction was not delivered.
    pub async fn handle_instruction(&mut self, instruction: &Instruction<'_>) -> Result<(), UserGone> {
        self.sender.handle_instruction(instruction).await
    }

    /// Both halves apart, for a task that reads and writes at once.
    #[must_use]
    pub fn split(self) -> (UserReceiver, UserSender) {
        (self.receiver, self.sender)
    }
}

impl UserReceiver {
    /// The next whole instructions for this user; `None` after the last ones, which end with `disconnect`.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let member = Arc::clone(&self.member);
        let broadcast = &member.shared.broadcast;
        loop {
            // Registered before looking, so that nothing published in between goes unnoticed.
            let mut changed = pin!(broadcast.changed());
            changed.as_mut().enable();
            let alone = if self.shared_turn { None } else { self.private.try_recv().ok() };
            if let Some(message) = alone {
                match self.open(message) {
                    Some(bytes) => return Some(bytes),
                    None => continue,
                }
            }
            let next = broadcast.take(member.key, self.awaiting_snapshot);
            if std::mem::take(&mut self.shared_turn) && !matches!(next, Next::Entry(_) | Next::Behind) {
                continue;
            }
            match next {
                Next::Entry(bytes) => return Some(bytes),
                Next::Ended(bytes) => {
                    self.over = true;
                    return Some(bytes);
                }
                Next::Behind => {
                    self.awaiting_snapshot = true;
                    member.shared.ask_for_snapshot(member.key);
                }
                Next::Wait => {}
            }
            tokio::select! {
                () = changed => {}
                Some(message) = self.private.recv() => {
                    if let Some(bytes) = self.open(message) {
                        return Some(bytes);
                    }
                }
            }
        }
    }

    /// What to pass on, if anything: the snapshot of a session that shows nothing yet is empty.
    fn open(&mut self, message: Private) -> Option<Bytes> {
        let bytes = match message {
            Private::Bytes(bytes) => {
                self.shared_turn = true;
                bytes
            }
            Private::Snapshot(bytes) => {
                self.awaiting_snapshot = false;
                bytes
            }
        };
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }
}

impl UserSender {
    /// Waits until the session takes one more instruction.
    ///
    /// # Errors
    /// [`UserGone`] when the session is over.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UserGone>> {
        self.mailbox.poll_reserve(cx).map_err(|_| UserGone)
    }

    /// Says one instruction, after [`poll_ready`](Self::poll_ready).
    ///
    /// Opcodes that mean nothing here are ignored (P-015). A known opcode with unusable arguments ends this user, and
    /// only him, with `CLIENT_BAD_REQUEST`.
    ///
    /// # Errors
    /// [`UserGone`] when the user said `disconnect` or was refused.
    pub fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), UserGone> {
        match interpret(instruction) {
            Ok(Said::Input(event)) => {
                self.mailbox.send_item(ToSession::Input(self.member.key, event)).map_err(|_| UserGone)
            }
            Ok(Said::Nothing) => Ok(()),
            Ok(Said::Leave) => {
                let mut goodbye = Vec::new();
                ServerInstruction::Disconnect {}.encode(&mut goodbye);
                self.leave(goodbye)
            }
            Err(error) => {
                tracing::debug!(user = %self.member.id, opcode = instruction.opcode(), %error, "Instruction refused");
                let end = SessionEnd::new(Status::ClientBadRequest, "the gateway did not understand an instruction");
                self.leave(end.to_instructions())
            }
        }
    }

    /// Says one instruction, waiting for room in the session's mailbox.
    ///
    /// # Errors
    /// As [`start_send`](Self::start_send).
    ///
    /// # Cancel safety
    /// If the future is dropped the instruction was not delivered.
    pub async fn handle_instruction(&mut self, instruction: &Instruction<'_>) -> Result<(), UserGone> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await?;
        self.start_send(instruction)
    }

    fn leave(&mut self, last: Vec<u8>) -> Result<(), UserGone> {
        self.member.shared.broadcast.finish_user(self.member.key, last.into());
        self.member.shared.depart(self.member.key);
        Err(UserGone)
    }
}
