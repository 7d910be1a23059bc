//! Listening sockets: accept, wrap in TLS, hand over. A peer can delay nobody but itself.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use guac_acme::Acme;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::certificate::Shown;

/// How long a TLS handshake may take.
const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections one listener serves at once. Beyond it new ones wait in the kernel's queue.
pub(crate) const MAX_CONNECTIONS: usize = 4096;

/// Pause after `accept` failed, for instance for want of descriptors: retrying at once would burn a core.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A listening socket with its optional TLS.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<Tls>,
}

/// TLS of a listener.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    /// Answers a certificate authority that asks by a handshake of its own.
    acme: Option<Arc<Acme>>,
}

impl Tls {
    pub(crate) fn new(config: Arc<ServerConfig>, acme: Option<Arc<Acme>>) -> Self {
        Self { config, acme }
    }

    /// Shakes hands. `None`: that was the authority, and it has its answer.
    async fn accept(self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let Some(acme) = self.acme else {
            return Ok(Some(TlsAcceptor::from(self.config).accept(stream).await?));
        };
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        if !hello.alpn().is_some_and(|mut names| names.any(|name| name == guac_acme::ALPN)) {
            return Ok(Some(start.into_stream(self.config).await?));
        }
        let name = hello.server_name().unwrap_or_default().to_owned();
        let answer = acme.tls_answer(&name).await;
        let answer = answer.ok_or_else(|| io::Error::other("an authority asks what nobody wanted to know"))?;
        let mut stream = start.into_stream(Shown::new(answer).server(&[guac_acme::ALPN])).await?;
        stream.shutdown().await?;
        Ok(None)
    }
}

/// A connection, plain or encrypted.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Listener {
    /// Binds.
    pub(crate) async fn bind(address: SocketAddr, tls: Option<Tls>) -> Result<Self> {
        let socket = TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}; is something else using the port? Choose another in the configuration")
        })?;
        Ok(Self { socket, tls })
    }

    /// Where it listens, the port filled in.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        self.socket.local_addr().context("a listening socket has an address")
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves connections, each in a task of `tasks`, until `stop`.
    pub(crate) async fn serve<F, S>(self, tasks: TaskTracker, stop: CancellationToken, serve: F)
    where
        F: Fn(Stream, SocketAddr) -> S + Clone + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "Cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            // Keys and small frames must not wait for more data to fill a packet.
            let _ = stream.set_nodelay(true);
            let (tls, serve) = (self.tls.clone(), serve.clone());
            tasks.spawn(async move {
                let _seat = seat;
                match secure(stream, tls).await {
                    Ok(Some(stream)) => serve(stream, peer).await,
                    Ok(None) => {}
                    Err(error) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                }
            });
        }
    }
}

async fn secure(stream: TcpStream, tls: Option<Tls>) -> io::Result<Option<Stream>> {
    match tls {
        None => Ok(Some(Stream::Plain(stream))),
        Some(tls) => {
            let stream = tokio::time::timeout(TLS_HANDSHAKE, tls.accept(stream)).await??;
            Ok(stream.map(|stream| Stream::Tls(Box::new(stream))))
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
