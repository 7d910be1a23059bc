//! What users say, as the session gets it.

use std::sync::Arc;

use guac_protocol::{ArgumentError, AudioFormat, ClientInstruction, Instruction, ObjectIndex, Status, StreamIndex};

use crate::transfer::{DownloadRequest, UploadRequest};

/// A user of one session, by a number that no later user of it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey(pub(crate) u32);

/// What a backend hears from [`Stage::next`](crate::Stage::next). Input of read-only users never gets here.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A key went down or up.
    Key {
        /// Whose.
        user: UserKey,
        /// X11 keysym.
        keysym: u32,
        /// Down?
        pressed: bool,
    },
    /// The pointer moved or its buttons changed. Moves with equal buttons come merged.
    Mouse {
        /// Whose.
        user: UserKey,
        /// Pixels from the left.
        x: i32,
        /// Pixels from the top.
        y: i32,
        /// 1 left, 2 middle, 4 right, 8 wheel up, 16 wheel down.
        buttons: u8,
    },
    /// A finger touched, moved or lifted.
    Touch {
        /// Whose.
        user: UserKey,
        /// Which finger.
        id: i32,
        /// Pixels from the left.
        x: i32,
        /// Pixels from the top.
        y: i32,
        /// Half the width of the touched ellipse, in pixels.
        radius_x: i32,
        /// Half the height of the touched ellipse, in pixels.
        radius_y: i32,
        /// Rotation of the ellipse, in degrees clockwise.
        angle: f64,
        /// 0 to 1, 0 when lifted.
        force: f64,
    },
    /// A user wants another size of display.
    Size {
        /// Whose.
        user: UserKey,
        /// Whether that is the owner.
        is_owner: bool,
        /// Device pixels.
        width_px: u32,
        /// Device pixels.
        height_px: u32,
    },
    /// A user's clipboard, whole.
    Clipboard {
        /// Whose.
        user: UserKey,
        /// Its type.
        mimetype: String,
        /// Its content, bounded by the connection's limit.
        data: Vec<u8>,
    },
    /// A new value for a parameter that [`Stage::accept_argv`](crate::Stage::accept_argv) named.
    Argv {
        /// Whose.
        user: UserKey,
        /// Whether that is the owner.
        is_owner: bool,
        /// Parameter name.
        name: String,
        /// The value; it may be a secret.
        value: String,
    },
    /// Data of a pipe that [`Stage::accept_pipe`](crate::Stage::accept_pipe) named.
    Pipe {
        /// Whose.
        user: UserKey,
        /// The pipe's name.
        name: Arc<str>,
        /// One blob of it.
        data: Vec<u8>,
    },
    /// What the owner said into his microphone, where [`Stage::use_microphone`](crate::Stage::use_microphone) wants it.
    AudioInput {
        /// What `data` is, the same from the first blob to the end.
        format: AudioFormat,
        /// One blob, at most 6144 bytes. A frame may begin in one and end in the next.
        data: Vec<u8>,
    },
    /// He turned it off. Nothing is said when he leaves.
    AudioInputEnd,
    /// The owner asks for a stream of an object that [`Stage::expose_filesystem`](crate::Stage::expose_filesystem)
    /// showed him.
    Download(DownloadRequest),
    /// A user uploads: into an object, or a file where [`Stage::accept_files`](crate::Stage::accept_files) allows it.
    Upload(UploadRequest),
    /// The session is over: the last user left or it was killed. Return soon.
    Ended,
}

/// A message of a user's on its way to the session.
#[derive(Debug)]
pub(crate) enum InputEvent {
    Key { keysym: u32, pressed: bool },
    Mouse { x: i32, y: i32, buttons: u8 },
    Touch { id: i32, x: i32, y: i32, radius_x: i32, radius_y: i32, angle: f64, force: f64 },
    Size { width_px: u32, height_px: u32 },
    Sync { timestamp_ms: i64 },
    Open(Box<StreamOpen>),
    Blob { stream: StreamIndex, data: Vec<u8> },
    End { stream: StreamIndex },
    Get { object: ObjectIndex, name: String },
    Ack { stream: StreamIndex, status: Status },
}

/// A stream that a user begins.
#[derive(Debug)]
pub(crate) struct StreamOpen {
    pub(crate) stream: StreamIndex,
    pub(crate) kind: StreamKind,
    pub(crate) mimetype: String,
    /// Name of the parameter, pipe, file or object's stream; empty otherwise.
    pub(crate) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Clipboard,
    Argv,
    Pipe,
    File,
    /// Into this object.
    Put(ObjectIndex),
    /// The name is longer than any file's.
    NameTooLong,
    /// A microphone.
    Audio,
}

/// What an instruction of a user's amounts to.
pub(crate) enum Said {
    Input(InputEvent),
    /// Nothing for the session: keep-alives, answers nobody waits for, opcodes unknown to us (P-015).
    Nothing,
    Leave,
}

/// Longest parameter or pipe name and longest type (P-128).
const MAX_NAME_CHARS: usize = 256;
const MAX_MIMETYPE_CHARS: usize = 4096;

/// Longest name of a file or of an object's stream, in bytes: `PATH_MAX` of Linux. With it any instruction that names
/// the file again stays within what peers take.
const MAX_FILE_NAME_BYTES: usize = 4096;

/// Reads an instruction of a user's.
///
/// # Errors
/// Known opcodes with unusable arguments.
pub(crate) fn interpret(instruction: &Instruction<'_>) -> Result<Said, ArgumentError> {
    let event = match ClientInstruction::try_from(instruction)? {
        ClientInstruction::Key { keysym, pressed } => InputEvent::Key { keysym, pressed },
        ClientInstruction::Mouse { x, y, buttons } => InputEvent::Mouse { x, y, buttons },
        ClientInstruction::Touch { id, x, y, radius_x, radius_y, angle, force } => {
            InputEvent::Touch { id, x, y, radius_x, radius_y, angle, force }
        }
        ClientInstruction::Size { width, height, .. } => InputEvent::Size { width_px: width, height_px: height },
        ClientInstruction::Sync { timestamp_ms } => InputEvent::Sync { timestamp_ms },
        ClientInstruction::Clipboard { stream, mimetype } => open(stream, StreamKind::Clipboard, mimetype, ""),
        ClientInstruction::Argv { stream, mimetype, name } => open(stream, StreamKind::Argv, mimetype, name),
        ClientInstruction::Pipe { stream, mimetype, name } => open(stream, StreamKind::Pipe, mimetype, name),
        ClientInstruction::File { stream, mimetype, filename } => upload(stream, StreamKind::File, mimetype, filename),
        ClientInstruction::Put { object, stream, mimetype, name } => {
            upload(stream, StreamKind::Put(object), mimetype, name)
        }
        ClientInstruction::Get { object, name } if name.len() <= MAX_FILE_NAME_BYTES => {
            InputEvent::Get { object, name: name.to_owned() }
        }
        ClientInstruction::Ack { stream, status, .. } => InputEvent::Ack { stream, status },
        ClientInstruction::Audio { stream, mimetype } => open(stream, StreamKind::Audio, mimetype, ""),
        ClientInstruction::Blob { stream, data } => match base64_simd::STANDARD.decode_to_vec(data) {
            Ok(data) => InputEvent::Blob { stream, data },
            Err(_) => return Err(ArgumentError::Invalid { opcode: "blob", name: "data", expected: "base64" }),
        },
        ClientInstruction::End { stream } => InputEvent::End { stream },
        ClientInstruction::Disconnect {} => return Ok(Said::Leave),
        // The rest belongs to the handshake, or asks for what cannot be there.
        _ => return Ok(Said::Nothing),
    };
    Ok(Said::Input(event))
}

fn open(stream: StreamIndex, kind: StreamKind, mimetype: &str, name: &str) -> InputEvent {
    let cut = |text: &str, chars: usize| text.chars().take(chars).collect();
    let (mimetype, name) = (cut(mimetype, MAX_MIMETYPE_CHARS), cut(name, MAX_NAME_CHARS));
    InputEvent::Open(Box::new(StreamOpen { stream, kind, mimetype, name }))
}

/// A cut name would be another file's.
fn upload(stream: StreamIndex, kind: StreamKind, mimetype: &str, name: &str) -> InputEvent {
    let mimetype = mimetype.chars().take(MAX_MIMETYPE_CHARS).collect();
    let (kind, name) = if name.len() <= MAX_FILE_NAME_BYTES {
        (kind, name.to_owned())
    } else {
        (StreamKind::NameTooLong, String::new())
    };
    InputEvent::Open(Box::new(StreamOpen { stream, kind, mimetype, name }))
}

/// An answer to a stream of a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamAnswer {
    pub(crate) stream: StreamIndex,
    pub(crate) message: &'static str,
    pub(crate) status: Status,
}
