//! One decoded instruction, borrowed from the decoder's buffer.

/// An opcode and its arguments, all of them slices of the received text. Copying it out is the caller's decision.
#[derive(Clone, Copy)]
pub struct Instruction<'a> {
    text: &'a str,
    bounds: &'a [(u32, u32)],
}

impl<'a> Instruction<'a> {
    /// `bounds` are byte ranges of the elements within `text`, the opcode first; `text` is the whole instruction.
    pub(crate) fn new(text: &'a str, bounds: &'a [(u32, u32)]) -> Self {
        Self { text, bounds }
    }

    /// The first element. Empty for the tunnel's own messages (P-109 to P-112).
    #[must_use]
    pub fn opcode(&self) -> &'a str {
        self.element(0).unwrap_or_default()
    }

    /// The argument at `index`, counted from 0 after the opcode.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<&'a str> {
        self.element(index.checked_add(1)?)
    }

    /// Number of arguments.
    #[must_use]
    pub fn args_len(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// The arguments in order.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &'a str> + 'a {
        let text = self.text;
        let arguments = self.bounds.get(1..).unwrap_or_default();
        arguments.iter().map(move |&bounds| slice(text, bounds).unwrap_or_default())
    }

    /// The whole instruction as received, from the first length to the `;`. A relay passes this on untouched.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.text
    }

    fn element(&self, index: usize) -> Option<&'a str> {
        slice(self.text, *self.bounds.get(index)?)
    }
}

/// The opcode and the number of arguments only: arguments may hold secrets and never reach a log by accident.
impl std::fmt::Debug for Instruction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instruction").field("opcode", &self.opcode()).field("args", &self.args_len()).finish()
    }
}

fn slice(text: &str, (start, end): (u32, u32)) -> Option<&str> {
    text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
