//! What a node shows of itself, and how the ends of a connection judge each other.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, PeerIncompatible, SignatureScheme,
};
use sha2::{Digest as _, Sha256};

use super::CertificateSum;

/// Requests for tunnels.
pub(super) const ALPN_HTTP: &[u8] = b"http/1.1";

/// Joins of sessions.
pub(super) const ALPN_GUACD: &[u8] = b"guacd";

/// The name in the certificate. Nobody looks at it.
const NAME: &str = "peer.invalid";

/// A key and a certificate made for this run of the program, in memory only. Clones are the same.
#[derive(Clone)]
pub struct PeerIdentity {
    shown: Arc<SingleCertAndKey>,
    server: Arc<ServerConfig>,
    sum: CertificateSum,
}

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// *Environment.* No key: the system gives no random numbers.
    #[error("cannot make a certificate for the other nodes")]
    Certificate(#[source] rcgen::Error),
    /// *Us.* TLS takes not what was made.
    #[error("cannot set up TLS with the other nodes")]
    Tls(#[source] rustls::Error),
}

impl PeerIdentity {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`IdentityError`] if that cannot be done.
    pub fn generate() -> Result<Self, IdentityError> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).map_err(IdentityError::Certificate)?;
        let certificate = made.cert.der().clone();
        let sum = sum_of(&certificate);
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let key = provider().key_provider.load_private_key(key).map_err(IdentityError::Tls)?;
        let shown = Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key)));
        let server = Arc::new(server_config(&shown).map_err(IdentityError::Tls)?);
        Ok(Self { shown, server, sum })
    }

    /// The sum by which the other nodes know this one.
    #[must_use]
    pub fn certificate_sum(&self) -> CertificateSum {
        self.sum
    }

    /// For connections from other nodes. Who shows a certificate has its key; whether it is a node's is asked after
    /// the handshake.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// For a connection to the node that shows the certificate with this sum, and to no other.
    pub(super) fn client(&self, pinned: CertificateSum, alpn: &[u8]) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
        let verifier = Arc::new(Pinned { sum: pinned });
        let shown = Arc::clone(&self.shown);
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = builder.with_client_cert_resolver(shown);
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerIdentity").finish_non_exhaustive()
    }
}

/// The sum of a certificate.
pub(super) fn sum_of(certificate: &CertificateDer<'_>) -> CertificateSum {
    Sha256::digest(certificate).into()
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

fn server_config(shown: &Arc<SingleCertAndKey>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
    let shown = Arc::clone(shown);
    let mut config = builder.with_client_cert_verifier(Arc::new(AnyKey)).with_cert_resolver(shown);
    config.alpn_protocols = vec![ALPN_HTTP.to_vec(), ALPN_GUACD.to_vec()];
    // Each connection shows its certificate anew.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Takes one certificate, by its sum.
#[derive(Debug)]
struct Pinned {
    sum: CertificateSum,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if sum_of(end_entity) == self.sum {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Demands a certificate and the proof of its key.
#[derive(Debug)]
struct AnyKey;

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
