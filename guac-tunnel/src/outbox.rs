//! WebSocket frames on their way out: headers and payloads side by side, written at once, never copied together.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use guac_protocol::Status;
use tokio::io::AsyncWrite;

use crate::frame::{FrameHeader, FrameKind, MAX_CONTROL_BYTES};
use crate::limits::{BATCH_ITEMS, OWN_FRAMES};

/// Pieces of one vectored write: a full batch with its header, and frames of our own.
const WRITE_PIECES: usize = BATCH_ITEMS + 1 + 2 * OWN_FRAMES;

/// Pieces that an idle queue keeps room for.
const IDLE_PIECES: usize = 4;

/// Whole frames, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Piece>,
    /// Part of the first frame is written already.
    mid_frame: bool,
    /// Frames of our own since the queue was last empty.
    own: usize,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    ends_frame: bool,
}

impl Outbox {
    /// Queues one message made of these parts, none of them empty.
    pub(crate) fn push_text(&mut self, parts: impl ExactSizeIterator<Item = Bytes>, length: usize) {
        self.push_header(FrameKind::Text, length);
        let count = parts.len();
        let pieces = parts.enumerate().map(|(index, bytes)| Piece { bytes, ends_frame: index + 1 == count });
        self.pieces.extend(pieces);
    }

    /// Queues a frame of our own; `false`: so many wait already that the peer does not read, so it misses nothing.
    pub(crate) fn push_own(&mut self, kind: FrameKind, payload: &[u8]) -> bool {
        if self.own >= OWN_FRAMES {
            return false;
        }
        self.own += 1;
        self.push_small(kind, payload);
        true
    }

    /// Queues the last frame. What has not begun to be written is not written any more.
    pub(crate) fn push_close(&mut self, status: Status) {
        let kept = match self.pieces.iter().position(|piece| piece.ends_frame) {
            Some(end) if self.mid_frame => end + 1,
            _ => 0,
        };
        self.pieces.truncate(kept);
        let mut payload = status.websocket().to_be_bytes().to_vec();
        payload.extend_from_slice(status.code().to_string().as_bytes());
        self.push_small(FrameKind::Close, &payload);
    }

    fn push_small(&mut self, kind: FrameKind, payload: &[u8]) {
        debug_assert!(payload.len() <= MAX_CONTROL_BYTES, "small frames are small");
        let header = FrameHeader::new(kind, true, payload.len(), None);
        let bytes = Bytes::from([header.as_bytes(), payload].concat());
        self.pieces.push_back(Piece { bytes, ends_frame: true });
    }

    fn push_header(&mut self, kind: FrameKind, length: usize) {
        let header = FrameHeader::new(kind, true, length, None);
        self.pieces.push_back(Piece { bytes: Bytes::copy_from_slice(header.as_bytes()), ends_frame: false });
    }

    /// Writes as much as the transport takes and flushes it. `Ready`: everything is gone.
    pub(crate) fn poll_write_all<W>(&mut self, writer: &mut W, cx: &mut Context<'_>) -> (bool, Poll<io::Result<()>>)
    where
        W: AsyncWrite + Unpin,
    {
        let mut progress = false;
        while !self.pieces.is_empty() {
            match self.poll_write(writer, cx) {
                Poll::Ready(Ok(0)) => return (progress, Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(written)) => {
                    progress = true;
                    self.advance(written);
                }
                Poll::Ready(Err(error)) => return (progress, Poll::Ready(Err(error))),
                Poll::Pending => return (progress, Poll::Pending),
            }
        }
        self.own = 0;
        self.pieces.shrink_to(IDLE_PIECES);
        (progress, Pin::new(writer).poll_flush(cx))
    }

    fn poll_write<W>(&self, writer: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        W: AsyncWrite + Unpin,
    {
        let mut slices = [IoSlice::new(&[]); WRITE_PIECES];
        let mut used = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(&piece.bytes);
            used += 1;
        }
        Pin::new(writer).poll_write_vectored(cx, slices.get(..used).unwrap_or_default())
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(front) = self.pieces.front_mut() {
            if front.bytes.len() > written {
                front.bytes.advance(written);
                self.mid_frame |= written > 0;
                return;
            }
            written -= front.bytes.len();
            self.mid_frame = !front.ends_frame;
            self.pieces.pop_front();
        }
    }
}
