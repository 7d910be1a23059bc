//! What a browser sends through a WebSocket or in the bodies of HTTP writes: the session gets exactly the whole
//! instructions before the first mistake, never the tunnel's own ones, and nothing after `disconnect`.

use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use guac_protocol::{Instruction, Status, TunnelUuid};
use guac_tunnel::{
    FrameHeader, FrameKind, HttpTunnels, InstructionSink, Link, LinkClosed, MAX_MESSAGE_BYTES, TunnelLimits,
    serve_websocket, unmask,
};

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

async fn websocket(pieces: Vec<Bytes>, taken: &Taken) {
    let mut sent = Vec::new();
    for piece in pieces.iter().flat_map(|piece| piece.chunks(MAX_MESSAGE_BYTES)) {
        let mask = [1, 2, 3, 4];
        sent.extend_from_slice(FrameHeader::new(FrameKind::Text, true, piece.len(), Some(mask)).as_bytes());
        let start = sent.len();
        sent.extend_from_slice(piece);
        unmask(sent.get_mut(start..).unwrap_or_default(), mask);
    }
    let io = tokio::io::join(Cursor::new(sent), tokio::io::sink());
    let limits = TunnelLimits::default();
    let uuid = TunnelUuid::from_random([1; 16]);
    let stop = std::future::pending::<Status>();
    let _ = Box::pin(serve_websocket(io, &uuid, taken.link(), stop, &limits)).await;
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
