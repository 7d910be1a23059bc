//! Where each port's certificate comes from, and who keeps it fresh.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use guac_acme::{Acme, Store as AcmeStore};

use crate::certificate::{Files, Shown};
use crate::config::Config;
use crate::listener::Tls;
use crate::x509;

/// A port's TLS.
#[derive(Default)]
pub(crate) struct PortTls {
    pub(crate) tls: Option<Tls>,
    pub(crate) acme: Option<Arc<Acme>>,
    /// Runs as long as the port is open: shows new certificates. It never ends by itself.
    pub(crate) renewal: Option<BoxFuture<'static, ()>>,
}

/// TLS of the web port: by files, by ACME, or none.
pub(crate) async fn web(config: &Config, store: Box<dyn AcmeStore>) -> Result<PortTls> {
    const ALPN: &[&[u8]] = &[b"http/1.1"];
    let Some(wanted) = config.acme.wanted()? else {
        return by_files(config.web.tls_certificate_file.as_ref(), config.web.tls_key_file.as_ref(), ALPN);
    };
    let acme = Arc::new(Acme::new(wanted, store).context("[acme]")?);
    let first = acme.first().await.context("[acme]")?;
    let shown = Shown::new(first.certified_key());
    let tls = Tls::new(shown.server(ALPN), Some(Arc::clone(&acme)));
    let running = Arc::clone(&acme);
    let renewal = async move { running.run(|certificate| shown.replace(certificate.certified_key())).await };
    Ok(PortTls { tls: Some(tls), acme: Some(acme), renewal: Some(renewal.boxed()) })
}

/// TLS by PEM files, if they are named.
pub(crate) fn by_files(certificate: Option<&PathBuf>, key: Option<&PathBuf>, alpn: &[&[u8]]) -> Result<PortTls> {
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(PortTls::default()) };
    let files = Files::new(certificate, key);
    let read = files.read()?;
    x509::refuse_out_of_date(&read.cert, certificate)?;
    let shown = Shown::new(read);
    let tls = Tls::new(shown.server(alpn), None);
    Ok(PortTls { tls: Some(tls), acme: None, renewal: Some(files.follow(shown).boxed()) })
}
