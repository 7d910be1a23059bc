//! What a tunnel says on its own behalf.

use super::{Elements, arguments};
use crate::{Encode, Instruction, InstructionWriter, Rest};

/// A message between a tunnel's two ends, never meant for a session: its opcode is empty (P-109 to P-112).
///
/// ```
/// use guac_protocol::{Decoder, Encode, TunnelInstruction};
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"0.,4.ping,13.1700000000000;")?;
/// let instruction = decoder.next_instruction()?.expect("one whole instruction was fed");
/// let ping = TunnelInstruction::from_instruction(&instruction).expect("the opcode is empty");
/// assert_eq!(ping, TunnelInstruction::Ping { timestamp: "1700000000000" });
/// assert_eq!(ping.to_bytes(), instruction.raw().as_bytes(), "a server echoes it");
/// # Ok::<(), guac_protocol::DecodeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunnelInstruction<'a> {
    /// Server to client, first of all: the tunnel's UUID.
    Uuid {
        /// The UUID.
        uuid: &'a str,
    },
    /// Client to server, and echoed unchanged.
    Ping {
        /// Milliseconds of the client's clock. Only the client reads it.
        timestamp: &'a str,
    },
    /// The end of one HTTP response; the stream goes on in the next.
    End,
    /// Anything else. Tunnels drop it, clients pass it to no handler.
    Other {
        /// All arguments.
        args: Rest<'a>,
    },
}

impl<'a> TunnelInstruction<'a> {
    /// Reads an instruction; `None` if its opcode is not empty, that is, if it belongs to the session.
    #[must_use]
    pub fn from_instruction(instruction: &Instruction<'a>) -> Option<Self> {
        if !instruction.opcode().is_empty() {
            return None;
        }
        let args = [0, 1, 2].map(|index| instruction.arg_at(index));
        Some(match args {
            [None, ..] => Self::End,
            [Some("ping"), Some(timestamp), None] => Self::Ping { timestamp },
            // One argument that is no UUID is the UUID all the same: other gateways choose their own form.
            [Some(uuid), None, _] if uuid != "ping" => Self::Uuid { uuid },
            _ => Self::Other { args: Rest(arguments(instruction).collect()) },
        })
    }
}

impl Encode for TunnelInstruction<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let writer = InstructionWriter::new(out, "");
        match self {
            Self::Uuid { uuid } => writer.text(uuid),
            Self::Ping { timestamp } => writer.text("ping").text(timestamp),
            Self::End => writer,
            Self::Other { args } => writer.arg(args),
        }
        .end();
    }
}
