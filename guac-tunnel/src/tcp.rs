//! The guacd port: one accepted connection, server's side.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;

use futures_util::StreamExt as _;
use guac_protocol::{ConnectionId, Encode, HandshakeError, Selection, ServerHandshake, ServerInstruction, ServerStep};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::relay::{Batch, Inlet, InstructionReader, Source, error_bytes, read_chunk};
use crate::{Ended, OpenError, OpenRequest, Opened, SessionHost, TunnelError, TunnelLimits};

type Reader<S> = InstructionReader<ReadHalf<S>>;

/// Serves one connection of the guacd port from its first byte to its last, then closes it. `stream` may be TCP, TLS
/// or anything else.
///
/// A client that keeps to the protocol is told by `error` what went wrong, also where guacd just closes the socket
/// (unknown protocol); one that does not is cut off, as by guacd. Unlike guacd, we close the socket ourselves after
/// `disconnect`.
///
/// # Errors
/// Why the client was cut off; he was told as far as he could be. For the log.
///
/// # Cancel safety
/// Dropping the future leaves the session and closes the connection without a word.
///
/// # Specification
/// Guacamole manual, "Handshake phase"; guacd's `src/libguac/user-handshake.c` and `src/guacd/connection.c`.
pub async fn serve_guacd<S>(stream: S, host: &dyn SessionHost, limits: &TunnelLimits) -> Result<Ended, TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = InstructionReader::new(reader);
    let result = match shake_hands(&mut reader, &mut writer, host, limits).await {
        Ok(opened) => {
            let result = relay(&mut reader, &mut writer, opened, limits).await;
            if let Err(error) = &result {
                tell(&mut writer, error, limits).await;
            }
            result
        }
        Err(error) => {
            // Who does not get through a handshake speaks another protocol; only a refusal is worth a word (P-039).
            if matches!(error, TunnelError::Open(_) | TunnelError::UnknownProtocol) {
                tell(&mut writer, &error, limits).await;
            }
            Err(error)
        }
    };
    close(&mut reader.reader, &mut writer, limits).await;
    result
}

/// From `select` to `ready`.
async fn shake_hands<S>(
    reader: &mut Reader<S>,
    writer: &mut WriteHalf<S>,
    host: &dyn SessionHost,
    limits: &TunnelLimits,
) -> Result<Opened, TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut handshake = ServerHandshake::new();
    let mut out = Vec::new();
    let selection = loop {
        match reader.next(limits.instruction, |instruction| handshake.handle_instruction(instruction)).await?? {
            ServerStep::Selected(selection) => break selection,
            ServerStep::Continue | ServerStep::Connect { .. } => {}
        }
    };
    let names = names_of(host, &selection)?;
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    handshake.offer(&borrowed, &mut out)?;
    write(writer, std::mem::take(&mut out), limits).await?;

    let (info, values) = loop {
        let step = reader.next(limits.instruction, |instruction| handshake.handle_instruction(instruction)).await?;
        match step {
            Ok(ServerStep::Connect { info, values }) => break (info, values),
            Ok(ServerStep::Continue | ServerStep::Selected(_)) => {}
            Err(error @ HandshakeError::WrongArgumentCount { .. }) => {
                // guacd says `ready` before it counts (P-031); clients were written against that.
                let connection_id = ConnectionId::from_random(rand::random());
                let ready = ServerInstruction::Ready { connection_id: connection_id.as_str() };
                write(writer, ready.to_bytes(), limits).await?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
    };
    let params: BTreeMap<String, String> = names.into_iter().zip(values).collect();
    let request = OpenRequest { selection, info: *info, params };
    let opened = timeout(limits.open, host.open(request))
        .await
        .map_err(|_| OpenError::new(guac_protocol::Status::UpstreamTimeout, "The session did not start in time."))??;
    handshake.ready(&opened.connection_id, &mut out)?;
    write(writer, out, limits).await?;
    Ok(opened)
}

fn names_of(host: &dyn SessionHost, selection: &Selection) -> Result<Vec<String>, TunnelError> {
    match selection {
        Selection::Protocol(name) => host.parameters(name).ok_or(TunnelError::UnknownProtocol),
        Selection::Join(id) => Ok(host.parameters(id.as_str()).ok_or_else(OpenError::no_such_connection)?),
    }
}

/// Both directions until one ends.
async fn relay<S>(
    reader: &mut Reader<S>,
    writer: &mut WriteHalf<S>,
    opened: Opened,
    limits: &TunnelLimits,
) -> Result<Ended, TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut source = opened.link.source.fuse();
    let mut inlet = Inlet { decoder: std::mem::take(&mut reader.decoder), sink: opened.link.sink };
    let (tell, told) = oneshot::channel();
    let up = async {
        let end = read_input(&mut reader.reader, &mut inlet, limits).await;
        // INVARIANT: the other half outlives this one, so somebody listens.
        let _ = tell.send(end);
        pending::<Infallible>().await
    };
    let down = write_output(writer, &mut source, told, limits);
    tokio::select! {
        never = up => match never {},
        end = down => end,
    }
}

async fn read_input<R>(reader: &mut R, inlet: &mut Inlet, limits: &TunnelLimits) -> Result<Ended, TunnelError>
where
    R: AsyncRead + Unpin,
{
    let limit = limits.instruction;
    // The handshake's last read may have brought more than the handshake.
    let mut taken = inlet.take(&[], limits, |_| {}).await?;
    let mut deadline = Instant::now() + limit;
    loop {
        if taken.disconnect {
            return Ok(Ended::ClientLeft);
        }
        if taken.closed {
            // The session's last words are on their way through the other half.
            sleep(limits.close_grace).await;
            return Ok(Ended::SessionOver);
        }
        if taken.whole > 0 {
            deadline = Instant::now() + limit;
        }
        let chunk = timeout_at(deadline, read_chunk(reader)).await.map_err(|_| TunnelError::Silent { limit })??;
        if chunk.is_empty() {
            return Ok(Ended::ClientLeft);
        }
        taken = inlet.take(&chunk, limits, |_| {}).await?;
    }
}

async fn write_output<W>(
    writer: &mut W,
    source: &mut Source,
    mut told: oneshot::Receiver<Result<Ended, TunnelError>>,
    limits: &TunnelLimits,
) -> Result<Ended, TunnelError>
where
    W: AsyncWrite + Unpin,
{
    let mut batch = Batch::default();
    loop {
        tokio::select! {
            biased;
            end = &mut told => return end.unwrap_or(Ok(Ended::ClientLeft)),
            more = batch.gather(source) => {
                if !more {
                    return Ok(Ended::SessionOver);
                }
            }
        }
        batch.write_to(writer, limits.write_stall).await?;
    }
}

async fn write<W>(writer: &mut W, bytes: Vec<u8>, limits: &TunnelLimits) -> Result<(), TunnelError>
where
    W: AsyncWrite + Unpin,
{
    let mut batch = Batch::default();
    batch.items.push_back(bytes.into());
    batch.write_to(writer, limits.write_stall).await
}

/// Says `error` to a client that still listens.
async fn tell<W>(writer: &mut W, error: &TunnelError, limits: &TunnelLimits)
where
    W: AsyncWrite + Unpin,
{
    if !matches!(error, TunnelError::Io(_) | TunnelError::Stalled { .. }) {
        let mut batch = Batch::default();
        batch.items.push_back(error_bytes(error.message(), error.status()));
        // He may be gone meanwhile; that changes nothing.
        let _ = batch.write_to(writer, limits.close_grace).await;
    }
}

/// Ends our direction, and reads what still comes for a moment: closing a socket with unread input resets it, and the
/// reset would overtake our last words.
async fn close<R, W>(reader: &mut R, writer: &mut W, limits: &TunnelLimits)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let farewell = async {
        if writer.shutdown().await.is_ok() {
            while read_chunk(reader).await.is_ok_and(|chunk| !chunk.is_empty()) {}
        }
    };
    let _ = timeout(limits.close_grace, farewell).await;
}
