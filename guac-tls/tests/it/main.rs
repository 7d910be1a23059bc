//! Sessions with servers whose certificates are good, bad and odd.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not tests themselves to the linter")]

use std::path::Path;
use std::sync::Arc;

use guac_tls::{CertificatePolicy, Fingerprint, KnownCertificates, TlsError, Trust, connect, public_key_of};
use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, crypto::ring, sign, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

const HOST: &str = "desk.example";

/// Shows a certificate that the library itself would not even read.
#[derive(Debug)]
struct Shows(Arc<sign::CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn made(host: &str) -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed([host.to_owned()]).unwrap()
}

fn server(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    version: &'static SupportedProtocolVersion,
) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = ring::sign::any_supported_type(&key).unwrap();
    let shown = Shows(Arc::new(sign::CertifiedKey::new(vec![certificate], key)));
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[version]).unwrap().with_no_client_auth();
    TlsAcceptor::from(Arc::new(builder.with_cert_resolver(Arc::new(shown))))
}

/// One session in memory: the server sends a byte, we read it.
async fn session(acceptor: &TlsAcceptor, policy: &CertificatePolicy) -> Result<CertificateDer<'static>, TlsError> {
    let (ours, theirs) = tokio::io::duplex(1 << 14);
    let serve = async {
        if let Ok(mut stream) = acceptor.accept(theirs).await {
            let _ = stream.write_all(b"x").await;
            let _ = stream.shutdown().await;
        }
    };
    let visit = async {
        let mut stream = connect(ours, HOST, 3389, policy).await?;
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
    };
    tokio::join!(serve, visit).1
}

async fn judged(certificate: &CertifiedKey<KeyPair>, policy: &CertificatePolicy) -> Result<(), TlsError> {
    let acceptor = server(certificate.cert.der().clone(), &certificate.signing_key, &version::TLS13);
    session(&acceptor, policy).await.map(drop)
}

fn roots(certificate: &CertifiedKey<KeyPair>) -> CertificatePolicy {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.cert.der().clone()).unwrap();
    CertificatePolicy::Trust(Trust::Roots(Arc::new(roots)))
}

fn first_use(directory: &Path) -> CertificatePolicy {
    CertificatePolicy::FirstUse(KnownCertificates::new(directory.join("known")))
}

#[tokio::test]
async fn an_authority_vouches_for_its_host_names_only() {
    let (right, wrong) = (made(HOST), made("elsewhere.example"));
    judged(&right, &roots(&right)).await.unwrap();
    for (certificate, policy) in [(&wrong, roots(&wrong)), (&right, roots(&wrong)), (&wrong, roots(&right))] {
        let refused = judged(certificate, &policy).await.unwrap_err();
        assert!(matches!(refused, TlsError::Untrusted { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_is_trusted_without_a_word_about_it() {
    let refused = judged(&made(HOST), &CertificatePolicy::Trust(Trust::default())).await.unwrap_err();
    assert!(matches!(refused, TlsError::Untrusted { .. } | TlsError::NoRoots), "{refused:?}");
}

#[tokio::test]
async fn a_pinned_certificate_is_accepted_whatever_its_name_and_others_are_told_by_their_sum() {
    let (pinned, other) = (made("elsewhere.example"), made(HOST));
    let sum = Fingerprint::sha256(pinned.cert.der()).to_string();
    let policy = CertificatePolicy::from_params(true, None, Some(&sum));
    judged(&pinned, &policy).await.unwrap();
    let refused = judged(&other, &policy).await.unwrap_err();
    let TlsError::NotPinned { fingerprint } = refused else { panic!("{refused:?}") };
    assert_eq!(fingerprint, Fingerprint::sha256(other.cert.der()));
}

#[tokio::test]
async fn the_first_certificate_is_kept_and_another_is_refused_until_its_line_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let policy = first_use(directory.path());
    let (first, second) = (made("elsewhere.example"), made(HOST));
    judged(&first, &policy).await.unwrap();
    judged(&first, &policy).await.unwrap();
    let refused = judged(&second, &policy).await.unwrap_err();
    let TlsError::Changed(changed) = refused else { panic!("{refused:?}") };
    assert_eq!((changed.server.as_str(), changed.line), ("desk.example:3389", 1));
    assert_eq!(changed.fingerprint, Fingerprint::sha256(second.cert.der()));
    let kept = std::fs::read_to_string(&changed.path).unwrap();
    assert_eq!(kept, format!("desk.example:3389 {}\n", Fingerprint::sha256(first.cert.der())));

    std::fs::remove_file(&changed.path).unwrap();
    judged(&second, &policy).await.unwrap();
}

#[tokio::test]
async fn a_server_without_its_key_is_not_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (shown, own) = (made(HOST), made(HOST));
    for version in [&version::TLS12, &version::TLS13] {
        let acceptor = server(shown.cert.der().clone(), &own.signing_key, version);
        let anything = CertificatePolicy::Trust(Trust::Anything);
        for policy in [first_use(directory.path()), anything] {
            assert!(matches!(session(&acceptor, &policy).await, Err(TlsError::Untrusted { .. })));
        }
    }
    assert!(!directory.path().join("known").exists());
}

#[tokio::test]
async fn what_no_authority_may_sign_is_judged_by_its_key_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut odd = rcgen::CertificateParams::default();
    odd.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    odd.key_usages = vec![rcgen::KeyUsagePurpose::KeyEncipherment];
    odd.custom_extensions = vec![{
        let mut unknown = rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999], vec![5, 0]);
        unknown.set_criticality(true);
        unknown
    }];
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = odd.self_signed(&key).unwrap();
        for certificate in [certificate.der().clone(), as_version_1(certificate.der()).into()] {
            for version in [&version::TLS12, &version::TLS13] {
                let acceptor = server(certificate.clone(), &key, version);
                let sum = Fingerprint::sha256(&certificate).to_string();
                let pinned = CertificatePolicy::from_params(false, None, Some(&sum));
                let anything = CertificatePolicy::Trust(Trust::Anything);
                for policy in [anything, pinned, first_use(&directory.path().join(&sum))] {
                    let shown = session(&acceptor, &policy).await.unwrap();
                    assert_eq!(public_key_of(&shown), Some(key.der_bytes().to_vec()));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_host_that_is_none_is_told_before_a_byte_is_sent() {
    let acceptor = server(made(HOST).cert.der().clone(), &made(HOST).signing_key, &version::TLS13);
    let (ours, _theirs) = tokio::io::duplex(1 << 14);
    let policy = CertificatePolicy::Trust(Trust::Anything);
    assert!(matches!(connect(ours, "no host", 1, &policy).await, Err(TlsError::BadHost)));
    drop(acceptor);
}

/// The same certificate without version and extensions, as `openssl x509 -req` makes them. Its signature no longer
/// fits, and nobody looks.
fn as_version_1(certificate: &[u8]) -> Vec<u8> {
    let (outer, _) = value(certificate);
    let (fields, signed) = value(outer);
    let (_, after_version) = value(fields);
    let mut rest = after_version;
    for _ in 0..6 {
        rest = value(rest).1;
    }
    let kept = &after_version[..after_version.len() - rest.len()];
    wrap(&[&wrap(kept), signed].concat())
}

/// Content and what follows.
fn value(der: &[u8]) -> (&[u8], &[u8]) {
    let (header, length) = match der[1] {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        short => (2, usize::from(short)),
    };
    (&der[header..header + length], &der[header + length..])
}

fn wrap(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82], length.as_slice(), content].concat()
}
