//! What several nodes on one database tell each other: who lives, who is logged in, what is open.
//!
//! In tables of our own (`guacd_lite_*`), which are made only where there is a cluster. All moments are the database's:
//! no node's clock matters. Who is dead, and when, is not decided here.

mod logins;
mod model;
mod nodes;
mod seats;
mod shares;
mod tables;
mod tunnels;
mod values;

use std::time::{Duration, SystemTime};

pub use self::logins::NewClusterLogin;
pub use self::model::{ClusterLogin, ClusterSeat, ClusterShare, ClusterTunnel, Digest, Node, Place, SeatError};
pub use self::nodes::Beat;
pub use self::tunnels::NewClusterTunnel;
pub use self::values::MAX_VALUE_BYTES;
use crate::{
    Store,
    db::{Arg, Database, Row, Session},
    error::{SchemaError, StoreError},
    time,
};

/// Times that something is tried when other writers are in the way. Each loser has lost to somebody who is done.
const TRIES: usize = 8;

/// The part of a database that nodes share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClusterStore {
    store: Store,
    node: String,
}

impl ClusterStore {
    /// Makes the tables where they are missing. `node` is a name of at most 36 characters that nobody had before.
    ///
    /// # Errors
    /// [`SchemaError::MayNotCreate`] where tables are missing and the database's user lacks the right to make them.
    ///
    /// # Cancel safety
    /// Cancelled, it leaves whole tables behind, and the next call completes the set.
    pub async fn join(store: Store, node: String) -> Result<Self, SchemaError> {
        store.make_tables(tables::TABLES).await?;
        Ok(Self { store, node })
    }

    fn database(&self) -> &Database {
        self.store.database()
    }

    /// A moment of the database's clock as Guacamole's tables have it.
    fn date_column(&self, ms: i64) -> String {
        time::to_column(from_ms(ms), self.store.zone())
    }
}

/// The database's clock.
async fn now(session: &mut Session) -> Result<i64, StoreError> {
    let sql = format!("SELECT {}", session.now_ms());
    session.row(sql, &[]).await?.map_or(Ok(0), |row| row.int(0))
}

/// The database's clock, that long ago.
async fn moment(session: &mut Session, ago: Duration) -> Result<i64, StoreError> {
    Ok(now(session).await?.saturating_sub(millis(ago)))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn from_ms(ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn to_ms(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
}

fn bytes(digest: &Digest) -> Arg<'_> {
    Arg::Bytes(digest)
}

/// A column of 32 bytes.
fn digest(row: &Row, index: usize) -> Result<Digest, StoreError> {
    Ok(Digest::try_from(row.bytes(index)?).unwrap_or_default())
}

fn opt_digest(row: &Row, index: usize) -> Result<Option<Digest>, StoreError> {
    Ok(row.opt_bytes(index)?.and_then(|bytes| Digest::try_from(bytes).ok()))
}

/// Tries again where other writers were in the way.
macro_rules! patiently {
    ($attempt:expr) => {{
        let mut tries = 1;
        loop {
            // On the heap: transactions are large, and those who call have much of their own.
            match Box::pin($attempt).await {
                Err(StoreError::Busy { .. }) if tries < TRIES => tries += 1,
                done => break done,
            }
        }
    }};
}
use patiently;
