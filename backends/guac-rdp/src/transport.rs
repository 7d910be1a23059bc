//! The socket to the server, plain or inside TLS, and the PDUs in it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ironrdp_pdu::{Action, PduHint};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use guac_session::{TargetError, Targets};
use guac_tls::CertificatePolicy;

use crate::RdpError;

/// Silence after which the operating system asks whether the server is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Time between two such questions; three without an answer end the connection, so a lost path shows within a minute.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long sent bytes may stay without acknowledgement, or the server without reading.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the TLS handshake may take.
const TLS_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the server may think between two messages of the connection sequence.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest message of the connection sequence: the length of a TPKT has 16 bits, and no honest CredSSP message comes
/// near it.
const MAX_HANDSHAKE_PDU: usize = 64 * 1024;

/// Bytes taken from the socket at once, beside an unfinished PDU of at most 64 KiB.
const READ_BYTES: usize = 32 * 1024;

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
    pub(crate) async fn connect(targets: &Targets, host: &str, port: u16, limit: Duration) -> Result<Self, RdpError> {
        let connect = async {
            targets.connect(host, port).await.map_err(|error| match error {
                TargetError::Refused => RdpError::NotAllowed,
                TargetError::Unknown { source } => RdpError::Resolve { source },
                TargetError::Connect { source } => RdpError::Connect { source },
                error => RdpError::Connect { source: io::Error::other(error) },
            })
        };
        let socket = within(limit, "connecting", connect).await?;
        tune(&socket).map_err(|source| RdpError::Connect { source })?;
        Ok(Self::Plain(socket))
    }

    /// Our own address, which the server is told.
    pub(crate) fn local_address(&self) -> SocketAddr {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(session) => session.get_ref().0,
        };
        socket.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Goes on inside TLS. Gives the server's public key too, which CredSSP is bound to.
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection is lost with the future.
    pub(crate) async fn start_tls(
        self,
        host: &str,
        port: u16,
        policy: &CertificatePolicy,
    ) -> Result<(Self, Option<Vec<u8>>), RdpError> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(_) => return Err(RdpError::NotRdp),
        };
        let handshake =
            async { guac_tls::connect(socket, host, port, policy).await.map_err(|source| RdpError::Tls { source }) };
        let session = within(TLS_TIMEOUT, "the TLS handshake", handshake).await?;
        let certificate = session.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let key = certificate.and_then(guac_tls::public_key_of);
        Ok((Self::Tls(Box::new(session)), key))
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
    work: impl Future<Output = Result<T, RdpError>>,
) -> Result<T, RdpError> {
    let late = |_| RdpError::Timeout { during, limit_s: limit.as_secs() };
    timeout(limit, work).await.map_err(late)?
}

/// Writes a message of the connection sequence.
pub(crate) async fn write_all(transport: &mut Transport, bytes: &[u8]) -> Result<(), RdpError> {
    within(HANDSHAKE_TIMEOUT, "the connection sequence", async {
        transport.write_all(bytes).await.map_err(|source| RdpError::Lost { source })?;
        transport.flush().await.map_err(|source| RdpError::Lost { source })
    })
    .await
}

/// What was read and not yet understood.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Up to where `bytes` has been handled.
    taken: usize,
}

impl Inbox {
    /// The next message of the connection sequence, as `hint` delimits it.
    pub(crate) async fn read_by_hint(
        &mut self,
        transport: &mut Transport,
        hint: &dyn PduHint,
    ) -> Result<Vec<u8>, RdpError> {
        loop {
            let rest = self.rest();
            if let Some((matches, len)) = hint.find_size(rest).map_err(|_| RdpError::NotRdp)? {
                if len > MAX_HANDSHAKE_PDU {
                    return Err(RdpError::LimitExceeded { what: "a message while connecting", len_bytes: len });
                }
                if let Some(pdu) = rest.get(..len).filter(|pdu| !pdu.is_empty()) {
                    let pdu = pdu.to_vec();
                    self.taken += len;
                    if matches {
                        return Ok(pdu);
                    }
                    continue;
                }
            } else if rest.len() > MAX_HANDSHAKE_PDU {
                return Err(RdpError::LimitExceeded { what: "a message while connecting", len_bytes: rest.len() });
            }
            let read = async { self.fill(transport).await.map_err(|source| RdpError::Lost { source }) };
            if within(HANDSHAKE_TIMEOUT, "the connection sequence", read).await? == 0 {
                return Err(RdpError::Lost { source: io::ErrorKind::UnexpectedEof.into() });
            }
        }
    }

    /// The next PDU of an open connection; none where it is not there as a whole.
    pub(crate) fn next_pdu(&mut self) -> Result<Option<(Action, &[u8])>, RdpError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some(info) = ironrdp_pdu::find_size(rest).map_err(RdpError::decode)? else { return Ok(None) };
        if info.length == 0 {
            return Err(RdpError::LimitExceeded { what: "a PDU", len_bytes: 0 });
        }
        let pdu = rest.get(..info.length);
        if pdu.is_some() {
            self.taken += info.length;
        }
        Ok(pdu.map(|pdu| (info.action, pdu)))
    }

    /// Reads what is there; 0 at the end of the connection.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub(crate) async fn fill(&mut self, transport: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.bytes.is_empty() {
            // An idle session keeps no large buffer.
            self.bytes.shrink_to(READ_BYTES);
        }
        self.bytes.reserve(READ_BYTES);
        let free = self.bytes.capacity().saturating_sub(self.bytes.len()).min(READ_BYTES);
        let limit = u64::try_from(free).unwrap_or_default();
        transport.take(limit).read_buf(&mut self.bytes).await
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
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
