//! TLS towards an outside guacd.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

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
    /// *Caller.* No cryptography was installed for the process.
    #[error("no rustls crypto provider is installed for this process")]
    NoProvider,
    /// *Environment.* The operating system has no certificate authorities.
    #[error("the operating system trusts no certificate authorities: install ca-certificates")]
    NoRoots,
    /// *Us.* The settings contradict each other.
    #[error("the TLS settings do not work")]
    Tls(#[from] rustls::Error),
}

impl GuacdTls {
    /// Settings that check certificates like this, with the process's crypto provider.
    ///
    /// # Errors
    /// [`GuacdTlsError`] when that cannot be done.
    pub fn new(verify: GuacdVerify) -> Result<Self, GuacdTlsError> {
        let provider = Arc::clone(CryptoProvider::get_default().ok_or(GuacdTlsError::NoProvider)?);
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = match verify {
            GuacdVerify::System => builder.with_root_certificates(system_roots()?),
            GuacdVerify::Roots(roots) => builder.with_root_certificates(roots),
            GuacdVerify::Nothing => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnything { algorithms }))
            }
        };
        Ok(Self { config: Arc::new(builder.with_no_client_auth()) })
    }
}

fn system_roots() -> Result<RootCertStore, GuacdTlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "Certificate authority not readable");
    }
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 { Err(GuacdTlsError::NoRoots) } else { Ok(roots) }
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
