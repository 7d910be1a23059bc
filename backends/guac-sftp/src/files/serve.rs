//! One transfer each: listings, downloads and uploads over SFTP, with requests under way ahead of their answers.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesOrdered, FuturesUnordered};
use guac_protocol::{MAX_BLOB_BYTES, Status};
use guac_session::{Download, Upload};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};

use crate::files::path::child;

/// Type of directories and their indices (P-143).
pub(crate) const INDEX_MIMETYPE: &str = "application/vnd.glyptodon.guacamole.stream-index+json";

/// Type of all other files.
pub(crate) const FILE_MIMETYPE: &str = "application/octet-stream";

/// Bytes read or written by one request: five blobs, and with its frame below the 32 KiB that every server takes.
const CHUNK_BYTES: usize = 5 * MAX_BLOB_BYTES;

/// Requests of a transfer under way. Together about the channel's window, so that more would not come sooner.
const REQUESTS: usize = 8;

/// Links of a listing that are looked up at once.
const LOOKUPS: usize = 16;

/// Entries of a listing. A browser shows no more, and a hostile machine has no end.
const MAX_ENTRIES: usize = 50_000;

/// Name of the last entry of a listing that goes on.
const MORE: &str = "… (the list is cut here)";

/// Why a transfer does not go on.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The user gave up.
    Gone,
    Sftp(Error),
    /// It is neither a file nor a directory, or a directory where a file has to be.
    NoFile(Status),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Sftp(error)
    }
}

impl From<guac_session::TransferGone> for Broken {
    fn from(_: guac_session::TransferGone) -> Self {
        Self::Gone
    }
}

impl Broken {
    /// What the user is told.
    pub(crate) fn status(&self) -> (Status, &'static str) {
        match self {
            Self::Gone => (Status::ResourceClosed, "the transfer was ended"),
            Self::NoFile(status) => (*status, "not a regular file"),
            Self::Sftp(Error::Status(status)) => match status.status_code {
                StatusCode::NoSuchFile => (Status::ResourceNotFound, "no such file"),
                StatusCode::PermissionDenied => (Status::ClientForbidden, "permission denied"),
                StatusCode::OpUnsupported => (Status::Unsupported, "the machine does not support that"),
                StatusCode::NoConnection | StatusCode::ConnectionLost => {
                    (Status::UpstreamUnavailable, "connection lost")
                }
                _ => (Status::UpstreamError, "the machine refused"),
            },
            Self::Sftp(Error::Timeout) => (Status::UpstreamTimeout, "the machine did not answer"),
            Self::Sftp(_) => (Status::UpstreamError, "the machine does not speak SFTP as expected"),
        }
    }
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    /// A device, a pipe: opening one could wait for ever, and the machine's server with it.
    Special,
}

pub(crate) fn kind(attributes: &FileAttributes) -> Kind {
    match attributes.permissions.map(|mode| mode & 0o170_000) {
        Some(0o040_000) => Kind::Directory,
        Some(0o120_000) => Kind::Link,
        // Servers that do not tell have files.
        Some(0o100_000 | 0) | None => Kind::File,
        Some(_) => Kind::Special,
    }
}

/// Opens a regular file to read.
pub(crate) async fn open_file(session: &RawSftpSession, path: &str) -> Result<String, Broken> {
    match kind(&session.stat(path).await?.attrs) {
        Kind::File | Kind::Link => {}
        Kind::Directory | Kind::Special => return Err(Broken::NoFile(Status::ClientForbidden)),
    }
    Ok(session.open(path, OpenFlags::READ, FileAttributes::empty()).await?.handle)
}

/// Sends a file's content. The handle is closed whatever happens.
pub(crate) async fn send_file(
    session: &Arc<RawSftpSession>,
    handle: String,
    mut download: Download,
) -> Result<(), Broken> {
    let result = read_all(session, &handle, &mut download).await;
    let _ = session.close(handle).await;
    result?;
    Ok(download.finish().await?)
}

async fn read_all(session: &Arc<RawSftpSession>, handle: &str, download: &mut Download) -> Result<(), Broken> {
    let mut offset: u64 = 0;
    let read = |offset: u64| {
        let (session, handle) = (Arc::clone(session), handle.to_owned());
        async move { (offset, session.read(handle, offset, u32::try_from(CHUNK_BYTES).unwrap_or(u32::MAX)).await) }
    };
    let mut under_way = FuturesOrdered::new();
    loop {
        while under_way.len() < REQUESTS {
            under_way.push_back(read(offset));
            offset = offset.saturating_add(CHUNK_BYTES as u64);
        }
        let next = tokio::select! {
            next = under_way.next() => next,
            () = download.gone() => return Err(Broken::Gone),
        };
        let Some((at, data)) = next else { return Ok(()) };
        let data = match data {
            Ok(data) => data.data,
            Err(Error::Status(status)) if status.status_code == StatusCode::Eof => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if data.is_empty() {
            return Ok(());
        }
        if data.len() < CHUNK_BYTES {
            // Shorter than asked for: what was asked for behind it has a gap before it.
            under_way = FuturesOrdered::new();
            offset = at.saturating_add(data.len() as u64);
        }
        download.send(Bytes::from(data)).await?;
    }
}

/// Sends the index of a directory: full stream names and their types.
pub(crate) async fn send_index(
    session: &RawSftpSession,
    handle: String,
    (name, path): (&str, &str),
    mut download: Download,
) -> Result<(), Broken> {
    let result = list(session, &handle, (name, path), &mut download).await;
    let _ = session.close(handle).await;
    result?;
    Ok(download.finish().await?)
}

async fn list(
    session: &RawSftpSession,
    handle: &str,
    (name, path): (&str, &str),
    download: &mut Download,
) -> Result<(), Broken> {
    let (mut out, mut count) = (String::from("{"), 0);
    loop {
        let batch = match session.readdir(handle).await {
            Ok(batch) => batch.files,
            Err(Error::Status(status)) if status.status_code == StatusCode::Eof => break,
            Err(error) => return Err(error.into()),
        };
        if batch.is_empty() {
            break;
        }
        let mut entries = stream::iter(batch)
            .map(|entry| async move {
                let kind = match kind(&entry.attrs) {
                    // It may lead to a directory, or to nothing.
                    Kind::Link => match child(path, &entry.filename) {
                        Some(path) => session.stat(path).await.map_or(Kind::File, |found| kind(&found.attrs)),
                        None => Kind::File,
                    },
                    kind => kind,
                };
                (entry.filename, kind)
            })
            .buffered(LOOKUPS);
        while let Some((filename, kind)) = entries.next().await {
            let Some(stream_name) = child(name, &filename) else { continue };
            let mimetype = if kind == Kind::Directory { INDEX_MIMETYPE } else { FILE_MIMETYPE };
            if count == MAX_ENTRIES {
                tracing::warn!(limit = MAX_ENTRIES, "Listing cut: the directory has more entries");
                push_entry(&mut out, count, &child(name, MORE).unwrap_or_default(), FILE_MIMETYPE);
                out.push('}');
                return Ok(download.send(Bytes::from(out)).await?);
            }
            push_entry(&mut out, count, &stream_name, mimetype);
            count += 1;
            if out.len() >= CHUNK_BYTES {
                download.send(Bytes::from(std::mem::take(&mut out))).await?;
            }
        }
    }
    out.push('}');
    Ok(download.send(Bytes::from(out)).await?)
}

fn push_entry(out: &mut String, count: usize, name: &str, mimetype: &str) {
    if count > 0 {
        out.push(',');
    }
    // Text to JSON cannot fail.
    out.push_str(&serde_json::to_string(name).unwrap_or_default());
    out.push(':');
    out.push_str(&serde_json::to_string(mimetype).unwrap_or_default());
}

/// Writes an upload to a file, which is created or emptied first.
pub(crate) async fn receive_file(
    session: &Arc<RawSftpSession>,
    handle: &str,
    upload: &mut Upload,
) -> Result<(), Broken> {
    let mut offset: u64 = 0;
    let mut under_way = FuturesUnordered::new();
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let part = tokio::select! {
            biased;
            Some(written) = under_way.next(), if !under_way.is_empty() => {
                let written: Result<_, Error> = written;
                written?;
                continue;
            }
            part = upload.next(), if under_way.len() < REQUESTS => part?,
        };
        let ended = part.is_none();
        pending.extend_from_slice(&part.unwrap_or_default());
        if pending.len() >= CHUNK_BYTES || (ended && !pending.is_empty()) {
            let data = std::mem::take(&mut pending);
            let (session, handle, at) = (Arc::clone(session), handle.to_owned(), offset);
            offset = offset.saturating_add(data.len() as u64);
            under_way.push(async move { session.write(handle, at, data).await });
        }
        if ended {
            while let Some(written) = under_way.next().await {
                written?;
            }
            return Ok(());
        }
    }
}

/// Opens a file to write. What exists and is no file stays as it is.
pub(crate) async fn create_file(session: &RawSftpSession, path: &str) -> Result<String, Broken> {
    match session.stat(path).await {
        Ok(found) => match kind(&found.attrs) {
            Kind::File | Kind::Link => {}
            Kind::Directory => return Err(Broken::NoFile(Status::ResourceConflict)),
            Kind::Special => return Err(Broken::NoFile(Status::ClientForbidden)),
        },
        Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => {}
        Err(error) => return Err(error.into()),
    }
    let mut attributes = FileAttributes::empty();
    // As guacd: what is uploaded is its owner's until he says otherwise.
    attributes.permissions = Some(0o600);
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    Ok(session.open(path, flags, attributes).await?.handle)
}
