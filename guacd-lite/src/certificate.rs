//! The certificate of a listening port, which may change while it listens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::{MissedTickBehavior, interval};

/// How often files are looked at for a new certificate.
const RELOAD: Duration = Duration::from_secs(60);

/// Shows whatever certificate is in it.
pub(crate) struct Shown(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Shown {
    pub(crate) fn new(certificate: Arc<CertifiedKey>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(certificate)))
    }

    /// Shows another from the next handshake on.
    pub(crate) fn replace(&self, certificate: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// The first of its chain.
    #[cfg(test)]
    fn leaf(&self) -> CertificateDer<'static> {
        self.0.read().unwrap().cert[0].clone()
    }

    /// A server that shows it.
    pub(crate) fn server(self: &Arc<Self>, alpn: &[&[u8]]) -> Arc<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

/// A certificate and its key in PEM files. Whoever renews them writes both; what fits together is taken.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    pub(crate) fn new(certificate: &Path, key: &Path) -> Self {
        Self { certificate: certificate.to_owned(), key: key.to_owned() }
    }

    /// Reads both.
    pub(crate) fn read(&self) -> Result<Arc<CertifiedKey>> {
        let Self { certificate, key } = self;
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("cannot read certificates from {}", certificate.display()))?;
        let private = PrivateKeyDer::from_pem_file(key)
            .with_context(|| format!("cannot read a private key from {}", key.display()))?;
        let provider = CryptoProvider::get_default().context("there is no TLS provider")?;
        let certified = CertifiedKey::from_der(chain, private, provider)
            .with_context(|| format!("{} and {} do not belong together", certificate.display(), key.display()))?;
        Ok(Arc::new(certified))
    }

    /// Shows what is in the files now, if it is new and good.
    fn reload(&self, shown: &Shown) {
        match self.read() {
            Ok(read) => {
                let same = shown.0.read().unwrap_or_else(PoisonError::into_inner).cert == read.cert;
                if !same {
                    shown.replace(read);
                    tracing::info!(file = %self.certificate.display(), "New certificate");
                }
            }
            // Between the writing of one file and the other, for example.
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "The old certificate stays"),
        }
    }

    /// Shows what the files have, for ever.
    pub(crate) async fn follow(self, shown: Arc<Shown>) {
        let mut ticks = interval(RELOAD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let (files, shown) = (self.clone(), Arc::clone(&shown));
            // Two small local files; not worth a thread, but for slow disks.
            if let Err(error) = tokio::task::spawn_blocking(move || files.reload(&shown)).await {
                tracing::error!(%error, "The certificate files were not looked at");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path) -> Files {
        let made = rcgen::generate_simple_self_signed(vec!["desk.example".to_owned()]).unwrap();
        let files = Files::new(&dir.join("certificate.pem"), &dir.join("key.pem"));
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn new_files_are_taken_and_half_written_ones_are_not() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path());
        let shown = Shown::new(files.read().unwrap());
        let first = shown.leaf();
        let key = std::fs::read(&files.key).unwrap();
        write(dir.path());
        let new_key = std::fs::read(&files.key).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files.reload(&shown);
        assert_eq!(shown.leaf(), first);
        std::fs::write(&files.key, new_key).unwrap();
        files.reload(&shown);
        assert_ne!(shown.leaf(), first);
        std::fs::remove_file(&files.certificate).unwrap();
        files.reload(&shown);
        assert_ne!(shown.leaf(), first);
    }
}
