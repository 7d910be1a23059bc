//! Opening a database, and saying precisely what is wrong when that fails.

use std::{
    error::Error as StdError,
    io,
    path::{Path, PathBuf},
};

use sqlx::{
    mysql::{MySqlPool, MySqlPoolOptions, MySqlSslMode},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::timeout;

use crate::{config::MySqlTarget, db::mysql_number, error::ConnectError, limits};

/// Opens the file, creating it readable for its owner only.
pub(crate) async fn open_sqlite(path: PathBuf) -> Result<SqlitePool, ConnectError> {
    let unusable = |source| ConnectError::FileUnusable { path: path.clone(), source };
    create_private(&path).map_err(|error| unusable(error.into()))?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode this survives a crash of the program; only a power cut may lose the last moments.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(limits::SQLITE_BUSY_TIMEOUT);
    let options = sqlx::ConnectOptions::disable_statement_logging(options);
    SqlitePoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        .acquire_timeout(limits::ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(|error| unusable(error.into()))
}

/// Each is a thread; readers do not wait for the writer, and there is one writer at a time anyway.
const SQLITE_CONNECTIONS: u32 = 4;

/// SQLite gives its journal files the mode of the database, so this decides for all three.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

pub(crate) async fn open_mysql(target: MySqlTarget, max_connections: u32) -> Result<MySqlPool, ConnectError> {
    // A pool would retry until its patience ends and then only say that it ended, so the first connection is made
    // without it, for the sake of the error.
    let probe = timeout(limits::CONNECT_TIMEOUT, sqlx::ConnectOptions::connect(&target.options)).await;
    let MySqlTarget { host, port, .. } = &target;
    match probe {
        Ok(Ok(conn)) => drop(sqlx::Connection::close(conn).await),
        Ok(Err(error)) => {
            return Err(match connect_error(error, &target) {
                ConnectError::AccessDenied { host, .. } if demands_tls(&target).await => {
                    ConnectError::TlsDemanded { host }
                }
                other => other,
            });
        }
        Err(_) => return Err(ConnectError::Timeout { host: host.clone(), port: *port }),
    }
    Ok(MySqlPoolOptions::new()
        .max_connections(max_connections.max(1))
        .acquire_timeout(limits::ACQUIRE_TIMEOUT)
        .idle_timeout(limits::IDLE_TIMEOUT)
        .max_lifetime(limits::MAX_LIFETIME)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                // One that lay idle may have been cut by a restart or a firewall; a ping finds out, and the pool goes on
                // to the next. Under load none lies idle, and none is pinged.
                if meta.idle_for >= limits::PING_AFTER_IDLE {
                    sqlx::Connection::ping(conn).await?;
                }
                Ok(true)
            })
        })
        .after_connect(|conn, _| {
            Box::pin(async move {
                // Otherwise a server may cut text to fit the column and only warn.
                let strict = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')";
                sqlx::Executor::execute(conn, strict).await.map(drop)
            })
        })
        .connect_lazy_with(target.options))
}

/// MariaDB tells whoever comes without TLS that access is denied, as for a wrong password. Trying once more with TLS
/// tells the two apart. The certificate does not matter for that: only an answer to a challenge is sent.
async fn demands_tls(target: &MySqlTarget) -> bool {
    if !matches!(target.options.get_ssl_mode(), MySqlSslMode::Disabled) || target.options.get_socket().is_some() {
        return false;
    }
    let with_tls = target.options.clone().ssl_mode(MySqlSslMode::Required);
    match timeout(limits::CONNECT_TIMEOUT, sqlx::ConnectOptions::connect(&with_tls)).await {
        Ok(Ok(conn)) => {
            drop(sqlx::Connection::close(conn).await);
            true
        }
        Ok(Err(_)) | Err(_) => false,
    }
}

const MYSQL_DATABASE_DENIED: u16 = 1044;
const MYSQL_ACCESS_DENIED: u16 = 1045;
const MYSQL_UNKNOWN_DATABASE: u16 = 1049;
const MYSQL_ACCESS_DENIED_NO_PASSWORD: u16 = 1698;
/// Only MySQL has a number of its own for this; for MariaDB see [`demands_tls`].
const MYSQL_TLS_REQUIRED: u16 = 3159;

fn connect_error(error: sqlx::Error, target: &MySqlTarget) -> ConnectError {
    let MySqlTarget { host, port, user, database, .. } = target;
    let (host, port, user, database) = (host.clone(), *port, user.clone(), database.clone());
    match mysql_number(&error) {
        Some(MYSQL_ACCESS_DENIED | MYSQL_ACCESS_DENIED_NO_PASSWORD) => {
            return ConnectError::AccessDenied { host, user };
        }
        Some(MYSQL_DATABASE_DENIED) => return ConnectError::DatabaseDenied { host, user, database },
        Some(MYSQL_UNKNOWN_DATABASE) => return ConnectError::UnknownDatabase { host, database },
        Some(MYSQL_TLS_REQUIRED) => return ConnectError::TlsDemanded { host },
        _ => {}
    }
    if let Some(tls) = find_rustls(&error).cloned() {
        return certificate_error(&tls, host, error);
    }
    match error {
        sqlx::Error::Tls(source) if source.to_string().contains("does not support TLS") => {
            ConnectError::TlsNotOffered { host }
        }
        sqlx::Error::Tls(source) => ConnectError::TlsFailed { host, source },
        sqlx::Error::Io(source) => ConnectError::Unreachable { host, port, source: source.into() },
        other => ConnectError::Refused { host, source: other.into() },
    }
}

/// The TLS error under `error`, however often it was wrapped.
fn find_rustls(error: &sqlx::Error) -> Option<&rustls::Error> {
    let mut current: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = current {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        // The source of an `io::Error` skips the error it carries and goes on to that one's source.
        current = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

fn certificate_error(tls: &rustls::Error, host: String, error: sqlx::Error) -> ConnectError {
    use rustls::CertificateError as Wrong;

    let rustls::Error::InvalidCertificate(wrong) = tls else {
        return ConnectError::TlsFailed { host, source: error.into() };
    };
    match wrong {
        Wrong::NotValidForName => ConnectError::CertificateName { host, presented: None },
        Wrong::NotValidForNameContext { presented, .. } => {
            ConnectError::CertificateName { host, presented: Some(presented.join(", ")) }
        }
        Wrong::Expired | Wrong::ExpiredContext { .. } | Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            ConnectError::CertificateDate { host }
        }
        _ => ConnectError::CertificateUntrusted { host, source: error.into() },
    }
}
