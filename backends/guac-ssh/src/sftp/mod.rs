//! Files of the machine: SFTP beside the shell, on the same connection.
//!
//! Each transfer is a task of its own, held by [`Files`]: none of them stops the terminal, and all end with it.

mod path;
mod serve;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use guac_protocol::{ObjectIndex, Status};
use guac_session::{Download, DownloadRequest, Stage, UploadRequest, UploadTarget};
use guac_terminal::Terminal;
use russh::client::{Handle, Msg};
use russh::{ChannelMsg, ChannelStream};
use russh_sftp::client::{Config, RawSftpSession};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::connect::Client;
use crate::sftp::path::BadPath;
use crate::sftp::serve::Broken;

/// Time for each answer of the machine.
const REPLY: Duration = Duration::from_secs(30);

/// Largest packet of the machine: a listing of OpenSSH is below 256 KiB.
const MAX_PACKET_BYTES: u32 = 256 << 10;

/// Files that the shell's user wants sent and that are being opened.
const PUSHES: usize = 4;

/// Which files users get to see, and which they may read and write.
#[derive(Debug, Clone)]
pub(crate) struct FileRules {
    pub(crate) root: String,
    pub(crate) download: bool,
    pub(crate) upload: bool,
}

/// What the tasks share.
struct Shared {
    session: Arc<RawSftpSession>,
    rules: FileRules,
    /// Where files go that are just dropped: the directory after the login, until the shell names another.
    upload_directory: Mutex<String>,
}

/// A file that the shell's user wants sent to the browser, open.
pub(crate) struct Push {
    name: String,
    handle: String,
}

/// SFTP of one session.
pub(crate) struct Files {
    shared: Arc<Shared>,
    object: ObjectIndex,
    tasks: JoinSet<()>,
    pushing: mpsc::Sender<Push>,
    pushes: mpsc::Receiver<Push>,
    /// Cancelled when the library let go of the channel.
    closed: CancellationToken,
}

/// What the shell's user wants of file transfer before it is there: start-up files run while it is being opened.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) upload_directory: Option<String>,
    pushes: Vec<String>,
}

impl Wishes {
    /// A file for the browser, unless others wait already.
    pub(crate) fn send(&mut self, path: String) {
        if self.pushes.len() < PUSHES {
            self.pushes.push(path);
        }
    }
}

/// SFTP that was opened and is not shown yet.
pub(crate) struct Opened {
    session: RawSftpSession,
    closed: CancellationToken,
}

/// Asks the machine for SFTP; `None`, with a line in the log, if it has none. The shell does without it then.
pub(crate) async fn open(handle: &Handle<Client>) -> Option<Opened> {
    match tokio::time::timeout(REPLY, try_open(handle)).await {
        Ok(Ok(opened)) => Some(opened),
        Ok(Err(error)) => {
            tracing::warn!(%error, "No file transfer: the machine opens no SFTP");
            None
        }
        Err(_) => {
            tracing::warn!("No file transfer: the machine does not answer");
            None
        }
    }
}

async fn try_open(handle: &Handle<Client>) -> Result<Opened, io::Error> {
    let mut channel = handle.channel_open_session().await.map_err(io::Error::other)?;
    channel.request_subsystem(true, "sftp").await.map_err(io::Error::other)?;
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => break,
            Some(ChannelMsg::WindowAdjusted { .. }) => {}
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
    }
    let closed = CancellationToken::new();
    let _closed = closed.clone().drop_guard();
    let stream = Watched { stream: channel.into_stream(), over: false, writer: None, _closed };
    let config =
        Config { max_packet_len: MAX_PACKET_BYTES, request_timeout_secs: REPLY.as_secs(), ..Config::default() };
    let session = RawSftpSession::new_with_config(stream, config);
    session.init().await.map_err(io::Error::from)?;
    Ok(Opened { session, closed })
}

impl Files {
    /// Shows the owner the file system.
    pub(crate) fn show(opened: Opened, rules: FileRules, wishes: Wishes, stage: &mut Stage<Terminal>) -> Option<Self> {
        let object = match stage.expose_filesystem(&rules.root) {
            Ok(object) => object,
            Err(error) => {
                tracing::debug!(%error, "File system not shown");
                return None;
            }
        };
        stage.accept_files(true);
        let (pushing, pushes) = mpsc::channel(PUSHES);
        let shared = Shared { session: Arc::new(opened.session), rules, upload_directory: Mutex::new(".".to_owned()) };
        let (shared, tasks) = (Arc::new(shared), JoinSet::new());
        let mut files = Self { shared, object, tasks, pushing, pushes, closed: opened.closed };
        if let Some(directory) = wishes.upload_directory {
            files.set_upload_directory(directory);
        }
        for path in wishes.pushes {
            files.push(path);
        }
        Some(files)
    }

    /// A user wants to read.
    pub(crate) fn download(&mut self, request: DownloadRequest) {
        let shared = Arc::clone(&self.shared);
        self.spawn(async move { shared.download(request).await });
    }

    /// A user wants to write.
    pub(crate) fn upload(&mut self, request: UploadRequest) {
        let shared = Arc::clone(&self.shared);
        self.spawn(async move { shared.upload(request).await });
    }

    /// The shell's user wants a file in his browser.
    pub(crate) fn push(&mut self, path: String) {
        if !self.shared.rules.download {
            tracing::debug!("File not sent: downloads are off");
            return;
        }
        let Ok(permit) = self.pushing.clone().try_reserve_owned() else {
            tracing::debug!("File not sent: others are being opened");
            return;
        };
        let shared = Arc::clone(&self.shared);
        self.spawn(async move {
            match serve::open_file(&shared.session, &path).await {
                Ok(handle) => drop(permit.send(Push { name: path::file_name(&path), handle })),
                Err(broken) => tracing::info!(?broken, "File not sent"),
            }
        });
    }

    /// The next file to send; `None` when the machine has ended SFTP.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next_push(&mut self) -> Option<Push> {
        tokio::select! {
            push = self.pushes.recv() => push,
            () = self.closed.cancelled() => None,
        }
    }

    /// Offers an open file to the owner.
    pub(crate) fn offer(&mut self, push: Push, stage: &mut Stage<Terminal>) {
        let shared = Arc::clone(&self.shared);
        let download = stage.send_file(serve::FILE_MIMETYPE, &push.name);
        self.spawn(async move {
            match download {
                Ok(download) => shared.send(push.handle, download).await,
                Err(error) => {
                    tracing::debug!(%error, "File not sent");
                    let _ = shared.session.close(push.handle).await;
                }
            }
        });
    }

    /// The shell's user wants dropped files to go to this directory from now on.
    pub(crate) fn set_upload_directory(&self, directory: String) {
        if !directory.contains('\0') {
            *self.shared.upload_directory.lock().unwrap_or_else(PoisonError::into_inner) = directory;
        }
    }

    /// Takes the file system away again. Dropping `self` ends all transfers.
    pub(crate) fn withdraw(&self, stage: &mut Stage<Terminal>) {
        stage.withdraw_filesystem(self.object);
        stage.accept_files(false);
    }

    /// As [`withdraw`](Self::withdraw), waiting for the transfers. The library's tasks end with the connection.
    pub(crate) async fn close(mut self, stage: &mut Stage<Terminal>) -> CancellationToken {
        self.withdraw(stage);
        self.tasks.shutdown().await;
        self.closed
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // The finished ones are let go of here, so they are never more than once were under way.
        while let Some(done) = self.tasks.try_join_next() {
            if done.is_err_and(|error| error.is_panic()) {
                tracing::error!("Transfer panicked");
            }
        }
        self.tasks.spawn(task);
    }
}

impl Shared {
    async fn download(&self, request: DownloadRequest) {
        let name = match path::normalize(request.name()) {
            Ok(name) => name,
            Err(BadPath::Escapes) => return request.refuse(Status::ClientForbidden),
            Err(BadPath::Malformed) => return request.refuse(Status::ClientBadRequest),
        };
        let path = path::below(&self.rules.root, &name);
        if let Err((request, broken)) = self.try_download(request, &name, &path).await {
            tracing::debug!(?broken, "Download refused");
            request.refuse(broken.status().0);
        }
    }

    async fn try_download(
        &self,
        request: DownloadRequest,
        name: &str,
        path: &str,
    ) -> Result<(), (DownloadRequest, Broken)> {
        let kind = match self.session.stat(path).await {
            Ok(found) => serve::kind(&found.attrs),
            Err(error) => return Err((request, error.into())),
        };
        if kind == serve::Kind::Directory {
            let handle = match self.session.opendir(path).await {
                Ok(handle) => handle.handle,
                Err(error) => return Err((request, error.into())),
            };
            let download = request.accept(serve::INDEX_MIMETYPE);
            if let Err(broken) = serve::send_index(&self.session, handle, (name, path), download).await {
                tracing::debug!(?broken, "Listing broke off");
            }
            return Ok(());
        }
        if !self.rules.download {
            return Err((request, Broken::NoFile(Status::ClientForbidden)));
        }
        match serve::open_file(&self.session, path).await {
            Ok(handle) => self.send(handle, request.accept(serve::FILE_MIMETYPE)).await,
            Err(broken) => return Err((request, broken)),
        }
        Ok(())
    }

    async fn send(&self, handle: String, download: Download) {
        if let Err(broken) = serve::send_file(&self.session, handle, download).await {
            tracing::debug!(?broken, "Download broke off");
        }
    }

    async fn upload(&self, request: UploadRequest) {
        if !self.rules.upload {
            return request.refuse(Status::ClientForbidden, "uploads are off");
        }
        let path = match request.target() {
            UploadTarget::Object { name, .. } => match path::normalize(name) {
                Ok(name) => path::below(&self.rules.root, &name),
                Err(BadPath::Escapes) => return request.refuse(Status::ClientForbidden, "not below the root"),
                Err(BadPath::Malformed) => return request.refuse(Status::ClientBadRequest, "not a path"),
            },
            UploadTarget::File { filename } => {
                let directory = self.upload_directory.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match path::child(&directory, filename).filter(|_| !filename.contains('\\')) {
                    Some(path) => path,
                    None => return request.refuse(Status::ClientBadRequest, "not a file name"),
                }
            }
            _ => return request.refuse(Status::Unsupported, "not supported"),
        };
        let handle = match serve::create_file(&self.session, &path).await {
            Ok(handle) => handle,
            Err(broken) => {
                tracing::debug!(?broken, "Upload refused");
                let (status, message) = broken.status();
                return request.refuse(status, message);
            }
        };
        let mut upload = request.accept();
        let written = serve::receive_file(&self.session, &handle, &mut upload).await;
        let closed = self.session.close(handle).await;
        match written.and(closed.map(drop).map_err(Broken::from)) {
            Ok(()) => upload.finish(),
            Err(broken) => {
                tracing::debug!(?broken, "Upload broke off");
                let (status, message) = broken.status();
                upload.fail(status, message);
            }
        }
    }
}

/// A channel that tells when both of the library's tasks have let go of it.
struct Watched {
    stream: ChannelStream<Msg>,
    /// The machine has ended the channel.
    over: bool,
    /// Who waits to write. The channel does not tell its end to those who wait for room.
    writer: Option<Waker>,
    _closed: DropGuard,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let room = buf.remaining() > 0;
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if room && read.is_ready() && buf.filled().len() == before {
            self.over = true;
            if let Some(writer) = self.writer.take() {
                writer.wake();
            }
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.over {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.writer = written.is_pending().then(|| cx.waker().clone());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
