//! Every number that bounds something here, with its reason.

use std::time::Duration;

/// Longest name of a user, group, connection or sharing profile, in characters: the width of the columns.
pub const MAX_NAME_CHARS: usize = 128;

/// Longest name of a parameter or attribute, in characters: the width of the columns.
pub const MAX_SETTING_NAME_CHARS: usize = 128;

/// Longest value of a parameter or attribute, in characters: the width of the columns.
pub const MAX_VALUE_CHARS: usize = 4096;

/// Longest protocol name, in characters: the width of the column.
pub const MAX_PROTOCOL_CHARS: usize = 32;

/// Longest profile field (full name, e-mail address, …), in characters: the width of the columns.
pub const MAX_PROFILE_CHARS: usize = 256;

/// Longest name of a time zone, in characters: the width of the column.
pub const MAX_TIME_ZONE_CHARS: usize = 64;

/// Longest host name of an outside guacd, in characters: the width of the column.
pub const MAX_PROXY_HOST_CHARS: usize = 512;

/// Longest remote address kept in history, in characters: the width of the column. Longer ones are cut.
pub const MAX_REMOTE_HOST_CHARS: usize = 256;

/// Most parameters or attributes of one object. The database has no limit; ten times the largest protocol has.
pub const MAX_SETTINGS: usize = 1024;

/// Longest password, in bytes. Hashing costs time by length, and logins come before anybody is known.
pub const MAX_PASSWORD_BYTES: usize = 4096;

/// Most groups one inside the other in a path given as text, so that one command cannot make an endless chain.
pub const MAX_GROUP_PATH_DEPTH: usize = 32;

/// Deepest connection group shown in a tree. Stock has no limit; a deeper one would only be a stack overflow somewhere.
pub const MAX_TREE_DEPTH: usize = 64;

/// Most rows of history in one answer, as in Guacamole.
pub const MAX_HISTORY_ROWS: u32 = 1000;

/// Most search terms in one history query: each adds a condition that cannot use an index.
pub const MAX_HISTORY_TERMS: usize = 16;

/// Keys in one `IN (…)`: Guacamole's default batch, well under SQLite's 32766 variables.
pub(crate) const IN_BATCH: usize = 1000;

/// Connections to MySQL kept by default. Requests hold one for a few milliseconds each, and small servers allow 151 in all.
pub const DEFAULT_MAX_CONNECTIONS: u32 = 16;

/// How long to try to reach the server when starting, DNS and TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request waits for a free connection. A login should fail visibly before the browser's patience ends.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one statement may take. All of them use an index or read a small table.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may lie idle before it is pinged at its next use.
pub(crate) const PING_AFTER_IDLE: Duration = Duration::from_secs(1);

/// How long an unused connection is kept: shorter than the four minutes after which load balancers forget it silently.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(180);

/// How long any connection is kept, so that a changed DNS entry or certificate is noticed, and nothing needs a ping before use.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(900);

/// How long SQLite waits for another writer.
pub(crate) const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Seconds to wait for another node that is migrating the same database.
pub(crate) const MIGRATION_LOCK_SECONDS: i64 = 60;

/// How long any one step of a migration may take: changing an enum rebuilds a table on old servers.
pub(crate) const MIGRATION_STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);

/// Password hashes computed at once with Argon2id: each takes 19 MiB and a core.
pub(crate) const ARGON2_AT_ONCE: usize = 2;
