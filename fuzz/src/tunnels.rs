//! What a browser sends through a WebSocket or in the bodies of HTTP writes: the session gets exactly the whole
//! instructions before the first mistake, never the tunnel's own ones, and nothing after `disconnect`.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use guac_protocol::{Instruction, Status, TunnelUuid};
use guac_tunnel::{
    FrameDecoder, FrameEvent, FrameHeader, FrameKind, FrameSender, HttpTunnels, InstructionSink, Link, LinkClosed,
    TunnelLimits, serve_websocket, unmask,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::reference::{self, End};

/// The first byte chooses the transport, the next ones cut the rest into messages or pieces of a body.
pub fn check(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    let (pieces, whole) = crate::pieces(rest);
    let pieces: Vec<Bytes> = pieces.into_iter().map(Bytes::copy_from_slice).collect();
    let (expected, end) = reference::decode(whole);
    let expected = until_disconnect(expected);
    let taken = Taken::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    if kind % 2 == 0 {
        runtime.block_on(websocket(pieces, &taken));
    } else {
        runtime.block_on(http(pieces, &taken));
    }
    let taken = taken.list();
    if end == End::NotUtf8 {
        assert!(expected.starts_with(&taken), "the session got something that was not said");
    } else {
        assert_eq!(taken, expected, "the session got something else");
    }
}

/// What a session is to get of these instructions.
fn until_disconnect(all: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut wanted = Vec::new();
    for elements in all {
        let opcode = elements.first().cloned().unwrap_or_default();
        if !opcode.is_empty() {
            wanted.push(elements);
        }
        if opcode == "disconnect" {
            break;
        }
    }
    wanted
}

/// Each piece is a message of a browser; the first byte of one decides whether it comes in two frames.
async fn websocket(pieces: Vec<Bytes>, taken: &Taken) {
    let mut wire = Vec::new();
    for piece in &pieces {
        let cut = piece.first().map_or(0, |&first| usize::from(first)).min(piece.len());
        let (head, tail) = piece.split_at(cut);
        put(&mut wire, FrameKind::Text, false, head);
        put(&mut wire, FrameKind::Continuation, true, tail);
    }
    let (ours, theirs) = tokio::io::duplex(wire.len() + 1024);
    let (mut answers, mut questions) = tokio::io::split(ours);
    questions.write_all(&wire).await.expect("there is room");
    questions.shutdown().await.expect("a pipe in memory");
    let limits = TunnelLimits::default();
    let uuid = TunnelUuid::from_random([1; 16]);
    let stop = std::future::pending::<Status>();
    let serve = Box::pin(serve_websocket(theirs, &uuid, taken.link(), stop, &limits));
    let mut said = Vec::new();
    let (_, read) = tokio::join!(serve, answers.read_to_end(&mut said));
    read.expect("a pipe in memory");
    answered(&mut said, &uuid);
}

/// A browser's frame.
fn put(wire: &mut Vec<u8>, kind: FrameKind, last: bool, payload: &[u8]) {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    wire.extend_from_slice(FrameHeader::new(kind, last, payload.len(), Some(mask)).as_bytes());
    let start = wire.len();
    wire.extend_from_slice(payload);
    unmask(wire.get_mut(start..).unwrap_or_default(), mask);
}

/// What comes back is frames of a server: the tunnel's name first, then nothing but echoes of pings.
fn answered(mut said: &mut [u8], uuid: &TunnelUuid) {
    let mut frames = FrameDecoder::new(FrameSender::Server, usize::MAX);
    let mut text = Vec::new();
    while let Some(event) = frames.next_event(&mut said).expect("frames of a server") {
        if let FrameEvent::Text(bytes) = event {
            text.extend_from_slice(bytes);
        }
    }
    let (instructions, end) = reference::decode(&text);
    assert_eq!(end, End::Open, "what comes back is instructions");
    // Who leaves at once may not be told.
    let named = instructions.first().is_none_or(|first| *first == [String::new(), uuid.as_str().to_owned()]);
    assert!(named, "the name comes first");
    let is_echo =
        |elements: &Vec<String>| matches!(elements.as_slice(), [own, ping, ..] if own.is_empty() && ping == "ping");
    assert!(instructions.iter().skip(1).all(is_echo), "only pings are echoed");
}

async fn http(pieces: Vec<Bytes>, taken: &Taken) {
    let tunnels = HttpTunnels::new(TunnelLimits::default());
    let (token, life) = tunnels.open(TunnelUuid::from_random([1; 16]), taken.link());
    let body = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let _ = tunnels.write(token.expose(), body).await;
    drop(life);
    assert_eq!(tunnels.count(), 0, "a dropped tunnel is gone");
}

/// The instructions that a session was given.
#[derive(Debug, Clone, Default)]
struct Taken(Arc<Mutex<Vec<Vec<String>>>>);

impl Taken {
    fn link(&self) -> Link {
        Link { source: stream::pending().boxed(), sink: Box::new(self.clone()) }
    }

    fn list(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl InstructionSink for Taken {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
        let elements = std::iter::once(instruction.opcode()).chain(instruction.args()).map(str::to_owned).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(elements);
        Ok(())
    }
}
