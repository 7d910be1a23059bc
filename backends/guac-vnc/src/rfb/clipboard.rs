//! The Extended Clipboard pseudo-encoding: Unicode text, compressed, fetched when it is wanted.

use std::io::Write;

use flate2::{Compression, Decompress, FlushDecompress, write::ZlibEncoder};

use super::{
    error::{RfbError, Stop},
    reader::Reader,
};

const TEXT: u32 = 1;
const CAPS: u32 = 1 << 24;
const REQUEST: u32 = 1 << 25;
const PEEK: u32 = 1 << 26;
const NOTIFY: u32 = 1 << 27;
const PROVIDE: u32 = 1 << 28;
const FORMATS: u32 = 0xFFFF;
const ACTIONS: u32 = 0xFF00_0000;

/// Both ends of the extension.
#[derive(Debug, Default)]
pub(crate) struct ExtendedClipboard {
    /// Actions the server understands; nothing before it introduced itself.
    server_actions: Option<u32>,
    /// Our text, for when the server asks.
    ours: Option<String>,
}

/// What a message of the server led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Nothing,
    Text(String),
    TooLarge(u64),
}

impl ExtendedClipboard {
    pub(crate) fn is_active(&self) -> bool {
        self.server_actions.is_some()
    }

    /// One message after its length; answers go to `out`.
    pub(crate) fn receive(&mut self, message: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<Received, RfbError> {
        let mut reader = Reader::new(message);
        let malformed = |_: Stop| RfbError::Malformed { what: "clipboard message" };
        let flags = reader.u32().map_err(malformed)?;
        if flags & CAPS != 0 {
            self.server_actions = Some(flags & ACTIONS);
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let ours = CAPS | REQUEST | PEEK | NOTIFY | PROVIDE | TEXT;
            send(out, ours, &limit.to_be_bytes());
            return Ok(Received::Nothing);
        }
        match flags & ACTIONS {
            PROVIDE if flags & TEXT != 0 => return unpack(reader.rest(), limit),
            NOTIFY if flags & TEXT != 0 => send(out, REQUEST | TEXT, &[]),
            REQUEST if flags & FORMATS & TEXT != 0 => self.provide(out),
            PEEK => send(out, NOTIFY | if self.ours.is_some() { TEXT } else { 0 }, &[]),
            _ => {}
        }
        Ok(Received::Nothing)
    }

    /// Offers `text` to the server.
    pub(crate) fn offer(&mut self, text: &str, out: &mut Vec<u8>) {
        self.ours = Some(text.to_owned());
        match self.server_actions {
            Some(actions) if actions & NOTIFY != 0 => send(out, NOTIFY | TEXT, &[]),
            Some(actions) if actions & PROVIDE != 0 => self.provide(out),
            _ => {}
        }
    }

    fn provide(&self, out: &mut Vec<u8>) {
        if let Some(data) = self.ours.as_deref().and_then(pack) {
            send(out, PROVIDE | TEXT, &data);
        }
    }
}

/// A ClientCutText whose negative length marks it as extended.
fn send(out: &mut Vec<u8>, flags: u32, data: &[u8]) {
    let Some(len) = i32::try_from(data.len()).ok().and_then(|len| len.checked_add(4)) else { return };
    out.extend_from_slice(&[6, 0, 0, 0]);
    out.extend_from_slice(&(-len).to_be_bytes());
    out.extend_from_slice(&flags.to_be_bytes());
    out.extend_from_slice(data);
}

/// Length and text with CR LF line ends and a closing zero byte, deflated.
fn pack(text: &str) -> Option<Vec<u8>> {
    let mut wire = text.replace("\r\n", "\n").replace('\n', "\r\n");
    wire.push('\0');
    let mut deflater = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflater.write_all(&u32::try_from(wire.len()).ok()?.to_be_bytes()).ok()?;
    deflater.write_all(wire.as_bytes()).ok()?;
    deflater.finish().ok()
}

/// Inflates at most the length, then at most `limit` bytes of text; the rest, other formats, is of no interest.
fn unpack(data: &[u8], limit: usize) -> Result<Received, RfbError> {
    let mut stream = Decompress::new(true);
    let mut len = [0; 4];
    inflate_exactly(&mut stream, data, &mut len)?;
    let len = u32::from_be_bytes(len);
    let mut text = match usize::try_from(len) {
        // The closing zero byte and the CR of each line end do not count for the user, but cost the same here.
        Ok(len) if len <= limit.saturating_add(1) => vec![0; len],
        _ => return Ok(Received::TooLarge(len.into())),
    };
    let used = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
    inflate_exactly(&mut stream, data.get(used..).unwrap_or_default(), &mut text)?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Received::Text(String::from_utf8_lossy(text).replace("\r\n", "\n")))
}

/// Fills `room`, which is what bounds the expansion.
fn inflate_exactly(stream: &mut Decompress, mut input: &[u8], mut room: &mut [u8]) -> Result<(), RfbError> {
    while !room.is_empty() {
        let (used, made) = (stream.total_in(), stream.total_out());
        stream.decompress(input, room, FlushDecompress::Sync).map_err(|source| RfbError::Inflate { source })?;
        let len = |total: u64| usize::try_from(total).unwrap_or(usize::MAX);
        let (used, made) = (len(stream.total_in() - used), len(stream.total_out() - made));
        if used == 0 && made == 0 {
            return Err(RfbError::Malformed { what: "clipboard data: too short" });
        }
        input = input.get(used..).unwrap_or_default();
        room = room.get_mut(made..).unwrap_or_default();
    }
    Ok(())
}
