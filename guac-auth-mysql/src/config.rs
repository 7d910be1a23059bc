//! Where the database is and how to use it.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions as _,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};
use url::Url;

use crate::{error::ConnectError, limits};

/// How to open a [`Store`](crate::Store).
///
/// Debug output leaves the URL out, since it may have the password.
#[derive(Clone)]
pub struct StoreConfig {
    /// `mysql://user:password@host:port/database` or `sqlite:///path/to/file`.
    ///
    /// Parameters of a MySQL URL: `ssl-mode` (see [`SslMode`]), `ssl-ca`, `ssl-cert` and `ssl-key` (PEM files),
    /// `socket` (path of a local socket, over which TLS is off unless `ssl-mode` says otherwise).
    pub url: SecretString,
    /// Overrides the URL's password, so that the URL need not be a secret.
    pub password: Option<SecretString>,
    /// Overrides the URL's `ssl-mode`.
    pub ssl_mode: Option<SslMode>,
    /// Overrides the URL's `ssl-ca`: a PEM file with authorities to trust besides the system's.
    pub ssl_ca: Option<PathBuf>,
    /// Connections to MySQL at most.
    pub max_connections: u32,
    /// How new passwords are stored.
    pub password_hashing: PasswordHashing,
    /// Whether other nodes (or a stock Guacamole) use the same database: then history rows left open are not closed
    /// at the start, since they may be theirs.
    pub shared: bool,
    /// IANA name of the zone the database's dates are in; `None` is UTC. Guacamole writes the zone of its server.
    pub time_zone: Option<String>,
}

impl StoreConfig {
    /// Defaults for `url`: TLS with a verified server, passwords stock Guacamole can check, one node, UTC.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            password: None,
            ssl_mode: None,
            ssl_ca: None,
            max_connections: limits::DEFAULT_MAX_CONNECTIONS,
            password_hashing: PasswordHashing::Stock,
            shared: false,
            time_zone: None,
        }
    }

    /// An embedded database in the file `path`.
    #[must_use]
    pub fn sqlite(path: &Path) -> Self {
        Self::new(SecretString::from(format!("sqlite://{}", path.display())))
    }

    /// The database server this leads to; `None` for a file or a local socket.
    ///
    /// # Errors
    /// [`ConnectError`] where the URL cannot be read.
    pub fn server(&self) -> Result<Option<Server>, ConnectError> {
        match Target::parse(self)? {
            Target::MySql(target) if target.options.get_socket().is_none() => {
                let MySqlTarget { host, port, ssl_mode, .. } = *target;
                Ok(Some(Server { host, port, ssl_mode }))
            }
            Target::MySql(_) | Target::Sqlite(_) => Ok(None),
        }
    }

    /// The file that SQLite opens, and makes if it is not there; `None` for a server.
    ///
    /// # Errors
    /// [`ConnectError`] where the URL cannot be read.
    pub fn file(&self) -> Result<Option<PathBuf>, ConnectError> {
        match Target::parse(self)? {
            Target::Sqlite(path) => Ok(Some(path)),
            Target::MySql(_) => Ok(None),
        }
    }

    pub(crate) fn zone(&self) -> Result<TimeZone, ConnectError> {
        match self.time_zone.as_deref() {
            None => Ok(TimeZone::UTC),
            Some(name) => TimeZone::get(name).map_err(|_| ConnectError::UnknownTimeZone { name: name.to_owned() }),
        }
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("ssl_mode", &self.ssl_mode)
            .field("ssl_ca", &self.ssl_ca)
            .field("max_connections", &self.max_connections)
            .field("password_hashing", &self.password_hashing)
            .field("shared", &self.shared)
            .field("time_zone", &self.time_zone)
            .finish_non_exhaustive()
    }
}

/// Where a database listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How it is talked to.
    pub ssl_mode: SslMode,
}

impl Server {
    /// Whether it is on this machine, as far as its name tells.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let address: Option<IpAddr> = self.host.parse().ok();
        self.host.eq_ignore_ascii_case("localhost")
            || address.is_some_and(|address| address.to_canonical().is_loopback())
    }

    /// Whether the connection may be in clear.
    #[must_use]
    pub fn is_perhaps_plaintext(&self) -> bool {
        matches!(self.ssl_mode, SslMode::Disabled | SslMode::Preferred)
    }
}

/// How new passwords are stored. Both kinds are always accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordHashing {
    /// As Guacamole does, so that it can check them too: one round of salted SHA-256.
    #[default]
    Stock,
    /// Argon2id, which Guacamole cannot check. Passwords stored the old way are converted at their next login.
    Argon2id,
}

/// How much the MySQL connection is to be trusted, as in MySQL's own programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// `disabled`: in clear.
    Disabled,
    /// `preferred`: encrypted where the server offers it, unverified.
    Preferred,
    /// `required`: encrypted, unverified.
    Required,
    /// `verify-ca`: encrypted, and the certificate is signed by a trusted authority for any name.
    VerifyCa,
    /// `verify-identity`: encrypted, and the certificate is signed by a trusted authority for the name in the URL.
    #[default]
    VerifyIdentity,
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::Preferred => "preferred",
            Self::Required => "required",
            Self::VerifyCa => "verify-ca",
            Self::VerifyIdentity => "verify-identity",
        })
    }
}

impl FromStr for SslMode {
    type Err = crate::model::UnknownWord;

    /// Reads the names above, in any letter case and with `_` for `-`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "disabled" => Ok(Self::Disabled),
            "preferred" => Ok(Self::Preferred),
            "required" => Ok(Self::Required),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-identity" => Ok(Self::VerifyIdentity),
            _ => Err(crate::model::UnknownWord),
        }
    }
}

/// The URL, understood.
#[derive(Debug)]
pub(crate) enum Target {
    Sqlite(PathBuf),
    MySql(Box<MySqlTarget>),
}

/// A MySQL URL, understood. Its debug output has no password.
pub(crate) struct MySqlTarget {
    pub(crate) options: MySqlConnectOptions,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) ssl_mode: SslMode,
    pub(crate) user: String,
    pub(crate) database: String,
}

impl fmt::Debug for MySqlTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlTarget").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

const MYSQL_PORT: u16 = 3306;

impl Target {
    pub(crate) fn parse(config: &StoreConfig) -> Result<Self, ConnectError> {
        let text = config.url.expose_secret();
        if let Some(path) = text.strip_prefix("sqlite://") {
            if path.is_empty() {
                return Err(ConnectError::UrlInvalid);
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        // The error of the parser is dropped: nothing of the URL may end up in a message.
        let url = Url::parse(text).map_err(|_| ConnectError::UrlInvalid)?;
        match url.scheme() {
            "mysql" | "mariadb" => mysql_target(&url, config).map(|target| Self::MySql(Box::new(target))),
            _ => Err(ConnectError::UrlInvalid),
        }
    }
}

fn mysql_target(url: &Url, config: &StoreConfig) -> Result<MySqlTarget, ConnectError> {
    let host = url.host_str().unwrap_or("localhost").trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port().unwrap_or(MYSQL_PORT);
    let user = percent_decode(url.username())?;
    let database = percent_decode(url.path().trim_start_matches('/'))?;
    if user.is_empty() || database.is_empty() || database.contains('/') {
        return Err(ConnectError::UrlInvalid);
    }
    let mut options = MySqlConnectOptions::new().host(&host).port(port).username(&user).database(&database);
    if let Some(password) = &config.password {
        options = options.password(password.expose_secret());
    } else if let Some(password) = url.password() {
        options = options.password(&percent_decode(password)?);
    }

    let (mut mode, mut ca, mut cert, mut key, mut socket) = (config.ssl_mode, None, None, None, None);
    for (name, value) in url.query_pairs() {
        match &*name {
            "ssl-mode" | "sslmode" => {
                let parsed = value
                    .parse()
                    .map_err(|_| ConnectError::InvalidParameter { name: "ssl-mode", value: value.to_string() })?;
                mode = mode.or(Some(parsed));
            }
            "ssl-ca" | "sslca" => ca = Some(PathBuf::from(&*value)),
            "ssl-cert" | "sslcert" => cert = Some(PathBuf::from(&*value)),
            "ssl-key" | "sslkey" => key = Some(PathBuf::from(&*value)),
            "socket" => socket = Some(value.into_owned()),
            _ => return Err(ConnectError::UnknownParameter { name: name.into_owned() }),
        }
    }
    let default_mode = if socket.is_some() { SslMode::Disabled } else { SslMode::default() };
    let ssl_mode = mode.unwrap_or(default_mode);
    options = options.ssl_mode(match ssl_mode {
        SslMode::Disabled => MySqlSslMode::Disabled,
        SslMode::Preferred => MySqlSslMode::Preferred,
        SslMode::Required => MySqlSslMode::Required,
        SslMode::VerifyCa => MySqlSslMode::VerifyCa,
        SslMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
    });
    if let Some(path) = config.ssl_ca.clone().or(ca) {
        options = options.ssl_ca_from_pem(read_certificates(&path)?);
    }
    match (cert, key) {
        (None, None) => {}
        (Some(cert), Some(key)) => options = options.ssl_client_cert(cert).ssl_client_key(key),
        (Some(_), None) => return Err(ConnectError::InvalidParameter { name: "ssl-key", value: String::new() }),
        (None, Some(_)) => return Err(ConnectError::InvalidParameter { name: "ssl-cert", value: String::new() }),
    }
    if let Some(socket) = socket {
        options = options.socket(socket);
    }
    // Statements are logged here, by name; the driver's own log would repeat every one of them.
    let options = options.disable_statement_logging();
    Ok(MySqlTarget { options, host, port, ssl_mode, user, database })
}

/// Reads and checks the file now, so that a wrong one is told apart from a certificate nobody trusts.
fn read_certificates(path: &Path) -> Result<Vec<u8>, ConnectError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let unreadable = |source| ConnectError::PemUnreadable { path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(|error| unreadable(error.into()))?;
    let mut found = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate.map_err(|error| unreadable(error.to_string().into()))?;
        found += 1;
    }
    if found == 0 {
        return Err(unreadable("there is no certificate in it".into()));
    }
    Ok(pem)
}

/// Undoes percent-encoding. The `url` crate keeps user, password and path encoded.
fn percent_decode(text: &str) -> Result<String, ConnectError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(ConnectError::UrlInvalid) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| ConnectError::UrlInvalid)?);
    }
    String::from_utf8(bytes).map_err(|_| ConnectError::UrlInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, ConnectError> {
        Target::parse(&StoreConfig::new(url))
    }

    fn mysql(url: &str) -> MySqlTarget {
        match parse(url) {
            Ok(Target::MySql(target)) => *target,
            other => panic!("not MySQL: {other:?}"),
        }
    }

    #[test]
    fn reads_every_part_of_a_mysql_url() {
        let target = mysql("mysql://gu%40c:p%2Fw@db.example:3307/guacamole_db");
        assert_eq!((target.host.as_str(), target.port), ("db.example", 3307));
        assert_eq!((target.user.as_str(), target.database.as_str()), ("gu@c", "guacamole_db"));
        assert_eq!(mysql("mysql://u@[::1]/d").host, "::1");
        assert_eq!(mysql("mysql://u@h/d").port, 3306);
    }

    #[test]
    fn verifies_the_server_unless_told_otherwise() {
        let mode = |url| format!("{:?}", mysql(url).options.get_ssl_mode());
        assert_eq!(mode("mysql://u@h/d"), "VerifyIdentity");
        assert_eq!(mode("mysql://u@h/d?ssl-mode=REQUIRED"), "Required");
        assert_eq!(mode("mysql://u@h/d?ssl-mode=verify_ca"), "VerifyCa");
        assert_eq!(mode("mysql://u@h/d?socket=/run/mysqld.sock"), "Disabled");
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(matches!(parse("mysql://u@h/d?ssl-mod=x"), Err(ConnectError::UnknownParameter { .. })));
        assert!(matches!(parse("mysql://u@h/d?ssl-mode=x"), Err(ConnectError::InvalidParameter { .. })));
        for url in ["", "sqlite://", "postgres://u@h/d", "mysql://u@h/", "mysql://h/d", "mysql://u:%zz@h/d"] {
            assert!(matches!(parse(url), Err(ConnectError::UrlInvalid)), "{url}");
        }
    }

    #[test]
    fn takes_a_sqlite_path_as_it_is() {
        assert!(
            matches!(parse("sqlite:///var/lib/x/y.db"), Ok(Target::Sqlite(path)) if path == Path::new("/var/lib/x/y.db"))
        );
    }

    #[test]
    fn tells_a_bad_authority_file_from_an_untrusted_server() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        for path in [empty, dir.path().join("missing.pem")] {
            let mut config = StoreConfig::new("mysql://u@h/d");
            config.ssl_ca = Some(path);
            assert!(matches!(Target::parse(&config), Err(ConnectError::PemUnreadable { .. })));
        }
    }

    #[test]
    fn a_password_beside_the_url_wins_and_is_taken_as_it_is() {
        let mut config = StoreConfig::new("mysql://u:old@h/d");
        config.password = Some(SecretString::from("n%41:/@"));
        let Ok(Target::MySql(target)) = Target::parse(&config) else { panic!("not MySQL") };
        let url = target.options.to_url_lossy();
        assert_eq!(percent_decode(url.password().unwrap()).unwrap(), "n%41:/@");
    }

    #[test]
    fn never_shows_the_password() {
        let mut config = StoreConfig::new("mysql://u:canary@h/d");
        config.password = Some(SecretString::from("canary"));
        let shown = format!("{config:?} {:?}", Target::parse(&config).unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
