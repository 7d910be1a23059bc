//! The Guacamole protocol without I/O.
//!
//! Bytes become borrowed [`Instruction`]s and typed instructions become bytes; handshakes of both sides are state
//! machines; status codes, limits and identifiers have one definition. Nothing here opens a socket, reads a clock or
//! spawns a task, so the same code serves a daemon, a gateway, a test and a Python binding.
//!
//! Lengths on the wire are **Unicode code points**, neither bytes nor UTF-16 units.
//!
//! ```
//! use guac_protocol::{ClientInstruction, Decoder, Encode};
//!
//! let mut decoder = Decoder::new();
//! decoder.feed("3.key,5.65293,1.1;".as_bytes())?;
//! let instruction = decoder.next_instruction()?.expect("one whole instruction was fed");
//! let typed = ClientInstruction::try_from(&instruction)?;
//! assert_eq!(typed, ClientInstruction::Key { keysym: 65293, pressed: true });
//!
//! let mut out = Vec::new();
//! typed.encode(&mut out);
//! assert_eq!(out, b"3.key,5.65293,1.1;");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Specification
//! Guacamole manual, "The Guacamole protocol" and "Protocol reference"; limits from guacd's
//! `src/libguac/guacamole/parser-constants.h`.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod args;
#[cfg(feature = "codec")]
mod codec;
mod decimal;
mod decoder;
mod encoder;
mod error;
mod grammar;
mod handshake;
mod ids;
mod instruction;
#[cfg(feature = "serde")]
mod json;
mod keysym;
mod limits;
mod opcode;
mod owned;
mod parser;
mod recording;
mod scan;
mod status;
mod stream;

pub use args::{Arg, Rest};
#[cfg(feature = "codec")]
pub use codec::{CodecError, InstructionCodec};
pub use decoder::Decoder;
pub use encoder::{Encode, InstructionWriter, write_blob_stream};
pub use error::{ArgumentError, DecodeError};
pub use grammar::{
    AudioFormat, GrammarError, MAX_MIMETYPE_BYTES, Mimetype, parse_bool_parameter, parse_number_parameter,
};
pub use handshake::{
    ClientHandshake, ClientInfo, ClientStep, HandshakeError, ProtocolVersion, Selection, ServerHandshake, ServerStep,
};
pub use ids::{ConnectionId, IdError, LayerIndex, ObjectIndex, StreamIndex, TunnelUuid, UserId};
pub use instruction::Instruction;
#[cfg(feature = "serde")]
pub use json::Redacted;
pub use keysym::{
    KeyCombination, KeyParseError, MAX_COMBINATION_KEYS, char_of_keysym, is_modifier, keysym_name, keysym_of_char,
    keysym_of_name, parse_keysym,
};
pub use limits::{
    MAX_BLOB_BYTES, MAX_ELEMENT_CODE_POINTS, MAX_ELEMENTS, MAX_INSTRUCTION_BYTES, MAX_LAYER_SIDE_PX,
    MAX_SENT_INSTRUCTION_CHARS, MAX_STREAMS,
};
pub use opcode::{ClientInstruction, LineCap, LineJoin, Mask, ServerInstruction, TransferFunction, TunnelInstruction};
pub use owned::OwnedInstruction;
pub use parser::{ElementRanges, Instructions, Parser};
pub use recording::{
    FrameEnd, KeyLog, MAX_KEYFRAMES, RECORDING_CLIPBOARD_STREAM, Recorded, RecordingReader, RecordingWriter,
    is_drawn_opcode, is_logged_opcode,
};
pub use status::{Status, StatusError};
pub use stream::{
    CLIPBOARD_BLOB_BYTES, IncomingStream, MAX_OBJECTS, ObjectAllocator, OutgoingStream, StreamAllocator, StreamError,
    StreamTable, append_base64, write_argv, write_blobs, write_clipboard,
};
