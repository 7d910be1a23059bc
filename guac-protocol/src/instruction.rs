//! One decoded instruction, borrowed from the buffer it was received in.

use crate::parser::ElementRanges;
use crate::scan::Span;

/// An opcode and its arguments, all of them slices of the received text. Copying it out is the caller's decision.
#[derive(Clone, Copy)]
pub struct Instruction<'a> {
    text: &'a str,
    spans: &'a [Span],
}

impl<'a> Instruction<'a> {
    /// `spans` are the elements within `text`, the opcode first; `text` is the whole instruction.
    #[inline]
    pub(crate) fn new(text: &'a str, spans: &'a [Span]) -> Self {
        Self { text, spans }
    }

    /// The first element. Empty for the tunnel's own messages (P-109 to P-112).
    #[must_use]
    #[inline]
    pub fn opcode(&self) -> &'a str {
        self.element(0).unwrap_or_default()
    }

    /// The argument at `index`, counted from 0 after the opcode.
    #[must_use]
    #[inline]
    pub fn arg(&self, index: usize) -> Option<&'a str> {
        self.element(index.checked_add(1)?)
    }

    /// Number of arguments.
    #[must_use]
    #[inline]
    pub fn args_len(&self) -> usize {
        self.spans.len().saturating_sub(1)
    }

    /// The arguments in order.
    #[inline]
    pub fn args(&self) -> impl ExactSizeIterator<Item = &'a str> + 'a {
        let text = self.text;
        let arguments = self.spans.get(1..).unwrap_or_default();
        arguments.iter().map(move |&span| slice(text, span).unwrap_or_default())
    }

    /// The whole instruction as received, from the first length to the `;`. A relay passes this on untouched.
    #[must_use]
    #[inline]
    pub fn raw(&self) -> &'a str {
        self.text
    }

    /// Byte ranges of the elements within [`raw`](Self::raw), the opcode first: for whoever keeps the bytes and
    /// looks into them later.
    #[must_use]
    pub fn element_ranges(&self) -> ElementRanges<'a> {
        ElementRanges(self.spans.iter())
    }

    #[inline]
    fn element(&self, index: usize) -> Option<&'a str> {
        slice(self.text, *self.spans.get(index)?)
    }
}

/// The opcode and the number of arguments only: arguments may hold secrets and never reach a log by accident.
impl std::fmt::Debug for Instruction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instruction").field("opcode", &self.opcode()).field("args", &self.args_len()).finish()
    }
}

#[inline]
fn slice(text: &str, span: Span) -> Option<&str> {
    text.get(span.start.into()..span.end.into())
}
