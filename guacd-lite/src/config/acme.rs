//! `[acme]`: certificates for the web port from a certificate authority.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use guac_acme::{AcmeConfig, Challenge};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

/// Where most certificates come from.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// See the example file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Acme {
    pub(crate) domains: Vec<String>,
    pub(crate) agree_terms: bool,
    pub(crate) email: Option<String>,
    pub(crate) directory: String,
    pub(crate) challenge: String,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            agree_terms: false,
            email: None,
            directory: LETS_ENCRYPT.to_owned(),
            challenge: Challenge::default().to_string(),
            ca_file: None,
        }
    }
}

impl Acme {
    /// What to ask of whom; `None`: there is nothing to ask for.
    pub(crate) fn wanted(&self) -> Result<Option<AcmeConfig>> {
        if self.domains.is_empty() {
            return Ok(None);
        }
        if !self.agree_terms {
            bail!("[acme]: agree_terms is false; read the terms of {} and set it to true", self.directory);
        }
        let contact = match self.email.as_deref() {
            None | Some("") => Vec::new(),
            Some(email) if email.contains('@') => vec![format!("mailto:{email}")],
            Some(email) => bail!("[acme]: email \"{email}\" is no address"),
        };
        let config = AcmeConfig {
            directory: self.directory.clone(),
            domains: self.domains.clone(),
            contact,
            terms_of_service_agreed: true,
            challenge: self.challenge.parse().context("[acme]: challenge")?,
            roots: self.ca_file.as_ref().map(roots).transpose()?,
        };
        config.validate().context("[acme]")?;
        Ok(Some(config))
    }
}

fn roots(path: &PathBuf) -> Result<RootCertStore> {
    let read = || format!("[acme]: cannot read certificates from {}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
        roots.add(certificate.with_context(read)?).with_context(read)?;
    }
    if roots.is_empty() {
        bail!("[acme]: {} has no certificate in it", path.display());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_the_setting_to_change() {
        let good = || Acme { domains: vec!["desk.example".to_owned()], agree_terms: true, ..Acme::default() };
        assert!(Acme::default().wanted().unwrap().is_none());
        let wanted = Acme { email: Some("ops@desk.example".to_owned()), ..good() }.wanted().unwrap().unwrap();
        assert_eq!(
            (wanted.contact.as_slice(), wanted.challenge),
            (&["mailto:ops@desk.example".to_owned()][..], Challenge::TlsAlpn01)
        );
        for (config, named) in [
            (Acme { agree_terms: false, ..good() }, "agree_terms"),
            (Acme { email: Some("nobody".to_owned()), ..good() }, "email"),
            (Acme { challenge: "dns-01".to_owned(), ..good() }, "challenge"),
            (Acme { directory: "http://ca.example".to_owned(), ..good() }, "https"),
            (Acme { domains: vec!["*.desk.example".to_owned()], ..good() }, "*.desk.example"),
            (Acme { ca_file: Some("/nowhere/ca.pem".into()), ..good() }, "/nowhere/ca.pem"),
        ] {
            let error = format!("{:#}", config.wanted().unwrap_err());
            assert!(error.contains(named), "{named}: {error}");
        }
    }
}
