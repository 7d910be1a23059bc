//! What can go wrong, by whom.

use std::io;
use std::time::Duration;

use guac_protocol::{DecodeError, HandshakeError, KeyParseError, Status, StreamError};

/// Who is to blame for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// The guacd or gateway broke the protocol.
    Peer,
    /// The guacd or gateway, or the machine behind it, refused, failed or fell silent.
    Upstream,
    /// The caller asked for what cannot be.
    Caller,
    /// The network or system of this side.
    Environment,
}

/// Why a client could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// *Caller.* The address of a gateway is not one of `http:` or `https:`.
    #[error("the gateway's address is not a http or https URL")]
    BadUrl,
    /// *Caller.* A host name that cannot be in a certificate.
    #[error("{host:?} is no host name")]
    BadHost {
        /// The name.
        host: String,
    },
    /// *Caller.* A certificate file that is none.
    #[error("the extra certificate authorities are not PEM")]
    BadCertificate,
    /// *Caller.* A key that there is not.
    #[error(transparent)]
    Key(#[from] KeyParseError),
    /// *Environment.* The other side cannot be reached.
    #[error("{host}:{port} cannot be reached")]
    Unreachable {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// *Environment.* TLS cannot be set up, or the other side could not prove who it is.
    #[error("TLS failed")]
    Tls {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// *Upstream.* The gateway does not know the login.
    #[error("the gateway refused the login: {message}")]
    LoginRefused {
        /// What the gateway said.
        message: String,
        /// The status that stands for its answer.
        status: Status,
    },
    /// *Upstream.* The gateway has no connection of this name that this login may see.
    #[error("the gateway has no connection named {name:?}")]
    NoSuchConnection {
        /// The name.
        name: String,
    },
    /// *Peer.* The gateway's answer is not what Guacamole's interface says.
    #[error("the gateway's answer to {path} makes no sense (HTTP status {http_status})")]
    BadAnswer {
        /// What was asked for.
        path: &'static str,
        /// HTTP status.
        http_status: u16,
    },
    /// *Environment.* A request to the gateway broke off.
    #[error("the request to the gateway failed")]
    Http {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// *Upstream* or *peer.* guacd refused the session.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// *Upstream.* The session is over. [`Status::Success`] if nobody failed: this side, or the machine, closed it.
    #[error("the session is over: {message} ({status})")]
    Ended {
        /// What the server said, or what happened.
        message: String,
        /// The server's status, or what stands for what happened.
        status: Status,
    },
    /// *Peer.* What came is not Guacamole's protocol.
    #[error("the server does not speak the Guacamole protocol")]
    Protocol(#[from] DecodeError),
    /// *Upstream.* Something did not happen in time.
    #[error("{what} did not come within {limit:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// *Upstream.* A transfer was refused, or broke off.
    #[error("the transfer failed")]
    Transfer(#[from] StreamError),
    /// *Upstream.* The session offers no files.
    #[error("the session has no file system")]
    NoFilesystem,
    /// *Peer.* A listing of files is not what Guacamole's interface says, or too long.
    #[error("the list of files makes no sense")]
    BadListing,
    /// *Caller.* What a transfer reads from or writes to failed.
    #[error("reading or writing this side's data failed")]
    Local(#[from] io::Error),
}

impl ClientError {
    /// Guacamole's status for it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::BadUrl | Self::BadHost { .. } | Self::BadCertificate | Self::Key(_) => Status::ClientBadRequest,
            Self::Unreachable { .. } => Status::UpstreamNotFound,
            Self::Tls { .. } | Self::Http { .. } | Self::BadAnswer { .. } | Self::BadListing => Status::UpstreamError,
            Self::LoginRefused { status, .. } | Self::Ended { status, .. } => *status,
            Self::NoSuchConnection { .. } => Status::ResourceNotFound,
            Self::Handshake(error) => error.status(),
            Self::Protocol(_) => Status::UpstreamError,
            Self::Timeout { .. } => Status::UpstreamTimeout,
            Self::Transfer(error) => error.status(),
            Self::NoFilesystem => Status::Unsupported,
            Self::Local(_) => Status::ClientBadRequest,
        }
    }

    /// Who is to blame.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::BadUrl | Self::BadHost { .. } | Self::BadCertificate | Self::Key(_) | Self::Local(_) => Blame::Caller,
            Self::Unreachable { .. } | Self::Tls { .. } | Self::Http { .. } => Blame::Environment,
            Self::LoginRefused { .. }
            | Self::NoSuchConnection { .. }
            | Self::Ended { .. }
            | Self::Timeout { .. }
            | Self::NoFilesystem => Blame::Upstream,
            Self::BadAnswer { .. } | Self::Protocol(_) | Self::BadListing => Blame::Peer,
            Self::Handshake(HandshakeError::Refused { .. } | HandshakeError::Disconnected) => Blame::Upstream,
            Self::Handshake(_) => Blame::Peer,
            Self::Transfer(StreamError::Aborted { .. }) => Blame::Upstream,
            Self::Transfer(StreamError::Closed | StreamError::TooManyStreams { .. }) => Blame::Caller,
            Self::Transfer(_) => Blame::Peer,
        }
    }
}
