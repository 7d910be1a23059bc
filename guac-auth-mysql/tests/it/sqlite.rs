//! The suite on SQLite, and what only SQLite has.

use std::path::Path;

use guac_auth_mysql::{Migration, SchemaError, Store, StoreConfig};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::{
    fixture::{Fixture, Raw},
    suite,
};

async fn open(path: &Path) -> Fixture {
    let config = StoreConfig::sqlite(path);
    let store = Store::connect(&config).await.unwrap();
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(true);
    let raw = Raw::Sqlite(SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap());
    Fixture { store, raw, config }
}

macro_rules! on_sqlite {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let dir = tempfile::tempdir().unwrap();
            let fixture = open(&dir.path().join("store.db")).await;
            assert_eq!(fixture.store.migrate().await.unwrap(), Migration::Created);
            suite::$name(fixture).await;
        }
    )*};
}

suite::all!(on_sqlite);

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_readable_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let fixture = open(&dir.path().join("store.db")).await;
    fixture.store.migrate().await.unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn a_missing_directory_is_an_error_that_names_the_file() {
    let config = StoreConfig::sqlite(Path::new("/nonexistent/store.db"));
    let error = Store::connect(&config).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/store.db"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    std::fs::write(&path, "something else entirely, and long enough to have a header ".repeat(40)).unwrap();
    let error = Store::connect(&StoreConfig::sqlite(&path)).await.unwrap_err();
    assert!(error.to_string().contains("cannot be opened"), "{error}");
}

#[tokio::test]
async fn a_first_start_cut_short_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(&dir.path().join("store.db")).await;
    fixture.store.migrate().await.unwrap();
    fixture.raw.execute("DROP TABLE guacamole_user_password_history").await;
    assert_eq!(fixture.store.migrate().await.unwrap(), Migration::Created);
    assert_eq!(fixture.store.migrate().await.unwrap(), Migration::Current);
}

#[tokio::test]
async fn a_table_of_somebody_elses_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(&dir.path().join("store.db")).await;
    fixture.raw.execute("CREATE TABLE guacamole_user (user_id INTEGER, something TEXT)").await;
    let error = fixture.store.migrate().await.unwrap_err();
    assert!(matches!(error, SchemaError::ForeignTable { table: "guacamole_user", .. }), "{error}");
}

#[tokio::test]
async fn the_columns_refuse_what_mysql_would() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(&dir.path().join("store.db")).await;
    fixture.store.migrate().await.unwrap();
    let Raw::Sqlite(pool) = &fixture.raw else { unreachable!() };
    for sql in [
        "INSERT INTO guacamole_entity (name, type) VALUES ('x', 'ROBOT')",
        "INSERT INTO guacamole_user (entity_id, password_hash, password_date) VALUES (99, zeroblob(32), '2024-01-01 00:00:00')",
        "INSERT INTO guacamole_connection (connection_name, protocol, failover_only) VALUES ('x', 'ssh', 2)",
        "INSERT INTO guacamole_connection (connection_name, protocol) VALUES (NULL, 'ssh')",
    ] {
        assert!(sqlx::query(sql).execute(pool).await.is_err(), "{sql}");
    }
}
