//! A stream of the session's on its way to a reader of its own (T-059, T-064).

use std::collections::VecDeque;
use std::task::Poll;

use bytes::Bytes;
use guac_protocol::StreamIndex;
use memchr::memmem;

use super::{InterceptId, needle};
use crate::StreamError;

/// Blobs that may wait for the reader before the session's next one is not asked for: enough that session and reader
/// work at the same time, about 24 KiB in all.
pub(super) const WINDOW_BLOBS: usize = 4;

/// Bytes that may wait for the reader, whatever was asked for. Streams that do not wait for acks, such as pipes, come
/// in bursts; past this their reader is too slow and the download fails.
pub(super) const MAX_QUEUED_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Download {
    id: InterceptId,
    stream: StreamIndex,
    blob: Box<[u8]>,
    end: Box<[u8]>,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    /// Blobs that the session got no ack for, yet.
    unanswered: usize,
    over: Option<Result<(), StreamError>>,
}

impl Download {
    pub(super) fn new(id: InterceptId, stream: StreamIndex) -> Self {
        Self {
            id,
            stream,
            blob: needle("4.blob", stream, ','),
            end: needle("3.end", stream, ';'),
            queue: VecDeque::new(),
            queued_bytes: 0,
            unanswered: 0,
            over: None,
        }
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

    /// Whether this is about the stream and goes on. The index of one that is over may be somebody else's by now.
    pub(super) fn is_live(&self, stream: StreamIndex) -> bool {
        self.stream == stream && self.over.is_none()
    }

    pub(super) fn may_be_in(&self, batch: &[u8]) -> bool {
        self.over.is_none() && (memmem::find(batch, &self.blob).is_some() || memmem::find(batch, &self.end).is_some())
    }

    pub(super) fn push(&mut self, base64: &str) -> Result<(), StreamError> {
        let data = base64_simd::STANDARD.decode_to_vec(base64).map_err(|_| StreamError::Malformed)?;
        if self.queued_bytes + data.len() > MAX_QUEUED_BYTES {
            return Err(StreamError::Overrun { limit_bytes: MAX_QUEUED_BYTES });
        }
        if !data.is_empty() {
            self.queued_bytes += data.len();
            self.queue.push_back(data.into());
        }
        Ok(())
    }

    pub(super) fn owe_ack(&mut self) {
        self.unanswered += 1;
    }

    /// Acks to send now: all, while there is room in the window.
    pub(super) fn acks_due(&mut self) -> usize {
        if self.over.is_some() || self.queue.len() >= WINDOW_BLOBS { 0 } else { std::mem::take(&mut self.unanswered) }
    }

    pub(super) fn end(&mut self) {
        self.over.get_or_insert(Ok(()));
    }

    /// The first end counts.
    pub(super) fn fail(&mut self, error: StreamError) {
        self.over.get_or_insert(Err(error));
    }

    pub(super) fn take(&mut self) -> Poll<Option<Result<Bytes, StreamError>>> {
        if let Some(data) = self.queue.pop_front() {
            self.queued_bytes -= data.len();
            return Poll::Ready(Some(Ok(data)));
        }
        match self.over.replace(Ok(())) {
            None => {
                self.over = None;
                Poll::Pending
            }
            Some(end) => Poll::Ready(end.err().map(Err)),
        }
    }

    pub(super) fn begin(&mut self) -> Poll<Result<(), StreamError>> {
        if !self.queue.is_empty() {
            return Poll::Ready(Ok(()));
        }
        match self.over.replace(Ok(())) {
            None => {
                self.over = None;
                Poll::Pending
            }
            Some(end) => Poll::Ready(end),
        }
    }
}
