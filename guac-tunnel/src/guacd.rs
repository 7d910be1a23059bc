//! The way to an outside guacd: the same interface as a session of our own, with the guacd client behind it.

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use guac_protocol::{ClientHandshake, ClientStep, ConnectionId, DecodeError, Instruction, Parser, Status};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_util::io::poll_read_buf;

use crate::limits::{MAX_UNSENT_BYTES, READ_BYTES};
use crate::relay::error_bytes;
use crate::{
    GuacdTls, InstructionSink, Link, LinkClosed, OpenError, OpenRequest, Opened, SessionHost, TunnelError, TunnelLimits,
};

/// Finds the addresses of a guacd, and says which may be connected to: where others choose its name and port, it is
/// the embedder's to keep them from his own machines.
pub trait ResolveGuacd: Send + Sync + 'static {
    /// The addresses to try, in order; the name is not looked up again. Without an address an error says why.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>, OpenError>>;
}

/// Whatever the operating system finds.
struct AnyAddress;

impl ResolveGuacd for AnyAddress {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>, OpenError>> {
        let unknown = |error| {
            tracing::debug!(%error, "Name of guacd not resolved");
            OpenError::new(Status::UpstreamNotFound, "The name of the guacd server is not known.")
        };
        async move { Ok(lookup_host((host, port)).await.map_err(unknown)?.collect()) }.boxed()
    }
}

/// An outside guacd, by name and port.
///
/// It does not tell its parameters before it is asked for a protocol, so [`SessionHost::parameters`] is always `None`
/// here: give [`SessionHost::open`] all parameters there are, by name, and it sends those that guacd wants.
#[derive(Clone)]
pub struct GuacdHost {
    hostname: String,
    port: u16,
    tls: Option<GuacdTls>,
    resolver: Arc<dyn ResolveGuacd>,
    limits: TunnelLimits,
}

impl GuacdHost {
    /// The guacd at this name and port, in clear.
    #[must_use]
    pub fn new(hostname: impl Into<String>, port: u16, limits: TunnelLimits) -> Self {
        Self { hostname: hostname.into(), port, tls: None, resolver: Arc::new(AnyAddress), limits }
    }

    /// The same over TLS.
    #[must_use]
    pub fn with_tls(self, tls: GuacdTls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same at addresses that somebody else finds and permits.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn ResolveGuacd>) -> Self {
        Self { resolver, ..self }
    }

    async fn connect(&self) -> Result<Box<dyn Transport>, OpenError> {
        let deadline = Instant::now() + self.limits.guacd_connect;
        let reach = async {
            let mut last = OpenError::new(Status::UpstreamNotFound, "The guacd server has no address.");
            for address in self.resolver.resolve(&self.hostname, self.port).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = unreachable_error(&error),
                }
            }
            Err(last)
        };
        let stream = timeout_at(deadline, reach).await.map_err(|_| timed_out())??;
        // Keys are small and must not wait for more.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.hostname.clone())
            .map_err(|_| OpenError::new(Status::UpstreamNotFound, "The name of the guacd server is no host name."))?;
        let connect = TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream);
        let stream = timeout_at(deadline, connect).await.map_err(|_| timed_out())?.map_err(|error| {
            tracing::debug!(%error, "TLS with guacd failed");
            OpenError::new(Status::UpstreamError, "The guacd server could not prove who it is, or speaks no TLS.")
        })?;
        Ok(Box::new(stream))
    }

    async fn open_link(&self, request: OpenRequest) -> Result<Opened, OpenError> {
        open_over(self.connect().await?, &request, &self.limits).await
    }
}

/// Opens or joins a session at a guacd that is connected already, by whatever way.
///
/// # Errors
/// [`OpenError`] as guacd refuses, or does not keep to the protocol or the deadlines.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open_guacd<S>(stream: S, request: OpenRequest, limits: &TunnelLimits) -> Result<Opened, OpenError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    open_over(Box::new(stream), &request, limits).await
}

async fn open_over(
    stream: Box<dyn Transport>,
    request: &OpenRequest,
    limits: &TunnelLimits,
) -> Result<Opened, OpenError> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = Reader::new(reader);
    let connection_id = shake_hands(&mut reader, &mut writer, request, limits).await?;
    let source = Feed::new(reader, limits.guacd_read).boxed();
    let sink = Box::new(GuacdSink { writer, unsent: BytesMut::new() });
    Ok(Opened { connection_id, link: Link { source, sink } })
}

async fn shake_hands(
    reader: &mut Reader,
    writer: &mut WriteHalf<Box<dyn Transport>>,
    request: &OpenRequest,
    limits: &TunnelLimits,
) -> Result<ConnectionId, OpenError> {
    let mut out = Vec::new();
    let mut handshake = ClientHandshake::start(&request.selection, &mut out);
    loop {
        if !out.is_empty() {
            let written = timeout(limits.write_stall, writer.write_all(&out));
            written.await.map_err(|_| timed_out())?.map_err(|error| unreachable_error(&error))?;
            out.clear();
        }
        let step = reader.next(limits.guacd_read, |instruction| handshake.handle_instruction(instruction));
        match step.await?.map_err(|error| upstream_error(error.into()))? {
            ClientStep::Continue => {}
            ClientStep::Args(_) => {
                let value_of = |name: &str| request.params.get(name).map_or("", String::as_str);
                let said = handshake.connect(&request.info, value_of, &mut out);
                said.map_err(|error| upstream_error(error.into()))?;
            }
            ClientStep::Ready(id) => return Ok(id),
        }
    }
}

impl fmt::Debug for GuacdHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuacdHost").field("hostname", &self.hostname).field("port", &self.port).finish_non_exhaustive()
    }
}

impl SessionHost for GuacdHost {
    fn parameters(&self, _selected: &str) -> Option<Vec<String>> {
        None
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        self.open_link(request).boxed()
    }
}

/// TCP or TLS over it.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// What guacd sends, and where its instructions end.
struct Reader {
    io: ReadHalf<Box<dyn Transport>>,
    /// What was read and is not passed on yet.
    buffer: BytesMut,
    parser: Parser,
}

impl Reader {
    fn new(io: ReadHalf<Box<dyn Transport>>) -> Self {
        Self { io, buffer: BytesMut::new(), parser: Parser::new() }
    }

    /// Shows the next instruction to `handle`. The whole of it must come within `limit`.
    async fn next<T>(&mut self, limit: Duration, handle: impl FnOnce(&Instruction<'_>) -> T) -> Result<T, OpenError> {
        let deadline = Instant::now() + limit;
        loop {
            let instruction = self.parser.parse(&self.buffer).map_err(|error| upstream_error(error.into()))?;
            if let Some(instruction) = instruction {
                let (handled, length) = (handle(&instruction), instruction.raw().len());
                self.buffer.advance(length);
                return Ok(handled);
            }
            let read = timeout_at(deadline, poll_fn(|cx| self.poll_read(cx))).await.map_err(|_| timed_out())?;
            if read.map_err(upstream_error)? == 0 {
                return Err(upstream_error(TunnelError::LeftEarly));
            }
        }
    }

    /// Reads what is there, into a buffer that exists only while there is something. Number of bytes; 0: no more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, TunnelError>> {
        // INVARIANT: the parser refuses an instruction before it fills half a buffer, so there is room.
        self.buffer.reserve(READ_BYTES.saturating_sub(self.buffer.len()).max(1));
        let read = poll_read_buf(Pin::new(&mut self.io), cx, &mut self.buffer);
        if read.is_pending() && self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        read.map_err(TunnelError::from)
    }

    /// The whole instructions that were read, without copying them.
    fn take_whole(&mut self) -> (Bytes, Option<DecodeError>) {
        let mut whole = 0;
        let error = loop {
            match self.parser.find(self.buffer.get(whole..).unwrap_or_default()) {
                Ok(Some(length)) => whole += length,
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        (self.buffer.split_to(whole).freeze(), error)
    }
}

/// What guacd sends as a link's source, cut at the ends of instructions: a tunnel may put a message of its own between
/// any two items.
struct Feed {
    reader: Reader,
    limit: Duration,
    /// When guacd last said something.
    heard: Instant,
    /// Fires when the silence may have become too long; looked after only then.
    silence: Pin<Box<Sleep>>,
    /// What is still to be told before the end.
    last_words: Option<OpenError>,
    over: bool,
}

impl Feed {
    fn new(reader: Reader, limit: Duration) -> Self {
        let heard = Instant::now();
        Self { reader, limit, heard, silence: Box::pin(sleep_until(heard + limit)), last_words: None, over: false }
    }

    /// The next whole instructions; an error is the end, and no data is an end without a word.
    fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, OpenError>>> {
        loop {
            if let Some(error) = self.last_words.take() {
                return Poll::Ready(Some(Err(error)));
            }
            let (whole, error) = self.reader.take_whole();
            self.last_words = error.map(|error| upstream_error(error.into()));
            if !whole.is_empty() {
                return Poll::Ready(Some(Ok(whole)));
            }
            if self.last_words.is_some() {
                continue;
            }
            match self.reader.poll_read(cx) {
                // guacd closes without TLS's goodbye, and resets when a session ends hard: both are an end.
                Poll::Ready(Ok(0) | Err(TunnelError::Io(_))) => return Poll::Ready(None),
                Poll::Ready(Ok(_)) => self.heard = Instant::now(),
                Poll::Ready(Err(error)) => self.last_words = Some(upstream_error(error)),
                Poll::Pending => {
                    ready!(self.silence.as_mut().poll(cx));
                    if self.heard + self.limit <= Instant::now() {
                        return Poll::Ready(Some(Err(timed_out())));
                    }
                    self.silence.as_mut().reset(self.heard + self.limit);
                }
            }
        }
    }
}

impl Stream for Feed {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_whole(cx));
        self.over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next.map(|next| next.unwrap_or_else(|error| error_bytes(&error.message, error.status))))
    }
}

/// What the user says, on its way to guacd. Holds one socket buffer's worth and one instruction at most.
struct GuacdSink {
    writer: WriteHalf<Box<dyn Transport>>,
    unsent: BytesMut,
}

impl GuacdSink {
    fn poll_write(&mut self, cx: &mut Context<'_>, until_below: usize) -> Poll<Result<(), LinkClosed>> {
        while self.unsent.len() >= until_below && !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.writer).poll_write(cx, &self.unsent)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(LinkClosed)),
                Ok(written) => self.unsent.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl InstructionSink for GuacdSink {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        self.poll_write(cx, MAX_UNSENT_BYTES)
    }

    fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
        self.unsent.extend_from_slice(instruction.raw().as_bytes());
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        ready!(self.poll_write(cx, 0))?;
        // An idle tunnel holds no buffer.
        self.unsent = BytesMut::new();
        Pin::new(&mut self.writer).poll_flush(cx).map_err(|_| LinkClosed)
    }
}

impl fmt::Debug for GuacdSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuacdSink").field("unsent_len", &self.unsent.len()).finish_non_exhaustive()
    }
}

fn timed_out() -> OpenError {
    OpenError::new(Status::UpstreamTimeout, "Connection to guacd timed out.")
}

fn unreachable_error(error: &io::Error) -> OpenError {
    tracing::debug!(%error, "guacd not reached");
    match error.kind() {
        io::ErrorKind::TimedOut => timed_out(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            OpenError::new(Status::UpstreamNotFound, "The guacd server cannot be reached.")
        }
        _ => OpenError::new(Status::UpstreamUnavailable, "The guacd server refuses connections."),
    }
}

/// Roles are turned round here: the peer of the codec is the upstream of the tunnel.
fn upstream_error(error: TunnelError) -> OpenError {
    match error {
        TunnelError::Silent { .. } => timed_out(),
        TunnelError::Handshake(guac_protocol::HandshakeError::Refused { message, status }) => {
            OpenError::new(status, message)
        }
        TunnelError::LeftEarly | TunnelError::Io(_) => {
            OpenError::new(Status::UpstreamError, "The guacd server closed the connection.")
        }
        other => {
            tracing::debug!(error = %other, "guacd broke the protocol");
            OpenError::new(Status::UpstreamError, "The guacd server sent something that is not understood.")
        }
    }
}
