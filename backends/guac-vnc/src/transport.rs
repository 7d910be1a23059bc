//! The socket to the server, plain or inside TLS.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use guac_session::{TargetError, Targets};
use guac_tls::CertificatePolicy;

use crate::VncError;

/// How long finding the host and connecting to it may take, all its addresses together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Silence after which the operating system asks whether the server is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Time between two such questions; three without an answer end the connection, so a lost path shows within a minute.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long sent bytes may stay without acknowledgement, or the server without reading.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the TLS handshake may take.
const TLS_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection to a server.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Connects to the first address of `host` that is permitted and answers.
    ///
    /// # Cancel safety
    /// If the future is dropped there is no connection.
    pub(crate) async fn connect(targets: &Targets, host: &str, port: u16) -> Result<Self, VncError> {
        let connect = async {
            targets.connect(host, port).await.map_err(|error| match error {
                TargetError::Refused => VncError::NotAllowed,
                TargetError::Unknown { source } => VncError::Resolve { source },
                TargetError::Connect { source } => VncError::Connect { source },
                error => VncError::Connect { source: io::Error::other(error) },
            })
        };
        let socket = within(CONNECT_TIMEOUT, "connecting", connect).await?;
        tune(&socket).map_err(|source| VncError::Connect { source })?;
        Ok(Self::Plain(socket))
    }

    /// Goes on inside TLS.
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection is lost with the future.
    pub(crate) async fn start_tls(self, host: &str, port: u16, policy: &CertificatePolicy) -> Result<Self, VncError> {
        match self {
            Self::Plain(socket) => {
                let handshake = async {
                    guac_tls::connect(socket, host, port, policy).await.map_err(|source| VncError::Tls { source })
                };
                let session = within(TLS_TIMEOUT, "the TLS handshake", handshake).await?;
                Ok(Self::Tls(Box::new(session)))
            }
            tls @ Self::Tls(_) => Ok(tls),
        }
    }
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    // Keys are tiny and must not wait for company.
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(3);
    let socket = SockRef::from(socket);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT))?;
    socket.set_tcp_keepalive(&keepalive)
}

/// The result of `work`, or a timeout.
pub(crate) async fn within<T>(
    limit: Duration,
    during: &'static str,
    work: impl Future<Output = Result<T, VncError>>,
) -> Result<T, VncError> {
    let late = |_| VncError::Timeout { during, limit_s: limit.as_secs() };
    timeout(limit, work).await.map_err(late)?
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(session) => Pin::new(session).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, data),
            Self::Tls(session) => Pin::new(session).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(session) => Pin::new(session).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(session) => Pin::new(session).poll_shutdown(cx),
        }
    }
}
