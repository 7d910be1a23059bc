//! The owner's side of the drive: a file system to list, read from and write to. Each transfer is a task, whose reading
//! and writing is done on threads where waiting hurts nobody.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::{Dir, File, ReadDir};
use guac_protocol::Status;
use guac_session::{Download, DownloadRequest, TransferGone, Upload, UploadRequest, UploadTarget};

use crate::drive::directory::shown;
use crate::drive::files::open_options;
use crate::drive::path::{BadPath, DrivePath, upload_name};

/// Type of directories and their indices (P-143).
pub(super) const INDEX_MIMETYPE: &str = "application/vnd.glyptodon.guacamole.stream-index+json";

/// Type of all other files.
pub(super) const FILE_MIMETYPE: &str = "application/octet-stream";

/// Bytes read or written at once. Up to six of these wait in a transfer: four for the user, two here.
const CHUNK_BYTES: usize = 256 << 10;

/// Entries of a listing. A browser shows no more, and the server can make any number.
const MAX_ENTRIES: usize = 50_000;

/// Name of the last entry of a listing that goes on.
const MORE: &str = "… (the list is cut here)";

/// What the owner may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) download: bool,
    pub(super) upload: bool,
}

/// Why a transfer does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// *Peer.* The user gave up.
    #[error("the user ended the transfer")]
    Gone,
    /// *Caller.* It is no path below the drive's directory.
    #[error("not a path")]
    BadPath(BadPath),
    /// *Caller.* It is not what it has to be.
    #[error("not a regular file")]
    NoFile(Status),
    /// *Caller.* The connection's parameters forbid it.
    #[error("transfers in this direction are off")]
    Forbidden,
    /// *Environment.*
    #[error("the host's file system")]
    Io(#[source] io::Error),
    /// *Us.* The daemon ends, or the work panicked.
    #[error("the daemon does not go on")]
    Ended,
}

impl From<TransferGone> for Broken {
    fn from(_: TransferGone) -> Self {
        Self::Gone
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Broken {
    /// What the user is told.
    fn status(&self) -> (Status, &'static str) {
        use io::ErrorKind;
        match self {
            Self::Gone => (Status::ResourceClosed, "the transfer was ended"),
            Self::BadPath(BadPath::Escapes) => (Status::ClientForbidden, "not below the drive's directory"),
            Self::BadPath(BadPath::Malformed) => (Status::ClientBadRequest, "not a path"),
            Self::NoFile(status) => (*status, "not a regular file"),
            Self::Forbidden => (Status::ClientForbidden, "switched off for this connection"),
            Self::Ended => (Status::ServerError, "the file was not taken"),
            Self::Io(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => (Status::ResourceNotFound, "no such file"),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    (Status::ClientForbidden, "permission denied")
                }
                ErrorKind::AlreadyExists | ErrorKind::IsADirectory => (Status::ResourceConflict, "it exists already"),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (Status::ServerError, "no space is left"),
                _ => (Status::ServerError, "the drive does not take it"),
            },
        }
    }
}

/// Does what may wait for a disk on a thread for that. Bounded by what `work` does: nothing can end it before.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Broken::Ended)
}

fn parse(name: &str) -> Result<DrivePath, Broken> {
    DrivePath::parse(name).map_err(Broken::BadPath)
}

/// What a path names.
enum Found {
    Directory(ReadDir),
    File(File),
}

/// Answers a `get`: the index of a directory, or a file.
pub(super) async fn download(root: Arc<Dir>, rules: Rules, request: DownloadRequest) {
    let found = async {
        let path = parse(request.name())?;
        let (root, of) = (Arc::clone(&root), path.clone());
        let found = blocking(move || find(&root, &of, rules)).await??;
        Ok::<_, Broken>((path, found))
    }
    .await;
    let sent = match found {
        Ok((path, Found::Directory(entries))) => send_index(root, path, entries, request.accept(INDEX_MIMETYPE)).await,
        Ok((_, Found::File(file))) => {
            let mut download = request.accept(FILE_MIMETYPE);
            match send(file, &mut download).await {
                Ok(()) => download.finish().await.map_err(Broken::from),
                Err(broken) => Err(broken),
            }
        }
        Err(broken) => {
            tracing::debug!(%broken, "Download refused");
            return request.refuse(broken.status().0);
        }
    };
    if let Err(broken) = sent {
        tracing::debug!(%broken, "Download broke off");
    }
}

fn find(root: &Dir, path: &DrivePath, rules: Rules) -> Result<Found, Broken> {
    if root.metadata(path.as_path())?.is_dir() {
        return Ok(Found::Directory(root.read_dir(path.as_path())?));
    }
    if !rules.download {
        return Err(Broken::Forbidden);
    }
    let file = root.open_with(path.as_path(), open_options().read(true))?;
    if !file.metadata()?.is_file() {
        return Err(Broken::NoFile(Status::ClientForbidden));
    }
    Ok(Found::File(file))
}

/// Sends a file to the owner who did not ask for it. Done when he has all of it.
pub(super) async fn deliver(file: File, mut download: Download) -> Result<(), Broken> {
    send(file, &mut download).await?;
    Ok(download.deliver().await?)
}

/// Sends a file's content.
async fn send(mut file: File, download: &mut Download) -> Result<(), Broken> {
    loop {
        let reading = blocking(move || {
            let mut data = Vec::with_capacity(CHUNK_BYTES);
            let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut data);
            read.map(|_| (file, data))
        });
        let (back, data) = tokio::select! {
            read = reading => read??,
            () = download.gone() => return Err(Broken::Gone),
        };
        if data.is_empty() {
            return Ok(());
        }
        file = back;
        download.send(Bytes::from(data)).await?;
    }
}

/// An index under way.
struct Index {
    root: Arc<Dir>,
    path: DrivePath,
    entries: ReadDir,
    count: usize,
    over: bool,
}

async fn send_index(root: Arc<Dir>, path: DrivePath, entries: ReadDir, mut download: Download) -> Result<(), Broken> {
    let mut index = Index { root, path, entries, count: 0, over: false };
    let mut out = String::from("{");
    while !index.over {
        let (back, chunk) = blocking(move || {
            index.fill(&mut out);
            (index, out)
        })
        .await?;
        index = back;
        out = String::new();
        download.send(Bytes::from(chunk)).await?;
    }
    Ok(download.finish().await?)
}

impl Index {
    /// Adds entries, full stream names and their types, up to a chunk's size or the end.
    fn fill(&mut self, out: &mut String) {
        while out.len() < CHUNK_BYTES {
            let Some(entry) = self.entries.next() else {
                return self.end(out);
            };
            let Ok(Ok(name)) = entry.map(|entry| entry.file_name().into_string()) else { continue };
            let Some(stat) = shown(&self.root, &self.path, &name) else { continue };
            if self.count == MAX_ENTRIES {
                tracing::warn!(limit = MAX_ENTRIES, "Listing cut: the directory has more entries");
                self.push(out, MORE, FILE_MIMETYPE);
                return self.end(out);
            }
            self.push(out, &name, if stat.directory { INDEX_MIMETYPE } else { FILE_MIMETYPE });
        }
    }

    fn end(&mut self, out: &mut String) {
        out.push('}');
        self.over = true;
    }

    fn push(&mut self, out: &mut String, name: &str, mimetype: &str) {
        let Some(path) = self.path.child(name) else { return };
        if self.count > 0 {
            out.push(',');
        }
        self.count += 1;
        // Text to JSON cannot fail.
        out.push_str(&serde_json::to_string(&path.stream_name()).unwrap_or_default());
        out.push(':');
        out.push_str(&serde_json::to_string(mimetype).unwrap_or_default());
    }
}

/// Answers a `put` or a `file`.
pub(super) async fn upload(root: Arc<Dir>, rules: Rules, request: UploadRequest) {
    let file = async {
        if !rules.upload {
            return Err(Broken::Forbidden);
        }
        let path = match request.target() {
            UploadTarget::Object { name, .. } => parse(name)?,
            UploadTarget::File { filename } => upload_name(filename).ok_or(Broken::BadPath(BadPath::Malformed))?,
            _ => return Err(Broken::NoFile(Status::Unsupported)),
        };
        blocking(move || create(&root, &path)).await?
    }
    .await;
    let file = match file {
        Ok(file) => file,
        Err(broken) => {
            tracing::debug!(%broken, "Upload refused");
            let (status, message) = broken.status();
            return request.refuse(status, message);
        }
    };
    let mut upload = request.accept();
    match receive(file, &mut upload).await {
        Ok(()) => upload.finish(),
        Err(broken) => {
            tracing::debug!(%broken, "Upload broke off");
            let (status, message) = broken.status();
            upload.fail(status, message);
        }
    }
}

/// Creates a file or empties it. What exists and is no file stays as it is.
fn create(root: &Dir, path: &DrivePath) -> Result<File, Broken> {
    match root.metadata(path.as_path()) {
        Ok(found) if found.is_dir() => return Err(Broken::NoFile(Status::ResourceConflict)),
        Ok(found) if !found.is_file() => return Err(Broken::NoFile(Status::ClientForbidden)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    Ok(root.open_with(path.as_path(), open_options().write(true).create(true).truncate(true))?)
}

/// Writes an upload, a chunk while the next one comes.
async fn receive(file: File, upload: &mut Upload) -> Result<(), Broken> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    let mut writing = tokio::task::spawn_blocking(move || Ok::<_, io::Error>(file));
    loop {
        let part = upload.next().await?;
        let over = part.is_none();
        chunk.extend_from_slice(&part.unwrap_or_default());
        if chunk.len() < CHUNK_BYTES && !over {
            continue;
        }
        let mut file = writing.await.map_err(|_| Broken::Ended)??;
        let data = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES));
        writing = tokio::task::spawn_blocking(move || file.write_all(&data).map(|()| file));
        if over {
            return writing.await.map_err(|_| Broken::Ended)?.map(drop).map_err(Broken::Io);
        }
    }
}
