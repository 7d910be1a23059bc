//! Logins that any node may take up.

use std::time::Duration;

use super::{
    ClusterLogin, ClusterStore, Digest, StoreError, TRIES, bytes, digest, from_ms, millis, moment, now, patiently,
};
use crate::{
    db::{Arg, args, placeholders},
    limits,
    model::{AuthenticatedUser, HistoryRecord, LoginHistoryKey, UserKey},
};

/// Logins that are ended in one go for want of use; the rest is for the next time.
const EXPIRE_AT_ONCE: i64 = 1000;

/// A login that begins.
#[derive(Clone, Debug)]
pub struct NewClusterLogin<'a> {
    /// SHA-256 of its token.
    pub hash: Digest,
    /// `None`: somebody who came by a link. He has no row of history.
    pub user: Option<&'a AuthenticatedUser>,
    /// The browser's address.
    pub remote_host: Option<&'a str>,
    /// What only the token opens.
    pub sealed: &'a [u8],
}

impl ClusterStore {
    /// Notes a login, with its row of history.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, it is there as a whole or not at all.
    pub async fn open_login(&self, new: &NewClusterLogin<'_>) -> Result<Option<LoginHistoryKey>, StoreError> {
        patiently!(self.try_open_login(new))
    }

    async fn try_open_login(&self, new: &NewClusterLogin<'_>) -> Result<Option<LoginHistoryKey>, StoreError> {
        let mut session = self.database().write().await?;
        let at = now(&mut session).await?;
        let record = match new.user {
            None => None,
            Some(user) => {
                let (key, host) = (Some(user.key), new.remote_host);
                let record = self.store.insert_login_record(&mut session, key, &user.name, host, from_ms(at)).await?;
                let HistoryRecord { key, .. } = record;
                Some(key)
            }
        };
        let sql = "INSERT INTO guacd_lite_login (login_hash, user_id, username, sealed, version, history_id, last_used) \
             VALUES (?, ?, ?, ?, 1, ?, ?)";
        let args = [
            bytes(&new.hash),
            new.user.map(|user| user.key.0).into(),
            Arg::Text(new.user.map_or("", |user| &user.name)),
            Arg::Bytes(new.sealed),
            record.map(|key| key.0).into(),
            Arg::Int(at),
        ];
        session.execute(sql, &args).await?;
        session.commit().await?;
        Ok(record)
    }

    /// Finds a login.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn login(&self, hash: &Digest) -> Result<Option<ClusterLogin>, StoreError> {
        let sql = "SELECT user_id, username, sealed, version, history_id FROM guacd_lite_login WHERE login_hash = ?";
        let row = self.database().read().await?.row(sql, &[bytes(hash)]).await?;
        row.map(|row| {
            let name = row.text(1)?;
            let user = row.opt_int(0)?.map(|key| AuthenticatedUser { key: UserKey(key), name });
            let (sealed, version) = (row.bytes(2)?, row.int(3)?);
            Ok(ClusterLogin { user, sealed, version, record: row.opt_int(4)?.map(LoginHistoryKey) })
        })
        .transpose()
    }

    /// Replaces what is sealed, perhaps because somebody authenticated anew. Returns the new version; `None`: the
    /// login is over.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, it has happened as a whole or not at all.
    pub async fn change_login(
        &self,
        hash: &Digest,
        user: Option<&AuthenticatedUser>,
        sealed: &[u8],
    ) -> Result<Option<i64>, StoreError> {
        patiently!(self.try_change_login(hash, user, sealed))
    }

    async fn try_change_login(
        &self,
        hash: &Digest,
        user: Option<&AuthenticatedUser>,
        sealed: &[u8],
    ) -> Result<Option<i64>, StoreError> {
        let mut session = self.database().write().await?;
        let sql = "UPDATE guacd_lite_login SET user_id = ?, username = ?, sealed = ?, version = version + 1 \
             WHERE login_hash = ?";
        let name = user.map_or("", |user| &user.name);
        let args = [user.map(|user| user.key.0).into(), Arg::Text(name), Arg::Bytes(sealed), bytes(hash)];
        session.execute(sql, &args).await?;
        let sql = "SELECT version FROM guacd_lite_login WHERE login_hash = ?";
        let version = session.row(sql, &[bytes(hash)]).await?.map(|row| row.int(0)).transpose()?;
        session.commit().await?;
        Ok(version)
    }

    /// Ends a login that ended that long ago, and closes its row of history. Harmless to repeat.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, it has happened as a whole or not at all.
    pub async fn end_login(&self, hash: &Digest, ago: Duration) -> Result<(), StoreError> {
        patiently!(self.try_end_login(hash, ago))
    }

    async fn try_end_login(&self, hash: &Digest, ago: Duration) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let at = moment(&mut session, ago).await?;
        let sql = "UPDATE guacamole_user_history SET end_date = ? WHERE end_date IS NULL \
             AND history_id IN (SELECT history_id FROM guacd_lite_login WHERE login_hash = ?)";
        session.execute(sql, &[Arg::Text(&self.date_column(at)), bytes(hash)]).await?;
        session.execute("DELETE FROM guacd_lite_login WHERE login_hash = ?", &[bytes(hash)]).await?;
        session.commit().await
    }

    /// Notes that logins are in use.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, some may be noted and others not.
    pub async fn touch_logins(&self, hashes: &[Digest]) -> Result<(), StoreError> {
        let mut session = self.database().read().await?;
        for batch in hashes.chunks(limits::IN_BATCH) {
            let sql = format!(
                "UPDATE guacd_lite_login SET last_used = {} WHERE login_hash IN ({})",
                session.now_ms(),
                placeholders(batch.len())
            );
            let args: Vec<Arg<'_>> = batch.iter().map(bytes).collect();
            session.execute(sql, &args).await?;
        }
        Ok(())
    }

    /// Which of these logins live, and in which version.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn living_logins(&self, hashes: &[Digest]) -> Result<Vec<(Digest, i64)>, StoreError> {
        let mut session = self.database().read().await?;
        let mut living = Vec::with_capacity(hashes.len());
        for batch in hashes.chunks(limits::IN_BATCH) {
            let sql = format!(
                "SELECT login_hash, version FROM guacd_lite_login WHERE login_hash IN ({})",
                placeholders(batch.len())
            );
            let args: Vec<Arg<'_>> = batch.iter().map(bytes).collect();
            for row in session.rows(sql, &args).await? {
                living.push((digest(&row, 0)?, row.int(1)?));
            }
        }
        Ok(living)
    }

    /// Ends logins that no node has seen for this long and that have nothing open. Returns how many.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, some may have ended and others not.
    pub async fn expire_logins(&self, idle: Duration) -> Result<usize, StoreError> {
        let stale = {
            let mut session = self.database().read().await?;
            let sql = format!(
                "SELECT l.login_hash FROM guacd_lite_login l WHERE l.last_used <= {} - ? AND NOT EXISTS \
                 (SELECT 1 FROM guacd_lite_tunnel t WHERE t.login_hash = l.login_hash) LIMIT {EXPIRE_AT_ONCE}",
                session.now_ms()
            );
            session.rows(sql, args![millis(idle)]).await?
        };
        for row in &stale {
            self.end_login(&digest(row, 0)?, Duration::ZERO).await?;
        }
        Ok(stale.len())
    }
}
