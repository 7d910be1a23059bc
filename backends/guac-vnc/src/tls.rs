//! Whom to trust with VeNCrypt.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{self, CryptoProvider},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::VncError;

type Fingerprint = [u8; 32];

/// How the server's certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsPolicy {
    /// By the system's roots and the host name: the default.
    Verify,
    /// By its SHA-256 fingerprint alone.
    Pinned(Vec<Fingerprint>),
    /// Not at all: encrypted, but anybody could be on the other side.
    Ignore,
}

impl TlsPolicy {
    /// `fingerprints` is a comma-separated list of SHA-256 sums in hexadecimal, with or without colons and a
    /// `sha256:` before. One that does not parse matches nothing: a typo must not open the door.
    pub(crate) fn parse(ignore: bool, fingerprints: Option<&str>) -> Self {
        match fingerprints {
            Some(list) => Self::Pinned(list.split(',').filter_map(parse_fingerprint).collect()),
            None if ignore => Self::Ignore,
            None => Self::Verify,
        }
    }
}

fn parse_fingerprint(text: &str) -> Option<Fingerprint> {
    let text = text.trim();
    let digits: String = text.strip_prefix("sha256:").unwrap_or(text).chars().filter(|c| *c != ':').collect();
    let mut fingerprint = Fingerprint::default();
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if pairs.len() != fingerprint.len() || !rest.is_empty() {
        tracing::warn!(parameter = "cert-fingerprints", "Fingerprint is not a SHA-256 sum, ignored");
        return None;
    }
    for (byte, pair) in fingerprint.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(fingerprint)
}

/// Makes a TLS session with the server on an established connection.
///
/// # Cancel safety
/// Not cancel safe: the connection is lost with the future.
pub(crate) async fn connect(
    socket: TcpStream,
    host: &str,
    policy: &TlsPolicy,
) -> Result<TlsStream<TcpStream>, VncError> {
    let setup = |source| VncError::TlsSetup { source };
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(crypto::ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(setup)?;
    let verifier: Arc<dyn ServerCertVerifier> = match policy {
        TlsPolicy::Verify => {
            let roots = Arc::clone(system_roots());
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            verifier.map_err(|error| setup(rustls::Error::General(error.to_string())))?
        }
        TlsPolicy::Pinned(fingerprints) => Arc::new(Lenient { pinned: Some(fingerprints.clone()), provider }),
        TlsPolicy::Ignore => Arc::new(Lenient { pinned: None, provider }),
    };
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| VncError::Tls { source: io::Error::new(io::ErrorKind::InvalidInput, error) })?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, socket).await.map_err(|source| VncError::Tls { source })
}

/// Read once: it costs milliseconds and a few hundred kilobytes.
fn system_roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "Root certificates of the system not read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    })
}

/// Accepts certificates by fingerprint, or all. The server must still prove that it has the key.
#[derive(Debug)]
struct Lenient {
    pinned: Option<Vec<Fingerprint>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let fingerprint: Fingerprint = Sha256::digest(end_entity).into();
        match &self.pinned {
            Some(pinned) if !pinned.contains(&fingerprint) => {
                let shown: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
                tracing::warn!(fingerprint = shown, "Certificate of the server is none of the configured ones");
                Err(rustls::CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verification_is_the_default_and_pinning_beats_ignoring() {
        assert_eq!(TlsPolicy::parse(false, None), TlsPolicy::Verify);
        assert_eq!(TlsPolicy::parse(true, None), TlsPolicy::Ignore);
        let sum = "00".repeat(32);
        assert_eq!(TlsPolicy::parse(true, Some(&sum)), TlsPolicy::Pinned(vec![[0; 32]]));
    }

    #[test]
    fn fingerprints_come_in_the_usual_forms() {
        let colons = vec!["AB"; 32].join(":");
        let list = format!("{}, sha256:{colons}", "ab".repeat(32));
        assert_eq!(TlsPolicy::parse(false, Some(&list)), TlsPolicy::Pinned(vec![[0xAB; 32]; 2]));
    }

    #[test]
    fn a_fingerprint_with_a_typo_opens_nothing() {
        for typo in ["ab", &"ab".repeat(31), &"ab".repeat(33), &"xy".repeat(32), ""] {
            assert_eq!(TlsPolicy::parse(false, Some(typo)), TlsPolicy::Pinned(vec![]), "{typo}");
        }
    }
}
