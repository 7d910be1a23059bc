//! The store against real databases: SQLite always, MariaDB where it is installed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests fail as tests do, by panicking, and say loudly what they skip"
)]

mod cluster;
mod fixture;
mod mariadb;
mod mariadb_server;
mod mariadb_tls;
mod schema_listing;
mod sqlite;
mod suite;
