//! What can be wrong with bytes and arguments. All of it is the *peer's* fault.

use crate::Status;

/// Bytes that are not Guacamole instructions. The connection cannot go on: where the next instruction starts is
/// unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not UTF-8.
    #[error("instruction is not valid UTF-8 (offset {offset} of the buffered data)")]
    NotUtf8 {
        /// Byte offset within the data not consumed yet.
        offset: usize,
    },
    /// A length prefix holds something other than digits.
    #[error("element length is not a number (found byte 0x{found:02x})")]
    BadLength {
        /// The offending byte.
        found: u8,
    },
    /// An element is followed by neither `,` nor `;`.
    #[error("element of {length} code points is not followed by ',' or ';' (found byte 0x{found:02x})")]
    BadTerminator {
        /// Declared length of the element.
        length: usize,
        /// The byte found instead.
        found: u8,
    },
    /// An element is longer than [`MAX_ELEMENT_CODE_POINTS`](crate::MAX_ELEMENT_CODE_POINTS).
    #[error("element of {length} code points is longer than the limit of {limit}")]
    ElementTooLong {
        /// Declared length of the element.
        length: usize,
        /// The limit in force.
        limit: usize,
    },
    /// An instruction has more than [`MAX_ELEMENTS`](crate::MAX_ELEMENTS) elements.
    #[error("instruction has more than {limit} elements")]
    TooManyElements {
        /// The limit in force.
        limit: usize,
    },
    /// An instruction is longer than [`MAX_INSTRUCTION_BYTES`](crate::MAX_INSTRUCTION_BYTES).
    #[error("instruction is longer than {limit} bytes")]
    InstructionTooLong {
        /// The limit in force.
        limit: usize,
    },
}

impl DecodeError {
    /// The status to tell the peer.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::NotUtf8 { .. } | Self::BadLength { .. } | Self::BadTerminator { .. } => Status::ClientBadRequest,
            Self::ElementTooLong { .. } | Self::TooManyElements { .. } | Self::InstructionTooLong { .. } => {
                Status::ClientOverrun
            }
        }
    }
}

/// An instruction whose framing is right and whose arguments are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// An argument is missing.
    #[error("{opcode} lacks its argument \"{name}\"")]
    Missing {
        /// Opcode of the instruction.
        opcode: &'static str,
        /// Name of the argument in the protocol reference.
        name: &'static str,
    },
    /// An argument does not parse.
    #[error("argument \"{name}\" of {opcode} is not {expected}")]
    Invalid {
        /// Opcode of the instruction.
        opcode: &'static str,
        /// Name of the argument in the protocol reference.
        name: &'static str,
        /// What it should have been, with its article.
        expected: &'static str,
    },
}

impl ArgumentError {
    /// The status to tell the peer.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Missing { .. } | Self::Invalid { .. } => Status::ClientBadRequest,
        }
    }
}
