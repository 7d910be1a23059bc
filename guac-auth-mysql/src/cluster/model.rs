//! What nodes write down for each other.

use std::time::SystemTime;

use crate::model::{
    AuthenticatedUser, ConnectionGroupKey, ConnectionHistoryKey, ConnectionKey, LoginHistoryKey, SharingProfileKey,
    UserKey,
};

/// SHA-256 of a token or of a link's key.
pub type Digest = [u8; 32];

/// A node as it shows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its own for each start, at most 36 characters.
    pub id: String,
    /// For people.
    pub name: String,
    /// Where others reach it; empty where they cannot.
    pub address: String,
    /// SHA-256 of the certificate it shows there.
    pub certificate: Digest,
    /// Proves that it knows the cluster's secret.
    pub mac: Digest,
}

/// A login, as nodes hand it on.
#[derive(Clone, Debug)]
pub struct ClusterLogin {
    /// `None`: somebody who came by a link.
    pub user: Option<AuthenticatedUser>,
    /// What only the token opens.
    pub sealed: Vec<u8>,
    /// Grows with each change.
    pub version: i64,
    /// Its row of history.
    pub record: Option<LoginHistoryKey>,
}

/// A live tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterTunnel {
    /// Its name.
    pub uuid: String,
    /// The node it lives on.
    pub node: String,
    /// The login it belongs to.
    pub login: Digest,
    /// Data source of the connection.
    pub data_source: String,
    /// The connection.
    pub connection: ConnectionKey,
    /// Its protocol.
    pub protocol: String,
    /// The session, once it is there.
    pub session: Option<String>,
    /// Whether it joined somebody else's session.
    pub joined: bool,
    /// When it began.
    pub started: SystemTime,
    /// Address of the browser.
    pub remote_host: Option<String>,
    /// Name of the user, empty for an anonymous one.
    pub username: String,
    /// Its row of history.
    pub record: ConnectionHistoryKey,
    /// The link by which it joined.
    pub share: Option<Digest>,
}

/// What is used, up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A connection.
    Connection(ConnectionKey),
    /// A balancing group.
    Group(ConnectionGroupKey),
}

impl Place {
    pub(super) fn column(self) -> String {
        match self {
            Self::Connection(key) => format!("c{key}"),
            Self::Group(key) => format!("g{key}"),
        }
    }
}

/// A seat at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSeat {
    /// Its name.
    pub id: String,
    /// Where it is.
    pub place: Place,
    /// Whose it is.
    pub user: UserKey,
}

/// Why there is no seat.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeatError {
    /// *Caller*: this user has as many as he may.
    #[error("the user has as many seats as he may")]
    UserFull,
    /// *Environment*: all are taken.
    #[error("all seats are taken")]
    Full,
    /// The database failed, or there is no such place.
    #[error(transparent)]
    Store(#[from] crate::StoreError),
}

/// A link to a live tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterShare {
    /// The connection whose session it is.
    pub connection: ConnectionKey,
    /// The profile that says what those who join may do.
    pub profile: SharingProfileKey,
}
