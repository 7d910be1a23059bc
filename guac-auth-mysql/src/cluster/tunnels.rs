//! Tunnels, wherever they live.

use std::time::Duration;

use super::{
    ClusterStore, ClusterTunnel, Digest, Node, StoreError, TRIES, bytes, digest, from_ms, moment, now, opt_digest,
    patiently, to_ms,
};
use crate::{
    NewConnectionRecord,
    db::{Arg, Row, Session, args},
    model::{ConnectionHistoryKey, ConnectionKey, HistoryRecord},
};

/// Tunnels in one list: twice what one node takes.
const MAX_LISTED: u32 = 20_000;

const COLUMNS: &str = "t.tunnel, t.node, t.login_hash, t.data_source, t.connection_id, t.protocol, t.session_id, \
     t.joined, t.started, t.remote_host, t.username, t.history_id, t.share_hash";

/// A tunnel about to open.
#[derive(Clone, Debug)]
pub struct NewClusterTunnel<'a> {
    /// The login it belongs to.
    pub login: Digest,
    /// Data source of the connection.
    pub data_source: &'a str,
    /// The connection.
    pub connection: ConnectionKey,
    /// Its protocol.
    pub protocol: &'a str,
    /// Whether it joins somebody else's session.
    pub joined: bool,
    /// The link by which it joins.
    pub share: Option<Digest>,
}

impl ClusterStore {
    /// Notes a tunnel with its row of history, before the machine behind it is called.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, both rows may be there; they are closed with the node's end.
    pub async fn open_tunnel(
        &self,
        record: &NewConnectionRecord<'_>,
        new: &NewClusterTunnel<'_>,
    ) -> Result<(HistoryRecord<ConnectionHistoryKey>, ClusterTunnel), StoreError> {
        patiently!(self.try_open_tunnel(record, new))
    }

    async fn try_open_tunnel(
        &self,
        record: &NewConnectionRecord<'_>,
        new: &NewClusterTunnel<'_>,
    ) -> Result<(HistoryRecord<ConnectionHistoryKey>, ClusterTunnel), StoreError> {
        let mut session = self.database().write().await?;
        let started = from_ms(now(&mut session).await?);
        let opened = self.store.insert_connection_record(&mut session, record, started).await?;
        let tunnel = ClusterTunnel {
            uuid: opened.uuid.to_string(),
            node: self.node.clone(),
            login: new.login,
            data_source: new.data_source.to_owned(),
            connection: new.connection,
            protocol: new.protocol.to_owned(),
            session: None,
            joined: new.joined,
            started,
            remote_host: record.remote_host.map(str::to_owned),
            username: record.username.to_owned(),
            record: opened.key,
            share: new.share,
        };
        insert(&mut session, &tunnel).await?;
        session.commit().await?;
        Ok((opened, tunnel))
    }

    /// Notes that a tunnel's session is there: from now on others see it.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn show_tunnel(&self, uuid: &str, session_id: &str) -> Result<(), StoreError> {
        let sql = "UPDATE guacd_lite_tunnel SET session_id = ? WHERE tunnel = ?";
        self.database().read().await?.execute(sql, args![session_id, uuid]).await.map(drop)
    }

    /// Takes a tunnel away that ended that long ago, closes its row of history, and ends what was shared of it.
    /// Harmless to repeat.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, it has happened as a whole or not at all.
    pub async fn close_tunnel(
        &self,
        uuid: &str,
        record: ConnectionHistoryKey,
        ago: Duration,
    ) -> Result<(), StoreError> {
        patiently!(self.try_close_tunnel(uuid, record, ago))
    }

    async fn try_close_tunnel(
        &self,
        uuid: &str,
        record: ConnectionHistoryKey,
        ago: Duration,
    ) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let end = self.date_column(moment(&mut session, ago).await?);
        let sql = "UPDATE guacamole_connection_history SET end_date = ? WHERE history_id = ? AND end_date IS NULL";
        session.execute(sql, args![&end, record.0]).await?;
        end_shares(&mut session, uuid).await?;
        session.execute("DELETE FROM guacd_lite_tunnel WHERE tunnel = ?", args![uuid]).await?;
        session.commit().await
    }

    /// Live tunnels of all nodes, the oldest first, or those of one login.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn tunnels(&self, login: Option<&Digest>) -> Result<Vec<ClusterTunnel>, StoreError> {
        let (condition, args) = match login {
            None => ("", Vec::new()),
            Some(login) => ("AND t.login_hash = ? ", vec![bytes(login)]),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM guacd_lite_tunnel t WHERE t.session_id IS NOT NULL {condition}\
             ORDER BY t.started, t.tunnel LIMIT {MAX_LISTED}"
        );
        self.database().read().await?.rows(sql, &args).await?.iter().map(read).collect()
    }

    /// One live tunnel.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn tunnel(&self, uuid: &str) -> Result<Option<ClusterTunnel>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM guacd_lite_tunnel t WHERE t.tunnel = ? AND t.session_id IS NOT NULL");
        self.database().read().await?.row(sql, args![uuid]).await?.as_ref().map(read).transpose()
    }

    /// The node that a tunnel lives on.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn node_of(&self, uuid: &str) -> Result<Option<Node>, StoreError> {
        let sql = "SELECT n.node, n.name, n.address, n.certificate, n.mac \
             FROM guacd_lite_tunnel t JOIN guacd_lite_node n ON n.node = t.node WHERE t.tunnel = ?";
        let row = self.database().read().await?.row(sql, args![uuid]).await?;
        row.map(|row| {
            let (certificate, mac) = (digest(&row, 3)?, digest(&row, 4)?);
            Ok(Node { id: row.text(0)?, name: row.text(1)?, address: row.text(2)?, certificate, mac })
        })
        .transpose()
    }

    /// Asks the node of a tunnel to end it. `false`: there is none of this name.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn stop_tunnel(&self, uuid: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE guacd_lite_tunnel SET stop_requested = 1 WHERE tunnel = ?";
        let done = patiently!(async { self.database().read().await?.execute(sql, args![uuid]).await })?;
        Ok(done.rows > 0)
    }

    /// Tunnels of this node that others asked to end.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn stop_requests(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT tunnel FROM guacd_lite_tunnel WHERE node = ? AND stop_requested = 1";
        let rows = self.database().read().await?.rows(sql, args![&self.node]).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }
}

pub(super) async fn insert(session: &mut Session, tunnel: &ClusterTunnel) -> Result<(), StoreError> {
    let sql = "INSERT INTO guacd_lite_tunnel (tunnel, node, login_hash, data_source, connection_id, protocol, \
         session_id, joined, started, remote_host, username, history_id, share_hash, stop_requested) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)";
    let args = [
        Arg::Text(&tunnel.uuid),
        Arg::Text(&tunnel.node),
        bytes(&tunnel.login),
        Arg::Text(&tunnel.data_source),
        Arg::Int(tunnel.connection.0),
        Arg::Text(&tunnel.protocol),
        tunnel.session.as_ref().into(),
        tunnel.joined.into(),
        Arg::Int(to_ms(tunnel.started)),
        tunnel.remote_host.as_ref().into(),
        Arg::Text(&tunnel.username),
        Arg::Int(tunnel.record.0),
        tunnel.share.as_ref().map_or(Arg::Null, bytes),
    ];
    session.execute(sql, &args).await.map(drop)
}

/// Makes the links to a tunnel invalid and asks those who joined by them to go.
pub(super) async fn end_shares(session: &mut Session, uuid: &str) -> Result<(), StoreError> {
    // Two statements, as most tunnels have no link: a look costs less than two changes.
    let links = session.rows("SELECT share_hash FROM guacd_lite_share WHERE tunnel = ?", args![uuid]).await?;
    for row in &links {
        let hash = digest(row, 0)?;
        session
            .execute("UPDATE guacd_lite_tunnel SET stop_requested = 1 WHERE share_hash = ?", &[bytes(&hash)])
            .await?;
        session.execute("DELETE FROM guacd_lite_share WHERE share_hash = ?", &[bytes(&hash)]).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<ClusterTunnel, StoreError> {
    Ok(ClusterTunnel {
        uuid: row.text(0)?,
        node: row.text(1)?,
        login: digest(row, 2)?,
        data_source: row.text(3)?,
        connection: ConnectionKey(row.int(4)?),
        protocol: row.text(5)?,
        session: row.opt_text(6)?,
        joined: row.flag(7)?,
        started: from_ms(row.int(8)?),
        remote_host: row.opt_text(9)?,
        username: row.text(10)?,
        record: ConnectionHistoryKey(row.int(11)?),
        share: opt_digest(row, 12)?,
    })
}
