//! One session: connecting, the open desktop, the end.

use std::{fmt, io, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures_util::future::BoxFuture;
use guac_display::{Cursor, Size, Surface};
use guac_protocol::ClientInfo;
use guac_session::{Backend, Event, SessionEnd, Stage, Start};
use guac_sftp::{DesktopFiles, HostKeyStore, MemoryHostKeys};
use guac_tls::{CertificatePolicy, KnownCertificates};
use ironrdp_bulk::BulkCompressor;
use ironrdp_core::{WriteBuf, encode_vec};
use ironrdp_pdu::Action;
use ironrdp_pdu::codecs::rfx::FrameAcknowledgePdu;
use ironrdp_pdu::geometry::InclusiveRectangle;
use ironrdp_pdu::mcs::{DisconnectProviderUltimatum, DisconnectReason};
use ironrdp_pdu::rdp::headers::ShareDataPdu;
use ironrdp_pdu::rdp::refresh_rectangle::RefreshRectanglePdu;
use ironrdp_pdu::rdp::server_redirection::ServerRedirectionPdu;
use ironrdp_pdu::x224::X224;
use ironrdp_session::x224::{self, DisconnectDescription, ProcessorOutput};
use tokio::io::{AsyncWriteExt as _, WriteHalf};

use crate::RdpError;
use crate::argv::Login;
use crate::channels::{Bounds, Channel, Verdict, channels};
use crate::connect::{Attempt, Opened, Outcome, Target};
use crate::connector::{Activated, Activation, ActivationStep, Active, Settings, Share};
use crate::graphics::{Graphics, GraphicsEvent, GraphicsOptions};
use crate::input::Input;
use crate::link::Link;
use crate::params::{CertificateParams, PARAMETERS, RdpParams};
use crate::redirect::{MAX_REDIRECTIONS, follow};
use crate::resize::{Resizing, Step};
use crate::transport::Transport;

/// Bytes that may wait to be written. Beyond that the server does not listen: nothing more is read from it, so it
/// gets no answers either, and input is dropped.
const MAX_UNSENT_BYTES: usize = 1 << 20;

/// Bytes waiting above which the server is taken for deaf. A clipboard of the largest size is above it by itself.
const DEAF_BYTES: usize = 4 * MAX_UNSENT_BYTES;

/// How long saying goodbye may take; a session that is over has a few seconds in all.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// The backend behind `select rdp`.
#[derive(Clone)]
pub struct RdpBackend {
    known_certificates: Option<KnownCertificates>,
    host_keys: Arc<dyn HostKeyStore>,
}

impl fmt::Debug for RdpBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RdpBackend").field("known_certificates", &self.known_certificates).finish_non_exhaustive()
    }
}

impl Default for RdpBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl RdpBackend {
    /// A backend that keeps nothing beyond its own life: connections with `cert-tofu` are refused, and host keys of
    /// machines with files are remembered as long.
    #[must_use]
    pub fn new() -> Self {
        Self { known_certificates: None, host_keys: Arc::new(MemoryHostKeys::default()) }
    }

    /// Remembers machines with files (`enable-sftp`) in `host_keys`.
    #[must_use]
    pub fn with_host_keys(mut self, host_keys: Arc<dyn HostKeyStore>) -> Self {
        self.host_keys = host_keys;
        self
    }

    /// Keeps the certificates that servers show first, for `cert-tofu`.
    #[must_use]
    pub fn with_known_certificates(mut self, known: KnownCertificates) -> Self {
        self.known_certificates = Some(known);
        self
    }
}

impl Backend for RdpBackend {
    fn protocol(&self) -> &'static str {
        "rdp"
    }

    fn parameters(&self) -> &'static [&'static str] {
        PARAMETERS
    }

    fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>> {
        let (known, host_keys) = (self.known_certificates.clone(), Arc::clone(&self.host_keys));
        Box::pin(async move {
            run(start, known, host_keys).await.map_err(|error| {
                tracing::debug!(error = &error as &dyn std::error::Error, "RDP session failed");
                error.into()
            })
        })
    }
}

async fn run(start: Start, known: Option<KnownCertificates>, host_keys: Arc<dyn HostKeyStore>) -> Result<(), RdpError> {
    let owner = start.owner().clone();
    let params = RdpParams::parse(start.params(), &owner)?;
    let policy = certificate_policy(&params.certificate, known)?;
    let mut session = Session {
        login: Login {
            username: params.username.clone(),
            domain: params.domain.clone(),
            password: params.password.clone(),
        },
        target: Target {
            host: params.host.clone(),
            port: params.port,
            load_balance_info: params.load_balance_info.clone(),
            session_id: None,
            password_cookie: None,
        },
        window: (owner.width_px, owner.height_px),
        channels: channels(&params, start.params()).await,
        policy,
        owner,
        params,
        host_keys,
        files: DesktopFiles::default(),
    };
    // Nothing is shown before the server has said its size.
    let nothing = Size::new(1, 1).map_err(|_| RdpError::Lost { source: io::ErrorKind::InvalidInput.into() })?;
    let (_, mut stage) = start.stage(Surface::new(nothing));
    let result = session.run(&mut stage).await;
    session.files.close(&mut stage).await;
    result
}

/// What a session knows beside its connection.
struct Session {
    params: RdpParams,
    owner: ClientInfo,
    login: Login,
    target: Target,
    policy: CertificatePolicy,
    channels: Vec<Box<dyn Channel>>,
    /// The window that the desktop should fill, in pixels of the owner's screen.
    window: (u32, u32),
    host_keys: Arc<dyn HostKeyStore>,
    files: DesktopFiles,
}

fn certificate_policy(
    params: &CertificateParams,
    known: Option<KnownCertificates>,
) -> Result<CertificatePolicy, RdpError> {
    let first_use = match (params.trust_on_first_use, known) {
        (false, _) => None,
        (true, Some(known)) => Some(known),
        (true, None) => return Err(RdpError::UnsupportedParameter { name: "cert-tofu" }),
    };
    Ok(CertificatePolicy::from_params(params.ignore, first_use, params.fingerprints.as_deref()))
}

/// How the desktop was left.
enum Served {
    Ended,
    /// Connect again, with the size that is wanted now.
    Reconnect,
    Redirected(Box<ServerRedirectionPdu>),
}

impl Session {
    async fn run(&mut self, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        let mut redirections = 0;
        loop {
            let redirection = match Box::pin(self.open(stage)).await? {
                None => return Ok(()),
                Some(Outcome::CredentialsNeeded) => continue,
                Some(Outcome::Redirected(redirection)) => redirection,
                Some(Outcome::Open(opened)) => match Box::pin(self.serve(*opened, stage)).await? {
                    Served::Ended => return Ok(()),
                    Served::Reconnect => continue,
                    Served::Redirected(redirection) => redirection,
                },
            };
            redirections += 1;
            if redirections > MAX_REDIRECTIONS {
                return Err(RdpError::BadRedirection);
            }
            self.target = follow(&redirection, &self.target, &mut self.login)?;
        }
    }

    /// Connects; asks for credentials where the server wants some, and leaves it to the caller to connect again with
    /// them: no server waits for as long as a person may type. Nothing where the session ended meanwhile.
    async fn open(&mut self, stage: &mut Stage<Surface>) -> Result<Option<Outcome>, RdpError> {
        if let Some(wake) = self.params.wake.take() {
            let (host, port) = (self.target.host.clone(), self.target.port);
            let waking = async {
                wake.wake(&host, port).await;
                Ok(())
            };
            if alongside(stage, &mut self.window, &mut self.files, waking).await?.is_none() {
                return Ok(None);
            }
        }
        if let Some(params) = self.params.files.take() {
            let opening = DesktopFiles::open(params, Arc::clone(&self.host_keys));
            let opening = async { opening.await.map_err(|source| RdpError::Files { source }) };
            match alongside(stage, &mut self.window, &mut self.files, opening).await? {
                Some(files) => self.files = files,
                None => return Ok(None),
            }
        }
        let graphics = Graphics::new(self.graphics_options());
        let attempt = Attempt {
            params: &self.params,
            target: &self.target,
            login: &self.login,
            policy: &self.policy,
            size: self.params.desktop_size(self.window, &self.owner),
            dpi: self.params.dpi(&self.owner),
        };
        let (window, files) = (&mut self.window, &mut self.files);
        let outcome = alongside(stage, window, files, Box::pin(attempt.connect(&graphics, &mut self.channels))).await?;
        if matches!(outcome, Some(Outcome::CredentialsNeeded))
            && !self.login.ask(stage, |event| note_size(event, &mut self.window)).await?
        {
            return Ok(None);
        }
        Ok(outcome)
    }

    fn graphics_options(&self) -> GraphicsOptions {
        GraphicsOptions {
            color_depth: self.params.color_depth,
            gfx: self.params.gfx,
            remotefx: self.params.remotefx,
            lossless: self.params.lossless,
        }
    }

    /// The open desktop, to its end.
    async fn serve(&mut self, opened: Opened, stage: &mut Stage<Surface>) -> Result<Served, RdpError> {
        let Opened { transport, mut inbox, active } = opened;
        let (mut reader, mut writer) = tokio::io::split(transport);
        let mut desktop = Desktop::new(self, active);
        desktop.begin(stage)?;
        self.files.show(stage);
        let mut unflushed = false;
        let mut has_pdu = true;
        loop {
            if let Some(served) = desktop.settle(&mut self.channels, stage)? {
                return Ok(served);
            }
            let listens = desktop.link.unsent().len() <= MAX_UNSENT_BYTES;
            let has_unsent = !desktop.link.unsent().is_empty();
            let turn = tokio::select! {
                biased;
                event = stage.next() => Turn::Event(event),
                () = self.files.ended() => Turn::FilesEnded,
                sent = send(&mut writer, desktop.link.unsent()), if unflushed || has_unsent => Turn::Sent(sent),
                () = desktop.resizing.due() => Turn::Woken,
                () = woken(&mut self.channels) => Turn::Woken,
                // Others first: this server keeps us busy.
                () = tokio::task::yield_now(), if has_pdu && listens => Turn::Pdu,
                read = inbox.fill(&mut reader), if !has_pdu && listens => Turn::Read(read),
            };
            let lost = |source| RdpError::Lost { source };
            let turn = match turn {
                Turn::Event(event) => self.files.handle(event).map_or(Turn::Woken, Turn::Event),
                turn => turn,
            };
            match turn {
                Turn::Event(Event::Ended) => {
                    let bytes = desktop.farewell()?;
                    // The server may not listen; then it finds out by itself.
                    let said = async { writer.write_all(&bytes).await.is_ok() && writer.shutdown().await.is_ok() };
                    let said = tokio::time::timeout(FAREWELL_TIMEOUT, said).await;
                    tracing::trace!(?said, "Left the server");
                    return Ok(Served::Ended);
                }
                Turn::Event(event) if !desktop.takes(&event) => {
                    tracing::trace!("Server does not listen, input dropped");
                }
                Turn::Event(event) => {
                    if let Event::Size { width_px, height_px, .. } = event {
                        self.window = (width_px, height_px);
                        desktop.resizing.want(self.params.desktop_size(self.window, &self.owner));
                    } else {
                        desktop.handle_event(event, &mut self.channels, stage)?;
                    }
                }
                Turn::Sent(sent) => {
                    let sent = sent.map_err(lost)?;
                    unflushed = sent > 0;
                    desktop.sent(sent);
                }
                Turn::FilesEnded => self.files.withdraw(stage),
                Turn::Woken => {}
                Turn::Pdu => {
                    has_pdu = match inbox.next_pdu()? {
                        Some((action, pdu)) => match desktop.handle_pdu(action, pdu, stage)? {
                            None => true,
                            Some(served) => return Ok(served),
                        },
                        None => false,
                    };
                }
                Turn::Read(read) => {
                    if read.map_err(lost)? == 0 {
                        return Err(lost(io::ErrorKind::UnexpectedEof.into()));
                    }
                    has_pdu = true;
                }
            }
        }
    }
}

/// An active connection's machines.
struct Desktop {
    link: Link,
    bounds: Bounds,
    graphics: Graphics,
    graphics_options: GraphicsOptions,
    bulk: Option<BulkCompressor>,
    input: Input,
    resizing: Resizing,
    size: (u16, u16),
    may_refresh: bool,
    share: Share,
    settings: Settings,
    /// The server takes the desktop down to bring it up again.
    reactivating: Option<Activation>,
}

impl Desktop {
    fn new(session: &Session, active: Active) -> Self {
        let Active { channels, share, activated, settings } = active;
        let Share { user_channel, io_channel } = share;
        let bounds = Bounds::new(&channels);
        let mut channels = x224::Processor::new(channels, user_channel, io_channel, None, activated.share_id);
        channels.set_static_channel_chunk_size(activated.chunk_bytes);
        let mut resizing = Resizing::new(session.params.resize, activated.desktop_size);
        resizing.was_asked(settings.desktop_size);
        resizing.want(session.params.desktop_size(session.window, &session.owner));
        let mut link = Link::new(channels);
        link.set_fast_path_input(activated.fast_path_input);
        Self {
            link,
            bounds,
            graphics: Graphics::new(session.graphics_options()),
            graphics_options: session.graphics_options(),
            bulk: None,
            input: Input::new(session.params.layout),
            resizing,
            size: activated.desktop_size,
            may_refresh: activated.may_refresh,
            share,
            settings,
            reactivating: None,
        }
    }

    /// Shows the empty desktop and tells the server about our keys.
    fn begin(&mut self, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        if let Ok(size) = Size::new(self.size.0.into(), self.size.1.into()) {
            stage.picture().resize(size);
            stage.frame_end();
        }
        stage.set_cursor(&Cursor::dot());
        let mut events = Vec::new();
        self.input.activated(&mut events);
        self.link.send_input(&events)
    }

    /// Hands on what the last turn has brought up. Something where this desktop is over.
    fn settle(
        &mut self,
        channels: &mut [Box<dyn Channel>],
        stage: &mut Stage<Surface>,
    ) -> Result<Option<Served>, RdpError> {
        while let Some(event) = self.graphics.poll() {
            self.show(event, stage)?;
        }
        if self.reactivating.is_some() {
            return Ok(None);
        }
        for channel in channels {
            channel.poll(&mut self.link, stage)?;
        }
        Ok(match self.resizing.poll(&mut self.link)? {
            Step::Nothing => None,
            Step::Reconnect => Some(Served::Reconnect),
        })
    }

    fn show(&mut self, event: GraphicsEvent, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        match event {
            GraphicsEvent::FrameEnd => stage.frame_end(),
            GraphicsEvent::Cursor(cursor) => stage.set_cursor(&cursor),
            GraphicsEvent::AcknowledgeFrame(frame_id) => {
                self.link.send_share_data(ShareDataPdu::FrameAcknowledge(FrameAcknowledgePdu { frame_id }))?;
            }
            GraphicsEvent::Refresh if self.may_refresh => {
                let (right, bottom) = (self.size.0.saturating_sub(1), self.size.1.saturating_sub(1));
                let everything = InclusiveRectangle { left: 0, top: 0, right, bottom };
                let pdu = RefreshRectanglePdu { areas_to_refresh: vec![everything] };
                self.link.send_share_data(ShareDataPdu::RefreshRectangle(pdu))?;
            }
            GraphicsEvent::Resized => {
                let size = stage.picture().size();
                let side = |px: u32| u16::try_from(px).unwrap_or(u16::MAX);
                self.resized((side(size.width()), side(size.height())));
            }
            GraphicsEvent::Refresh => {}
        }
        Ok(())
    }

    fn resized(&mut self, size: (u16, u16)) {
        self.size = size;
        self.resizing.happened(size);
    }

    fn handle_event(
        &mut self,
        event: Event,
        channels: &mut [Box<dyn Channel>],
        stage: &mut Stage<Surface>,
    ) -> Result<(), RdpError> {
        if self.reactivating.is_some() {
            // The server takes no input in between.
            return Ok(());
        }
        let mut events = Vec::new();
        match event {
            Event::Key { keysym, pressed, .. } => self.input.key(keysym, pressed, &mut events),
            Event::Mouse { x, y, buttons, .. } => self.input.mouse(x, y, buttons, self.size, &mut events),
            event => {
                let mut event = Some(event);
                for channel in channels {
                    let Some(unclaimed) = event else { break };
                    event = channel.handle(unclaimed, &mut self.link, stage)?;
                }
            }
        }
        self.link.send_input(&events)
    }

    /// Whether there is room for what a user said. Where the server does not listen, moves are the first to be lost;
    /// keys, clipboards and files only where it has not listened for so long that nothing matters to it.
    fn takes(&mut self, event: &Event) -> bool {
        let waiting = self.link.unsent().len();
        let is_motion = matches!(event, Event::Mouse { .. } | Event::Touch { .. } | Event::Pipe { .. });
        waiting <= MAX_UNSENT_BYTES || (!is_motion && waiting <= DEAF_BYTES)
    }

    /// The last bytes for the server: no key stays down, and we go on purpose, so that it need not wait for us.
    fn farewell(&mut self) -> Result<Vec<u8>, RdpError> {
        let mut events = Vec::new();
        self.input.release_all(&mut events);
        self.link.send_input(&events)?;
        let ultimatum = DisconnectProviderUltimatum::from_reason(DisconnectReason::UserRequested);
        self.link.send_raw(&encode_vec(&X224(ultimatum)).map_err(RdpError::encode)?);
        Ok(std::mem::take(self.link.unsent()))
    }

    fn sent(&mut self, len: usize) {
        let unsent = self.link.unsent();
        unsent.drain(..len.min(unsent.len()));
        if unsent.is_empty() {
            *unsent = Vec::new();
        }
    }

    /// One PDU of the server's. Something where this desktop is over.
    fn handle_pdu(
        &mut self,
        action: Action,
        pdu: &[u8],
        stage: &mut Stage<Surface>,
    ) -> Result<Option<Served>, RdpError> {
        if action == Action::FastPath {
            self.graphics.handle_fast_path(pdu, &mut self.bulk, stage.picture())?;
            return Ok(None);
        }
        if let Some(activation) = &mut self.reactivating {
            let mut out = WriteBuf::new();
            let step = activation.handle_pdu(pdu, &self.settings, &mut out).map_err(RdpError::from_connect)?;
            self.link.send_raw(out.filled());
            return match step {
                ActivationStep::Again => Ok(None),
                ActivationStep::Done(activated) => self.reactivated(activated, stage).map(|()| None),
                ActivationStep::Redirected(redirection) => Ok(Some(Served::Redirected(redirection))),
            };
        }
        if self.bounds.admit(pdu, &mut self.link)? == Verdict::Skip {
            return Ok(None);
        }
        for output in self.link.channels.process(pdu, &mut self.bulk, None)? {
            match output {
                ProcessorOutput::ResponseFrame(bytes) => self.link.send_raw(&bytes),
                ProcessorOutput::GraphicsUpdate(update) => {
                    self.graphics.handle_slow_path_update(&update, stage.picture())?;
                }
                ProcessorOutput::PointerUpdate(update) => self.graphics.handle_slow_path_pointer(&update)?,
                ProcessorOutput::Disconnect(description) => return disconnected(&description).map(Some),
                ProcessorOutput::DeactivateAll => {
                    self.reactivating = Some(Activation::new(self.share, self.resizing.largest_px()));
                }
                ProcessorOutput::ServerRedirection(redirection) => return Ok(Some(Served::Redirected(redirection))),
                other => tracing::trace!(?other, "Nothing to do"),
            }
        }
        self.graphics.set_asked_px(self.resizing.largest_px());
        self.graphics.handle_pipeline(&mut self.link, stage.picture())?;
        Ok(None)
    }

    /// Takes over what a reactivation has brought ([MS-RDPBCGR] 1.3.1.3).
    fn reactivated(&mut self, activated: Activated, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        self.reactivating = None;
        self.link.channels.set_share_id(activated.share_id);
        self.link.channels.set_static_channel_chunk_size(activated.chunk_bytes);
        self.link.set_fast_path_input(activated.fast_path_input);
        self.may_refresh = activated.may_refresh;
        self.graphics = Graphics::new(self.graphics_options);
        self.resized(activated.desktop_size);
        if let Ok(size) = Size::new(activated.desktop_size.0.into(), activated.desktop_size.1.into()) {
            stage.picture().resize(size);
        }
        let mut events = Vec::new();
        self.input.activated(&mut events);
        self.link.send_input(&events)?;
        // What xrdp drew meanwhile did not fit the old size, and it does not draw it again by itself.
        self.show(GraphicsEvent::Refresh, stage)
    }
}

/// Why the loop went round.
enum Turn {
    Event(Event),
    FilesEnded,
    Sent(io::Result<usize>),
    Woken,
    Pdu,
    Read(io::Result<usize>),
}

fn disconnected(description: &DisconnectDescription) -> Result<Served, RdpError> {
    match *description {
        DisconnectDescription::ErrorInfo(info) if !RdpError::is_normal_end(info) => {
            Err(RdpError::Disconnected { info })
        }
        DisconnectDescription::McsDisconnect(DisconnectReason::TokenPurged | DisconnectReason::DomainDisconnected) => {
            Err(RdpError::Lost { source: io::ErrorKind::ConnectionAborted.into() })
        }
        // The user has logged off.
        DisconnectDescription::ErrorInfo(_) | DisconnectDescription::McsDisconnect(_) => Ok(Served::Ended),
    }
}

/// Runs `work` while the session goes on; nothing where it ended first.
async fn alongside<T>(
    stage: &mut Stage<Surface>,
    window: &mut (u32, u32),
    files: &mut DesktopFiles,
    work: impl Future<Output = Result<T, RdpError>>,
) -> Result<Option<T>, RdpError> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            event = stage.next() => match event {
                Event::Ended => return Ok(None),
                // While the desktop comes again its files stay.
                event => if let Some(event) = files.handle(event) { note_size(&event, window) },
            },
            done = &mut work => return done.map(Some),
        }
    }
}

/// The window may change while there is no desktop yet; other input has no place to go.
fn note_size(event: &Event, window: &mut (u32, u32)) {
    if let Event::Size { width_px, height_px, .. } = *event {
        *window = (width_px, height_px);
    }
}

/// Done when any channel has something that no PDU brought.
async fn woken(channels: &mut [Box<dyn Channel>]) {
    let mut wakes: Vec<_> = channels.iter_mut().map(|channel| channel.wake()).collect();
    std::future::poll_fn(|cx| {
        if wakes.iter_mut().any(|wake| wake.as_mut().poll(cx).is_ready()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Writes some of `unsent`, or flushes where there is nothing; bytes written.
///
/// # Cancel safety
/// Nothing is written if the future is dropped before it is done.
async fn send(writer: &mut WriteHalf<Transport>, unsent: &[u8]) -> io::Result<usize> {
    if unsent.is_empty() { writer.flush().await.map(|()| 0) } else { writer.write(unsent).await }
}
