//! Logging in: name, password, and whether the account may be used now.

use std::time::SystemTime;

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use tracing::warn;

use crate::{
    Store,
    db::{Row, Session, args},
    error::{LoginError, StoreError},
    limits,
    model::{AuthenticatedUser, EntityKey, UserKey},
    password::{self, ARGON2_ATTRIBUTE, StoredPassword, Verdict},
    time,
};

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
        let account = self.verified(username, password).await?;
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
        let account = self.verified(username, old).await?;
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

    async fn verified(&self, username: &str, password: &SecretString) -> Result<Account, LoginError> {
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
            if let Err(error) = self.strengthen(&account, password).await {
                warn!(username = %account.name, %error, "Password not converted to Argon2id");
            }
        }
        Ok(account)
    }

    async fn strengthen(&self, account: &Account, password: &SecretString) -> Result<(), StoreError> {
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
