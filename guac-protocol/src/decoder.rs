//! Bytes to instructions.

use crate::limits::MAX_LENGTH_DIGITS;
use crate::{DecodeError, Instruction, MAX_ELEMENT_CODE_POINTS, MAX_ELEMENTS, MAX_INSTRUCTION_BYTES};

/// A streaming decoder: [`feed`](Self::feed) it bytes as they come, split anywhere, and take whole instructions.
///
/// It owns one buffer, allocates nothing per instruction, and resumes at the element where the data ended. UTF-8 is
/// checked once per byte; data that is plain ASCII is never scanned for code points.
///
/// After an error the decoder stays failed: where the next instruction would start is unknown.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Start of the instruction in progress.
    start: usize,
    /// Everything before this is checked UTF-8. INVARIANT: `start <= valid <= buffer.len()`.
    valid: usize,
    /// Whether `buffer[start..valid]` holds ASCII only, so that code points are bytes.
    ascii: bool,
    progress: Progress,
    failed: Option<DecodeError>,
}

/// Elements found so far in the instruction in progress, offsets relative to its start.
#[derive(Debug)]
struct Progress {
    bounds: [(u32, u32); MAX_ELEMENTS],
    count: usize,
    /// Where the next length prefix starts.
    next: usize,
}

/// What one look at the buffer found.
enum Scan {
    Whole { len: usize },
    NeedMore,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// An empty decoder. It allocates when first fed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            valid: 0,
            ascii: true,
            progress: Progress { bounds: [(0, 0); MAX_ELEMENTS], count: 0, next: 0 },
            failed: None,
        }
    }

    /// Bytes held that belong to no whole instruction yet, or to instructions not taken yet.
    #[must_use]
    pub fn buffered_len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Adds received bytes. Take every instruction with [`next_instruction`](Self::next_instruction) before feeding
    /// again: then no more than one partial instruction plus one read is ever held.
    ///
    /// # Errors
    /// [`DecodeError::NotUtf8`]; a character split between two calls is fine.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.compact();
        self.buffer.extend_from_slice(bytes);
        let fresh = self.buffer.get(self.valid..).unwrap_or_default();
        if fresh.is_ascii() {
            self.valid = self.buffer.len();
            return Ok(());
        }
        self.ascii = false;
        match simdutf8::compat::from_utf8(fresh) {
            Ok(_) => self.valid = self.buffer.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(error) => {
                let offset = self.valid + error.valid_up_to() - self.start;
                return Err(self.fail(DecodeError::NotUtf8 { offset }));
            }
        }
        Ok(())
    }

    /// The next whole instruction, or `None` until more is fed.
    ///
    /// # Errors
    /// Any framing error; it repeats on every later call.
    pub fn next_instruction(&mut self) -> Result<Option<Instruction<'_>>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let scan = {
            let text = self.buffer.get(self.start..self.valid).unwrap_or_default();
            self.progress.scan(text, self.ascii)
        };
        match scan {
            Err(error) => Err(self.fail(error)),
            Ok(Scan::NeedMore) => {
                if self.buffered_len() > MAX_INSTRUCTION_BYTES {
                    return Err(self.fail(DecodeError::InstructionTooLong { limit: MAX_INSTRUCTION_BYTES }));
                }
                Ok(None)
            }
            Ok(Scan::Whole { len }) if len > MAX_INSTRUCTION_BYTES => {
                Err(self.fail(DecodeError::InstructionTooLong { limit: MAX_INSTRUCTION_BYTES }))
            }
            Ok(Scan::Whole { len }) => {
                let start = self.start;
                self.start += len;
                let count = std::mem::take(&mut self.progress.count);
                self.progress.next = 0;
                // The range was validated when it was fed and ends behind a ';', so neither step can fail.
                let bytes = self.buffer.get(start..self.start).unwrap_or_default();
                let text = simdutf8_checked(bytes);
                Ok(Some(Instruction::new(text, self.progress.bounds.get(..count).unwrap_or_default())))
            }
        }
    }

    /// Gives the buffer back to the allocator when nothing is in it, so that an idle connection holds none.
    pub fn release_if_idle(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer = Vec::new();
            self.start = 0;
            self.valid = 0;
            self.ascii = true;
        }
    }

    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.buffer = Vec::new();
        self.start = 0;
        self.valid = 0;
        self.failed = Some(error.clone());
        error
    }

    /// Moves the partial instruction to the front. It is short by construction, so this costs little.
    fn compact(&mut self) {
        if self.start == 0 {
            return;
        }
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.ascii = true;
        } else {
            self.buffer.drain(..self.start);
            self.ascii = self.buffer.is_ascii();
        }
        self.valid -= self.start;
        self.start = 0;
    }
}

impl Progress {
    /// Continues over `text`, the checked bytes from the instruction's start on.
    fn scan(&mut self, text: &[u8], ascii: bool) -> Result<Scan, DecodeError> {
        loop {
            let Some((length, value)) = length_prefix(text, self.next)? else {
                return Ok(Scan::NeedMore);
            };
            let end = if ascii { value + length } else { skip_code_points(text, value, length) };
            let Some(&terminator) = text.get(end) else {
                return Ok(Scan::NeedMore);
            };
            let Some(slot) = self.bounds.get_mut(self.count) else {
                return Err(DecodeError::TooManyElements { limit: MAX_ELEMENTS });
            };
            *slot = (offset(value), offset(end));
            match terminator {
                b',' => {
                    self.count += 1;
                    self.next = end + 1;
                    if self.next > MAX_INSTRUCTION_BYTES {
                        return Err(DecodeError::InstructionTooLong { limit: MAX_INSTRUCTION_BYTES });
                    }
                }
                b';' => {
                    self.count += 1;
                    return Ok(Scan::Whole { len: end + 1 });
                }
                found => return Err(DecodeError::BadTerminator { length, found }),
            }
        }
    }
}

/// Reads the digits and the `.` at `at`. Returns the declared length and where the value starts.
fn length_prefix(text: &[u8], at: usize) -> Result<Option<(usize, usize)>, DecodeError> {
    let rest = text.get(at..).unwrap_or_default();
    if let [digit @ b'0'..=b'9', b'.', ..] = rest {
        return Ok(Some((usize::from(digit - b'0'), at + 2)));
    }
    let mut length = 0_usize;
    for (index, &byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' if index < MAX_LENGTH_DIGITS => length = length * 10 + usize::from(byte - b'0'),
            b'.' if index > 0 => {
                if length > MAX_ELEMENT_CODE_POINTS {
                    return Err(DecodeError::ElementTooLong { length, limit: MAX_ELEMENT_CODE_POINTS });
                }
                return Ok(Some((length, at + index + 1)));
            }
            b'0'..=b'9' => return Err(DecodeError::ElementTooLong { length, limit: MAX_ELEMENT_CODE_POINTS }),
            found => return Err(DecodeError::BadLength { found }),
        }
    }
    Ok(None)
}

/// Where `count` code points from `at` on end, or past the end of `text` if it is too short.
///
/// Each round looks at as many bytes as code points are missing: it can never pass the end of the element, and every
/// byte is looked at once.
fn skip_code_points(text: &[u8], mut at: usize, count: usize) -> usize {
    let mut missing = count;
    while missing > 0 {
        let Some(slice) = text.get(at..at + missing) else {
            return text.len();
        };
        at += missing;
        missing -= slice.iter().filter(|&&byte| is_first_byte(byte)).count();
    }
    while text.get(at).is_some_and(|&byte| !is_first_byte(byte)) {
        at += 1;
    }
    at
}

/// Whether a byte starts a code point, that is, is no UTF-8 continuation byte.
fn is_first_byte(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

/// Offsets stay below the instruction limit plus one read, far within 32 bits; saturating keeps that total.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Bytes known to be UTF-8, as text. Checking again costs about 5 % of memory bandwidth and saves an `unsafe`.
fn simdutf8_checked(bytes: &[u8]) -> &str {
    simdutf8::basic::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
