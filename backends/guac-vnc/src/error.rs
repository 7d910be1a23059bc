//! Why a VNC session ended.

use std::io;

use guac_protocol::Status;
use guac_session::{SessionEnd, TargetError};
use guac_sftp::SftpError;
use guac_tls::TlsError;

use crate::rfb::RfbError;

/// What ends a session, from connecting on.
///
/// Each has the status that says what happened, and a sentence. guacd gives all of them `UPSTREAM_NOT_FOUND` until the
/// desktop is open, rejected credentials included (V-026): a browser can then only say that the name leads nowhere, and
/// tries again by itself until the account is locked. The difference is deliberate; the test is
/// `a_wrong_password_ends_the_session_as_unauthorized`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VncError {
    /// *Caller.* A parameter that nothing works without is missing.
    #[error("parameter \"{name}\" is missing")]
    MissingParameter {
        /// Its name.
        name: &'static str,
    },
    /// *Caller.* A parameter asks for what is not built.
    #[error("parameter \"{name}\" asks for something that is not supported")]
    UnsupportedParameter {
        /// Its name.
        name: &'static str,
    },
    /// *Upstream.* The host name has no address.
    #[error("the host name of the VNC server is unknown")]
    Resolve {
        /// The resolver's finding.
        #[source]
        source: io::Error,
    },
    /// *Caller.* The administrator keeps sessions from the machine.
    #[error("{}", TargetError::REFUSED)]
    NotAllowed,
    /// *Upstream.* Nobody listens there, or nobody lets us through.
    #[error("{}", unreached(source))]
    Connect {
        /// The operating system's finding.
        #[source]
        source: io::Error,
    },
    /// *Upstream.* It did not answer in time.
    #[error("the VNC server did not answer within {limit_s} s during {during}")]
    Timeout {
        /// What it should have answered.
        during: &'static str,
        /// How long we waited.
        limit_s: u64,
    },
    /// *Upstream.* No TLS session could be made, mostly because the certificate is not trusted.
    #[error("no trusted TLS connection to the VNC server: {source}")]
    Tls {
        /// What was wrong with it.
        #[source]
        source: TlsError,
    },
    /// *Caller.* Credentials are needed and the owner cannot be asked.
    #[error("the VNC server needs credentials and none are configured")]
    CredentialsMissing,
    /// *Upstream.* The files beside the desktop are not to be had.
    #[error("{source}")]
    Files {
        /// Why.
        #[source]
        source: SftpError,
    },
    /// *Upstream.* The connection broke.
    #[error("the connection to the VNC server was lost")]
    Lost {
        /// The operating system's finding.
        #[source]
        source: io::Error,
    },
    /// *Upstream.* It refused us, or broke the protocol.
    #[error("{}", sentence(source))]
    Rfb {
        /// Whether the desktop had been open.
        was_open: bool,
        /// What it did.
        #[source]
        source: RfbError,
    },
}

impl VncError {
    /// The status users get.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::MissingParameter { .. } => Status::ClientBadRequest,
            Self::UnsupportedParameter { .. } => Status::Unsupported,
            Self::Resolve { .. } => Status::UpstreamNotFound,
            Self::Connect { source } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Status::UpstreamUnavailable
            }
            Self::Connect { .. } => Status::UpstreamNotFound,
            Self::NotAllowed => TargetError::REFUSED_STATUS,
            Self::Timeout { .. } => Status::UpstreamTimeout,
            Self::CredentialsMissing => Status::ClientUnauthorized,
            Self::Rfb { source: RfbError::AuthenticationFailed { .. }, .. } => Status::ClientUnauthorized,
            Self::Rfb { source: RfbError::Refused { .. }, .. } => Status::UpstreamUnavailable,
            Self::Tls { source } => source.status(),
            Self::Files { source } => source.status(),
            Self::Lost { .. } | Self::Rfb { .. } => Status::UpstreamError,
        }
    }

    /// Whether another attempt to connect may fare better.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } | Self::Timeout { .. } | Self::Lost { .. } => true,
            Self::Rfb { source, was_open } => !was_open && matches!(source, RfbError::Closed { .. }),
            _ => false,
        }
    }
}

fn unreached(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::ConnectionRefused {
        "the VNC server cannot be reached: nothing listens on that port"
    } else {
        "the VNC server cannot be reached"
    }
}

/// A sentence for users, who know no RFB.
fn sentence(error: &RfbError) -> String {
    match error {
        RfbError::NotRfb => "the server at that address is not a VNC server".to_owned(),
        RfbError::Refused { reason } => format!("the VNC server refused the connection: {reason}"),
        RfbError::AuthenticationFailed { reason } => format!("the VNC server rejected the credentials: {reason}"),
        RfbError::NoUsableSecurity { .. } => {
            "the VNC server offers no way to authenticate that is supported here".to_owned()
        }
        RfbError::Closed { during } => format!("the VNC server closed the connection during {during}"),
        RfbError::LimitExceeded { what, .. } => format!("the VNC server sent more than is allowed: {what}"),
        _ => "the VNC server broke the protocol".to_owned(),
    }
}

impl From<VncError> for SessionEnd {
    fn from(error: VncError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}
