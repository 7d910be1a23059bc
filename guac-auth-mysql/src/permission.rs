//! Who may do what: by user and by group, with administrators above it all.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use tracing::debug;

use crate::{
    Store,
    db::{Arg, Session, args, is_duplicate, placeholders},
    error::StoreError,
    login,
    model::{
        ConnectionGroupKey, ConnectionKey, EntityKey, Holder, ObjectKind, ObjectPermission, Permission, PermissionSet,
        SharingProfileKey, SystemPermission, UserKey,
    },
};

/// On whose behalf something is read or written: somebody logged in with all their groups, or the operator.
///
/// It is a snapshot: make a new one with [`Store::access`] for every request, so that a permission taken away is gone.
#[derive(Clone, Debug)]
pub struct Access {
    actor: Option<Actor>,
    /// The user's entity and those of all groups they are in, directly or not. Never empty where there is an actor.
    entities: Vec<i64>,
    system: BTreeSet<SystemPermission>,
}

#[derive(Clone, Debug)]
struct Actor {
    key: UserKey,
    entity: EntityKey,
    name: String,
}

impl Access {
    /// The operator of this machine, at the command line or at the first start: may do everything, is nobody.
    #[must_use]
    pub fn operator() -> Self {
        Self { actor: None, entities: Vec::new(), system: SystemPermission::ALL.iter().copied().collect() }
    }

    /// Somebody without an account, who may do nothing here.
    #[must_use]
    pub fn nobody() -> Self {
        Self { actor: None, entities: Vec::new(), system: BTreeSet::new() }
    }

    /// The user, unless this is the operator or nobody.
    #[must_use]
    pub fn user(&self) -> Option<UserKey> {
        self.actor.as_ref().map(|actor| actor.key)
    }

    /// The user's name as stored, unless this is the operator or nobody.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.actor.as_ref().map(|actor| actor.name.as_str())
    }

    /// Whether they hold `permission`, themselves or by a group. Administrators hold all.
    #[must_use]
    pub fn has(&self, permission: SystemPermission) -> bool {
        self.is_administrator() || self.system.contains(&permission)
    }

    /// Whether every check of objects is passed.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.system.contains(&SystemPermission::Administer)
    }

    /// Whether all history may be read.
    #[must_use]
    pub fn may_audit(&self) -> bool {
        self.has(SystemPermission::Audit)
    }

    pub(crate) fn entities(&self) -> &[i64] {
        &self.entities
    }

    pub(crate) fn require(&self, permission: SystemPermission) -> Result<(), StoreError> {
        if self.has(permission) { Ok(()) } else { Err(StoreError::Denied) }
    }
}

impl ObjectKind {
    pub(crate) const fn permission_table(self) -> &'static str {
        match self {
            Self::User => "guacamole_user_permission",
            Self::UserGroup => "guacamole_user_group_permission",
            Self::Connection => "guacamole_connection_permission",
            Self::ConnectionGroup => "guacamole_connection_group_permission",
            Self::SharingProfile => "guacamole_sharing_profile_permission",
        }
    }

    pub(crate) const fn permission_column(self) -> &'static str {
        match self {
            Self::User => "affected_user_id",
            Self::UserGroup => "affected_user_group_id",
            Self::Connection => "connection_id",
            Self::ConnectionGroup => "connection_group_id",
            Self::SharingProfile => "sharing_profile_id",
        }
    }
}

impl Store {
    /// What `user` may do now, with all groups they are in. Disabled groups, and what is only reached through them, are left out.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the account is gone, disabled, or outside its days or hours: a session of theirs ends.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn access(&self, user: UserKey, now: SystemTime) -> Result<Access, StoreError> {
        let mut session = self.database().read().await?;
        let account = login::account_by_key(&mut session, user).await?;
        let account = account.ok_or(StoreError::NotFound { kind: ObjectKind::User })?;
        if account.disabled || account.restrictions.check(now, self.zone()).is_err() {
            return Err(StoreError::NotFound { kind: ObjectKind::User });
        }
        let entities = effective_entities(&mut session, account.entity).await?;
        let mut system = BTreeSet::new();
        let sql = "SELECT permission FROM guacamole_system_permission WHERE entity_id IN";
        for row in session.rows_in(sql, &entities, "", &[]).await? {
            system.extend(row.text(0)?.parse::<SystemPermission>().ok());
        }
        let actor = Actor { key: account.key, entity: account.entity, name: account.name };
        Ok(Access { actor: Some(actor), entities, system })
    }

    /// Whether `access` holds `permission` on an object, by user, by group or as administrator. False for objects that
    /// are not there.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn has_permission(&self, access: &Access, permission: &Permission) -> Result<bool, StoreError> {
        let mut session = self.database().read().await?;
        if let Permission::System(permission) = permission {
            return Ok(access.has(*permission));
        }
        match resolve(&mut session, permission).await {
            Ok(Resolved::Object(kind, key, wanted)) => holds(&mut session, access, kind, key, wanted).await,
            Ok(Resolved::System(_)) | Err(StoreError::NotFound { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// What `holder` was granted itself, without its groups.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `access` may not read the holder.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn direct_permissions(&self, access: &Access, holder: &Holder) -> Result<PermissionSet, StoreError> {
        let mut session = self.database().read().await?;
        let entity = readable_holder(&mut session, access, holder).await?.entity;
        permission_set(&mut session, &[entity.0]).await
    }

    /// What the user named `username` may do, by themselves and by all their groups.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `access` may not read the user.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn effective_permissions(&self, access: &Access, username: &str) -> Result<PermissionSet, StoreError> {
        let mut session = self.database().read().await?;
        let holder = Holder::User(username.to_owned());
        let entity = readable_holder(&mut session, access, &holder).await?.entity;
        let entities = effective_entities(&mut session, entity).await?;
        permission_set(&mut session, &entities).await
    }

    /// Grants `add` to `holder`, then revokes `remove`: all of it or, on any error, nothing.
    ///
    /// What is granted already is left alone, as is revoking what was not granted.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without UPDATE on the holder and ADMINISTER on every object concerned, or for system
    /// permissions without being administrator; [`StoreError::OwnAccount`] for revoking one's own system permissions.
    ///
    /// # Cancel safety
    /// Cancelled, nothing is changed.
    pub async fn update_permissions(
        &self,
        access: &Access,
        holder: &Holder,
        add: &[Permission],
        remove: &[Permission],
    ) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let found = find_holder(&mut session, holder).await?;
        require(&mut session, access, found.kind, found.object, ObjectPermission::Update).await?;
        for permission in add {
            let resolved = changeable(&mut session, access, permission).await?;
            match resolved {
                Resolved::System(word) => grant_system(&mut session, found.entity, word).await?,
                Resolved::Object(kind, key, word) => grant(&mut session, found.entity, kind, key, word).await?,
            }
        }
        for permission in remove {
            let resolved = changeable(&mut session, access, permission).await?;
            let own = access.actor.as_ref().is_some_and(|actor| actor.entity == found.entity);
            if own && matches!(resolved, Resolved::System(_)) {
                return Err(StoreError::OwnAccount);
            }
            revoke(&mut session, found.entity, resolved).await?;
        }
        session.commit().await?;
        debug!(?holder, added = add.len(), removed = remove.len(), "Permissions changed");
        Ok(())
    }

    /// Grants the user named `username` every system permission. `AUDIT` is left out where the database is older than it.
    ///
    /// # Errors
    /// [`StoreError::Denied`] unless `access` is an administrator; [`StoreError::NotFound`] for an unknown user.
    ///
    /// # Cancel safety
    /// Cancelled, nothing is changed.
    pub async fn grant_administration(&self, access: &Access, username: &str) -> Result<(), StoreError> {
        access.require(SystemPermission::Administer)?;
        let mut session = self.database().write().await?;
        let found = find_holder(&mut session, &Holder::User(username.to_owned())).await?;
        for word in SystemPermission::ALL {
            match grant_system(&mut session, found.entity, *word).await {
                Err(StoreError::Invalid { .. }) if *word == SystemPermission::Audit => {}
                other => other?,
            }
        }
        session.commit().await
    }

    /// Whether any account can log in and administer. Without one, the first start makes one.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn has_administrator(&self) -> Result<bool, StoreError> {
        let mut session = self.database().read().await?;
        let sql = "SELECT u.entity_id FROM guacamole_user u WHERE u.disabled = 0";
        let holders = "SELECT entity_id FROM guacamole_system_permission WHERE permission = 'ADMINISTER'";
        let mut holding = BTreeSet::new();
        for row in session.rows(holders, &[]).await? {
            holding.insert(row.int(0)?);
        }
        for row in session.rows(sql, &[]).await? {
            let entity = EntityKey(row.int(0)?);
            let direct = holding.contains(&entity.0);
            if direct || effective_entities(&mut session, entity).await?.iter().any(|key| holding.contains(key)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `entity` and every enabled group it is in, directly or through enabled groups.
///
/// Level by level rather than by a recursive query, which MySQL has only since 8.0; real groups are two or three deep.
pub(crate) async fn effective_entities(session: &mut Session, entity: EntityKey) -> Result<Vec<i64>, StoreError> {
    let mut all = BTreeSet::from([entity.0]);
    let mut level = vec![entity.0];
    while !level.is_empty() {
        let sql = "SELECT g.entity_id FROM guacamole_user_group_member m JOIN guacamole_user_group g \
             ON g.user_group_id = m.user_group_id WHERE g.disabled = 0 AND m.member_entity_id IN";
        let mut next = Vec::new();
        for row in session.rows_in(sql, &level, "", &[]).await? {
            let group = row.int(0)?;
            // A group already seen is not followed again, so circles end.
            if all.insert(group) {
                next.push(group);
            }
        }
        level = next;
    }
    Ok(all.into_iter().collect())
}

/// A holder's rows.
pub(crate) struct FoundHolder {
    pub(crate) entity: EntityKey,
    pub(crate) kind: ObjectKind,
    pub(crate) object: i64,
}

pub(crate) async fn find_holder(session: &mut Session, holder: &Holder) -> Result<FoundHolder, StoreError> {
    let (sql, kind, name) = match holder {
        Holder::User(name) => (
            "SELECT e.entity_id, u.user_id FROM guacamole_entity e JOIN guacamole_user u ON u.entity_id = e.entity_id \
             WHERE e.type = 'USER' AND e.name = ?",
            ObjectKind::User,
            name,
        ),
        Holder::UserGroup(name) => (
            "SELECT e.entity_id, g.user_group_id FROM guacamole_entity e JOIN guacamole_user_group g \
             ON g.entity_id = e.entity_id WHERE e.type = 'USER_GROUP' AND e.name = ?",
            ObjectKind::UserGroup,
            name,
        ),
    };
    let row = session.row(sql, args![name]).await?.ok_or(StoreError::NotFound { kind })?;
    Ok(FoundHolder { entity: EntityKey(row.int(0)?), kind, object: row.int(1)? })
}

/// As [`find_holder`], for those who may read the holder: administrators, holders of READ, and users themselves.
pub(crate) async fn readable_holder(
    session: &mut Session,
    access: &Access,
    holder: &Holder,
) -> Result<FoundHolder, StoreError> {
    let found = find_holder(session, holder).await?;
    let own = access.actor.as_ref().is_some_and(|actor| actor.entity == found.entity);
    if own || holds(session, access, found.kind, found.object, ObjectPermission::Read).await? {
        return Ok(found);
    }
    Err(StoreError::NotFound { kind: found.kind })
}

enum Resolved {
    System(SystemPermission),
    Object(ObjectKind, i64, ObjectPermission),
}

/// Turns names into keys.
async fn resolve(session: &mut Session, permission: &Permission) -> Result<Resolved, StoreError> {
    Ok(match permission {
        Permission::System(word) => Resolved::System(*word),
        Permission::Connection(key, word) => Resolved::Object(ObjectKind::Connection, key.0, *word),
        Permission::ConnectionGroup(key, word) => Resolved::Object(ObjectKind::ConnectionGroup, key.0, *word),
        Permission::SharingProfile(key, word) => Resolved::Object(ObjectKind::SharingProfile, key.0, *word),
        Permission::User(name, word) => {
            let found = find_holder(session, &Holder::User(name.clone())).await?;
            Resolved::Object(ObjectKind::User, found.object, *word)
        }
        Permission::UserGroup(name, word) => {
            let found = find_holder(session, &Holder::UserGroup(name.clone())).await?;
            Resolved::Object(ObjectKind::UserGroup, found.object, *word)
        }
    })
}

/// As [`resolve`], for those who may grant and revoke it.
async fn changeable(session: &mut Session, access: &Access, permission: &Permission) -> Result<Resolved, StoreError> {
    let resolved = resolve(session, permission).await?;
    match resolved {
        Resolved::System(_) => access.require(SystemPermission::Administer)?,
        Resolved::Object(kind, key, _) => {
            require(session, access, kind, key, ObjectPermission::Administer).await?;
            exists(session, kind, key).await?;
        }
    }
    Ok(resolved)
}

async fn exists(session: &mut Session, kind: ObjectKind, key: i64) -> Result<(), StoreError> {
    let sql = match kind {
        ObjectKind::User => "SELECT 1 FROM guacamole_user WHERE user_id = ?",
        ObjectKind::UserGroup => "SELECT 1 FROM guacamole_user_group WHERE user_group_id = ?",
        ObjectKind::Connection => "SELECT 1 FROM guacamole_connection WHERE connection_id = ?",
        ObjectKind::ConnectionGroup => "SELECT 1 FROM guacamole_connection_group WHERE connection_group_id = ?",
        ObjectKind::SharingProfile => "SELECT 1 FROM guacamole_sharing_profile WHERE sharing_profile_id = ?",
    };
    session.row(sql, args![key]).await?.map(drop).ok_or(StoreError::NotFound { kind })
}

/// Whether `access` holds `permission` on an object.
pub(crate) async fn holds(
    session: &mut Session,
    access: &Access,
    kind: ObjectKind,
    key: i64,
    permission: ObjectPermission,
) -> Result<bool, StoreError> {
    if access.is_administrator() {
        return Ok(true);
    }
    let before = format!("SELECT 1 FROM {} WHERE entity_id IN", kind.permission_table());
    let after = format!("AND {} = ? AND permission = ? LIMIT 1", kind.permission_column());
    let args = args![key, permission.as_str()];
    Ok(!session.rows_in(&before, access.entities(), &after, args).await?.is_empty())
}

/// Fails unless `access` holds `permission`: as if there were no such object for those who may not even read it.
pub(crate) async fn require(
    session: &mut Session,
    access: &Access,
    kind: ObjectKind,
    key: i64,
    permission: ObjectPermission,
) -> Result<(), StoreError> {
    if holds(session, access, kind, key, permission).await? {
        return Ok(());
    }
    if permission != ObjectPermission::Read && holds(session, access, kind, key, ObjectPermission::Read).await? {
        return Err(StoreError::Denied);
    }
    Err(StoreError::NotFound { kind })
}

/// Keys of all objects of a kind on which `access` holds READ and, where any are given, one of `any_of`.
/// `None` is all of them.
pub(crate) async fn visible(
    session: &mut Session,
    access: &Access,
    kind: ObjectKind,
    any_of: &[ObjectPermission],
) -> Result<Option<BTreeSet<i64>>, StoreError> {
    if access.is_administrator() {
        return Ok(None);
    }
    let before =
        format!("SELECT {}, permission FROM {} WHERE entity_id IN", kind.permission_column(), kind.permission_table());
    let mut held: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for row in session.rows_in(&before, access.entities(), "", &[]).await? {
        held.entry(row.int(0)?).or_default().insert(row.text(1)?);
    }
    let wanted = |words: &BTreeSet<String>| {
        words.contains(ObjectPermission::Read.as_str())
            && (any_of.is_empty() || any_of.iter().any(|word| words.contains(word.as_str())))
    };
    Ok(Some(held.into_iter().filter(|(_, words)| wanted(words)).map(|(key, _)| key).collect()))
}

pub(crate) async fn grant(
    session: &mut Session,
    entity: EntityKey,
    kind: ObjectKind,
    key: i64,
    permission: ObjectPermission,
) -> Result<(), StoreError> {
    let (table, column) = (kind.permission_table(), kind.permission_column());
    let sql = format!("INSERT INTO {table} (entity_id, {column}, permission) VALUES (?, ?, ?)");
    let present = format!("SELECT 1 FROM {table} WHERE entity_id = ? AND {column} = ? AND permission = ?");
    insert_once(session, present, sql, args![entity.0, key, permission.as_str()]).await
}

pub(crate) async fn grant_system(
    session: &mut Session,
    entity: EntityKey,
    permission: SystemPermission,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO guacamole_system_permission (entity_id, permission) VALUES (?, ?)";
    let present = "SELECT 1 FROM guacamole_system_permission WHERE entity_id = ? AND permission = ?";
    insert_once(session, present.to_owned(), sql.to_owned(), args![entity.0, permission.as_str()]).await
}

/// Not `INSERT IGNORE`: that would also ignore a word the enum does not have, and store an empty one.
async fn insert_once(
    session: &mut Session,
    present: String,
    insert: String,
    args: &[Arg<'_>],
) -> Result<(), StoreError> {
    if session.row(present, args).await?.is_some() {
        return Ok(());
    }
    match session.execute(insert, args).await {
        Err(error) if is_duplicate(&error) => Ok(()),
        other => other.map(drop),
    }
}

async fn revoke(session: &mut Session, entity: EntityKey, permission: Resolved) -> Result<(), StoreError> {
    match permission {
        Resolved::System(word) => {
            let sql = "DELETE FROM guacamole_system_permission WHERE entity_id = ? AND permission = ?";
            session.execute(sql, args![entity.0, word.as_str()]).await?;
        }
        Resolved::Object(kind, key, word) => {
            let (table, column) = (kind.permission_table(), kind.permission_column());
            let sql = format!("DELETE FROM {table} WHERE entity_id = ? AND {column} = ? AND permission = ?");
            session.execute(sql, args![entity.0, key, word.as_str()]).await?;
        }
    }
    Ok(())
}

/// Gives whoever created an object everything on it. The operator needs nothing.
pub(crate) async fn grant_creator(
    session: &mut Session,
    access: &Access,
    kind: ObjectKind,
    key: i64,
) -> Result<(), StoreError> {
    let Some(actor) = &access.actor else { return Ok(()) };
    for permission in ObjectPermission::ALL {
        grant(session, actor.entity, kind, key, *permission).await?;
    }
    Ok(())
}

/// Everything granted to any of `entities`.
async fn permission_set(session: &mut Session, entities: &[i64]) -> Result<PermissionSet, StoreError> {
    let mut set = PermissionSet::default();
    let holders = placeholders(entities.len());
    let args: Vec<Arg<'_>> = entities.iter().map(|key| Arg::Int(*key)).collect();

    let sql = format!("SELECT permission FROM guacamole_system_permission WHERE entity_id IN ({holders})");
    for row in session.rows(sql, &args).await? {
        set.system.extend(row.text(0)?.parse::<SystemPermission>().ok());
    }
    for kind in [ObjectKind::Connection, ObjectKind::ConnectionGroup, ObjectKind::SharingProfile] {
        let (table, column) = (kind.permission_table(), kind.permission_column());
        let sql = format!("SELECT {column}, permission FROM {table} WHERE entity_id IN ({holders})");
        for row in session.rows(sql, &args).await? {
            let key = row.int(0)?;
            let words = match kind {
                ObjectKind::Connection => set.connections.entry(ConnectionKey(key)).or_default(),
                ObjectKind::ConnectionGroup => set.connection_groups.entry(ConnectionGroupKey(key)).or_default(),
                _ => set.sharing_profiles.entry(SharingProfileKey(key)).or_default(),
            };
            words.extend(row.text(1)?.parse::<ObjectPermission>().ok());
        }
    }
    let users = "SELECT e.name, p.permission FROM guacamole_user_permission p JOIN guacamole_user o \
         ON o.user_id = p.affected_user_id JOIN guacamole_entity e ON e.entity_id = o.entity_id";
    let groups = "SELECT e.name, p.permission FROM guacamole_user_group_permission p JOIN guacamole_user_group o \
         ON o.user_group_id = p.affected_user_group_id JOIN guacamole_entity e ON e.entity_id = o.entity_id";
    for (sql, named) in [(users, &mut set.users), (groups, &mut set.user_groups)] {
        for row in session.rows(format!("{sql} WHERE p.entity_id IN ({holders})"), &args).await? {
            named.entry(row.text(0)?).or_default().extend(row.text(1)?.parse::<ObjectPermission>().ok());
        }
    }
    Ok(set)
}
