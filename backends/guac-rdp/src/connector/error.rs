//! What can go wrong before a connection is active.

use ironrdp_core::{DecodeError, EncodeError};
use ironrdp_pdu::nego::FailureCode;
use ironrdp_pdu::rdp::server_error_info::ErrorInfo;

/// Why there is no connection, all of it the server's doing but for the encoding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The first answer is not one of RDP.
    #[error("the answer is not RDP")]
    NotRdp,
    /// The server refuses the security that was offered.
    #[error("negotiation failed with {code:?}")]
    Refused {
        /// Its reason.
        code: FailureCode,
    },
    /// The server chose what was not offered.
    #[error("the server chose a security that was not offered")]
    SecurityMismatch,
    /// The server wants RDP's own encryption.
    #[error("the server wants RDP's own encryption")]
    StandardEncryption,
    /// A PDU came out of turn.
    #[error("got another PDU than {expected}")]
    Unexpected {
        /// What was due.
        expected: &'static str,
    },
    /// A PDU is malformed.
    #[error("a PDU is malformed")]
    Decode {
        /// The decoder's finding.
        #[source]
        source: DecodeError,
    },
    /// A PDU of ours does not fit into its form.
    #[error("a setting does not fit into its PDU")]
    Encode {
        /// The encoder's finding.
        #[source]
        source: EncodeError,
    },
    /// The server's desktop is larger than what it may have without being asked.
    #[error("the server's desktop has {width}x{height} pixels, which was not asked for")]
    DesktopSize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The server has no licence for us.
    #[error("the server grants no licence: {problem}")]
    Licence {
        /// What it says, or what we cannot answer.
        problem: &'static str,
    },
    /// The server ended it with a reason.
    #[error("the server ended the connection")]
    Ended {
        /// Its reason.
        info: ErrorInfo,
    },
    /// CredSSP failed; the code is the server's where it gave one.
    #[error("CredSSP failed")]
    Credssp {
        /// `errorCode` of the `TSRequest`, an NTSTATUS.
        status: Option<u32>,
    },
    /// The credentials are right, and this user may not come in.
    #[error("the user may not log in remotely")]
    AccessDenied,
}

impl ConnectError {
    pub(super) fn decode(source: DecodeError) -> Self {
        Self::Decode { source }
    }

    pub(super) fn encode(source: EncodeError) -> Self {
        Self::Encode { source }
    }
}
