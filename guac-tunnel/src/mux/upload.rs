//! A body on its way into a stream of the browser's (T-060 to T-063).

use bytes::{Buf as _, Bytes};
use guac_protocol::{InstructionWriter, MAX_BLOB_BYTES, StreamIndex};
use memchr::memmem;

use super::{InterceptId, needle};
use crate::StreamError;

#[derive(Debug)]
pub(super) struct Upload {
    id: InterceptId,
    stream: StreamIndex,
    ack: Box<[u8]>,
    /// The next blob, [`MAX_BLOB_BYTES`] at most.
    next: Vec<u8>,
    /// A blob is with the session, which has not answered it.
    unanswered: bool,
    /// The body is at its end.
    finishing: bool,
    over: Option<Result<(), StreamError>>,
}

impl Upload {
    pub(super) fn new(id: InterceptId, stream: StreamIndex) -> Self {
        let ack = needle("3.ack", stream, ',');
        Self { id, stream, ack, next: Vec::new(), unanswered: false, finishing: false, over: None }
    }

    pub(super) fn id(&self) -> InterceptId {
        self.id
    }

    pub(super) fn stream(&self) -> StreamIndex {
        self.stream
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    pub(super) fn is_live(&self, stream: StreamIndex) -> bool {
        self.stream == stream && self.over.is_none()
    }

    /// Whether an ack of this stream answers a blob of ours: any other is the browser's.
    pub(super) fn awaits_ack(&self, stream: StreamIndex) -> bool {
        self.is_live(stream) && self.unanswered
    }

    pub(super) fn may_be_in(&self, batch: &[u8]) -> bool {
        self.unanswered && self.over.is_none() && memmem::find(batch, &self.ack).is_some()
    }

    /// Whether a blob can go now. It need not be full: what comes while it is unanswered fills the next one.
    pub(super) fn is_ready(&self) -> bool {
        self.over.is_none() && !self.unanswered && !self.next.is_empty()
    }

    pub(super) fn push(&mut self, piece: &mut Bytes) -> Result<bool, StreamError> {
        self.check()?;
        let room = (MAX_BLOB_BYTES - self.next.len()).min(piece.len());
        if room > 0 {
            // Once, to the size of all blobs but the last.
            self.next.reserve_exact(if self.next.is_empty() { MAX_BLOB_BYTES } else { room });
            self.next.extend_from_slice(piece.get(..room).unwrap_or_default());
            piece.advance(room);
        }
        Ok(room > 0)
    }

    pub(super) fn finish(&mut self) -> Result<bool, StreamError> {
        self.finishing = true;
        if !self.unanswered && self.next.is_empty() {
            self.over.get_or_insert(Ok(()));
        }
        self.check()?;
        Ok(self.over.is_some())
    }

    fn check(&mut self) -> Result<(), StreamError> {
        match &mut self.over {
            Some(failed @ Err(_)) => std::mem::replace(failed, Ok(())),
            _ => Ok(()),
        }
    }

    pub(super) fn write_blob(&mut self, out: &mut Vec<u8>) {
        InstructionWriter::new(out, "blob").arg(&self.stream).base64(&self.next).end();
        self.next.clear();
        self.unanswered = true;
    }

    pub(super) fn acknowledged(&mut self) {
        self.unanswered = false;
    }

    /// The first end counts.
    pub(super) fn fail(&mut self, error: StreamError) {
        self.over.get_or_insert(Err(error));
        self.next = Vec::new();
    }
}
