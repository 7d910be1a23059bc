//! Bytes to instructions, with a buffer.

use crate::parser::valid_prefix;
use crate::scan::Scanner;
use crate::{DecodeError, Instruction};

/// A streaming decoder: [`feed`](Self::feed) it bytes as they come, split anywhere, and take whole instructions.
///
/// It owns one buffer, allocates nothing per instruction, and resumes at the element where the data ended. UTF-8 is
/// checked once per byte; data that is plain ASCII is never scanned for code points. Where the received bytes lie in a
/// buffer already, [`Parser`](crate::Parser) does the same without copying them.
///
/// After an error the decoder stays failed: where the next instruction would start is unknown.
pub struct Decoder {
    /// What was received and is UTF-8. Being a `String` it needs no second check when an instruction is cut from it.
    buffer: String,
    /// Start of the instruction in progress.
    start: usize,
    scanner: Scanner,
    /// The first bytes of a character whose others are still to come.
    partial: [u8; 4],
    partial_len: usize,
    /// Whether something that is not UTF-8 follows the buffer. It counts once everything before it is taken.
    broken: bool,
    failed: Option<DecodeError>,
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
            buffer: String::new(),
            start: 0,
            scanner: Scanner::new(),
            partial: [0; 4],
            partial_len: 0,
            broken: false,
            failed: None,
        }
    }

    /// Bytes held that belong to no whole instruction yet, or to instructions not taken yet.
    #[must_use]
    pub fn buffered_len(&self) -> usize {
        self.buffer.len() - self.start + self.partial_len
    }

    /// Adds received bytes. Take every instruction with [`next_instruction`](Self::next_instruction) before feeding
    /// again: then no more than one partial instruction plus one read is ever held.
    ///
    /// Bytes that are not UTF-8 are reported by `next_instruction`, behind the whole instructions before them.
    ///
    /// # Errors
    /// The error that the decoder failed with before.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.compact();
        let mut fresh = bytes;
        while self.partial_len > 0
            && let Some((&byte, rest)) = fresh.split_first()
        {
            self.complete_partial(byte);
            fresh = rest;
        }
        if self.broken || fresh.is_empty() {
            return Ok(());
        }
        let mixed = !fresh.is_ascii();
        let (text, broken) = valid_prefix(fresh);
        self.buffer.push_str(text);
        if mixed {
            self.broken = broken;
            self.hold_partial(fresh.get(text.len()..).unwrap_or_default());
            self.scanner.mark_mixed(self.buffer.len() - self.start);
        }
        Ok(())
    }

    /// The next whole instruction, or `None` until more is fed.
    ///
    /// # Errors
    /// Any framing error; it repeats on every later call.
    #[inline]
    pub fn next_instruction(&mut self) -> Result<Option<Instruction<'_>>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let text = self.buffer.get(self.start..).unwrap_or_default();
        match self.scanner.scan(text.as_bytes()) {
            Ok(Some(len)) => {
                let start = self.start;
                self.start += len;
                let text = self.buffer.get(start..self.start).unwrap_or_default();
                Ok(Some(Instruction::new(text, self.scanner.spans())))
            }
            Ok(None) if self.broken => {
                let offset = self.buffer.len() - self.start;
                Err(self.fail(DecodeError::NotUtf8 { offset }))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Gives the buffer back to the allocator when nothing is in it, so that an idle connection holds none.
    pub fn release_if_idle(&mut self) {
        if self.buffered_len() == 0 {
            self.buffer = String::new();
            self.start = 0;
        }
    }

    #[cold]
    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.buffer = String::new();
        self.start = 0;
        self.partial_len = 0;
        self.failed = Some(error.clone());
        error
    }

    /// Moves the partial instruction to the front. It is short by construction, so this costs little.
    fn compact(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
    }

    fn hold_partial(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        // At most three bytes: one more would be a whole character, or none.
        for (slot, &byte) in self.partial.iter_mut().zip(bytes) {
            *slot = byte;
        }
        self.partial_len = bytes.len().min(self.partial.len());
    }

    /// Adds a byte to the character that the last read ended in.
    fn complete_partial(&mut self, byte: u8) {
        if let Some(slot) = self.partial.get_mut(self.partial_len) {
            *slot = byte;
            self.partial_len += 1;
        }
        match std::str::from_utf8(self.partial.get(..self.partial_len).unwrap_or_default()) {
            Ok(character) => {
                self.buffer.push_str(character);
                self.partial_len = 0;
                self.scanner.mark_mixed(self.buffer.len() - self.start);
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                self.partial_len = 0;
                self.broken = true;
            }
        }
    }
}

/// How much it holds, and never what: arguments may hold secrets.
impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("buffered_len", &self.buffered_len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
