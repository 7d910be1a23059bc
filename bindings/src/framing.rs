//! Where instructions end, byte by byte as they come: nothing is buffered, nothing is looked at twice.

use guac_protocol::{DecodeError, MAX_ELEMENT_CODE_POINTS, MAX_ELEMENTS, MAX_INSTRUCTION_BYTES};

/// Most digits of a length, as in guacd: enough for [`MAX_ELEMENT_CODE_POINTS`] with one to spare.
const MAX_LENGTH_DIGITS: usize = 5;

/// Bytes that are counted at once where an element has more characters than that to go.
const BLOCK_BYTES: usize = 64;

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;

/// What comes next in the instruction in progress.
#[derive(Debug)]
enum Expect {
    /// More of a length, of which this much is known.
    Length { digits: usize, length: usize },
    /// This many more code points of an element, then its terminator.
    Value { missing: usize, length: usize },
}

/// Finds the ends of instructions in text that may be cut anywhere between two characters.
#[derive(Debug)]
pub(crate) struct Framer {
    expect: Expect,
    /// Elements of the instruction in progress that are whole.
    elements: usize,
    /// Bytes of the instruction in progress that were in earlier texts.
    before: usize,
}

impl Default for Framer {
    fn default() -> Self {
        Self { expect: START, elements: 0, before: 0 }
    }
}

const START: Expect = Expect::Length { digits: 0, length: 0 };

impl Framer {
    /// Goes on at `start` of `text`: gives the end of the instruction, or `None` if `text` ends within it, and then
    /// goes on with the next text. `text` is valid UTF-8; with `ascii` every character in it is one byte.
    pub(crate) fn end(&mut self, text: &[u8], start: usize, ascii: bool) -> Result<Option<usize>, DecodeError> {
        let mut at = start;
        loop {
            if let Expect::Length { digits, length } = self.expect {
                let Some((length, value)) = self.length(text, at, digits, length)? else {
                    return self.more(text.len() - start);
                };
                self.expect = Expect::Value { missing: length, length };
                at = value;
            }
            let Expect::Value { missing, length } = &mut self.expect else {
                continue;
            };
            at = if ascii {
                let taken = (*missing).min(text.len() - at);
                *missing -= taken;
                at + taken
            } else {
                skip(text, at, missing)
            };
            let Some(&terminator) = text.get(at) else {
                return self.more(text.len() - start);
            };
            if !matches!(terminator, b',' | b';') {
                return Err(DecodeError::BadTerminator { length: *length, found: terminator });
            }
            at += 1;
            if self.elements == MAX_ELEMENTS {
                return Err(DecodeError::TooManyElements { limit: MAX_ELEMENTS });
            }
            if self.before + at - start > MAX_INSTRUCTION_BYTES {
                return Err(DecodeError::InstructionTooLong { limit: MAX_INSTRUCTION_BYTES });
            }
            self.expect = START;
            if terminator == b';' {
                self.elements = 0;
                self.before = 0;
                return Ok(Some(at));
            }
            self.elements += 1;
        }
    }

    /// The length and where its value starts; `None` where `text` ends before the `.`, which is remembered.
    #[inline]
    fn length(
        &mut self,
        text: &[u8],
        at: usize,
        digits: usize,
        mut length: usize,
    ) -> Result<Option<(usize, usize)>, DecodeError> {
        let rest = text.get(at..).unwrap_or_default();
        if let (0, [digit @ b'0'..=b'9', b'.', ..]) = (digits, rest) {
            return Ok(Some((usize::from(digit - b'0'), at + 2)));
        }
        for (index, &byte) in rest.iter().enumerate() {
            match byte {
                b'0'..=b'9' if digits + index < MAX_LENGTH_DIGITS => length = length * 10 + usize::from(byte - b'0'),
                b'.' if digits + index > 0 => {
                    if length > MAX_ELEMENT_CODE_POINTS {
                        return Err(DecodeError::ElementTooLong { length, limit: MAX_ELEMENT_CODE_POINTS });
                    }
                    return Ok(Some((length, at + index + 1)));
                }
                b'0'..=b'9' => return Err(DecodeError::ElementTooLong { length, limit: MAX_ELEMENT_CODE_POINTS }),
                found => return Err(DecodeError::BadLength { found }),
            }
        }
        self.expect = Expect::Length { digits: digits + rest.len(), length };
        Ok(None)
    }

    /// The text ended; the instruction has `held` bytes of it.
    fn more(&mut self, held: usize) -> Result<Option<usize>, DecodeError> {
        self.before += held;
        if self.before > MAX_INSTRUCTION_BYTES {
            return Err(DecodeError::InstructionTooLong { limit: MAX_INSTRUCTION_BYTES });
        }
        Ok(None)
    }
}

/// The elements of a whole, valid instruction, the opcode first.
pub(crate) fn elements(text: &str) -> impl Iterator<Item = &str> {
    let ascii = text.is_ascii();
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.as_bytes().get(at..)?;
        let point = rest.iter().take(MAX_LENGTH_DIGITS + 1).position(|&byte| byte == b'.')?;
        let mut missing = rest
            .get(..point)?
            .iter()
            .fold(0_usize, |length, digit| length * 10 + usize::from(digit.wrapping_sub(b'0')));
        let value = at + point + 1;
        let end = if ascii { value + missing } else { skip(text.as_bytes(), value, &mut missing) };
        at = end + 1;
        text.get(value..end)
    })
}

/// Where `missing` characters from `at` on end, or the end of `text`; takes off what was found.
///
/// A block with fewer bytes than characters are missing cannot hold the last of them, so it is counted whole: large
/// blocks first, at the processor's full width, then words, then bytes.
fn skip(text: &[u8], mut at: usize, missing: &mut usize) -> usize {
    let block = |at: usize| text.get(at..).and_then(<[u8]>::first_chunk::<BLOCK_BYTES>);
    while let (true, Some(block)) = (*missing > BLOCK_BYTES, block(at)) {
        // At most 64, so a byte can count them, and wrapping saves the check that keeps the loop from being a vector's.
        let found = block.iter().fold(0_u8, |found, &byte| found.wrapping_add(u8::from(is_first_byte(byte))));
        *missing = missing.saturating_sub(usize::from(found));
        at += BLOCK_BYTES;
    }
    while let Some(&word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(word);
        if *missing < 8 && (word & HIGH_BITS) << (8 * (8 - (*missing).max(1))) == 0 {
            // Short and ASCII, as opcodes, numbers and types are.
            at += *missing;
            *missing = 0;
            return at;
        }
        // The high bit of every byte that starts a character: all whose top bits are not `10`.
        let mut firsts = (!word | word << 1) & HIGH_BITS;
        let found = usize::from((firsts >> 7).wrapping_mul(LOW_BITS).to_le_bytes()[7]);
        if found > *missing {
            // The first byte after the last character is in this word.
            for _ in 0..*missing {
                firsts &= firsts - 1;
            }
            *missing = 0;
            return at + usize::from(firsts.trailing_zeros().to_le_bytes()[0] / 8);
        }
        *missing -= found;
        at += 8;
    }
    while let Some(&byte) = text.get(at) {
        if is_first_byte(byte) {
            if *missing == 0 {
                break;
            }
            *missing -= 1;
        }
        at += 1;
    }
    at
}

/// Whether a byte starts a character, that is, is no UTF-8 continuation byte.
fn is_first_byte(byte: u8) -> bool {
    byte.cast_signed() >= -64
}
