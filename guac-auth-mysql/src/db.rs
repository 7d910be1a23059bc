//! The one place that knows there are two engines: pools, sessions, arguments and rows.
//!
//! Above this file a statement is text with `?` placeholders plus a list of [`Arg`]s, and a row is columns by position.
//! An enum over two concrete sqlx drivers was chosen over sqlx's `Any`, which cannot carry this schema's booleans and
//! dates, and over a trait or macro with two copies of every query: here each query exists once, is compiled once,
//! and the tests run the very same code against both engines. Where engines differ (`FOR UPDATE`), a method here says how.

use std::{borrow::Cow, error::Error as StdError, time::Duration};

use sqlx::{
    AssertSqlSafe, Row as _,
    mysql::{MySql, MySqlArguments, MySqlDatabaseError, MySqlPool, MySqlRow},
    pool::PoolConnection,
    query::Query,
    sqlite::{Sqlite, SqliteArguments, SqlitePool, SqliteRow},
};
use tokio::time::timeout;

use crate::{
    config::Target,
    connect::{open_mysql, open_sqlite},
    error::{ConnectError, StoreError},
    limits,
};

/// A database, open.
#[derive(Debug)]
pub(crate) enum Database {
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

impl Database {
    pub(crate) async fn open(target: Target, max_connections: u32) -> Result<Self, ConnectError> {
        match target {
            Target::MySql(target) => open_mysql(*target, max_connections).await.map(Self::MySql),
            Target::Sqlite(path) => open_sqlite(path).await.map(Self::Sqlite),
        }
    }

    pub(crate) fn is_mysql(&self) -> bool {
        matches!(self, Self::MySql(_))
    }

    /// A connection to read with: each statement sees what was committed before it.
    pub(crate) async fn read(&self) -> Result<Session, StoreError> {
        let conn = Conn::acquire(self).await?;
        let statement_timeout = limits::STATEMENT_TIMEOUT;
        Ok(Session { conn, dirty: false, in_transaction: false, statement_timeout })
    }

    /// A connection to write with: nothing counts before [`Session::commit`].
    pub(crate) async fn write(&self) -> Result<Session, StoreError> {
        let mut session = self.read().await?;
        // SQLite would otherwise take the write lock late, and refuse it if somebody wrote in between.
        let begin = if self.is_mysql() { "START TRANSACTION" } else { "BEGIN IMMEDIATE" };
        session.in_transaction = true;
        session.raw(begin).await?;
        Ok(session)
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::MySql(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

#[derive(Debug)]
enum Conn {
    MySql(PoolConnection<MySql>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Conn {
    async fn acquire(database: &Database) -> Result<Self, StoreError> {
        Ok(match database {
            Database::MySql(pool) => Self::MySql(pool.acquire().await.map_err(query_error)?),
            Database::Sqlite(pool) => Self::Sqlite(pool.acquire().await.map_err(query_error)?),
        })
    }
}

/// One connection, for one unit of work.
///
/// INVARIANT: a connection goes back to the pool only between statements and outside a transaction. One dropped in
/// the middle, by an error, a timeout or a cancelled future, is closed, and the server rolls back what was not committed.
#[derive(Debug)]
pub(crate) struct Session {
    conn: Conn,
    dirty: bool,
    in_transaction: bool,
    statement_timeout: Duration,
}

/// What a statement that returns no rows did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) rows: u64,
    pub(crate) inserted: i64,
}

impl Session {
    pub(crate) fn set_statement_timeout(&mut self, limit: Duration) {
        self.statement_timeout = limit;
    }

    /// Suffix of a `SELECT` whose rows, or whose absence, must not change before the transaction ends.
    pub(crate) fn for_update(&self) -> &'static str {
        match self.conn {
            Conn::MySql(_) => " FOR UPDATE",
            Conn::Sqlite(_) => "", // BEGIN IMMEDIATE already keeps other writers out.
        }
    }

    /// The database's clock, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> &'static str {
        match self.conn {
            // The driver has sessions in UTC, so no hour of the year comes twice.
            Conn::MySql(_) => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
            Conn::Sqlite(_) => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        }
    }

    /// While held, the connection does not go back to the pool: it has something of the server's, such as a lock.
    pub(crate) fn set_held(&mut self, held: bool) {
        self.in_transaction = held;
    }

    /// Runs a statement without arguments that the server may refuse to prepare.
    pub(crate) async fn raw(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.raw_owned(Cow::Borrowed(sql)).await
    }

    pub(crate) async fn raw_owned(&mut self, sql: Cow<'static, str>) -> Result<(), StoreError> {
        self.dirty = true;
        let limit = self.statement_timeout;
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        let result = match &mut self.conn {
            Conn::MySql(conn) => timeout(limit, query.execute(&mut **conn)).await.map(|r| r.map(drop)),
            Conn::Sqlite(conn) => timeout(limit, query.execute(&mut **conn)).await.map(|r| r.map(drop)),
        };
        self.settle(result)
    }

    /// Runs a statement that returns no rows.
    pub(crate) async fn execute(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        args: &[Arg<'_>],
    ) -> Result<Done, StoreError> {
        let sql = AssertSqlSafe(sql.into());
        self.dirty = true;
        let limit = self.statement_timeout;
        let result = match &mut self.conn {
            Conn::MySql(conn) => {
                timeout(limit, bind_mysql(sqlx::query(sql), args).execute(&mut **conn)).await.map(|r| {
                    r.map(|done| Done {
                        rows: done.rows_affected(),
                        inserted: i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX),
                    })
                })
            }
            Conn::Sqlite(conn) => timeout(limit, bind_sqlite(sqlx::query(sql), args).execute(&mut **conn))
                .await
                .map(|r| r.map(|done| Done { rows: done.rows_affected(), inserted: done.last_insert_rowid() })),
        };
        self.settle(result)
    }

    /// Runs a statement and returns all its rows. Callers bound their number.
    pub(crate) async fn rows(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        args: &[Arg<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let sql = AssertSqlSafe(sql.into());
        self.dirty = true;
        let limit = self.statement_timeout;
        let result = match &mut self.conn {
            Conn::MySql(conn) => timeout(limit, bind_mysql(sqlx::query(sql), args).fetch_all(&mut **conn))
                .await
                .map(|r| r.map(|rows| rows.into_iter().map(Row::MySql).collect())),
            Conn::Sqlite(conn) => timeout(limit, bind_sqlite(sqlx::query(sql), args).fetch_all(&mut **conn))
                .await
                .map(|r| r.map(|rows| rows.into_iter().map(Row::Sqlite).collect())),
        };
        self.settle(result)
    }

    /// Runs a statement and returns its first row.
    pub(crate) async fn row(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        args: &[Arg<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Runs `before (?, ?, …) after` over `keys`, in batches, and returns all rows.
    pub(crate) async fn rows_in(
        &mut self,
        before: &str,
        keys: &[i64],
        after: &str,
        args_after: &[Arg<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let mut all = Vec::new();
        for batch in keys.chunks(limits::IN_BATCH) {
            let sql = format!("{before} ({}) {after}", placeholders(batch.len()));
            let mut args: Vec<Arg<'_>> = batch.iter().map(|key| Arg::Int(*key)).collect();
            args.extend_from_slice(args_after);
            all.extend(self.rows(sql, &args).await?);
        }
        Ok(all)
    }

    /// Makes everything since [`Database::write`] count.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.raw("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    fn settle<T>(
        &mut self,
        result: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, StoreError> {
        match result {
            Ok(answered) => {
                let answered = answered.map_err(query_error);
                // After an error of the transport the connection is of no more use.
                self.dirty = matches!(answered, Err(StoreError::Unavailable { .. }));
                answered
            }
            Err(_) => Err(StoreError::Timeout),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.dirty || self.in_transaction {
            match &mut self.conn {
                Conn::MySql(conn) => conn.close_on_drop(),
                Conn::Sqlite(conn) => conn.close_on_drop(),
            }
        }
    }
}

/// `?, ?, …` for `count` values.
pub(crate) fn placeholders(count: usize) -> String {
    let mut text = "?, ".repeat(count);
    text.truncate(text.len().saturating_sub(2));
    text
}

/// A value for a placeholder.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Arg<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, T: Into<Arg<'a>>> From<Option<T>> for Arg<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// `args![a, b, …]`: anything that can be bound, as a slice.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::db::Arg::from($value)),*] };
}
pub(crate) use args;

macro_rules! binder {
    ($name:ident, $engine:ty, $arguments:ty) => {
        fn $name<'q>(mut query: Query<'q, $engine, $arguments>, args: &[Arg<'_>]) -> Query<'q, $engine, $arguments> {
            for arg in args {
                query = match *arg {
                    Arg::Null => query.bind(None::<String>),
                    Arg::Int(value) => query.bind(value),
                    Arg::Text(value) => query.bind(value.to_owned()),
                    Arg::Bytes(value) => query.bind(value.to_vec()),
                };
            }
            query
        }
    };
}

binder!(bind_mysql, MySql, MySqlArguments);
binder!(bind_sqlite, Sqlite, SqliteArguments);

/// A row. Columns are read by position; the statements that select them are next to the code that reads them.
#[derive(Debug)]
pub(crate) enum Row {
    MySql(MySqlRow),
    Sqlite(SqliteRow),
}

macro_rules! column {
    ($self:expr, $index:expr, $type:ty) => {
        match $self {
            // Unchecked: the engines name the same column differently (an enum is text, a boolean is an integer).
            Row::MySql(row) => row.try_get_unchecked::<$type, usize>($index),
            Row::Sqlite(row) => row.try_get_unchecked::<$type, usize>($index),
        }
        .map_err(query_error)
    };
}

impl Row {
    pub(crate) fn int(&self, index: usize) -> Result<i64, StoreError> {
        column!(self, index, i64)
    }

    pub(crate) fn opt_int(&self, index: usize) -> Result<Option<i64>, StoreError> {
        column!(self, index, Option<i64>)
    }

    pub(crate) fn flag(&self, index: usize) -> Result<bool, StoreError> {
        self.int(index).map(|value| value != 0)
    }

    pub(crate) fn text(&self, index: usize) -> Result<String, StoreError> {
        column!(self, index, String)
    }

    pub(crate) fn opt_text(&self, index: usize) -> Result<Option<String>, StoreError> {
        column!(self, index, Option<String>)
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<Vec<u8>, StoreError> {
        column!(self, index, Vec<u8>)
    }

    pub(crate) fn opt_bytes(&self, index: usize) -> Result<Option<Vec<u8>>, StoreError> {
        column!(self, index, Option<Vec<u8>>)
    }
}

const MYSQL_LOCK_TIMEOUT: u16 = 1205;
const MYSQL_DEADLOCK: u16 = 1213;
const MYSQL_UNKNOWN_WORD: u16 = 1265;
const MYSQL_UNSUPPORTED_TEXT: u16 = 1366;
/// SQLite's primary result codes; extended ones have the detail in the bits above.
const SQLITE_BUSY: i64 = 5;
const SQLITE_LOCKED: i64 = 6;

/// The number of a MySQL error.
pub(crate) fn mysql_number(error: &(dyn StdError + 'static)) -> Option<u16> {
    match error.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Database(error)) => {
            error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
        }
        _ => None,
    }
}

fn query_error(error: sqlx::Error) -> StoreError {
    match mysql_number(&error) {
        Some(MYSQL_LOCK_TIMEOUT | MYSQL_DEADLOCK) => return StoreError::Busy { source: error.into() },
        // Without its source: the server's message quotes the text, which may be a password.
        Some(MYSQL_UNKNOWN_WORD) => return StoreError::Invalid { field: "permission" },
        Some(MYSQL_UNSUPPORTED_TEXT) => return StoreError::UnsupportedText,
        _ => {}
    }
    match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => StoreError::Unavailable { source: error.into() },
        sqlx::Error::Database(inner) if sqlite_busy(inner.code().as_deref()) => {
            StoreError::Busy { source: error.into() }
        }
        _ => StoreError::Query { source: error.into() },
    }
}

fn sqlite_busy(code: Option<&str>) -> bool {
    // MySQL's codes are five-character SQLSTATEs, none of which has these low bytes and parses as so small a number.
    let code = code.filter(|code| code.len() < 5).and_then(|code| code.parse::<i64>().ok());
    code.is_some_and(|code| matches!(code & 0xff, SQLITE_BUSY | SQLITE_LOCKED))
}

/// Whether a statement failed because a unique key already has the row.
pub(crate) fn is_duplicate(error: &StoreError) -> bool {
    let StoreError::Query { source } = error else { return false };
    matches!(source.downcast_ref(), Some(sqlx::Error::Database(error)) if error.is_unique_violation())
}
