//! One tunnel's instructions in both directions, with some of its streams led elsewhere. Without I/O.
//!
//! A [`Mux`] exists only while something is intercepted. The session's batches go through
//! [`handle_session`](Mux::handle_session) and come out of [`poll_browser`](Mux::poll_browser), without the data of
//! downloads; what interceptions say to the session comes out of [`poll_session`](Mux::poll_session). The browser's
//! own instructions never wait here: the embedder sends them first and lets [`handle_browser`](Mux::handle_browser)
//! have a look.
//!
//! Who goes first:
//! - towards the session: the browser's input, then acks, then one blob of one upload, uploads in turn. An upload has
//!   at most one blob unanswered, so a key never finds more than one blob per upload ahead of it.
//! - towards the browser: the session's picture passes at once. The data of a download waits for its reader beside
//!   it; past its window the session gets no ack, so the slowest side sets the pace.

mod download;
mod open;
mod upload;

use std::collections::VecDeque;
use std::task::Poll;

use bytes::Bytes;
use guac_protocol::{ClientInstruction, Decoder, Encode as _, Instruction, Status, StreamIndex};
use memchr::memmem;

use crate::StreamError;

use download::Download;
pub(crate) use open::OpenStreams;
use upload::Upload;

/// Interceptions of one tunnel. Browsers have six requests to a server under way at once; more than twice that is
/// room for several pages and for requests that are about to end.
pub const MAX_INTERCEPTIONS: usize = 16;

/// Acks and ends that may wait for the session before nothing more can be attached: a session that takes nothing must
/// not make a queue of those who come and go.
const MAX_CONTROL: usize = 4 * MAX_INTERCEPTIONS;

/// Server stream indices are even for one user and odd for all, [`guac_protocol::MAX_STREAMS`] of each (P-121).
const SERVER_STREAM_INDICES: u32 = 2 * guac_protocol::MAX_STREAMS;

/// Names an interception; never used twice by one mux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InterceptId(u64);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Mux {
    downloads: Vec<Download>,
    uploads: Vec<Upload>,
    /// Where the search for the next upload to serve begins.
    turn: usize,
    next_id: u64,
    /// A `sync` passed since the last blob that the browser was left to answer (T-064).
    synced: bool,
    control: VecDeque<Control>,
    to_browser: VecDeque<Bytes>,
    changed: Vec<InterceptId>,
    decoder: Decoder,
    closed: bool,
}

/// What an interception says to the session besides data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Ack(StreamIndex, Status),
    End(StreamIndex),
}

/// What is to become of an instruction of the session's.
enum Fate {
    Pass,
    Drop,
    /// An empty blob takes its place.
    Empty(StreamIndex),
}

impl Mux {
    /// Whether nothing is intercepted and nothing waits to go anywhere.
    pub(crate) fn is_idle(&self) -> bool {
        self.downloads.is_empty() && self.uploads.is_empty() && self.control.is_empty() && self.to_browser.is_empty()
    }

    /// Whether [`poll_session`](Self::poll_session) has something.
    pub(crate) fn has_session_output(&self) -> bool {
        !self.control.is_empty() || self.uploads.iter().any(Upload::is_ready)
    }

    /// Takes whole instructions from the session.
    pub(crate) fn handle_session(&mut self, batch: Bytes) {
        if !self.concerns(&batch) {
            self.synced |= !self.synced && memmem::find(&batch, b"4.sync,").is_some();
            self.to_browser.push_back(batch);
            return;
        }
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut pass = Pass { batch, begun: 0, at: 0 };
        // A session that breaks the protocol is the browser's to judge: from there on everything passes.
        let mut failed = decoder.feed(&pass.batch).is_err();
        while !failed {
            match decoder.next_instruction() {
                Ok(Some(instruction)) => {
                    let len = instruction.raw().len();
                    let fate = self.judge(&instruction);
                    pass.advance(len, &fate, &mut self.to_browser);
                }
                Ok(None) => break,
                Err(_) => failed = true,
            }
        }
        pass.finish(&mut self.to_browser);
        if failed || decoder.buffered_len() > 0 {
            decoder = Decoder::new();
        }
        self.decoder = decoder;
    }

    /// Looks at an instruction that the browser sends to the session by itself.
    pub(crate) fn handle_browser(&mut self, instruction: &Instruction<'_>) {
        match ClientInstruction::try_from(instruction) {
            Ok(ClientInstruction::End { stream }) => {
                if let Some(upload) = self.uploads.iter_mut().find(|upload| upload.is_live(stream)) {
                    upload.fail(StreamError::Closed);
                    self.changed.push(upload.id());
                }
            }
            Ok(ClientInstruction::Ack { stream, status, message }) if status.is_error() => {
                if let Some(download) = self.downloads.iter_mut().find(|download| download.is_live(stream)) {
                    download.fail(StreamError::refused(status, message));
                    self.changed.push(download.id());
                }
            }
            _ => {}
        }
    }

    /// The tunnel is over: whatever is attached ends, downloads after what they hold already (T-065).
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.control.clear();
        for download in &mut self.downloads {
            download.fail(StreamError::Closed);
            self.changed.push(download.id());
        }
        for upload in &mut self.uploads {
            upload.fail(StreamError::Closed);
            self.changed.push(upload.id());
        }
    }

    /// Leads a stream of the session's to a reader of its own and asks the session to begin.
    pub(crate) fn attach_download(&mut self, stream: StreamIndex) -> Result<InterceptId, StreamError> {
        if stream.0 >= SERVER_STREAM_INDICES {
            return Err(StreamError::NoSuchStream);
        }
        if self.downloads.iter().any(|download| download.is_live(stream)) {
            return Err(StreamError::InUse);
        }
        let id = self.attach()?;
        self.downloads.push(Download::new(id, stream));
        self.control.push_back(Control::Ack(stream, Status::Success));
        Ok(id)
    }

    /// Feeds a stream of the browser's, which must be open, from a writer of its own.
    pub(crate) fn attach_upload(&mut self, stream: StreamIndex) -> Result<InterceptId, StreamError> {
        if self.uploads.iter().any(|upload| upload.is_live(stream)) {
            return Err(StreamError::InUse);
        }
        let id = self.attach()?;
        self.uploads.push(Upload::new(id, stream));
        Ok(id)
    }

    fn attach(&mut self) -> Result<InterceptId, StreamError> {
        if self.closed {
            return Err(StreamError::Closed);
        }
        if self.downloads.len() + self.uploads.len() >= MAX_INTERCEPTIONS || self.control.len() >= MAX_CONTROL {
            return Err(StreamError::TooMany { limit: MAX_INTERCEPTIONS });
        }
        let id = InterceptId(self.next_id);
        self.next_id += 1;
        Ok(id)
    }

    /// The reader or writer of an interception is gone. One that was not done tells the session so.
    pub(crate) fn detach(&mut self, id: InterceptId) {
        if let Some(at) = self.downloads.iter().position(|download| download.id() == id) {
            let download = self.downloads.swap_remove(at);
            if !download.is_over() {
                self.control.push_back(Control::Ack(download.stream(), Status::ResourceClosed));
            }
        }
        if let Some(at) = self.uploads.iter().position(|upload| upload.id() == id) {
            let upload = self.uploads.remove(at);
            if !upload.is_over() {
                // A body that broke off: the file must not stay open for good.
                self.control.push_back(Control::End(upload.stream()));
            }
        }
    }

    /// The next data of a download; after the last and after an error, `None`.
    pub(crate) fn take_download(&mut self, id: InterceptId) -> Poll<Option<Result<Bytes, StreamError>>> {
        let Some(download) = self.downloads.iter_mut().find(|download| download.id() == id) else {
            return Poll::Ready(Some(Err(StreamError::Closed)));
        };
        let taken = download.take();
        for _ in 0..download.acks_due() {
            self.control.push_back(Control::Ack(download.stream(), Status::Success));
        }
        taken
    }

    /// Whether a download has begun. What it failed with before it did is taken.
    pub(crate) fn begin_download(&mut self, id: InterceptId) -> Poll<Result<(), StreamError>> {
        let download = self.downloads.iter_mut().find(|download| download.id() == id);
        download.map_or(Poll::Ready(Err(StreamError::Closed)), Download::begin)
    }

    /// Takes as much of `piece` as the upload has room for. `false`: none, for now.
    pub(crate) fn push_upload(&mut self, id: InterceptId, piece: &mut Bytes) -> Result<bool, StreamError> {
        self.upload(id)?.push(piece)
    }

    /// Nothing follows. `true` once the session has answered everything.
    pub(crate) fn finish_upload(&mut self, id: InterceptId) -> Result<bool, StreamError> {
        self.upload(id)?.finish()
    }

    fn upload(&mut self, id: InterceptId) -> Result<&mut Upload, StreamError> {
        self.uploads.iter_mut().find(|upload| upload.id() == id).ok_or(StreamError::Closed)
    }

    /// What the browser gets next.
    pub(crate) fn poll_browser(&mut self) -> Option<Bytes> {
        self.to_browser.pop_front()
    }

    /// Appends the one instruction that goes to the session next, after the browser's own. `false`: there is none.
    pub(crate) fn poll_session(&mut self, out: &mut Vec<u8>) -> bool {
        if let Some(control) = self.control.pop_front() {
            match control {
                Control::Ack(stream, status) => {
                    let message = if status.is_error() { "FAIL" } else { "OK" };
                    ClientInstruction::Ack { stream, message, status }.encode(out);
                }
                Control::End(stream) => ClientInstruction::End { stream }.encode(out),
            }
            return true;
        }
        let count = self.uploads.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            if let Some(upload) = self.uploads.get_mut(at).filter(|upload| upload.is_ready()) {
                upload.write_blob(out);
                self.changed.push(upload.id());
                self.turn = at + 1;
                return true;
            }
        }
        false
    }

    /// Interceptions whose reader or writer has something to look at, once each time.
    pub(crate) fn poll_changed(&mut self) -> Option<InterceptId> {
        self.changed.pop()
    }

    /// Whether a batch may hold anything of an intercepted stream. May err by saying yes.
    ///
    /// Lengths in what it looks for are in their shortest form, as every session writes them. One that does not is
    /// not intercepted, and nothing worse.
    fn concerns(&self, batch: &[u8]) -> bool {
        self.downloads.iter().any(|download| download.may_be_in(batch))
            || self.uploads.iter().any(|upload| upload.may_be_in(batch))
    }

    fn judge(&mut self, instruction: &Instruction<'_>) -> Fate {
        let index = || instruction.arg(0).and_then(|text| text.parse().ok()).map(StreamIndex);
        match instruction.opcode() {
            "sync" => self.synced = true,
            "blob" => {
                let live = index().and_then(|stream| self.downloads.iter_mut().find(|d| d.is_live(stream)));
                if let Some(download) = live {
                    return Self::judge_blob(
                        download,
                        instruction,
                        &mut self.synced,
                        &mut self.control,
                        &mut self.changed,
                    );
                }
            }
            "end" => {
                let live = index().and_then(|stream| self.downloads.iter_mut().find(|d| d.is_live(stream)));
                if let Some(download) = live {
                    download.end();
                    self.changed.push(download.id());
                }
            }
            "ack" => {
                let live = index().and_then(|stream| self.uploads.iter_mut().find(|u| u.awaits_ack(stream)));
                if let Some(upload) = live {
                    let code = instruction.arg(2).and_then(|text| text.parse().ok()).unwrap_or(u16::MAX);
                    let status = Status::from_code(code).unwrap_or(Status::ServerError);
                    self.changed.push(upload.id());
                    if !status.is_error() {
                        upload.acknowledged();
                        return Fate::Drop;
                    }
                    // The stream is over, and the browser's part of it, too: it hears this one.
                    upload.fail(StreamError::refused(status, instruction.arg(1).unwrap_or_default()));
                }
            }
            _ => {}
        }
        Fate::Pass
    }

    fn judge_blob(
        download: &mut Download,
        instruction: &Instruction<'_>,
        synced: &mut bool,
        control: &mut VecDeque<Control>,
        changed: &mut Vec<InterceptId>,
    ) -> Fate {
        let stream = download.stream();
        changed.push(download.id());
        if let Err(error) = download.push(instruction.arg(1).unwrap_or_default()) {
            download.fail(error);
            control.push_back(Control::Ack(stream, Status::ServerError));
            return Fate::Drop;
        }
        if std::mem::take(synced) {
            return Fate::Empty(stream);
        }
        download.owe_ack();
        for _ in 0..download.acks_due() {
            control.push_back(Control::Ack(stream, Status::Success));
        }
        Fate::Drop
    }
}

/// A batch on its way through: stretches that pass are slices of it, not copies.
struct Pass {
    batch: Bytes,
    /// Where the stretch that passes begins.
    begun: usize,
    at: usize,
}

impl Pass {
    fn advance(&mut self, len: usize, fate: &Fate, out: &mut VecDeque<Bytes>) {
        let end = self.at + len;
        if !matches!(fate, Fate::Pass) {
            self.emit(self.at, out);
            self.begun = end;
        }
        if let Fate::Empty(stream) = fate {
            let mut blob = Vec::with_capacity(24);
            ClientInstruction::Blob { stream: *stream, data: "" }.encode(&mut blob);
            out.push_back(blob.into());
        }
        self.at = end;
    }

    fn finish(mut self, out: &mut VecDeque<Bytes>) {
        if self.begun == 0 {
            out.push_back(self.batch);
        } else {
            let end = self.batch.len();
            self.emit(end, out);
        }
    }

    fn emit(&mut self, end: usize, out: &mut VecDeque<Bytes>) {
        if self.begun < end {
            out.push_back(self.batch.slice(self.begun..end));
        }
    }
}

/// `PREFIX,LENGTH.INDEX,` or, for `end`, closed by `;`: how an instruction about a stream begins.
fn needle(prefix: &str, stream: StreamIndex, last: char) -> Box<[u8]> {
    let index = stream.0.to_string();
    format!("{prefix},{}.{index}{last}", index.len()).into_bytes().into()
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
