//! The socket under the SSH library: it can be cut from outside, and before the login it has a budget.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Most bytes from the machine before it let the user in. Two key exchanges and a long banner are below 64 KiB;
/// the library itself bounds packets but not their number.
const LOGIN_BUDGET_BYTES: usize = 1 << 20;

/// What the machine may still send. Shared with the session, which lifts it after the login.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<AtomicUsize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(LOGIN_BUDGET_BYTES)))
    }
}

impl Budget {
    /// The user is in: no bound any more.
    pub(crate) fn lift(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        if left == usize::MAX {
            return Ok(());
        }
        let left = left.checked_sub(bytes).ok_or_else(|| io::Error::from(io::ErrorKind::QuotaExceeded))?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// A socket that ends when its token is cancelled, so that the library's task ends with the session.
pub(crate) struct Transport {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    budget: Budget,
}

impl Transport {
    pub(crate) fn new(stream: TcpStream, cut: CancellationToken, budget: Budget) -> Self {
        Self { stream, cut: Box::pin(cut.cancelled_owned()), budget }
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => Poll::Ready(self.budget.spend(buf.filled().len() - before)),
            other => other,
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // A machine that does not read must not keep a session that is over.
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
