//! The web side of a jump server: logins, the REST interface, tunnels for browsers, and the web application's files.
//!
//! A [`WebApp`] is an axum router over a [`Store`], which says who may do what, and a
//! [`SessionHost`], which opens sessions. It speaks the interface of Apache Guacamole 1.6, so that its clients work
//! unchanged, and serves a web application of its own, for which it adds one thing: a client that sends the header
//! `Guacamole-Cookie: 1` gets its login as a cookie that no script can read.
//!
//! All tasks belong to the application: [`WebApp::drain`] ends the tunnels, closes the history and waits for all of
//! them. Before that, or for a while, [`WebApp::not_ready`] keeps new tunnels away and leaves live ones alone. Listening, TLS and signals are the embedder's; [`WebApp::serve_connection`] is HTTP with deadlines and limits
//! over any stream it accepts.
//!
//! ```no_run
//! # async fn example(
//! #     store: guac_auth_mysql::Store,
//! #     host: std::sync::Arc<dyn guac_tunnel::SessionHost>,
//! # ) -> std::io::Result<()> {
//! use std::time::Duration;
//!
//! use guac_web::{WebApp, WebConfig};
//!
//! let app = WebApp::new(WebConfig::default(), store, host);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let (stream, peer) = listener.accept().await?;
//! app.serve_connection(stream, peer).await;
//! app.drain(Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Specification
//! Guacamole manual, "guacamole-ext" and "REST API"; the stock web application's `org.apache.guacamole.rest` and
//! `org.apache.guacamole.tunnel` packages.
#![forbid(unsafe_code)]

mod assets;
mod auth;
mod client;
mod cluster;
mod config;
mod connect;
mod error;
mod events;
mod headers;
mod health;
mod http_tunnel;
mod peers;
mod readiness;
mod rest;
mod row;
mod seats;
mod serve;
mod shares;
mod socket;
mod state;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing::{any, get};
use guac_auth_mysql::Store;
use guac_tunnel::{Registry, SessionHost};

pub use cluster::{Cluster, ClusterConfig, ClusterError};
pub use config::{Concurrency, GuacdResolver, Network, NotANetwork, WebConfig};
pub use events::{TunnelListener, Veto};
pub use peers::{CertificateSum, IdentityError, Peer, PeerDirectory, PeerIdentity, PeerPort};
pub use readiness::NotReady;

use crate::peers::Peers;
use crate::state::App;

/// The web application. Cheap to clone: clones share everything.
#[derive(Clone)]
pub struct WebApp {
    app: App,
    router: Router,
}

impl WebApp {
    /// An application over this database and these sessions. The schema must be there and orphaned history closed.
    ///
    /// # Panics
    /// Outside a tokio runtime: it starts a task that ends idle logins.
    #[must_use]
    pub fn new(config: WebConfig, store: Store, host: Arc<dyn SessionHost>) -> Self {
        let app = App::new(config, store, host);
        let router = router(&app);
        Self { app, router }
    }

    /// The application as a service. Requests should carry `ConnectInfo<SocketAddr>`; without it the browser's
    /// address is unknown, and no proxy is trusted.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Tells a listener of every tunnel from now on. There is one; `false`: it is there already.
    pub fn listen(&self, listener: Arc<dyn TunnelListener>) -> bool {
        self.app.listener.set(listener).is_ok()
    }

    /// Makes it one of several nodes: requests for tunnels of the others are passed on, and the port serves what they
    /// pass on to this one. `None`: it is one already.
    pub fn join_peers(&self, identity: PeerIdentity, directory: Arc<dyn PeerDirectory>) -> Option<PeerPort> {
        let peers = Peers::new(&self.app, identity, directory);
        self.app.peers.set(peers.clone()).ok()?;
        Some(PeerPort::new(self.clone(), peers))
    }

    /// Where the sessions of another node are joined; it opens nothing else. `None` before
    /// [`join_peers`](Self::join_peers).
    #[must_use]
    pub fn peer_host(&self, peer: Peer) -> Option<Arc<dyn SessionHost>> {
        self.app.peers.get().map(|peers| peers.host(vec![peer]))
    }

    /// Requests that are being passed on to other nodes, with their answers: files on their way, mostly.
    #[must_use]
    pub fn passed_on(&self) -> usize {
        self.app.peers.get().map_or(0, Peers::passed_on)
    }

    /// The live tunnels.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.app.registry
    }

    /// Takes no new tunnels while the guard lives: they are refused with a status that makes clients try again, for
    /// which a balancer takes them elsewhere, since `/readyz` fails and says why. Joining a session that lives here is
    /// no new one. Everything else is served, and live tunnels do not notice. The reason is read by operators, as in
    /// "maintenance: Reboot". Several guards may live at once; ready again is after the last.
    pub fn not_ready(&self, reason: impl Into<Cow<'static, str>>) -> NotReady {
        self.app.readiness.hold(reason.into())
    }

    /// Whether new tunnels are taken: nobody holds a [`NotReady`], and it does not drain.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.app.readiness.is_ready() && !self.app.draining.is_cancelled()
    }

    /// Why it takes no new tunnels, the oldest reason first; empty while it does.
    #[must_use]
    pub fn reasons_not_ready(&self) -> Vec<Cow<'static, str>> {
        self.app.readiness.reasons()
    }

    /// Takes no new logins and tunnels, tells all tunnels to end with a status that makes clients come again, closes
    /// all history, and waits until all tasks are done, `grace` at most. `/readyz` fails from the first moment on.
    ///
    /// # Cancel safety
    /// Cancelled, it drains on without anybody waiting.
    pub async fn drain(&self, grace: Duration) {
        self.app.drain(grace).await;
    }
}

impl fmt::Debug for WebApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebApp").field("registry", &self.app.registry).finish_non_exhaustive()
    }
}

fn router(app: &App) -> Router {
    let pages = Router::new()
        .nest("/api", rest::router(&app.config))
        .route("/websocket-tunnel", any(socket::websocket_tunnel))
        .route("/tunnel", get(http_tunnel::http_tunnel).post(http_tunnel::http_tunnel))
        .fallback(assets::file);
    let base = app.config.base_path.trim_end_matches('/').to_owned();
    let site = if base.is_empty() {
        pages
    } else {
        // The page's addresses are relative, so the folder needs its slash.
        let folder = format!("{base}/");
        Router::new().route(&base, get(async move || Redirect::permanent(&folder))).nest(&format!("{base}/"), pages)
    };
    let secure_listener = app.config.secure_listener;
    site.route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .layer(from_fn_with_state(app.clone(), peers::forward))
        .layer(from_fn_with_state(app.clone(), readiness::let_go))
        .layer(from_fn(move |request, next| headers::finish(secure_listener, request, next)))
        .with_state(app.clone())
}
