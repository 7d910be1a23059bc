//! Tunnels and links, on whichever node they live.

use std::collections::HashSet;
use std::sync::Arc;

use guac_auth_mysql::cluster::{ClusterShare, ClusterTunnel};
use guac_auth_mysql::{Access, StoreError};
use guac_protocol::{Status, TunnelUuid};
use guac_tunnel::{OwnerKey, SessionHost, TunnelInfo};
use sha2::{Digest as _, Sha256};

use super::Cluster;
use crate::shares::{MAX_LINKS, Share, ShareKey};
use crate::state::App;

/// `None`: a node of another version wrote it.
fn info(tunnel: ClusterTunnel) -> Option<TunnelInfo> {
    Some(TunnelInfo {
        uuid: tunnel.uuid.parse().ok()?,
        owner: OwnerKey(tunnel.login),
        data_source: tunnel.data_source,
        connection_identifier: tunnel.connection.to_string(),
        protocol: tunnel.protocol,
        connection_id: tunnel.session?.parse().ok()?,
        joined: tunnel.joined,
        start: tunnel.started,
        remote_host: tunnel.remote_host,
        username: tunnel.username,
    })
}

/// What is written down of a link.
pub(crate) fn share_hash(key: &ShareKey) -> [u8; 32] {
    Sha256::digest(key.expose()).into()
}

impl Cluster {
    /// Makes a link to a tunnel of any node. `None`: the tunnel is over. `Some(false)`: it has too many.
    pub(crate) async fn offer(
        &self,
        key: &ShareKey,
        tunnel: &TunnelUuid,
        share: ClusterShare,
    ) -> Result<Option<bool>, StoreError> {
        self.0.store.offer_share(&share_hash(key), &tunnel.to_string(), share, MAX_LINKS).await
    }
}

impl App {
    /// All live tunnels, the oldest first. Those of other nodes as far as the database tells.
    pub(crate) async fn live_tunnels(&self) -> Result<Vec<TunnelInfo>, StoreError> {
        let Some(cluster) = &self.config.cluster else { return Ok(self.registry.list()) };
        Ok(cluster.0.store.tunnels(None).await?.into_iter().filter_map(info).collect())
    }

    /// Those of one login.
    pub(crate) async fn live_tunnels_of(&self, owner: OwnerKey) -> Result<Vec<TunnelInfo>, StoreError> {
        let Some(cluster) = &self.config.cluster else { return Ok(self.registry.owned_by(owner)) };
        Ok(cluster.0.store.tunnels(Some(&owner.0)).await?.into_iter().filter_map(info).collect())
    }

    /// The names of all live tunnels.
    pub(crate) async fn live_uuids(&self) -> Result<HashSet<String>, StoreError> {
        Ok(self.live_tunnels().await?.into_iter().map(|tunnel| tunnel.uuid.to_string()).collect())
    }

    /// A live tunnel; one of this node without the database.
    pub(crate) async fn live_tunnel(&self, uuid: &TunnelUuid) -> Result<Option<TunnelInfo>, StoreError> {
        match (self.registry.info(uuid), &self.config.cluster) {
            (None, Some(cluster)) => Ok(cluster.0.store.tunnel(&uuid.to_string()).await?.and_then(info)),
            (here, _) => Ok(here),
        }
    }

    /// Ends a tunnel: here at once, elsewhere within moments.
    pub(crate) async fn stop_tunnel(&self, uuid: &TunnelUuid) -> Result<(), StoreError> {
        if !self.registry.stop(uuid, Status::SessionClosed)
            && let Some(cluster) = &self.config.cluster
        {
            cluster.0.store.stop_tunnel(&uuid.to_string()).await?;
        }
        Ok(())
    }

    /// Where the session of a tunnel is that is not here. `None`: it is not to be reached.
    pub(crate) async fn host_elsewhere(&self, live: &TunnelInfo) -> Result<Option<Arc<dyn SessionHost>>, StoreError> {
        let (Some(cluster), Some(peers)) = (&self.config.cluster, self.peers.get()) else { return Ok(None) };
        let nodes = match live.joined {
            // Whoever opened it may have left, and whoever joined may be anywhere: one of them has it.
            true => cluster.peers().await,
            false => cluster.find_owner(&live.uuid).await?.into_iter().collect(),
        };
        Ok((!nodes.is_empty()).then(|| peers.host(nodes)))
    }

    /// What a link leads to, with the parameters that its profile has now.
    pub(crate) async fn find_share(&self, key: &ShareKey) -> Result<Option<Arc<Share>>, StoreError> {
        let Some(cluster) = &self.config.cluster else { return Ok(self.shares.find(key)) };
        if !key.is_sound() {
            return Ok(None);
        }
        let Some((tunnel, share)) = cluster.0.store.share(&share_hash(key)).await? else { return Ok(None) };
        let Ok(tunnel) = tunnel.parse() else { return Ok(None) };
        let operator = Access::operator();
        let profile = self.store.sharing_profile_to_share(&operator, share.profile).await;
        let connection = self.store.connection_to_open(&operator, share.connection).await;
        match (connection, profile) {
            (Ok((connection, _)), Ok((profile, parameters))) => {
                Ok(Some(Arc::new(Share { key: key.clone(), tunnel, connection, profile, parameters })))
            }
            // Deleted meanwhile.
            (Err(StoreError::NotFound { .. }), _) | (_, Err(StoreError::NotFound { .. })) => Ok(None),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// What some links lead to now.
    pub(crate) async fn find_shares(&self, keys: &[ShareKey]) -> Result<Vec<Arc<Share>>, StoreError> {
        let mut found = Vec::new();
        for key in keys {
            found.extend(self.find_share(key).await?);
        }
        Ok(found)
    }
}
