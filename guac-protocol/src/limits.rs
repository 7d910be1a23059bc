//! Every number the protocol bounds, with its reason.

/// Longest element, in code points. guacd's parser refuses a longer one (`GUAC_INSTRUCTION_MAX_LENGTH`).
pub const MAX_ELEMENT_CODE_POINTS: usize = 8192;

/// Longest instruction in bytes, lengths and separators included. guacd's parse buffer has this size, so no peer
/// that works with guacd sends more.
pub const MAX_INSTRUCTION_BYTES: usize = 32_768;

/// Most elements in one instruction, opcode included (`GUAC_INSTRUCTION_MAX_ELEMENTS`).
pub const MAX_ELEMENTS: usize = 128;

/// Most digits in a length prefix (`GUAC_INSTRUCTION_MAX_DIGITS`): 99999 is far above the largest legal length.
pub(crate) const MAX_LENGTH_DIGITS: usize = 5;

/// Most raw bytes in one `blob`: 8064 base64 characters, which keeps the instruction within the 8192 characters
/// that the stock Java gateway can hold.
pub const MAX_BLOB_BYTES: usize = 6048;

/// Most UTF-16 units in an instruction that we send: the stock Java gateway's whole buffer.
pub const MAX_SENT_INSTRUCTION_CHARS: usize = 8192;

/// Streams that one side may have open towards the other (`GUAC_USER_MAX_STREAMS`).
pub const MAX_STREAMS: u32 = 512;

/// Longest side of a layer, in pixels (guacd's `GUAC_DISPLAY_MAX_WIDTH`).
pub const MAX_LAYER_SIDE_PX: u32 = 8192;
