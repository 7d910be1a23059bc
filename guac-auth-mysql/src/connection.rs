//! Connections: what a user may open, and with which parameters.

use tracing::info;

use crate::{
    Access, Store,
    db::{Arg, Row, Session, args, is_duplicate},
    error::StoreError,
    limits,
    model::{
        Connection, ConnectionAttributes, ConnectionGroupKey, ConnectionGroupType, ConnectionKey, Holder,
        NewConnection, ObjectKind, ObjectPermission, Parameters, ProxyEncryption, SystemPermission,
    },
    permission::{find_holder, grant, grant_creator, require, visible},
    settings::{
        CONNECTION_ATTRIBUTES, CONNECTION_PARAMETERS, check_length, check_limit, check_name, check_settings, pairs,
        small,
    },
    time,
};

const KIND: ObjectKind = ObjectKind::Connection;

impl Store {
    /// All connections `access` may read and, where any are given, on which it holds one of `any_of`. By name.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connections(
        &self,
        access: &Access,
        any_of: &[ObjectPermission],
    ) -> Result<Vec<Connection>, StoreError> {
        let mut session = self.database().read().await?;
        self.load_visible_connections(&mut session, access, any_of).await
    }

    pub(crate) async fn load_visible_connections(
        &self,
        session: &mut Session,
        access: &Access,
        any_of: &[ObjectPermission],
    ) -> Result<Vec<Connection>, StoreError> {
        let rows = match visible(session, access, KIND, any_of).await? {
            None => session.rows(format!("{CONNECTION} ORDER BY c.connection_name"), &[]).await?,
            Some(keys) => {
                let keys: Vec<i64> = keys.into_iter().collect();
                let before = format!("{CONNECTION} WHERE c.connection_id IN");
                session.rows_in(&before, &keys, "ORDER BY c.connection_name", &[]).await?
            }
        };
        self.load_connections(session, &rows).await
    }

    /// One connection.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none that `access` may read.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connection(&self, access: &Access, key: ConnectionKey) -> Result<Connection, StoreError> {
        let mut session = self.database().read().await?;
        self.readable_connection(&mut session, access, key).await
    }

    async fn readable_connection(
        &self,
        session: &mut Session,
        access: &Access,
        key: ConnectionKey,
    ) -> Result<Connection, StoreError> {
        require(session, access, KIND, key.0, ObjectPermission::Read).await?;
        let rows = session.rows(format!("{CONNECTION} WHERE c.connection_id = ?"), args![key.0]).await?;
        let found = self.load_connections(session, &rows).await?;
        found.into_iter().next().ok_or(StoreError::NotFound { kind: KIND })
    }

    /// A connection's parameters as stored, for whoever edits them.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without UPDATE on the connection.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn parameters(&self, access: &Access, key: ConnectionKey) -> Result<Parameters, StoreError> {
        let mut session = self.database().read().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Update).await?;
        if session.row("SELECT 1 FROM guacamole_connection WHERE connection_id = ?", args![key.0]).await?.is_none() {
            return Err(StoreError::NotFound { kind: KIND });
        }
        load_parameters(&mut session, key).await
    }

    /// A connection with its parameters, to be opened by somebody who may use it. Nothing of the parameters is to be
    /// shown to them. Tokens in the values are not replaced yet: see [`tokens`](crate::tokens).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without READ on the connection.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connection_to_open(
        &self,
        access: &Access,
        key: ConnectionKey,
    ) -> Result<(Connection, Parameters), StoreError> {
        let mut session = self.database().read().await?;
        let connection = self.readable_connection(&mut session, access, key).await?;
        let parameters = load_parameters(&mut session, key).await?;
        Ok((connection, parameters))
    }

    /// The members of a balancing group with their parameters, to open one of them: in order of their names, without
    /// those whose weight keeps them out. READ on the group is enough, members need not be readable.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without READ on the group, or if it does not balance.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn members_to_open(
        &self,
        access: &Access,
        group: ConnectionGroupKey,
    ) -> Result<Vec<(Connection, Parameters)>, StoreError> {
        let kind = ObjectKind::ConnectionGroup;
        let mut session = self.database().read().await?;
        require(&mut session, access, kind, group.0, ObjectPermission::Read).await?;
        let sql = "SELECT type FROM guacamole_connection_group WHERE connection_group_id = ?";
        let word = session.row(sql, args![group.0]).await?.map(|row| row.text(0)).transpose()?;
        if word.as_deref() != Some(ConnectionGroupType::Balancing.as_str()) {
            return Err(StoreError::NotFound { kind });
        }
        let sql = format!("{CONNECTION} WHERE c.parent_id = ? ORDER BY c.connection_name");
        let rows = session.rows(sql, args![group.0]).await?;
        let mut members = Vec::new();
        for connection in self.load_connections(&mut session, &rows).await? {
            if connection.attributes.weight.is_none_or(|weight| weight >= 1) {
                let parameters = load_parameters(&mut session, connection.key).await?;
                members.push((connection, parameters));
            }
        }
        Ok(members)
    }

    /// Creates a connection. Whoever created it may do everything with it.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without CREATE_CONNECTION, or without UPDATE on a parent that is not the root;
    /// [`StoreError::Duplicate`]; the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, the connection is created whole or not at all.
    pub async fn create_connection(&self, access: &Access, new: &NewConnection) -> Result<ConnectionKey, StoreError> {
        access.require(SystemPermission::CreateConnection)?;
        let checked = Checked::new(new)?;
        let mut session = self.database().write().await?;
        require_parent(&mut session, access, new.parent).await?;
        refuse_duplicate(&mut session, checked.name, new.parent, None).await?;
        let sql = "INSERT INTO guacamole_connection (connection_name, parent_id, protocol, proxy_port, proxy_hostname, \
             proxy_encryption_method, max_connections, max_connections_per_user, connection_weight, failover_only) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let done = session.execute(sql, &checked.columns(new)).await.map_err(|error| duplicate(error, checked.name))?;
        let key = ConnectionKey(done.inserted);
        CONNECTION_PARAMETERS.replace(&mut session, key.0, new.parameters.iter()).await?;
        CONNECTION_ATTRIBUTES.replace(&mut session, key.0, pairs(&new.attributes.extra)).await?;
        grant_creator(&mut session, access, KIND, key.0).await?;
        session.commit().await?;
        info!(connection = %key, protocol = %new.protocol, "Connection created");
        Ok(key)
    }

    /// Replaces everything a connection has but its history and permissions, its place included.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without UPDATE on the connection and, to move it, on both parents that are not the root;
    /// [`StoreError::Duplicate`]; the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, everything is changed or nothing.
    pub async fn update_connection(
        &self,
        access: &Access,
        key: ConnectionKey,
        new: &NewConnection,
    ) -> Result<(), StoreError> {
        let checked = Checked::new(new)?;
        let mut session = self.database().write().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Update).await?;
        let old_parent = parent_of(&mut session, key).await?;
        if old_parent != new.parent {
            require_parent(&mut session, access, old_parent).await?;
            require_parent(&mut session, access, new.parent).await?;
        }
        refuse_duplicate(&mut session, checked.name, new.parent, Some(key)).await?;
        let sql = "UPDATE guacamole_connection SET connection_name = ?, parent_id = ?, protocol = ?, proxy_port = ?, \
             proxy_hostname = ?, proxy_encryption_method = ?, max_connections = ?, max_connections_per_user = ?, \
             connection_weight = ?, failover_only = ? WHERE connection_id = ?";
        let mut columns = checked.columns(new).to_vec();
        columns.push(Arg::Int(key.0));
        session.execute(sql, &columns).await.map_err(|error| duplicate(error, checked.name))?;
        CONNECTION_PARAMETERS.replace(&mut session, key.0, new.parameters.iter()).await?;
        CONNECTION_ATTRIBUTES.replace(&mut session, key.0, pairs(&new.attributes.extra)).await?;
        session.commit().await
    }

    /// Deletes a connection. Its history keeps its name.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without DELETE on it, or without UPDATE on a parent that is not the root.
    ///
    /// # Cancel safety
    /// Cancelled, the connection is there whole or not at all.
    pub async fn delete_connection(&self, access: &Access, key: ConnectionKey) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        require(&mut session, access, KIND, key.0, ObjectPermission::Delete).await?;
        let parent = parent_of(&mut session, key).await?;
        require_parent(&mut session, access, parent).await?;
        session.execute("DELETE FROM guacamole_connection WHERE connection_id = ?", args![key.0]).await?;
        session.commit().await?;
        info!(connection = %key, "Connection deleted");
        Ok(())
    }

    /// Lets `holder` see and use a connection: READ on it and on every group above it, without which it would not
    /// appear in their tree.
    ///
    /// # Errors
    /// [`StoreError::Denied`] unless `access` is an administrator; [`StoreError::NotFound`] for either.
    ///
    /// # Cancel safety
    /// Cancelled, nothing is changed.
    pub async fn grant_connection(
        &self,
        access: &Access,
        key: ConnectionKey,
        holder: &Holder,
    ) -> Result<(), StoreError> {
        access.require(SystemPermission::Administer)?;
        let mut session = self.database().write().await?;
        let entity = find_holder(&mut session, holder).await?.entity;
        let mut parent = parent_of(&mut session, key).await?;
        grant(&mut session, entity, KIND, key.0, ObjectPermission::Read).await?;
        for _ in 0..limits::MAX_TREE_DEPTH {
            let Some(group) = parent else { break };
            grant(&mut session, entity, ObjectKind::ConnectionGroup, group.0, ObjectPermission::Read).await?;
            let sql = "SELECT parent_id FROM guacamole_connection_group WHERE connection_group_id = ?";
            parent = match session.row(sql, args![group.0]).await? {
                Some(row) => row.opt_int(0)?.map(ConnectionGroupKey),
                None => None,
            };
        }
        session.commit().await
    }

    async fn load_connections(&self, session: &mut Session, rows: &[Row]) -> Result<Vec<Connection>, StoreError> {
        let keys = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        let mut extra = CONNECTION_ATTRIBUTES.load(session, &keys).await?;
        let read = |row: &Row| {
            let key = row.int(0)?;
            let last_active = row.opt_text(11)?.and_then(|text| time::from_column(&text, self.zone()));
            Ok(Connection {
                key: ConnectionKey(key),
                name: row.text(1)?,
                parent: row.opt_int(2)?.map(ConnectionGroupKey),
                protocol: row.text(3)?,
                attributes: ConnectionAttributes {
                    guacd_port: row.opt_int(4)?.and_then(|port| u16::try_from(port).ok()),
                    guacd_hostname: row.opt_text(5)?,
                    guacd_encryption: row.opt_text(6)?.and_then(|word| word.parse::<ProxyEncryption>().ok()),
                    max_connections: small(row.opt_int(7)?),
                    max_connections_per_user: small(row.opt_int(8)?),
                    weight: row.opt_int(9)?.and_then(|weight| i32::try_from(weight).ok()),
                    failover_only: row.flag(10)?,
                    extra: extra.remove(&key).unwrap_or_default(),
                },
                last_active,
            })
        };
        rows.iter().map(read).collect()
    }
}

const CONNECTION: &str = "SELECT c.connection_id, c.connection_name, c.parent_id, c.protocol, c.proxy_port, \
     c.proxy_hostname, c.proxy_encryption_method, c.max_connections, c.max_connections_per_user, c.connection_weight, \
     c.failover_only, (SELECT CAST(MAX(h.start_date) AS CHAR) FROM guacamole_connection_history h \
     WHERE h.connection_id = c.connection_id) FROM guacamole_connection c";

/// Fields that were found to fit their columns.
struct Checked<'a> {
    name: &'a str,
    max_connections: Option<i64>,
    max_connections_per_user: Option<i64>,
}

impl<'a> Checked<'a> {
    fn new(new: &'a NewConnection) -> Result<Self, StoreError> {
        let name = check_name(KIND, &new.name)?;
        if new.protocol.trim().is_empty() {
            return Err(StoreError::Invalid { field: "protocol" });
        }
        check_length("protocol", &new.protocol, limits::MAX_PROTOCOL_CHARS)?;
        check_settings("parameters", new.parameters.iter())?;
        let attributes = &new.attributes;
        check_settings("attributes", pairs(&attributes.extra))?;
        let host = attributes.guacd_hostname.as_deref().unwrap_or_default();
        check_length("guacd-hostname", host, limits::MAX_PROXY_HOST_CHARS)?;
        Ok(Self {
            name,
            max_connections: check_limit("max-connections", attributes.max_connections)?,
            max_connections_per_user: check_limit("max-connections-per-user", attributes.max_connections_per_user)?,
        })
    }

    fn columns(&self, new: &'a NewConnection) -> [Arg<'a>; 10] {
        let attributes = &new.attributes;
        [
            self.name.into(),
            new.parent.map(|parent| parent.0).into(),
            new.protocol.as_str().into(),
            attributes.guacd_port.map(i64::from).into(),
            attributes.guacd_hostname.as_deref().filter(|host| !host.is_empty()).into(),
            attributes.guacd_encryption.map(ProxyEncryption::as_str).into(),
            self.max_connections.into(),
            self.max_connections_per_user.into(),
            attributes.weight.map(i64::from).into(),
            attributes.failover_only.into(),
        ]
    }
}

async fn load_parameters(session: &mut Session, key: ConnectionKey) -> Result<Parameters, StoreError> {
    let mut all = CONNECTION_PARAMETERS.load(session, &[key.0]).await?;
    Ok(all.remove(&key.0).unwrap_or_default().into_iter().collect())
}

async fn parent_of(session: &mut Session, key: ConnectionKey) -> Result<Option<ConnectionGroupKey>, StoreError> {
    let row = session.row("SELECT parent_id FROM guacamole_connection WHERE connection_id = ?", args![key.0]).await?;
    Ok(row.ok_or(StoreError::NotFound { kind: KIND })?.opt_int(0)?.map(ConnectionGroupKey))
}

/// Objects may be put into and taken out of groups one may update; the root takes any.
pub(crate) async fn require_parent(
    session: &mut Session,
    access: &Access,
    parent: Option<ConnectionGroupKey>,
) -> Result<(), StoreError> {
    let Some(parent) = parent else { return Ok(()) };
    let kind = ObjectKind::ConnectionGroup;
    require(session, access, kind, parent.0, ObjectPermission::Update).await?;
    let sql = "SELECT 1 FROM guacamole_connection_group WHERE connection_group_id = ?";
    session.row(sql, args![parent.0]).await?.map(drop).ok_or(StoreError::NotFound { kind })
}

/// The unique key does not hold for the root, since NULLs differ from each other.
async fn refuse_duplicate(
    session: &mut Session,
    name: &str,
    parent: Option<ConnectionGroupKey>,
    but: Option<ConnectionKey>,
) -> Result<(), StoreError> {
    let lock = session.for_update();
    let but = but.map_or(0, |key| key.0);
    let found = match parent {
        Some(parent) => {
            let sql = format!(
                "SELECT 1 FROM guacamole_connection WHERE connection_name = ? AND parent_id = ? AND connection_id <> ?{lock}"
            );
            session.row(sql, args![name, parent.0, but]).await?
        }
        None => {
            let sql = format!(
                "SELECT 1 FROM guacamole_connection WHERE connection_name = ? AND parent_id IS NULL AND connection_id <> ?{lock}"
            );
            session.row(sql, args![name, but]).await?
        }
    };
    match found {
        Some(_) => Err(StoreError::Duplicate { kind: KIND, name: name.to_owned() }),
        None => Ok(()),
    }
}

fn duplicate(error: StoreError, name: &str) -> StoreError {
    if is_duplicate(&error) { StoreError::Duplicate { kind: KIND, name: name.to_owned() } } else { error }
}
