//! Files of the machine as a file system of the session's owner.
//!
//! Each transfer is a task of its own, held by [`Files`]: none of them stops the session, and all end with it.

mod path;
mod serve;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use guac_display::Picture;
use guac_protocol::{ObjectIndex, Status};
use guac_session::{Download, DownloadRequest, Event, Stage, UploadRequest, UploadTarget};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelStream};
use russh_sftp::client::{Config, RawSftpSession};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::connect::Connection;
use crate::error::SshError;
use crate::files::path::BadPath;
use crate::files::serve::Broken;
use crate::params::FileRules;

/// Time for each answer of the machine.
const REPLY: Duration = Duration::from_secs(30);

/// Largest packet of the machine: a listing of OpenSSH is below 256 KiB.
const MAX_PACKET_BYTES: u32 = 256 << 10;

/// What the tasks share.
struct Shared {
    session: Arc<RawSftpSession>,
    rules: FileRules,
    /// Where files go that are just dropped, until the shell names another directory.
    drop_directory: Mutex<String>,
}

/// A file that the machine's user wants sent to the owner, open.
#[derive(Debug)]
pub struct Push {
    name: String,
    handle: String,
}

/// SFTP that was opened and is not shown yet.
pub struct Sftp {
    session: RawSftpSession,
    closed: CancellationToken,
}

impl std::fmt::Debug for Sftp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sftp").finish_non_exhaustive()
    }
}

impl Sftp {
    /// Asks a machine that has let us in for SFTP.
    ///
    /// # Errors
    /// [`SshError::NotOpened`] if it has none.
    pub async fn open(connection: &Connection) -> Result<Self, SshError> {
        let opened = tokio::time::timeout(REPLY, Self::try_open(connection)).await;
        opened.map_err(|_| SshError::Timeout { after: REPLY })?
    }

    async fn try_open(connection: &Connection) -> Result<Self, SshError> {
        let refused = SshError::NotOpened { what: "subsystem for files (SFTP)" };
        let mut channel = connection.open_session().await?;
        channel.request_subsystem(true, "sftp").await?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::WindowAdjusted { .. }) => {}
                _ => return Err(refused),
            }
        }
        let closed = CancellationToken::new();
        let _closed = closed.clone().drop_guard();
        let stream = Watched { stream: channel.into_stream(), over: false, writer: None, _closed };
        let config =
            Config { max_packet_len: MAX_PACKET_BYTES, request_timeout_secs: REPLY.as_secs(), ..Config::default() };
        let session = RawSftpSession::new_with_config(stream, config);
        session.init().await.map_err(|error| {
            tracing::debug!(%error, "No answer that is SFTP");
            refused
        })?;
        Ok(Self { session, closed })
    }

    /// Lets go of it; the token tells when the library has, which it does with the connection.
    pub(crate) fn close(self) -> CancellationToken {
        self.closed
    }
}

/// The machine's files, shown to the session's owner.
pub struct Files {
    shared: Arc<Shared>,
    object: ObjectIndex,
    tasks: JoinSet<()>,
    pushing: mpsc::Sender<Push>,
    pushes: mpsc::Receiver<Push>,
    /// Cancelled when the library let go of the channel.
    closed: CancellationToken,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("object", &self.object).finish_non_exhaustive()
    }
}

impl Files {
    /// Files of [`push`](Self::push) that are being opened at once.
    pub const MAX_PUSHES: usize = 4;

    /// Shows the owner the file system; nothing if he has left.
    pub fn show<P: Picture>(sftp: Sftp, rules: FileRules, stage: &mut Stage<P>) -> Option<Self> {
        let object = match stage.expose_filesystem(&rules.root) {
            Ok(object) => object,
            Err(error) => {
                tracing::debug!(%error, "File system not shown");
                return None;
            }
        };
        if rules.takes_dropped {
            stage.accept_files(true);
        }
        let (pushing, pushes) = mpsc::channel(Self::MAX_PUSHES);
        let drop_directory = Mutex::new(rules.drop_directory.clone());
        let shared = Arc::new(Shared { session: Arc::new(sftp.session), rules, drop_directory });
        Some(Self { shared, object, tasks: JoinSet::new(), pushing, pushes, closed: sftp.closed })
    }

    /// Serves the owner. What is not for these files comes back.
    #[must_use]
    pub fn handle(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Download(request) if request.object() == self.object => self.download(request),
            Event::Upload(request) if self.is_for_us(request.target()) => self.upload(request),
            event => return Some(event),
        }
        None
    }

    fn is_for_us(&self, target: &UploadTarget) -> bool {
        match target {
            UploadTarget::File { .. } => self.shared.rules.takes_dropped,
            UploadTarget::Object { object, .. } => *object == self.object,
            _ => false,
        }
    }

    fn download(&mut self, request: DownloadRequest) {
        let shared = Arc::clone(&self.shared);
        self.spawn(async move { shared.download(request).await });
    }

    fn upload(&mut self, request: UploadRequest) {
        let shared = Arc::clone(&self.shared);
        self.spawn(async move { shared.upload(request).await });
    }

    /// The machine's user wants a file sent to the owner.
    pub fn push(&mut self, path: String) {
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
    pub async fn next_push(&mut self) -> Option<Push> {
        tokio::select! {
            push = self.pushes.recv() => push,
            () = self.closed.cancelled() => None,
        }
    }

    /// Offers an open file to the owner.
    pub fn offer<P: Picture>(&mut self, push: Push, stage: &mut Stage<P>) {
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

    /// The machine's user wants dropped files to go to this directory from now on.
    pub fn set_drop_directory(&self, directory: String) {
        if !directory.contains('\0') {
            *self.shared.drop_directory.lock().unwrap_or_else(PoisonError::into_inner) = directory;
        }
    }

    /// Takes the file system away again. Dropping `self` ends all transfers.
    pub fn withdraw<P: Picture>(&self, stage: &mut Stage<P>) {
        stage.withdraw_filesystem(self.object);
        if self.shared.rules.takes_dropped {
            stage.accept_files(false);
        }
    }

    /// As [`withdraw`](Self::withdraw), waiting for the transfers. The library's tasks end with the connection; the
    /// token tells when.
    pub async fn close<P: Picture>(mut self, stage: &mut Stage<P>) -> CancellationToken {
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
                let directory = self.drop_directory.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
