//! Users, groups, permissions, connections and history on Guacamole's database schema.
//!
//! One [`Store`] is one database: MySQL or MariaDB by URL, or an embedded SQLite file. Both have the same 23 tables,
//! those of Apache Guacamole 1.6, with nothing added, so that Guacamole can be pointed at a database made here and the
//! other way round. Several nodes on one database have tables of their own beside them: see [`cluster`]. [`Store::migrate`] makes the tables or brings those of 1.0 to 1.5 up to date.
//!
//! **Who may do what** is decided here and nowhere else. Whoever asks is an [`Access`]: either somebody logged in, with
//! the groups they are in, or the machine's operator at the command line. Every method that reads or writes on
//! somebody's behalf takes one, shows only what it may see, and answers [`StoreError::NotFound`] for the rest.
//!
//! **Two engines, one path.** All statements are written once and run through one small layer (`db`) that is an enum
//! over sqlx's two concrete drivers. sqlx's `Any` cannot carry this schema, and a trait with two implementations, or a
//! macro writing both, would have every statement compiled twice and drift apart; where the engines really differ (making
//! tables, `FOR UPDATE`) there is one `match`.
//!
//! **Passwords** are stored so that Guacamole can check them (salted SHA-256, one round, which is weak), or as Argon2id
//! where the operator opts in with [`PasswordHashing::Argon2id`]. The Argon2id hash is in `guacamole_user_attribute` under
//! `guacd-lite-argon2id`, and counts only as long as the user's row still has the random hash that was written with it: a
//! password set by Guacamole later takes its place.
//!
//! **Names** are compared as the database's collation does: without regard to letter case, on SQLite for ASCII only.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{path::Path, time::SystemTime};
//!
//! use guac_auth_mysql::{Access, NewUser, Store, StoreConfig};
//!
//! let store = Store::connect(&StoreConfig::sqlite(Path::new("/var/lib/guacd-lite/store.db"))).await?;
//! store.migrate().await?;
//! let now = SystemTime::now();
//! let user = NewUser::new("alice", Some("correct horse".to_owned().into()));
//! store.create_user(&Access::operator(), &user, now).await?;
//!
//! let alice = store.authenticate("alice", &"correct horse".to_owned().into(), now).await?;
//! let access = store.access(alice.key, now).await?;
//! let tree = store.connection_tree(&access, None, &[]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Not here: sessions, tokens and rate limits of the web (`guac-web`), and counting of live connections.

pub mod cluster;
mod config;
mod connect;
mod connection;
mod connection_group;
mod db;
mod error;
mod group;
mod history;
pub mod limits;
mod login;
mod model;
mod password;
mod permission;
mod schema;
mod settings;
mod sharing;
mod time;
pub mod tokens;
mod user;

use std::sync::{Arc, atomic::AtomicBool};

use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

pub use self::{
    config::{PasswordHashing, Server, SslMode, StoreConfig},
    error::{ConnectError, LoginError, SchemaError, Source, StoreError},
    history::NewConnectionRecord,
    model::{
        AuthenticatedUser, Connection, ConnectionAttributes, ConnectionGroup, ConnectionGroupAttributes,
        ConnectionGroupKey, ConnectionGroupType, ConnectionHistoryEntry, ConnectionHistoryKey, ConnectionKey,
        ConnectionNode, ConnectionTree, EntityKey, HistoryQuery, HistoryRecord, Holder, LoginHistoryEntry,
        LoginHistoryKey, NewConnection, NewConnectionGroup, NewSharingProfile, NewUser, NotAKey, ObjectKind,
        ObjectPermission, Parameters, Permission, PermissionSet, ProxyEncryption, SharingProfile, SharingProfileKey,
        SystemPermission, UnknownWord, User, UserAttributes, UserGroup, UserGroupKey, UserKey,
    },
    permission::Access,
    schema::Migration,
    user::UserUpdate,
};
use crate::{config::Target, db::Database};

/// A database, open. Cheap to clone: all clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    zone: TimeZone,
    hashing: PasswordHashing,
    shared: bool,
    argon2_slots: Arc<Semaphore>,
    /// Set once an Argon2id hash was seen: from then on every login costs one, so that time tells nobody's kind of hash.
    argon2_seen: AtomicBool,
}

impl Store {
    /// Opens the database `config` names. Tables are not looked at: call [`Store::migrate`] next.
    ///
    /// A SQLite file is created if missing, readable for its owner only; its directory has to be there.
    ///
    /// # Errors
    /// A [`ConnectError`] that says which step failed and what to do about it.
    ///
    /// # Cancel safety
    /// Cancelled, it leaves nothing behind but perhaps an empty SQLite file.
    pub async fn connect(config: &StoreConfig) -> Result<Self, ConnectError> {
        let zone = config.zone()?;
        let database = Database::open(Target::parse(config)?, config.max_connections).await?;
        let inner = Inner {
            database,
            zone,
            hashing: config.password_hashing,
            shared: config.shared,
            argon2_slots: Arc::new(Semaphore::new(limits::ARGON2_AT_ONCE)),
            argon2_seen: AtomicBool::new(config.password_hashing == PasswordHashing::Argon2id),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks the database for an answer, for readiness checks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Timeout`] while there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database().read().await?.row("SELECT 1", &[]).await.map(drop)
    }

    /// Closes all connections, once those in use are given back. Calls after that answer [`StoreError::Unavailable`].
    ///
    /// # Cancel safety
    /// Cancelled, the store is closed all the same; connections in use end later.
    pub async fn close(&self) {
        self.inner.database.close().await;
    }

    fn database(&self) -> &Database {
        &self.inner.database
    }

    fn zone(&self) -> &TimeZone {
        &self.inner.zone
    }
}
