//! Sharing profiles, as far as trees show them.

use std::collections::BTreeMap;

use crate::{
    Access, Store,
    db::Session,
    error::StoreError,
    model::{ConnectionKey, ObjectKind, ObjectPermission, SharingProfile, SharingProfileKey},
    permission::{require, visible},
};

impl Store {
    /// The sharing profiles of a connection that `access` may read, by name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `access` may not read the connection.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn sharing_profiles(
        &self,
        access: &Access,
        connection: ConnectionKey,
    ) -> Result<Vec<SharingProfile>, StoreError> {
        let mut session = self.database().read().await?;
        require(&mut session, access, ObjectKind::Connection, connection.0, ObjectPermission::Read).await?;
        let mut all = by_connection(&mut session, access, &[connection.0], &[]).await?;
        Ok(all.remove(&connection.0).unwrap_or_default())
    }
}

/// The sharing profiles of many connections.
pub(crate) async fn by_connection(
    session: &mut Session,
    access: &Access,
    connections: &[i64],
    any_of: &[ObjectPermission],
) -> Result<BTreeMap<i64, Vec<SharingProfile>>, StoreError> {
    let visible = visible(session, access, ObjectKind::SharingProfile, any_of).await?;
    let mut all: BTreeMap<i64, Vec<SharingProfile>> = BTreeMap::new();
    if visible.as_ref().is_some_and(std::collections::BTreeSet::is_empty) {
        return Ok(all);
    }
    let before = "SELECT sharing_profile_id, sharing_profile_name, primary_connection_id FROM guacamole_sharing_profile \
         WHERE primary_connection_id IN";
    for row in session.rows_in(before, connections, "ORDER BY sharing_profile_name", &[]).await? {
        let (key, connection) = (row.int(0)?, row.int(2)?);
        if visible.as_ref().is_none_or(|keys| keys.contains(&key)) {
            all.entry(connection).or_default().push(SharingProfile {
                key: SharingProfileKey(key),
                name: row.text(1)?,
                connection: ConnectionKey(connection),
            });
        }
    }
    Ok(all)
}
