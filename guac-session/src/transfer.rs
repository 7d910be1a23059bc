//! Files between a user and the machine, as a backend sees them: what is asked for, where data goes, where it comes
//! from.
//!
//! Each transfer is a bounded queue between the session and whoever serves it, usually a task of the backend's. Data
//! waits in it, the session never does.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use guac_protocol::{ObjectIndex, Status};
use tokio::sync::{mpsc, oneshot};

use crate::input::UserKey;
use crate::slots::Slot;

/// Chunks of a download that wait for the user, of whatever size the backend reads at once: two on their way while two
/// are read.
const DOWNLOAD_CHUNKS: usize = 4;

/// Blobs of an upload that wait for the backend. One that waits for its answers has one; this is for those who send
/// the first blobs right behind the opening.
pub(crate) const UPLOAD_BLOBS: usize = 16;

/// Nobody is at the other end of the transfer any more: the user left, gave up or ended the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user ended the transfer")]
pub struct TransferGone;

/// A piece of a download.
#[derive(Debug)]
pub(crate) enum Chunk {
    Data(Bytes),
    /// All was handed over. Who waits is told when the user has it.
    Done(oneshot::Sender<()>),
}

/// A user asks for a stream of an object (`get`): a directory's index or a file.
///
/// Dropping it refuses.
#[derive(Debug)]
pub struct DownloadRequest {
    user: UserKey,
    object: ObjectIndex,
    name: String,
    answer: oneshot::Sender<GetAnswer>,
    slot: Arc<Slot>,
}

/// What becomes of a `get`.
#[derive(Debug)]
pub(crate) enum GetAnswer {
    Body { mimetype: String, source: DownloadEnd },
    Refused { status: Status },
}

impl DownloadRequest {
    pub(crate) fn new(
        user: UserKey,
        object: ObjectIndex,
        name: String,
        slot: Arc<Slot>,
    ) -> (Self, oneshot::Receiver<GetAnswer>) {
        let (answer, receiver) = oneshot::channel();
        (Self { user, object, name, answer, slot }, receiver)
    }

    /// Who asks.
    #[must_use]
    pub fn user(&self) -> UserKey {
        self.user
    }

    /// Which object.
    #[must_use]
    pub fn object(&self) -> ObjectIndex {
        self.object
    }

    /// Which stream of it, at most 4096 bytes that the user chose: for a file system a path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins to answer (`body`).
    #[must_use]
    pub fn accept(self, mimetype: impl Into<String>) -> Download {
        let (download, source) = Download::new(self.slot);
        // Who left meanwhile is noticed at the first chunk.
        let _ = self.answer.send(GetAnswer::Body { mimetype: mimetype.into(), source });
        download
    }

    /// Does not answer. The protocol has no refusal for a `get`, and guacd stays silent; here the user's log is told.
    pub fn refuse(self, status: Status) {
        let _ = self.answer.send(GetAnswer::Refused { status });
    }
}

/// Where the data of a download goes. Dropping it without [`finish`](Self::finish) ends the stream early.
#[derive(Debug)]
pub struct Download {
    chunks: mpsc::Sender<Chunk>,
    _slot: Arc<Slot>,
}

/// The session's end of a download.
#[derive(Debug)]
pub(crate) struct DownloadEnd {
    pub(crate) chunks: mpsc::Receiver<Chunk>,
    _slot: Arc<Slot>,
}

impl Download {
    pub(crate) fn new(slot: Arc<Slot>) -> (Self, DownloadEnd) {
        let (sender, chunks) = mpsc::channel(DOWNLOAD_CHUNKS);
        (Self { chunks: sender, _slot: Arc::clone(&slot) }, DownloadEnd { chunks, _slot: slot })
    }

    /// Hands data over, waiting while four chunks are there already. The session cuts it into blobs.
    ///
    /// # Errors
    /// [`TransferGone`] when the user does not want it any more.
    ///
    /// # Cancel safety
    /// If the future is dropped the data was not handed over.
    pub async fn send(&mut self, data: Bytes) -> Result<(), TransferGone> {
        self.chunks.send(Chunk::Data(data)).await.map_err(|_| TransferGone)
    }

    /// All of it was handed over.
    ///
    /// # Errors
    /// [`TransferGone`] when the user does not want it any more.
    ///
    /// # Cancel safety
    /// If the future is dropped the stream ends early.
    pub async fn finish(self) -> Result<(), TransferGone> {
        let (delivered, _) = oneshot::channel();
        self.chunks.send(Chunk::Done(delivered)).await.map_err(|_| TransferGone)
    }

    /// As [`finish`](Self::finish), waiting until the user has acknowledged every blob of it.
    ///
    /// # Errors
    /// [`TransferGone`] when the user does not want it any more, or left before he had all of it.
    ///
    /// # Cancel safety
    /// If the future is dropped the stream goes on to its end, or ends early.
    pub async fn deliver(self) -> Result<(), TransferGone> {
        let (delivered, waiting) = oneshot::channel();
        self.chunks.send(Chunk::Done(delivered)).await.map_err(|_| TransferGone)?;
        waiting.await.map_err(|_| TransferGone)
    }

    /// Resolves when the user does not want it any more.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn gone(&self) {
        self.chunks.closed().await;
    }
}

/// Where a user wants a file to go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadTarget {
    /// To wherever files go that are just dropped (`file`).
    File {
        /// Its name: any text of at most 4096 bytes.
        filename: String,
    },
    /// To a stream of an object (`put`).
    Object {
        /// Which object.
        object: ObjectIndex,
        /// Which stream of it: for a file system a path of at most 4096 bytes.
        name: String,
    },
}

/// A piece of an upload.
#[derive(Debug)]
pub(crate) enum Part {
    Blob(Bytes),
    End,
}

/// What the session passes on as `ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadAnswer {
    /// The opening or a blob was taken.
    Taken,
    /// All is where it belongs.
    Finished,
    Failed {
        status: Status,
        message: &'static str,
    },
}

/// A user wants to upload. Dropping it refuses.
#[derive(Debug)]
pub struct UploadRequest {
    user: UserKey,
    is_owner: bool,
    target: UploadTarget,
    mimetype: String,
    wire: UploadWire,
}

/// The backend's end of an upload. Says that it failed if it is dropped before it said how it ended.
#[derive(Debug)]
pub(crate) struct UploadWire {
    parts: mpsc::Receiver<Part>,
    answers: mpsc::Sender<UploadAnswer>,
    settled: bool,
    slot: Option<Arc<Slot>>,
}

impl UploadWire {
    /// INVARIANT: there is one answer per opening, blob and end, and room for all that can be open.
    fn answer(&self, answer: UploadAnswer) {
        let _ = self.answers.try_send(answer);
    }

    fn settle(&mut self, answer: UploadAnswer) {
        if !std::mem::replace(&mut self.settled, true) {
            self.answer(answer);
        }
    }
}

impl Drop for UploadWire {
    fn drop(&mut self) {
        self.settle(UploadAnswer::Failed { status: Status::ResourceClosed, message: "the file was not taken" });
    }
}

/// The session's end of an upload.
#[derive(Debug)]
pub(crate) struct UploadEnd {
    parts: mpsc::Sender<Part>,
    answers: mpsc::Receiver<UploadAnswer>,
    /// Blobs passed on and not answered, and the opening.
    unanswered: usize,
}

impl UploadEnd {
    /// Passes a blob on; false if too many wait, or nobody takes them.
    pub(crate) fn blob(&mut self, data: Bytes) -> bool {
        if self.unanswered >= UPLOAD_BLOBS {
            return false;
        }
        self.unanswered += 1;
        self.parts.try_send(Part::Blob(data)).is_ok()
    }

    /// What the backend says next.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<UploadAnswer> {
        self.answers.poll_recv(cx).map(|answer| {
            self.unanswered = self.unanswered.saturating_sub(1);
            // It always says how it ended before it lets go.
            answer.unwrap_or(UploadAnswer::Failed { status: Status::ServerError, message: "the file was not taken" })
        })
    }

    pub(crate) fn end(&self) {
        // Whoever does not listen any more has said so by an answer.
        let _ = self.parts.try_send(Part::End);
    }
}

impl UploadRequest {
    pub(crate) fn new(user: UserKey, is_owner: bool, target: UploadTarget, mimetype: String) -> (Self, UploadEnd) {
        // One more for the end.
        let (parts, receiver) = mpsc::channel(UPLOAD_BLOBS + 1);
        // And for the opening's and the end's.
        let (sender, answers) = mpsc::channel(UPLOAD_BLOBS + 2);
        let wire = UploadWire { parts: receiver, answers: sender, settled: false, slot: None };
        (Self { user, is_owner, target, mimetype, wire }, UploadEnd { parts, answers, unanswered: 1 })
    }

    /// Its turn has come.
    pub(crate) fn with_slot(mut self, slot: Arc<Slot>) -> Self {
        self.wire.slot = Some(slot);
        self
    }

    /// Whether the user gave up before its turn came.
    pub(crate) fn is_gone(&self) -> bool {
        self.wire.answers.is_closed()
    }

    /// Who uploads.
    #[must_use]
    pub fn user(&self) -> UserKey {
        self.user
    }

    /// Whether that is the owner.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.is_owner
    }

    /// Where to.
    #[must_use]
    pub fn target(&self) -> &UploadTarget {
        &self.target
    }

    /// What the user says it is.
    #[must_use]
    pub fn mimetype(&self) -> &str {
        &self.mimetype
    }

    /// Lets the user send.
    #[must_use]
    pub fn accept(self) -> Upload {
        self.wire.answer(UploadAnswer::Taken);
        Upload { wire: self.wire, owes: false }
    }

    /// Tells the user why not. The message is for people: lower case, no full stop.
    pub fn refuse(mut self, status: Status, message: &'static str) {
        self.wire.settle(UploadAnswer::Failed { status, message });
    }
}

/// Where the data of an upload comes from. Dropping it before its end is an error that the user is told.
#[derive(Debug)]
pub struct Upload {
    wire: UploadWire,
    /// The last blob given out is not answered.
    owes: bool,
}

impl Upload {
    /// The next blob, at most 6144 bytes; `None` at the end, after which [`finish`](Self::finish) is due. Asking for it
    /// says that the one before is taken: that is what lets the user send more.
    ///
    /// # Errors
    /// [`TransferGone`] when the user gave up or left: what came so far is not the whole file.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, TransferGone> {
        if std::mem::take(&mut self.owes) {
            self.wire.answer(UploadAnswer::Taken);
        }
        match self.wire.parts.recv().await {
            Some(Part::Blob(data)) => {
                self.owes = true;
                Ok(Some(data))
            }
            Some(Part::End) => Ok(None),
            None => Err(TransferGone),
        }
    }

    /// The file is whole and where it belongs.
    pub fn finish(mut self) {
        self.wire.settle(UploadAnswer::Finished);
    }

    /// It cannot be kept. The message is for people: lower case, no full stop.
    pub fn fail(mut self, status: Status, message: &'static str) {
        self.wire.settle(UploadAnswer::Failed { status, message });
    }
}
