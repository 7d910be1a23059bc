//! A store on an empty database, and a way to look behind its back.

use std::time::{Duration, SystemTime};

use guac_auth_mysql::{Access, NewUser, PasswordHashing, Permission, Store, StoreConfig, UserKey};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, MySqlPool, Row, SqlitePool};

/// The other side of the store: the database, spoken to directly.
pub(crate) enum Raw {
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

impl Raw {
    /// Runs a statement.
    pub(crate) async fn execute(&self, sql: &str) {
        let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::MySql(pool) => drop(query.execute(pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"))),
            Self::Sqlite(pool) => drop(query.execute(pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"))),
        }
    }

    /// The first column of all rows, as numbers.
    pub(crate) async fn numbers(&self, sql: &str) -> Vec<i64> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::MySql(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
                rows.iter().map(|row| row.get_unchecked(0)).collect()
            }
            Self::Sqlite(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
                rows.iter().map(|row| row.get_unchecked(0)).collect()
            }
        }
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.numbers(sql).await[0]
    }
}

/// One database for one test.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) raw: Raw,
    pub(crate) config: StoreConfig,
}

impl Fixture {
    /// Another node on the same database.
    pub(crate) async fn reopen(&self, change: impl FnOnce(&mut StoreConfig)) -> Store {
        let mut config = self.config.clone();
        change(&mut config);
        Store::connect(&config).await.unwrap()
    }

    pub(crate) async fn with_argon2(&self) -> Store {
        self.reopen(|config| config.password_hashing = PasswordHashing::Argon2id).await
    }

    /// A user with the password `pw`, and what they may do.
    pub(crate) async fn user(&self, name: &str) -> (UserKey, Access) {
        let key = self.store.create_user(&operator(), &NewUser::new(name, Some(secret("pw"))), now()).await.unwrap();
        (key, self.store.access(key, now()).await.unwrap())
    }

    /// A user who may everything.
    pub(crate) async fn administrator(&self, name: &str) -> (UserKey, Access) {
        let (key, _) = self.user(name).await;
        self.store.grant_administration(&operator(), name).await.unwrap();
        (key, self.store.access(key, now()).await.unwrap())
    }

    pub(crate) async fn grant(&self, holder: guac_auth_mysql::Holder, permissions: &[Permission]) {
        self.store.update_permissions(&operator(), &holder, permissions, &[]).await.unwrap();
    }
}

pub(crate) fn operator() -> Access {
    Access::operator()
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// 2024-03-01 12:00:00 UTC: no test depends on when it runs.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_294_400)
}

pub(crate) fn after(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}
