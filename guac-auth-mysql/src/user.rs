//! Users: logging in, listing, creating, changing, deleting.

use std::time::SystemTime;

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use tracing::{debug, info, warn};

use crate::{
    Access, Store,
    db::{Row, Session, args, is_duplicate},
    error::{LoginError, StoreError},
    limits,
    model::{
        AuthenticatedUser, EntityKey, Holder, NewUser, ObjectKind, ObjectPermission, SystemPermission, User,
        UserAttributes, UserKey,
    },
    password::{self, ARGON2_ATTRIBUTE, StoredPassword, Verdict},
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

/// What decides over a login besides the password.
#[derive(Debug, Default)]
pub(crate) struct Restrictions {
    pub(crate) expired: bool,
    window_start: Option<String>,
    window_end: Option<String>,
    valid_from: Option<String>,
    valid_until: Option<String>,
    zone: Option<String>,
}

impl Restrictions {
    /// Checks days, then hours, in the user's zone or else `default_zone`. What cannot be read refuses: an account whose
    /// end nobody can tell is not one that never ends.
    pub(crate) fn check(&self, now: SystemTime, default_zone: &TimeZone) -> Result<(), LoginError> {
        let limits_days = self.valid_from.is_some() || self.valid_until.is_some();
        let limits_hours = self.window_start.is_some() || self.window_end.is_some();
        if !limits_days && !limits_hours {
            return Ok(());
        }
        let zone = match self.zone.as_deref() {
            None | Some("") => default_zone.clone(),
            Some(name) => TimeZone::get(name).map_err(|_| {
                warn!(zone = name, "Login refused: the account's time zone is not known to this system");
                LoginError::NotAccessible
            })?,
        };
        let (today, clock) = time::local(now, &zone);
        let date = |text: &Option<String>| parsed(text, time::parse_date).ok_or(LoginError::NotValid);
        if date(&self.valid_from)?.is_some_and(|from| today < from)
            || date(&self.valid_until)?.is_some_and(|until| today > until)
        {
            return Err(LoginError::NotValid);
        }
        let hour = |text: &Option<String>| parsed(text, time::parse_time).ok_or(LoginError::NotAccessible);
        let open = match (hour(&self.window_start)?, hour(&self.window_end)?) {
            (Some(start), Some(end)) if start <= end => start <= clock && clock < end,
            (Some(start), Some(end)) => clock >= start || clock < end,
            (Some(start), None) => clock >= start,
            (None, Some(end)) => clock < end,
            (None, None) => true,
        };
        if open { Ok(()) } else { Err(LoginError::NotAccessible) }
    }
}

/// `Some(None)` where there is no text, `None` where it cannot be read.
#[expect(clippy::option_option, reason = "absent, readable and unreadable are three things")]
fn parsed<T>(text: &Option<String>, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match text.as_deref() {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}

/// A user's row, as far as logging in needs it.
pub(crate) struct Account {
    pub(crate) key: UserKey,
    pub(crate) entity: EntityKey,
    pub(crate) name: String,
    pub(crate) disabled: bool,
    pub(crate) restrictions: Restrictions,
    password: StoredPassword,
}

const ACCOUNT: &str = "SELECT u.user_id, u.entity_id, e.name, u.disabled, u.expired, \
     CAST(u.access_window_start AS CHAR), CAST(u.access_window_end AS CHAR), CAST(u.valid_from AS CHAR), \
     CAST(u.valid_until AS CHAR), u.timezone, u.password_hash, u.password_salt, \
     (SELECT a.attribute_value FROM guacamole_user_attribute a WHERE a.user_id = u.user_id AND a.attribute_name = ?) \
     FROM guacamole_user u JOIN guacamole_entity e ON e.entity_id = u.entity_id";

fn account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        key: UserKey(row.int(0)?),
        entity: EntityKey(row.int(1)?),
        name: row.text(2)?,
        disabled: row.flag(3)?,
        restrictions: Restrictions {
            expired: row.flag(4)?,
            window_start: row.opt_text(5)?,
            window_end: row.opt_text(6)?,
            valid_from: row.opt_text(7)?,
            valid_until: row.opt_text(8)?,
            zone: row.opt_text(9)?,
        },
        password: StoredPassword { hash: row.bytes(10)?, salt: row.opt_bytes(11)?, argon2: row.opt_text(12)? },
    })
}

pub(crate) async fn account_by_key(session: &mut Session, key: UserKey) -> Result<Option<Account>, StoreError> {
    let row = session.row(format!("{ACCOUNT} WHERE u.user_id = ?"), args![ARGON2_ATTRIBUTE, key.0]).await?;
    row.as_ref().map(account).transpose()
}

async fn account_by_name(session: &mut Session, name: &str) -> Result<Option<Account>, StoreError> {
    let sql = format!("{ACCOUNT} WHERE e.type = 'USER' AND e.name = ?");
    let row = session.row(sql, args![ARGON2_ATTRIBUTE, name]).await?;
    row.as_ref().map(account).transpose()
}

impl Store {
    /// Checks name and password, then whether the account may be used `now`. Writes no history: that is for
    /// [`Store::open_login_record`], when a session begins.
    ///
    /// An unknown name takes as long as a wrong password. Attempts are not counted here. A name is found without
    /// regard to letter case, and on MySQL without regard to accents and trailing blanks: whoever counts attempts by
    /// name has to know that.
    ///
    /// # Errors
    /// [`LoginError::InvalidCredentials`] for unknown names, wrong passwords and disabled accounts; the other refusals
    /// only after the password was right.
    ///
    /// # Cancel safety
    /// Cancel safe. A hash being computed is computed to its end.
    pub async fn authenticate(
        &self,
        username: &str,
        password: &SecretString,
        now: SystemTime,
    ) -> Result<AuthenticatedUser, LoginError> {
        let account = self.verified(username, password, now).await?;
        if account.restrictions.expired {
            return Err(LoginError::PasswordExpired);
        }
        account.restrictions.check(now, self.zone())?;
        Ok(AuthenticatedUser { key: account.key, name: account.name })
    }

    /// Sets the password of somebody who knows the old one, and has to change it to log in.
    ///
    /// # Errors
    /// As [`Store::authenticate`], except that an expired password is accepted. [`StoreError::Invalid`] for a new
    /// password that is blank or the old one.
    ///
    /// # Cancel safety
    /// Cancelled, either both the password and its expiry are changed or nothing is.
    pub async fn change_expired_password(
        &self,
        username: &str,
        old: &SecretString,
        new: &SecretString,
        now: SystemTime,
    ) -> Result<AuthenticatedUser, LoginError> {
        let account = self.verified(username, old, now).await?;
        account.restrictions.check(now, self.zone())?;
        if new.expose_secret().is_empty() || new.expose_secret() == old.expose_secret() {
            return Err(StoreError::Invalid { field: "password" }.into());
        }
        let hashed = self.hash_new(new).await?;
        let mut session = self.database().write().await?;
        password::write(&mut session, account.key, &hashed, &time::to_column(now, self.zone())).await?;
        session.execute("UPDATE guacamole_user SET expired = 0 WHERE user_id = ?", args![account.key.0]).await?;
        session.commit().await?;
        Ok(AuthenticatedUser { key: account.key, name: account.name })
    }

    async fn verified(&self, username: &str, password: &SecretString, now: SystemTime) -> Result<Account, LoginError> {
        if username.chars().count() > limits::MAX_NAME_CHARS
            || password.expose_secret().len() > limits::MAX_PASSWORD_BYTES
        {
            return Err(LoginError::InvalidCredentials);
        }
        let account = account_by_name(&mut self.database().read().await?, username).await?;
        let stored = account.as_ref().map_or_else(StoredPassword::impossible, |account| account.password.clone());
        let verdict = self.verify(password, stored).await?;
        let Some(account) = account else { return Err(LoginError::InvalidCredentials) };
        if verdict == Verdict::Wrong || account.disabled {
            return Err(LoginError::InvalidCredentials);
        }
        if verdict == Verdict::RightButWeak {
            // The login counts all the same if this fails; the next one tries again.
            if let Err(error) = self.strengthen(&account, password, now).await {
                warn!(username = %account.name, %error, "Password not converted to Argon2id");
            }
        }
        Ok(account)
    }

    async fn strengthen(&self, account: &Account, password: &SecretString, _now: SystemTime) -> Result<(), StoreError> {
        let hashed = self.hash_new(password).await?;
        let mut session = self.database().write().await?;
        // Only if nobody changed it meanwhile. Its date stays: the password is the same.
        let sql =
            "UPDATE guacamole_user SET password_hash = ?, password_salt = ? WHERE user_id = ? AND password_hash = ?";
        let old = account.password.hash.as_slice();
        let done =
            session.execute(sql, args![hashed.hash.as_slice(), hashed.salt.as_deref(), account.key.0, old]).await?;
        if done.rows == 1 {
            password::write_argon2(&mut session, account.key, &hashed).await?;
        }
        session.commit().await
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        time::from_column(text, &TimeZone::UTC).unwrap()
    }

    fn check(restrictions: &Restrictions, text: &str) -> Result<(), LoginError> {
        restrictions.check(at(text), &TimeZone::UTC)
    }

    #[test]
    fn valid_days_include_both_ends() {
        let valid = Restrictions {
            valid_from: Some("2024-03-01".into()),
            valid_until: Some("2024-03-02".into()),
            ..Restrictions::default()
        };
        assert!(check(&valid, "2024-03-01 00:00:00").is_ok());
        assert!(check(&valid, "2024-03-02 23:59:59").is_ok());
        assert!(matches!(check(&valid, "2024-02-29 23:59:59"), Err(LoginError::NotValid)));
        assert!(matches!(check(&valid, "2024-03-03 00:00:00"), Err(LoginError::NotValid)));
    }

    #[test]
    fn a_window_may_span_midnight() {
        let night = Restrictions {
            window_start: Some("22:00:00".into()),
            window_end: Some("06:00:00".into()),
            ..Restrictions::default()
        };
        assert!(check(&night, "2024-03-01 23:00:00").is_ok());
        assert!(check(&night, "2024-03-01 05:59:59").is_ok());
        assert!(matches!(check(&night, "2024-03-01 12:00:00"), Err(LoginError::NotAccessible)));
    }

    #[test]
    fn hours_are_those_of_the_users_zone() {
        let office = Restrictions {
            window_start: Some("09:00:00".into()),
            window_end: Some("17:00:00".into()),
            zone: Some("Asia/Tokyo".into()),
            ..Restrictions::default()
        };
        assert!(check(&office, "2024-03-01 01:00:00").is_ok());
        assert!(check(&office, "2024-03-01 10:00:00").is_err());
    }

    #[test]
    fn what_cannot_be_read_refuses() {
        let odd = Restrictions { valid_until: Some("soon".into()), ..Restrictions::default() };
        assert!(matches!(check(&odd, "2024-03-01 12:00:00"), Err(LoginError::NotValid)));
        let zone = Restrictions {
            valid_from: Some("2024-01-01".into()),
            zone: Some("Mars/Base".into()),
            ..Restrictions::default()
        };
        assert!(matches!(check(&zone, "2024-03-01 12:00:00"), Err(LoginError::NotAccessible)));
    }

    #[test]
    fn midnight_is_a_time_of_day() {
        assert_eq!(time::parse_time("00:00:00"), Some(jiff::civil::time(0, 0, 0, 0)));
    }
}
