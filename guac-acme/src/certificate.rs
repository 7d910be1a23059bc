//! A certificate chain with its key, as stored and as served.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::Ia5StringRef;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::AcmeError;

/// A chain and the key of its first certificate.
#[derive(Clone)]
pub struct Certificate {
    pem: SecretString,
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Certificate {
    /// Reads PEM with a private key and a chain, the server's own certificate first among certificates.
    ///
    /// # Errors
    /// [`AcmeError::Certificate`] if something is missing or key and certificate do not belong together.
    pub fn from_pem(pem: SecretString) -> Result<Self, AcmeError> {
        let wrong = |what: &str| AcmeError::Certificate(what.to_owned());
        let bytes = pem.expose_secret().as_bytes();
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| AcmeError::Certificate(error.to_string()))?;
        let private = PrivateKeyDer::from_pem_slice(bytes).map_err(|_| wrong("no private key in it"))?;
        let signing = any_supported_type(&private).map_err(|_| wrong("a private key of an unknown kind"))?;
        let first = chain.first().ok_or_else(|| wrong("no certificate in it"))?;
        let read =
            x509_cert::Certificate::from_der(first).map_err(|error| AcmeError::Certificate(error.to_string()))?;
        let body = read.tbs_certificate();
        let names = match body.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(dns_name).collect(),
            _ => Vec::new(),
        };
        let validity = body.validity();
        let (not_before, not_after) = (validity.not_before.to_system_time(), validity.not_after.to_system_time());
        let key = CertifiedKey::new(chain, signing);
        key.keys_match().map_err(|_| wrong("key and certificate do not belong together"))?;
        Ok(Self { pem, key: Arc::new(key), names, not_before, not_after })
    }

    /// What a TLS server serves.
    #[must_use]
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// As it was read.
    #[must_use]
    pub fn pem(&self) -> &SecretString {
        &self.pem
    }

    /// The domains it is for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// End of its life.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// When a third of its life is left.
    #[must_use]
    pub fn renew_at(&self) -> SystemTime {
        let life = self.not_after.duration_since(self.not_before).unwrap_or(Duration::ZERO);
        self.not_after.checked_sub(life / 3).unwrap_or(self.not_after)
    }

    /// Whether it is for all of `domains`.
    #[must_use]
    pub fn covers(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.names.iter().any(|name| name.eq_ignore_ascii_case(domain)))
    }
}

fn dns_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(Ia5StringRef::from(name).as_str().to_owned()),
        _ => None,
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn made(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2030, 1, 1), date_time_ymd(2030, 4, 1));
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn names_and_life_are_read_and_a_third_of_it_is_left_for_renewal() {
        let (certificate, key) = made(&["desk.example", "www.desk.example"]);
        let certificate = Certificate::from_pem(format!("{key}{certificate}").into()).unwrap();
        assert_eq!(certificate.names(), ["desk.example", "www.desk.example"]);
        assert!(certificate.covers(&["DESK.example".to_owned()]));
        assert!(!certificate.covers(&["desk.example".to_owned(), "other.example".to_owned()]));
        let left = certificate.not_after().duration_since(certificate.renew_at()).unwrap();
        assert_eq!(left, Duration::from_secs(30 * 24 * 60 * 60));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let ((certificate, _), (_, other)) = (made(&["a.example"]), made(&["a.example"]));
        for (pem, reason) in [
            (format!("{other}{certificate}"), "do not belong together"),
            (certificate, "no private key"),
            (other, "no certificate"),
        ] {
            let error = Certificate::from_pem(pem.into()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
