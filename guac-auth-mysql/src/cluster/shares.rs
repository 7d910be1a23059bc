//! Links to live tunnels, good on every node.

use super::{ClusterShare, ClusterStore, Digest, StoreError, TRIES, bytes, patiently};
use crate::{
    db::{Arg, args},
    model::{ConnectionKey, SharingProfileKey},
};

impl ClusterStore {
    /// Notes a link to a tunnel by the SHA-256 of its key. `None`: there is no such tunnel any more. `Some(false)`: it
    /// has `limit` links.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, it is there as a whole or not at all.
    pub async fn offer_share(
        &self,
        hash: &Digest,
        tunnel: &str,
        share: ClusterShare,
        limit: usize,
    ) -> Result<Option<bool>, StoreError> {
        patiently!(self.try_offer_share(hash, tunnel, share, limit))
    }

    async fn try_offer_share(
        &self,
        hash: &Digest,
        tunnel: &str,
        share: ClusterShare,
        limit: usize,
    ) -> Result<Option<bool>, StoreError> {
        let mut session = self.database().write().await?;
        // The tunnel's end waits for this, and then finds the link.
        let sql = format!("SELECT tunnel FROM guacd_lite_tunnel WHERE tunnel = ?{}", session.for_update());
        if session.row(sql, args![tunnel]).await?.is_none() {
            session.commit().await?;
            return Ok(None);
        }
        let links = session.row("SELECT COUNT(*) FROM guacd_lite_share WHERE tunnel = ?", args![tunnel]).await?;
        let links = links.map_or(Ok(0), |row| row.int(0))?;
        let room = usize::try_from(links).is_ok_and(|links| links < limit);
        if room {
            let sql = "INSERT INTO guacd_lite_share (share_hash, tunnel, connection_id, sharing_profile_id) \
                 VALUES (?, ?, ?, ?)";
            let args = [bytes(hash), Arg::Text(tunnel), Arg::Int(share.connection.0), Arg::Int(share.profile.0)];
            session.execute(sql, &args).await?;
        }
        session.commit().await?;
        Ok(Some(room))
    }

    /// What a link leads to: a tunnel by name, with connection and profile. `None`: it is not valid (any more).
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn share(&self, hash: &Digest) -> Result<Option<(String, ClusterShare)>, StoreError> {
        let sql = "SELECT s.tunnel, s.connection_id, s.sharing_profile_id FROM guacd_lite_share s \
             JOIN guacd_lite_tunnel t ON t.tunnel = s.tunnel WHERE s.share_hash = ?";
        let row = self.database().read().await?.row(sql, &[bytes(hash)]).await?;
        row.map(|row| {
            let (connection, profile) = (ConnectionKey(row.int(1)?), SharingProfileKey(row.int(2)?));
            Ok((row.text(0)?, ClusterShare { connection, profile }))
        })
        .transpose()
    }
}
