//! Where a tunnel ends: a place at a live session, whoever runs that session.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use guac_protocol::{ClientInfo, ConnectionId, Instruction, Selection, Status};

/// Opens and joins live sessions. The daemon implements it over its own sessions, [`GuacdHost`](crate::GuacdHost)
/// over an outside guacd.
pub trait SessionHost: Send + Sync + 'static {
    /// Parameter names that `args` tells, in order and without the version. `selected` is what `select` named: a
    /// protocol, or the `$` id of a running session, which has its protocol's names. `None`: there is no such.
    fn parameters(&self, selected: &str) -> Option<Vec<String>>;

    /// Opens a session or joins one.
    ///
    /// # Cancel safety
    /// Dropping the future before it is done gives the request up; a session opened for it ends.
    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>>;
}

/// What to open and for whom.
///
/// Debug output leaves the parameters out: they hold passwords and keys.
pub struct OpenRequest {
    /// A protocol, or a running session to join.
    pub selection: Selection,
    /// What the client said about itself.
    pub info: ClientInfo,
    /// Parameter values by name; unset ones may be missing or empty.
    pub params: BTreeMap<String, String>,
}

impl fmt::Debug for OpenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenRequest").field("selection", &self.selection).finish_non_exhaustive()
    }
}

/// An open session, as one user has it.
pub struct Opened {
    /// The session's id, for others to join by.
    pub connection_id: ConnectionId,
    /// This user's place.
    pub link: Link,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("connection_id", &self.connection_id).finish_non_exhaustive()
    }
}

/// One user's place at a session. Dropping it leaves.
pub struct Link {
    /// What the user gets, from after `ready`: each item is one or more whole instructions. It ends when the session
    /// ended for this user; its last instructions are then `error` or `disconnect`.
    pub source: BoxStream<'static, Bytes>,
    /// What the user says.
    pub sink: Box<dyn InstructionSink>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Takes a user's instructions, borrowed: what it needs later it copies.
pub trait InstructionSink: Send {
    /// Whether there is room for one more instruction. Waiting here is what slows a user down who says more than his
    /// session can take.
    ///
    /// # Errors
    /// [`LinkClosed`] when the session is over for this user; the link's source says why.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>>;

    /// Takes one instruction, after [`poll_ready`](Self::poll_ready) said that there is room.
    ///
    /// # Errors
    /// [`LinkClosed`] as above.
    fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed>;

    /// Brings everything taken on its way. Called after the last instruction of each batch; a sink that keeps nothing
    /// back has nothing to do.
    ///
    /// # Errors
    /// [`LinkClosed`] as above.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }
}

/// The session is over for this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is over for this user")]
pub struct LinkClosed;

/// Why a session could not be opened or joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({status})")]
pub struct OpenError {
    /// What to tell the client.
    pub status: Status,
    /// A sentence that is safe to show to the user.
    pub message: Cow<'static, str>,
}

impl OpenError {
    /// An error with this status and sentence.
    pub fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    /// What guacd says when the id to join is not there.
    #[must_use]
    pub fn no_such_connection() -> Self {
        Self::new(Status::ResourceNotFound, "No such connection.")
    }
}
