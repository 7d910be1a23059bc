//! Groups of users: who is in them, directly.

use std::collections::BTreeMap;

use tracing::info;

use crate::{
    Access, Store,
    db::{Row, Session, args, is_duplicate},
    error::StoreError,
    model::{Holder, ObjectKind, ObjectPermission, SystemPermission, UserGroup, UserGroupKey},
    permission::{FoundHolder, find_holder, grant_creator, readable_holder, require, visible},
    settings::{USER_GROUP_ATTRIBUTES, check_name, check_settings, pairs},
    user::create_entity,
};

const KIND: ObjectKind = ObjectKind::UserGroup;

impl Store {
    /// All user groups `access` may read and, where any are given, on which it holds one of `any_of`. By name.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn user_groups(
        &self,
        access: &Access,
        any_of: &[ObjectPermission],
    ) -> Result<Vec<UserGroup>, StoreError> {
        let mut session = self.database().read().await?;
        let rows = match visible(&mut session, access, KIND, any_of).await? {
            None => session.rows(format!("{GROUP} ORDER BY e.name"), &[]).await?,
            Some(keys) => {
                let keys: Vec<i64> = keys.into_iter().collect();
                session.rows_in(&format!("{GROUP} WHERE g.user_group_id IN"), &keys, "ORDER BY e.name", &[]).await?
            }
        };
        load(&mut session, &rows).await
    }

    /// One user group.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none of that name that `access` may read.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn user_group(&self, access: &Access, name: &str) -> Result<UserGroup, StoreError> {
        let mut session = self.database().read().await?;
        let found = readable_holder(&mut session, access, &Holder::UserGroup(name.to_owned())).await?;
        let rows = session.rows(format!("{GROUP} WHERE g.user_group_id = ?"), args![found.object]).await?;
        load(&mut session, &rows).await?.into_iter().next().ok_or(StoreError::NotFound { kind: KIND })
    }

    /// Creates a user group. Whoever created it may do everything with it.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without CREATE_USER_GROUP; [`StoreError::Duplicate`]; the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, the group is created whole or not at all.
    pub async fn create_user_group(
        &self,
        access: &Access,
        name: &str,
        disabled: bool,
        attributes: &BTreeMap<String, String>,
    ) -> Result<UserGroupKey, StoreError> {
        access.require(SystemPermission::CreateUserGroup)?;
        let name = check_name(KIND, name)?;
        check_settings("attributes", pairs(attributes))?;
        let mut session = self.database().write().await?;
        let entity = create_entity(&mut session, KIND, name).await?;
        let sql = "INSERT INTO guacamole_user_group (entity_id, disabled) VALUES (?, ?)";
        let key = session.execute(sql, args![entity.0, disabled]).await?.inserted;
        USER_GROUP_ATTRIBUTES.replace(&mut session, key, pairs(attributes)).await?;
        grant_creator(&mut session, access, KIND, key).await?;
        session.commit().await?;
        info!(user_group = name, "User group created");
        Ok(UserGroupKey(key))
    }

    /// Replaces what a user group has but name, members and permissions.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without UPDATE on the group; the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, everything is changed or nothing.
    pub async fn update_user_group(
        &self,
        access: &Access,
        name: &str,
        disabled: bool,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        check_settings("attributes", pairs(attributes))?;
        let mut session = self.database().write().await?;
        let found = require_group(&mut session, access, name, ObjectPermission::Update).await?;
        let sql = "UPDATE guacamole_user_group SET disabled = ? WHERE user_group_id = ?";
        session.execute(sql, args![disabled, found.object]).await?;
        USER_GROUP_ATTRIBUTES.replace(&mut session, found.object, pairs(attributes)).await?;
        session.commit().await
    }

    /// Deletes a user group. Its members stay.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without DELETE on the group.
    ///
    /// # Cancel safety
    /// Cancelled, the group is there whole or not at all.
    pub async fn delete_user_group(&self, access: &Access, name: &str) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let found = require_group(&mut session, access, name, ObjectPermission::Delete).await?;
        session.execute("DELETE FROM guacamole_entity WHERE entity_id = ?", args![found.entity.0]).await?;
        session.commit().await?;
        info!(user_group = name, "User group deleted");
        Ok(())
    }

    /// The direct members of a user group that `access` may read, by name: users and groups.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `access` may not read the group.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn group_members(&self, access: &Access, name: &str) -> Result<Vec<Holder>, StoreError> {
        let mut session = self.database().read().await?;
        let group = readable_holder(&mut session, access, &Holder::UserGroup(name.to_owned())).await?;
        let sql = "SELECT e.type, e.name, COALESCE(u.user_id, g.user_group_id) FROM guacamole_user_group_member m \
             JOIN guacamole_entity e ON e.entity_id = m.member_entity_id \
             LEFT JOIN guacamole_user u ON u.entity_id = e.entity_id \
             LEFT JOIN guacamole_user_group g ON g.entity_id = e.entity_id \
             WHERE m.user_group_id = ? ORDER BY e.name";
        let rows = session.rows(sql, args![group.object]).await?;
        let users = visible(&mut session, access, ObjectKind::User, &[]).await?;
        let groups = visible(&mut session, access, KIND, &[]).await?;
        let mut members = Vec::new();
        for row in rows {
            let (is_user, name, key) = (row.text(0)? == "USER", row.text(1)?, row.opt_int(2)?.unwrap_or_default());
            let seen = if is_user { &users } else { &groups };
            if seen.as_ref().is_none_or(|keys| keys.contains(&key)) {
                members.push(if is_user { Holder::User(name) } else { Holder::UserGroup(name) });
            }
        }
        Ok(members)
    }

    /// The names of the groups `holder` is directly in, and `access` may read.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `access` may not read the holder.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn groups_of(&self, access: &Access, holder: &Holder) -> Result<Vec<String>, StoreError> {
        let mut session = self.database().read().await?;
        let found = readable_holder(&mut session, access, holder).await?;
        let sql = "SELECT g.user_group_id, e.name FROM guacamole_user_group_member m \
             JOIN guacamole_user_group g ON g.user_group_id = m.user_group_id \
             JOIN guacamole_entity e ON e.entity_id = g.entity_id WHERE m.member_entity_id = ? ORDER BY e.name";
        let rows = session.rows(sql, args![found.entity.0]).await?;
        let seen = visible(&mut session, access, KIND, &[]).await?;
        let mut names = Vec::new();
        for row in rows {
            if seen.as_ref().is_none_or(|keys| row.int(0).is_ok_and(|key| keys.contains(&key))) {
                names.push(row.text(1)?);
            }
        }
        Ok(names)
    }

    /// Puts `add` into a group and takes `remove` out of it. Who is in already is left alone, as is who is not.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without UPDATE on the group and on everybody concerned; [`StoreError::Cycle`] for the
    /// group itself.
    ///
    /// # Cancel safety
    /// Cancelled, everything is changed or nothing.
    pub async fn update_group_members(
        &self,
        access: &Access,
        name: &str,
        add: &[Holder],
        remove: &[Holder],
    ) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let group = require_group(&mut session, access, name, ObjectPermission::Update).await?;
        for holder in add {
            let member = require_member(&mut session, access, holder).await?;
            if member.entity == group.entity {
                return Err(StoreError::Cycle { kind: KIND });
            }
            let sql = "INSERT INTO guacamole_user_group_member (user_group_id, member_entity_id) VALUES (?, ?)";
            match session.execute(sql, args![group.object, member.entity.0]).await {
                Err(error) if is_duplicate(&error) => {}
                other => drop(other?),
            }
        }
        for holder in remove {
            let member = require_member(&mut session, access, holder).await?;
            let sql = "DELETE FROM guacamole_user_group_member WHERE user_group_id = ? AND member_entity_id = ?";
            session.execute(sql, args![group.object, member.entity.0]).await?;
        }
        session.commit().await
    }
}

const GROUP: &str = "SELECT g.user_group_id, e.name, g.disabled FROM guacamole_user_group g \
     JOIN guacamole_entity e ON e.entity_id = g.entity_id";

async fn load(session: &mut Session, rows: &[Row]) -> Result<Vec<UserGroup>, StoreError> {
    let keys = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    let mut attributes = USER_GROUP_ATTRIBUTES.load(session, &keys).await?;
    let read = |row: &Row| {
        let key = row.int(0)?;
        Ok(UserGroup {
            key: UserGroupKey(key),
            name: row.text(1)?,
            disabled: row.flag(2)?,
            attributes: attributes.remove(&key).unwrap_or_default(),
        })
    };
    rows.iter().map(read).collect()
}

async fn require_group(
    session: &mut Session,
    access: &Access,
    name: &str,
    permission: ObjectPermission,
) -> Result<FoundHolder, StoreError> {
    let found = find_holder(session, &Holder::UserGroup(name.to_owned())).await?;
    require(session, access, KIND, found.object, permission).await?;
    Ok(found)
}

async fn require_member(session: &mut Session, access: &Access, holder: &Holder) -> Result<FoundHolder, StoreError> {
    let found = find_holder(session, holder).await?;
    require(session, access, found.kind, found.object, ObjectPermission::Update).await?;
    Ok(found)
}
