//! TLS towards guacds and gateways.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

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
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let failed = |error: rustls::Error| ClientError::Tls { source: io::Error::other(error) };
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
        let builder = if self.anything {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnything { algorithms }))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        Ok(Arc::new(builder.with_no_client_auth()))
    }

    fn roots(&self) -> Result<RootCertStore, ClientError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "Certificate authority not readable");
        }
        roots.add_parsable_certificates(found.certs);
        for certificate in &self.extra {
            roots.add(certificate.clone()).map_err(|_| ClientError::BadCertificate)?;
        }
        Ok(roots)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("extra", &self.extra.len()).field("accepts_anything", &self.anything).finish()
    }
}

/// Takes any certificate, but still checks that the server has its key.
#[derive(Debug)]
struct AcceptAnything {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
