//! The WebSocket tunnel, whatever library carries the messages.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;

use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use guac_protocol::{Decoder, Instruction, InstructionWriter, Status, TunnelUuid};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::limits::{MAX_PING_BYTES, PING_QUEUE};
use crate::relay::{Batch, Inlet, Source, Taken};
use crate::{Ended, Link, TunnelError, TunnelLimits};

/// A message from the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Instructions, split anywhere (T-029).
    Text(Bytes),
    /// Not text, which no tunnel client sends.
    Binary,
    /// The transport's own ping or pong: a sign of life, answered by the transport.
    Control,
    /// The browser closes.
    Close,
}

/// A message to the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Whole instructions, valid UTF-8.
    Text(Bytes),
    /// The transport's own ping, which the browser answers without the page's help.
    Ping,
    /// The last message: close code, and the status in decimal as the reason (T-033, T-034).
    Close {
        /// WebSocket close code.
        code: u16,
        /// Close reason.
        reason: String,
    },
}

impl Outgoing {
    /// How a tunnel that ends with this status closes.
    #[must_use]
    pub fn close(status: Status) -> Self {
        Self::Close { code: status.websocket(), reason: status.code().to_string() }
    }
}

/// The WebSocket subprotocol that must be selected (T-028).
pub const SUBPROTOCOL: &str = "guacamole";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Runs an open tunnel until its session ends, the browser leaves or `stop` says so, then closes the WebSocket.
///
/// The first message names the tunnel (T-030). Pings are echoed (T-031); nothing else with an empty opcode reaches
/// the session (T-032). Small instructions that are ready together share a message. A browser that does not read
/// holds up this task and nothing else: nothing is taken from the session meanwhile.
///
/// # Errors
/// Why the tunnel was cut off; the browser was told by the close frame as far as it could be. For the log.
///
/// # Cancel safety
/// Dropping the future leaves the session and drops the WebSocket without a close frame.
pub async fn run_websocket<I, O, E>(
    incoming: I,
    mut outgoing: O,
    uuid: &TunnelUuid,
    link: Link,
    stop: impl Future<Output = Status>,
    limits: &TunnelLimits,
) -> Result<Ended, TunnelError>
where
    I: Stream<Item = Result<Incoming, E>> + Unpin,
    O: Sink<Outgoing, Error = E> + Unpin,
    E: Into<BoxError>,
{
    let mut incoming = incoming.fuse();
    let mut source = link.source.fuse();
    let mut inlet = Inlet { decoder: Decoder::new(), sink: link.sink };
    let (tell, told) = oneshot::channel();
    let (pings, echoes) = mpsc::channel(PING_QUEUE);
    let up = async {
        let end = read_messages(&mut incoming, &mut inlet, &pings, limits).await;
        // INVARIANT: the other half outlives this one, so somebody listens.
        let _ = tell.send(end);
        pending::<Infallible>().await
    };
    let hello = Bytes::from(own_instruction(&[uuid.as_str()]));
    let down = write_messages(&mut outgoing, hello, &mut source, Halves { told, echoes }, stop, limits);
    let result = tokio::select! {
        never = up => match never {},
        end = down => end,
    };
    drop((source, inlet));
    if !matches!(result, Err(TunnelError::WebSocket(_))) {
        let status = result.as_ref().map_or_else(TunnelError::status, |ended| ended.status());
        close_websocket(incoming, outgoing, status, limits).await;
    }
    result
}

/// Closes a WebSocket with a status: the end of every tunnel, and of one that could not be opened (T-036).
pub async fn close_websocket<I, O, E>(mut incoming: I, mut outgoing: O, status: Status, limits: &TunnelLimits)
where
    I: Stream<Item = Result<Incoming, E>> + Unpin,
    O: Sink<Outgoing, Error = E> + Unpin,
{
    let farewell = async {
        // Fails where the browser has closed first: then the transport answers by itself while we read.
        let sent = outgoing.send(Outgoing::close(status)).await;
        // Until the end of the connection: the browser's close frame is not the last thing that happens on it.
        while let Some(Ok(_)) = incoming.next().await {}
        // A sink that has failed once must not be touched again.
        if sent.is_ok() {
            let _ = outgoing.close().await;
        }
    };
    let _ = timeout(limits.close_grace, farewell).await;
}

async fn read_messages<I, E>(
    incoming: &mut I,
    inlet: &mut Inlet,
    pings: &mpsc::Sender<Bytes>,
    limits: &TunnelLimits,
) -> Result<Ended, TunnelError>
where
    I: Stream<Item = Result<Incoming, E>> + Unpin,
    E: Into<BoxError>,
{
    let limit = limits.browser_silence;
    loop {
        let message = timeout(limit, incoming.next()).await.map_err(|_| TunnelError::Silent { limit })?;
        let taken = match message {
            None | Some(Ok(Incoming::Close)) => return Ok(Ended::ClientLeft),
            Some(Err(error)) => return Err(TunnelError::WebSocket(error.into())),
            Some(Ok(Incoming::Binary)) => return Err(TunnelError::NotText),
            Some(Ok(Incoming::Control)) => Taken::default(),
            Some(Ok(Incoming::Text(text))) => inlet.take(&text, limits, |own| echo(own, pings)).await?,
        };
        if taken.disconnect {
            return Ok(Ended::ClientLeft);
        }
        if taken.closed {
            // The session's last words are on their way through the other half.
            sleep(limits.close_grace).await;
            return Ok(Ended::SessionOver);
        }
    }
}

/// Sends a ping back. One that finds the queue full is dropped: the browser does not read, so it misses nothing.
fn echo(own: &Instruction<'_>, pings: &mpsc::Sender<Bytes>) {
    if own.arg(0) == Some("ping") && own.raw().len() <= MAX_PING_BYTES {
        let _ = pings.try_send(Bytes::copy_from_slice(own.raw().as_bytes()));
    }
}

/// What the reading half has for the writing half.
struct Halves {
    told: oneshot::Receiver<Result<Ended, TunnelError>>,
    echoes: mpsc::Receiver<Bytes>,
}

async fn write_messages<O, E>(
    outgoing: &mut O,
    hello: Bytes,
    source: &mut Source,
    mut halves: Halves,
    stop: impl Future<Output = Status>,
    limits: &TunnelLimits,
) -> Result<Ended, TunnelError>
where
    O: Sink<Outgoing, Error = E> + Unpin,
    E: Into<BoxError>,
{
    let mut stop = pin!(stop);
    let mut batch = Batch::default();
    batch.items.push_back(hello);
    let mut pings = interval_at(Instant::now() + limits.browser_ping, limits.browser_ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ping = false;
    loop {
        // A browser that stalls ends the tunnel; so does an order, at once, whatever is in the way.
        tokio::select! {
            biased;
            status = &mut stop => return Ok(Ended::Stopped(status)),
            sent = send(outgoing, &mut batch, std::mem::take(&mut ping), limits) => sent?,
        }
        tokio::select! {
            biased;
            status = &mut stop => return Ok(Ended::Stopped(status)),
            end = &mut halves.told => return end.unwrap_or(Ok(Ended::ClientLeft)),
            Some(echo) = halves.echoes.recv() => batch.items.push_back(echo),
            _ = pings.tick() => ping = true,
            more = batch.gather(source) => {
                if !more {
                    return Ok(Ended::SessionOver);
                }
            }
        }
    }
}

async fn send<O, E>(outgoing: &mut O, batch: &mut Batch, ping: bool, limits: &TunnelLimits) -> Result<(), TunnelError>
where
    O: Sink<Outgoing, Error = E> + Unpin,
    E: Into<BoxError>,
{
    let limit = limits.write_stall;
    let failed = |error: E| TunnelError::WebSocket(error.into());
    let stalled = |_| TunnelError::Stalled { limit };
    let messages = ping.then_some(Outgoing::Ping).into_iter().chain(batch.drain_joined().map(Outgoing::Text));
    for message in messages {
        timeout(limit, outgoing.feed(message)).await.map_err(stalled)?.map_err(failed)?;
    }
    timeout(limit, outgoing.flush()).await.map_err(stalled)?.map_err(failed)
}

/// An instruction of the tunnel itself: the empty opcode (P-109).
fn own_instruction(arguments: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let mut writer = InstructionWriter::new(&mut out, "");
    for argument in arguments {
        writer = writer.text(argument);
    }
    writer.end();
    out
}
