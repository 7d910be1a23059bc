//! Sharing profiles: what somebody who joins by a link may do with a connection.

use std::collections::BTreeMap;

use tracing::info;

use crate::{
    Access, Store,
    db::{Session, args, is_duplicate},
    error::StoreError,
    model::{
        ConnectionKey, NewSharingProfile, ObjectKind, ObjectPermission, Parameters, SharingProfile, SharingProfileKey,
        SystemPermission,
    },
    permission::{grant_creator, require, visible},
    settings::{SHARING_PROFILE_PARAMETERS, check_name, check_settings},
};

const KIND: ObjectKind = ObjectKind::SharingProfile;

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

    /// A sharing profile that `access` may use.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without READ on it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn sharing_profile(&self, access: &Access, key: SharingProfileKey) -> Result<SharingProfile, StoreError> {
        let mut session = self.database().read().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Read).await?;
        load(&mut session, key).await
    }

    /// A sharing profile with its parameters, to share a connection by it. Nothing of the parameters is to be shown to
    /// whoever shares or joins. Tokens in the values are not replaced yet: see [`tokens`](crate::tokens).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without READ on the profile.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn sharing_profile_to_share(
        &self,
        access: &Access,
        key: SharingProfileKey,
    ) -> Result<(SharingProfile, Parameters), StoreError> {
        let mut session = self.database().read().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Read).await?;
        let profile = load(&mut session, key).await?;
        Ok((profile, load_parameters(&mut session, key).await?))
    }

    /// The parameters of a sharing profile, for its editors.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::Denied`] with READ but without UPDATE.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn sharing_profile_parameters(
        &self,
        access: &Access,
        key: SharingProfileKey,
    ) -> Result<Parameters, StoreError> {
        let mut session = self.database().read().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Update).await?;
        load(&mut session, key).await?;
        load_parameters(&mut session, key).await
    }

    /// Creates a sharing profile. Whoever created it may do everything with it.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without CREATE_SHARING_PROFILE or without UPDATE on the connection;
    /// [`StoreError::Duplicate`]; the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, the profile is created whole or not at all.
    pub async fn create_sharing_profile(
        &self,
        access: &Access,
        new: &NewSharingProfile,
    ) -> Result<SharingProfileKey, StoreError> {
        access.require(SystemPermission::CreateSharingProfile)?;
        let name = check_name(KIND, &new.name)?;
        check_settings("parameters", new.parameters.iter())?;
        let mut session = self.database().write().await?;
        let kind = ObjectKind::Connection;
        require(&mut session, access, kind, new.connection.0, ObjectPermission::Update).await?;
        let sql = "SELECT 1 FROM guacamole_connection WHERE connection_id = ?";
        session.row(sql, args![new.connection.0]).await?.ok_or(StoreError::NotFound { kind })?;
        let sql = "INSERT INTO guacamole_sharing_profile (sharing_profile_name, primary_connection_id) VALUES (?, ?)";
        let done = session.execute(sql, args![name, new.connection.0]).await.map_err(|error| {
            if is_duplicate(&error) { StoreError::Duplicate { kind: KIND, name: name.to_owned() } } else { error }
        })?;
        let key = SharingProfileKey(done.inserted);
        SHARING_PROFILE_PARAMETERS.replace(&mut session, key.0, new.parameters.iter()).await?;
        grant_creator(&mut session, access, KIND, key.0).await?;
        session.commit().await?;
        info!(profile = %key, connection = %new.connection, "Sharing profile created");
        Ok(key)
    }
}

async fn load(session: &mut Session, key: SharingProfileKey) -> Result<SharingProfile, StoreError> {
    let sql = "SELECT sharing_profile_name, primary_connection_id FROM guacamole_sharing_profile \
         WHERE sharing_profile_id = ?";
    let row = session.row(sql, args![key.0]).await?.ok_or(StoreError::NotFound { kind: KIND })?;
    Ok(SharingProfile { key, name: row.text(0)?, connection: ConnectionKey(row.int(1)?) })
}

async fn load_parameters(session: &mut Session, key: SharingProfileKey) -> Result<Parameters, StoreError> {
    let mut all = SHARING_PROFILE_PARAMETERS.load(session, &[key.0]).await?;
    Ok(all.remove(&key.0).unwrap_or_default().into_iter().collect())
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
