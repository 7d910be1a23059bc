//! The work that is measured, for criterion and for the comparison with peers alike.

use std::hint::black_box;

use guac_protocol::{
    DecodeError, Decoder, Encode as _, InstructionWriter, OwnedInstruction, Parser, ServerInstruction, StreamIndex,
    append_base64,
};

/// Bytes per read: what a peer's socket gives at a time.
pub const READ_BYTES: usize = 8192;

/// Written bytes after which the buffer is handed on and starts anew: two full-size reads of a WebSocket relay.
const FLUSH_BYTES: usize = 16 * 1024;

/// What a pass over a corpus saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whole instructions.
    pub instructions: u64,
    /// Their elements, opcodes included.
    pub elements: u64,
}

impl Seen {
    fn add(&mut self, args: usize) {
        self.instructions += 1;
        self.elements += args as u64 + 1;
    }
}

/// Parses by [`Parser`], in a window over `bytes` that grows by a read at a time.
///
/// # Errors
/// Those of the parser.
pub fn parse(bytes: &[u8]) -> Result<Seen, DecodeError> {
    let mut parser = Parser::new();
    let mut seen = Seen::default();
    let (mut start, mut end) = (0, 0);
    while end < bytes.len() {
        end = (end + READ_BYTES).min(bytes.len());
        let mut batch = parser.instructions(&bytes[start..end]);
        while let Some(instruction) = batch.next_instruction()? {
            black_box(instruction.opcode());
            seen.add(instruction.args_len());
        }
        start += batch.consumed();
    }
    Ok(seen)
}

/// Decodes by [`Decoder`], which copies each read into a buffer of its own.
///
/// # Errors
/// Those of the decoder.
pub fn decode(bytes: &[u8]) -> Result<Seen, DecodeError> {
    let mut decoder = Decoder::new();
    let mut seen = Seen::default();
    for read in bytes.chunks(READ_BYTES) {
        decoder.feed(read)?;
        while let Some(instruction) = decoder.next_instruction()? {
            black_box(instruction.opcode());
            seen.add(instruction.args_len());
        }
    }
    Ok(seen)
}

/// As [`parse`], each instruction typed.
///
/// # Errors
/// Those of the parser.
pub fn parse_typed(bytes: &[u8]) -> Result<Seen, DecodeError> {
    let mut parser = Parser::new();
    let mut seen = Seen::default();
    let (mut start, mut end) = (0, 0);
    while end < bytes.len() {
        end = (end + READ_BYTES).min(bytes.len());
        let mut batch = parser.instructions(&bytes[start..end]);
        while let Some(instruction) = batch.next_instruction()? {
            black_box(ServerInstruction::try_from(&instruction).is_ok());
            seen.add(instruction.args_len());
        }
        start += batch.consumed();
    }
    Ok(seen)
}

/// One instruction to write.
#[derive(Debug)]
pub enum Job<'a> {
    /// Any but a blob.
    Typed(ServerInstruction<'a>),
    /// A blob, its data not yet base64.
    Blob(StreamIndex, Vec<u8>),
}

/// The instructions of a corpus, copied out.
///
/// # Errors
/// Those of the parser.
pub fn owned(bytes: &[u8]) -> Result<Vec<OwnedInstruction>, DecodeError> {
    let mut parser = Parser::new();
    let mut batch = parser.instructions(bytes);
    let mut all = Vec::new();
    while let Some(instruction) = batch.next_instruction()? {
        all.push(OwnedInstruction::from(&instruction));
    }
    Ok(all)
}

/// The same, typed and ready to be written again.
///
/// # Errors
/// The corpus is broken.
pub fn jobs(instructions: &[OwnedInstruction]) -> anyhow::Result<Vec<Job<'_>>> {
    let job = |instruction| {
        Ok(match ServerInstruction::try_from(instruction)? {
            ServerInstruction::Blob { stream, data } => {
                let mut raw = Vec::new();
                append_base64(data, &mut raw)?;
                Job::Blob(stream, raw)
            }
            typed => Job::Typed(typed),
        })
    };
    instructions.iter().map(job).collect()
}

/// Writes everything into one buffer, emptied whenever it holds 16 KiB. Returns the bytes written.
#[must_use]
pub fn encode(jobs: &[Job<'_>], out: &mut Vec<u8>) -> u64 {
    let mut written = 0;
    for job in jobs {
        match job {
            Job::Typed(instruction) => instruction.encode(out),
            Job::Blob(stream, data) => InstructionWriter::new(out, "blob").arg(stream).base64(data).end(),
        }
        if out.len() >= FLUSH_BYTES {
            written += black_box(&*out).len() as u64;
            out.clear();
        }
    }
    written += out.len() as u64;
    out.clear();
    written
}
