//! What the database holds, as plain values: keys, users, groups, connections, permissions, history.
//!
//! A *key* is a primary key of one table. It is called a key and not an id because the wire has ids of its own
//! (a live connection's `$…`, a user's `@…`) that never appear here. Keys print as decimal numbers, which is
//! how the REST interface shows them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::SystemTime,
};

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAKey;

            /// Reads a positive decimal number; anything else is no key and so names nothing.
            fn from_str(text: &str) -> Result<Self, NotAKey> {
                parse_key(text).map(Self)
            }
        }
    )*};
}

keys! {
    /// Primary key of `guacamole_entity`: what users and user groups have in common, and what permissions are granted to.
    EntityKey,
    /// Primary key of `guacamole_user`.
    UserKey,
    /// Primary key of `guacamole_user_group`.
    UserGroupKey,
    /// Primary key of `guacamole_connection`.
    ConnectionKey,
    /// Primary key of `guacamole_connection_group`. The root group has no row and so no key: it is `None`.
    ConnectionGroupKey,
    /// Primary key of `guacamole_sharing_profile`.
    SharingProfileKey,
    /// Primary key of `guacamole_connection_history`.
    ConnectionHistoryKey,
    /// Primary key of `guacamole_user_history`.
    LoginHistoryKey,
}

/// The text is not a positive decimal number, so it cannot be the identifier of anything stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct NotAKey;

fn parse_key(text: &str) -> Result<i64, NotAKey> {
    // i64's own parser takes a sign, which no identifier of the wire has.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotAKey);
    }
    text.parse().map_err(|_| NotAKey)
}

/// The kinds of object permissions can be held on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A user account.
    User,
    /// A group of users.
    UserGroup,
    /// A connection.
    Connection,
    /// A group of connections.
    ConnectionGroup,
    /// A sharing profile.
    SharingProfile,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::UserGroup => "user group",
            Self::Connection => "connection",
            Self::ConnectionGroup => "connection group",
            Self::SharingProfile => "sharing profile",
        })
    }
}

macro_rules! stored_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every value, in the order of the database's enum.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in the database and in the REST interface.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownWord),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// The word is none of those the enum has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

stored_enum! {
    /// What may be done with one object.
    ObjectPermission {
        /// See it and, for a connection, use it.
        Read = "READ",
        /// Change it, and read a connection's parameters.
        Update = "UPDATE",
        /// Delete it.
        Delete = "DELETE",
        /// Grant and revoke permissions on it.
        Administer = "ADMINISTER",
    }
}

stored_enum! {
    /// What may be done in the system as a whole.
    SystemPermission {
        /// Create connections.
        CreateConnection = "CREATE_CONNECTION",
        /// Create connection groups.
        CreateConnectionGroup = "CREATE_CONNECTION_GROUP",
        /// Create sharing profiles.
        CreateSharingProfile = "CREATE_SHARING_PROFILE",
        /// Create users.
        CreateUser = "CREATE_USER",
        /// Create user groups.
        CreateUserGroup = "CREATE_USER_GROUP",
        /// Read all history. Absent from databases made before Guacamole 1.6.
        Audit = "AUDIT",
        /// Everything.
        Administer = "ADMINISTER",
    }
}

stored_enum! {
    /// What a connection group is for.
    ConnectionGroupType {
        /// A folder.
        Organizational = "ORGANIZATIONAL",
        /// A set of equal connections, one of which is chosen at connect time.
        Balancing = "BALANCING",
    }
}

stored_enum! {
    /// How an outside guacd is spoken to.
    ProxyEncryption {
        /// In clear.
        None = "NONE",
        /// Over TLS.
        Ssl = "SSL",
    }
}

/// Object permissions by object, then system permissions: what one user or group holds.
///
/// Users and user groups are named, as in the REST interface; the rest is by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet {
    /// Permissions in the system as a whole.
    pub system: BTreeSet<SystemPermission>,
    /// On connections.
    pub connections: BTreeMap<ConnectionKey, BTreeSet<ObjectPermission>>,
    /// On connection groups.
    pub connection_groups: BTreeMap<ConnectionGroupKey, BTreeSet<ObjectPermission>>,
    /// On sharing profiles.
    pub sharing_profiles: BTreeMap<SharingProfileKey, BTreeSet<ObjectPermission>>,
    /// On users, by name.
    pub users: BTreeMap<String, BTreeSet<ObjectPermission>>,
    /// On user groups, by name.
    pub user_groups: BTreeMap<String, BTreeSet<ObjectPermission>>,
}

/// One permission to grant or revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// In the system as a whole.
    System(SystemPermission),
    /// On a connection.
    Connection(ConnectionKey, ObjectPermission),
    /// On a connection group.
    ConnectionGroup(ConnectionGroupKey, ObjectPermission),
    /// On a sharing profile.
    SharingProfile(SharingProfileKey, ObjectPermission),
    /// On a user, by name.
    User(String, ObjectPermission),
    /// On a user group, by name.
    UserGroup(String, ObjectPermission),
}

/// Who holds permissions: a user or a user group, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A user.
    User(String),
    /// A user group.
    UserGroup(String),
}

/// Somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedUser {
    /// The account.
    pub key: UserKey,
    /// The name as stored, which may differ in letter case from what was typed.
    pub name: String,
}

/// A user account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub key: UserKey,
    /// The login name.
    pub name: String,
    /// Whether login is switched off.
    pub disabled: bool,
    /// Profile, restrictions and whatever extensions keep.
    pub attributes: UserAttributes,
    /// Start of the latest login on record.
    pub last_active: Option<SystemTime>,
}

/// What can be set on a user besides name, password and `disabled`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAttributes {
    /// `guac-full-name`, at most 256 characters, as the next three.
    pub full_name: Option<String>,
    /// `guac-email-address`.
    pub email_address: Option<String>,
    /// `guac-organization`.
    pub organization: Option<String>,
    /// `guac-organizational-role`.
    pub organizational_role: Option<String>,
    /// `expired`: the password has to be changed at the next login.
    pub expired: bool,
    /// `access-window-start`, `HH:MM:SS` in [`timezone`](Self::timezone).
    pub access_window_start: Option<String>,
    /// `access-window-end`, `HH:MM:SS`; before the start, the window spans midnight.
    pub access_window_end: Option<String>,
    /// `valid-from`, `YYYY-MM-DD`, from the first instant of that day.
    pub valid_from: Option<String>,
    /// `valid-until`, `YYYY-MM-DD`, to the last instant of that day.
    pub valid_until: Option<String>,
    /// `timezone`, an IANA name, at most 64 characters.
    pub timezone: Option<String>,
    /// Attributes of extensions, stored as given. Names starting with `guacd-lite-` are ours and never shown or taken.
    pub extra: BTreeMap<String, String>,
}

/// A user to be created.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The login name: not blank, at most 128 characters.
    pub name: String,
    /// The first password; without one nobody can log in until one is set.
    pub password: Option<SecretString>,
    /// Whether login is switched off.
    pub disabled: bool,
    /// Profile, restrictions and whatever extensions keep.
    pub attributes: UserAttributes,
}

impl NewUser {
    /// An enabled user without attributes.
    #[must_use]
    pub fn new(name: impl Into<String>, password: Option<SecretString>) -> Self {
        Self { name: name.into(), password, disabled: false, attributes: UserAttributes::default() }
    }
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGroup {
    /// The group.
    pub key: UserGroupKey,
    /// Its name.
    pub name: String,
    /// A disabled group grants nothing and passes nothing on.
    pub disabled: bool,
    /// Attributes of extensions, stored as given.
    pub attributes: BTreeMap<String, String>,
}

/// A connection's settings by name, in kebab-case as the handshake has them.
///
/// Values may be passwords and private keys: they are blanked in debug output and wiped when dropped.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<String, SecretString>);

impl Parameters {
    /// No parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }

    /// Sets `name`, replacing what it had. Blank values are kept here and left out when stored.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), SecretString::from(value.into()));
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// All pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut parameters = Self::new();
        for (name, value) in pairs {
            parameters.insert(name, value);
        }
        parameters
    }
}

/// What a user may open, without its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The connection.
    pub key: ConnectionKey,
    /// Its name, unique within its group.
    pub name: String,
    /// The group it is in; `None` is the root.
    pub parent: Option<ConnectionGroupKey>,
    /// `ssh`, `vnc`, …
    pub protocol: String,
    /// Limits, balancing, an outside guacd, and whatever extensions keep.
    pub attributes: ConnectionAttributes,
    /// Start of the latest use on record.
    pub last_active: Option<SystemTime>,
}

/// What can be set on a connection besides name, place, protocol and parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionAttributes {
    /// `max-connections`; `None` leaves it to the configured default, 0 is unlimited.
    pub max_connections: Option<u32>,
    /// `max-connections-per-user`, likewise.
    pub max_connections_per_user: Option<u32>,
    /// `weight` in a balancing group; `None` counts as 1, below 1 is never chosen.
    pub weight: Option<i32>,
    /// `failover-only`: chosen in a balancing group only after another member failed.
    pub failover_only: bool,
    /// `guacd-hostname`: an outside guacd to use for this connection, at most 512 characters.
    pub guacd_hostname: Option<String>,
    /// `guacd-port`.
    pub guacd_port: Option<u16>,
    /// `guacd-encryption`.
    pub guacd_encryption: Option<ProxyEncryption>,
    /// Attributes of extensions, stored as given.
    pub extra: BTreeMap<String, String>,
}

/// A connection to be stored, whole: on update, everything it has is replaced.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// Not blank, at most 128 characters, unique within the group.
    pub name: String,
    /// The group it goes into; `None` is the root.
    pub parent: Option<ConnectionGroupKey>,
    /// At most 32 characters.
    pub protocol: String,
    /// Values of at most 4096 characters; blank ones are not stored.
    pub parameters: Parameters,
    /// Limits, balancing, an outside guacd, and whatever extensions keep.
    pub attributes: ConnectionAttributes,
}

impl NewConnection {
    /// A connection in the root group without parameters or attributes.
    #[must_use]
    pub fn new(name: impl Into<String>, protocol: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            parent: None,
            protocol: protocol.into(),
            parameters: Parameters::new(),
            attributes: ConnectionAttributes::default(),
        }
    }
}

/// A folder of connections, or a set to balance over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionGroup {
    /// The group.
    pub key: ConnectionGroupKey,
    /// Its name, unique within its parent.
    pub name: String,
    /// The group it is in; `None` is the root.
    pub parent: Option<ConnectionGroupKey>,
    /// Folder or balancing set.
    pub group_type: ConnectionGroupType,
    /// Limits, affinity, and whatever extensions keep.
    pub attributes: ConnectionGroupAttributes,
}

/// What can be set on a connection group besides name, place and type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionGroupAttributes {
    /// `max-connections`; `None` leaves it to the configured default, 0 is unlimited.
    pub max_connections: Option<u32>,
    /// `max-connections-per-user`, likewise.
    pub max_connections_per_user: Option<u32>,
    /// `enable-session-affinity`: one login session keeps to the members it used before.
    pub session_affinity: bool,
    /// Attributes of extensions, stored as given.
    pub extra: BTreeMap<String, String>,
}

/// A connection group to be stored, whole.
#[derive(Clone, Debug)]
pub struct NewConnectionGroup {
    /// Not blank, at most 128 characters, unique within the parent.
    pub name: String,
    /// The group it goes into; `None` is the root.
    pub parent: Option<ConnectionGroupKey>,
    /// Folder or balancing set.
    pub group_type: ConnectionGroupType,
    /// Limits, affinity, and whatever extensions keep.
    pub attributes: ConnectionGroupAttributes,
}

/// A restricted way to hand a live connection to somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharingProfile {
    /// The profile.
    pub key: SharingProfileKey,
    /// Its name, unique within its connection.
    pub name: String,
    /// The connection it shares.
    pub connection: ConnectionKey,
}

/// A sharing profile to be stored.
#[derive(Clone, Debug)]
pub struct NewSharingProfile {
    /// Not blank, at most 128 characters, unique within the connection.
    pub name: String,
    /// The connection it shares.
    pub connection: ConnectionKey,
    /// All that is sent for those who join, such as `read-only`. Values of at most 4096 characters.
    pub parameters: Parameters,
}

/// What one user sees of the connections, from one group downwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTree {
    /// The group itself; `None` is the root.
    pub group: Option<ConnectionGroup>,
    /// Groups in it, by name.
    pub groups: Vec<ConnectionTree>,
    /// Connections in it, by name.
    pub connections: Vec<ConnectionNode>,
}

/// A connection in a [`ConnectionTree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionNode {
    /// The connection.
    pub connection: Connection,
    /// The profiles it can be shared with, by name.
    pub sharing_profiles: Vec<SharingProfile>,
}

/// A row of history just opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRecord<K> {
    /// The row.
    pub key: K,
    /// Derived from the key as Guacamole derives it: the tunnel's name, the token `${HISTORY_UUID}`, the folder of recordings.
    pub uuid: Uuid,
}

/// One use of a connection, over or running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionHistoryEntry {
    /// The row and its UUID.
    pub record: HistoryRecord<ConnectionHistoryKey>,
    /// The connection, unless it was deleted since.
    pub connection: Option<ConnectionKey>,
    /// Its name at the time.
    pub connection_name: String,
    /// The sharing profile it was joined through, unless deleted since.
    pub sharing_profile: Option<SharingProfileKey>,
    /// That profile's name at the time.
    pub sharing_profile_name: Option<String>,
    /// The user's name at the time.
    pub username: String,
    /// The browser's address.
    pub remote_host: Option<String>,
    /// When it began, to the second.
    pub start: SystemTime,
    /// When it ended, to the second; `None` while it runs.
    pub end: Option<SystemTime>,
}

/// One login, over or running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginHistoryEntry {
    /// The row and its UUID.
    pub record: HistoryRecord<LoginHistoryKey>,
    /// The user's name at the time.
    pub username: String,
    /// The browser's address.
    pub remote_host: Option<String>,
    /// When it began, to the second.
    pub start: SystemTime,
    /// When it ended, to the second; `None` while it lasts.
    pub end: Option<SystemTime>,
}

/// Which history to list, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Every term has to match: part of a user's or connection's name, or a start date as `YYYY`, `YYYY-MM` or
    /// `YYYY-MM-DD` in the database's zone. Past [`MAX_HISTORY_TERMS`](crate::limits::MAX_HISTORY_TERMS) they are refused.
    pub contains: Vec<String>,
    /// Oldest first instead of newest first.
    pub ascending: bool,
    /// Only this connection's.
    pub connection: Option<ConnectionKey>,
    /// Only this user's, by name.
    pub username: Option<String>,
}
