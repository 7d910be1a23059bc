//! Session recordings, without files: what is written into one, and how one is read and searched.
//!
//! A recording is what a session sent to everyone, byte for byte, and the input of its users between it as
//! instructions with a time of their own. There is no handshake and no header: the first instruction is the first that
//! was sent.
//!
//! # Specification
//! guacd's `src/libguac/recording.c`, `src/guacenc` and `src/guaclog`; the web client's `SessionRecording.js`.

mod key_log;
mod reader;

pub use key_log::KeyLog;
pub use reader::{FrameEnd, MAX_KEYFRAMES, Recorded, RecordingReader};

use crate::{Encode as _, ServerInstruction, StreamIndex, write_clipboard};

/// The stream of clipboards in a recording: above every index that a session may use, so that it meets none (P-154).
pub const RECORDING_CLIPBOARD_STREAM: StreamIndex = StreamIndex(1025);

/// What `guacenc` draws; it ignores everything else (P-156).
const DRAWN_OPCODES: [&str; 14] = [
    "blob", "cfill", "copy", "cursor", "dispose", "end", "img", "mouse", "move", "rect", "shade", "size", "sync",
    "transfer",
];

/// Whether a picture of a recording depends on this opcode: the set that `guacenc` knows (P-156).
#[must_use]
pub fn is_drawn_opcode(opcode: &str) -> bool {
    DRAWN_OPCODES.binary_search(&opcode).is_ok()
}

/// Whether the text of a recording depends on this opcode: the set that `guaclog` knows (P-157).
#[must_use]
pub fn is_logged_opcode(opcode: &str) -> bool {
    opcode == "key"
}

/// Writes recordings: decides what goes in, and in which form. Bytes come out; where they go is the caller's business.
///
/// All times are milliseconds on the clock of the session's `sync`s (P-150 to P-154).
///
/// ```
/// use guac_protocol::RecordingWriter;
///
/// let mut file = Vec::new();
/// let writer = RecordingWriter { keys: true, ..RecordingWriter::default() };
/// writer.output(b"4.sync,1.5,1.1;", &mut file);
/// writer.key(0x61, true, 7, &mut file);
/// assert_eq!(file, b"4.sync,1.5,1.1;3.key,2.97,1.1,1.7;");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingWriter {
    /// What the session sends to everyone (off: `recording-exclude-output`).
    pub output: bool,
    /// Pointers (off: `recording-exclude-mouse`).
    pub mouse: bool,
    /// Fingers (off: `recording-exclude-touch`).
    pub touch: bool,
    /// Keys (on: `recording-include-keys`). They hold every password that is typed.
    pub keys: bool,
    /// Clipboards (on: `recording-include-clipboard`).
    pub clipboard: bool,
}

impl Default for RecordingWriter {
    /// Output, pointers and fingers; neither keys nor clipboards.
    fn default() -> Self {
        Self { output: true, mouse: true, touch: true, keys: false, clipboard: false }
    }
}

impl RecordingWriter {
    /// Whole instructions that were sent to everyone, as they are.
    pub fn output(&self, instructions: &[u8], out: &mut Vec<u8>) {
        if self.output {
            out.extend_from_slice(instructions);
        }
    }

    /// A pointer moved, or its buttons changed.
    pub fn mouse(&self, (x, y): (i32, i32), buttons: u8, timestamp_ms: i64, out: &mut Vec<u8>) {
        if self.mouse {
            ServerInstruction::Mouse { x, y, buttons, timestamp_ms }.encode(out);
        }
    }

    /// A key went down or up.
    pub fn key(&self, keysym: u32, pressed: bool, timestamp_ms: i64, out: &mut Vec<u8>) {
        if self.keys {
            ServerInstruction::Key { keysym, pressed, timestamp_ms: Some(timestamp_ms) }.encode(out);
        }
    }

    /// A finger touched, moved or lifted. Anything but a [`ServerInstruction::Touch`] is left out; its own time is not
    /// used.
    pub fn touch(&self, touch: &ServerInstruction<'_>, timestamp_ms: i64, out: &mut Vec<u8>) {
        if let (true, &ServerInstruction::Touch { id, x, y, radius_x, radius_y, angle, force, .. }) =
            (self.touch, touch)
        {
            let timestamp_ms = Some(timestamp_ms);
            ServerInstruction::Touch { id, x, y, radius_x, radius_y, angle, force, timestamp_ms }.encode(out);
        }
    }

    /// A clipboard changed, whichever side's.
    pub fn clipboard(&self, mimetype: &str, data: &[u8], out: &mut Vec<u8>) {
        if self.clipboard {
            write_clipboard(out, RECORDING_CLIPBOARD_STREAM, mimetype, data);
        }
    }
}

#[cfg(test)]
mod tests;
