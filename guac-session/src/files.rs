//! One user's objects and transfers, from the session's side: indices, acknowledgements, blobs.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::ops::Bound;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use guac_protocol::{
    Encode as _, ObjectAllocator, ObjectIndex, OutgoingStream, Refusal, ServerInstruction, Status, StreamAllocator,
    StreamIndex,
};
use tokio::sync::oneshot;

use crate::transfer::{Chunk, DownloadEnd, GetAnswer, UploadAnswer, UploadEnd};

/// A `get` that the backend has not answered.
#[derive(Debug)]
struct Get {
    object: ObjectIndex,
    name: String,
    answer: oneshot::Receiver<GetAnswer>,
}

/// A stream to the user.
#[derive(Debug)]
struct Outgoing {
    stream: OutgoingStream,
    source: DownloadEnd,
    /// What is left of the last chunk.
    rest: Bytes,
    finished: bool,
    /// Who waits for the user to have all of it.
    delivered: Option<oneshot::Sender<()>>,
}

/// Objects and transfers of one user. Nothing in here waits: [`poll_output`](Self::poll_output) says what may go out.
#[derive(Debug)]
pub(crate) struct UserFiles {
    indices: StreamAllocator,
    numbers: ObjectAllocator,
    objects: Vec<ObjectIndex>,
    gets: Vec<Get>,
    downloads: BTreeMap<StreamIndex, Outgoing>,
    uploads: BTreeMap<StreamIndex, UploadEnd>,
    /// Uploads whose `end` came, for their last answer.
    ending: Vec<(StreamIndex, UploadEnd)>,
    /// The stream that had its turn last.
    turn: StreamIndex,
}

impl Default for UserFiles {
    fn default() -> Self {
        Self {
            indices: StreamAllocator::user(),
            numbers: ObjectAllocator::default(),
            objects: Vec::new(),
            gets: Vec::new(),
            downloads: BTreeMap::new(),
            uploads: BTreeMap::new(),
            ending: Vec::new(),
            turn: StreamIndex(0),
        }
    }
}

impl UserFiles {
    pub(crate) fn knows(&self, object: ObjectIndex) -> bool {
        self.objects.contains(&object)
    }

    pub(crate) fn define(&mut self) -> Option<ObjectIndex> {
        let object = self.numbers.allocate()?;
        self.objects.push(object);
        Some(object)
    }

    pub(crate) fn undefine(&mut self, object: ObjectIndex) -> bool {
        self.objects.retain(|known| *known != object);
        self.numbers.free(object)
    }

    pub(crate) fn get(&mut self, object: ObjectIndex, name: String, answer: oneshot::Receiver<GetAnswer>) {
        self.gets.push(Get { object, name, answer });
    }

    /// A stream that the machine begins; the caller sends its opening.
    pub(crate) fn push(&mut self, source: DownloadEnd) -> Option<StreamIndex> {
        let stream = self.indices.allocate()?;
        let outgoing = Outgoing {
            stream: OutgoingStream::new(stream),
            source,
            rest: Bytes::new(),
            finished: false,
            delivered: None,
        };
        self.downloads.insert(stream, outgoing);
        Some(stream)
    }

    /// The user's word about a stream of ours. Those we do not know have ended or belong to everyone (P-092).
    pub(crate) fn handle_ack(&mut self, stream: StreamIndex, status: Status) {
        let Some(outgoing) = self.downloads.get_mut(&stream) else { return };
        if outgoing.stream.handle_ack(status).is_err() {
            tracing::debug!(stream = stream.0, %status, "Download ended by the user");
            self.downloads.remove(&stream);
            self.indices.free(stream);
        }
    }

    pub(crate) fn open_upload(&mut self, stream: StreamIndex, upload: UploadEnd) {
        self.uploads.insert(stream, upload);
    }

    /// The index is about to mean another stream: no answer may go to the old one (P-122).
    pub(crate) fn forget_upload(&mut self, stream: StreamIndex) {
        self.uploads.remove(&stream);
        // What has ended goes on to be written.
        self.ending.retain(|(ending, _)| *ending != stream);
    }

    pub(crate) fn has_upload(&self, stream: StreamIndex) -> bool {
        self.uploads.contains_key(&stream)
    }

    /// Passes a blob on. One that comes faster than they are taken ends the upload: false.
    pub(crate) fn blob(&mut self, stream: StreamIndex, data: Vec<u8>) -> bool {
        let taken = self.uploads.get_mut(&stream).is_some_and(|upload| upload.blob(data.into()));
        if !taken {
            self.uploads.remove(&stream);
        }
        taken
    }

    /// Whether this was an upload.
    pub(crate) fn end(&mut self, stream: StreamIndex) -> bool {
        let Some(upload) = self.uploads.remove(&stream) else { return false };
        upload.end();
        self.ending.push((stream, upload));
        true
    }

    /// Instructions that may go out now, of at most one stream and with at most one blob of it.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        if let Poll::Ready(out) = self.poll_gets(cx) {
            return Poll::Ready(out);
        }
        if let Poll::Ready(out) = self.poll_answers(cx) {
            return Poll::Ready(out);
        }
        let last = self.turn;
        for range in [(Bound::Excluded(last), Bound::Unbounded), (Bound::Unbounded, Bound::Included(last))] {
            let ready = self.downloads.range_mut(range).find_map(|(stream, outgoing)| match outgoing.poll(cx) {
                Poll::Ready(out) => Some((*stream, outgoing.stream.is_over(), out)),
                Poll::Pending => None,
            });
            let Some((stream, over, out)) = ready else { continue };
            self.turn = stream;
            if over {
                self.downloads.remove(&stream);
                self.indices.free(stream);
            }
            return Poll::Ready(out);
        }
        Poll::Pending
    }

    fn poll_gets(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        for at in 0..self.gets.len() {
            let Some(get) = self.gets.get_mut(at) else { break };
            let Poll::Ready(answer) = Pin::new(&mut get.answer).poll(cx) else { continue };
            let Get { object, name, .. } = self.gets.swap_remove(at);
            let status = match answer {
                Ok(GetAnswer::Body { mimetype, source }) => match self.push(source) {
                    Some(stream) => {
                        let body = ServerInstruction::Body { object, stream, mimetype: &mimetype, name: &name };
                        return Poll::Ready(body.to_bytes());
                    }
                    None => Status::ClientTooMany,
                },
                Ok(GetAnswer::Refused { status }) => status,
                Err(_) => Status::Unsupported,
            };
            return Poll::Ready(refusal(&name, status));
        }
        Poll::Pending
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        for at in 0..self.ending.len() {
            let Some((stream, upload)) = self.ending.get_mut(at) else { break };
            let Poll::Ready(answer) = upload.poll_answer(cx) else { continue };
            let stream = *stream;
            if answer != UploadAnswer::Taken {
                self.ending.swap_remove(at);
            }
            return Poll::Ready(ack(stream, answer));
        }
        let answered = self.uploads.iter_mut().find_map(|(stream, upload)| match upload.poll_answer(cx) {
            Poll::Ready(answer) => Some((*stream, answer)),
            Poll::Pending => None,
        });
        let Some((stream, answer)) = answered else { return Poll::Pending };
        if answer != UploadAnswer::Taken {
            self.uploads.remove(&stream);
        }
        Poll::Ready(ack(stream, answer))
    }
}

impl Outgoing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut out = Vec::new();
        while self.stream.room_bytes() > 0 {
            if !self.rest.is_empty() {
                out.reserve(self.rest.len().min(guac_protocol::MAX_BLOB_BYTES) / 3 * 4 + 32);
                let taken = self.stream.send(&self.rest, &mut out).unwrap_or(self.rest.len());
                self.rest.advance(taken.min(self.rest.len()));
                return Poll::Ready(out);
            }
            match self.source.chunks.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Chunk::Data(data))) => self.rest = data,
                Poll::Ready(Some(Chunk::Done(delivered))) => {
                    self.finished = true;
                    self.delivered = Some(delivered);
                }
                Poll::Ready(None) => {
                    if !self.finished {
                        tracing::warn!(stream = self.stream.stream().0, "Download ended before its time");
                    }
                    self.finished = true;
                }
            }
            if self.finished {
                // There is room, so every blob is answered.
                let _ = self.stream.end(&mut out);
                if let Some(delivered) = self.delivered.take() {
                    let _ = delivered.send(());
                }
                return Poll::Ready(out);
            }
        }
        Poll::Pending
    }
}

fn ack(stream: StreamIndex, answer: UploadAnswer) -> Vec<u8> {
    let (message, status) = match answer {
        UploadAnswer::Taken | UploadAnswer::Finished => ("OK", Status::Success),
        UploadAnswer::Failed { status, message } => (message, status),
    };
    ServerInstruction::Ack { stream, message, status }.to_bytes()
}

/// Tells the log of the user's client why nothing comes. The name is the one that he sent.
pub(crate) fn refusal(name: &str, status: Status) -> Vec<u8> {
    let message = Refusal { name, status }.to_string();
    ServerInstruction::Log { message: &message }.to_bytes()
}
