//! The handshake, both sides, as state machines: instructions in, steps and bytes out.
//!
//! ```text
//! client  select  →            size audio video image timezone name connect  →
//! server            ← args                                                     ← ready
//! ```
//!
//! # Specification
//! Guacamole manual, "Handshake phase"; guacd's `src/libguac/user-handshake.c`.

mod client;
mod server;

pub use client::{ClientHandshake, ClientStep};
pub use server::{ServerHandshake, ServerStep};

use crate::grammar::version_numbers;
use crate::{ArgumentError, ConnectionId, Status};

/// A version of the protocol. Ordered: a later one can do all that an earlier one can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// A version token that is none of the known ones: no optional capability may be used (P-020).
    Unknown,
    /// Before versions were told.
    V1_0_0,
    /// Handshake in any order, `timezone`.
    V1_1_0,
    /// `required`.
    V1_3_0,
    /// `msg`, handshake `name`. There is no newer one in Guacamole 1.6.
    V1_5_0,
}

impl ProtocolVersion {
    /// The newest version, which we speak.
    pub const LATEST: Self = Self::V1_5_0;

    /// The token on the wire. [`Self::Unknown`] has none and gives the oldest.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Unknown | Self::V1_0_0 => "VERSION_1_0_0",
            Self::V1_1_0 => "VERSION_1_1_0",
            Self::V1_3_0 => "VERSION_1_3_0",
            Self::V1_5_0 => "VERSION_1_5_0",
        }
    }

    /// The version behind a token; `None` for text that does not have a token's form.
    ///
    /// A version between two known ones can do what the lower can; one above the newest what the newest can.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        Some(match version_numbers(token)? {
            v if v >= (1, 5, 0) => Self::V1_5_0,
            v if v >= (1, 3, 0) => Self::V1_3_0,
            v if v >= (1, 1, 0) => Self::V1_1_0,
            _ => Self::V1_0_0,
        })
    }
}

/// What the sides may say to each other by version (P-021 to P-023).
impl ProtocolVersion {
    /// Whether a server of this version takes the handshake in any order, and `timezone` in it.
    #[must_use]
    pub fn has_timezone(self) -> bool {
        self >= Self::V1_1_0
    }

    /// Whether a client of this version understands `required`.
    #[must_use]
    pub fn has_required(self) -> bool {
        self >= Self::V1_3_0
    }

    /// Whether a client of this version understands `msg`.
    #[must_use]
    pub fn has_msg(self) -> bool {
        self >= Self::V1_5_0
    }

    /// Whether a server of this version takes `name` in the handshake.
    #[must_use]
    pub fn has_name(self) -> bool {
        self >= Self::V1_5_0
    }
}

/// What a client said about itself in the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// Wanted display width in device pixels.
    pub width_px: u32,
    /// Wanted display height in device pixels.
    pub height_px: u32,
    /// Resolution in dots per inch.
    pub dpi: u32,
    /// Audio types the client plays.
    pub audio_mimetypes: Vec<String>,
    /// Video types the client plays.
    pub video_mimetypes: Vec<String>,
    /// Image types the client shows.
    pub image_mimetypes: Vec<String>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// Name of the person, for others in the session to read.
    pub name: Option<String>,
    /// Which version the client speaks.
    pub version: ProtocolVersion,
}

impl Default for ClientInfo {
    /// 1024x768 at 96 dpi and nothing else, as guacd assumes.
    fn default() -> Self {
        Self {
            width_px: 1024,
            height_px: 768,
            dpi: 96,
            audio_mimetypes: Vec::new(),
            video_mimetypes: Vec::new(),
            image_mimetypes: Vec::new(),
            timezone: None,
            name: None,
            version: ProtocolVersion::V1_0_0,
        }
    }
}

impl ClientInfo {
    /// Whether the client announced this image type.
    #[must_use]
    pub fn shows(&self, mimetype: &str) -> bool {
        self.image_mimetypes.iter().any(|known| known == mimetype)
    }

    /// Whether the client announced this audio type, without parameters: `audio/L8` or `audio/L16`.
    #[must_use]
    pub fn plays(&self, essence: &str) -> bool {
        self.audio_mimetypes.iter().any(|known| known == essence)
    }
}

/// What `select` chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// A new session of this protocol.
    Protocol(String),
    /// A running session to join.
    Join(ConnectionId),
}

/// Why a handshake ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// *Peer.* The first instruction was something else than `select` with one argument.
    #[error("the handshake must begin with \"select\" and one argument, not \"{opcode}\"")]
    NotSelect {
        /// What came, cut to a sane length.
        opcode: String,
    },
    /// *Peer.* The id to join is malformed.
    #[error("malformed connection id")]
    BadConnectionId,
    /// *Peer.* `connect` has another number of values than `args` had names.
    #[error("\"connect\" has {got} values where \"args\" had {expected} names")]
    WrongArgumentCount {
        /// Number of names sent.
        expected: usize,
        /// Number of values received.
        got: usize,
    },
    /// *Peer.* An argument of a handshake instruction is unusable.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// *Upstream.* The server answered with an error.
    #[error("the server refused: {message} ({status})")]
    Refused {
        /// The server's text.
        message: String,
        /// The server's status.
        status: Status,
    },
    /// *Upstream.* The server ended the connection.
    #[error("the server disconnected during the handshake")]
    Disconnected,
    /// *Upstream.* The server sent something out of order.
    #[error("expected \"{expected}\" from the server, got \"{opcode}\"")]
    Unexpected {
        /// What should have come.
        expected: &'static str,
        /// What came, cut to a sane length.
        opcode: String,
    },
    /// *Caller.* A method was called in a state that does not allow it.
    #[error("the handshake is not at this step")]
    OutOfOrder,
}

impl HandshakeError {
    /// The status to report.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::NotSelect { .. } | Self::WrongArgumentCount { .. } => Status::ClientBadRequest,
            Self::BadConnectionId => Status::ResourceNotFound,
            Self::Argument(error) => error.status(),
            Self::Refused { status, .. } => *status,
            Self::Disconnected | Self::Unexpected { .. } => Status::UpstreamError,
            Self::OutOfOrder => Status::ServerError,
        }
    }
}

/// The start of hostile text, for error messages.
fn excerpt(text: &str) -> String {
    text.chars().take(32).collect()
}

#[cfg(test)]
mod tests;
