#![doc = include_str!("../README.md")]
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
mod refusal;
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
pub use refusal::Refusal;
pub use status::{Status, StatusError};
pub use stream::{
    CLIPBOARD_BLOB_BYTES, IncomingStream, MAX_OBJECTS, ObjectAllocator, OutgoingStream, StreamAllocator, StreamError,
    StreamTable, append_base64, write_argv, write_blobs, write_clipboard,
};
