//! One instruction that owns its text, for queues, logs and tests.

use crate::{Decoder, Encode, Instruction, InstructionWriter};

/// An opcode and its arguments, independent of any buffer.
///
/// The decoder lends [`Instruction`]s; copy one into this where it must outlive the buffer. Both typed enums read it,
/// too. With the feature `serde` it is `{"opcode": "key", "args": ["65293", "1"]}` in JSON, both ways.
///
/// ```
/// use guac_protocol::{ClientInstruction, Encode, OwnedInstruction};
///
/// let owned = OwnedInstruction::new("key", ["65293", "1"]);
/// assert_eq!(ClientInstruction::try_from(&owned)?, ClientInstruction::Key { keysym: 65293, pressed: true });
/// assert_eq!(owned.to_bytes(), b"3.key,5.65293,1.1;");
/// # Ok::<(), guac_protocol::ArgumentError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OwnedInstruction {
    opcode: String,
    args: Vec<String>,
}

impl OwnedInstruction {
    /// From its parts.
    pub fn new<A: Into<String>>(opcode: impl Into<String>, args: impl IntoIterator<Item = A>) -> Self {
        Self { opcode: opcode.into(), args: args.into_iter().map(Into::into).collect() }
    }

    /// Copies anything that can be written: a typed instruction of either direction, for instance. `None` only for an
    /// instruction beyond the limits, which no peer would read.
    #[must_use]
    pub fn of(instruction: &impl Encode) -> Option<Self> {
        let mut decoder = Decoder::new();
        decoder.feed(&instruction.to_bytes()).ok()?;
        decoder.next_instruction().ok()?.map(|instruction| Self::from(&instruction))
    }

    /// The first element. Empty for the tunnel's own messages.
    #[must_use]
    pub fn opcode(&self) -> &str {
        &self.opcode
    }

    /// The argument at `index`, counted from 0 after the opcode.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<&str> {
        self.args.get(index).map(String::as_str)
    }

    /// The arguments in order.
    #[must_use]
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// Opcode and arguments apart.
    #[must_use]
    pub fn into_parts(self) -> (String, Vec<String>) {
        (self.opcode, self.args)
    }
}

impl From<&Instruction<'_>> for OwnedInstruction {
    fn from(instruction: &Instruction<'_>) -> Self {
        Self::new(instruction.opcode(), instruction.args())
    }
}

impl Encode for OwnedInstruction {
    fn encode(&self, out: &mut Vec<u8>) {
        self.args.iter().fold(InstructionWriter::new(out, &self.opcode), |writer, text| writer.text(text)).end();
    }
}

/// The opcode and the number of arguments only: arguments may hold secrets and never reach a log by accident.
impl std::fmt::Debug for OwnedInstruction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnedInstruction").field("opcode", &self.opcode).field("args", &self.args.len()).finish()
    }
}
