//! Whom to trust.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::verifier::{Accept, Verifier};
use crate::{Fingerprint, KnownCertificates, TlsError};

/// How a certificate is judged by itself.
#[derive(Clone)]
pub enum Trust {
    /// Signed, for the host's name, by an authority that the operating system trusts, or by one of these.
    System {
        /// Authorities on top, in DER.
        extra: Vec<CertificateDer<'static>>,
    },
    /// Signed, for the host's name, by one of these authorities.
    Roots(Arc<RootCertStore>),
    /// By its fingerprint alone. An empty list accepts nothing.
    Pinned(Vec<Fingerprint>),
    /// Not at all: whoever sits between can read and change everything.
    Anything,
}

impl Trust {
    /// A configuration for TLS 1.2 and 1.3, without client certificates, with the `ring` provider whatever the
    /// process has installed.
    ///
    /// # Errors
    /// [`TlsError::NoRoots`] if nobody at all would be trusted, [`TlsError::Setup`] if an extra authority is broken.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        match self {
            Self::System { extra } => by_authority(system_roots(extra)?),
            Self::Roots(roots) => by_authority(Arc::clone(roots)),
            Self::Pinned(pinned) => by_verifier(Arc::new(Verifier::new(Accept::Pinned(pinned.clone())))),
            Self::Anything => by_verifier(Arc::new(Verifier::new(Accept::Anything))),
        }
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::System { extra: Vec::new() }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { extra } => f.debug_struct("System").field("extra", &extra.len()).finish(),
            Self::Roots(roots) => f.debug_tuple("Roots").field(&roots.len()).finish(),
            Self::Pinned(pinned) => f.debug_tuple("Pinned").field(pinned).finish(),
            Self::Anything => f.write_str("Anything"),
        }
    }
}

/// How the certificate of a desktop is judged, by itself or by what the desktop showed before.
#[derive(Clone, Debug)]
pub enum CertificatePolicy {
    /// By itself.
    Trust(Trust),
    /// Signed for the host's name by an authority that the operating system trusts, else the one of the first time.
    FirstUse(KnownCertificates),
}

impl CertificatePolicy {
    /// The policy of Guacamole's parameters `ignore-cert`, `cert-tofu` (as the file to keep certificates in, if it is
    /// on) and `cert-fingerprints` (a list with commas between). The strictest of those given wins: fingerprints, then
    /// the first use, then none. A fingerprint that does not parse matches nothing: a typo must not open the door.
    #[must_use]
    pub fn from_params(ignore: bool, first_use: Option<KnownCertificates>, fingerprints: Option<&str>) -> Self {
        match (fingerprints, first_use) {
            (Some(list), _) => Self::Trust(Trust::Pinned(Fingerprint::parse_list(list))),
            (None, Some(known)) => Self::FirstUse(known),
            (None, None) if ignore => Self::Trust(Trust::Anything),
            (None, None) => Self::Trust(Trust::default()),
        }
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

fn by_authority(roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|source| TlsError::Setup { source })?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

pub(crate) fn by_verifier(verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|source| TlsError::Setup { source })?;
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// The system's authorities and `extra`.
pub(crate) fn system_roots(extra: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, TlsError> {
    /// Read once: it costs milliseconds and a few hundred kilobytes. No authorities are not remembered: the
    /// administrator may be installing them.
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let system = SYSTEM.get().cloned().unwrap_or_else(|| {
        let read = Arc::new(read_system_roots());
        if read.is_empty() { read } else { Arc::clone(SYSTEM.get_or_init(|| read)) }
    });
    let roots = if extra.is_empty() {
        system
    } else {
        let mut roots = RootCertStore::clone(&system);
        for certificate in extra {
            roots.add(certificate.clone()).map_err(|source| TlsError::Setup { source })?;
        }
        Arc::new(roots)
    };
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

fn read_system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "Certificate authority not readable");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn verification_is_the_default_and_the_strictest_setting_wins() {
        let known = || Some(KnownCertificates::new(Path::new("known")));
        let sum = "00".repeat(32);
        let policy = |ignore, known, list| format!("{:?}", CertificatePolicy::from_params(ignore, known, list));
        assert_eq!(policy(false, None, None), "Trust(System { extra: 0 })");
        assert_eq!(policy(true, None, None), "Trust(Anything)");
        assert!(policy(true, known(), None).starts_with("FirstUse"));
        assert_eq!(policy(true, known(), Some(&sum)), format!("Trust(Pinned([Fingerprint(sha256:{sum})]))"));
    }

    #[test]
    fn a_fingerprint_with_a_typo_opens_nothing() {
        for typo in ["ab", &"ab".repeat(31), &"xy".repeat(32), ""] {
            let policy = CertificatePolicy::from_params(true, None, Some(typo));
            assert!(matches!(policy, CertificatePolicy::Trust(Trust::Pinned(list)) if list.is_empty()), "{typo}");
        }
    }
}
