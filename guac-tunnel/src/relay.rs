//! What all transports share: reading chunks, gathering batches, handing instructions on.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, Fuse};
use guac_protocol::{Decoder, Encode, Instruction, ServerInstruction, Status};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::io::poll_read_buf;

use crate::limits::{BATCH_BYTES, BATCH_ITEMS, READ_BYTES, WHOLE_MESSAGE_BYTES};
use crate::{InstructionSink, LinkClosed, TunnelError, TunnelLimits};

/// What a session sends, safe to poll after its end.
pub(crate) type Source = Fuse<BoxStream<'static, Bytes>>;

/// Whole instructions gathered for one write, in order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) items: VecDeque<Bytes>,
}

impl Batch {
    /// Waits for something to send and adds whatever else is ready, up to the batch limits. `false`: the session is
    /// over and nothing is left.
    ///
    /// # Cancel safety
    /// Nothing is lost: items are taken only in the last poll.
    pub(crate) async fn gather(&mut self, source: &mut Source) -> bool {
        poll_fn(|cx| self.poll_gather(cx, source)).await
    }

    pub(crate) fn poll_gather(&mut self, cx: &mut Context<'_>, source: &mut Source) -> Poll<bool> {
        let mut len = 0;
        while len < BATCH_BYTES && self.items.len() < BATCH_ITEMS {
            match source.poll_next_unpin(cx) {
                Poll::Ready(Some(item)) => {
                    len += item.len();
                    self.items.push_back(item);
                }
                Poll::Ready(None) if self.items.is_empty() => return Poll::Ready(false),
                Poll::Pending if self.items.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(true)
    }

    /// Everything gathered, small neighbours joined, large items as they are.
    pub(crate) fn drain_joined(&mut self) -> impl Iterator<Item = Bytes> {
        let mut joined = VecDeque::new();
        let mut small = BytesMut::new();
        for item in self.items.drain(..) {
            let alone = item.len() >= WHOLE_MESSAGE_BYTES;
            if alone && !small.is_empty() {
                joined.push_back(small.split().freeze());
            }
            if alone {
                joined.push_back(item);
            } else {
                small.extend_from_slice(&item);
            }
        }
        if !small.is_empty() {
            joined.push_back(small.freeze());
        }
        joined.into_iter()
    }

    /// Writes and flushes everything; each step must make progress within `stall`.
    pub(crate) async fn write_to<W>(&mut self, writer: &mut W, stall: Duration) -> Result<(), TunnelError>
    where
        W: AsyncWrite + Unpin,
    {
        let stalled = |_| TunnelError::Stalled { limit: stall };
        self.items.retain(|item| !item.is_empty());
        while !self.items.is_empty() {
            let step = poll_fn(|cx| self.poll_write(writer, cx));
            let written = timeout(stall, step).await.map_err(stalled)??;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            self.advance(written);
        }
        timeout(stall, writer.flush()).await.map_err(stalled)??;
        Ok(())
    }

    fn poll_write<W>(&self, writer: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        W: AsyncWrite + Unpin,
    {
        let mut slices = [IoSlice::new(&[]); BATCH_ITEMS];
        let mut used = 0;
        for (slot, item) in slices.iter_mut().zip(&self.items) {
            *slot = IoSlice::new(item);
            used += 1;
        }
        let slices = slices.get(..used).unwrap_or_default();
        Pin::new(writer).poll_write_vectored(cx, slices)
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(front) = self.items.front_mut() {
            if front.len() > written {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.items.pop_front();
        }
    }
}

/// Reads what is there. While nothing comes no buffer is held, so an idle connection costs none. Empty: end of data.
///
/// # Cancel safety
/// Nothing is lost: data is taken only in the last poll.
pub(crate) async fn read_chunk<R>(reader: &mut R) -> io::Result<BytesMut>
where
    R: AsyncRead + Unpin,
{
    poll_fn(|cx| {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        match poll_read_buf(Pin::new(&mut *reader), cx, &mut buffer) {
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(buffer)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Instructions out of a byte stream.
pub(crate) struct InstructionReader<R> {
    pub(crate) reader: R,
    pub(crate) decoder: Decoder,
}

impl<R: AsyncRead + Unpin> InstructionReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, decoder: Decoder::new() }
    }

    /// Shows the next instruction to `handle`. The whole of it must come within `limit`.
    pub(crate) async fn next<T>(
        &mut self,
        limit: Duration,
        handle: impl FnOnce(&Instruction<'_>) -> T,
    ) -> Result<T, TunnelError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(instruction) = self.decoder.next_instruction()? {
                return Ok(handle(&instruction));
            }
            let chunk = timeout_at(deadline, read_chunk(&mut self.reader))
                .await
                .map_err(|_| TunnelError::Silent { limit })??;
            if chunk.is_empty() {
                return Err(TunnelError::LeftEarly);
            }
            self.decoder.feed(&chunk)?;
        }
    }
}

/// The way in: a user's bytes, decoded and handed to the session.
pub(crate) struct Inlet {
    pub(crate) decoder: Decoder,
    pub(crate) sink: Box<dyn InstructionSink>,
}

/// What a piece of input held.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whole instructions, the tunnel's own included.
    pub(crate) whole: usize,
    /// `disconnect` was among them; what follows it is not looked at.
    pub(crate) disconnect: bool,
    /// The session takes no more.
    pub(crate) closed: bool,
}

impl Inlet {
    /// Hands on every instruction that `bytes` complete. The tunnel's own messages (empty opcode) go to `own` instead,
    /// never to the session (T-032).
    pub(crate) async fn take(
        &mut self,
        bytes: &[u8],
        limits: &TunnelLimits,
        mut own: impl FnMut(&Instruction<'_>),
    ) -> Result<Taken, TunnelError> {
        self.decoder.feed(bytes)?;
        let mut taken = Taken::default();
        let limit = limits.input_stall;
        loop {
            let before = taken.whole;
            let step = poll_fn(|cx| match self.poll_drain(cx, &mut taken, &mut own) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                // A session that takes one after the other is slow, not stuck: its time starts anew.
                Poll::Pending if taken.whole > before => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            match timeout(limit, step).await {
                Err(_) => return Err(TunnelError::SessionStuck { limit }),
                Ok(None) => {}
                Ok(Some(done)) => return done.map(|()| taken),
            }
        }
    }

    /// Hands on what the decoder holds and counts it. `Ready`: nothing whole is left, or nothing more is to be taken.
    pub(crate) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        taken: &mut Taken,
        mut own: impl FnMut(&Instruction<'_>),
    ) -> Poll<Result<(), TunnelError>> {
        while !taken.disconnect {
            if ready!(self.sink.poll_ready(cx)) == Err(LinkClosed) {
                taken.closed = true;
                return Poll::Ready(Ok(()));
            }
            let Some(instruction) = self.decoder.next_instruction()? else {
                break;
            };
            taken.whole += 1;
            if instruction.opcode().is_empty() {
                own(&instruction);
                continue;
            }
            taken.disconnect = instruction.opcode() == "disconnect";
            if self.sink.start_send(&instruction) == Err(LinkClosed) {
                taken.closed = true;
                return Poll::Ready(Ok(()));
            }
        }
        self.decoder.release_if_idle();
        taken.closed = ready!(self.sink.poll_flush(cx)).is_err();
        Poll::Ready(Ok(()))
    }
}

/// An `error` instruction.
pub(crate) fn error_bytes(message: &str, status: Status) -> Bytes {
    Bytes::from(ServerInstruction::Error { message, status }.to_bytes())
}
