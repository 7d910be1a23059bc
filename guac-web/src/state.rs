//! What all requests share.

use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use guac_auth_mysql::{LoginHistoryKey, Store, StoreError};
use guac_protocol::Status;
use guac_tunnel::{HttpTunnels, OwnerKey, Registry, SessionHost};
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Sessions, Throttle};
use crate::config::WebConfig;
use crate::events::TunnelListener;
use crate::peers::Peers;
use crate::readiness::Readiness;
use crate::seats::Seats;
use crate::shares::Shares;

/// How often idle logins are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Pauses before each further try to close a row of history. After the last one the row stays open until the next
/// start of the program closes it.
const CLOSE_RETRIES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(60)];

/// The application; clones share everything.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: WebConfig,
    pub(crate) store: Store,
    pub(crate) host: Arc<dyn SessionHost>,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: Throttle,
    pub(crate) registry: Registry,
    pub(crate) http_tunnels: HttpTunnels,
    pub(crate) seats: Arc<Seats>,
    pub(crate) shares: Shares,
    /// Told of tunnels that open and close.
    pub(crate) listener: OnceLock<Arc<dyn TunnelListener>>,
    /// The other nodes, in a cluster.
    pub(crate) peers: OnceLock<Peers>,
    pub(crate) tracker: TaskTracker,
    /// Whether new tunnels are taken.
    pub(crate) readiness: Readiness,
    /// Cancelled when everything ends: no new logins and tunnels are taken any more.
    pub(crate) draining: CancellationToken,
    runtime: Handle,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(config: WebConfig, store: Store, host: Arc<dyn SessionHost>) -> Self {
        let app = Self(Arc::new(Inner {
            sessions: Sessions::new(config.max_sessions),
            throttle: Throttle::default(),
            registry: Registry::new(config.max_tunnels),
            http_tunnels: HttpTunnels::new(config.tunnel_limits.clone()),
            seats: Arc::default(),
            shares: Shares::default(),
            listener: OnceLock::new(),
            peers: OnceLock::new(),
            tracker: TaskTracker::new(),
            readiness: Readiness::default(),
            draining: CancellationToken::new(),
            runtime: Handle::current(),
            config,
            store,
            host,
        }));
        let sweeper = app.clone();
        app.tracker.spawn(async move { sweeper.sweep().await });
        if let Some(cluster) = app.config.cluster.clone() {
            let app = app.clone();
            app.tracker.clone().spawn(async move { cluster.run(&app).await });
        }
        app
    }

    /// Ends idle logins, and those whose account may not be used any more, until draining begins.
    async fn sweep(&self) {
        let mut ticks = interval(SWEEP_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.draining.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if self.config.cluster.is_none() {
                self.end_idle();
            }
            for session in self.sessions.all() {
                let Some(user) = &session.user else { continue };
                let access = self.store.access(user.key, SystemTime::now()).await;
                if matches!(access, Err(StoreError::NotFound { .. })) {
                    self.end_session(session.key);
                }
            }
        }
    }

    fn end_idle(&self) {
        for session in self.sessions.remove_idle(self.config.session_idle, |key| self.registry.has_any_of(key)) {
            tracing::info!(username = session.username(), "Idle login ended");
            self.close_login(session.key, session.record);
        }
    }

    /// Ends a login with everything it has open. `false`: there was none.
    pub(crate) fn end_session(&self, key: OwnerKey) -> bool {
        let Some(session) = self.sessions.remove(key) else {
            return false;
        };
        let tunnels = self.registry.stop_owned_by(key, Status::SessionClosed);
        tracing::info!(username = session.username(), tunnels, "Login ended");
        self.close_login(key, session.record);
        true
    }

    /// Ends here what was ended on another node.
    pub(crate) fn forget_login(&self, key: OwnerKey) {
        if let Some(session) = self.sessions.remove(key) {
            let tunnels = self.registry.stop_owned_by(key, Status::SessionClosed);
            tracing::info!(username = session.username(), tunnels, "Login ended elsewhere");
        }
    }

    /// Writes down that a login is over.
    pub(crate) fn close_login(&self, key: OwnerKey, record: Option<LoginHistoryKey>) {
        match (&self.config.cluster, record) {
            (Some(cluster), _) => cluster.end_login(key),
            (None, Some(record)) => self.close_login_record(record),
            (None, None) => {}
        }
    }

    fn close_login_record(&self, key: LoginHistoryKey) {
        let (store, ended) = (self.store.clone(), SystemTime::now());
        self.persist("login", move || {
            let store = store.clone();
            async move { store.close_login_record(key, ended).await }
        });
    }

    /// Writes something down in the background, with patience: the end of a connection must not wait for a database.
    pub(crate) fn persist<F, W>(&self, what: &'static str, write: W)
    where
        W: Fn() -> F + Send + 'static,
        F: Future<Output = Result<(), StoreError>> + Send,
    {
        let draining = self.draining.clone();
        let task = async move {
            let mut pauses = CLOSE_RETRIES.iter();
            while let Err(error) = write().await {
                // While draining, one more try soon; the next start closes what is still open.
                let pause = pauses.next().filter(|_| !draining.is_cancelled());
                let Some(&pause) = pause else {
                    tracing::error!(%error, what, "History could not be closed");
                    return;
                };
                tracing::debug!(%error, what, "History not closed yet");
                tokio::select! {
                    () = sleep(pause) => {}
                    () = draining.cancelled() => {}
                }
            }
        };
        // Called from destructors, too, which may run outside a task.
        self.tracker.spawn_on(task, &self.runtime);
    }

    /// Stops taking anything new, tells all tunnels to end, and waits for all tasks, `grace` at most.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.draining.cancel();
        // A status that makes clients try again after a while: another node, or the next start, takes them.
        let tunnels = self.registry.stop_all(Status::UpstreamUnavailable);
        tracing::info!(tunnels, "Web application drains");
        // In a cluster the others go on with them.
        let ended = if self.config.cluster.is_none() { self.sessions.all() } else { Vec::new() };
        for session in ended {
            if self.sessions.remove(session.key).is_some() {
                self.close_login(session.key, session.record);
            }
        }
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.tracker.len(), "Tasks left after the grace period");
        }
    }
}
