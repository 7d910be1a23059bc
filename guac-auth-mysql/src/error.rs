//! What can go wrong, sorted by who is to blame.

use std::{error::Error as StdError, path::PathBuf};

use guac_protocol::Status;

use crate::model::ObjectKind;

/// An error of a library below, kept for the log.
pub type Source = Box<dyn StdError + Send + Sync>;

/// Why the database could not be opened. Every message names the one thing that failed and what to do about it;
/// none contains the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// *Caller*: the URL cannot be read.
    #[error(
        "the database URL cannot be read: write mysql://user:password@host:port/database or sqlite:///path/to/file, with special characters percent-encoded"
    )]
    UrlInvalid,
    /// *Caller*: the URL has a parameter that means nothing here.
    #[error(
        "the database URL has an unknown parameter {name:?}: known are ssl-mode, ssl-ca, ssl-cert, ssl-key and socket"
    )]
    UnknownParameter {
        /// The parameter.
        name: String,
    },
    /// *Caller*: the URL has a parameter with an impossible value.
    #[error("the parameter {name} of the database URL cannot be {value:?}")]
    InvalidParameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// *Caller*: the time zone is not known to this system.
    #[error(
        "the database time zone {name:?} is not known to this system: use an IANA name such as Europe/Vienna, and install tzdata"
    )]
    UnknownTimeZone {
        /// The name.
        name: String,
    },
    /// *Caller*: the certificate or key file cannot be read.
    #[error(
        "{path:?} cannot be read as a PEM file for the database connection: check that it exists, is readable and is PEM"
    )]
    PemUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Source,
    },
    /// *Environment*: the server has no TLS to offer.
    #[error(
        "the database server {host} offers no TLS: enable TLS there, or set ssl-mode=disabled if the path to it is trusted"
    )]
    TlsNotOffered {
        /// The server.
        host: String,
    },
    /// *Environment*: the server insists on TLS, which the URL switched off.
    #[error(
        "the database server {host} refuses connections without TLS: remove ssl-mode=disabled from the database URL"
    )]
    TlsDemanded {
        /// The server.
        host: String,
    },
    /// *Environment*: no known authority has signed the server's certificate.
    #[error(
        "the certificate of the database server {host} is not trusted: give the certificate of its authority with ssl-ca=/path/to/ca.pem"
    )]
    CertificateUntrusted {
        /// The server.
        host: String,
        /// What the check said.
        #[source]
        source: Source,
    },
    /// *Environment*: the certificate is for another name.
    #[error("the certificate of the database server is not for the host name {host}: use a name the certificate has{}, or ssl-mode=verify-ca to accept any name", .presented.as_deref().map(|names| format!(" ({names})")).unwrap_or_default())]
    CertificateName {
        /// The name in the URL.
        host: String,
        /// The names in the certificate, where known.
        presented: Option<String>,
    },
    /// *Environment*: the certificate is out of date.
    #[error(
        "the certificate of the database server {host} is expired or not valid yet: renew it, or correct the clock"
    )]
    CertificateDate {
        /// The server.
        host: String,
    },
    /// *Environment*: TLS failed in some other way.
    #[error("TLS with the database server {host} failed: see the cause, and check that it speaks TLS 1.2 or 1.3")]
    TlsFailed {
        /// The server.
        host: String,
        /// How.
        #[source]
        source: Source,
    },
    /// *Environment*: user name or password are wrong, or the user may not come from this address.
    #[error(
        "the database server {host} refused the user {user:?}: check user name and password, and that the user may connect from this machine"
    )]
    AccessDenied {
        /// The server.
        host: String,
        /// The user.
        user: String,
    },
    /// *Environment*: the user is fine, the database is not theirs.
    #[error(
        "the user {user:?} may not use the database {database:?} on {host}: grant it, GRANT ALL ON `{database}`.* TO …"
    )]
    DatabaseDenied {
        /// The server.
        host: String,
        /// The user.
        user: String,
        /// The database.
        database: String,
    },
    /// *Environment*: there is no such database.
    #[error(
        "the database server {host} has no database {database:?}: create it, CREATE DATABASE `{database}`, or correct the URL"
    )]
    UnknownDatabase {
        /// The server.
        host: String,
        /// The database.
        database: String,
    },
    /// *Environment*: nothing answers there.
    #[error(
        "the database server {host} port {port} cannot be reached: check name and port, that it runs, and that no firewall is between"
    )]
    Unreachable {
        /// The server.
        host: String,
        /// Its port.
        port: u16,
        /// Why.
        #[source]
        source: Source,
    },
    /// *Environment*: something took the connection and never finished.
    #[error(
        "the database server {host} port {port} did not answer in time: check that it is a MySQL or MariaDB server and not overloaded"
    )]
    Timeout {
        /// The server.
        host: String,
        /// Its port.
        port: u16,
    },
    /// *Environment*: the server refused for a reason of its own.
    #[error("the database server {host} refused the connection: see the cause")]
    Refused {
        /// The server.
        host: String,
        /// What it said.
        #[source]
        source: Source,
    },
    /// *Environment*: the embedded database's file cannot be used.
    #[error(
        "the database file {path:?} cannot be opened: check that its directory exists and is writable, and that it is a SQLite database"
    )]
    FileUnusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Source,
    },
}

/// Why the schema could not be created or brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// *Environment*: the tables are those of Guacamole before 1.0.
    #[error(
        "the database has the tables of a Guacamole before 1.0: run the upgrade scripts that come with Guacamole's MySQL extension up to 1.0 first, then start again"
    )]
    TooOld,
    /// *Environment*: a table is there without a column it has had since 1.0.
    #[error(
        "the table {table} has no column {column}: it is not a table of Guacamole 1.0 or later; use an empty database"
    )]
    ForeignTable {
        /// The table.
        table: &'static str,
        /// The missing column.
        column: &'static str,
    },
    /// *Environment*: tables are missing and the database's user may not create them.
    #[error(
        "the tables are missing and the database user may not create them: grant CREATE, ALTER, INDEX and REFERENCES on the database for the first start"
    )]
    MayNotCreate,
    /// *Environment*: another node is at it and does not finish.
    #[error("another program has been migrating this database for over a minute: wait for it, then start again")]
    LockTimeout,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// *Caller*: there is no such object, or the caller may not know of it.
    #[error("no such {kind}")]
    NotFound {
        /// Of which kind.
        kind: ObjectKind,
    },
    /// *Caller*: there is no such row of history.
    #[error("no such history record")]
    NoSuchRecord,
    /// *Caller*: permission is missing.
    #[error("permission denied")]
    Denied,
    /// *Caller*: an administrator tried to lock themselves out.
    #[error("one's own account and system permissions cannot be removed")]
    OwnAccount,
    /// *Caller*: the name is taken.
    #[error("the {kind} {name:?} already exists")]
    Duplicate {
        /// Of which kind.
        kind: ObjectKind,
        /// The name.
        name: String,
    },
    /// *Caller*: the name is blank.
    #[error("the name of a {kind} must not be blank")]
    BlankName {
        /// Of which kind.
        kind: ObjectKind,
    },
    /// *Caller*: a field is longer than its column.
    #[error("{field} is longer than {limit} characters")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// The most it may have.
        limit: usize,
    },
    /// *Caller*: a parameter's or attribute's value is longer than its column.
    #[error("the value of {name:?} is longer than {limit} characters")]
    ValueTooLong {
        /// The parameter or attribute.
        name: String,
        /// The most its value may have.
        limit: usize,
    },
    /// *Caller*: a field is not in the form it has to have.
    #[error("{field} is not valid")]
    Invalid {
        /// Which field.
        field: &'static str,
    },
    /// *Caller*: there are more of something than allowed.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most there may be.
        limit: usize,
    },
    /// *Caller*: a group cannot be inside itself.
    #[error("a {kind} cannot be inside itself")]
    Cycle {
        /// Of which kind.
        kind: ObjectKind,
    },
    /// *Caller*: the database's character set cannot hold the text (MySQL's three-byte `utf8` and, say, an emoji).
    #[error("the text has characters the database cannot store")]
    UnsupportedText,
    /// *Environment*: other writers are in the way; the same call may work next time.
    #[error("the database is busy")]
    Busy {
        /// What it said.
        #[source]
        source: Source,
    },
    /// *Environment*: the database cannot be reached; it may be back later.
    #[error("the database is not available")]
    Unavailable {
        /// Why.
        #[source]
        source: Source,
    },
    /// *Environment*: the database took longer than any statement should.
    #[error("the database did not answer in time")]
    Timeout,
    /// *Us*: the database refused a statement.
    #[error("the database refused a statement")]
    Query {
        /// What it said.
        #[source]
        source: Source,
    },
    /// *Us*: a thread that computes password hashes is gone, or a stored hash cannot be computed.
    #[error("the password cannot be hashed")]
    Hash,
}

/// Why a login was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// *Caller*: unknown user, wrong password or disabled account: not told apart, nor by the time it takes.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// *Caller*: before or after the days the account is valid (`LOGIN.ERROR_NOT_VALID`).
    #[error("the account is not valid today")]
    NotValid,
    /// *Caller*: outside the account's hours (`LOGIN.ERROR_NOT_ACCESSIBLE`).
    #[error("the account may not be used at this hour")]
    NotAccessible,
    /// *Caller*: the password is right and has to be changed first (`LOGIN.INFO_PASSWORD_EXPIRED`).
    #[error("the password has expired")]
    PasswordExpired,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectError {
    /// What a user is told: that the server is not in order. The rest is for the log and the operator.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::ServerError
    }
}

impl SchemaError {
    /// As [`ConnectError::status`].
    #[must_use]
    pub fn status(&self) -> Status {
        Status::ServerError
    }
}

impl StoreError {
    /// The status a user is told, with what the REST interface makes of it: names that are taken are a bad request there.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::NotFound { .. } | Self::NoSuchRecord => Status::ResourceNotFound,
            Self::Denied => Status::ClientForbidden,
            Self::OwnAccount => Status::Unsupported,
            Self::Duplicate { .. }
            | Self::BlankName { .. }
            | Self::TooLong { .. }
            | Self::Invalid { .. }
            | Self::TooMany { .. }
            | Self::Cycle { .. }
            | Self::UnsupportedText => Status::ClientBadRequest,
            Self::ValueTooLong { .. } => Status::ClientOverrun,
            Self::Busy { .. } => Status::ServerBusy,
            Self::Unavailable { .. } | Self::Timeout | Self::Query { .. } | Self::Hash => Status::ServerError,
        }
    }
}

impl LoginError {
    /// The status a user is told.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::InvalidCredentials | Self::PasswordExpired => Status::ClientUnauthorized,
            Self::NotValid | Self::NotAccessible => Status::ClientForbidden,
            Self::Store(error) => error.status(),
        }
    }
}
