//! The store against real databases: SQLite always, MariaDB where it is installed.

mod fixture;
mod mariadb;
mod mariadb_server;
mod schema_listing;
mod sqlite;
mod suite;
