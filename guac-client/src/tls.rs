//! TLS towards guacds and gateways.

use std::fmt;
use std::io;
use std::sync::Arc;

use guac_tls::{TlsError, Trust};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::ClientError;

/// How the other side's certificate is checked. By default it must be signed, for the host's name, by an authority
/// that the operating system trusts.
#[derive(Clone, Default)]
pub struct Tls {
    extra: Vec<CertificateDer<'static>>,
    anything: bool,
}

impl Tls {
    /// Trusts these authorities too: one or more certificates in PEM.
    ///
    /// # Errors
    /// [`ClientError::BadCertificate`] if there is none in it, or a broken one.
    pub fn with_authorities(mut self, pem: &[u8]) -> Result<Self, ClientError> {
        let before = self.extra.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            self.extra.push(certificate.map_err(|_| ClientError::BadCertificate)?);
        }
        if self.extra.len() == before { Err(ClientError::BadCertificate) } else { Ok(self) }
    }

    /// Checks nothing: whoever sits between can read and change everything. For machines of one's own under test.
    #[must_use]
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.anything = true;
        self
    }

    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, ClientError> {
        let trust = if self.anything { Trust::Anything } else { Trust::System { extra: self.extra.clone() } };
        trust.client_config().map_err(|error| match error {
            TlsError::Setup { .. } if !self.extra.is_empty() => ClientError::BadCertificate,
            error => ClientError::Tls { source: io::Error::other(error) },
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("extra", &self.extra.len()).field("accepts_anything", &self.anything).finish()
    }
}
