//! This node among others: its place in the database, and the port where they reach it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use guac_auth_mysql::Store;
use guac_web::{Cluster, PeerIdentity, PeerPort, WebApp};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::Config;

/// Connections of other nodes at once: each keeps some for what it passes on and one for each session it joins.
const MAX_CONNECTIONS: usize = 4096;

/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A node that is about to take part.
pub(crate) struct Joining {
    pub(crate) cluster: Cluster,
    listener: TcpListener,
    identity: PeerIdentity,
}

impl Joining {
    /// Opens the port and finds the place. `None`: there are no other nodes.
    pub(crate) async fn start(config: &Config, store: &Store) -> Result<Option<Self>> {
        let Some((listen, cluster_config)) = config.cluster.wanted()? else { return Ok(None) };
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("[cluster]: cannot listen on {listen}"))?;
        let identity = PeerIdentity::generate().context("[cluster]: cannot make a certificate")?;
        let cluster = Cluster::join(store.clone(), cluster_config).await.context("[cluster]")?;
        let address = match &config.cluster.address {
            Some(address) => address.clone(),
            None => listener.local_addr().context("[cluster]: the port has no address")?.to_string(),
        };
        cluster.announce(identity.certificate_sum(), &address);
        tracing::info!(node = cluster.node_id(), address, "Takes part in a cluster");
        Ok(Some(Self { cluster, listener, identity }))
    }

    /// Serves the other nodes until it is dropped. Their connections are counted in `serving`.
    pub(crate) fn serve(self, app: &WebApp, serving: TaskTracker) -> Option<impl Future<Output = ()> + Send + 'static> {
        let port = app.join_peers(self.identity, Arc::new(self.cluster))?;
        Some(accept(self.listener, port, serving))
    }
}

async fn accept(listener: TcpListener, port: PeerPort, serving: TaskTracker) {
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let port = Arc::new(port);
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, address)) => {
                let port = Arc::clone(&port);
                serving.spawn(async move {
                    port.serve(stream, address).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "Connection of a node not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
