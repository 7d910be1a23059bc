//! Users: listing, creating, changing, deleting. Logging in is in `login`.

use std::time::SystemTime;

use secrecy::SecretString;
use tracing::{debug, info};

use crate::{
    Access, Store,
    db::{Row, Session, args, is_duplicate},
    error::StoreError,
    limits,
    model::{
        EntityKey, Holder, NewUser, ObjectKind, ObjectPermission, SystemPermission, User, UserAttributes, UserKey,
    },
    password::{self, StoredPassword},
    permission::{find_holder, grant, grant_creator, holds, readable_holder, require, visible},
    settings::{USER_ATTRIBUTES, check_length, check_name, check_settings, pairs},
    time,
};

/// What to make of a user: everything but the password is replaced.
#[derive(Clone, Debug)]
pub struct UserUpdate {
    /// Whether login is switched off.
    pub disabled: bool,
    /// A new password; `None` keeps the one there is.
    pub password: Option<SecretString>,
    /// Profile, restrictions and whatever extensions keep. Restrictions are taken only from those with ADMINISTER on
    /// the user, and kept as they are otherwise.
    pub attributes: UserAttributes,
}

impl Store {
    /// All users `access` may read and, where any are given, on whom it holds one of `any_of`. By name.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn users(&self, access: &Access, any_of: &[ObjectPermission]) -> Result<Vec<User>, StoreError> {
        let mut session = self.database().read().await?;
        let rows = match visible(&mut session, access, ObjectKind::User, any_of).await? {
            None => session.rows(format!("{USER} ORDER BY e.name"), &[]).await?,
            Some(keys) => {
                let keys: Vec<i64> = keys.into_iter().collect();
                session.rows_in(&format!("{USER} WHERE u.user_id IN"), &keys, "ORDER BY e.name", &[]).await?
            }
        };
        self.load_users(&mut session, &rows).await
    }

    /// One user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none of that name that `access` may read. Everybody may read themselves.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn user(&self, access: &Access, name: &str) -> Result<User, StoreError> {
        let mut session = self.database().read().await?;
        let found = readable_holder(&mut session, access, &Holder::User(name.to_owned())).await?;
        let rows = session.rows(format!("{USER} WHERE u.user_id = ?"), args![found.object]).await?;
        let users = self.load_users(&mut session, &rows).await?;
        users.into_iter().next().ok_or(StoreError::NotFound { kind: ObjectKind::User })
    }

    async fn load_users(&self, session: &mut Session, rows: &[Row]) -> Result<Vec<User>, StoreError> {
        let keys = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        let mut extra = USER_ATTRIBUTES.load(session, &keys).await?;
        let read = |row: &Row| {
            let key = row.int(0)?;
            let last_active = row.opt_text(14)?.and_then(|text| time::from_column(&text, self.zone()));
            Ok(User {
                key: UserKey(key),
                name: row.text(1)?,
                disabled: row.flag(2)?,
                attributes: UserAttributes {
                    expired: row.flag(3)?,
                    access_window_start: row.opt_text(4)?,
                    access_window_end: row.opt_text(5)?,
                    valid_from: row.opt_text(6)?,
                    valid_until: row.opt_text(7)?,
                    timezone: row.opt_text(8)?,
                    full_name: row.opt_text(9)?,
                    email_address: row.opt_text(10)?,
                    organization: row.opt_text(11)?,
                    organizational_role: row.opt_text(12)?,
                    extra: extra.remove(&key).unwrap_or_default(),
                },
                last_active,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Creates a user, who may read themselves. Whoever created them may do everything with them.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without CREATE_USER; [`StoreError::Duplicate`], and the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, the user is created whole or not at all.
    pub async fn create_user(&self, access: &Access, user: &NewUser, now: SystemTime) -> Result<UserKey, StoreError> {
        access.require(SystemPermission::CreateUser)?;
        let name = check_name(ObjectKind::User, &user.name)?;
        check_attributes(&user.attributes)?;
        let password = match &user.password {
            Some(password) => self.hash_new(password).await?,
            None => StoredPassword::impossible(),
        };
        let mut session = self.database().write().await?;
        let entity = create_entity(&mut session, ObjectKind::User, name).await?;
        let sql = "INSERT INTO guacamole_user (entity_id, password_hash, password_salt, password_date, disabled) \
             VALUES (?, ?, ?, ?, ?)";
        let date = time::to_column(now, self.zone());
        let (hash, salt) = (password.hash.as_slice(), password.salt.as_deref());
        let done = session.execute(sql, args![entity.0, hash, salt, &date, user.disabled]).await?;
        let key = UserKey(done.inserted);
        password::write_argon2(&mut session, key, &password).await?;
        write_attributes(&mut session, key, &user.attributes, true).await?;
        grant(&mut session, entity, ObjectKind::User, key.0, ObjectPermission::Read).await?;
        grant_creator(&mut session, access, ObjectKind::User, key.0).await?;
        session.commit().await?;
        info!(username = name, "User created");
        Ok(key)
    }

    /// Replaces everything a user has but name, groups and permissions.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without UPDATE on the user; the errors of fields that do not fit.
    ///
    /// # Cancel safety
    /// Cancelled, everything is changed or nothing.
    pub async fn update_user(
        &self,
        access: &Access,
        name: &str,
        update: &UserUpdate,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        check_attributes(&update.attributes)?;
        let password = match &update.password {
            Some(password) => Some(self.hash_new(password).await?),
            None => None,
        };
        let mut session = self.database().write().await?;
        let found = find_holder(&mut session, &Holder::User(name.to_owned())).await?;
        require(&mut session, access, ObjectKind::User, found.object, ObjectPermission::Update).await?;
        let restrict =
            holds(&mut session, access, ObjectKind::User, found.object, ObjectPermission::Administer).await?;
        let key = UserKey(found.object);
        let sql = "UPDATE guacamole_user SET disabled = ? WHERE user_id = ?";
        session.execute(sql, args![update.disabled, key.0]).await?;
        if let Some(password) = &password {
            password::write(&mut session, key, password, &time::to_column(now, self.zone())).await?;
        }
        write_attributes(&mut session, key, &update.attributes, restrict).await?;
        session.commit().await?;
        debug!(username = name, "User changed");
        Ok(())
    }

    /// Sets a user's password.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without UPDATE on the user, which is also what lets users change their own.
    ///
    /// # Cancel safety
    /// Cancelled, the password is the new one or the old one.
    pub async fn set_password(
        &self,
        access: &Access,
        name: &str,
        password: &SecretString,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let hashed = self.hash_new(password).await?;
        let mut session = self.database().write().await?;
        let found = find_holder(&mut session, &Holder::User(name.to_owned())).await?;
        require(&mut session, access, ObjectKind::User, found.object, ObjectPermission::Update).await?;
        password::write(&mut session, UserKey(found.object), &hashed, &time::to_column(now, self.zone())).await?;
        session.commit().await?;
        info!(username = name, "Password set");
        Ok(())
    }

    /// Deletes a user. Their history keeps their name.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without DELETE on the user; [`StoreError::OwnAccount`] for oneself.
    ///
    /// # Cancel safety
    /// Cancelled, the user is there whole or not at all.
    pub async fn delete_user(&self, access: &Access, name: &str) -> Result<(), StoreError> {
        let mut session = self.database().write().await?;
        let found = find_holder(&mut session, &Holder::User(name.to_owned())).await?;
        require(&mut session, access, ObjectKind::User, found.object, ObjectPermission::Delete).await?;
        if access.user() == Some(UserKey(found.object)) {
            return Err(StoreError::OwnAccount);
        }
        session.execute("DELETE FROM guacamole_entity WHERE entity_id = ?", args![found.entity.0]).await?;
        session.commit().await?;
        info!(username = name, "User deleted");
        Ok(())
    }
}

const USER: &str = "SELECT u.user_id, e.name, u.disabled, u.expired, CAST(u.access_window_start AS CHAR), \
     CAST(u.access_window_end AS CHAR), CAST(u.valid_from AS CHAR), CAST(u.valid_until AS CHAR), u.timezone, \
     u.full_name, u.email_address, u.organization, u.organizational_role, u.entity_id, \
     (SELECT CAST(MAX(h.start_date) AS CHAR) FROM guacamole_user_history h WHERE h.user_id = u.user_id) \
     FROM guacamole_user u JOIN guacamole_entity e ON e.entity_id = u.entity_id";

/// Makes the row users and groups have in common.
pub(crate) async fn create_entity(
    session: &mut Session,
    kind: ObjectKind,
    name: &str,
) -> Result<EntityKey, StoreError> {
    let word = if kind == ObjectKind::User { "USER" } else { "USER_GROUP" };
    let sql = "INSERT INTO guacamole_entity (name, type) VALUES (?, ?)";
    match session.execute(sql, args![name, word]).await {
        Ok(done) => Ok(EntityKey(done.inserted)),
        Err(error) if is_duplicate(&error) => Err(StoreError::Duplicate { kind, name: name.to_owned() }),
        Err(error) => Err(error),
    }
}

fn check_attributes(attributes: &UserAttributes) -> Result<(), StoreError> {
    let profile = [
        ("full name", &attributes.full_name),
        ("e-mail address", &attributes.email_address),
        ("organization", &attributes.organization),
        ("organizational role", &attributes.organizational_role),
    ];
    for (field, value) in profile {
        check_length(field, value.as_deref().unwrap_or_default(), limits::MAX_PROFILE_CHARS)?;
    }
    let readable = |field, value: &Option<String>, ok: fn(&str) -> bool| match value.as_deref() {
        Some(text) if !ok(text) => Err(StoreError::Invalid { field }),
        _ => Ok(()),
    };
    let is_time = |text: &str| time::parse_time(text).is_some();
    let is_date = |text: &str| time::parse_date(text).is_some();
    readable("access-window-start", &attributes.access_window_start, is_time)?;
    readable("access-window-end", &attributes.access_window_end, is_time)?;
    readable("valid-from", &attributes.valid_from, is_date)?;
    readable("valid-until", &attributes.valid_until, is_date)?;
    check_length("timezone", attributes.timezone.as_deref().unwrap_or_default(), limits::MAX_TIME_ZONE_CHARS)?;
    check_settings("attributes", pairs(&attributes.extra))
}

async fn write_attributes(
    session: &mut Session,
    user: UserKey,
    attributes: &UserAttributes,
    with_restrictions: bool,
) -> Result<(), StoreError> {
    let filled = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    let profile =
        [&attributes.full_name, &attributes.email_address, &attributes.organization, &attributes.organizational_role];
    let [full_name, email, organization, role] = profile.map(filled);
    let sql = "UPDATE guacamole_user SET full_name = ?, email_address = ?, organization = ?, organizational_role = ? \
         WHERE user_id = ?";
    session
        .execute(sql, args![full_name.as_ref(), email.as_ref(), organization.as_ref(), role.as_ref(), user.0])
        .await?;
    if with_restrictions {
        let columns = [
            &attributes.access_window_start,
            &attributes.access_window_end,
            &attributes.valid_from,
            &attributes.valid_until,
            &attributes.timezone,
        ];
        let [start, end, from, until, zone] = columns.map(filled);
        let sql = "UPDATE guacamole_user SET expired = ?, access_window_start = ?, access_window_end = ?, \
             valid_from = ?, valid_until = ?, timezone = ? WHERE user_id = ?";
        let (start, end, from, until) = (start.as_ref(), end.as_ref(), from.as_ref(), until.as_ref());
        let args = args![attributes.expired, start, end, from, until, zone.as_ref(), user.0];
        session.execute(sql, args).await?;
    }
    USER_ATTRIBUTES.replace(session, user.0, pairs(&attributes.extra)).await
}
