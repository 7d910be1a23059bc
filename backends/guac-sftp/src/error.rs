//! Why an SSH connection does not come about or breaks off.

use std::io;
use std::time::Duration;

use guac_protocol::Status;
use guac_session::{SessionEnd, TargetError};

use crate::hostkey::HostKeyError;

/// Why an SSH connection, or what runs on it, did not come about or broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    /// *Caller.* The connection has no host name.
    #[error("no host name is set for this connection")]
    NoHost,
    /// *Caller.* `host-key` is not a key.
    #[error("the host key set for this connection can not be read")]
    BadHostKeyParameter,
    /// *Caller.* `private-key` is no private key that we know.
    #[error("the private key set for this connection can not be read")]
    BadPrivateKey {
        /// What the parser says.
        #[source]
        source: russh::keys::Error,
    },
    /// *Caller.* Neither the stored nor a typed passphrase opens the key.
    #[error("the passphrase does not open the private key")]
    BadPassphrase,
    /// *Caller.* The machine refused the credentials.
    #[error("the machine refused the login")]
    Refused,
    /// *Caller.* The user gave up at a prompt.
    #[error("the login was cancelled")]
    Cancelled,
    /// *Caller.* Something that is not stored has to be asked, and nobody is there to be asked.
    #[error("the login needs something that is not set for this connection")]
    Unattended,
    /// *Upstream.* No address for the host name.
    #[error("the machine's host name is unknown")]
    UnknownHost {
        /// What the resolver says.
        #[source]
        source: Option<io::Error>,
    },
    /// *Caller.* The administrator keeps sessions from the machine.
    #[error("{}", TargetError::REFUSED)]
    NotAllowed,
    /// *Upstream.* Nobody listens.
    #[error("the machine refused the connection: nothing listens on that port")]
    ConnectionRefused,
    /// *Upstream.* No route, network down and the like.
    #[error("the machine can not be reached")]
    Unreachable {
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// *Upstream.* It took too long.
    #[error("the machine did not answer within {} seconds", after.as_secs())]
    Timeout {
        /// The time it had.
        after: Duration,
    },
    /// *Upstream.* Its host key is not the one that is set or was remembered.
    #[error("the machine's host key ({fingerprint}) is not the one known for it: the connection may be intercepted")]
    HostKeyChanged {
        /// Of the key it showed, as `SHA256:…`.
        fingerprint: String,
    },
    /// *Environment.* Keys can not be looked up or remembered, so none is trusted.
    #[error("the machine's host key can not be checked")]
    HostKeyStore {
        /// What failed.
        #[source]
        source: HostKeyError,
    },
    /// *Upstream.* It opened no session, terminal, shell, command or subsystem.
    #[error("the machine refused to open a {what}")]
    NotOpened {
        /// What was asked for.
        what: &'static str,
    },
    /// *Upstream.* It broke the protocol, or we have no algorithm in common.
    #[error("the machine does not speak SSH as expected")]
    Protocol {
        /// What the library says.
        #[source]
        source: russh::Error,
    },
    /// *Upstream.* The connection ended before the session did.
    #[error("the connection to the machine was lost")]
    Lost,
    /// *Upstream.* More data or questions than any login needs.
    #[error("the machine sent too much before the login")]
    TooMuch,
}

impl SshError {
    /// The status to report.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::NoHost => Status::ClientBadRequest,
            Self::BadHostKeyParameter
            | Self::BadPrivateKey { .. }
            | Self::BadPassphrase
            | Self::Refused
            | Self::Cancelled
            | Self::Unattended
            | Self::HostKeyChanged { .. } => Status::ClientUnauthorized,
            Self::NotAllowed => TargetError::REFUSED_STATUS,
            Self::UnknownHost { .. } => Status::UpstreamNotFound,
            Self::ConnectionRefused | Self::Unreachable { .. } => Status::UpstreamUnavailable,
            Self::Timeout { .. } => Status::UpstreamTimeout,
            Self::HostKeyStore { .. } => Status::ServerError,
            Self::NotOpened { .. } | Self::Protocol { .. } | Self::Lost | Self::TooMuch => Status::UpstreamError,
        }
    }

    /// From connecting to an address.
    pub(crate) fn from_connect(error: io::Error, after: Duration) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            io::ErrorKind::TimedOut => Self::Timeout { after },
            _ => Self::Unreachable { source: error },
        }
    }
}

impl From<russh::Error> for SshError {
    fn from(error: russh::Error) -> Self {
        match error {
            russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::SendError
            | russh::Error::RecvError
            | russh::Error::KeepaliveTimeout
            | russh::Error::InactivityTimeout => Self::Lost,
            russh::Error::NoAuthMethod => Self::Refused,
            russh::Error::IO(source) if source.kind() == io::ErrorKind::QuotaExceeded => Self::TooMuch,
            russh::Error::IO(_) => Self::Lost,
            source => Self::Protocol { source },
        }
    }
}

impl From<SshError> for SessionEnd {
    fn from(error: SshError) -> Self {
        use std::error::Error as _;
        let source = error.source().map(ToString::to_string);
        tracing::debug!(%error, source, "SSH session failed");
        Self::new(error.status(), error.to_string())
    }
}

/// Why there are no files beside a desktop. It ends the session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SftpError {
    /// *Upstream.* The machine is not there, or is not the one.
    #[error("no file transfer (SFTP): {source}")]
    Connect {
        /// What happened.
        #[source]
        source: SshError,
    },
    /// *Caller.* It does not let us in.
    #[error("no file transfer (SFTP): {source}")]
    Login {
        /// What happened.
        #[source]
        source: SshError,
    },
    /// *Upstream.* It has no SFTP.
    #[error("no file transfer (SFTP): {source}")]
    NoSftp {
        /// What happened.
        #[source]
        source: SshError,
    },
}

impl SftpError {
    /// The status to report.
    ///
    /// # Specification
    /// guacd's: a machine that is not there is a server error, so that it does not pass for the desktop's.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Connect { source } => match source.status() {
                Status::UpstreamNotFound | Status::UpstreamUnavailable | Status::UpstreamTimeout => Status::ServerError,
                status => status,
            },
            Self::Login { source } => source.status(),
            Self::NoSftp { .. } => Status::UpstreamError,
        }
    }
}
