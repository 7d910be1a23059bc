//! What a certificate says of itself, for people.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use rustls_pki_types::CertificateDer;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whom a certificate is for, who says so, and how long.
pub(crate) struct Facts {
    pub(crate) names: Vec<String>,
    pub(crate) issuer: String,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Facts {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self> {
        let read = x509_cert::Certificate::from_der(certificate).context("it is no X.509 certificate")?;
        let body = read.tbs_certificate();
        let dns = |name: &GeneralName| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            _ => None,
        };
        let names = match body.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(dns).collect(),
            _ => Vec::new(),
        };
        let validity = body.validity();
        Ok(Self {
            names,
            issuer: body.issuer().to_string(),
            not_before: validity.not_before.to_system_time(),
            not_after: validity.not_after.to_system_time(),
        })
    }

    /// Days that are left.
    ///
    /// # Errors
    /// It is not valid now; says what to do.
    pub(crate) fn days_left(&self, now: SystemTime) -> Result<u64> {
        if now < self.not_before {
            bail!("is not valid yet; correct this machine's clock, or wait");
        }
        match self.not_after.duration_since(now) {
            Ok(left) => Ok(left.as_secs() / DAY.as_secs()),
            Err(late) => bail!("expired {} days ago; renew it", late.duration().as_secs() / DAY.as_secs()),
        }
    }
}

/// Refuses a certificate that no client would take now.
pub(crate) fn refuse_out_of_date(chain: &[CertificateDer<'_>], path: &Path) -> Result<()> {
    let Some(first) = chain.first() else { bail!("there is no certificate in {}", path.display()) };
    let days = Facts::of(first).and_then(|facts| facts.days_left(SystemTime::now()));
    match days {
        Ok(_) => Ok(()),
        Err(error) => bail!("the certificate in {} {error:#}", path.display()),
    }
}
