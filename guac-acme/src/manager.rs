//! Keeps a certificate fresh, together with the other nodes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::issue::{answer_certificate, answer_name, issue, stopgap};
use crate::schedule::Failures;
use crate::store::Store;
use crate::{AcmeError, Certificate};

/// How often the store is looked into for what another node has got.
const POLL: Duration = Duration::from_secs(60);

/// How long one order may keep other nodes from ordering.
const LEASE: Duration = Duration::from_secs(300);

/// Questions answered at once. Anybody may ask, and each costs a look into the store.
const MAX_QUESTIONS: usize = 8;

/// Longest token, or domain, that is looked for.
const MAX_NAME: usize = 128;

/// Names of the values.
const CERTIFICATE: &str = "certificate";
const FAILURES: &str = "failures";

/// How the authority checks that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Challenge {
    /// By TLS on port 443 (RFC 8737): needs no other port.
    #[default]
    TlsAlpn01,
    /// By HTTP on port 80 (RFC 8555 §8.3).
    Http01,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        })
    }
}

impl FromStr for Challenge {
    type Err = AcmeError;

    fn from_str(text: &str) -> Result<Self, AcmeError> {
        match text {
            "tls-alpn-01" => Ok(Self::TlsAlpn01),
            "http-01" => Ok(Self::Http01),
            _ => Err(AcmeError::Config(format!("\"{text}\" is neither tls-alpn-01 nor http-01"))),
        }
    }
}

/// What to ask of whom.
#[derive(Debug, Clone)]
pub struct AcmeConfig {
    /// Address of the authority's directory.
    pub directory: String,
    /// Names for the certificate.
    pub domains: Vec<String>,
    /// Addresses for the authority to write to, such as `mailto:ops@example.com`.
    pub contact: Vec<String>,
    /// Whether its terms of service are agreed to. Public authorities insist.
    pub terms_of_service_agreed: bool,
    /// How it checks names.
    pub challenge: Challenge,
    /// Authorities to trust for `directory`; `None`: the system's.
    pub roots: Option<RootCertStore>,
}

impl AcmeConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`AcmeError::Config`].
    pub fn validate(&self) -> Result<(), AcmeError> {
        let wrong = |what: String| Err(AcmeError::Config(what));
        if self.domains.is_empty() {
            return wrong("no domain to get a certificate for".to_owned());
        }
        for domain in &self.domains {
            let label = |label: &str| {
                !label.is_empty() && label.len() < 64 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            };
            if domain.starts_with("*.") {
                return wrong(format!("{domain}: names with * are checked by DNS only, which is not supported"));
            }
            if domain.len() > MAX_NAME || !domain.contains('.') || !domain.split('.').all(label) {
                return wrong(format!("\"{domain}\" is not the full name of a host"));
            }
        }
        if !self.directory.starts_with("https://") {
            return wrong(format!("the directory \"{}\" is not an https address", self.directory));
        }
        Ok(())
    }

    /// What a certificate depends on.
    fn asked(&self) -> String {
        format!("{} {} {}", self.directory, self.challenge, self.domains.join(" "))
    }
}

/// Certificates by ACME.
pub struct Acme {
    config: AcmeConfig,
    store: Box<dyn Store>,
    questions: Semaphore,
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acme").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Acme {
    /// Nothing happens before [`run`](Self::run).
    ///
    /// # Errors
    /// [`AcmeError::Config`].
    pub fn new(config: AcmeConfig, store: Box<dyn Store>) -> Result<Self, AcmeError> {
        config.validate()?;
        Ok(Self { config, store, questions: Semaphore::new(MAX_QUESTIONS) })
    }

    /// What to serve before [`run`](Self::run) has handed over anything: what lies in the store, or else a certificate
    /// that nobody trusts.
    ///
    /// # Errors
    /// [`AcmeError::Store`]; [`AcmeError::Certificate`] if none can be made.
    pub async fn first(&self) -> Result<Certificate, AcmeError> {
        match self.stored().await? {
            Some(certificate) => Ok(certificate),
            None => stopgap(self.config.domains.first().map_or("localhost", String::as_str)),
        }
    }

    /// Gets a certificate, and a new one in time, for ever. Each goes to `install`, those that other nodes got, too.
    /// What fails is logged and tried again.
    pub async fn run(&self, install: impl Fn(&Certificate) + Send + Sync) {
        let mut installed: Option<Certificate> = None;
        loop {
            if let Err(error) = self.step(&mut installed, &install).await {
                let left = installed.as_ref().and_then(|it| it.not_after().duration_since(SystemTime::now()).ok());
                match left {
                    Some(left) => {
                        let days_left = left.as_secs() / 86_400;
                        tracing::warn!(%error, days_left, "The certificate could not be renewed");
                    }
                    None => tracing::error!(%error, "There is no valid certificate"),
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn step(
        &self,
        installed: &mut Option<Certificate>,
        install: &(impl Fn(&Certificate) + Send + Sync),
    ) -> Result<(), AcmeError> {
        let mut take = |certificate: Certificate| {
            let same = |old: &Certificate| old.pem().expose_secret() == certificate.pem().expose_secret();
            if !installed.as_ref().is_some_and(same) {
                install(&certificate);
                *installed = Some(certificate);
            }
        };
        if let Some(certificate) = self.stored().await? {
            let due = self.due(&certificate);
            take(certificate);
            if !due {
                return Ok(());
            }
        }
        let asked = self.config.asked();
        let failures = || async { Ok::<_, AcmeError>(Failures::read(self.store.load(FAILURES).await?, &asked)) };
        if !failures().await?.over(SystemTime::now()) || !self.store.lock(LEASE).await? {
            return Ok(());
        }
        // Another node may have been here before us.
        let ordered = match self.stored().await? {
            Some(certificate) if !self.due(&certificate) => Ok(certificate),
            _ => self.order(failures().await?).await,
        };
        if let Err(error) = self.store.unlock().await {
            tracing::debug!(%error, "The right to order runs out by itself");
        }
        take(ordered?);
        Ok(())
    }

    async fn order(&self, mut failures: Failures) -> Result<Certificate, AcmeError> {
        let domains = self.config.domains.join(", ");
        tracing::info!(domains, directory = self.config.directory, "Ordering a certificate");
        match issue(&self.config, self.roots()?, self.store.as_ref()).await {
            Ok(certificate) => {
                self.store.save(CERTIFICATE, certificate.pem().expose_secret().as_bytes()).await?;
                self.store.remove(FAILURES).await?;
                tracing::info!(domains, "Certificate issued");
                Ok(certificate)
            }
            Err(error) => {
                failures.add(SystemTime::now());
                self.store.save(FAILURES, &failures.stored()).await?;
                let minutes = failures.pause().as_secs() / 60;
                tracing::info!(minutes, "The next order waits");
                Err(error)
            }
        }
    }

    fn due(&self, certificate: &Certificate) -> bool {
        !certificate.covers(&self.config.domains) || certificate.renew_at() <= SystemTime::now()
    }

    /// The certificate in the store. One that cannot be read is as good as none.
    async fn stored(&self) -> Result<Option<Certificate>, AcmeError> {
        let Some(stored) = self.store.load(CERTIFICATE).await? else { return Ok(None) };
        let read = String::from_utf8(stored).map_err(|_| AcmeError::Certificate("it is not text".to_owned()));
        match read.and_then(|pem| Certificate::from_pem(SecretString::from(pem))) {
            Ok(certificate) => Ok(Some(certificate)),
            Err(error) => {
                tracing::warn!(%error, "The stored certificate is of no use");
                Ok(None)
            }
        }
    }

    fn roots(&self) -> Result<RootCertStore, AcmeError> {
        if let Some(roots) = &self.config.roots {
            return Ok(roots.clone());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let missing = "this machine trusts nobody; install ca-certificates or name a file of authorities";
            return Err(AcmeError::Config(missing.to_owned()));
        }
        Ok(roots)
    }

    /// Answers a handshake with the protocol [`ALPN`](crate::ALPN) for a server name; `None`: nobody should be asking.
    pub async fn tls_answer(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        let known = self.config.domains.iter().find(|domain| domain.eq_ignore_ascii_case(server_name))?;
        let answer = self.answer(Challenge::TlsAlpn01, &known.to_ascii_lowercase()).await?;
        answer_certificate(known, &answer).ok().map(Arc::new)
    }

    /// Answers a request for [`HTTP_PATH`](crate::HTTP_PATH) and a token; `None`: not found.
    pub async fn http_answer(&self, token: &str) -> Option<String> {
        let fair = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if token.is_empty() || token.len() > MAX_NAME || !token.bytes().all(fair) {
            return None;
        }
        String::from_utf8(self.answer(Challenge::Http01, token).await?).ok()
    }

    async fn answer(&self, challenge: Challenge, about: &str) -> Option<Vec<u8>> {
        if self.config.challenge != challenge {
            return None;
        }
        // Beyond it: whoever asks so often is not the authority, which asks again.
        let _question = self.questions.try_acquire().ok()?;
        match self.store.load(&answer_name(challenge, about)).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "The authority's question cannot be answered");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileStore;

    fn config(domain: &str) -> AcmeConfig {
        AcmeConfig {
            directory: "https://ca.example/dir".to_owned(),
            domains: vec![domain.to_owned()],
            contact: Vec::new(),
            terms_of_service_agreed: true,
            challenge: Challenge::Http01,
            roots: None,
        }
    }

    #[test]
    fn names_that_no_authority_can_check_are_refused() {
        for (domain, reason) in [
            ("*.desk.example", "DNS"),
            ("desk", "full name"),
            ("", "full name"),
            ("desk..example", "full name"),
            ("desk.example/x", "full name"),
            ("../account.", "full name"),
        ] {
            let error = config(domain).validate().unwrap_err().to_string();
            assert!(error.contains(reason), "{domain}: {error}");
        }
        config("desk.example").validate().unwrap();
        let plain = AcmeConfig { directory: "http://ca.example".to_owned(), ..config("desk.example") };
        assert!(plain.validate().is_err());
    }

    #[tokio::test]
    async fn only_answers_are_told_to_strangers() {
        let dir = tempfile::tempdir().unwrap();
        let files = || Box::new(FileStore::new(dir.path().to_owned()));
        files().save("account", b"private").await.unwrap();
        files().save("http-token_1", b"token_1.thumb").await.unwrap();
        let acme = Acme::new(config("desk.example"), files()).unwrap();
        assert_eq!(acme.http_answer("token_1").await.as_deref(), Some("token_1.thumb"));
        for token in ["", "token_2", "../account", "token.1", "%2e%2e", &"a".repeat(129)] {
            assert_eq!(acme.http_answer(token).await, None, "{token}");
        }
        assert!(acme.tls_answer("desk.example").await.is_none());
    }

    #[tokio::test]
    async fn before_the_first_order_a_stopgap_is_served() {
        let dir = tempfile::tempdir().unwrap();
        let acme = Acme::new(config("desk.example"), Box::new(FileStore::new(dir.path().to_owned()))).unwrap();
        let first = acme.first().await.unwrap();
        assert_eq!(first.names(), ["desk.example"]);
        assert!(acme.stored().await.unwrap().is_none());
    }
}
