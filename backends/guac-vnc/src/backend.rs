//! One session: connecting, the open desktop, the end.

use std::{fmt, io, pin::pin, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use guac_display::{Cursor, Size, Surface};
use guac_session::{Backend, Event, SessionEnd, Stage, Start};
use guac_sftp::{DesktopFiles, HostKeyStore, MemoryHostKeys};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, WriteHalf},
    time::sleep,
};

use crate::{
    VncError,
    argv::Login,
    display::{NoPictureYet, SurfacePainter, cursor},
    input::Input,
    params::{PARAMETERS, VncParams},
    rfb::{self, Connection, RfbError},
    transport::{Transport, within},
};

/// How long the server may think between two messages of the handshake. Waiting for the owner's answer to a prompt is
/// not part of it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause before another attempt to connect, as in guacd.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Bytes taken from the socket at once: a few rectangles, and a price that an idle session can pay.
const READ_BYTES: usize = 64 * 1024;

/// Bytes that may wait to be written, beside two clipboards. Beyond that the server does not listen: it gets no answers,
/// so nothing more is read, and input is dropped.
const MAX_UNSENT_BYTES: usize = 1 << 20;

/// The backend behind `select vnc`.
#[derive(Clone)]
pub struct VncBackend {
    host_keys: Arc<dyn HostKeyStore>,
}

impl fmt::Debug for VncBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VncBackend").finish_non_exhaustive()
    }
}

impl Default for VncBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl VncBackend {
    /// A backend that keeps nothing beyond its own life: host keys of machines with files are remembered as long.
    #[must_use]
    pub fn new() -> Self {
        Self { host_keys: Arc::new(MemoryHostKeys::default()) }
    }

    /// Remembers machines with files (`enable-sftp`) in `host_keys`.
    #[must_use]
    pub fn with_host_keys(mut self, host_keys: Arc<dyn HostKeyStore>) -> Self {
        self.host_keys = host_keys;
        self
    }
}

impl Backend for VncBackend {
    fn protocol(&self) -> &'static str {
        "vnc"
    }

    fn parameters(&self) -> &'static [&'static str] {
        PARAMETERS
    }

    fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>> {
        let host_keys = Arc::clone(&self.host_keys);
        Box::pin(async move {
            run(start, host_keys).await.map_err(|error| {
                tracing::debug!(error = &error as &dyn std::error::Error, "VNC session failed");
                error.into()
            })
        })
    }
}

async fn run(start: Start, host_keys: Arc<dyn HostKeyStore>) -> Result<(), VncError> {
    let params = VncParams::parse(start.params())?;
    let mut session = Session {
        wanted_size: (start.owner().width_px, start.owner().height_px),
        login: Login { username: params.username.clone(), password: params.password.clone() },
        input: Input { clipboard: params.clipboard_encoding, resize: params.resize },
        params,
        files: DesktopFiles::default(),
    };
    // Nothing is shown before the server has said its size.
    let nothing = Size::new(1, 1).map_err(|_| VncError::Lost { source: io::ErrorKind::InvalidInput.into() })?;
    let (_, mut stage) = start.stage(Surface::new(nothing));
    let result = session.run(&mut stage, host_keys).await;
    session.files.close(&mut stage).await;
    result
}

/// What a session knows beside its connection.
#[derive(Debug)]
struct Session {
    params: VncParams,
    files: DesktopFiles,
    login: Login,
    input: Input,
    /// The owner's window.
    wanted_size: (u32, u32),
}

/// An open desktop.
struct Opened {
    connection: Connection,
    transport: Transport,
    size: (u16, u16),
}

impl Session {
    async fn run(&mut self, stage: &mut Stage<Surface>, host_keys: Arc<dyn HostKeyStore>) -> Result<(), VncError> {
        if let Some(wake) = self.params.wake.take() {
            let (host, port) = (self.params.host.clone(), self.params.port);
            let waking = async {
                wake.wake(&host, port).await;
                Ok(())
            };
            if self.alongside(stage, waking).await?.is_none() {
                return Ok(());
            }
        }
        if let Some(params) = self.params.files.take() {
            let opening = DesktopFiles::open(params, host_keys);
            let opening = async { opening.await.map_err(|source| VncError::Files { source }) };
            match self.alongside(stage, opening).await? {
                Some(files) => self.files = files,
                None => return Ok(()),
            }
        }
        match Box::pin(self.open(stage)).await? {
            Some(opened) => Box::pin(self.serve(opened, stage)).await,
            None => Ok(()),
        }
    }

    /// Connects, again where that may help. Nothing where the session ended meanwhile.
    async fn open(&mut self, stage: &mut Stage<Surface>) -> Result<Option<Opened>, VncError> {
        let mut config = self.params.rfb.clone();
        let mut retries = self.params.retries;
        loop {
            match self.attempt(&config, stage).await {
                Err(VncError::Rfb { source: RfbError::NoUsableSecurity { vencrypt: true, .. }, .. })
                    if config.security.vencrypt =>
                {
                    // It may still offer something outside of VeNCrypt, and the choice cannot be taken back.
                    tracing::debug!("Server offers no usable kind of VeNCrypt, connecting without");
                    config.security.vencrypt = false;
                }
                Err(error) if retries > 0 && error.is_worth_retrying() => {
                    tracing::debug!(%error, retries, "Connecting again");
                    retries -= 1;
                    let pause = async {
                        sleep(RETRY_PAUSE).await;
                        Ok(())
                    };
                    if self.alongside(stage, pause).await?.is_none() {
                        return Ok(None);
                    }
                }
                result => return result,
            }
        }
    }

    /// Connects and authenticates.
    async fn attempt(&mut self, config: &rfb::Config, stage: &mut Stage<Surface>) -> Result<Option<Opened>, VncError> {
        let (host, port, targets) = (self.params.host.clone(), self.params.port, self.params.targets.clone());
        let Some(mut transport) = self.alongside(stage, Transport::connect(&targets, &host, port)).await? else {
            return Ok(None);
        };
        let mut connection = Connection::new(config.clone());
        let mut picture = NoPictureYet::default();
        let mut buffer = [0; 1024];
        loop {
            if let Some(bytes) = connection.poll_transmit() {
                let Some(()) = self.alongside(stage, write_all(&mut transport, &bytes)).await? else { return Ok(None) };
            }
            match connection.poll_event() {
                Some(rfb::Event::Connected { .. }) => {
                    let size = picture.size.unwrap_or(connection.size());
                    return Ok(Some(Opened { connection, transport, size }));
                }
                Some(rfb::Event::StartTls) => {
                    let tls = transport.start_tls(&host, port, &self.params.tls);
                    let Some(secured) = alongside(stage, &mut self.wanted_size, tls).await? else { return Ok(None) };
                    transport = secured;
                    connection.tls_established();
                }
                Some(rfb::Event::CredentialsNeeded { username }) => {
                    let wanted_size = &mut self.wanted_size;
                    let note = |event: &Event| note_size(event, wanted_size);
                    let Some(credentials) = self.login.obtain(username, stage, note).await? else { return Ok(None) };
                    connection.provide_credentials(&credentials);
                }
                Some(_) => {}
                None => {
                    let read = read(&mut transport, &mut buffer);
                    let Some(len) = self.alongside(stage, read).await? else { return Ok(None) };
                    let broken = |source| VncError::Rfb { was_open: false, source };
                    let bytes = buffer.get(..len).filter(|bytes| !bytes.is_empty());
                    let bytes = bytes.ok_or_else(|| broken(connection.handle_end()))?;
                    connection.handle_input(bytes, &mut picture).map_err(broken)?;
                }
            }
        }
    }

    /// Runs `work` while the session goes on; nothing where it ended first.
    async fn alongside<T>(
        &mut self,
        stage: &mut Stage<Surface>,
        work: impl Future<Output = Result<T, VncError>>,
    ) -> Result<Option<T>, VncError> {
        alongside(stage, &mut self.wanted_size, work).await
    }

    /// The open desktop, to its end.
    async fn serve(&mut self, opened: Opened, stage: &mut Stage<Surface>) -> Result<(), VncError> {
        let Opened { mut connection, transport, size } = opened;
        let (mut reader, mut writer) = tokio::io::split(transport);
        let mut buffer = vec![0; READ_BYTES];
        let mut unsent: Vec<u8> = Vec::new();
        let mut unflushed = false;
        let unsent_limit = self.params.rfb.limits.clipboard_bytes.saturating_mul(2).saturating_add(MAX_UNSENT_BYTES);
        if let Ok(size) = Size::new(size.0.into(), size.1.into()) {
            stage.picture().resize(size);
            stage.frame_end();
        }
        if !self.params.rfb.local_cursor {
            stage.set_cursor(&Cursor::dot());
        }
        self.input.size(self.wanted_size.0, self.wanted_size.1, &mut connection);
        self.files.show(stage);
        loop {
            self.show_events(&mut connection, stage);
            if let Some(bytes) = connection.poll_transmit() {
                unsent.extend_from_slice(&bytes);
            }
            let busy = connection.wants_turn();
            let may_read = !busy && unsent.len() <= unsent_limit;
            let turn = tokio::select! {
                biased;
                event = stage.next() => Turn::Event(event),
                () = self.files.ended() => Turn::FilesEnded,
                sent = send(&mut writer, &unsent), if unflushed || !unsent.is_empty() => Turn::Sent(sent),
                // Others first: this server keeps us busy.
                () = tokio::task::yield_now(), if busy => Turn::Read(Ok(0)),
                read = reader.read(&mut buffer), if may_read => Turn::Read(read),
            };
            let lost = |source| VncError::Lost { source };
            match turn {
                Turn::Event(Event::Ended) => return Ok(()),
                Turn::Event(event) => match self.files.handle(event) {
                    None => {}
                    Some(_) if unsent.len() > unsent_limit => {
                        tracing::trace!("Server does not listen, input dropped")
                    }
                    Some(event) => self.input.apply(event, &mut connection),
                },
                Turn::FilesEnded => self.files.withdraw(stage),
                Turn::Sent(sent) => {
                    let sent = sent.map_err(lost)?;
                    unflushed = sent > 0;
                    unsent.drain(..sent.min(unsent.len()));
                    if unsent.is_empty() {
                        unsent = Vec::new();
                    }
                }
                Turn::Read(read) => {
                    let broken = |source| VncError::Rfb { was_open: true, source };
                    let bytes = buffer.get(..read.map_err(lost)?).unwrap_or_default();
                    if bytes.is_empty() && !busy {
                        return Err(broken(connection.handle_end()));
                    }
                    let result = connection.handle_input(bytes, &mut SurfacePainter(stage.picture()));
                    result.map_err(broken)?;
                }
            }
        }
    }

    /// What the server said, for the users.
    fn show_events(&self, connection: &mut Connection, stage: &mut Stage<Surface>) {
        while let Some(event) = connection.poll_event() {
            match event {
                rfb::Event::UpdateEnd => stage.frame_end(),
                rfb::Event::Cursor(shape) => stage.set_cursor(&cursor(shape)),
                rfb::Event::CutText(bytes) => stage.send_clipboard(&self.input.clipboard.decode(&bytes)),
                rfb::Event::Clipboard(text) => stage.send_clipboard(&text),
                rfb::Event::ClipboardTooLarge { len_bytes } => {
                    tracing::debug!(len_bytes, "Clipboard of the server is over the limit");
                }
                rfb::Event::ResizeRefused { code } => tracing::debug!(code, "Server does not take this size"),
                // Guacamole has no bell (V-028), and guacd shows no desktop names (P-086).
                event => tracing::trace!(?event, "Nothing to show"),
            }
        }
    }
}

/// Why the loop went round.
enum Turn {
    Event(Event),
    FilesEnded,
    Sent(io::Result<usize>),
    Read(io::Result<usize>),
}

async fn alongside<T>(
    stage: &mut Stage<Surface>,
    wanted_size: &mut (u32, u32),
    work: impl Future<Output = Result<T, VncError>>,
) -> Result<Option<T>, VncError> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            event = stage.next() => match event {
                Event::Ended => return Ok(None),
                event => note_size(&event, wanted_size),
            },
            done = &mut work => return done.map(Some),
        }
    }
}

/// The owner's window may change while there is no desktop yet; other input has no place to go.
fn note_size(event: &Event, wanted_size: &mut (u32, u32)) {
    if let Event::Size { is_owner: true, width_px, height_px, .. } = *event {
        *wanted_size = (width_px, height_px);
    }
}

async fn write_all(transport: &mut Transport, bytes: &[u8]) -> Result<(), VncError> {
    within(HANDSHAKE_TIMEOUT, "the handshake", async {
        transport.write_all(bytes).await.map_err(|source| VncError::Lost { source })?;
        transport.flush().await.map_err(|source| VncError::Lost { source })
    })
    .await
}

async fn read(transport: &mut Transport, buffer: &mut [u8]) -> Result<usize, VncError> {
    let read = async { transport.read(buffer).await.map_err(|source| VncError::Connect { source }) };
    within(HANDSHAKE_TIMEOUT, "the handshake", read).await
}

/// Writes some of `unsent`, or flushes where there is nothing; bytes written.
///
/// # Cancel safety
/// Nothing is written if the future is dropped before it is done.
async fn send(writer: &mut WriteHalf<Transport>, unsent: &[u8]) -> io::Result<usize> {
    if unsent.is_empty() { writer.flush().await.map(|()| 0) } else { writer.write(unsent).await }
}
