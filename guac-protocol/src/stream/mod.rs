//! Streams and objects: which index is free, and who may send when.
//!
//! A stream is opened by one side under an index of its own space, carries base64 blobs of at most
//! [`MAX_BLOB_BYTES`] raw bytes and ends with `end`. Files are paced by the receiver's `ack`s; images, clipboards and
//! parameter values are not. The machines here hold counters only: the data stays with the caller, so they serve a
//! daemon that reads files, a gateway that relays HTTP bodies and a client that uploads alike.
//!
//! # Specification
//! Guacamole manual, "Streams and objects"; guacd's `src/libguac/{client,user,pool}.c`.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;

use crate::{
    Encode as _, InstructionWriter, MAX_BLOB_BYTES, MAX_STREAMS, ObjectIndex, ServerInstruction, Status, StreamIndex,
};

/// Objects that one user may see at once (`GUAC_USER_MAX_OBJECTS`, P-142).
pub const MAX_OBJECTS: u32 = 64;

/// Raw bytes of one clipboard blob as guacd sends it (P-125).
pub const CLIPBOARD_BLOB_BYTES: usize = 4096;

/// What can go wrong with one stream. The connection goes on: answer with [`status`](Self::status) in an `ack`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// *Peer.* The receiver refused the stream, or gave up on it.
    #[error("the receiver ended the stream: {status}")]
    Aborted {
        /// What its `ack` said.
        status: Status,
    },
    /// *Peer.* A blob is not base64.
    #[error("a blob is not base64")]
    NotBase64,
    /// *Peer.* More data came than is taken.
    #[error("the stream is longer than {limit} bytes")]
    TooMuchData {
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// *Peer.* More blobs came than were acknowledged plus the window.
    #[error("more than {window} blobs came without waiting for an answer")]
    TooManyBlobs {
        /// The window in force, in blobs.
        window: u32,
    },
    /// *Peer.* More streams are open than may be.
    #[error("more than {limit} streams are open")]
    TooManyStreams {
        /// The limit in force.
        limit: usize,
    },
    /// *Peer.* An index beyond the space of its side.
    #[error("stream index {index} is out of range")]
    BadIndex {
        /// The index.
        index: u32,
    },
    /// *Caller.* The stream has ended.
    #[error("the stream has ended")]
    Closed,
}

impl StreamError {
    /// The status to tell the peer.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Aborted { status } => *status,
            Self::NotBase64 | Self::BadIndex { .. } => Status::ClientBadRequest,
            Self::TooMuchData { .. } | Self::TooManyBlobs { .. } => Status::ClientOverrun,
            Self::TooManyStreams { .. } => Status::ClientTooMany,
            Self::Closed => Status::ResourceClosed,
        }
    }
}

/// Numbers from 0 that are taken and given back. Fresh ones go first and then the one that is free for longest, so
/// that a message still under way for an old stream does not meet a new one (P-121).
#[derive(Debug, Clone)]
struct Pool {
    size: u32,
    fresh: u32,
    freed: VecDeque<u32>,
}

impl Pool {
    fn new(size: u32) -> Self {
        Self { size, fresh: 0, freed: VecDeque::new() }
    }

    fn take(&mut self) -> Option<u32> {
        if self.fresh < self.size {
            self.fresh += 1;
            return Some(self.fresh - 1);
        }
        self.freed.pop_front()
    }

    fn is_taken(&self, number: u32) -> bool {
        number < self.fresh && !self.freed.contains(&number)
    }

    fn give_back(&mut self, number: u32) -> bool {
        let taken = self.is_taken(number);
        if taken {
            self.freed.push_back(number);
        }
        taken
    }

    fn taken(&self) -> usize {
        usize::try_from(self.fresh).unwrap_or(usize::MAX) - self.freed.len()
    }
}

/// Indices of the streams that one side opens: 512 at once, reused as late as possible (P-120 to P-122).
///
/// ```
/// use guac_protocol::{StreamAllocator, StreamIndex};
///
/// let mut broadcast = StreamAllocator::broadcast();
/// assert_eq!(broadcast.allocate(), Some(StreamIndex(1)));
/// assert_eq!(broadcast.allocate(), Some(StreamIndex(3)));
/// assert!(broadcast.free(StreamIndex(1)));
/// assert_eq!(broadcast.allocate(), Some(StreamIndex(5)), "1 rests until all others were used");
/// ```
#[derive(Debug, Clone)]
pub struct StreamAllocator {
    first: u32,
    step: u32,
    pool: Pool,
}

impl StreamAllocator {
    /// A client's streams: 0 to 511.
    #[must_use]
    pub fn client() -> Self {
        Self { first: 0, step: 1, pool: Pool::new(MAX_STREAMS) }
    }

    /// A server's streams for one user: 0, 2, … 1022. The user's `ack`s pace them.
    #[must_use]
    pub fn user() -> Self {
        Self { first: 0, step: 2, pool: Pool::new(MAX_STREAMS) }
    }

    /// A server's streams for all users of a session: 1, 3, … 1023. Nobody paces them.
    #[must_use]
    pub fn broadcast() -> Self {
        Self { first: 1, step: 2, pool: Pool::new(MAX_STREAMS) }
    }

    /// Whether this index is open.
    #[must_use]
    pub fn is_open(&self, stream: StreamIndex) -> bool {
        self.number(stream).is_some_and(|number| self.pool.is_taken(number))
    }

    /// Open streams.
    #[must_use]
    pub fn open_len(&self) -> usize {
        self.pool.taken()
    }

    /// An index for a new stream; `None` while 512 are open.
    pub fn allocate(&mut self) -> Option<StreamIndex> {
        self.pool.take().map(|number| StreamIndex(self.first + number * self.step))
    }

    /// Gives an index back, once the stream's `end` is sent. `false` if it was not open.
    pub fn free(&mut self, stream: StreamIndex) -> bool {
        self.number(stream).is_some_and(|number| self.pool.give_back(number))
    }

    fn number(&self, stream: StreamIndex) -> Option<u32> {
        let offset = stream.0.checked_sub(self.first)?;
        (offset % self.step == 0).then_some(offset / self.step)
    }
}

/// Indices of the objects that one user sees: 64 at once (P-142).
#[derive(Debug, Clone)]
pub struct ObjectAllocator {
    pool: Pool,
}

impl Default for ObjectAllocator {
    fn default() -> Self {
        Self { pool: Pool::new(MAX_OBJECTS) }
    }
}

impl ObjectAllocator {
    /// An index for a new object; `None` while 64 are there.
    pub fn allocate(&mut self) -> Option<ObjectIndex> {
        self.pool.take().map(ObjectIndex)
    }

    /// Gives an index back, once `undefine` is sent. `false` if it was not in use.
    pub fn free(&mut self, object: ObjectIndex) -> bool {
        self.pool.give_back(object.0)
    }
}

/// The streams that a peer has open, each with what the caller keeps of it. Bounded.
#[derive(Debug, Clone)]
pub struct StreamTable<T> {
    open: HashMap<StreamIndex, T>,
    limit: usize,
}

impl<T> StreamTable<T> {
    /// An empty table for at most `limit` streams at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { open: HashMap::new(), limit }
    }

    /// Open streams.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Opens a stream. One that is open under this index ends by that and is given back (P-122).
    ///
    /// # Errors
    /// [`StreamError::BadIndex`] for 1024 and above, [`StreamError::TooManyStreams`] at the limit.
    pub fn open(&mut self, stream: StreamIndex, value: T) -> Result<Option<T>, StreamError> {
        // Both halves of a server's space; a client stays below 512 of its own accord.
        if stream.0 >= 2 * MAX_STREAMS {
            return Err(StreamError::BadIndex { index: stream.0 });
        }
        if self.open.len() >= self.limit && !self.open.contains_key(&stream) {
            return Err(StreamError::TooManyStreams { limit: self.limit });
        }
        Ok(self.open.insert(stream, value))
    }

    /// What is kept of an open stream.
    pub fn get_mut(&mut self, stream: StreamIndex) -> Option<&mut T> {
        self.open.get_mut(&stream)
    }

    /// Ends a stream and gives back what was kept of it. `None` if it is not open.
    pub fn close(&mut self, stream: StreamIndex) -> Option<T> {
        self.open.remove(&stream)
    }

    /// All open streams, in no order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (StreamIndex, &mut T)> {
        self.open.iter_mut().map(|(&stream, value)| (stream, value))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Flowing,
    Ended,
    Aborted(Status),
}

/// The sending half of a paced stream: a client's upload (P-123) and a server's download (P-124) are the same machine.
///
/// The opening instruction (`file`, `body`, `put`, …) is the caller's. Then nothing may be sent before the first `ack`;
/// after it one blob per `ack`, or as many as the window allows; then `end`. An `ack` with an error ends it.
///
/// ```
/// use guac_protocol::{OutgoingStream, Status, StreamIndex};
///
/// let (mut stream, mut out) = (OutgoingStream::new(StreamIndex(0)), Vec::new());
/// assert_eq!(stream.send(b"hello", &mut out)?, 0, "not before the first answer");
/// stream.handle_ack(Status::Success)?;
/// assert_eq!(stream.send(b"hello", &mut out)?, 5);
/// assert!(!stream.end(&mut out)?, "the blob is not answered yet");
/// stream.handle_ack(Status::Success)?;
/// assert!(stream.end(&mut out)?);
/// assert_eq!(out, b"4.blob,1.0,8.aGVsbG8=;3.end,1.0;");
/// # Ok::<(), guac_protocol::StreamError>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "upload")]
#[doc(alias = "download")]
pub struct OutgoingStream {
    stream: StreamIndex,
    window: NonZeroU32,
    in_flight: u32,
    sent_bytes: u64,
    state: State,
}

impl OutgoingStream {
    /// A stream that was opened just now, with one blob under way at a time as every peer expects.
    #[must_use]
    pub fn new(stream: StreamIndex) -> Self {
        Self::with_window(stream, NonZeroU32::MIN)
    }

    /// The same with up to `window` blobs under way: faster over long distances, for receivers known to cope.
    #[must_use]
    pub fn with_window(stream: StreamIndex, window: NonZeroU32) -> Self {
        Self { stream, window, in_flight: 0, sent_bytes: 0, state: State::Opening }
    }

    /// Its index.
    #[must_use]
    pub fn stream(&self) -> StreamIndex {
        self.stream
    }

    /// Bytes that [`send`](Self::send) would take just now. 0 means: wait for an `ack`.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        let blobs = if self.state == State::Flowing { self.window.get().saturating_sub(self.in_flight) } else { 0 };
        usize::try_from(blobs).unwrap_or(usize::MAX).saturating_mul(MAX_BLOB_BYTES)
    }

    /// Raw bytes sent so far, whether answered or not.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Whether it is over, by `end` or by the receiver.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended | State::Aborted(_))
    }

    /// Takes the receiver's `ack`. One that answers nothing (a peer may say it twice) changes nothing.
    ///
    /// # Errors
    /// [`StreamError::Aborted`] if the status is an error: free the index, send nothing more.
    pub fn handle_ack(&mut self, status: Status) -> Result<(), StreamError> {
        match self.state {
            State::Ended => {}
            State::Aborted(status) => return Err(StreamError::Aborted { status }),
            State::Opening | State::Flowing if status.is_error() => {
                self.state = State::Aborted(status);
                return Err(StreamError::Aborted { status });
            }
            State::Opening => self.state = State::Flowing,
            State::Flowing => self.in_flight = self.in_flight.saturating_sub(1),
        }
        Ok(())
    }

    /// Appends as many full blobs of `data` as may be sent now and gives the number of bytes taken from its front.
    ///
    /// # Errors
    /// [`StreamError::Aborted`] and [`StreamError::Closed`] once it is over.
    pub fn send(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<usize, StreamError> {
        self.check_live()?;
        let taken = data.get(..self.room_bytes()).unwrap_or(data);
        for chunk in taken.chunks(MAX_BLOB_BYTES) {
            InstructionWriter::new(out, "blob").arg(&self.stream).base64(chunk).end();
            self.in_flight = self.in_flight.saturating_add(1);
        }
        self.sent_bytes = self.sent_bytes.saturating_add(u64::try_from(taken.len()).unwrap_or(u64::MAX));
        Ok(taken.len())
    }

    /// Appends `end` if all blobs are answered, and says whether it did. If not, try again after the next `ack`: so a
    /// receiver that cannot keep the last blob is still heard.
    ///
    /// # Errors
    /// [`StreamError::Aborted`] and [`StreamError::Closed`] once it is over.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<bool, StreamError> {
        self.check_live()?;
        let settled = self.state == State::Flowing && self.in_flight == 0;
        if settled {
            ServerInstruction::End { stream: self.stream }.encode(out);
            self.state = State::Ended;
        }
        Ok(settled)
    }

    fn check_live(&self) -> Result<(), StreamError> {
        match self.state {
            State::Opening | State::Flowing => Ok(()),
            State::Ended => Err(StreamError::Closed),
            State::Aborted(status) => Err(StreamError::Aborted { status }),
        }
    }
}

/// The receiving half of a paced stream: decodes, counts, and answers when the caller has room again.
///
/// ```
/// use guac_protocol::{IncomingStream, StreamIndex};
///
/// let (mut stream, mut out, mut data) = (IncomingStream::new(StreamIndex(0), 1 << 20), Vec::new(), Vec::new());
/// stream.accept(&mut out); // to the opening instruction
/// assert_eq!(stream.handle_blob("aGVsbG8=", &mut data)?, 5);
/// stream.accept(&mut out); // once `data` went where it belongs: this asks for the next blob
/// assert_eq!((out.as_slice(), data.as_slice()), (&b"3.ack,1.0,2.OK,1.0;3.ack,1.0,2.OK,1.0;"[..], &b"hello"[..]));
/// # Ok::<(), guac_protocol::StreamError>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "upload")]
#[doc(alias = "download")]
pub struct IncomingStream {
    stream: StreamIndex,
    limit_bytes: u64,
    received_bytes: u64,
    window: Option<u32>,
    /// Blobs not answered yet, and the opening instruction.
    unanswered: u32,
}

impl IncomingStream {
    /// A stream that the peer opened just now and that may carry `limit_bytes` raw bytes.
    #[must_use]
    pub fn new(stream: StreamIndex, limit_bytes: u64) -> Self {
        Self { stream, limit_bytes, received_bytes: 0, window: None, unanswered: 1 }
    }

    /// Refuses a peer that sends more than this many blobs ahead of the answers. Without it a peer may send at will, as
    /// clipboards are sent.
    #[must_use]
    pub fn with_window(mut self, blobs: NonZeroU32) -> Self {
        self.window = Some(blobs.get());
        self
    }

    /// Its index.
    #[must_use]
    pub fn stream(&self) -> StreamIndex {
        self.stream
    }

    /// Raw bytes received so far.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Blobs not answered yet, the opening instruction counting as one.
    #[must_use]
    pub fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// Appends the decoded bytes of a `blob` to `data` and gives their number.
    ///
    /// # Errors
    /// [`StreamError::NotBase64`], [`StreamError::TooMuchData`], [`StreamError::TooManyBlobs`]; `data` is unchanged
    /// then. Answer with [`refuse`](Self::refuse) and forget the stream.
    pub fn handle_blob(&mut self, base64: &str, data: &mut Vec<u8>) -> Result<usize, StreamError> {
        if let Some(window) = self.window.filter(|&window| self.unanswered >= window) {
            return Err(StreamError::TooManyBlobs { window });
        }
        let before = data.len();
        let added = append_base64(base64, data)?;
        let total = self.received_bytes.saturating_add(u64::try_from(added).unwrap_or(u64::MAX));
        if total > self.limit_bytes {
            data.truncate(before);
            return Err(StreamError::TooMuchData { limit: self.limit_bytes });
        }
        self.received_bytes = total;
        self.unanswered = self.unanswered.saturating_add(1);
        Ok(added)
    }

    /// Appends the `ack` that takes the opening instruction or one blob, and asks for the next.
    pub fn accept(&mut self, out: &mut Vec<u8>) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.refuse("OK", Status::Success, out);
    }

    /// Appends an `ack` with any other outcome: the stream is over.
    pub fn refuse(&self, message: &str, status: Status, out: &mut Vec<u8>) {
        ServerInstruction::Ack { stream: self.stream, message, status }.encode(out);
    }
}

/// Decodes the data of a `blob` behind what `out` holds and gives the number of bytes added.
///
/// # Errors
/// [`StreamError::NotBase64`]; `out` is unchanged then.
pub fn append_base64(base64: &str, out: &mut Vec<u8>) -> Result<usize, StreamError> {
    let before = out.len();
    base64_simd::STANDARD.decode_append(base64, out).map_err(|_| StreamError::NotBase64)?;
    Ok(out.len() - before)
}

/// Appends `data` as blobs of at most `blob_bytes` raw bytes (and never more than [`MAX_BLOB_BYTES`]), then `end`: the
/// way of everything that is not paced, after its opening instruction.
pub fn write_blobs(out: &mut Vec<u8>, stream: StreamIndex, data: &[u8], blob_bytes: usize) {
    for chunk in data.chunks(blob_bytes.clamp(1, MAX_BLOB_BYTES)) {
        InstructionWriter::new(out, "blob").arg(&stream).base64(chunk).end();
    }
    ServerInstruction::End { stream }.encode(out);
}

/// Appends a parameter's value as an `argv` stream: a client's answer to `required` or its live change of a setting, and
/// a server's word on the setting in force (P-069, P-088, P-093).
///
/// ```
/// use guac_protocol::{StreamAllocator, write_argv};
///
/// let (mut streams, mut out) = (StreamAllocator::client(), Vec::new());
/// let stream = streams.allocate().expect("none is open yet");
/// write_argv(&mut out, stream, "password", "secret");
/// assert_eq!(out, b"4.argv,1.0,10.text/plain,8.password;4.blob,1.0,8.c2VjcmV0;3.end,1.0;");
/// ```
pub fn write_argv(out: &mut Vec<u8>, stream: StreamIndex, name: &str, value: &str) {
    ServerInstruction::Argv { stream, mimetype: "text/plain", name }.encode(out);
    write_blobs(out, stream, value.as_bytes(), MAX_BLOB_BYTES);
}

/// Appends a clipboard's content as either side sends it, in blobs that nobody has to wait for (P-125).
pub fn write_clipboard(out: &mut Vec<u8>, stream: StreamIndex, mimetype: &str, data: &[u8]) {
    ServerInstruction::Clipboard { stream, mimetype }.encode(out);
    write_blobs(out, stream, data, CLIPBOARD_BLOB_BYTES);
}

#[cfg(test)]
mod tests;
