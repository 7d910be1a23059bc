//! Small things that nodes keep together, such as a certificate. Whoever keeps a secret there seals it first.

use std::time::Duration;

use super::{ClusterStore, StoreError, TRIES, millis, now, patiently};
use crate::db::{Arg, args, is_duplicate};

/// Longest value: what the column takes.
pub const MAX_VALUE_BYTES: usize = 65_535;

impl ClusterStore {
    /// The value of a name.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT value FROM guacd_lite_value WHERE name = ?";
        let row = self.database().read().await?.row(sql, args![name]).await?;
        Ok(row.map(|row| row.opt_bytes(0)).transpose()?.flatten())
    }

    /// Sets or replaces the value of a name of at most 200 characters, or forgets it.
    ///
    /// # Errors
    /// [`StoreError::ValueTooLong`] past [`MAX_VALUE_BYTES`].
    ///
    /// # Cancel safety
    /// Cancelled, it has happened as a whole or not at all.
    pub async fn set_value(&self, name: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        if value.is_some_and(|value| value.len() > MAX_VALUE_BYTES) {
            return Err(StoreError::ValueTooLong { name: name.to_owned(), limit: MAX_VALUE_BYTES });
        }
        patiently!(self.try_set_value(name, value))
    }

    async fn try_set_value(&self, name: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let value = value.map_or(Arg::Null, Arg::Bytes);
        let sql = "UPDATE guacd_lite_value SET value = ? WHERE name = ?";
        if session.execute(sql, &[value, Arg::Text(name)]).await?.rows == 0 {
            let sql = "INSERT INTO guacd_lite_value (name, value) VALUES (?, ?)";
            session.execute(sql, &[Arg::Text(name), value]).await?;
        }
        session.commit().await
    }

    /// Takes a lock of a name for this long at most, by the database's clock. Who has it already has it for longer.
    /// `false`: another node has it.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, it may be taken; then it ends with its time.
    pub async fn lock(&self, name: &str, lease: Duration) -> Result<bool, StoreError> {
        let mut session = self.database().read().await?;
        let sql = "INSERT INTO guacd_lite_value (name, value) VALUES (?, NULL)";
        let known = "SELECT name FROM guacd_lite_value WHERE name = ?";
        if session.row(known, args![name]).await?.is_none() {
            match session.execute(sql, args![name]).await {
                Ok(_) => {}
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let at = now(&mut session).await?;
        let sql = "UPDATE guacd_lite_value SET holder = ?, held_until = ? \
             WHERE name = ? AND (holder IS NULL OR holder = ? OR held_until <= ?)";
        let until = at.saturating_add(millis(lease));
        Ok(session.execute(sql, args![&self.node, until, name, &self.node, at]).await?.rows > 0)
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn unlock(&self, name: &str) -> Result<(), StoreError> {
        let sql = "UPDATE guacd_lite_value SET holder = NULL, held_until = NULL WHERE name = ? AND holder = ?";
        self.database().read().await?.execute(sql, args![name, &self.node]).await.map(drop)
    }
}
