//! TLS towards an outside guacd.

use std::fmt;
use std::sync::Arc;

use guac_tls::{TlsError, Trust};
use rustls::{ClientConfig, RootCertStore};

/// How the certificate of an outside guacd is checked.
#[derive(Debug, Clone)]
pub enum GuacdVerify {
    /// Signed, for the host name, by one of the authorities the operating system trusts.
    System,
    /// Signed, for the host name, by one of these.
    Roots(RootCertStore),
    /// Not at all: whoever sits between can read and change everything. For self-signed guacds in a trusted network.
    Nothing,
}

/// TLS settings for outside guacds; cheap to clone.
#[derive(Clone)]
pub struct GuacdTls {
    pub(crate) config: Arc<ClientConfig>,
}

impl fmt::Debug for GuacdTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuacdTls").finish_non_exhaustive()
    }
}

/// Why TLS towards guacd cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuacdTlsError {
    /// *Environment.* The operating system has no certificate authorities.
    #[error("the operating system trusts no certificate authorities: install ca-certificates")]
    NoRoots,
    /// *Us.* The settings contradict each other.
    #[error("the TLS settings do not work")]
    Tls(#[source] TlsError),
}

impl GuacdTls {
    /// Settings that check certificates like this.
    ///
    /// # Errors
    /// [`GuacdTlsError`] when that cannot be done.
    pub fn new(verify: GuacdVerify) -> Result<Self, GuacdTlsError> {
        let trust = match verify {
            GuacdVerify::System => Trust::default(),
            GuacdVerify::Roots(roots) => Trust::Roots(Arc::new(roots)),
            GuacdVerify::Nothing => Trust::Anything,
        };
        let config = trust.client_config().map_err(|error| match error {
            TlsError::NoRoots => GuacdTlsError::NoRoots,
            error => GuacdTlsError::Tls(error),
        })?;
        Ok(Self { config })
    }
}
