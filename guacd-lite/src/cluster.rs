//! This node among others: its place in the database, and the port where they reach it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use guac_acme::{Store as AcmeStore, StoreError as AcmeStoreError};
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

    /// Where the nodes keep the account and certificate of ACME.
    pub(crate) fn acme_store(&self) -> Box<dyn AcmeStore> {
        Box::new(SharedValues(self.cluster.clone()))
    }

    /// Serves the other nodes until it is dropped. Their connections are counted in `serving`.
    pub(crate) fn serve(self, app: &WebApp, serving: TaskTracker) -> Option<impl Future<Output = ()> + Send + 'static> {
        let port = app.join_peers(self.identity, Arc::new(self.cluster))?;
        Some(accept(self.listener, port, serving))
    }
}

/// Named values in the cluster's database, sealed by its secret: the database alone reads and forges none.
struct SharedValues(Cluster);

/// Keeps names of ACME apart from those of others.
fn name_of(name: &str) -> String {
    format!("acme {name}")
}

/// What holds the right to order.
const ORDERING: &str = "acme lock";

impl AcmeStore for SharedValues {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, AcmeStoreError>> {
        async move {
            let name = name_of(name);
            // What does not open is not ours, and is ordered anew.
            let sealed = self.0.store().value(&name).await?;
            Ok(sealed.and_then(|sealed| self.0.unseal(&name, &sealed)))
        }
        .boxed()
    }

    fn save<'a>(&'a self, name: &'a str, value: &'a [u8]) -> BoxFuture<'a, Result<(), AcmeStoreError>> {
        async move {
            let name = name_of(name);
            let sealed = self.0.seal(&name, value)?;
            Ok(self.0.store().set_value(&name, Some(&sealed)).await?)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), AcmeStoreError>> {
        async move { Ok(self.0.store().set_value(&name_of(name), None).await?) }.boxed()
    }

    fn lock(&self, lease: Duration) -> BoxFuture<'_, Result<bool, AcmeStoreError>> {
        async move { Ok(self.0.store().lock(ORDERING, lease).await?) }.boxed()
    }

    fn unlock(&self) -> BoxFuture<'_, Result<(), AcmeStoreError>> {
        async move { Ok(self.0.store().unlock(ORDERING).await?) }.boxed()
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

#[cfg(test)]
mod tests {
    use guac_auth_mysql::StoreConfig;
    use guac_web::ClusterConfig;

    use super::*;

    async fn values(store: &Store, secret: &str) -> SharedValues {
        let secret = secret.repeat(32).into();
        let config = ClusterConfig { name: "one".into(), secret, lease: ClusterConfig::DEFAULT_LEASE };
        SharedValues(Cluster::join(store.clone(), config).await.unwrap())
    }

    #[tokio::test]
    async fn nodes_share_what_acme_keeps_and_the_database_reads_none_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::connect(&StoreConfig::sqlite(&dir.path().join("store.db"))).await.unwrap();
        let (one, two, other) = (values(&store, "s").await, values(&store, "s").await, values(&store, "t").await);
        one.save("key", b"canary").await.unwrap();
        assert_eq!(two.load("key").await.unwrap().as_deref(), Some(&b"canary"[..]));
        assert_eq!(other.load("key").await.unwrap(), None, "without the secret");
        let raw = two.0.store().value("acme key").await.unwrap().unwrap();
        assert!(!raw.windows(6).any(|window| window == b"canary"));
        assert!(one.lock(Duration::from_secs(60)).await.unwrap() && !two.lock(Duration::from_secs(60)).await.unwrap());
        one.unlock().await.unwrap();
        assert!(two.lock(Duration::from_secs(60)).await.unwrap());
        two.remove("key").await.unwrap();
        assert_eq!(one.load("key").await.unwrap(), None);
    }
}
