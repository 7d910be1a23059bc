//! The tables: made where there are none, brought up to date where they are old, left alone where they are right.
//!
//! Guacamole records no version in its database, so what is there is told from columns and enum words, and no table
//! or column of our own is ever added. Statements say `IF NOT EXISTS` throughout: a first start that was cut short is
//! completed by the next.

mod ddl;
mod tables;

use std::collections::{HashMap, HashSet};

use tracing::{info, warn};

use self::tables::TABLES;
pub(crate) use self::tables::{Column, Table, Type, col, flag, opt};
use crate::{
    Store,
    db::{Session, args, mysql_number},
    error::{SchemaError, StoreError},
    limits,
};

/// What [`Store::migrate`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    /// The database was empty, or half made; all tables are there now.
    Created,
    /// The tables of Guacamole 1.0 to 1.5 were brought up to 1.6.
    Upgraded,
    /// There was nothing to do.
    Current,
}

impl Store {
    /// Makes sure that all tables are there and up to date. Harmless to repeat, and safe when several nodes start
    /// together: one works, the others wait for it.
    ///
    /// # Errors
    /// [`SchemaError::TooOld`] and [`SchemaError::ForeignTable`] for tables that are not Guacamole's of 1.0 or later;
    /// [`SchemaError::MayNotCreate`] where tables are missing and the database's user lacks the right to make them. A
    /// missing right to change the enum of an older database is only logged: everything but granting `AUDIT` works.
    ///
    /// # Cancel safety
    /// Cancelled, it leaves whole tables behind, and the next call completes the set.
    pub async fn migrate(&self) -> Result<Migration, SchemaError> {
        let outcome =
            if self.database().is_mysql() { self.migrate_mysql().await? } else { self.migrate_sqlite().await? };
        if outcome != Migration::Current {
            info!(?outcome, "Database schema changed");
        }
        Ok(outcome)
    }

    /// Makes tables of our own beside Guacamole's, if they are missing. Safe when several nodes start together.
    pub(crate) async fn make_tables(&self, tables: &'static [Table]) -> Result<(), SchemaError> {
        let mysql = self.database().is_mysql();
        let mut session = self.database().read().await?;
        let present = if mysql {
            "SELECT LOWER(table_name) FROM information_schema.tables WHERE table_schema = DATABASE()"
        } else {
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        };
        let rows = session.rows(present, &[]).await?;
        let present: HashSet<String> = rows.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?;
        // Without asking first, a user who may not make tables could not start even where all are there.
        for table in tables.iter().filter(|table| !present.contains(table.name)) {
            let statements = if mysql { vec![ddl::mysql_table(table)] } else { ddl::sqlite_table(table) };
            for statement in statements {
                session.raw_owned(statement.into()).await.map_err(may_not_create)?;
            }
        }
        Ok(())
    }

    async fn migrate_mysql(&self) -> Result<Migration, SchemaError> {
        let mut session = self.database().read().await?;
        session.set_statement_timeout(limits::MIGRATION_STATEMENT_TIMEOUT);
        // Named by database, since locks are the server's. Should this future be dropped, the connection is closed
        // and the server lets go of the lock.
        let lock = "SELECT GET_LOCK(CONCAT('guacd-lite ', MD5(DATABASE())), ?)";
        let got = session.row(lock, args![limits::MIGRATION_LOCK_SECONDS]).await?;
        if got.map(|row| row.opt_int(0)).transpose()?.flatten() != Some(1) {
            return Err(SchemaError::LockTimeout);
        }
        session.set_held(true);
        let outcome = mysql_locked(&mut session).await;
        session.row("SELECT RELEASE_LOCK(CONCAT('guacd-lite ', MD5(DATABASE())))", &[]).await?;
        session.set_held(false);
        outcome
    }

    async fn migrate_sqlite(&self) -> Result<Migration, SchemaError> {
        let mut session = self.database().write().await?;
        let mut present = Columns::new();
        for row in session
            .rows("SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'", &[])
            .await?
        {
            present.entry(row.text(0)?).or_default().insert(row.text(1)?);
        }
        if !missing_tables(&present)? {
            return Ok(Migration::Current);
        }
        for statement in TABLES.iter().flat_map(ddl::sqlite_table) {
            session.raw_owned(statement.into()).await?;
        }
        session.commit().await?;
        Ok(Migration::Created)
    }
}

/// Columns by table, in lower case.
type Columns = HashMap<String, HashSet<String>>;

async fn mysql_locked(session: &mut Session) -> Result<Migration, SchemaError> {
    let mut present = Columns::new();
    let columns =
        "SELECT LOWER(table_name), LOWER(column_name) FROM information_schema.columns WHERE table_schema = DATABASE()";
    for row in session.rows(columns, &[]).await? {
        present.entry(row.text(0)?).or_default().insert(row.text(1)?);
    }
    if missing_tables(&present)? {
        for statement in TABLES.iter().map(ddl::mysql_table) {
            session.raw_owned(statement.into()).await.map_err(may_not_create)?;
        }
        return Ok(Migration::Created);
    }

    let enum_words = "SELECT CAST(column_type AS CHAR) FROM information_schema.columns WHERE table_schema = DATABASE() \
         AND table_name = 'guacamole_system_permission' AND column_name = 'permission'";
    let words = session.row(enum_words, &[]).await?.map(|row| row.text(0)).transpose()?.unwrap_or_default();
    if words.contains("'AUDIT'") {
        return Ok(Migration::Current);
    }
    match session.raw_owned(ddl::mysql_add_audit().into()).await.map_err(may_not_create) {
        Ok(()) => Ok(Migration::Upgraded),
        Err(SchemaError::MayNotCreate) => {
            warn!("The database user may not alter tables: permission AUDIT cannot be granted until it can");
            Ok(Migration::Current)
        }
        Err(other) => Err(other),
    }
}

/// Whether any table is missing; an error where what is there is not ours to complete.
fn missing_tables(present: &Columns) -> Result<bool, SchemaError> {
    // Before 1.0 users had no entity, and their name was in their own row.
    let old_user = present.get("guacamole_user").is_some_and(|columns| columns.contains("username"));
    if old_user {
        return Err(SchemaError::TooOld);
    }
    let mut missing = false;
    for table in TABLES {
        let Some(columns) = present.get(table.name) else {
            missing = true;
            continue;
        };
        if let Some(column) = table.columns.iter().find(|column| !columns.contains(column.name)) {
            return Err(SchemaError::ForeignTable { table: table.name, column: column.name });
        }
    }
    Ok(missing)
}

const MYSQL_MAY_NOT: [u16; 3] = [1044, 1142, 1227];

fn may_not_create(error: StoreError) -> SchemaError {
    let StoreError::Query { source } = &error else { return error.into() };
    match mysql_number(&**source) {
        Some(number) if MYSQL_MAY_NOT.contains(&number) => SchemaError::MayNotCreate,
        _ => error.into(),
    }
}
