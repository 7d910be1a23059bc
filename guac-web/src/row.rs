//! A tunnel's row of history, for as long as it is open.

use std::time::{Instant, SystemTime};

use guac_auth_mysql::cluster::NewClusterTunnel;
use guac_auth_mysql::{ConnectionHistoryKey, HistoryRecord, NewConnectionRecord};
use guac_protocol::TunnelUuid;

use crate::error::ConnectError;
use crate::state::App;

/// An open row of history; dropping it closes the row.
pub(crate) struct OpenRow {
    pub(crate) app: App,
    key: ConnectionHistoryKey,
    pub(crate) uuid: TunnelUuid,
    pub(crate) begin: Instant,
}

impl OpenRow {
    /// Opens one. Returns when it began, too, as the row has it.
    pub(crate) async fn open(
        app: &App,
        record: &NewConnectionRecord<'_>,
        new: &NewClusterTunnel<'_>,
    ) -> Result<(Self, HistoryRecord<ConnectionHistoryKey>, SystemTime), ConnectError> {
        let begin = Instant::now();
        let (opened, started) = match &app.config.cluster {
            Some(cluster) => cluster.open_tunnel(record, new).await?,
            None => {
                let now = SystemTime::now();
                (app.store.open_connection_record(record, now).await?, now)
            }
        };
        let uuid = opened.uuid.to_string().parse().map_err(|_| ConnectError::internal())?;
        Ok((Self { app: app.clone(), key: opened.key, uuid, begin }, opened, started))
    }
}

impl Drop for OpenRow {
    fn drop(&mut self) {
        let duration_ms = self.begin.elapsed().as_millis();
        tracing::info!(tunnel = %self.uuid, duration_ms, "Tunnel closed");
        if let Some(cluster) = &self.app.config.cluster {
            cluster.end_tunnel(&self.uuid, self.key);
            return;
        }
        let (store, key, ended) = (self.app.store.clone(), self.key, SystemTime::now());
        self.app.persist("connection", move || {
            let store = store.clone();
            async move { store.close_connection_record(key, ended).await }
        });
    }
}
