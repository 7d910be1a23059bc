//! Seats of all nodes: as many as a connection or group allows, whichever nodes they are taken on.

use std::collections::HashMap;

use uuid::Uuid;

use super::{ClusterSeat, ClusterStore, Place, SeatError, StoreError, TRIES, patiently};
use crate::{
    db::args,
    error::StoreError as Failed,
    model::{ConnectionKey, ObjectKind, UserKey},
};

impl ClusterStore {
    /// Takes a seat for a user, if he and all together have fewer than allowed; 0 is unlimited. Whoever comes to the
    /// same place at the same moment waits for the outcome.
    ///
    /// # Errors
    /// [`SeatError::UserFull`] and [`SeatError::Full`] at the limits.
    ///
    /// # Cancel safety
    /// Cancelled, a seat may be taken that nobody knows of, until the node's end.
    pub async fn take_seat(
        &self,
        place: Place,
        user: UserKey,
        per_user: u32,
        total: u32,
    ) -> Result<ClusterSeat, SeatError> {
        let mut tries = 1;
        loop {
            match Box::pin(self.try_take_seat(place, user, per_user, total)).await {
                Err(SeatError::Store(Failed::Busy { .. })) if tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    async fn try_take_seat(
        &self,
        place: Place,
        user: UserKey,
        per_user: u32,
        total: u32,
    ) -> Result<ClusterSeat, SeatError> {
        let column = place.column();
        let mut session = self.database().write().await?;
        if per_user > 0 || total > 0 {
            // The place's own row keeps others out, and what is counted after that is what they have committed.
            let (sql, key, kind) = match place {
                Place::Connection(key) => (
                    "SELECT connection_id FROM guacamole_connection WHERE connection_id = ?",
                    key.0,
                    ObjectKind::Connection,
                ),
                Place::Group(key) => (
                    "SELECT connection_group_id FROM guacamole_connection_group WHERE connection_group_id = ?",
                    key.0,
                    ObjectKind::ConnectionGroup,
                ),
            };
            let locked = session.row(format!("{sql}{}", session.for_update()), args![key]).await?;
            locked.ok_or(StoreError::NotFound { kind })?;
            let sql = "SELECT COUNT(*), COUNT(CASE WHEN user_id = ? THEN 1 END) FROM guacd_lite_seat WHERE place = ?";
            let row = session.row(sql, args![user.0, &column]).await?;
            let (all, own) = row.map_or(Ok((0, 0)), |row| Ok::<_, StoreError>((row.int(0)?, row.int(1)?)))?;
            let denied = if per_user > 0 && own >= i64::from(per_user) {
                Some(SeatError::UserFull)
            } else if total > 0 && all >= i64::from(total) {
                Some(SeatError::Full)
            } else {
                None
            };
            if let Some(denied) = denied {
                session.commit().await?;
                return Err(denied);
            }
        }
        let seat = ClusterSeat { id: Uuid::new_v4().to_string(), place, user };
        let sql = "INSERT INTO guacd_lite_seat (seat, node, place, user_id) VALUES (?, ?, ?, ?)";
        session.execute(sql, args![&seat.id, &self.node, &column, user.0]).await?;
        session.commit().await?;
        Ok(seat)
    }

    /// Gives a seat back. Harmless to repeat.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn free_seat(&self, id: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM guacd_lite_seat WHERE seat = ?";
        patiently!(async { self.database().read().await?.execute(sql, args![id]).await }).map(drop)
    }

    /// How many use each connection that is used at all.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connections_used(&self) -> Result<HashMap<ConnectionKey, u32>, StoreError> {
        let sql = "SELECT place, COUNT(*) FROM guacd_lite_seat WHERE place LIKE 'c%' GROUP BY place";
        let rows = self.database().read().await?.rows(sql, &[]).await?;
        let mut used = HashMap::new();
        for row in rows {
            if let Some(key) = row.text(0)?.strip_prefix('c').and_then(|key| key.parse().ok()) {
                used.insert(key, u32::try_from(row.int(1)?).unwrap_or(u32::MAX));
            }
        }
        Ok(used)
    }
}
