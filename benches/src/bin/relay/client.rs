//! A client of a relay: the guacd protocol over TCP, or a tunnel over WebSocket.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use guac_tunnel::{FrameDecoder, FrameEvent, FrameHeader, FrameKind, FrameSender, unmask};

/// Bytes of one read.
const READ_BYTES: usize = 256 * 1024;

/// Longest message taken from a relay.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

const MASK: [u8; 4] = [7, 13, 42, 99];

/// How a relay is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    WebSocket,
}

pub(crate) struct Client {
    stream: TcpStream,
    frames: Option<FrameDecoder>,
    buffer: Vec<u8>,
}

impl Client {
    /// Opens a session at the relay: after `ready` over TCP, after the upgrade over WebSocket.
    pub(crate) fn open(way: Way, port: u16, mode: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let frames = (way == Way::WebSocket).then(|| FrameDecoder::new(FrameSender::Server, MESSAGE_BYTES));
        let mut client = Self { stream, frames, buffer: vec![0; READ_BYTES] };
        let (hello, end): (String, &[u8]) = match way {
            Way::Tcp => (format!("6.select,{}.{mode};7.connect,13.VERSION_1_5_0,0.;", mode.len()), b"010101;"),
            Way::WebSocket => (
                "GET /tunnel?token=bench HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Sec-WebSocket-Protocol: guacamole\r\n\r\n"
                    .to_owned(),
                b"\r\n\r\n",
            ),
        };
        client.stream.write_all(hello.as_bytes())?;
        // Byte by byte: what follows belongs to the session.
        let mut heard = Vec::new();
        while !heard.ends_with(end) {
            let mut byte = [0];
            client.stream.read_exact(&mut byte)?;
            heard.extend_from_slice(&byte);
        }
        Ok(client)
    }

    /// Waits for the first thing a tunnel says, which is its name; TCP relays have none.
    pub(crate) fn hello(&mut self) -> io::Result<()> {
        if self.frames.is_some() { self.read().map(drop) } else { Ok(()) }
    }

    pub(crate) fn say(&mut self, instruction: &str) -> io::Result<()> {
        let mut payload = instruction.as_bytes().to_vec();
        if self.frames.is_some() {
            unmask(&mut payload, MASK);
            let header = FrameHeader::new(FrameKind::Text, true, payload.len(), Some(MASK));
            payload.splice(..0, header.as_bytes().iter().copied());
        }
        self.stream.write_all(&payload)
    }

    /// Reads once. Bytes of instructions; `None`: the session is over.
    pub(crate) fn read(&mut self) -> io::Result<Option<usize>> {
        loop {
            let read = self.stream.read(&mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            let Some(frames) = &mut self.frames else {
                return Ok(Some(read));
            };
            let mut bytes = self.buffer.get_mut(..read).unwrap_or_default();
            let mut payload = 0;
            while let Some(event) = frames.next_event(&mut bytes).map_err(io::Error::other)? {
                match event {
                    FrameEvent::Text(text) => payload += text.len(),
                    FrameEvent::Close(_) => return Ok((payload > 0).then_some(payload)),
                    _ => {}
                }
            }
            if payload > 0 {
                return Ok(Some(payload));
            }
        }
    }

    /// Reads everything; at most `limit` bytes a second if there is one. Bytes of instructions.
    pub(crate) fn drain(&mut self, limit: Option<u64>, until: Option<Instant>) -> io::Result<u64> {
        let (begin, mut total) = (Instant::now(), 0_u64);
        if limit.is_some() {
            self.buffer.truncate(16 * 1024);
        }
        while until.is_none_or(|until| Instant::now() < until) {
            let Some(read) = self.read()? else { break };
            total += read as u64;
            if let Some(limit) = limit {
                let due = Duration::from_micros(total * 1_000_000 / limit);
                std::thread::sleep(due.saturating_sub(begin.elapsed()));
            }
        }
        Ok(total)
    }

    /// Takes what is there, without waiting.
    pub(crate) fn skim(&mut self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let result = self.read();
        self.stream.set_nonblocking(false)?;
        match result {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}
