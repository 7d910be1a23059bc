//! The HTTP tunnel without HTTP: who reads, who writes, who is too late. A server maps its requests onto it.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use guac_protocol::{Decoder, Encode as _, ServerInstruction, TunnelUuid};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::limits::MAX_WAITING_REQUESTS;
use crate::relay::{Batch, Inlet, Source};
use crate::{Ended, Link, TunnelError, TunnelLimits};

/// The secret that selects a tunnel in later requests (T-014): whoever has it reads the screen. It has no `Serialize`
/// and a blank `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TunnelToken(Box<str>);

impl TunnelToken {
    fn from_random(random: [u8; 33]) -> Self {
        Self(base64_simd::STANDARD.encode_to_string(random).into())
    }

    /// The token, for the one response that tells it: 44 characters of base64.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TunnelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TunnelToken")
    }
}

/// What every response to a read ends with (T-017).
pub const END_MARKER: &[u8] = b"0.;";

/// The HTTP tunnels of a process; clones are the same set.
#[derive(Clone)]
pub struct HttpTunnels {
    shared: Arc<Shared>,
}

struct Shared {
    /// Tokens have 264 random bits and the map's hash is keyed, so looking one up tells nothing about others.
    tunnels: Mutex<HashMap<TunnelToken, Arc<Tunnel>>>,
    limits: TunnelLimits,
}

struct Tunnel {
    uuid: TunnelUuid,
    /// Locked for one poll at a time. Gone when the tunnel is closed, so that a stuck response holds nothing.
    source: Mutex<Option<Source>>,
    inlet: tokio::sync::Mutex<Inlet>,
    /// Who may read: one response at a time, in the order they came.
    turn: Arc<Semaphore>,
    waiting_reads: Arc<AtomicUsize>,
    waiting_writes: Arc<AtomicUsize>,
    touched: Mutex<Instant>,
    over: OnceLock<Ended>,
    closed: CancellationToken,
}

impl HttpTunnels {
    /// No tunnels yet.
    #[must_use]
    pub fn new(limits: TunnelLimits) -> Self {
        Self { shared: Arc::new(Shared { tunnels: Mutex::default(), limits }) }
    }

    /// Adds an open tunnel. Run the [`HttpTunnelLife`] for as long as the tunnel is to last.
    pub fn open(&self, uuid: TunnelUuid, link: Link) -> (TunnelToken, HttpTunnelLife) {
        let token = TunnelToken::from_random(rand::random());
        let tunnel = Arc::new(Tunnel {
            uuid,
            source: Mutex::new(Some(link.source.fuse())),
            inlet: tokio::sync::Mutex::new(Inlet { decoder: Decoder::new(), sink: link.sink }),
            turn: Arc::new(Semaphore::new(1)),
            waiting_reads: Arc::default(),
            waiting_writes: Arc::default(),
            touched: Mutex::new(Instant::now()),
            over: OnceLock::new(),
            closed: CancellationToken::new(),
        });
        lock(&self.shared.tunnels).insert(token.clone(), Arc::clone(&tunnel));
        (token.clone(), HttpTunnelLife { tunnels: self.clone(), token, tunnel })
    }

    /// Number of open tunnels.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.shared.tunnels).len()
    }

    /// The tunnel's name.
    ///
    /// # Errors
    /// [`TunnelError::NoSuchTunnel`].
    pub fn uuid(&self, token: &str) -> Result<TunnelUuid, TunnelError> {
        Ok(self.find(token)?.uuid.clone())
    }

    /// The body of a response to `read`: instructions as they come, then [`END_MARKER`].
    ///
    /// Only one response reads at a time. The next one waits, and the one before it ends as soon as it has sent
    /// something (T-016): a client that keeps one request ahead never misses anything and never polls.
    ///
    /// # Errors
    /// [`TunnelError::NoSuchTunnel`], [`TunnelError::TooManyRequests`].
    pub fn read(&self, token: &str) -> Result<impl Stream<Item = Bytes> + Send + use<>, TunnelError> {
        let tunnel = self.find(token)?;
        let place = Place::take(&tunnel.waiting_reads)?;
        let reading = Reading { tunnel, batch: Batch::default(), stage: Stage::Waiting { _place: place } };
        Ok(stream::unfold(reading, |mut reading| async move { Some((reading.next().await?, reading)) }))
    }

    /// Hands the instructions of a `write` to the session. Bodies are taken one after the other, each must end with
    /// a whole instruction, and each piece must come within the write deadline.
    ///
    /// # Errors
    /// [`TunnelError::NoSuchTunnel`], [`TunnelError::TooManyRequests`], or what is wrong with the body.
    ///
    /// # Cancel safety
    /// Not cancel safe: instructions up to an unknown point were handed on.
    pub async fn write<S, E>(&self, token: &str, body: S) -> Result<(), TunnelError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let tunnel = self.find(token)?;
        let place = Place::take(&tunnel.waiting_writes)?;
        tokio::select! {
            biased;
            () = tunnel.closed.cancelled() => Err(TunnelError::NoSuchTunnel),
            done = tunnel.write(body, place, &self.shared.limits) => done,
        }
    }

    fn find(&self, token: &str) -> Result<Arc<Tunnel>, TunnelError> {
        if token.is_empty() {
            return Err(TunnelError::NoToken);
        }
        let tunnels = lock(&self.shared.tunnels);
        let tunnel = tunnels.get(&TunnelToken(token.into())).filter(|tunnel| !tunnel.closed.is_cancelled());
        let tunnel = tunnel.ok_or(TunnelError::NoSuchTunnel)?;
        *lock(&tunnel.touched) = Instant::now();
        Ok(Arc::clone(tunnel))
    }
}

impl fmt::Debug for HttpTunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTunnels").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl Tunnel {
    fn poll_gather(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<bool> {
        match lock(&self.source).as_mut() {
            Some(source) => batch.poll_gather(cx, source),
            None => Poll::Ready(false),
        }
    }

    async fn write<S, E>(&self, mut body: S, place: Place, limits: &TunnelLimits) -> Result<(), TunnelError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut inlet = self.inlet.lock().await;
        drop(place);
        inlet.decoder = Decoder::new();
        let limit = limits.write_stall;
        while let Some(piece) = timeout(limit, body.next()).await.map_err(|_| TunnelError::Silent { limit })? {
            let piece = piece.map_err(|error| std::io::Error::other(error.into()))?;
            let taken = inlet.take(&piece, limits, |_| {}).await?;
            if taken.disconnect {
                self.end(Ended::ClientLeft);
                return Ok(());
            }
            if taken.closed {
                return Ok(());
            }
        }
        if inlet.decoder.buffered_len() > 0 { Err(TunnelError::Incomplete) } else { Ok(()) }
    }

    /// Why somebody here ended the tunnel, and the end marker. A WebSocket's close frame has room for a status; here
    /// clients would take the unknown tunnel that follows for a session that is over, and not come again.
    fn last_words(&self) -> Bytes {
        let mut out = Vec::new();
        if let Some(Ended::Stopped(status)) = self.over.get()
            && status.is_error()
        {
            ServerInstruction::Error { message: "The gateway ended the tunnel.", status: *status }.encode(&mut out);
        }
        out.extend_from_slice(END_MARKER);
        out.into()
    }

    /// The first end counts.
    fn end(&self, ended: Ended) {
        let _ = self.over.set(ended);
        self.closed.cancel();
    }
}

/// One response that reads or waits to.
struct Reading {
    tunnel: Arc<Tunnel>,
    batch: Batch,
    stage: Stage,
}

enum Stage {
    Waiting { _place: Place },
    Reading { _turn: OwnedSemaphorePermit },
    Done,
}

impl Reading {
    async fn next(&mut self) -> Option<Bytes> {
        if let Stage::Waiting { .. } = &self.stage {
            tokio::select! {
                biased;
                () = self.tunnel.closed.cancelled() => return self.finish(),
                turn = Arc::clone(&self.tunnel.turn).acquire_owned() => match turn {
                    Ok(turn) => self.stage = Stage::Reading { _turn: turn },
                    Err(_) => return self.finish(),
                },
            }
        } else if matches!(self.stage, Stage::Done) {
            return None;
        } else if self.tunnel.waiting_reads.load(Ordering::Acquire) > 0 {
            // Something was sent, and the next request is here to take over.
            return self.finish();
        }
        let more = tokio::select! {
            biased;
            more = poll_fn(|cx| self.tunnel.poll_gather(cx, &mut self.batch)) => more,
            () = self.tunnel.closed.cancelled() => false,
        };
        if !more {
            self.tunnel.end(Ended::SessionOver);
            self.stage = Stage::Done;
            return Some(self.tunnel.last_words());
        }
        let mut pieces = self.batch.drain_joined();
        let first = pieces.next()?;
        let mut rest = pieces.peekable();
        if rest.peek().is_none() {
            return Some(first);
        }
        let mut joined = BytesMut::from(first);
        rest.for_each(|piece| joined.extend_from_slice(&piece));
        Some(joined.freeze())
    }

    /// The end marker, and the turn goes to whoever is next.
    fn finish(&mut self) -> Option<Bytes> {
        self.stage = Stage::Done;
        Some(Bytes::from_static(END_MARKER))
    }
}

/// A place in the bounded queue of requests for one tunnel.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(queue: &Arc<AtomicUsize>) -> Result<Self, TunnelError> {
        let place = Self(Arc::clone(queue));
        if queue.fetch_add(1, Ordering::AcqRel) >= MAX_WAITING_REQUESTS {
            return Err(TunnelError::TooManyRequests);
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The life of one HTTP tunnel; dropping it closes the tunnel.
#[derive(Debug)]
#[must_use = "the tunnel closes when this is dropped"]
pub struct HttpTunnelLife {
    tunnels: HttpTunnels,
    token: TunnelToken,
    tunnel: Arc<Tunnel>,
}

impl HttpTunnelLife {
    /// Lasts until the session ends, the client disconnects or is idle for too long (T-022), or `stop` says so.
    ///
    /// # Errors
    /// [`TunnelError::Silent`] when no request came for too long.
    ///
    /// # Cancel safety
    /// Dropping the future closes the tunnel.
    pub async fn run(self, stop: impl Future<Output = guac_protocol::Status>) -> Result<Ended, TunnelError> {
        let limit = self.tunnels.shared.limits.http_idle;
        let mut stop = std::pin::pin!(stop);
        loop {
            let deadline = *lock(&self.tunnel.touched) + limit;
            tokio::select! {
                biased;
                status = &mut stop => {
                    self.tunnel.end(Ended::Stopped(status));
                    return Ok(Ended::Stopped(status));
                }
                () = self.tunnel.closed.cancelled() => {
                    return Ok(self.tunnel.over.get().copied().unwrap_or(Ended::SessionOver));
                }
                () = sleep_until(deadline) => {
                    if *lock(&self.tunnel.touched) + limit <= Instant::now() {
                        return Err(TunnelError::Silent { limit });
                    }
                }
            }
        }
    }
}

impl Drop for HttpTunnelLife {
    fn drop(&mut self) {
        lock(&self.tunnels.shared.tunnels).remove(&self.token);
        self.tunnel.closed.cancel();
        let source = lock(&self.tunnel.source).take();
        drop(source);
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

/// Nothing panics while it holds one of these locks, and nothing could be left half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
