//! A MariaDB server of our own.
