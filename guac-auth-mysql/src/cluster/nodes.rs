//! Which nodes there are, and what becomes of what a dead one had.

use super::{
    ClusterSeat, ClusterStore, ClusterTunnel, Node, StoreError, TRIES, bytes, digest, now, patiently, tunnels,
};
use crate::db::{Arg, Session, args};

/// A node's sign of life, for comparing: it says nothing by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat(i64);

impl ClusterStore {
    /// Says that this node lives. `false`: it is not among the nodes, as others took it for dead.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn beat(&self) -> Result<bool, StoreError> {
        let mut session = self.database().read().await?;
        let sql = format!("UPDATE guacd_lite_node SET heartbeat = {} WHERE node = ?", session.now_ms());
        Ok(session.execute(sql, args![&self.node]).await?.rows > 0)
    }

    /// Enters this node with all it has open, new or after it was taken for dead: rows of history that others closed
    /// are open again. Who had the same name and address before is gone, since this node has them now.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, nothing has changed.
    pub async fn enter(&self, node: &Node, tunnels: &[ClusterTunnel], seats: &[ClusterSeat]) -> Result<(), StoreError> {
        patiently!(self.try_enter(node, tunnels, seats))
    }

    async fn try_enter(&self, node: &Node, tunnels: &[ClusterTunnel], seats: &[ClusterSeat]) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let same = "SELECT node FROM guacd_lite_node WHERE name = ? AND address = ? AND address <> '' AND node <> ?";
        for row in session.rows(same, args![&node.name, &node.address, &self.node]).await? {
            let (before, at) = (row.text(0)?, now(&mut session).await?);
            self.clear(&mut session, &before, at).await?;
        }
        session.execute("DELETE FROM guacd_lite_node WHERE node = ?", args![&self.node]).await?;
        let sql = format!(
            "INSERT INTO guacd_lite_node (node, name, address, certificate, mac, heartbeat) VALUES (?, ?, ?, ?, ?, {})",
            session.now_ms()
        );
        let args = [
            Arg::Text(&self.node),
            Arg::Text(&node.name),
            Arg::Text(&node.address),
            bytes(&node.certificate),
            bytes(&node.mac),
        ];
        session.execute(sql, &args).await?;
        for tunnel in tunnels {
            session.execute("DELETE FROM guacd_lite_tunnel WHERE tunnel = ?", args![&tunnel.uuid]).await?;
            tunnels::insert(&mut session, tunnel).await?;
            let reopen = "UPDATE guacamole_connection_history SET end_date = NULL WHERE history_id = ?";
            session.execute(reopen, args![tunnel.record.0]).await?;
        }
        for seat in seats {
            session.execute("DELETE FROM guacd_lite_seat WHERE seat = ?", args![&seat.id]).await?;
            let sql = "INSERT INTO guacd_lite_seat (seat, node, place, user_id) VALUES (?, ?, ?, ?)";
            session.execute(sql, args![&seat.id, &self.node, &seat.place.column(), seat.user.0]).await?;
        }
        session.commit().await
    }

    /// All nodes with their last sign of life, this one among them.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn nodes(&self) -> Result<Vec<(Node, Beat)>, StoreError> {
        let sql = "SELECT node, name, address, certificate, mac, heartbeat FROM guacd_lite_node LIMIT 1000";
        let rows = self.database().read().await?.rows(sql, &[]).await?;
        let read = |row: &crate::db::Row| {
            let (certificate, mac) = (digest(row, 3)?, digest(row, 4)?);
            let node = Node { id: row.text(0)?, name: row.text(1)?, address: row.text(2)?, certificate, mac };
            Ok((node, Beat(row.int(5)?)))
        };
        rows.iter().map(read).collect()
    }

    /// Clears away a dead node: what it had open ended at its last sign of life. `None`: it lives after all, or
    /// somebody else was faster. Otherwise how many tunnels it had.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, nothing has changed.
    pub async fn reap(&self, node: &str, seen: Beat) -> Result<Option<u64>, StoreError> {
        patiently!(self.try_reap(node, seen))
    }

    async fn try_reap(&self, node: &str, seen: Beat) -> Result<Option<u64>, StoreError> {
        let mut session = self.database().write().await?;
        let sql = format!("SELECT heartbeat FROM guacd_lite_node WHERE node = ?{}", session.for_update());
        let beat = session.row(sql, args![node]).await?.map(|row| row.int(0)).transpose()?;
        if beat != Some(seen.0) {
            session.commit().await?;
            return Ok(None);
        }
        let tunnels = self.clear(&mut session, node, seen.0).await?;
        session.commit().await?;
        Ok(Some(tunnels))
    }

    /// Clears away what belongs to nodes that are not there: of one that wrote while others took it for dead. It
    /// enters it again if it lives.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, some may be cleared and others not.
    pub async fn clear_strays(&self) -> Result<(), StoreError> {
        let nodes = {
            let mut session = self.database().read().await?;
            let sql = "SELECT node FROM guacd_lite_tunnel WHERE node NOT IN (SELECT node FROM guacd_lite_node) \
                 UNION SELECT node FROM guacd_lite_seat WHERE node NOT IN (SELECT node FROM guacd_lite_node)";
            session.rows(sql, &[]).await?
        };
        for row in nodes {
            let node = row.text(0)?;
            patiently!(self.try_clear(&node))?;
        }
        Ok(())
    }

    async fn try_clear(&self, node: &str) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let at = now(&mut session).await?;
        self.clear(&mut session, node, at).await?;
        session.commit().await
    }

    /// Takes this node out, with whatever it has open.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, nothing has changed.
    pub async fn leave(&self) -> Result<(), StoreError> {
        patiently!(self.try_clear(&self.node))
    }

    async fn clear(&self, session: &mut Session, node: &str, at: i64) -> Result<u64, StoreError> {
        let end = self.date_column(at);
        let sql = "UPDATE guacamole_connection_history SET end_date = ? WHERE end_date IS NULL \
             AND history_id IN (SELECT history_id FROM guacd_lite_tunnel WHERE node = ?)";
        session.execute(sql, args![&end, node]).await?;
        // Their people have just lost a connection and are about to come back.
        let sql = format!(
            "UPDATE guacd_lite_login SET last_used = {} \
             WHERE login_hash IN (SELECT login_hash FROM guacd_lite_tunnel WHERE node = ?)",
            session.now_ms()
        );
        session.execute(sql, args![node]).await?;
        let tunnels = session.rows("SELECT tunnel FROM guacd_lite_tunnel WHERE node = ?", args![node]).await?;
        for row in &tunnels {
            tunnels::end_shares(session, &row.text(0)?).await?;
        }
        for sql in [
            "DELETE FROM guacd_lite_tunnel WHERE node = ?",
            "DELETE FROM guacd_lite_seat WHERE node = ?",
            "DELETE FROM guacd_lite_node WHERE node = ?",
        ] {
            session.execute(sql, args![node]).await?;
        }
        Ok(u64::try_from(tunnels.len()).unwrap_or(u64::MAX))
    }
}
