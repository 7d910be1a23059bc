//! The search for the end of an instruction: the part that [`Parser`](crate::Parser) and [`Decoder`](crate::Decoder)
//! share, and the one place where elements are measured.

use crate::limits::MAX_LENGTH_DIGITS;
use crate::{DecodeError, MAX_ELEMENT_CODE_POINTS, MAX_ELEMENTS, MAX_INSTRUCTION_BYTES};

/// Where an element lies within its instruction, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

/// Elements found so far in the instruction in progress. It stops at the length prefix of the first element that is
/// not all there and goes on from there.
pub(crate) struct Scanner {
    spans: [Span; MAX_ELEMENTS],
    /// Elements of the instruction last found.
    found: usize,
    /// Elements of the instruction in progress.
    count: usize,
    /// Where its next length prefix starts.
    next: usize,
    /// INVARIANT: bytes of the instruction in progress, and those behind it, are ASCII from here on. Where it starts
    /// behind this, an element has as many bytes as code points and is jumped over.
    mixed_to: usize,
    /// Bytes of the instruction in progress that were let go of.
    past: usize,
    /// The value that they end in: its length, and how many code points of it are still to come.
    cut: Option<(usize, usize)>,
}

// Offsets fit a `Span`, since no byte past the limit is ever looked at.
const _: () = assert!(MAX_INSTRUCTION_BYTES <= 0xFFFF, "offsets are 16 bits wide");

impl Scanner {
    pub(crate) fn new() -> Self {
        Self { spans: [Span::default(); MAX_ELEMENTS], found: 0, count: 0, next: 0, mixed_to: 0, past: 0, cut: None }
    }

    /// Elements of the instruction that [`scan`](Self::scan) found last, the opcode first.
    pub(crate) fn spans(&self) -> &[Span] {
        self.spans.get(..self.found).unwrap_or_default()
    }

    /// Says that the first `len` bytes, from the start of the instruction in progress on, may hold other than ASCII.
    pub(crate) fn mark_mixed(&mut self, len: usize) {
        self.mixed_to = len;
    }

    /// Continues over `checked`: valid UTF-8 from the start of the instruction in progress on. Returns the length of
    /// the instruction in bytes once it is whole; the next call is about what follows it.
    ///
    /// The outcome depends on the bytes alone, not on how many more of them are there: what lies past the limit is
    /// not looked at.
    #[inline]
    pub(crate) fn scan(&mut self, checked: &[u8]) -> Result<Option<usize>, DecodeError> {
        self.walk(checked, MAX_INSTRUCTION_BYTES)
    }

    /// Passes elements, of an instruction of which at most `limit` bytes may follow.
    #[inline(always)]
    fn walk(&mut self, checked: &[u8], limit: usize) -> Result<Option<usize>, DecodeError> {
        let text = checked.get(..limit).unwrap_or(checked);
        let (mut count, mut next) = (self.count, self.next);
        while let Some((length, value)) = length_prefix(text, next)? {
            let end =
                if value >= self.mixed_to { value.wrapping_add(length) } else { skip_code_points(text, value, length) };
            let Some(&terminator) = text.get(end) else { break };
            let Some(slot) = self.spans.get_mut(count) else {
                return Err(DecodeError::TooManyElements { limit: MAX_ELEMENTS });
            };
            *slot = span(value, end);
            count += 1;
            match terminator {
                b',' => next = end.wrapping_add(1),
                b';' => {
                    self.found = count;
                    self.count = 0;
                    self.next = 0;
                    self.mixed_to = self.mixed_to.saturating_sub(end + 1);
                    return Ok(Some(end + 1));
                }
                found => return Err(DecodeError::BadTerminator { length, found }),
            }
        }
        self.count = count;
        self.next = next;
        unfinished(checked, limit)
    }

    /// Bytes of the instruction in progress that were let go of.
    pub(crate) fn past(&self) -> usize {
        self.past
    }

    /// Lets go of `checked`, in which no instruction ends. Returns how many bytes at its end are needed all the same:
    /// those of a length prefix that is not whole.
    pub(crate) fn release(&mut self, checked: &[u8]) -> usize {
        let value = match self.cut {
            Some((length, missing)) => Some((length, missing, 0)),
            None => length_prefix(checked, self.next).ok().flatten().map(|(length, value)| (length, length, value)),
        };
        let mut kept = 0;
        if let Some((length, missing, value)) = value {
            let begun = checked.get(value..).unwrap_or_default();
            let begun = if value >= self.mixed_to { begun.len() } else { count_code_points(begun) };
            self.cut = Some((length, missing.saturating_sub(begun)));
        } else {
            kept = checked.len().saturating_sub(self.next);
        }
        self.past += checked.len() - kept;
        self.next = 0;
        self.mixed_to = 0;
        kept
    }

    /// As [`scan`](Self::scan), where the beginning of the instruction was let go of: `checked` is what follows, and
    /// the length is of that part. Its elements are not known then.
    pub(crate) fn resume(&mut self, checked: &[u8]) -> Result<Option<usize>, DecodeError> {
        let limit = MAX_INSTRUCTION_BYTES.saturating_sub(self.past);
        if let Some((length, missing)) = self.cut {
            let text = checked.get(..limit).unwrap_or(checked);
            let end = if self.mixed_to == 0 { missing } else { skip_code_points(text, 0, missing) };
            let Some(&terminator) = text.get(end) else { return unfinished(checked, limit) };
            if self.count == MAX_ELEMENTS {
                return Err(DecodeError::TooManyElements { limit: MAX_ELEMENTS });
            }
            self.cut = None;
            match terminator {
                b',' => {
                    self.count += 1;
                    self.next = end + 1;
                }
                b';' => return Ok(Some(self.complete(end + 1))),
                found => return Err(DecodeError::BadTerminator { length, found }),
            }
        }
        let found = self.walk(checked, limit)?;
        if found.is_some() {
            self.past = 0;
            self.found = 0;
        }
        Ok(found)
    }

    /// The instruction whose elements are not known ends after `len` bytes.
    fn complete(&mut self, len: usize) -> usize {
        self.found = 0;
        self.count = 0;
        self.next = 0;
        self.past = 0;
        self.mixed_to = self.mixed_to.saturating_sub(len);
        len
    }
}

/// What a scan says that found no end, nor anything wrong.
#[inline(always)]
fn unfinished(checked: &[u8], limit: usize) -> Result<Option<usize>, DecodeError> {
    if checked.len() > limit {
        return Err(DecodeError::InstructionTooLong { limit: MAX_INSTRUCTION_BYTES });
    }
    Ok(None)
}

#[expect(clippy::cast_possible_truncation, reason = "both lie below MAX_INSTRUCTION_BYTES, see the assertion above")]
#[inline(always)]
fn span(start: usize, end: usize) -> Span {
    Span { start: start as u16, end: end as u16 }
}

/// Reads the digits and the `.` at `at`. Returns the declared length and where the value starts. Nearly all lengths
/// have one or two digits.
#[inline(always)]
fn length_prefix(text: &[u8], at: usize) -> Result<Option<(usize, usize)>, DecodeError> {
    if let Some(&[first, second, third]) = text.get(at..).and_then(<[u8]>::first_chunk) {
        // Nothing here can overflow: the window ends long before that.
        // Branches, not selections: a guess of the length lets the search for the next element begin at once.
        let tens = usize::from(first.wrapping_sub(b'0'));
        let ones = usize::from(second.wrapping_sub(b'0'));
        if tens < 10 {
            if second == b'.' {
                return Ok(Some((tens, at.wrapping_add(2))));
            }
            if ones < 10 && third == b'.' {
                return Ok(Some((tens.wrapping_mul(10).wrapping_add(ones), at.wrapping_add(3))));
            }
        }
    }
    long_length_prefix(text, at)
}

/// Any length prefix, or a part of one.
fn long_length_prefix(text: &[u8], at: usize) -> Result<Option<(usize, usize)>, DecodeError> {
    let rest = text.get(at..).unwrap_or_default();
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

/// Where `missing` code points from `at` on end, or past the end of `text` if it is too short. `text` is valid UTF-8
/// and `at` a boundary in it.
///
/// Blocks are counted whole for as long as they do not hold more than is missing, large ones first, so that text of
/// three bytes a character is not walked through in small steps.
fn skip_code_points(text: &[u8], mut at: usize, mut missing: usize) -> usize {
    if missing < 8
        && let Some(&word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>)
        && (u64::from_le_bytes(word) & HIGH_BITS) << (8 * (8 - missing.max(1))) == 0
    {
        // Short and ASCII, as opcodes, numbers and mimetypes are.
        return at + missing;
    }
    if missing >= BLOCK / 3 {
        skip_blocks::<BLOCK>(text, &mut at, &mut missing);
    }
    skip_blocks::<16>(text, &mut at, &mut missing);
    while let Some(&word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let mut firsts = first_bytes(u64::from_le_bytes(word));
        let count = usize::from((firsts >> 7).wrapping_mul(LOW_BITS).to_le_bytes()[7]);
        if count > missing {
            for _ in 0..missing {
                firsts &= firsts - 1;
            }
            return at + firsts.trailing_zeros() as usize / 8;
        }
        missing -= count;
        at += 8;
    }
    for (index, &byte) in text.iter().enumerate().skip(at) {
        if is_first_byte(byte) {
            if missing == 0 {
                return index;
            }
            missing -= 1;
        }
    }
    text.len()
}

/// Passes blocks of `N` bytes until one starts more code points than are missing.
#[inline(always)]
fn skip_blocks<const N: usize>(text: &[u8], at: &mut usize, missing: &mut usize) {
    while let Some(block) = text.get(*at..).and_then(<[u8]>::first_chunk::<N>) {
        let count = code_points(block);
        if count > *missing {
            return;
        }
        *missing -= count;
        *at += N;
    }
}

/// Code points that start in `text`.
fn count_code_points(text: &[u8]) -> usize {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    blocks.iter().map(code_points).sum::<usize>() + rest.iter().filter(|&&byte| is_first_byte(byte)).count()
}

/// Bytes counted at a time in long text: as many as four SSE2 or two NEON-pair registers hold.
const BLOCK: usize = 64;

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;

/// Code points that start in the block.
#[inline]
fn code_points<const N: usize>(block: &[u8; N]) -> usize {
    // At most 64, so that bytes can add up, sixteen at a time: wrapping, for a check of each sum would keep it scalar.
    usize::from(block.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(u8::from(is_first_byte(byte)))))
}

/// The high bit of every byte that starts a code point.
#[inline]
fn first_bytes(word: u64) -> u64 {
    (!word | word << 1) & HIGH_BITS
}

/// Whether a byte starts a code point, that is, is no UTF-8 continuation byte.
#[inline]
fn is_first_byte(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}
