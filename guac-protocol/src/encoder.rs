//! Instructions to bytes. Lengths are always derived from the value, never supplied.

use crate::decimal::write_length;
use crate::{Arg, LayerIndex, MAX_BLOB_BYTES, Mask, ServerInstruction, StreamIndex};

/// Something that writes itself as one instruction.
pub trait Encode {
    /// Appends the instruction to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// The instruction alone.
    #[must_use]
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.encode(&mut out);
        out
    }
}

/// Writes one instruction element by element into a buffer of the caller's.
///
/// ```
/// use guac_protocol::InstructionWriter;
///
/// let mut out = Vec::new();
/// InstructionWriter::new(&mut out, "size").arg(&0_i32).arg(&1024_i32).arg(&768_i32).end();
/// assert_eq!(out, b"4.size,1.0,4.1024,3.768;");
/// ```
#[derive(Debug)]
#[must_use = "an instruction is whole only after end()"]
pub struct InstructionWriter<'b> {
    out: &'b mut Vec<u8>,
}

impl<'b> InstructionWriter<'b> {
    /// Starts with the opcode.
    #[inline(always)]
    pub fn new(out: &'b mut Vec<u8>, opcode: &str) -> Self {
        write_opcode(out, opcode);
        Self { out }
    }

    /// Adds a typed argument.
    #[inline]
    pub fn arg<'v, A: Arg<'v>>(self, value: &A) -> Self {
        value.write(self.out);
        self
    }

    /// Adds text.
    #[inline]
    pub fn text(self, value: &str) -> Self {
        write_text(self.out, value);
        self
    }

    /// Adds bytes as base64, encoded straight into the buffer.
    #[inline]
    pub fn base64(self, data: &[u8]) -> Self {
        let base64 = base64_simd::STANDARD;
        write_length(self.out, base64.encoded_length(data.len()));
        base64.encode_append(data, self.out);
        self
    }

    /// Ends the instruction.
    #[inline]
    pub fn end(self) {
        self.out.push(b';');
    }
}

/// Writes `data` as an image stream: `img`, as many `blob`s as it takes, `end`.
pub fn write_blob_stream(
    out: &mut Vec<u8>,
    stream: StreamIndex,
    layer: LayerIndex,
    mimetype: &str,
    (x, y): (i32, i32),
    data: &[u8],
) {
    // 4/3 for base64 and about 24 bytes of framing per blob: one allocation for all of it.
    out.reserve(data.len() / 3 * 4 + (data.len() / MAX_BLOB_BYTES + 1) * 32 + 96);
    ServerInstruction::Img { stream, mask: Mask::OVER, layer, mimetype, x, y }.encode(out);
    for chunk in data.chunks(MAX_BLOB_BYTES) {
        InstructionWriter::new(out, "blob").arg(&stream).base64(chunk).end();
    }
    ServerInstruction::End { stream }.encode(out);
}

/// Appends `,LENGTH.VALUE`, the length in code points.
#[inline]
pub(crate) fn write_text(out: &mut Vec<u8>, value: &str) {
    let length = if value.is_ascii() { value.len() } else { value.chars().count() };
    write_length(out, length);
    out.extend_from_slice(value.as_bytes());
}

/// Appends `LENGTH.OPCODE`.
#[inline(always)]
fn write_opcode(out: &mut Vec<u8>, opcode: &str) {
    // Nearly always a literal of the caller's: what can be computed of it is computed by the compiler.
    match u8::try_from(opcode.len()) {
        Ok(len @ 0..=9) if opcode.bytes().all(|byte| byte.is_ascii()) => {
            out.extend_from_slice(&[b'0' + len, b'.']);
            out.extend_from_slice(opcode.as_bytes());
        }
        _ => write_long_opcode(out, opcode),
    }
}

#[cold]
fn write_long_opcode(out: &mut Vec<u8>, opcode: &str) {
    let start = out.len();
    write_text(out, opcode);
    // The comma separates arguments; nothing is in front of an opcode.
    out.remove(start);
}
