//! HTTP connections to other nodes, used again, and the answers that come over them.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::identity::ALPN_HTTP;
use super::{CertificateSum, Peer, Peers, dial};
use crate::serve::MAX_HEAD_BYTES;

/// Connections to one node that wait for their next request.
const MAX_IDLE: usize = 32;

/// An idle connection is used for this long: well within the time after which the other end closes it, so that no
/// request crosses its end.
const IDLE: Duration = Duration::from_secs(10);

/// A connection whose answer is whole is free again at once, unless the request is still being sent.
const FREE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why an answer did not come: the node is not there any more, or a tunnel's request could not be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassOnError {
    /// *Environment.* Not reached, or not who it should be.
    #[error("node not reached: {0}")]
    Connect(#[source] std::io::Error),
    /// *Environment.* Lost before it had answered.
    #[error("node lost: {0}")]
    Http(#[source] hyper::Error),
}

#[derive(Default)]
pub(super) struct Pool(Mutex<HashMap<CertificateSum, Vec<Idle>>>);

struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

impl Idle {
    fn is_usable(&self, now: Instant) -> bool {
        self.sender.is_ready() && now.duration_since(self.since) < IDLE
    }
}

impl Pool {
    fn take(&self, certificate: CertificateSum) -> Option<SendRequest<Body>> {
        let now = Instant::now();
        let mut idle = self.idle();
        let of_peer = idle.get_mut(&certificate)?;
        // The one used last is the likeliest to live.
        std::iter::from_fn(|| of_peer.pop()).find(|one| one.is_usable(now)).map(|one| one.sender)
    }

    fn put(&self, certificate: CertificateSum, sender: SendRequest<Body>) {
        let now = Instant::now();
        let mut idle = self.idle();
        for of_peer in idle.values_mut() {
            of_peer.retain(|one| one.is_usable(now));
        }
        let of_peer = idle.entry(certificate).or_default();
        if of_peer.len() < MAX_IDLE {
            of_peer.push(Idle { sender, since: now });
        }
        idle.retain(|_, of_peer| !of_peer.is_empty());
    }

    /// Nothing panics while it holds this lock.
    fn idle(&self) -> MutexGuard<'_, HashMap<CertificateSum, Vec<Idle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers {
    /// Sends a request to a node; its answer is whole when its body has ended. What is not begun on a connection that
    /// has died is sent over another.
    ///
    /// # Cancel safety
    /// Dropping the future ends the request; whether the node has heard of it is unknown.
    pub(super) async fn send(
        &self,
        peer: &Peer,
        mut request: Request<Body>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Response<Relayed>, PassOnError> {
        let (mut sender, response) = loop {
            let idle = self.0.pool.take(peer.certificate);
            let is_fresh = idle.is_none();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.connect_http(peer).await?,
            };
            match sender.try_send_request(request).await {
                Ok(response) => break (Some(sender), response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_fresh => request = unsent,
                    _ => return Err(PassOnError::Http(error.into_error())),
                },
            }
        };
        let lease = sender.take().map(|sender| Lease { sender, peers: self.clone(), certificate: peer.certificate });
        Ok(response.map(|body| Relayed { body, lease, _permit: permit }))
    }

    async fn connect_http(&self, peer: &Peer) -> Result<SendRequest<Body>, PassOnError> {
        let stream = dial::connect(&self.0.identity, peer, ALPN_HTTP).await.map_err(PassOnError::Connect)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD_BYTES);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(PassOnError::Http)?;
        let (peers, name, certificate) = (self.clone(), peer.name.clone(), peer.certificate);
        self.0.tasks.spawn(async move {
            tokio::select! {
                done = connection => if let Err(error) = done {
                    tracing::debug!(node = name, %error, "Connection to a node failed");
                },
                () = peers.is_gone(certificate) => {
                    tracing::debug!(node = name, "Connection to a node that is gone closed");
                }
                () = peers.0.cut.cancelled() => {}
            }
        });
        Ok(sender)
    }
}

/// A connection that goes back into the pool.
struct Lease {
    sender: SendRequest<Body>,
    peers: Peers,
    certificate: CertificateSum,
}

impl Lease {
    fn give_back(self) {
        let Self { mut sender, peers, certificate } = self;
        let tasks = peers.0.tasks.clone();
        tasks.spawn(async move {
            if timeout(FREE_TIMEOUT, sender.ready()).await.is_ok_and(|ready| ready.is_ok()) {
                peers.0.pool.put(certificate, sender);
            }
        });
    }
}

/// The body of another node's answer, as it comes. Whoever reads it slowly slows that node down.
pub(super) struct Relayed {
    body: Incoming,
    lease: Option<Lease>,
    _permit: OwnedSemaphorePermit,
}

impl HttpBody for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.lease.take().map_or((), Lease::give_back),
            // The connection is of no use any more.
            Poll::Ready(Some(Err(_))) => drop(self.lease.take()),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        // A body that is known to be at its end is not always asked for it.
        if self.body.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed").finish_non_exhaustive()
    }
}
