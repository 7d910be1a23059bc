//! What can go wrong with a server, and whose fault it is.

use std::fmt;

use super::rect::Rect;

/// Why a connection cannot go on. Every variant is the upstream's doing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RfbError {
    /// The first bytes are not an RFB greeting.
    #[error("server does not speak RFB")]
    NotRfb,
    /// The server refused the connection before authentication.
    #[error("server refused the connection: {reason}")]
    Refused {
        /// What it said.
        reason: ServerReason,
    },
    /// No security type of the server can be used.
    #[error("no usable security type among {offered:?}")]
    NoUsableSecurity {
        /// Numbers of the types (or VeNCrypt sub-types) it offers.
        offered: Vec<u32>,
        /// Whether these are sub-types of VeNCrypt, so that another of the server's types might still do.
        vencrypt: bool,
    },
    /// The server rejected the credentials.
    #[error("server rejected the credentials: {reason}")]
    AuthenticationFailed {
        /// What it said; empty where the protocol version has no room for it.
        reason: ServerReason,
    },
    /// The server closed the connection.
    #[error("server closed the connection during {during}")]
    Closed {
        /// What was under way.
        during: &'static str,
    },
    /// A message type that no agreed extension has.
    #[error("unknown message type {kind}")]
    UnknownMessage {
        /// Its number.
        kind: u8,
    },
    /// An encoding that was not asked for.
    #[error("unknown encoding {encoding}")]
    UnknownEncoding {
        /// Its number.
        encoding: i32,
    },
    /// A rectangle that sticks out of the framebuffer.
    #[error("rectangle {rect:?} outside of {width_px} x {height_px} pixels")]
    RectangleOutside {
        /// The rectangle.
        rect: Rect,
        /// Width of the framebuffer.
        width_px: u16,
        /// Height of the framebuffer.
        height_px: u16,
    },
    /// Bytes that break the rules of their format.
    #[error("malformed {what}")]
    Malformed {
        /// The format.
        what: &'static str,
    },
    /// A size over its [limit](super::Limits).
    #[error("{what} of {value} is over the limit of {limit}")]
    LimitExceeded {
        /// What was too large.
        what: &'static str,
        /// The wire's number.
        value: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// Compressed data that does not decompress.
    #[error("compressed data is damaged")]
    Inflate {
        /// The decompressor's finding.
        #[source]
        source: flate2::DecompressError,
    },
    /// A JPEG rectangle that does not decode.
    #[error("JPEG data is damaged")]
    Jpeg {
        /// The decoder's finding.
        #[source]
        source: zune_jpeg::errors::DecodeErrors,
    },
}

/// A sentence from the server, made fit for logs and users: control characters are replaced, its length is bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerReason(String);

impl ServerReason {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self(text.trim().to_owned())
    }

    /// The sentence, maybe empty.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "no reason given" } else { &self.0 })
    }
}

/// Why a parser stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The unit is not complete yet; nothing after the last commit was taken.
    Need,
    /// It never will be right.
    Fail(RfbError),
}

impl From<RfbError> for Stop {
    fn from(error: RfbError) -> Self {
        Self::Fail(error)
    }
}

impl Stop {
    pub(crate) fn malformed(what: &'static str) -> Self {
        Self::Fail(RfbError::Malformed { what })
    }
}

/// Fails when `value` is over `limit`.
pub(crate) fn check_limit(what: &'static str, value: impl Into<u64>, limit: impl Into<u64>) -> Result<(), RfbError> {
    let (value, limit) = (value.into(), limit.into());
    if value > limit { Err(RfbError::LimitExceeded { what, value, limit }) } else { Ok(()) }
}
