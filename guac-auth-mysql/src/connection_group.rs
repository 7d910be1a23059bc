//! Groups of connections, and the tree a user sees.

use std::collections::BTreeMap;

use tracing::{info, warn};

use crate::{
    Access, Store,
    connection::require_parent,
    db::{Row, Session, args, is_duplicate},
    error::StoreError,
    limits,
    model::{
        Connection, ConnectionGroup, ConnectionGroupAttributes, ConnectionGroupKey, ConnectionGroupType,
        ConnectionNode, ConnectionTree, NewConnectionGroup, ObjectKind, ObjectPermission, SharingProfile,
        SystemPermission,
    },
    permission::{grant_creator, require, visible},
    settings::{CONNECTION_GROUP_ATTRIBUTES, check_limit, check_name, check_settings, pairs, small},
    sharing,
};

const KIND: ObjectKind = ObjectKind::ConnectionGroup;

impl Store {
    /// Everything `access` sees from `root` downwards (`None` is the root group). Connections and sharing profiles are
    /// kept only where it holds one of `any_of`, if any are given; groups are not filtered by that. What is in a group
    /// it cannot read does not appear, as in Guacamole.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `access` may not read `root`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connection_tree(
        &self,
        access: &Access,
        root: Option<ConnectionGroupKey>,
        any_of: &[ObjectPermission],
    ) -> Result<ConnectionTree, StoreError> {
        let mut session = self.database().read().await?;
        let groups = load_visible(&mut session, access, &[]).await?;
        let connections = self.load_visible_connections(&mut session, access, any_of).await?;
        let keys: Vec<i64> = connections.iter().map(|connection| connection.key.0).collect();
        let profiles = sharing::by_connection(&mut session, access, &keys, any_of).await?;
        drop(session);

        let group = match root {
            None => None,
            Some(key) => {
                let found = groups.iter().find(|group| group.key == key).cloned();
                Some(found.ok_or(StoreError::NotFound { kind: KIND })?)
            }
        };
        Ok(Children::sort(groups, connections, profiles).tree(group, limits::MAX_TREE_DEPTH))
    }

    /// All connection groups `access` may read and, where any are given, on which it holds one of `any_of`. By name.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connection_groups(
        &self,
        access: &Access,
        any_of: &[ObjectPermission],
    ) -> Result<Vec<ConnectionGroup>, StoreError> {
        load_visible(&mut self.database().read().await?, access, any_of).await
    }

    /// One connection group.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none that `access` may read.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connection_group(
        &self,
        access: &Access,
        key: ConnectionGroupKey,
    ) -> Result<ConnectionGroup, StoreError> {
        let mut session = self.database().read().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Read).await?;
        let rows = session.rows(format!("{GROUP} WHERE connection_group_id = ?"), args![key.0]).await?;
        load(&mut session, &rows).await?.into_iter().next().ok_or(StoreError::NotFound { kind: KIND })
    }

    /// Creates a connection group. Whoever created it may do everything with it.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without CREATE_CONNECTION_GROUP, or without UPDATE on a parent that is not the root;
    /// [`StoreError::Duplicate`]; the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, the group is created whole or not at all.
    pub async fn create_connection_group(
        &self,
        access: &Access,
        new: &NewConnectionGroup,
    ) -> Result<ConnectionGroupKey, StoreError> {
        access.require(SystemPermission::CreateConnectionGroup)?;
        let mut session = self.database().write().await?;
        let key = create(&mut session, access, new).await?;
        session.commit().await?;
        Ok(key)
    }

    /// Replaces everything a connection group has but its members and permissions, its place included.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without UPDATE on the group and, to move it, on both parents that are not the root;
    /// [`StoreError::Cycle`] for a place inside itself; [`StoreError::Duplicate`]; the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, everything is changed or nothing.
    pub async fn update_connection_group(
        &self,
        access: &Access,
        key: ConnectionGroupKey,
        new: &NewConnectionGroup,
    ) -> Result<(), StoreError> {
        let name = check(new)?;
        let mut session = self.database().write().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Update).await?;
        let old_parent = parent_of(&mut session, key).await?;
        if old_parent != new.parent {
            require_parent(&mut session, access, old_parent).await?;
            require_parent(&mut session, access, new.parent).await?;
            refuse_cycle(&mut session, key, new.parent).await?;
        }
        if find_child(&mut session, new.parent, name).await?.is_some_and(|(found, _)| found != key) {
            return Err(StoreError::Duplicate { kind: KIND, name: name.to_owned() });
        }
        let sql = "UPDATE guacamole_connection_group SET connection_group_name = ?, parent_id = ?, type = ?, \
             max_connections = ?, max_connections_per_user = ?, enable_session_affinity = ? WHERE connection_group_id = ?";
        let most = check_limit("max-connections", new.attributes.max_connections)?;
        let per_user = check_limit("max-connections-per-user", new.attributes.max_connections_per_user)?;
        let parent = new.parent.map(|parent| parent.0);
        let args = args![name, parent, new.group_type.as_str(), most, per_user, new.attributes.session_affinity, key.0];
        session.execute(sql, args).await?;
        CONNECTION_GROUP_ATTRIBUTES.replace(&mut session, key.0, pairs(&new.attributes.extra)).await?;
        session.commit().await
    }

    /// Deletes a connection group with everything in it.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without DELETE on it, or without UPDATE on a parent that is not the root.
    ///
    /// # Cancel safety
    /// Cancelled, the group is there whole or not at all.
    pub async fn delete_connection_group(&self, access: &Access, key: ConnectionGroupKey) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Delete).await?;
        let parent = parent_of(&mut session, key).await?;
        require_parent(&mut session, access, parent).await?;
        let sql = "DELETE FROM guacamole_connection_group WHERE connection_group_id = ?";
        session.execute(sql, args![key.0]).await?;
        session.commit().await?;
        info!(connection_group = %key, "Connection group deleted");
        Ok(())
    }

    /// The group at `path` (`a/b` is `b` in `a` in the root), with every group on the way made if missing. An empty path,
    /// or one of slashes only, is the root.
    ///
    /// # Errors
    /// As [`Store::create_connection_group`] where something has to be made; [`StoreError::TooMany`] for too long a path;
    /// [`StoreError::NotFound`] for groups on the way that `access` may not read.
    ///
    /// # Cancel safety
    /// Cancelled, all missing groups are made or none.
    pub async fn ensure_group_path(
        &self,
        access: &Access,
        path: &str,
    ) -> Result<Option<ConnectionGroupKey>, StoreError> {
        let names: Vec<&str> = path.split('/').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.len() > limits::MAX_GROUP_PATH_DEPTH {
            return Err(StoreError::TooMany { what: "groups in one path", limit: limits::MAX_GROUP_PATH_DEPTH });
        }
        let mut session = self.database().write().await?;
        let mut parent = None;
        for name in names {
            let found = find_child(&mut session, parent, name).await?;
            let key = match found {
                Some((key, _)) => {
                    require(&mut session, access, KIND, key.0, ObjectPermission::Read).await?;
                    key
                }
                None => {
                    access.require(SystemPermission::CreateConnectionGroup)?;
                    let new = NewConnectionGroup {
                        name: name.to_owned(),
                        parent,
                        group_type: ConnectionGroupType::Organizational,
                        attributes: ConnectionGroupAttributes::default(),
                    };
                    create(&mut session, access, &new).await?
                }
            };
            parent = Some(key);
        }
        session.commit().await?;
        Ok(parent)
    }
}

const GROUP: &str = "SELECT connection_group_id, connection_group_name, parent_id, type, max_connections, \
     max_connections_per_user, enable_session_affinity FROM guacamole_connection_group";

fn check(new: &NewConnectionGroup) -> Result<&str, StoreError> {
    let name = check_name(KIND, &new.name)?;
    check_settings("attributes", pairs(&new.attributes.extra))?;
    Ok(name)
}

async fn create(
    session: &mut Session,
    access: &Access,
    new: &NewConnectionGroup,
) -> Result<ConnectionGroupKey, StoreError> {
    let name = check(new)?;
    require_parent(session, access, new.parent).await?;
    let duplicate = || StoreError::Duplicate { kind: KIND, name: name.to_owned() };
    if find_child(session, new.parent, name).await?.is_some() {
        return Err(duplicate());
    }
    let sql = "INSERT INTO guacamole_connection_group (connection_group_name, parent_id, type, max_connections, \
         max_connections_per_user, enable_session_affinity) VALUES (?, ?, ?, ?, ?, ?)";
    let most = check_limit("max-connections", new.attributes.max_connections)?;
    let per_user = check_limit("max-connections-per-user", new.attributes.max_connections_per_user)?;
    let parent = new.parent.map(|parent| parent.0);
    let args = args![name, parent, new.group_type.as_str(), most, per_user, new.attributes.session_affinity];
    let done = session.execute(sql, args).await;
    let done = done.map_err(|error| if is_duplicate(&error) { duplicate() } else { error })?;
    let key = ConnectionGroupKey(done.inserted);
    CONNECTION_GROUP_ATTRIBUTES.replace(session, key.0, pairs(&new.attributes.extra)).await?;
    grant_creator(session, access, KIND, key.0).await?;
    info!(connection_group = %key, "Connection group created");
    Ok(key)
}

/// The group of that name in `parent`, locked against being made twice.
async fn find_child(
    session: &mut Session,
    parent: Option<ConnectionGroupKey>,
    name: &str,
) -> Result<Option<(ConnectionGroupKey, String)>, StoreError> {
    let lock = session.for_update();
    let select = "SELECT connection_group_id, connection_group_name FROM guacamole_connection_group";
    let row = match parent {
        Some(parent) => {
            let sql = format!("{select} WHERE connection_group_name = ? AND parent_id = ?{lock}");
            session.row(sql, args![name, parent.0]).await?
        }
        None => {
            let sql = format!("{select} WHERE connection_group_name = ? AND parent_id IS NULL{lock}");
            session.row(sql, args![name]).await?
        }
    };
    row.map(|row| Ok((ConnectionGroupKey(row.int(0)?), row.text(1)?))).transpose()
}

async fn parent_of(session: &mut Session, key: ConnectionGroupKey) -> Result<Option<ConnectionGroupKey>, StoreError> {
    let sql = "SELECT parent_id FROM guacamole_connection_group WHERE connection_group_id = ?";
    let row = session.row(sql, args![key.0]).await?.ok_or(StoreError::NotFound { kind: KIND })?;
    Ok(row.opt_int(0)?.map(ConnectionGroupKey))
}

/// Walks up from the new parent: meeting the group itself, or no end, is a circle.
async fn refuse_cycle(
    session: &mut Session,
    key: ConnectionGroupKey,
    parent: Option<ConnectionGroupKey>,
) -> Result<(), StoreError> {
    let mut above = parent;
    for _ in 0..limits::MAX_TREE_DEPTH {
        match above {
            None => return Ok(()),
            Some(group) if group == key => break,
            Some(group) => above = parent_of(session, group).await?,
        }
    }
    Err(StoreError::Cycle { kind: KIND })
}

async fn load_visible(
    session: &mut Session,
    access: &Access,
    any_of: &[ObjectPermission],
) -> Result<Vec<ConnectionGroup>, StoreError> {
    let rows = match visible(session, access, KIND, any_of).await? {
        None => session.rows(format!("{GROUP} ORDER BY connection_group_name"), &[]).await?,
        Some(keys) => {
            let keys: Vec<i64> = keys.into_iter().collect();
            let before = format!("{GROUP} WHERE connection_group_id IN");
            session.rows_in(&before, &keys, "ORDER BY connection_group_name", &[]).await?
        }
    };
    load(session, &rows).await
}

async fn load(session: &mut Session, rows: &[Row]) -> Result<Vec<ConnectionGroup>, StoreError> {
    let keys = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    let mut extra = CONNECTION_GROUP_ATTRIBUTES.load(session, &keys).await?;
    let read = |row: &Row| {
        let key = row.int(0)?;
        Ok(ConnectionGroup {
            key: ConnectionGroupKey(key),
            name: row.text(1)?,
            parent: row.opt_int(2)?.map(ConnectionGroupKey),
            group_type: row.text(3)?.parse().unwrap_or(ConnectionGroupType::Organizational),
            attributes: ConnectionGroupAttributes {
                max_connections: small(row.opt_int(4)?),
                max_connections_per_user: small(row.opt_int(5)?),
                session_affinity: row.flag(6)?,
                extra: extra.remove(&key).unwrap_or_default(),
            },
        })
    };
    rows.iter().map(read).collect()
}

/// Groups and connections by the group they are in.
struct Children {
    groups: BTreeMap<Option<ConnectionGroupKey>, Vec<ConnectionGroup>>,
    connections: BTreeMap<Option<ConnectionGroupKey>, Vec<ConnectionNode>>,
}

impl Children {
    fn sort(
        groups: Vec<ConnectionGroup>,
        connections: Vec<Connection>,
        mut profiles: BTreeMap<i64, Vec<SharingProfile>>,
    ) -> Self {
        let mut sorted = Self { groups: BTreeMap::new(), connections: BTreeMap::new() };
        for group in groups {
            sorted.groups.entry(group.parent).or_default().push(group);
        }
        for connection in connections {
            let sharing_profiles = profiles.remove(&connection.key.0).unwrap_or_default();
            let node = ConnectionNode { connection, sharing_profiles };
            sorted.connections.entry(node.connection.parent).or_default().push(node);
        }
        sorted
    }

    /// Takes the children out as it goes down, so that a circle put into the database by hand is walked once.
    fn tree(&mut self, group: Option<ConnectionGroup>, depth_left: usize) -> ConnectionTree {
        let key = group.as_ref().map(|group| group.key);
        let connections = self.connections.remove(&key).unwrap_or_default();
        let mut groups = self.groups.remove(&key).unwrap_or_default();
        if depth_left == 0 && !groups.is_empty() {
            warn!(connection_group = ?key, "Connection groups are nested too deeply and cut off");
            groups.clear();
        }
        let groups = groups.into_iter().map(|group| self.tree(Some(group), depth_left.saturating_sub(1))).collect();
        ConnectionTree { group, groups, connections }
    }
}
