//! Bytes of instructions over a socket or in WebSocket messages.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use guac_protocol::Status;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

use crate::ClientError;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Characters of one WebSocket message towards a gateway: what the stock one takes at most.
const MESSAGE_BYTES: usize = 8192;

/// TCP or TLS over it.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) type BoxIo = Box<dyn Io>;

/// Connects, and speaks TLS if told how.
pub(crate) async fn connect(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> Result<BoxIo, ClientError> {
    // An address in a URL stands in brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, port)).await.map_err(|source| ClientError::Unreachable {
        host: host.to_owned(),
        port,
        source,
    })?;
    // Keys are small and must not wait for more.
    let _ = stream.set_nodelay(true);
    let Some(config) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ClientError::BadHost { host: host.to_owned() })?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|source| ClientError::Tls { source })?))
}

/// How the other side ended.
#[derive(Debug)]
pub(crate) enum Closed {
    /// Without a word of its own.
    Eof,
    /// With a WebSocket close frame: the status in its reason, if there is one.
    Told(Option<Status>),
    /// By force.
    Broken(io::Error),
}

pub(crate) enum Incoming {
    Stream { io: ReadHalf<BoxIo>, buffer: Vec<u8> },
    WebSocket(SplitStream<WebSocketStream<BoxIo>>),
}

pub(crate) enum Outgoing {
    Stream(WriteHalf<BoxIo>),
    WebSocket(SplitSink<WebSocketStream<BoxIo>, Message>),
}

pub(crate) fn over_stream(io: BoxIo) -> (Incoming, Outgoing) {
    let (reader, writer) = tokio::io::split(io);
    (Incoming::Stream { io: reader, buffer: vec![0; READ_BYTES] }, Outgoing::Stream(writer))
}

pub(crate) fn over_web_socket(socket: WebSocketStream<BoxIo>) -> (Incoming, Outgoing) {
    let (sink, stream) = socket.split();
    (Incoming::WebSocket(stream), Outgoing::WebSocket(sink))
}

impl Incoming {
    /// The next bytes. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Closed> {
        match self {
            Self::Stream { io, buffer } => match io.read(buffer).await {
                Ok(0) => Err(Closed::Eof),
                Ok(len) => Ok(Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default())),
                // TLS peers may close without saying so.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Closed::Eof),
                Err(error) => Err(Closed::Broken(error)),
            },
            Self::WebSocket(stream) => loop {
                match stream.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(Bytes::from(text)),
                    Some(Ok(Message::Close(frame))) => return Err(Closed::Told(frame.as_ref().and_then(status_of))),
                    Some(Ok(_)) => {}
                    None | Some(Err(WebSocketError::ConnectionClosed)) => return Err(Closed::Eof),
                    Some(Err(WebSocketError::Io(error))) => return Err(Closed::Broken(error)),
                    Some(Err(error)) => return Err(Closed::Broken(io::Error::other(error))),
                }
            },
        }
    }
}

impl Outgoing {
    /// Bytes that one write should have at most, where that matters.
    pub(crate) fn most(&self) -> usize {
        match self {
            Self::Stream(_) => READ_BYTES,
            Self::WebSocket(_) => MESSAGE_BYTES,
        }
    }

    /// Writes whole instructions.
    pub(crate) async fn send(&mut self, instructions: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Stream(io) => {
                io.write_all(&instructions).await?;
                io.flush().await
            }
            Self::WebSocket(sink) => {
                let text = String::from_utf8(instructions).map_err(io::Error::other)?;
                sink.send(Message::text(text)).await.map_err(io::Error::other)
            }
        }
    }

    /// Says that nothing more comes.
    pub(crate) async fn close(&mut self) {
        // Whoever is gone does not hear it.
        let _ = match self {
            Self::Stream(io) => io.shutdown().await,
            // Not the sink's own close: that waits for an answer, which only the reading half would see.
            Self::WebSocket(sink) => sink.send(Message::Close(None)).await.map_err(io::Error::other),
        };
    }
}

/// Gateways give the status as the reason; where they do not, the close code says little more than that it is over.
fn status_of(frame: &CloseFrame) -> Option<Status> {
    let code: Option<u16> = frame.reason.parse().ok();
    code.and_then(Status::from_code)
}
