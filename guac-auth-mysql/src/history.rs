//! History: who logged in when, who used what when.
//!
//! A row is opened when something begins and closed when it ends. A crash leaves rows open, and nothing in the tables
//! says whose they were, since Guacamole's schema has no column for a node. So the policy follows the configuration:
//! a node that has the database to itself closes every open row when it starts, since none can be running; a node told
//! that the database is [`shared`](crate::StoreConfig::shared) closes none, since any could be another's.

use std::time::SystemTime;

use md5::{Digest, Md5};
use tracing::info;
use uuid::{Builder, Uuid};

use crate::{
    Access, Store,
    db::{Arg, Row, Session, args, placeholders},
    error::StoreError,
    limits,
    model::{
        ConnectionHistoryEntry, ConnectionHistoryKey, ConnectionKey, HistoryQuery, HistoryRecord, LoginHistoryEntry,
        LoginHistoryKey, SharingProfileKey, UserKey,
    },
    settings::clip,
    time,
};

/// A connection about to be used.
#[derive(Clone, Debug)]
pub struct NewConnectionRecord<'a> {
    /// Who uses it, if they have an account.
    pub user: Option<UserKey>,
    /// Their name.
    pub username: &'a str,
    /// The browser's address. Cut to fit.
    pub remote_host: Option<&'a str>,
    /// The connection, if it is in the database.
    pub connection: Option<ConnectionKey>,
    /// Its name. Cut to fit.
    pub connection_name: &'a str,
    /// The sharing profile it is joined through, and its name.
    pub sharing_profile: Option<(SharingProfileKey, &'a str)>,
}

impl Store {
    /// Notes that a connection is being used, before the machine behind it is called.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Not cancel safe: cancelled, a row may be left open that nobody knows the key of, until the next start.
    pub async fn open_connection_record(
        &self,
        new: &NewConnectionRecord<'_>,
        now: SystemTime,
    ) -> Result<HistoryRecord<ConnectionHistoryKey>, StoreError> {
        let mut session = self.database().read().await?;
        self.insert_connection_record(&mut session, new, now).await
    }

    pub(crate) async fn insert_connection_record(
        &self,
        session: &mut Session,
        new: &NewConnectionRecord<'_>,
        now: SystemTime,
    ) -> Result<HistoryRecord<ConnectionHistoryKey>, StoreError> {
        let sql = "INSERT INTO guacamole_connection_history (user_id, username, remote_host, connection_id, \
             connection_name, sharing_profile_id, sharing_profile_name, start_date) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let username = clip(new.username, limits::MAX_NAME_CHARS);
        let remote = new.remote_host.map(|host| clip(host, limits::MAX_REMOTE_HOST_CHARS));
        let connection_name = clip(new.connection_name, limits::MAX_NAME_CHARS);
        let profile = new.sharing_profile.map(|(key, name)| (key.0, clip(name, limits::MAX_NAME_CHARS)));
        let start = time::to_column(now, self.zone());
        let args = args![
            new.user.map(|key| key.0),
            &username,
            remote.as_ref(),
            new.connection.map(|key| key.0),
            &connection_name,
            profile.as_ref().map(|(key, _)| *key),
            profile.as_ref().map(|(_, name)| name),
            &start,
        ];
        let done = session.execute(sql, args).await?;
        Ok(connection_record(done.inserted))
    }

    /// Notes that a connection is over. A row that is closed already keeps its end.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, the row may stay open; calling again is harmless.
    pub async fn close_connection_record(&self, key: ConnectionHistoryKey, now: SystemTime) -> Result<(), StoreError> {
        let sql = "UPDATE guacamole_connection_history SET end_date = ? WHERE history_id = ? AND end_date IS NULL";
        let end = time::to_column(now, self.zone());
        self.database().read().await?.execute(sql, args![&end, key.0]).await.map(drop)
    }

    /// Notes that a session began.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Not cancel safe, as [`Store::open_connection_record`].
    pub async fn open_login_record(
        &self,
        user: Option<UserKey>,
        username: &str,
        remote_host: Option<&str>,
        now: SystemTime,
    ) -> Result<HistoryRecord<LoginHistoryKey>, StoreError> {
        let mut session = self.database().read().await?;
        self.insert_login_record(&mut session, user, username, remote_host, now).await
    }

    pub(crate) async fn insert_login_record(
        &self,
        session: &mut Session,
        user: Option<UserKey>,
        username: &str,
        remote_host: Option<&str>,
        now: SystemTime,
    ) -> Result<HistoryRecord<LoginHistoryKey>, StoreError> {
        let sql = "INSERT INTO guacamole_user_history (user_id, username, remote_host, start_date) VALUES (?, ?, ?, ?)";
        let username = clip(username, limits::MAX_NAME_CHARS);
        let remote = remote_host.map(|host| clip(host, limits::MAX_REMOTE_HOST_CHARS));
        let start = time::to_column(now, self.zone());
        let args = args![user.map(|key| key.0), &username, remote.as_ref(), &start];
        let done = session.execute(sql, args).await?;
        Ok(login_record(done.inserted))
    }

    /// Notes that a session is over. A row that is closed already keeps its end.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, the row may stay open; calling again is harmless.
    pub async fn close_login_record(&self, key: LoginHistoryKey, now: SystemTime) -> Result<(), StoreError> {
        let sql = "UPDATE guacamole_user_history SET end_date = ? WHERE history_id = ? AND end_date IS NULL";
        let end = time::to_column(now, self.zone());
        self.database().read().await?.execute(sql, args![&end, key.0]).await.map(drop)
    }

    /// Closes the rows a crash left open, and returns how many. To be called once at the start, before anything is
    /// opened. Does nothing where the database is [`shared`](crate::StoreConfig::shared).
    ///
    /// The end written is `now`: when the crash was is nowhere recorded.
    ///
    /// # Errors
    /// Only those of the database.
    ///
    /// # Cancel safety
    /// Cancelled, some rows may be closed and others not; calling again closes the rest.
    pub async fn close_orphaned_records(&self, now: SystemTime) -> Result<u64, StoreError> {
        if self.inner.shared {
            return Ok(0);
        }
        let end = time::to_column(now, self.zone());
        let mut session = self.database().read().await?;
        let mut closed = 0;
        for sql in [
            "UPDATE guacamole_connection_history SET end_date = ? WHERE end_date IS NULL",
            "UPDATE guacamole_user_history SET end_date = ? WHERE end_date IS NULL",
        ] {
            closed += session.execute(sql, args![&end]).await?.rows;
        }
        if closed > 0 {
            info!(closed, "History left open by a crash was closed");
        }
        Ok(closed)
    }

    /// Uses of connections: all of them for those who may audit, for others those of connections and users they may read.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] for too many search terms.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connection_history(
        &self,
        access: &Access,
        query: &HistoryQuery,
    ) -> Result<Vec<ConnectionHistoryEntry>, StoreError> {
        let rows = self.history_rows(access, query, &CONNECTIONS, None).await?;
        rows.iter().map(|row| self.connection_entry(row)).collect()
    }

    /// One use of a connection.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRecord`] if there is none that `access` may see.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connection_history_entry(
        &self,
        access: &Access,
        key: ConnectionHistoryKey,
    ) -> Result<ConnectionHistoryEntry, StoreError> {
        let rows = self.history_rows(access, &HistoryQuery::default(), &CONNECTIONS, Some(key.0)).await?;
        self.connection_entry(rows.first().ok_or(StoreError::NoSuchRecord)?)
    }

    /// Logins: all of them for those who may audit, for others those of users they may read. `query.connection` is ignored.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] for too many search terms.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn login_history(
        &self,
        access: &Access,
        query: &HistoryQuery,
    ) -> Result<Vec<LoginHistoryEntry>, StoreError> {
        let rows = self.history_rows(access, query, &LOGINS, None).await?;
        let read = |row: &Row| {
            let (start, end) = self.dates(row, 3)?;
            let (username, remote_host) = (row.text(1)?, row.opt_text(2)?);
            Ok(LoginHistoryEntry { record: login_record(row.int(0)?), username, remote_host, start, end })
        };
        rows.iter().map(read).collect()
    }

    async fn history_rows(
        &self,
        access: &Access,
        query: &HistoryQuery,
        table: &HistoryTable,
        key: Option<i64>,
    ) -> Result<Vec<Row>, StoreError> {
        if query.contains.len() > limits::MAX_HISTORY_TERMS {
            return Err(StoreError::TooMany { what: "search terms", limit: limits::MAX_HISTORY_TERMS });
        }
        let mut conditions = vec!["1 = 1".to_owned()];
        let terms: Vec<Term> = query.contains.iter().map(|text| Term::new(text)).collect();
        let mut args: Vec<Arg<'_>> = Vec::new();
        for term in &terms {
            conditions.push(term.condition(table, &mut args));
        }
        if let Some(key) = key {
            conditions.push("h.history_id = ?".to_owned());
            args.push(Arg::Int(key));
        }
        if let (Some(connection), true) = (query.connection, table.has_connection) {
            conditions.push("h.connection_id = ?".to_owned());
            args.push(Arg::Int(connection.0));
        }
        if let Some(username) = &query.username {
            conditions.push("h.username = ?".to_owned());
            args.push(Arg::Text(username));
        }
        if !access.may_audit() {
            table.visible_only(access, &mut conditions, &mut args);
        }
        let direction = if query.ascending { "ASC" } else { "DESC" };
        let sql = format!(
            "{} WHERE {} ORDER BY h.start_date {direction}, h.history_id {direction} LIMIT {}",
            table.select,
            conditions.join(" AND "),
            limits::MAX_HISTORY_ROWS
        );
        self.database().read().await?.rows(sql, &args).await
    }

    fn connection_entry(&self, row: &Row) -> Result<ConnectionHistoryEntry, StoreError> {
        let (start, end) = self.dates(row, 3)?;
        Ok(ConnectionHistoryEntry {
            record: connection_record(row.int(0)?),
            username: row.text(1)?,
            remote_host: row.opt_text(2)?,
            start,
            end,
            connection: row.opt_int(5)?.map(ConnectionKey),
            connection_name: row.text(6)?,
            sharing_profile: row.opt_int(7)?.map(SharingProfileKey),
            sharing_profile_name: row.opt_text(8)?,
        })
    }

    /// Start and end in two columns from `index`. A start that is no date, which only a hand can have put there, is the
    /// epoch: one odd row does not hide the others.
    fn dates(&self, row: &Row, index: usize) -> Result<(SystemTime, Option<SystemTime>), StoreError> {
        let start = time::from_column(&row.text(index)?, self.zone()).unwrap_or(SystemTime::UNIX_EPOCH);
        let end = row.opt_text(index + 1)?.and_then(|text| time::from_column(&text, self.zone()));
        Ok((start, end))
    }
}

/// One of the two tables.
struct HistoryTable {
    select: &'static str,
    has_connection: bool,
}

const CONNECTIONS: HistoryTable = HistoryTable {
    select: "SELECT h.history_id, h.username, h.remote_host, CAST(h.start_date AS CHAR), CAST(h.end_date AS CHAR), \
             h.connection_id, h.connection_name, h.sharing_profile_id, h.sharing_profile_name \
             FROM guacamole_connection_history h",
    has_connection: true,
};

const LOGINS: HistoryTable = HistoryTable {
    select: "SELECT h.history_id, h.username, h.remote_host, CAST(h.start_date AS CHAR), CAST(h.end_date AS CHAR) \
             FROM guacamole_user_history h",
    has_connection: false,
};

impl HistoryTable {
    fn visible_only(&self, access: &Access, conditions: &mut Vec<String>, args: &mut Vec<Arg<'_>>) {
        let mut readable = |table: &str, column: &str, of: &str| {
            conditions.push(format!(
                "EXISTS (SELECT 1 FROM {table} p WHERE p.{column} = h.{of} AND p.permission = 'READ' AND p.entity_id IN ({}))",
                placeholders(access.entities().len())
            ));
            args.extend(access.entities().iter().map(|key| Arg::Int(*key)));
        };
        readable("guacamole_user_permission", "affected_user_id", "user_id");
        if self.has_connection {
            readable("guacamole_connection_permission", "connection_id", "connection_id");
        }
    }
}

/// A search term, ready to be compared.
struct Term {
    like: String,
    period: Option<(String, String)>,
}

impl Term {
    fn new(text: &str) -> Self {
        let mut like = String::from("%");
        for character in text.chars().take(limits::MAX_NAME_CHARS) {
            if matches!(character, '%' | '_' | '!') {
                like.push('!');
            }
            like.push(character);
        }
        like.push('%');
        Self { like, period: time::period(text) }
    }

    fn condition<'a>(&'a self, table: &HistoryTable, args: &mut Vec<Arg<'a>>) -> String {
        let mut any = vec!["h.username LIKE ? ESCAPE '!'"];
        args.push(Arg::Text(&self.like));
        if table.has_connection {
            any.push("h.connection_name LIKE ? ESCAPE '!'");
            args.push(Arg::Text(&self.like));
        }
        if let Some((from, until)) = &self.period {
            any.push("(h.start_date >= ? AND h.start_date < ?)");
            args.extend([Arg::Text(from), Arg::Text(until)]);
        }
        format!("({})", any.join(" OR "))
    }
}

const CONNECTION_NAMESPACE: Uuid = Uuid::from_u128(0x8b55_f070_95f4_3d31_93ee_9c58_45e7_aa40);
const LOGIN_NAMESPACE: Uuid = Uuid::from_u128(0xe104_741a_c949_3947_8d79_f3f2_cdce_7d6f);

fn connection_record(key: i64) -> HistoryRecord<ConnectionHistoryKey> {
    HistoryRecord { key: ConnectionHistoryKey(key), uuid: record_uuid(CONNECTION_NAMESPACE, key) }
}

fn login_record(key: i64) -> HistoryRecord<LoginHistoryKey> {
    HistoryRecord { key: LoginHistoryKey(key), uuid: record_uuid(LOGIN_NAMESPACE, key) }
}

/// RFC 9562 version 3 over the key in big-endian order, so that both programs find the same recordings.
fn record_uuid(namespace: Uuid, key: i64) -> Uuid {
    let mut hash = Md5::new();
    hash.update(namespace.as_bytes());
    hash.update(key.to_be_bytes());
    Builder::from_md5_bytes(hash.finalize().into()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_uuids_are_guacamoles() {
        assert_eq!(connection_record(1).uuid.to_string(), "8063df49-c55f-347b-802d-0c1168c0c119");
        assert_eq!(login_record(1).uuid.to_string(), "d16a2f32-6722-341b-8cfd-dbd7b9061b74");
    }

    #[test]
    fn wildcards_in_a_search_term_are_plain_characters() {
        assert_eq!(Term::new("50%_!").like, "%50!%!_!!%");
    }
}
