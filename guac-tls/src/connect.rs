//! From a connected socket to a TLS session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::policy::{by_verifier, provider, system_roots};
use crate::verifier::{Accept, FirstUse, Verifier};
use crate::{CertificatePolicy, Fingerprint, KnownCertificates, KnownError, TlsError};

/// Makes a TLS session with the server on an established connection. The caller limits the time.
///
/// `host` and `port` are what the connection's settings say, not where a name led: the certificate is judged for, and
/// known under them.
///
/// # Errors
/// [`TlsError`]. A certificate that changed is written to the log with what to do about it.
///
/// # Cancel safety
/// Not cancel safe: the connection is lost with the future.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    host: &str,
    port: u16,
    policy: &CertificatePolicy,
) -> Result<TlsStream<S>, TlsError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::BadHost)?;
    let (config, first_use) = match policy {
        CertificatePolicy::Trust(trust) => (trust.client_config()?, None),
        CertificatePolicy::FirstUse(known) => {
            let first_use = Arc::new(prepare(known, host, port).await?);
            let config = by_verifier(Arc::new(Verifier::new(Accept::FirstUse(Arc::clone(&first_use)))))?;
            (config, Some((known, first_use)))
        }
    };
    let stream = TlsConnector::from(config).connect(name, socket).await.map_err(refused)?;
    if let Some((known, first_use)) = first_use
        && first_use.is_first.load(Ordering::Relaxed)
        && let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(<[_]>::first)
    {
        keep(known, &first_use.server, Fingerprint::sha256(certificate)).await?;
    }
    Ok(stream)
}

fn refused(error: std::io::Error) -> TlsError {
    let error = TlsError::from_handshake(error);
    match &error {
        TlsError::Changed(changed) => tracing::warn!(%changed, "Certificate of the server has changed"),
        TlsError::NotPinned { fingerprint } => {
            tracing::warn!(%fingerprint, "Certificate of the server is none of the configured ones");
        }
        _ => {}
    }
    error
}

async fn prepare(known: &KnownCertificates, host: &str, port: u16) -> Result<FirstUse, TlsError> {
    let server = KnownCertificates::server(host, port);
    let (file, name) = (known.clone(), server.clone());
    let found = on_disk(move || file.find(&name)).await?;
    // Without authorities, everything is judged by the first time.
    let authorities = match system_roots(&[]) {
        Ok(roots) => WebPkiServerVerifier::builder_with_provider(roots, provider()).build().ok(),
        Err(_) => None,
    };
    let path = known.path().to_owned();
    Ok(FirstUse { authorities, server, path, known: found, is_first: AtomicBool::new(false) })
}

async fn keep(known: &KnownCertificates, server: &str, fingerprint: Fingerprint) -> Result<(), TlsError> {
    let (file, name) = (known.clone(), server.to_owned());
    let kept = on_disk(move || file.keep(&name, &fingerprint)).await?;
    kept.map_err(|changed| {
        tracing::warn!(%changed, "Certificate of the server has changed");
        TlsError::Changed(Box::new(changed))
    })
}

/// Files may be slow: the session's thread does not wait for them.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KnownError> + Send + 'static,
) -> Result<T, TlsError> {
    let done = spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(KnownError::Io { source: std::io::Error::other(error) }));
    done.map_err(|source| {
        tracing::warn!(error = %source, "File of known certificates cannot be used");
        TlsError::Known { source }
    })
}
