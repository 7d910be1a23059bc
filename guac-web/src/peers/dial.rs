//! Connections to other nodes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Peer, PeerIdentity};

/// Name, TCP and TLS together: nodes are next to each other, and somebody waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection silent for this long is asked whether the other end is there, and again at the second pause; what
/// answers neither time is gone.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Connects to a node, which must show its certificate.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub(super) async fn connect(identity: &PeerIdentity, peer: &Peer, alpn: &[u8]) -> io::Result<TlsStream<TcpStream>> {
    let config = identity.client(peer.certificate, alpn).map_err(io::Error::other)?;
    // Not looked at: the certificate is known by its sum.
    let name = ServerName::try_from("peer.invalid").map_err(io::Error::other)?;
    let reach = async {
        let stream = TcpStream::connect(peer.address.as_str()).await?;
        tune(&stream);
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    let stream = timeout(CONNECT_TIMEOUT, reach).await??;
    if stream.get_ref().1.alpn_protocol() != Some(alpn) {
        return Err(io::Error::other("the other end does not speak the protocol asked for"));
    }
    Ok(stream)
}

/// What suits keys, and finds out about machines that are gone.
pub(super) fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(2);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "Connection to a node without keepalive");
    }
}
