//! Where a session is: behind a guacd, or behind a gateway.

use std::collections::BTreeMap;
use std::fmt;

use guac_protocol::{ConnectionId, Selection};
use secrecy::SecretString;

use crate::Tls;

/// What to connect to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Endpoint {
    /// The port of a guacd, Guacamole's own or any other.
    Guacd(Guacd),
    /// The web address of a gateway: guacd-lite, or Guacamole's web application.
    Gateway(Gateway),
}

impl From<Guacd> for Endpoint {
    fn from(guacd: Guacd) -> Self {
        Self::Guacd(guacd)
    }
}

impl From<Gateway> for Endpoint {
    fn from(gateway: Gateway) -> Self {
        Self::Gateway(gateway)
    }
}

/// A guacd and what it should open.
///
/// ```
/// use guac_client::Guacd;
///
/// let target = Guacd::open("127.0.0.1", 4822, "ssh")
///     .param("hostname", "10.0.0.5")
///     .param("username", "alice")
///     .param("password", "secret");
/// assert!(!format!("{target:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct Guacd {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<Tls>,
    pub(crate) selection: Selection,
    pub(crate) params: BTreeMap<String, SecretString>,
}

impl Guacd {
    /// A new session of this protocol (`ssh`, `vnc`, …).
    #[must_use]
    pub fn open(host: impl Into<String>, port: u16, protocol: impl Into<String>) -> Self {
        Self::new(host.into(), port, Selection::Protocol(protocol.into()))
    }

    /// A running session of this guacd.
    #[must_use]
    pub fn join(host: impl Into<String>, port: u16, id: ConnectionId) -> Self {
        Self::new(host.into(), port, Selection::Join(id))
    }

    fn new(host: String, port: u16, selection: Selection) -> Self {
        Self { host, port, tls: None, selection, params: BTreeMap::new() }
    }

    /// Sets a parameter of the protocol; those that guacd does not ask for are not sent. Any may hold a secret, so none
    /// is ever shown.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// Sets several parameters.
    #[must_use]
    pub fn params<N: Into<String>, V: Into<SecretString>>(self, params: impl IntoIterator<Item = (N, V)>) -> Self {
        params.into_iter().fold(self, |guacd, (name, value)| guacd.param(name, value))
    }

    /// Speaks TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }
}

impl fmt::Debug for Guacd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.params.keys().collect();
        f.debug_struct("Guacd")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("selection", &self.selection)
            .field("params", &names)
            .finish_non_exhaustive()
    }
}

/// How to log in to a gateway.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Login {
    /// With a name and a password. The login is ended with the client.
    Password {
        /// Who.
        username: String,
        /// Proof.
        password: SecretString,
    },
    /// With the token of a login that somebody else made, and ends.
    Token(SecretString),
}

/// Which of a gateway's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionRef {
    /// By identifier, within the data source.
    Identifier(String),
    /// By name: the first of this name and kind, group by group from the root.
    Name(String),
}

/// What kind of thing is opened at a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConnectionKind {
    /// A connection (`c`).
    #[default]
    Connection,
    /// A balancing group, of which the gateway chooses a connection (`g`).
    Group,
    /// A session that runs, by the identifier of the active connection (`a`).
    Active,
}

impl ConnectionKind {
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Connection => "c",
            Self::Group => "g",
            Self::Active => "a",
        }
    }
}

/// A gateway and which of its connections to open.
///
/// ```
/// use guac_client::{ConnectionRef, Gateway, Login};
///
/// let login = Login::Password { username: "alice".into(), password: "secret".into() };
/// let target = Gateway::new("https://desk.example.org/guacamole/", login, ConnectionRef::Name("build host".into()));
/// ```
#[derive(Debug, Clone)]
pub struct Gateway {
    pub(crate) url: String,
    pub(crate) login: Login,
    pub(crate) data_source: Option<String>,
    pub(crate) connection: ConnectionRef,
    pub(crate) kind: ConnectionKind,
    pub(crate) tls: Tls,
}

impl Gateway {
    /// The gateway at this address (`http:` or `https:`, with its path), a login, and a connection.
    #[must_use]
    pub fn new(url: impl Into<String>, login: Login, connection: ConnectionRef) -> Self {
        let (data_source, kind) = (None, ConnectionKind::Connection);
        Self { url: url.into(), login, data_source, connection, kind, tls: Tls::default() }
    }

    /// Which of the gateway's data sources; the one that logged the user in if not told (`mysql` with a token).
    #[must_use]
    pub fn data_source(mut self, name: impl Into<String>) -> Self {
        self.data_source = Some(name.into());
        self
    }

    /// What kind of thing the connection is.
    #[must_use]
    pub fn kind(mut self, kind: ConnectionKind) -> Self {
        self.kind = kind;
        self
    }

    /// How `https:` checks the gateway.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }
}
