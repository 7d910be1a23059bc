//! Bytes in a buffer of the caller's to instructions.

use crate::scan::{Scanner, Span};
use crate::{DecodeError, Instruction};

/// A decoder without a buffer, for callers who own one: a socket's read buffer, a `BytesMut`, a Python `bytes`.
///
/// The caller shows it a *window*: everything received that belongs to no whole instruction yet, from the first byte
/// of the instruction in progress on. When an instruction comes back the caller drops that many bytes from the front;
/// when none does, it appends what comes next and shows the longer window. The parser remembers how far it looked:
/// every byte is checked to be UTF-8 once, plain ASCII is never scanned for code points, and a partial instruction is
/// continued at the element where the data ended. It allocates nothing.
///
/// There are three ways to use it, from the most comfortable to the most bare:
///
/// - [`instructions`](Self::instructions): all whole instructions of a window. The fastest, for whoever handles them
///   on the spot.
/// - [`parse`](Self::parse): one instruction at a time.
/// - [`find`](Self::find) and [`element_ranges`](Self::element_ranges): lengths and offsets only, for whoever keeps
///   the bytes and looks into them later; with [`release`](Self::release) even in pieces.
///
/// After an error it stays failed: where the next instruction would start is unknown.
///
/// ```
/// use guac_protocol::Parser;
///
/// let mut parser = Parser::new();
/// let mut buffer = b"3.key,2.97,1.1;4.sy".to_vec();
/// let mut opcodes = Vec::new();
/// let mut batch = parser.instructions(&buffer);
/// while let Some(instruction) = batch.next_instruction()? {
///     opcodes.push(instruction.opcode().to_owned());
/// }
/// let used = batch.consumed();
/// buffer.drain(..used);
/// assert_eq!(opcodes, ["key"]);
///
/// buffer.extend_from_slice(b"nc,1.7;");
/// let instruction = parser.parse(&buffer)?.expect("it is whole now");
/// assert_eq!(instruction.arg(0), Some("7"));
/// # Ok::<(), guac_protocol::DecodeError>(())
/// ```
pub struct Parser {
    scanner: Scanner,
    /// Bytes of the window known to be UTF-8.
    valid: usize,
    /// Bytes of the window looked at: `valid` and at most three more of an unfinished character.
    seen: usize,
    /// Whether the byte at `valid` is not UTF-8. It counts once everything before it is taken.
    broken: bool,
    failed: Option<DecodeError>,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser at the start of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self { scanner: Scanner::new(), valid: 0, seen: 0, broken: false, failed: None }
    }

    /// Byte ranges of the elements of the instruction found last, the opcode first, relative to its first byte. They
    /// hold until the next call that looks for one.
    #[must_use]
    pub fn element_ranges(&self) -> ElementRanges<'_> {
        ElementRanges(self.scanner.spans().iter())
    }

    /// Finds the instruction at the front of the window. Returns its length in bytes, all of them valid UTF-8, or
    /// `None` while it is not whole. The next window begins behind it.
    ///
    /// # Errors
    /// Any framing error; it repeats on every later call.
    #[inline]
    pub fn find(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        if window.len() > self.seen {
            self.check(window);
        }
        self.step(window)
    }

    /// Lets go of a window in which no instruction ends, for whoever keeps what was received in pieces and would have
    /// to copy it to show a longer window. The next window begins behind it; ask [`find_rest`](Self::find_rest) about
    /// that, and only that, until the instruction is whole.
    ///
    /// Returns how many bytes at the end of the window the next one has to begin with all the same: at most eight, of a
    /// length or a character that is not whole.
    ///
    /// ```
    /// use guac_protocol::Parser;
    ///
    /// let mut parser = Parser::new();
    /// assert_eq!(parser.find(b"4.sy")?, None);
    /// assert_eq!(parser.release(b"4.sy"), 0);
    /// assert_eq!(parser.find_rest(b"nc,1.7;3.nop;")?, Some(7));
    /// assert_eq!(parser.find(b"3.nop;")?, Some(6));
    /// # Ok::<(), guac_protocol::DecodeError>(())
    /// ```
    #[must_use = "these bytes are needed again"]
    pub fn release(&mut self, window: &[u8]) -> usize {
        let checked = window.get(..self.valid).unwrap_or(window);
        let kept = window.len() - checked.len() + self.scanner.release(checked);
        self.valid = 0;
        self.seen = 0;
        kept
    }

    /// Finds the end of the instruction whose beginning was let go of, by [`release`](Self::release). Returns the
    /// length of its part that is in the window, or `None` while it is not whole. Its elements are not known.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_rest(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        if window.len() > self.seen {
            self.check(window);
        }
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let scanned = self.scanner.resume(window.get(..self.valid).unwrap_or(window));
        self.outcome(scanned)
    }

    /// The instruction at the front of the window, or `None` while it is not whole. The next window begins behind it:
    /// `instruction.raw().len()` bytes on.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    #[inline]
    pub fn parse<'a>(&'a mut self, window: &'a [u8]) -> Result<Option<Instruction<'a>>, DecodeError> {
        let Some(len) = self.find(window)? else { return Ok(None) };
        let text = self.text(window, len)?;
        Ok(Some(Instruction::new(text, self.scanner.spans())))
    }

    /// All whole instructions of the window, one after the other.
    pub fn instructions<'p, 'w>(&'p mut self, window: &'w [u8]) -> Instructions<'p, 'w> {
        let late_at = self.valid;
        let late = if window.len() > self.seen { self.check(window) } else { "" };
        Instructions { parser: self, window, at: 0, run: "", late, late_at }
    }

    /// Checks what is new in the window. Returns it as text if it was not plain ASCII, for which it had to be read
    /// as text anyway.
    fn check<'w>(&mut self, window: &'w [u8]) -> &'w str {
        if self.broken {
            return "";
        }
        let fresh = window.get(self.valid..).unwrap_or_default();
        self.seen = window.len();
        if fresh.is_ascii() {
            self.valid = window.len();
            return "";
        }
        let (text, broken) = valid_prefix(fresh);
        self.valid += text.len();
        self.broken = broken;
        self.scanner.mark_mixed(self.valid);
        text
    }

    #[inline]
    fn step(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let scanned = self.scanner.scan(window.get(..self.valid).unwrap_or(window));
        self.outcome(scanned)
    }

    #[inline(always)]
    fn outcome(&mut self, scanned: Result<Option<usize>, DecodeError>) -> Result<Option<usize>, DecodeError> {
        match scanned {
            Ok(Some(len)) => {
                self.valid -= len;
                self.seen -= len;
                Ok(Some(len))
            }
            Ok(None) if self.broken => {
                let offset = self.scanner.past() + self.valid;
                Err(self.fail(DecodeError::NotUtf8 { offset }))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The first `len` bytes as text. They were checked; if they are not now, the caller showed other bytes.
    fn text<'w>(&mut self, bytes: &'w [u8], len: usize) -> Result<&'w str, DecodeError> {
        let bytes = bytes.get(..len).unwrap_or_default();
        as_text(bytes).ok_or_else(|| self.fail(DecodeError::NotUtf8 { offset: 0 }))
    }

    #[cold]
    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.failed = Some(error.clone());
        error
    }
}

/// How far it got, and never what it saw: arguments may hold secrets.
impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").field("seen", &self.seen).field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// The whole instructions of one window; see [`Parser::instructions`].
///
/// It may be dropped at any time: the next window begins [`consumed`](Self::consumed) bytes on.
#[derive(Debug)]
pub struct Instructions<'p, 'w> {
    parser: &'p mut Parser,
    window: &'w [u8],
    at: usize,
    /// A stretch of the window as text, from `at` on, so that short instructions need not each be read as text.
    run: &'w str,
    /// All of the window from `late_at` on as text, where checking it made it that. It becomes the run when `at` gets
    /// there.
    late: &'w str,
    late_at: usize,
}

impl Instructions<'_, '_> {
    /// Length of the window's part whose instructions were returned, in bytes. The instruction returned last ends
    /// here.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.at
    }

    /// The next whole instruction, or `None` when the rest of the window holds no whole one.
    ///
    /// # Errors
    /// As [`Parser::find`]. The instructions before the error are returned first.
    #[inline]
    pub fn next_instruction(&mut self) -> Result<Option<Instruction<'_>>, DecodeError> {
        let rest = self.window.get(self.at..).unwrap_or_default();
        let Some(len) = self.parser.step(rest)? else { return Ok(None) };
        self.at += len;
        let text = match self.run.split_at_checked(len) {
            Some((text, run)) => {
                self.run = run;
                text
            }
            None => self.text(rest, len)?,
        };
        Ok(Some(Instruction::new(text, self.parser.scanner.spans())))
    }
}

impl<'w> Instructions<'_, 'w> {
    /// Reads the instruction of `len` bytes at the front of `rest` as text: by itself if it is long or began in an
    /// earlier window, together with those behind it otherwise.
    #[cold]
    fn text(&mut self, rest: &'w [u8], len: usize) -> Result<&'w str, DecodeError> {
        let late = self.at.checked_sub(self.late_at).and_then(|from| std::mem::take(&mut self.late).get(from..));
        self.run = late.unwrap_or_default();
        if late.is_some() || len >= RUN_BYTES {
            return self.parser.text(rest, len);
        }
        let mut end = RUN_BYTES.min(len + self.parser.valid);
        while end > len && rest.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
            end -= 1;
        }
        let run = self.parser.text(rest, end)?;
        let (text, run) = run.split_at_checked(len).ok_or(DecodeError::NotUtf8 { offset: 0 })?;
        self.run = run;
        Ok(text)
    }
}

/// Bytes of a window read as text at once: long enough that the check costs nothing per instruction, short enough that
/// little is read twice when an instruction of a whole window follows.
const RUN_BYTES: usize = 2048;

/// Byte ranges of an instruction's elements, the opcode first, relative to the instruction's first byte.
#[derive(Debug, Clone)]
pub struct ElementRanges<'a>(pub(crate) std::slice::Iter<'a, Span>);

impl Iterator for ElementRanges<'_> {
    type Item = std::ops::Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|span| span.start.into()..span.end.into())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for ElementRanges<'_> {}

/// The longest prefix that is UTF-8, and whether what follows it can never be (rather than being half a character).
pub(crate) fn valid_prefix(bytes: &[u8]) -> (&str, bool) {
    // A read often ends within a character: leave that aside, so that all else is checked at full speed.
    let (whole, half) = bytes.split_at(bytes.len() - unfinished_len(bytes));
    if let Some(text) = as_text(whole) {
        let broken = std::str::from_utf8(half).is_err_and(|error| error.error_len().is_some());
        return (text, broken);
    }
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    (bytes.get(..valid).and_then(as_text).unwrap_or_default(), true)
}

/// Length of the character at the end of which bytes are missing, or 0.
fn unfinished_len(bytes: &[u8]) -> usize {
    for (index, &byte) in bytes.iter().rev().take(3).enumerate() {
        let expected = match byte {
            0x80..=0xBF => continue,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
            _ => 1,
        };
        return if expected > index + 1 { index + 1 } else { 0 };
    }
    0
}

/// Bytes as text, if they are UTF-8.
#[inline]
fn as_text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}
