//! Why an RDP session ended.

use std::io;

use guac_protocol::Status;
use guac_session::SessionEnd;
use ironrdp_core::{DecodeError, EncodeError};
use ironrdp_session::SessionError;

/// What ends a session, from connecting on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdpError {
    /// *Caller.* A parameter that nothing works without is missing.
    #[error("parameter \"{name}\" is missing")]
    MissingParameter {
        /// Its name.
        name: &'static str,
    },
    /// *Upstream.* The connection broke.
    #[error("the connection to the RDP server was lost")]
    Lost {
        /// The operating system's finding.
        #[source]
        source: io::Error,
    },
    /// *Upstream.* It broke the protocol.
    #[error("the RDP server broke the protocol")]
    Protocol {
        /// Our finding.
        #[source]
        source: SessionError,
    },
}

impl RdpError {
    pub(crate) fn decode(source: DecodeError) -> Self {
        Self::Protocol { source: ironrdp_session::SessionErrorExt::decode(source) }
    }

    pub(crate) fn encode(source: EncodeError) -> Self {
        Self::Protocol { source: ironrdp_session::SessionErrorExt::encode(source) }
    }

    /// The status users get.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::MissingParameter { .. } => Status::ClientBadRequest,
            Self::Lost { .. } | Self::Protocol { .. } => Status::UpstreamError,
        }
    }
}

impl From<SessionError> for RdpError {
    fn from(source: SessionError) -> Self {
        Self::Protocol { source }
    }
}

impl From<RdpError> for SessionEnd {
    fn from(error: RdpError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}
