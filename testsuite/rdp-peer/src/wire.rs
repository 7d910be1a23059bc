//! A socket, plain or with TLS, and the frames on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use ironrdp_pdu::PduHint;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Bytes asked for at a time.
const READ_BYTES: usize = 32 * 1024;

pub(crate) struct Wire {
    /// Gone only while TLS begins.
    stream: Option<Stream>,
    unread: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { stream: Some(Stream::Plain(socket)), unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream()?;
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// The next frame that `hint` knows; others are skipped.
    pub(crate) fn frame(&mut self, hint: &dyn PduHint) -> io::Result<Vec<u8>> {
        loop {
            let size = hint.find_size(&self.unread).map_err(io::Error::other)?;
            if let Some((fits, len)) = size.filter(|&(_, len)| len <= self.unread.len()) {
                let frame: Vec<u8> = self.unread.drain(..len).collect();
                if fits {
                    return Ok(frame);
                }
                continue;
            }
            let mut bytes = vec![0; READ_BYTES];
            let len = self.stream()?.read(&mut bytes)?;
            if len == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.unread.extend_from_slice(&bytes[..len]);
        }
    }

    /// Bytes that have come already and are in no frame yet, or those that come next.
    pub(crate) fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.unread.is_empty() {
            let mut bytes = vec![0; READ_BYTES];
            let len = self.stream()?.read(&mut bytes)?;
            bytes.truncate(len);
            return Ok(bytes);
        }
        Ok(std::mem::take(&mut self.unread))
    }

    /// Goes on with TLS, as the server.
    pub(crate) fn encrypt(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        let Some(Stream::Plain(socket)) = self.stream.take() else { return Err(ErrorKind::NotConnected.into()) };
        let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.stream = Some(Stream::Tls(Box::new(stream)));
        Ok(())
    }

    /// Says that nothing more comes, and waits until the client is gone as well. Without that, the system may throw away
    /// what was sent last.
    pub(crate) fn finish(&mut self) {
        let socket = match &mut self.stream {
            Some(Stream::Plain(socket)) => socket,
            Some(Stream::Tls(stream)) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
                &mut stream.sock
            }
            None => return,
        };
        let _ = socket.shutdown(Shutdown::Write);
        while self.some().is_ok_and(|bytes| !bytes.is_empty()) {}
    }

    fn stream(&mut self) -> io::Result<&mut Stream> {
        self.stream.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
