//! Why a tunnel ended early or a request to one was refused.

use std::io;
use std::time::Duration;

use guac_protocol::{DecodeError, HandshakeError, Status};

use crate::{FrameError, OpenError};

/// What went wrong, sorted by blame. The text is for logs; the peer is told [`status`](Self::status).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// *Peer.* The bytes are no instructions.
    #[error("the client sent no valid instructions")]
    Malformed(#[from] DecodeError),
    /// *Peer.* The handshake went wrong.
    #[error("the handshake failed")]
    Handshake(#[from] HandshakeError),
    /// *Peer.* The client asked for a protocol that is not here.
    #[error("the client selected an unknown protocol")]
    UnknownProtocol,
    /// *Peer.* Nothing whole came in time.
    #[error("the client said nothing whole for {limit:?}")]
    Silent {
        /// How long was waited.
        limit: Duration,
    },
    /// *Peer.* The client takes nothing.
    #[error("the client took nothing for {limit:?}")]
    Stalled {
        /// How long was waited.
        limit: Duration,
    },
    /// *Peer.* The connection ended in the middle of the handshake.
    #[error("the client left during the handshake")]
    LeftEarly,
    /// *Peer.* A WebSocket message is not text.
    #[error("the client sent a message that is not text")]
    NotText,
    /// *Peer.* The bytes are no WebSocket frames, or a message is too long.
    #[error("the client sent no valid WebSocket frames")]
    Frame(#[from] FrameError),
    /// *Peer.* The body of a write ends within an instruction.
    #[error("the request ends within an instruction")]
    Incomplete,
    /// *Peer.* A read or write names no tunnel.
    #[error("the request has no tunnel token")]
    NoToken,
    /// *Peer.* There is no tunnel of this token, or not any more.
    #[error("no such tunnel")]
    NoSuchTunnel,
    /// *Peer.* More requests wait for one tunnel than a client has reason to send.
    #[error("too many requests wait for this tunnel")]
    TooManyRequests,
    /// *Upstream.* The session could not be opened.
    #[error("the session could not be opened")]
    Open(#[from] OpenError),
    /// *Upstream.* The session takes no input.
    #[error("the session took no input for {limit:?}")]
    SessionStuck {
        /// How long was waited.
        limit: Duration,
    },
    /// *Environment.* There are as many tunnels as allowed.
    #[error("there are as many tunnels as allowed")]
    Full,
    /// *Environment.* The transport failed.
    #[error("the transport failed")]
    Io(#[from] io::Error),
}

impl TunnelError {
    /// What to tell the peer, where it can still be told.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Malformed(error) => error.status(),
            Self::Handshake(error) => error.status(),
            Self::UnknownProtocol => Status::Unsupported,
            Self::Silent { .. } | Self::Stalled { .. } => Status::ClientTimeout,
            Self::LeftEarly | Self::Incomplete | Self::NoToken => Status::ClientBadRequest,
            Self::NotText => Status::ClientBadType,
            Self::Frame(FrameError::TooLong { .. }) => Status::ClientOverrun,
            Self::Frame(_) => Status::ClientBadRequest,
            Self::NoSuchTunnel => Status::ResourceNotFound,
            Self::TooManyRequests => Status::ClientTooMany,
            Self::Open(error) => error.status,
            Self::SessionStuck { .. } => Status::UpstreamTimeout,
            Self::Full => Status::ServerBusy,
            Self::Io(_) => Status::ServerError,
        }
    }

    /// A sentence that is safe to show to the user.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Open(error) => &error.message,
            Self::Malformed(_)
            | Self::Handshake(_)
            | Self::LeftEarly
            | Self::Incomplete
            | Self::NotText
            | Self::Frame(_) => "The client sent something that is not understood.",
            Self::UnknownProtocol => "This protocol is not available here.",
            Self::Silent { .. } => "User is not responding.",
            Self::Stalled { .. } => "The client does not take what is sent to it.",
            Self::NoToken => "The tunnel token is missing.",
            Self::NoSuchTunnel => "No such tunnel.",
            Self::TooManyRequests => "Too many requests at once for this tunnel.",
            Self::SessionStuck { .. } => "The session does not take input any more.",
            Self::Full => "There are as many sessions as this server allows.",
            Self::Io(_) => "Internal server error.",
        }
    }
}

/// How a tunnel ended when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The session is over for this user; he was told why by its last instructions.
    SessionOver,
    /// The client said `disconnect` or closed the transport.
    ClientLeft,
    /// We were told to stop, with this status.
    Stopped(Status),
}

impl Ended {
    /// What to tell the peer.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::SessionOver | Self::ClientLeft => Status::Success,
            Self::Stopped(status) => status,
        }
    }
}
