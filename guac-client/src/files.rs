//! Files, both ways.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use guac_protocol::{
    ClientInstruction, Encode as _, MAX_BLOB_BYTES, ObjectIndex, OutgoingStream, Status, StreamError, StreamIndex,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::ClientError;
use crate::streams::{Arrival, Get, MAX_GETS, Piece};
use crate::view::Shared;

/// Type of a list of files (P-143).
const INDEX: &str = "application/vnd.glyptodon.guacamole.stream-index+json";

/// Longest list of files taken: some hundred thousand names.
const MAX_LISTING_BYTES: usize = 16 * 1024 * 1024;

/// Time for the last word about an upload: machines may have to write out what they hold. guacd and guacd-lite say it;
/// an upload to a server that says nothing after so long counts as done.
const LAST_WORD: Duration = Duration::from_secs(15);

/// A file that the session sends, piece by piece: the next one is asked for when the last was taken, so that a slow
/// reader slows the other side down and nothing piles up.
///
/// Dropping it before its end tells the other side to stop.
#[derive(Debug)]
pub struct IncomingFile {
    shared: Arc<Shared>,
    arrival: Arrival,
    stall: Duration,
    /// Whether the last piece, or the opening, is still to be answered.
    owed: bool,
    over: bool,
}

impl IncomingFile {
    pub(crate) fn new(shared: Arc<Shared>, arrival: Arrival, stall: Duration) -> Self {
        Self { shared, arrival, stall, owed: true, over: false }
    }

    /// Its name, as the other side says: any text at all, and never to be used as a path unchecked.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.arrival.name
    }

    /// Its type, as the other side says.
    #[must_use]
    pub fn mimetype(&self) -> &str {
        &self.arrival.mimetype
    }

    /// The next bytes, some thousand at most; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        if self.over {
            return Ok(None);
        }
        if std::mem::take(&mut self.owed) {
            let mut out = Vec::new();
            if let Some(machine) = self.shared.streams().file(self.arrival.stream, self.arrival.id) {
                machine.accept(&mut out);
            }
            self.shared.outbox.push(out);
        }
        let (what, limit) = ("more of the file", self.stall);
        match timeout(limit, self.arrival.pieces.recv()).await {
            Ok(Some(Piece::Data(data))) => {
                self.owed = true;
                Ok(Some(data))
            }
            Ok(Some(Piece::End)) => {
                self.over = true;
                Ok(None)
            }
            // Either the session is over, or the other side broke the rules of streams.
            Ok(None) => {
                self.over = true;
                let broken = ClientError::Transfer(StreamError::Aborted { status: Status::ResourceClosed });
                Err(self.shared.end().unwrap_or(broken))
            }
            Err(_) => Err(ClientError::Timeout { what, limit }),
        }
    }

    /// Writes all of it; gives the number of bytes. `progress` hears the bytes written so far.
    ///
    /// # Errors
    /// As [`next`](Self::next), and [`ClientError::Local`] if `writer` fails.
    ///
    /// # Cancel safety
    /// Dropping the future tells the other side to stop.
    pub async fn save(
        mut self,
        mut writer: impl AsyncWrite + Unpin,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, ClientError> {
        let mut total = 0_u64;
        while let Some(data) = self.next().await? {
            writer.write_all(&data).await?;
            total = total.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            progress(total);
        }
        writer.flush().await?;
        Ok(total)
    }

    async fn collect(mut self, limit_bytes: usize) -> Result<Vec<u8>, ClientError> {
        let mut all = Vec::new();
        while let Some(data) = self.next().await? {
            if all.len() + data.len() > limit_bytes {
                return Err(ClientError::BadListing);
            }
            all.extend_from_slice(&data);
        }
        Ok(all)
    }
}

impl Drop for IncomingFile {
    fn drop(&mut self) {
        let mut out = Vec::new();
        let mut streams = self.shared.streams();
        if let Some(machine) = streams.file(self.arrival.stream, self.arrival.id) {
            machine.refuse("Not wanted any more.", Status::ResourceClosed, &mut out);
            streams.inbound.close(self.arrival.stream);
        }
        drop(streams);
        self.shared.outbox.push(out);
    }
}

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FileEntry {
    /// Its whole path, as [`Files::get`] wants it.
    pub path: String,
    /// Type; the other side does not look into files.
    pub mimetype: String,
    /// Whether it can be listed.
    pub is_directory: bool,
}

impl FileEntry {
    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}

/// The files of a session. Each method waits for a file system to be offered, if there is none yet.
#[derive(Debug)]
pub struct Files<'c> {
    shared: &'c Arc<Shared>,
    stall: Duration,
    filesystem: Option<String>,
}

impl<'c> Files<'c> {
    pub(crate) fn new(shared: &'c Arc<Shared>, stall: Duration, filesystem: Option<String>) -> Self {
        Self { shared, stall, filesystem }
    }

    /// What is in a directory, sorted by path; `/` is the root.
    ///
    /// # Errors
    /// [`ClientError::NoFilesystem`], [`ClientError::BadListing`] (also for a path that is no directory),
    /// [`ClientError::Transfer`] if guacd-lite refuses, [`ClientError::Timeout`] if stock servers do, which say nothing
    /// about paths that are not there, [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self, path: &str) -> Result<Vec<FileEntry>, ClientError> {
        let body = self.body(path).await?;
        if body.mimetype() != INDEX {
            return Err(ClientError::BadListing);
        }
        let json = body.collect(MAX_LISTING_BYTES).await?;
        let entries: BTreeMap<String, String> = serde_json::from_slice(&json).map_err(|_| ClientError::BadListing)?;
        let entry = |(path, mimetype): (String, String)| FileEntry { path, is_directory: mimetype == INDEX, mimetype };
        Ok(entries.into_iter().map(entry).collect())
    }

    /// Begins to fetch a file.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn open(&self, path: &str) -> Result<IncomingFile, ClientError> {
        self.body(path).await
    }

    /// Fetches a file into `writer`; gives the number of bytes. `progress` hears the bytes written so far.
    ///
    /// # Errors
    /// As [`list`](Self::list), and [`ClientError::Local`] if `writer` fails.
    ///
    /// # Cancel safety
    /// Dropping the future tells the other side to stop.
    pub async fn get(
        &self,
        path: &str,
        writer: impl AsyncWrite + Unpin,
        progress: impl FnMut(u64),
    ) -> Result<u64, ClientError> {
        self.body(path).await?.save(writer, progress).await
    }

    /// Writes a file with what `reader` gives; gives the number of bytes, once the other side has closed the file (one
    /// that does not tell is taken at its silence after 15 seconds, or [`stall_timeout`](crate::Options) if that is
    /// shorter). `progress` hears the bytes sent so far.
    ///
    /// # Errors
    /// [`ClientError::Transfer`] if it is refused or cannot be kept, [`ClientError::Local`] if `reader` fails, and as
    /// [`list`](Self::list).
    ///
    /// # Cancel safety
    /// Dropping the future ends the transfer; the other side keeps what it has.
    pub async fn put(
        &self,
        path: &str,
        reader: impl AsyncRead + Unpin,
        progress: impl FnMut(u64),
    ) -> Result<u64, ClientError> {
        let object = self.object().await?;
        let open = |stream| {
            let mimetype = "application/octet-stream";
            ClientInstruction::Put { object, stream, mimetype, name: path }.to_bytes()
        };
        upload(self.shared, self.stall, open, reader, progress).await
    }

    /// The object of the file system.
    async fn object(&self) -> Result<ObjectIndex, ClientError> {
        let wanted = self.filesystem.as_deref();
        let found = self.shared.until("a file system", self.stall, |view| {
            let mut all = view.filesystems.iter();
            all.find(|(_, name)| wanted.is_none_or(|wanted| wanted == name.as_ref())).map(|(object, _)| *object)
        });
        match found.await {
            Err(ClientError::Timeout { .. }) => Err(ClientError::NoFilesystem),
            found => found,
        }
    }

    async fn body(&self, path: &str) -> Result<IncomingFile, ClientError> {
        let object = self.object().await?;
        let (answer, answered) = oneshot::channel();
        {
            let mut streams = self.shared.streams();
            streams.gets.retain(|get| !get.answer.is_closed());
            if streams.gets.len() >= MAX_GETS {
                return Err(StreamError::TooManyStreams { limit: MAX_GETS }.into());
            }
            streams.gets.push_back(Get { object, name: path.to_owned(), answer });
        }
        self.shared.say(ClientInstruction::Get { object, name: path }.to_bytes()).await?;
        let (what, limit) = ("the file", self.stall);
        match timeout(limit, answered).await {
            Ok(Ok(Ok(arrival))) => Ok(IncomingFile::new(Arc::clone(self.shared), arrival, self.stall)),
            Ok(Ok(Err(status))) => Err(StreamError::Aborted { status }.into()),
            Ok(Err(_)) => Err(self.shared.end().unwrap_or(ClientError::NoFilesystem)),
            Err(_) => Err(ClientError::Timeout { what, limit }),
        }
    }
}

/// A stream of ours, ended with its owner.
struct OwnStream<'c> {
    shared: &'c Shared,
    stream: StreamIndex,
    answers: mpsc::Receiver<Status>,
    /// Whether `end` is still to be said.
    open: bool,
}

impl OwnStream<'_> {
    /// Waits for the answer to `end`, which comes when the file is closed, and says whether it could be kept.
    async fn last_word(&mut self, stall: Duration) -> Result<(), ClientError> {
        match timeout(stall.min(LAST_WORD), self.answers.recv()).await {
            Ok(Some(Status::Success)) | Err(_) => Ok(()),
            Ok(Some(status)) => Err(StreamError::Aborted { status }.into()),
            Ok(None) => Err(self.shared.end().unwrap_or(StreamError::Closed.into())),
        }
    }
}

impl Drop for OwnStream<'_> {
    fn drop(&mut self) {
        if self.open {
            self.shared.outbox.push(ClientInstruction::End { stream: self.stream }.to_bytes());
        }
        self.shared.streams().close(self.stream);
    }
}

/// Opens a stream and sends all that `reader` gives, as fast as the other side takes it.
pub(crate) async fn upload(
    shared: &Shared,
    stall: Duration,
    open: impl FnOnce(StreamIndex) -> Vec<u8>,
    mut reader: impl AsyncRead + Unpin,
    mut progress: impl FnMut(u64),
) -> Result<u64, ClientError> {
    let full = StreamError::TooManyStreams { limit: guac_protocol::MAX_STREAMS as usize };
    let (stream, answers) = shared.streams().open().ok_or(full)?;
    let mut own = OwnStream { shared, stream, answers, open: true };
    let mut machine = OutgoingStream::new(stream);
    shared.say(open(stream)).await?;
    let mut buffer = vec![0; MAX_BLOB_BYTES];
    let mut at_end = false;
    loop {
        let (what, limit) = ("an answer to the upload", stall);
        let answer = timeout(limit, own.answers.recv()).await.map_err(|_| ClientError::Timeout { what, limit })?;
        let Some(status) = answer else { return Err(shared.end().unwrap_or(StreamError::Closed.into())) };
        if let Err(error) = machine.handle_ack(status) {
            // The other side has closed it already.
            own.open = false;
            return Err(error.into());
        }
        progress(machine.sent_bytes());
        let mut out = Vec::new();
        if !at_end && machine.room_bytes() > 0 {
            let len = fill(&mut reader, &mut buffer).await?;
            at_end = len < buffer.len();
            machine.send(buffer.get(..len).unwrap_or_default(), &mut out)?;
        }
        if at_end && machine.end(&mut out)? {
            own.open = false;
            shared.say(out).await?;
            own.last_word(stall).await?;
            return Ok(machine.sent_bytes());
        }
        shared.say(out).await?;
    }
}

/// Reads until the buffer is full or nothing more comes.
async fn fill(reader: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest).await? {
            0 => break,
            len => filled += len,
        }
    }
    Ok(filled)
}
