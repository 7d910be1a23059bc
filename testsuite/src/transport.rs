//! Ways for instructions to reach the daemon.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// How long one look for something to read takes at most.
const LOOK: Duration = Duration::from_millis(20);

/// What one look brought.
#[derive(Debug)]
pub enum Received {
    /// Bytes of instructions, split anywhere.
    Bytes(Vec<u8>),
    /// Nothing at the moment.
    Nothing,
    /// The other side is gone; over a WebSocket, with the code and reason it gave.
    Closed(String),
}

/// Carries instructions both ways.
pub trait Transport {
    /// Sends; whoever is gone does not hear it.
    fn send(&mut self, bytes: &[u8]);
    /// Looks for something to read, for a moment.
    fn receive(&mut self) -> Received;
}

/// Connects, with reads that give up after a moment.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LOOK)).unwrap();
    stream
}

/// The guacd port, plain or through TLS.
#[derive(Debug)]
pub struct TcpTransport<S>(pub S);

impl<S: Read + Write> Transport for TcpTransport<S> {
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).and_then(|()| self.0.flush());
    }

    fn receive(&mut self) -> Received {
        let mut buffer = vec![0; 64 * 1024];
        match self.0.read(&mut buffer) {
            Ok(0) => Received::Closed(String::new()),
            Ok(len) => {
                buffer.truncate(len);
                Received::Bytes(buffer)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Received::Nothing,
            Err(error) => Received::Closed(error.to_string()),
        }
    }
}

/// The WebSocket tunnel of the web port.
#[derive(Debug)]
pub struct WebSocketTransport(pub WebSocket<TcpStream>);

impl Transport for WebSocketTransport {
    fn send(&mut self, bytes: &[u8]) {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let _ = self.0.send(Message::text(text));
    }

    fn receive(&mut self) -> Received {
        match self.0.read() {
            Ok(Message::Text(text)) => Received::Bytes(text.as_bytes().to_vec()),
            Ok(Message::Close(Some(frame))) => {
                // Answers the close.
                let _ = self.0.flush();
                Received::Closed(format!("{} {}", u16::from(frame.code), frame.reason))
            }
            Ok(_) => Received::Nothing,
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Received::Nothing
            }
            Err(error) => Received::Closed(error.to_string()),
        }
    }
}

/// Opens the WebSocket tunnel with these parameters.
#[must_use]
pub fn web_socket(address: SocketAddr, query: &str) -> WebSocket<TcpStream> {
    let mut request = format!("ws://{address}/websocket-tunnel?{query}").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "guacamole".parse().unwrap());
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let (socket, _) = tungstenite::client(request, stream).unwrap();
    socket.get_ref().set_read_timeout(Some(LOOK)).unwrap();
    socket
}
