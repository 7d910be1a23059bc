//! Starts the parts in order and stops them in the opposite one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use guac_acme::FileStore;
use guac_auth_mysql::Store;
use guac_rdp::RdpBackend;
use guac_session::{Backend, Hub};
use guac_sftp::{FileHostKeys, HostKeyStore};
use guac_ssh::SshBackend;
use guac_tls::KnownCertificates;
use guac_tunnel::{GuacdTls, GuacdTlsError, GuacdVerify, SessionHost, TunnelLimits, serve_guacd};
use guac_vnc::VncBackend;
use guac_web::{GuacdResolver, NotReady, WebApp, WebConfig};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cluster::Joining;
use crate::config::{Config, GuacdListen, OutsideGuacd};
use crate::drain::{Drain, Live};
use crate::host::{GuacdPort, HubHost};
use crate::listener::{Listener, MAX_CONNECTIONS, Stream};
use crate::notify::Patience;
use crate::outside::OutsideGuacds;
use crate::redirect::Redirect;
use crate::signals::Stop;
use crate::tls;

/// How long the end takes at most, once it has begun. Docker waits no longer before it kills.
const END_GRACE: Duration = Duration::from_secs(10);

/// The part of it in which tunnels say goodbye. What is left is longer than a back end's time to close.
const TUNNELS_GRACE: Duration = Duration::from_secs(4);

/// A running server.
pub(crate) struct Server {
    web_url: String,
    web_address: SocketAddr,
    web_is_tls: bool,
    guacd_address: Option<SocketAddr>,
    work: Work,
    store: Store,
    /// Tasks that accept, and what else runs as long as they do.
    accepting: TaskTracker,
    stop_accepting: CancellationToken,
    drain: Drain,
    /// Held from the signal to the end.
    stopping: Option<NotReady>,
}

/// Who works here; for those who look after it.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) app: WebApp,
    pub(crate) hub: Hub,
    /// Tasks that serve one connection each.
    serving: TaskTracker,
}

impl Work {
    /// Who is connected.
    pub(crate) fn live(&self) -> Live {
        // A file that is passed on from another node is somebody's, too.
        let tunnels = self.app.registry().count() + self.app.passed_on();
        Live { sessions: self.hub.sessions().len(), tunnels }
    }

    /// Whether so many are connected that further ones may have to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.serving.len() >= MAX_CONNECTIONS
    }
}

/// Opens the database, ready for use.
pub(crate) async fn open_store(config: &Config) -> Result<Store> {
    make_private_dir(&config.data_dir)?;
    let store = Store::connect(&config.store()?).await.context("cannot open the database")?;
    store.migrate().await.context("cannot bring the database up to date")?;
    Ok(store)
}

/// Makes a directory that only we can enter; it holds the database.
fn make_private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(dir)
        .with_context(|| format!("cannot make the data directory {}; choose another with --data-dir", dir.display()))
}

fn web_config(config: &Config, secure_listener: bool) -> Result<WebConfig> {
    let mut web = WebConfig::default();
    web.secure_listener = secure_listener;
    web.base_path.clone_from(&config.web.base_path);
    web.allowed_origins.clone_from(&config.web.allowed_origins);
    web.session_idle = Duration::from_secs(config.web.session_timeout_min.saturating_mul(60));
    let networks = config
        .web
        .trusted_proxies
        .iter()
        .map(|text| text.parse().with_context(|| format!("[web]: trusted_proxies has \"{text}\"")));
    web.trusted_proxies = networks.collect::<Result<_>>()?;
    web.guacd_tls = outside_guacd_tls(&config.outside_guacd)?;
    Ok(web)
}

/// TLS for connections that name an outside guacd. A machine that trusts nobody refuses just those connections.
fn outside_guacd_tls(config: &OutsideGuacd) -> Result<Option<GuacdTls>> {
    let verify = match (&config.ca_file, config.verify) {
        (_, false) => GuacdVerify::Nothing,
        (None, true) => GuacdVerify::System,
        (Some(path), true) => {
            let mut roots = RootCertStore::empty();
            let read = || format!("[outside_guacd]: cannot read certificates from {}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
                roots.add(certificate.with_context(read)?).with_context(read)?;
            }
            GuacdVerify::Roots(roots)
        }
    };
    match GuacdTls::new(verify) {
        Ok(tls) => Ok(Some(tls)),
        Err(error @ GuacdTlsError::NoRoots) => {
            tracing::info!(%error, "No TLS towards outside guacds");
            Ok(None)
        }
        Err(error) => Err(error).context("[outside_guacd]"),
    }
}

impl Server {
    /// Starts everything. Connections are served from here on.
    pub(crate) async fn start(config: &Config, store: Store) -> Result<Self> {
        let closed = store.close_orphaned_records(SystemTime::now()).await.context("cannot close old history rows")?;
        if closed > 0 {
            tracing::info!(rows = closed, "Closed history rows that the last run left open");
        }
        let host_keys: Arc<dyn HostKeyStore> = Arc::new(FileHostKeys::new(config.data_dir.join("ssh_known_hosts")));
        let rdp = RdpBackend::new()
            .with_host_keys(Arc::clone(&host_keys))
            .with_known_certificates(KnownCertificates::new(config.data_dir.join("rdp_known_certificates")));
        let vnc = VncBackend::new().with_host_keys(Arc::clone(&host_keys));
        let backends: Vec<Box<dyn Backend>> = vec![Box::new(SshBackend::new(host_keys)), Box::new(vnc), Box::new(rdp)];
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let targets = config.targets()?;
        let hub = Hub::with_targets(backends, threads, targets.clone());
        let host: Arc<dyn SessionHost> = Arc::new(HubHost(hub.clone()));

        let joining = Joining::start(config, &store).await?;
        let acme_store = match &joining {
            Some(joining) => joining.acme_store(),
            None => Box::new(FileStore::new(config.data_dir.join("acme"))),
        };
        let web_tls = tls::web(config, acme_store).await?;
        let web = Listener::bind(config.web.listen, web_tls.tls).await?;
        let scheme = if web.is_tls() { "https" } else { "http" };
        let (web_address, web_is_tls) = (web.address()?, web.is_tls());
        let web_url = format!("{scheme}://{web_address}/");
        let mut app_config = web_config(config, web.is_tls())?;
        app_config.guacd_resolver = Some(GuacdResolver(Arc::new(OutsideGuacds(targets))));
        app_config.cluster = joining.as_ref().map(|joining| joining.cluster.clone());
        let app = WebApp::new(app_config, store.clone(), Arc::clone(&host));

        let redirect = match config.web.http_listen {
            None => None,
            Some(address) => {
                let redirect = Redirect::new(web_tls.acme, web.address()?.port());
                Some((Listener::bind(address, None).await?, redirect))
            }
        };
        let guacd_files = (config.guacd.tls_certificate_file.as_ref(), config.guacd.tls_key_file.as_ref());
        let guacd_tls = tls::by_files(guacd_files.0, guacd_files.1, &[])?;
        let guacd = match config.guacd.listen {
            GuacdListen::Off => None,
            GuacdListen::On(address) => Some(Listener::bind(address, guacd_tls.tls).await?),
        };
        let server = Self {
            web_url,
            web_address,
            web_is_tls,
            guacd_address: guacd.as_ref().map(Listener::address).transpose()?,
            work: Work { app, hub, serving: TaskTracker::new() },
            store,
            accepting: TaskTracker::new(),
            stop_accepting: CancellationToken::new(),
            drain: Drain {
                notice: Duration::from_secs(config.drain_notice_s),
                timeout: Duration::from_secs(config.drain_timeout_s),
            },
            stopping: None,
        };
        if let Some(peers) = joining.and_then(|joining| joining.serve(&server.work.app, server.work.serving.clone())) {
            server.beside(peers);
        }
        for renewal in [web_tls.renewal, guacd_tls.renewal].into_iter().flatten() {
            server.beside(renewal);
        }
        if let Some((listener, redirect)) = redirect {
            server.accept_plain(listener, redirect);
        }
        server.accept_web(web);
        if let Some(guacd) = guacd {
            let app = server.work.app.clone();
            server.accept_guacd(guacd, Arc::new(GuacdPort { host, app }));
        }
        Ok(server)
    }

    /// Address for a browser.
    pub(crate) fn web_url(&self) -> &str {
        &self.web_url
    }

    /// Address for gateways, if they may connect.
    pub(crate) fn guacd_address(&self) -> Option<SocketAddr> {
        self.guacd_address
    }

    /// Where the web port listens, and whether it speaks TLS.
    pub(crate) fn web_port(&self) -> (SocketAddr, bool) {
        (self.web_address, self.web_is_tls)
    }

    /// Who works here.
    pub(crate) fn work(&self) -> Work {
        self.work.clone()
    }

    /// Runs something beside, as long as connections are accepted.
    pub(crate) fn beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop_accepting.clone();
        self.accepting.spawn(async move { stop.run_until_cancelled(task).await });
    }

    fn accept_plain(&self, listener: Listener, redirect: Redirect) {
        let serve = move |stream, _| redirect.clone().serve(stream);
        self.accepting.spawn(listener.serve(self.work.serving.clone(), self.stop_accepting.clone(), serve));
    }

    fn accept_web(&self, listener: Listener) {
        let app = self.work.app.clone();
        let serve = move |stream, peer| {
            let app = app.clone();
            async move { app.serve_connection(stream, peer).await }
        };
        self.accepting.spawn(listener.serve(self.work.serving.clone(), self.stop_accepting.clone(), serve));
    }

    fn accept_guacd(&self, listener: Listener, host: Arc<dyn SessionHost>) {
        let serve = move |stream: Stream, peer: SocketAddr| {
            let host = Arc::clone(&host);
            async move {
                match serve_guacd(stream, host.as_ref(), &TunnelLimits::default()).await {
                    Ok(ended) => tracing::debug!(%peer, ?ended, "Gateway left"),
                    Err(error) => tracing::debug!(%peer, %error, "Gateway connection ended"),
                }
            }
        };
        self.accepting.spawn(listener.serve(self.work.serving.clone(), self.stop_accepting.clone(), serve));
    }

    /// Takes no new sessions, and waits until nobody works here any more, the time to drain is over, or the next signal
    /// comes. All else is served.
    pub(crate) async fn drain(&mut self, stop: &mut Stop) {
        self.stopping = Some(self.work.app.not_ready("stopping"));
        let Live { sessions, tunnels } = self.work.live();
        let (timeout_s, notice_s) = (self.drain.timeout.as_secs(), self.drain.notice.as_secs());
        tracing::info!(sessions, tunnels, timeout_s, notice_s, "Draining");
        let mut patience = Patience::default();
        tokio::select! {
            left = self.drain.wait(|| self.work.live(), |left| patience.ask(left, END_GRACE)) => {
                tracing::info!(sessions = left.sessions, tunnels = left.tunnels, "Drained");
            }
            _ = stop.received() => tracing::info!("Another signal ends the draining"),
        }
    }

    /// Stops in order: no new connections, users told to come again, sessions closed, history closed, database closed.
    /// Whatever does not end within the grace is dropped.
    pub(crate) async fn stop(self) {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let (sessions, connections) = (self.work.hub.sessions().len(), self.work.serving.len());
        tracing::info!(sessions, connections, tasks, "Stopping");
        self.stop_accepting.cancel();
        self.accepting.close();
        self.work.serving.close();
        let drained = async {
            self.work.app.drain(TUNNELS_GRACE).await;
            self.work.hub.shutdown().await;
            self.accepting.wait().await;
            self.work.serving.wait().await;
        };
        if tokio::time::timeout(END_GRACE, drained).await.is_err() {
            tracing::warn!(sessions = self.work.hub.sessions().len(), "Not everything ended in time");
        }
        self.store.close().await;
        tracing::info!("Stopped");
    }
}
