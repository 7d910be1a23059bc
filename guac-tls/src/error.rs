//! Why there is no TLS session.

use std::io;
use std::path::PathBuf;

use guac_protocol::Status;
use rustls::CertificateError;

use crate::{Fingerprint, KnownError};

/// Why there is no TLS session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// *Environment.* The operating system has no certificate authorities.
    #[error("the operating system trusts no certificate authorities: install ca-certificates")]
    NoRoots,
    /// *Us.* The settings do not work.
    #[error("the TLS settings do not work")]
    Setup {
        /// The TLS library's finding.
        #[source]
        source: rustls::Error,
    },
    /// *Caller.* It is neither a name nor an address.
    #[error("the host is neither a DNS name nor an address")]
    BadHost,
    /// *Upstream.* No authority that is trusted signed the certificate for this host at this time.
    #[error("the server's certificate is not trusted: {reason}")]
    Untrusted {
        /// The TLS library's finding.
        reason: CertificateError,
    },
    /// *Upstream.* The certificate is none of the pinned ones.
    #[error("the server's certificate is none of the configured ones: its fingerprint is {fingerprint}")]
    NotPinned {
        /// Its own.
        fingerprint: Fingerprint,
    },
    /// *Upstream.* The certificate is another one than the first time.
    #[error("the server's certificate has changed since the first connection")]
    Changed(Box<Changed>),
    /// *Environment.* The file of known certificates cannot be used.
    #[error("the file of known certificates cannot be used")]
    Known {
        /// Why.
        #[source]
        source: KnownError,
    },
    /// *Upstream.* The handshake failed.
    #[error("no TLS session with the server: {source}")]
    Handshake {
        /// The TLS library's or the operating system's finding.
        #[source]
        source: io::Error,
    },
}

/// A certificate that is another one than the first time. The text says what to do if that is right, and is for
/// administrators: it names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the certificate of {server} is now {fingerprint}: if that is right, remove line {line} of {}, which has another",
    path.display()
)]
pub struct Changed {
    /// `host:port`.
    pub server: String,
    /// The new one's.
    pub fingerprint: Fingerprint,
    /// The file of known certificates.
    pub path: PathBuf,
    /// Where in it the old one stands, from 1.
    pub line: usize,
}

impl TlsError {
    /// What a handshake's error means, under a configuration of this crate.
    #[must_use]
    pub fn from_handshake(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
                match other.0.downcast_ref::<Refused>() {
                    Some(Refused::NotPinned(fingerprint)) => Self::NotPinned { fingerprint: fingerprint.clone() },
                    Some(Refused::Changed(changed)) => Self::Changed(Box::new(changed.clone())),
                    None => Self::Handshake { source: error },
                }
            }
            Some(rustls::Error::InvalidCertificate(reason)) => Self::Untrusted { reason: reason.clone() },
            _ => Self::Handshake { source: error },
        }
    }

    /// The status users get.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::NoRoots | Self::Setup { .. } | Self::Known { .. } => Status::ServerError,
            Self::BadHost => Status::ClientBadRequest,
            Self::Untrusted { .. } | Self::NotPinned { .. } | Self::Changed(_) | Self::Handshake { .. } => {
                Status::UpstreamError
            }
        }
    }
}

/// A verdict of ours on its way through the TLS library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("none of the pinned certificates")]
    NotPinned(Fingerprint),
    #[error(transparent)]
    Changed(Changed),
}

impl From<Refused> for rustls::Error {
    fn from(refused: Refused) -> Self {
        CertificateError::Other(rustls::OtherError(std::sync::Arc::new(refused))).into()
    }
}
