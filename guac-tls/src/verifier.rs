//! Verdicts on certificates that no authority vouches for.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ring::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY};
use ring::signature::{RsaParameters, UnparsedPublicKey};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, alg_id};
use rustls::{CertificateError, DigitallySignedStruct, PeerMisbehaved, ProtocolVersion, SignatureScheme};

use crate::certificate::SubjectPublicKey;
use crate::error::{Changed, Refused};
use crate::known::Known;
use crate::{Fingerprint, policy};

/// Accepts certificates without asking who signed them, or not only that. The server must still prove that it has
/// the key.
#[derive(Debug)]
pub(crate) struct Verifier {
    accept: Accept,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
pub(crate) enum Accept {
    Anything,
    Pinned(Vec<Fingerprint>),
    FirstUse(Arc<FirstUse>),
}

/// What is known of a server before the handshake, and learnt in it.
#[derive(Debug)]
pub(crate) struct FirstUse {
    /// Asked first; none on a machine without authorities.
    pub(crate) authorities: Option<Arc<WebPkiServerVerifier>>,
    /// `host:port`.
    pub(crate) server: String,
    pub(crate) path: PathBuf,
    pub(crate) known: Option<Known>,
    /// That nobody vouches for the certificate and none was known: to be kept once the server has proved it.
    pub(crate) is_first: AtomicBool,
}

impl FirstUse {
    fn judge(&self, end_entity: &CertificateDer<'_>) -> Result<(), Refused> {
        match &self.known {
            None => {
                self.is_first.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(known) if known.fingerprints.iter().any(|one| one.matches(end_entity)) => Ok(()),
            Some(known) => Err(Refused::Changed(Changed {
                server: self.server.clone(),
                fingerprint: Fingerprint::sha256(end_entity),
                path: self.path.clone(),
                line: known.line,
            })),
        }
    }
}

impl Verifier {
    pub(crate) fn new(accept: Accept) -> Self {
        Self { accept, algorithms: policy::provider().signature_verification_algorithms }
    }

    fn is_signed(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        version: ProtocolVersion,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = SubjectPublicKey::of(certificate).ok_or(CertificateError::BadEncoding)?;
        is_signed(&self.algorithms, &key, message, signed.signature(), signed.scheme, version)
    }
}

/// Whether the key has signed this. webpki would do it too, but only for certificates of version 3 that it can read.
fn is_signed(
    algorithms: &WebPkiSupportedAlgorithms,
    key: &SubjectPublicKey<'_>,
    message: &[u8],
    signature: &[u8],
    scheme: SignatureScheme,
    version: ProtocolVersion,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let valid = |is_valid: bool| {
        if is_valid { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
    };
    if version == ProtocolVersion::TLSv1_2
        && key.algorithm == alg_id::RSA_ENCRYPTION.as_ref()
        && let Some(parameters) = with_short_keys(scheme)
    {
        return valid(UnparsedPublicKey::new(parameters, key.bits).verify(message, signature).is_ok());
    }
    let candidates = algorithms.mapping.iter().find(|(found, _)| *found == scheme).map(|(_, candidates)| *candidates);
    let candidates = candidates.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    // TLS 1.3 binds the curve to the scheme, which is the first; TLS 1.2 leaves it open.
    let count = if version == ProtocolVersion::TLSv1_2 { candidates.len() } else { 1 };
    let fitting = candidates.iter().take(count).find(|one| one.public_key_alg_id().as_ref() == key.algorithm);
    valid(fitting.is_some_and(|one| one.verify_signature(key.bits, message, signature).is_ok()))
}

/// Where old machines sign with RSA keys of 1,024 bits, which is better than what they did before TLS 1.2. The library
/// itself starts at 2,048.
fn with_short_keys(scheme: SignatureScheme) -> Option<&'static RsaParameters> {
    match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => Some(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        SignatureScheme::RSA_PKCS1_SHA512 => Some(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.accept {
            Accept::Anything => {}
            Accept::Pinned(pinned) if pinned.iter().any(|one| one.matches(end_entity)) => {}
            Accept::Pinned(_) => return Err(Refused::NotPinned(Fingerprint::sha256(end_entity)).into()),
            Accept::FirstUse(first_use) => {
                let vouched = first_use.authorities.as_ref().is_some_and(|authorities| {
                    let verdict =
                        authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
                    verdict.is_ok()
                });
                if !vouched {
                    first_use.judge(end_entity)?;
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.is_signed(message, cert, dss, ProtocolVersion::TLSv1_2)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // TLS 1.3 has neither PKCS #1 nor SHA-1 in handshakes.
        let is_left_out = matches!(
            dss.scheme,
            SignatureScheme::RSA_PKCS1_SHA1
                | SignatureScheme::ECDSA_SHA1_Legacy
                | SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        );
        if is_left_out {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        self.is_signed(message, cert, dss, ProtocolVersion::TLSv1_3)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl x509 -req`, which writes version 1, over a key of 1,024 bits.
    const CERTIFICATE: &[u8] = include_bytes!("../testdata/rsa1024-version1.der");
    /// Made with `openssl dgst -sha256 -sign`.
    const SIGNATURE: &[u8] = include_bytes!("../testdata/rsa1024-sha256.sig");

    #[test]
    fn an_rsa_key_of_1024_bits_in_a_certificate_of_version_1_is_heard() {
        let key = SubjectPublicKey::of(CERTIFICATE).unwrap();
        let algorithms = policy::provider().signature_verification_algorithms;
        let is_signed =
            |message, scheme, version| is_signed(&algorithms, &key, message, SIGNATURE, scheme, version).is_ok();
        let sha256 = SignatureScheme::RSA_PKCS1_SHA256;
        assert!(is_signed(b"handshake", sha256, ProtocolVersion::TLSv1_2));
        assert!(!is_signed(b"Handshake", sha256, ProtocolVersion::TLSv1_2));
        for scheme in [SignatureScheme::RSA_PKCS1_SHA512, SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ED25519] {
            assert!(!is_signed(b"handshake", scheme, ProtocolVersion::TLSv1_2), "{scheme:?}");
        }
    }
}
