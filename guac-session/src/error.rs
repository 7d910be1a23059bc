//! How sessions end and why they do not begin.

use std::borrow::Cow;

use guac_protocol::{Encode, ServerInstruction, Status};

/// Why a session ended, as users may read it. Detail that they may not belongs into the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({status})")]
pub struct SessionEnd {
    status: Status,
    message: Cow<'static, str>,
}

impl SessionEnd {
    /// From a status and a sentence that is safe to show: lower case, no full stop, no secrets.
    #[must_use]
    pub fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    /// *Us.* A bug; the log says more.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Status::ServerError, "internal error of the gateway; its log says more")
    }

    /// Somebody with the right to do so ended the session.
    #[must_use]
    pub fn killed() -> Self {
        Self::new(Status::SessionClosed, "the session was ended by an administrator")
    }

    /// The daemon stops, or its machine does. Clients come again after this: another daemon, or the next start, has room.
    #[must_use]
    pub fn shutdown() -> Self {
        Self::new(Status::UpstreamUnavailable, "the gateway is shutting down")
    }

    /// The status users get.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The sentence users get.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// `error` and `disconnect`, or `disconnect` alone if all went well.
    pub(crate) fn to_instructions(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.status.is_error() {
            let message: String = self.message.chars().take(1024).collect();
            ServerInstruction::Error { message: &message, status: self.status }.encode(&mut out);
        }
        ServerInstruction::Disconnect {}.encode(&mut out);
        out
    }
}

/// Why a session was not opened or joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// *Caller.* No backend of that name is built in.
    #[error("unknown protocol \"{protocol}\"")]
    UnknownProtocol {
        /// The name asked for, cut to a sane length.
        protocol: String,
    },
    /// *Caller.* No session of that id runs.
    #[error("no such connection")]
    NoSuchConnection,
    /// *Environment.* The daemon is stopping.
    #[error("the gateway is shutting down")]
    ShuttingDown,
    /// *Caller.* A session takes only so many users.
    #[error("the session has {limit} users, which is the limit")]
    TooManyUsers {
        /// The limit in force.
        limit: usize,
    },
}

impl OpenError {
    /// The status to report.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::UnknownProtocol { .. } | Self::NoSuchConnection => Status::ResourceNotFound,
            Self::ShuttingDown => Status::ServerBusy,
            Self::TooManyUsers { .. } => Status::ClientTooMany,
        }
    }
}

/// The user is no longer part of the session; nothing more can be said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user has left the session")]
pub struct UserGone;
