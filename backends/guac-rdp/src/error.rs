//! Why an RDP session ended.

use std::io;

use guac_protocol::Status;
use guac_session::{SessionEnd, TargetError};
use guac_sftp::SftpError;
use guac_tls::TlsError;
use ironrdp_core::{DecodeError, EncodeError};
use ironrdp_pdu::nego::FailureCode;
use ironrdp_pdu::rdp::server_error_info::{ErrorInfo, ProtocolIndependentCode};
use ironrdp_session::{SessionError, SessionErrorExt as _};

use crate::connector::ConnectError;

/// What ends a session, from connecting on.
///
/// Statuses follow guacd's `rdp/error.c` (RDP-047) with one deliberate difference: a host that refuses or does not answer
/// has its own status, as for VNC, where guacd says for both that the name leads nowhere. The test is
/// `nobody_listening_is_told_as_such`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdpError {
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
    /// *Caller.* A parameter cannot be used as it is.
    #[error("parameter \"{name}\" cannot be used: {problem}")]
    BadParameter {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// *Caller.* Credentials are needed and the owner cannot be asked.
    #[error("the RDP server needs credentials and none are configured")]
    CredentialsMissing,
    /// *Upstream.* The host name has no address.
    #[error("the host name of the RDP server is unknown")]
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
    #[error("the RDP server did not answer within {limit_s} s during {during}")]
    Timeout {
        /// What it should have answered.
        during: &'static str,
        /// How long we waited.
        limit_s: u64,
    },
    /// *Upstream.* No TLS session could be made, mostly because the certificate is not trusted.
    #[error("no trusted TLS connection to the RDP server: {source}")]
    Tls {
        /// The finding.
        #[source]
        source: TlsError,
    },
    /// *Upstream.* It does not speak RDP.
    #[error("the server at that address is not an RDP server")]
    NotRdp,
    /// *Upstream.* It wants a security that we do not offer, or refuses ours.
    #[error("{}", negotiation(*code))]
    Negotiation {
        /// Its reason.
        code: FailureCode,
    },
    /// *Upstream.* It does not take the credentials.
    #[error("the RDP server rejected the credentials")]
    AuthenticationFailed,
    /// *Upstream.* The credentials are right, and do not let this user in: expired, disabled, not permitted.
    #[error("the RDP server denied access: {reason}")]
    AccessDenied {
        /// Why, as a sentence's end.
        reason: &'static str,
    },
    /// *Upstream.* It ended the session and said why.
    #[error("the RDP server ended the session: {}", farewell(*info))]
    Disconnected {
        /// What it said.
        info: ErrorInfo,
    },
    /// *Upstream.* It sends us from one machine to another without end, or to where nobody may be sent.
    #[error("the RDP server redirects to a place that cannot be followed")]
    BadRedirection,
    /// *Upstream.* The files beside the desktop are not to be had.
    #[error("{source}")]
    Files {
        /// Why.
        #[source]
        source: SftpError,
    },
    /// *Upstream.* The connection broke.
    #[error("the connection to the RDP server was lost")]
    Lost {
        /// The operating system's finding.
        #[source]
        source: io::Error,
    },
    /// *Upstream.* A PDU is longer than any honest one.
    #[error("the RDP server sent more than is allowed: {what} of {len_bytes} bytes")]
    LimitExceeded {
        /// What it was.
        what: &'static str,
        /// How long it would have been.
        len_bytes: usize,
    },
    /// *Upstream.* It broke the protocol while connecting.
    #[error("the RDP server broke the protocol while connecting")]
    Handshake {
        /// Our finding.
        #[source]
        source: ConnectError,
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
        Self::Protocol { source: SessionError::decode(source) }
    }

    pub(crate) fn encode(source: EncodeError) -> Self {
        Self::Protocol { source: SessionError::encode(source) }
    }

    /// What a failed step of the connection sequence means.
    pub(crate) fn from_connect(source: ConnectError) -> Self {
        match source {
            ConnectError::NotRdp => Self::NotRdp,
            ConnectError::Refused { code } => Self::Negotiation { code },
            ConnectError::StandardEncryption => Self::Negotiation { code: FailureCode::SSL_NOT_ALLOWED_BY_SERVER },
            ConnectError::Ended { info } => Self::Disconnected { info },
            ConnectError::AccessDenied => Self::AccessDenied { reason: "this user may not log in remotely" },
            ConnectError::Credssp { status } => Self::from_credssp(status),
            source => Self::Handshake { source },
        }
    }

    /// What the server answered to the credentials.
    ///
    /// # Specification
    /// [MS-ERREF] 2.3.1; in a `TSRequest` these stand in `errorCode` ([MS-CSSP] 2.2.1).
    fn from_credssp(status: Option<u32>) -> Self {
        match status {
            Some(0xC000_0071 | 0xC000_0224) => Self::AccessDenied { reason: "the password has expired" },
            Some(0xC000_0072) => Self::AccessDenied { reason: "the account is disabled" },
            Some(0xC000_0193) => Self::AccessDenied { reason: "the account has expired" },
            Some(0xC000_0234) => Self::AccessDenied { reason: "the account is locked" },
            Some(0xC000_006E | 0xC000_006F | 0xC000_0070 | 0xC000_015B) => {
                Self::AccessDenied { reason: "the account is restricted" }
            }
            _ => Self::AuthenticationFailed,
        }
    }

    /// The status users get.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::MissingParameter { .. } | Self::BadParameter { .. } => Status::ClientBadRequest,
            Self::UnsupportedParameter { .. } => Status::Unsupported,
            Self::Resolve { .. } | Self::NotRdp => Status::UpstreamNotFound,
            Self::Tls { source } => source.status(),
            Self::Files { source } => source.status(),
            Self::Connect { source } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Status::UpstreamUnavailable
            }
            Self::Connect { .. } => Status::UpstreamNotFound,
            Self::NotAllowed => TargetError::REFUSED_STATUS,
            Self::Timeout { .. } => Status::UpstreamTimeout,
            Self::CredentialsMissing | Self::Negotiation { .. } | Self::AuthenticationFailed => {
                Status::ClientUnauthorized
            }
            Self::AccessDenied { .. } => Status::ClientForbidden,
            Self::Disconnected { info } => farewell_status(*info),
            Self::BadRedirection
            | Self::Lost { .. }
            | Self::LimitExceeded { .. }
            | Self::Handshake { .. }
            | Self::Protocol { .. } => Status::UpstreamError,
        }
    }

    /// Whether `info` is how a session ends that nobody need be told about.
    pub(crate) fn is_normal_end(info: ErrorInfo) -> bool {
        use ProtocolIndependentCode as Code;
        matches!(
            info,
            ErrorInfo::ProtocolIndependentCode(Code::None | Code::LogoffByUser | Code::RpcInitiatedDisconnectByuser)
        )
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

fn unreached(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::ConnectionRefused {
        "the RDP server cannot be reached: nothing listens on that port"
    } else {
        "the RDP server cannot be reached"
    }
}

fn negotiation(code: FailureCode) -> &'static str {
    match code {
        FailureCode::SSL_REQUIRED_BY_SERVER => {
            "the RDP server requires TLS: set the parameter \"security\" to \"tls\" or \"any\""
        }
        FailureCode::HYBRID_REQUIRED_BY_SERVER => {
            "the RDP server requires NLA: set the parameter \"security\" to \"nla\" or \"any\""
        }
        FailureCode::SSL_NOT_ALLOWED_BY_SERVER => {
            "the RDP server offers RDP's own encryption only, which is not supported: enable TLS or NLA on it"
        }
        FailureCode::SSL_CERT_NOT_ON_SERVER => "the RDP server has no certificate for TLS",
        FailureCode::SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER => "the RDP server requires a client certificate",
        _ => "the RDP server and we have no security in common",
    }
}

fn farewell(info: ErrorInfo) -> &'static str {
    use ProtocolIndependentCode as Code;
    match info {
        ErrorInfo::ProtocolIndependentCode(code) => match code {
            Code::RpcInitiatedDisconnect => "an administrator disconnected it",
            Code::RpcInitiatedLogoff => "an administrator logged the user off",
            Code::IdleTimeout => "it was idle for too long",
            Code::LogonTimeout => "its time limit was reached",
            Code::DisconnectedByOtherconnection => "the user connected from elsewhere",
            Code::ServerDeniedConnection => "it denied the connection",
            Code::ServerInsufficientPrivileges => "the user may not log in remotely",
            Code::ServerFreshCredentialsRequired => "the stored credentials have expired",
            Code::ServerShutdown | Code::ServerReboot => "it is shutting down",
            _ => "it had an internal problem",
        },
        ErrorInfo::ProtocolIndependentLicensingCode(_) => "it has no licence for this connection",
        ErrorInfo::ProtocolIndependentConnectionBrokerCode(_) => "its connection broker has no place for this user",
        ErrorInfo::RdpSpecificCode(_) => "it says that the protocol was broken",
    }
}

/// # Specification
/// guacd's `rdp/error.c`.
fn farewell_status(info: ErrorInfo) -> Status {
    use ProtocolIndependentCode as Code;
    let ErrorInfo::ProtocolIndependentCode(code) = info else { return Status::UpstreamError };
    match code {
        Code::RpcInitiatedDisconnect | Code::RpcInitiatedLogoff | Code::LogonTimeout => Status::SessionClosed,
        Code::IdleTimeout => Status::SessionTimeout,
        Code::DisconnectedByOtherconnection => Status::SessionConflict,
        Code::ServerDeniedConnection => Status::UpstreamUnavailable,
        Code::ServerInsufficientPrivileges | Code::ServerFreshCredentialsRequired => Status::ClientForbidden,
        _ => Status::UpstreamError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: ProtocolIndependentCode) -> Status {
        RdpError::Disconnected { info: ErrorInfo::ProtocolIndependentCode(code) }.status()
    }

    #[test]
    fn farewells_of_the_server_have_guacds_statuses() {
        use ProtocolIndependentCode as Code;
        assert_eq!(ended(Code::RpcInitiatedDisconnect), Status::SessionClosed);
        assert_eq!(ended(Code::RpcInitiatedLogoff), Status::SessionClosed);
        assert_eq!(ended(Code::LogonTimeout), Status::SessionClosed);
        assert_eq!(ended(Code::IdleTimeout), Status::SessionTimeout);
        assert_eq!(ended(Code::DisconnectedByOtherconnection), Status::SessionConflict);
        assert_eq!(ended(Code::ServerDeniedConnection), Status::UpstreamUnavailable);
        assert_eq!(ended(Code::ServerInsufficientPrivileges), Status::ClientForbidden);
        assert_eq!(ended(Code::ServerFreshCredentialsRequired), Status::ClientForbidden);
        assert_eq!(ended(Code::OutOfMemory), Status::UpstreamError);
        assert!(RdpError::is_normal_end(ErrorInfo::ProtocolIndependentCode(Code::LogoffByUser)));
    }

    #[test]
    fn rejected_credentials_are_told_apart_from_accounts_that_may_not_come_in() {
        let error = |status: u32| RdpError::from_connect(ConnectError::Credssp { status: Some(status) }).status();
        assert_eq!(error(0xC000_006D), Status::ClientUnauthorized);
        assert_eq!(error(0xC000_0224), Status::ClientForbidden);
        assert_eq!(error(0xC000_0234), Status::ClientForbidden);
    }
}
