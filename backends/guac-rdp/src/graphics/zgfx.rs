//! Decompression of the pipeline's messages (RDP 8 bulk compression).
//!
//! # Specification
//! MS-RDPEGFX 3.1.9.1 and 2.2.5.

use super::broken;
use crate::RdpError;

/// Bytes that matches reach back.
const HISTORY_BYTES: usize = 2_500_000;

/// Longest message in bytes, decompressed: a 4K screen's pixels without any codec would be twice as much, and servers
/// have codecs.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// First byte of a message of one segment, and of one of several.
const SINGLE: u8 = 0xE0;
const MULTIPART: u8 = 0xE1;

/// Segment header: the type of the compression in the lower half, and that there is any.
const TYPE_MASK: u8 = 0x0F;
const TYPE_RDP8: u8 = 0x04;
const COMPRESSED: u8 = 0x20;

/// Bits that decide about a token.
const MAX_PREFIX_BITS: u32 = 9;

/// What a prefix stands for.
#[derive(Clone, Copy)]
enum Token {
    Invalid,
    /// The next 8 bits.
    Byte,
    Literal(u8),
    /// A distance: that many more bits, added to a base.
    Match(u8, u32),
}

/// Literals that have prefixes of their own: prefix, its length in bits, byte.
const LITERALS: [(u16, u32, u8); 25] = [
    (0b11000, 5, 0x00),
    (0b11001, 5, 0x01),
    (0b11_0100, 6, 0x02),
    (0b11_0101, 6, 0x03),
    (0b11_0110, 6, 0xFF),
    (0b110_1110, 7, 0x04),
    (0b110_1111, 7, 0x05),
    (0b111_0000, 7, 0x06),
    (0b111_0001, 7, 0x07),
    (0b111_0010, 7, 0x08),
    (0b111_0011, 7, 0x09),
    (0b111_0100, 7, 0x0A),
    (0b111_0101, 7, 0x0B),
    (0b111_0110, 7, 0x3A),
    (0b111_0111, 7, 0x3B),
    (0b111_1000, 7, 0x3C),
    (0b111_1001, 7, 0x3D),
    (0b111_1010, 7, 0x3E),
    (0b111_1011, 7, 0x3F),
    (0b111_1100, 7, 0x40),
    (0b111_1101, 7, 0x80),
    (0b1111_1100, 8, 0x0C),
    (0b1111_1101, 8, 0x38),
    (0b1111_1110, 8, 0x39),
    (0b1111_1111, 8, 0x66),
];

/// Matches: prefix, its length in bits, bits of the distance, base of the distance.
const MATCHES: [(u16, u32, u8, u32); 14] = [
    (0b10001, 5, 5, 0),
    (0b10010, 5, 7, 32),
    (0b10011, 5, 9, 160),
    (0b10100, 5, 10, 672),
    (0b10101, 5, 12, 1_696),
    (0b10_1100, 6, 14, 5_792),
    (0b10_1101, 6, 15, 22_176),
    (0b101_1100, 7, 18, 54_944),
    (0b101_1101, 7, 20, 317_088),
    (0b1011_1100, 8, 20, 1_365_664),
    (0b1011_1101, 8, 21, 2_414_240),
    (0b1_0111_1100, 9, 22, 4_511_392),
    (0b1_0111_1101, 9, 23, 8_705_696),
    (0b1_0111_1110, 9, 24, 17_094_304),
];

/// Tokens by the next [`MAX_PREFIX_BITS`] bits, with the length of their prefix.
static TOKENS: [(Token, u8); 1 << MAX_PREFIX_BITS] = tokens();

const fn tokens() -> [(Token, u8); 1 << MAX_PREFIX_BITS] {
    let mut table = [(Token::Invalid, 0); 1 << MAX_PREFIX_BITS];
    put(&mut table, 0, 1, Token::Byte);
    let mut index = 0;
    while index < LITERALS.len() {
        let (prefix, bits, byte) = LITERALS[index];
        put(&mut table, prefix, bits, Token::Literal(byte));
        index += 1;
    }
    index = 0;
    while index < MATCHES.len() {
        let (prefix, bits, more, base) = MATCHES[index];
        put(&mut table, prefix, bits, Token::Match(more, base));
        index += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a prefix has at most 9 bits")]
const fn put(table: &mut [(Token, u8); 1 << MAX_PREFIX_BITS], prefix: u16, bits: u32, token: Token) {
    let free = MAX_PREFIX_BITS - bits;
    let mut rest = 0;
    while rest < 1 << free {
        table[((prefix as usize) << free) + rest] = (token, bits as u8);
        rest += 1;
    }
}

/// Decompressor with its history.
pub(super) struct Zgfx {
    /// A ring. INVARIANT: of [`HISTORY_BYTES`]; `at` lies within.
    history: Vec<u8>,
    at: usize,
}

impl Default for Zgfx {
    fn default() -> Self {
        Self { history: vec![0; HISTORY_BYTES], at: 0 }
    }
}

impl Zgfx {
    /// Adds the decompressed message to `out`.
    pub(super) fn decompress(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), RdpError> {
        let done = match message.split_first() {
            Some((&SINGLE, segment)) => self.segment(segment, out),
            Some((&MULTIPART, parts)) => self.multipart(parts, out),
            _ => None,
        };
        done.ok_or_else(|| broken("graphics message that does not decompress or is above 16 MiB"))
    }

    fn multipart(&mut self, parts: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (&count, rest) = parts.split_first_chunk()?;
        let (&whole, mut rest) = rest.split_first_chunk()?;
        let before = out.len();
        for _ in 0..u16::from_le_bytes(count) {
            let (&len, behind) = rest.split_first_chunk()?;
            let (segment, behind) = behind.split_at_checked(usize::try_from(u32::from_le_bytes(len)).ok()?)?;
            self.segment(segment, out)?;
            rest = behind;
        }
        (out.len() - before == usize::try_from(u32::from_le_bytes(whole)).ok()?).then_some(())
    }

    fn segment(&mut self, segment: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (&header, data) = segment.split_first()?;
        if header & TYPE_MASK != TYPE_RDP8 {
            return None;
        }
        if header & COMPRESSED == 0 {
            return self.plain(data, out);
        }
        let Some((&unused, _)) = data.split_last() else { return Some(()) };
        // The last byte says how many bits of the one before are not used.
        let bits = ((data.len() - 1) * 8).checked_sub(usize::from(unused & 7))?;
        let mut bits = Bits { data, at: 0, end: bits };
        while bits.at < bits.end {
            let &(token, prefix) = TOKENS.get(bits.peek(MAX_PREFIX_BITS))?;
            bits.skip(usize::from(prefix))?;
            match token {
                Token::Byte => {
                    let byte = u8::try_from(bits.take(8)?).ok()?;
                    self.byte(byte, out)?;
                }
                Token::Literal(byte) => self.byte(byte, out)?,
                Token::Match(more, base) => {
                    let distance = bits.take(u32::from(more))?.checked_add(usize::try_from(base).ok()?)?;
                    if distance == 0 {
                        let len = bits.take(15)?;
                        let data = bits.bytes(len)?;
                        self.plain(data, out)?;
                    } else {
                        let len = bits.match_len()?;
                        self.copy(distance, len, out)?;
                    }
                }
                Token::Invalid => return None,
            }
        }
        Some(())
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<()> {
        if out.len() >= MAX_MESSAGE_BYTES {
            return None;
        }
        out.push(byte);
        *self.history.get_mut(self.at)? = byte;
        self.at = if self.at + 1 == HISTORY_BYTES { 0 } else { self.at + 1 };
        Some(())
    }

    fn plain(&mut self, data: &[u8], out: &mut Vec<u8>) -> Option<()> {
        if out.len() + data.len() > MAX_MESSAGE_BYTES {
            return None;
        }
        out.extend_from_slice(data);
        self.remember(data)
    }

    /// Copies bytes from the history; those that the match itself makes too, where it is longer than its distance.
    fn copy(&mut self, distance: usize, len: usize, out: &mut Vec<u8>) -> Option<()> {
        if distance > HISTORY_BYTES || out.len().checked_add(len)? > MAX_MESSAGE_BYTES {
            return None;
        }
        let begin = out.len();
        let first = distance.min(len);
        let from = if distance <= self.at { self.at - distance } else { self.at + HISTORY_BYTES - distance };
        let straight = first.min(HISTORY_BYTES - from);
        out.extend_from_slice(self.history.get(from..from + straight)?);
        out.extend_from_slice(self.history.get(..first - straight)?);
        let mut left = len - first;
        while left > 0 {
            // What is there already is whole periods of the match.
            let count = left.min(out.len() - begin);
            out.extend_from_within(begin..begin + count);
            left -= count;
        }
        let made = out.get(begin..)?;
        self.remember(made)
    }

    fn remember(&mut self, data: &[u8]) -> Option<()> {
        let data = data.get(data.len().saturating_sub(HISTORY_BYTES)..)?;
        let (straight, wrapped) = data.split_at(data.len().min(HISTORY_BYTES - self.at));
        self.history.get_mut(self.at..)?.get_mut(..straight.len())?.copy_from_slice(straight);
        self.history.get_mut(..wrapped.len())?.copy_from_slice(wrapped);
        self.at = (self.at + data.len()) % HISTORY_BYTES;
        Some(())
    }
}

/// Bits of a segment, the highest of each byte first.
struct Bits<'a> {
    data: &'a [u8],
    /// INVARIANT: at most `end`, which is within `data`.
    at: usize,
    end: usize,
}

impl<'a> Bits<'a> {
    /// The next `count` bits, at most 32; what is behind the end is whatever is there.
    #[inline]
    fn peek(&self, count: u32) -> usize {
        let from = self.data.get(self.at / 8..).unwrap_or_default();
        let word = if let Some((&bytes, _)) = from.split_first_chunk() {
            u64::from_be_bytes(bytes)
        } else {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            u64::from_be_bytes(bytes)
        };
        // 8 bytes less the 7 bits that may be gone are more than 32 bits.
        let word = word << (self.at % 8);
        usize::try_from(word.checked_shr(64 - count).unwrap_or_default()).unwrap_or_default()
    }

    #[inline]
    fn skip(&mut self, count: usize) -> Option<()> {
        let at = self.at + count;
        (at <= self.end).then(|| self.at = at)
    }

    #[inline]
    fn take(&mut self, count: u32) -> Option<usize> {
        let bits = self.peek(count);
        self.skip(usize::try_from(count).ok()?)?;
        Some(bits)
    }

    /// Whole bytes, from the next that begins.
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let begin = self.at.div_ceil(8);
        let data = self.data.get(begin..)?.get(..len)?;
        self.at = begin * 8;
        self.skip(len * 8)?;
        Some(data)
    }

    /// The length of a match: 3, or ones for the number of bits, a zero, and the bits.
    #[inline]
    fn match_len(&mut self) -> Option<usize> {
        let mut ones = 0;
        while self.take(1)? == 1 {
            ones += 1;
        }
        match ones {
            0 => Some(3),
            // Longer ones are above any message.
            1..=24 => Some((1 << (ones + 1)) + self.take(ones + 1)?),
            _ => None,
        }
    }
}
