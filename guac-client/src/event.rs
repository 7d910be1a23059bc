//! What a session says beside its picture.

use std::sync::Arc;

/// Something happened. Receivers that lag behind miss the oldest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The session's clipboard has other content. Text is also in [`Client::clipboard`](crate::Client::clipboard).
    Clipboard {
        /// Type, such as `text/plain`.
        mimetype: Arc<str>,
        /// Content.
        data: Arc<[u8]>,
    },
    /// The title changed.
    Title(Arc<str>),
    /// The display has another size.
    Resized {
        /// Pixels.
        width_px: u32,
        /// Pixels.
        height_px: u32,
    },
    /// The server pushes a file: take it with [`Client::next_file`](crate::Client::next_file).
    File {
        /// Its name.
        name: Arc<str>,
    },
    /// The session offers files: see [`Client::files`](crate::Client::files).
    Filesystem {
        /// What it is called.
        name: Arc<str>,
    },
    /// The session waits for parameters: answer each with [`Client::set_parameter`](crate::Client::set_parameter).
    Required {
        /// Their names.
        names: Vec<String>,
    },
    /// The present value of a parameter that may be changed.
    Parameter {
        /// Its name.
        name: Arc<str>,
        /// Its value.
        value: Arc<str>,
    },
    /// A notice: 1 a user joined, 2 a user left; the arguments are his id and name.
    Message {
        /// Kind.
        code: u32,
        /// Arguments.
        args: Vec<String>,
    },
    /// The session is over. The last event.
    Ended,
}
