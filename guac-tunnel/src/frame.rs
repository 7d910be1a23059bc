//! WebSocket frames without I/O: what a tunnel needs of RFC 6455, and nothing that costs a copy.
//!
//! A message is never assembled. Its bytes are unmasked where they were read and shown as they come, for instructions
//! may be split anywhere (T-029); only a frame's header and the payload of control frames, 125 bytes at most, wait
//! here between two reads.
#![warn(clippy::indexing_slicing)]

/// Longest payload of a control frame (RFC 6455, section 5.5).
pub const MAX_CONTROL_BYTES: usize = 125;

/// Longest header: two bytes, eight of length, four of mask.
const MAX_HEADER_BYTES: usize = 14;

/// Kinds of frames (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// More of the message before.
    Continuation,
    /// UTF-8 text.
    Text,
    /// Anything.
    Binary,
    /// The last frame of a direction.
    Close,
    /// Asks for a [`Pong`](Self::Pong) of the same payload.
    Ping,
    /// The answer.
    Pong,
}

impl FrameKind {
    fn from_bits(bits: u8) -> Result<Self, FrameError> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            kind => return Err(FrameError::UnknownKind { kind }),
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// Who sends the frames: clients mask theirs, servers never do (RFC 6455, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSender {
    /// A browser.
    Client,
    /// A gateway.
    Server,
}

/// Why frames are refused. All of it is the *peer's* doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A reserved bit is set, and no extension was agreed on.
    #[error("a reserved bit is set")]
    ReservedBits,
    /// RFC 6455 does not know this kind of frame.
    #[error("frames of kind {kind} are unknown")]
    UnknownKind {
        /// The four bits of the header.
        kind: u8,
    },
    /// A client's frame without mask, or a server's with one.
    #[error("masked by a server or not masked by a client")]
    Masking,
    /// A control frame that is split or longer than [`MAX_CONTROL_BYTES`].
    #[error("a control frame is split or too long")]
    BadControl,
    /// A continuation of nothing, or a new message within another.
    #[error("messages are interleaved")]
    Interleaved,
    /// A length that could be said shorter, or beyond 63 bits.
    #[error("a length is not written as it must be")]
    BadLength,
    /// A close frame whose payload is no code and reason.
    #[error("a close frame has no valid code")]
    BadClose,
    /// A message beyond the limit, however many frames it comes in.
    #[error("a message is longer than {limit} bytes")]
    TooLong {
        /// What is allowed.
        limit: usize,
    },
}

/// What frames say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameEvent<'a> {
    /// The next bytes of a text message, cut anywhere, also within a character.
    Text(&'a [u8]),
    /// The next bytes of a binary message.
    Binary(&'a [u8]),
    /// The message is whole.
    MessageEnd,
    /// To be answered by a pong of this payload.
    Ping(&'a [u8]),
    /// A sign of life.
    Pong,
    /// The peer sends nothing after this. The code, if it gave one.
    Close(Option<u16>),
}

/// Takes frames apart, fed in pieces of any size.
///
/// After an error it stays failed: where the next frame would start is unknown.
#[derive(Debug)]
pub struct FrameDecoder {
    sender: FrameSender,
    limit: usize,
    /// Header bytes so far.
    head: [u8; MAX_HEADER_BYTES],
    head_len: usize,
    /// The frame in progress, once its header is whole.
    frame: Option<Frame>,
    /// Payload of a control frame so far.
    control: [u8; MAX_CONTROL_BYTES],
    control_len: usize,
    /// The message in progress: its kind and length so far.
    message: Option<(FrameKind, usize)>,
    failed: Option<FrameError>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: FrameKind,
    last: bool,
    left: usize,
    /// Turned so that its first byte belongs to the next byte of payload. All zero: none.
    mask: [u8; 4],
}

impl FrameDecoder {
    /// For what `sender` sends, in messages of up to `limit` bytes.
    #[must_use]
    pub fn new(sender: FrameSender, limit: usize) -> Self {
        Self {
            sender,
            limit,
            head: [0; MAX_HEADER_BYTES],
            head_len: 0,
            frame: None,
            control: [0; MAX_CONTROL_BYTES],
            control_len: 0,
            message: None,
            failed: None,
        }
    }

    /// Takes the next event out of `input`, which moves on and is unmasked in place. `None`: all of it is taken.
    ///
    /// # Errors
    /// [`FrameError`], again on every later call.
    pub fn next_event<'s, 'b: 's>(
        &'s mut self,
        input: &mut &'b mut [u8],
    ) -> Result<Option<FrameEvent<'s>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        loop {
            let Some(frame) = self.frame else {
                match self.take_header(input) {
                    Ok(true) => continue,
                    Ok(false) => return Ok(None),
                    Err(error) => return Err(self.fail(error)),
                }
            };
            if frame.left == 0 {
                self.frame = None;
                if frame.kind.is_control() {
                    return self.control_event(frame.kind).map(Some);
                }
                if frame.last {
                    self.message = None;
                    return Ok(Some(FrameEvent::MessageEnd));
                }
                continue;
            }
            if input.is_empty() {
                return Ok(None);
            }
            let length = frame.left.min(input.len());
            let (payload, rest) = std::mem::take(input).split_at_mut(length);
            *input = rest;
            unmask(payload, frame.mask);
            let mut mask = frame.mask;
            mask.rotate_left(payload.len() % 4);
            self.frame = Some(Frame { left: frame.left - payload.len(), mask, ..frame });
            if frame.kind.is_control() {
                // The header was checked: it fits.
                let end = self.control_len + payload.len();
                if let Some(space) = self.control.get_mut(self.control_len..end) {
                    space.copy_from_slice(payload);
                }
                self.control_len = end;
                continue;
            }
            let is_text = matches!(self.message, Some((FrameKind::Text, _)));
            return Ok(Some(if is_text { FrameEvent::Text(payload) } else { FrameEvent::Binary(payload) }));
        }
    }

    /// Whether the header of the next frame is whole now.
    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<bool, FrameError> {
        while self.head_len < self.header_len() {
            let Some((&mut first, rest)) = std::mem::take(input).split_first_mut() else {
                return Ok(false);
            };
            *input = rest;
            if let Some(byte) = self.head.get_mut(self.head_len) {
                *byte = first;
            }
            self.head_len += 1;
        }
        self.head_len = 0;
        self.control_len = 0;
        let frame = self.open_frame()?;
        self.frame = Some(frame);
        Ok(true)
    }

    /// Length of the header in progress, as far as it is known yet.
    fn header_len(&self) -> usize {
        if self.head_len < 2 {
            return 2;
        }
        let extended = match self.head[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + if self.head[1] & 0x80 == 0 { 0 } else { 4 }
    }

    /// Judges a whole header.
    fn open_frame(&mut self) -> Result<Frame, FrameError> {
        let [first, second, rest @ ..] = self.head;
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        let kind = FrameKind::from_bits(first & 0x0F)?;
        let last = first & 0x80 != 0;
        if (second & 0x80 != 0) != (self.sender == FrameSender::Client) {
            return Err(FrameError::Masking);
        }
        let [a, b, c, d, e, f, g, h, ref late @ ..] = rest;
        let (length, after) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes([a, b])), [c, d, e, f]),
            127 => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), *late),
            short => (u64::from(short), [a, b, c, d]),
        };
        let minimal = match second & 0x7F {
            126 => length > 125,
            127 => length > u64::from(u16::MAX) && length < 1 << 63,
            _ => true,
        };
        if !minimal {
            return Err(FrameError::BadLength);
        }
        let mask = if self.sender == FrameSender::Client { after } else { [0; 4] };
        if kind.is_control() {
            let left = usize::try_from(length).ok().filter(|&left| last && left <= MAX_CONTROL_BYTES);
            return Ok(Frame { kind, last, left: left.ok_or(FrameError::BadControl)?, mask });
        }
        let (kind, so_far) = match (kind, self.message) {
            (FrameKind::Continuation, Some(message)) => message,
            (FrameKind::Text | FrameKind::Binary, None) => (kind, 0),
            _ => return Err(FrameError::Interleaved),
        };
        let too_long = FrameError::TooLong { limit: self.limit };
        let left = usize::try_from(length).map_err(|_| too_long)?;
        let whole = so_far.checked_add(left).filter(|&whole| whole <= self.limit).ok_or(too_long)?;
        self.message = Some((kind, whole));
        Ok(Frame { kind, last, left, mask })
    }

    fn control_event(&mut self, kind: FrameKind) -> Result<FrameEvent<'_>, FrameError> {
        if kind == FrameKind::Close
            && let Err(error) = self.close_code()
        {
            return Err(self.fail(error));
        }
        let payload = self.control.get(..self.control_len).unwrap_or_default();
        Ok(match kind {
            FrameKind::Ping => FrameEvent::Ping(payload),
            FrameKind::Close => FrameEvent::Close(self.close_code().unwrap_or_default()),
            _ => FrameEvent::Pong,
        })
    }

    /// The code of a close frame (RFC 6455, section 7.4); its reason must be text, too.
    fn close_code(&self) -> Result<Option<u16>, FrameError> {
        let code = match self.control.get(..self.control_len).unwrap_or_default() {
            [] => return Ok(None),
            [high, low, reason @ ..] if std::str::from_utf8(reason).is_ok() => u16::from_be_bytes([*high, *low]),
            _ => return Err(FrameError::BadClose),
        };
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Some(code)),
            _ => Err(FrameError::BadClose),
        }
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.failed = Some(error);
        error
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy)]
pub struct FrameHeader {
    bytes: [u8; MAX_HEADER_BYTES],
    len: usize,
}

impl FrameHeader {
    /// A frame of `length` payload bytes. `last`: it ends its message. A client gives a mask, and applies it to the
    /// payload by [`unmask`], which is its own inverse.
    #[must_use]
    pub fn new(kind: FrameKind, last: bool, length: usize, mask: Option<[u8; 4]>) -> Self {
        let mut header = Self { bytes: [0; MAX_HEADER_BYTES], len: 0 };
        header.put(&[kind.bits() | if last { 0x80 } else { 0 }]);
        let masked = if mask.is_some() { 0x80 } else { 0 };
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => header.put(&[masked | short]),
            (_, Ok(length)) => {
                header.put(&[masked | 126]);
                header.put(&length.to_be_bytes());
            }
            _ => {
                header.put(&[masked | 127]);
                // Nothing in memory is as long as 63 bits can say.
                header.put(&u64::try_from(length).unwrap_or(u64::MAX >> 1).to_be_bytes());
            }
        }
        if let Some(mask) = mask {
            header.put(&mask);
        }
        header
    }

    /// The bytes that go before the payload.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(space) = self.bytes.get_mut(self.len..end) {
            space.copy_from_slice(bytes);
            self.len = end;
        }
    }
}

/// Puts a mask on a payload, or takes it off (RFC 6455, section 5.3).
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    if mask == [0; 4] {
        return;
    }
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
