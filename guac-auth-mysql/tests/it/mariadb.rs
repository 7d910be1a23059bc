//! The suite on MariaDB, and what only MariaDB has.
