//! The WebSocket tunnel over any byte stream that a request was upgraded to.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt as _;
use guac_protocol::{Decoder, Encode as _, Instruction, Status, TunnelInstruction, TunnelUuid};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::frame::{FrameDecoder, FrameEvent, FrameKind, FrameSender};
use crate::limits::{BATCH_BYTES, BATCH_ITEMS, INPUT_BYTES, MAX_MESSAGE_BYTES, MAX_PING_BYTES};
use crate::outbox::Outbox;
use crate::relay::{Inlet, Source, Taken};
use crate::{Ended, Link, TunnelError, TunnelLimits};

/// Runs an open tunnel over an upgraded connection until its session ends, the browser leaves or `stop` says so, then
/// closes the WebSocket and the connection. [`accept_websocket`](crate::accept_websocket) makes the answer that comes
/// before.
///
/// The first message names the tunnel (T-030). Pings are echoed (T-031); nothing else with an empty opcode reaches
/// the session (T-032). What is ready together shares a message and a write, without being copied. A browser that does
/// not read holds up this task and nothing else: beyond one batch nothing is taken from the session meanwhile. An idle
/// tunnel holds no buffer.
///
/// # Errors
/// Why the tunnel was cut off; the browser was told by the close frame as far as it could be. For the log.
///
/// # Cancel safety
/// Dropping the future leaves the session and drops the connection without a close frame.
///
/// # Specification
/// RFC 6455; the stock gateway's WebSocket tunnel endpoint. Whether text is UTF-8 is judged over the whole
/// conversation, not message by message.
pub async fn serve_websocket<S>(
    mut io: S,
    uuid: &TunnelUuid,
    link: Link,
    stop: impl Future<Output = Status>,
    limits: &TunnelLimits,
) -> Result<Ended, TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ends = Ends::new(&mut io);
    let result = {
        let now = Instant::now();
        let mut tunnel = Tunnel {
            ends: &mut ends,
            source: link.source.fuse(),
            gathered: VecDeque::new(),
            inlet: Inlet { decoder: Decoder::new(), sink: link.sink },
            taken: Taken::default(),
            undrained: false,
            leaving: None,
            over: false,
            heard: now,
            ping_at: now + limits.browser_ping,
            stalled: None,
            stuck: None,
            closed: None,
            limits,
        };
        let hello = TunnelInstruction::Uuid { uuid: uuid.as_str() }.to_bytes();
        tunnel.ends.out.push_own(FrameKind::Text, &hello);
        let mut stop = pin!(stop);
        let mut timer = pin!(sleep_until(tunnel.deadline()));
        poll_fn(|cx| tunnel.poll(cx, stop.as_mut(), timer.as_mut())).await
    };
    if !matches!(result, Err(TunnelError::Io(_))) {
        let status = result.as_ref().map_or_else(TunnelError::status, |ended| ended.status());
        ends.close(status, limits).await;
    }
    result
}

/// Closes a WebSocket that carries no tunnel with a status: how a browser learns that its tunnel could not be opened
/// (T-036).
///
/// # Cancel safety
/// Dropping the future drops the connection.
pub async fn close_websocket<S>(mut io: S, status: Status, limits: &TunnelLimits)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Ends::new(&mut io).close(status, limits).await;
}

/// Both directions of the connection.
struct Ends<'a, S> {
    io: &'a mut S,
    frames: FrameDecoder,
    out: Outbox,
    /// The browser says nothing more: it sent a close frame, or its direction has ended.
    finished: bool,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Ends<'a, S> {
    fn new(io: &'a mut S) -> Self {
        let frames = FrameDecoder::new(FrameSender::Client, MAX_MESSAGE_BYTES);
        Self { io, frames, out: Outbox::default(), finished: false }
    }

    /// The closing handshake (RFC 6455, section 7). Bounded in time, for the browser may be gone.
    async fn close(mut self, status: Status, limits: &TunnelLimits) {
        self.out.push_close(status);
        let farewell = async {
            let Self { io, out, .. } = &mut self;
            if poll_fn(|cx| out.poll_write_all(io, cx).1).await.is_err() {
                return;
            }
            // The browser answers, and waits for us to close the connection. One whose frames are not understood any
            // more closes it itself: a reset by unread bytes would overtake our last words.
            while !self.finished {
                match poll_fn(|cx| self.poll_discard(cx)).await {
                    Ok(true) => {}
                    Ok(false) | Err(_) => self.finished = true,
                }
            }
            let _ = self.io.shutdown().await;
        };
        let _ = timeout(limits.close_grace, farewell).await;
    }

    /// Reads and forgets. `false`: nothing more comes.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<bool>> {
        let mut space = [MaybeUninit::uninit(); INPUT_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *self.io).poll_read(cx, &mut buffer))?;
        let mut bytes = buffer.filled_mut();
        let more = !bytes.is_empty();
        while let Ok(Some(event)) = self.frames.next_event(&mut bytes) {
            self.finished |= matches!(event, FrameEvent::Close(_));
        }
        Poll::Ready(Ok(more))
    }
}

/// A running tunnel: one task, one poll of everything, no buffer and no timer touched that need not be.
struct Tunnel<'a, 'io, S> {
    ends: &'a mut Ends<'io, S>,
    source: Source,
    /// A message being gathered; empty between two polls.
    gathered: VecDeque<Bytes>,
    inlet: Inlet,
    taken: Taken,
    /// The inlet holds instructions that the session has not taken yet.
    undrained: bool,
    /// How the input ended, once what came before is handed on.
    leaving: Option<Result<Ended, TunnelError>>,
    /// The session has said all it had to say.
    over: bool,
    heard: Instant,
    ping_at: Instant,
    /// Since when the browser takes nothing of what waits.
    stalled: Option<Instant>,
    /// Since when the session takes no input.
    stuck: Option<Instant>,
    /// Since when the session takes no input because it is over.
    closed: Option<Instant>,
    limits: &'a TunnelLimits,
}

type End = Result<Ended, TunnelError>;

impl<S: AsyncRead + AsyncWrite + Unpin> Tunnel<'_, '_, S> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stop: Pin<&mut impl Future<Output = Status>>,
        mut timer: Pin<&mut Sleep>,
    ) -> Poll<End> {
        if let Poll::Ready(status) = stop.poll(cx) {
            return Poll::Ready(Ok(Ended::Stopped(status)));
        }
        loop {
            // Input first: what it asks of us goes out with the rest.
            if let Poll::Ready(end) = self.poll_input(cx) {
                return Poll::Ready(end);
            }
            if let Poll::Ready(end) = self.poll_output(cx) {
                return Poll::Ready(end);
            }
            // Deadlines move away while things go well: the timer looks after them when it fires, not each time.
            let deadline = self.deadline();
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if let Some(end) = self.expire(Instant::now()) {
                return Poll::Ready(end);
            }
            timer.as_mut().reset(self.deadline());
        }
    }

    /// The next moment at which something is due.
    fn deadline(&self) -> Instant {
        let limits = self.limits;
        let silence = self.heard + limits.browser_silence;
        let stalled = self.stalled.map(|since| since + limits.write_stall);
        let stuck = self.stuck.map(|since| since + limits.input_stall);
        let closed = self.closed.map(|since| since + limits.close_grace);
        [stalled, stuck, closed].into_iter().flatten().fold(silence.min(self.ping_at), Instant::min)
    }

    fn expire(&mut self, now: Instant) -> Option<End> {
        let limits = self.limits;
        let past = |since: Option<Instant>, limit| since.is_some_and(|since| since + limit <= now);
        if past(self.stalled, limits.write_stall) {
            return Some(Err(TunnelError::Stalled { limit: limits.write_stall }));
        }
        if past(self.stuck, limits.input_stall) {
            return Some(Err(TunnelError::SessionStuck { limit: limits.input_stall }));
        }
        if past(self.closed, limits.close_grace) {
            return Some(Ok(Ended::SessionOver));
        }
        if past(Some(self.heard), limits.browser_silence) {
            // Input that was not looked at because the session was slow to take it is no silence.
            if !self.undrained && self.closed.is_none() {
                return Some(Err(TunnelError::Silent { limit: limits.browser_silence }));
            }
            self.heard = now;
        }
        if self.ping_at <= now {
            self.ping_at = now + limits.browser_ping;
            self.ends.out.push_own(FrameKind::Ping, &[]);
        }
        None
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.undrained {
                ready!(self.poll_drain(cx))?;
                if self.taken.disconnect {
                    return Poll::Ready(Ok(Ended::ClientLeft));
                }
                if self.taken.closed {
                    // The session's last words are on their way through the other half.
                    self.closed = Some(Instant::now());
                }
            }
            if self.closed.is_some() {
                return Poll::Pending;
            }
            if let Some(end) = self.leaving.take() {
                return Poll::Ready(end);
            }
            let mut space = [MaybeUninit::uninit(); INPUT_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *self.ends.io).poll_read(cx, &mut buffer))?;
            self.heard = Instant::now();
            if buffer.filled().is_empty() {
                self.ends.finished = true;
                return Poll::Ready(Ok(Ended::ClientLeft));
            }
            self.take_frames(buffer.filled_mut());
        }
    }

    /// Hands what was read to the inlet. It takes in one read at most before it is drained.
    fn take_frames(&mut self, mut bytes: &mut [u8]) {
        let Ends { frames, out, finished, .. } = &mut *self.ends;
        let end = loop {
            match frames.next_event(&mut bytes) {
                Ok(None) => return,
                Ok(Some(FrameEvent::Text(text))) => {
                    self.undrained = true;
                    if let Err(error) = self.inlet.decoder.feed(text) {
                        break Err(error.into());
                    }
                }
                Ok(Some(FrameEvent::Ping(payload))) => drop(out.push_own(FrameKind::Pong, payload)),
                Ok(Some(FrameEvent::MessageEnd | FrameEvent::Pong)) => {}
                Ok(Some(FrameEvent::Binary(_))) => break Err(TunnelError::NotText),
                Ok(Some(FrameEvent::Close(_))) => {
                    *finished = true;
                    break Ok(Ended::ClientLeft);
                }
                Err(error) => break Err(error.into()),
            }
        };
        self.leaving = Some(end);
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TunnelError>> {
        let before = self.taken.whole;
        let out = &mut self.ends.out;
        let drained = self.inlet.poll_drain(cx, &mut self.taken, |own| echo(own, out));
        if drained.is_pending() {
            if self.stuck.is_none() || self.taken.whole != before {
                self.stuck = Some(Instant::now());
            }
            return Poll::Pending;
        }
        self.stuck = None;
        self.undrained = false;
        drained
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let (progress, written) = self.ends.out.poll_write_all(self.ends.io, cx);
            if written.is_pending() {
                if self.stalled.is_none() || progress {
                    self.stalled = Some(Instant::now());
                }
                return Poll::Pending;
            }
            ready!(written)?;
            self.stalled = None;
            if self.over {
                return Poll::Ready(Ok(Ended::SessionOver));
            }
            ready!(self.poll_gather(cx));
        }
    }

    /// Takes from the session what is ready, up to a batch, and makes one message of it.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut length = 0;
        while length < BATCH_BYTES && self.gathered.len() < BATCH_ITEMS {
            match self.source.poll_next_unpin(cx) {
                Poll::Ready(Some(item)) if item.is_empty() => {}
                Poll::Ready(Some(item)) => {
                    length += item.len();
                    self.gathered.push_back(item);
                }
                Poll::Ready(None) => {
                    self.over = true;
                    break;
                }
                Poll::Pending if length == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if length > 0 {
            self.ends.out.push_text(self.gathered.drain(..), length);
        }
        Poll::Ready(())
    }
}

/// Sends a ping back.
fn echo(own: &Instruction<'_>, out: &mut Outbox) {
    if own.arg(0) == Some("ping") && own.raw().len() <= MAX_PING_BYTES {
        out.push_own(FrameKind::Text, own.raw().as_bytes());
    }
}
