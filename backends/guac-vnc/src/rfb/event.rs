//! What a connection tells its embedder.

/// Something the embedder has to do or may want to know. Drawing is not among it: that went to the picture already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake waits for [`provide_credentials`](super::Connection::provide_credentials).
    CredentialsNeeded {
        /// Whether a user name is needed beside the password.
        username: bool,
    },
    /// The handshake waits for a TLS session on the connection, then for
    /// [`tls_established`](super::Connection::tls_established).
    StartTls,
    /// The desktop is open. The picture was resized, updates were asked for.
    Connected {
        /// Its title.
        name: String,
    },
    /// The picture was resized.
    Resized {
        /// New width.
        width_px: u16,
        /// New height.
        height_px: u16,
    },
    /// The server would not take the size it was asked for.
    ResizeRefused {
        /// 1 prohibited, 2 out of resources, 3 invalid layout; others are not defined.
        code: u16,
    },
    /// One update is complete: what is on the picture belongs together.
    UpdateEnd,
    /// The pointer has a new shape.
    Cursor(CursorShape),
    /// Ring.
    Bell,
    /// The clipboard as bytes in an encoding that only convention knows (Latin-1 by specification).
    CutText(Vec<u8>),
    /// The clipboard as text, from a server with the extended clipboard. Line ends are LF.
    Clipboard(String),
    /// A clipboard over the limit was left out.
    ClipboardTooLarge {
        /// Its length.
        len_bytes: u64,
    },
    /// The desktop has a new title.
    Name(String),
}

impl Event {
    /// Whether it carries much memory, so that only one may be queued.
    pub(crate) fn is_bulky(&self) -> bool {
        matches!(self, Self::Cursor(_) | Self::CutText(_) | Self::Clipboard(_) | Self::Name(_))
    }
}

/// A pointer image; empty where the pointer is hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CursorShape {
    /// Column of the pixel that points.
    pub hotspot_x: u16,
    /// Row of the pixel that points.
    pub hotspot_y: u16,
    /// Columns.
    pub width_px: u16,
    /// Rows.
    pub height_px: u16,
    /// `0xAARRGGBB` with straight alpha, row-major, `width_px * height_px` of them.
    pub pixels: Vec<u32>,
}
