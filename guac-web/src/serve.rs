//! HTTP over one accepted stream, with deadlines and limits.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Extensions, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt as _;

use crate::WebApp;
use crate::peers::{ADDED, FromPeer};

/// A request's head must be whole by then, counted from the end of the one before: idle connections end, and so do
/// those that trickle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest request head, and read buffer of a connection.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Most headers of a request; browsers and proxies send some thirty.
const MAX_HEADERS: usize = 100;

impl WebApp {
    /// Serves HTTP/1.1 on one stream until it ends, WebSockets included. Failures are the peer's and logged at debug.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, unless a WebSocket has taken it over.
    pub async fn serve_connection<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_http(stream, peer, MAX_HEADERS, |_| {}).await;
    }

    /// The same for another node that passes requests on.
    pub(crate) async fn serve_peer<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mark = |extensions: &mut Extensions| {
            extensions.insert(FromPeer);
        };
        self.serve_http(stream, peer, MAX_HEADERS + ADDED, mark).await;
    }

    async fn serve_http<S, M>(&self, stream: S, peer: SocketAddr, max_headers: usize, mark: M)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        M: Fn(&mut Extensions),
    {
        let router = self.router();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            mark(request.extensions_mut());
            router.clone().oneshot(request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(max_headers)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let done = tokio::select! {
            done = &mut connection => done,
            () = self.app.draining.cancelled() => {
                // The request that is being answered is, and no other.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = done {
            tracing::debug!(%peer, %error, "HTTP connection failed");
        }
    }
}
