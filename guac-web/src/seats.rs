//! How many use a connection or a balancing group at once (D-098, D-099). In memory, of this process; a cluster has
//! them in its database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use guac_auth_mysql::cluster::Place;
use guac_auth_mysql::cluster::SeatError;
use guac_auth_mysql::{ConnectionKey, UserKey};
use guac_protocol::Status;

use crate::cluster::Taken;
use crate::error::ConnectError;
use crate::state::App;

/// How many may; 0 is unlimited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) total: u32,
    pub(crate) per_user: u32,
}

/// Seats taken, by place and by place and user.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: Mutex<HashMap<(Place, Option<UserKey>), u32>>,
}

impl Seats {
    /// Takes a seat, if one is free for this user.
    pub(crate) fn take(
        self: &Arc<Self>,
        place: Place,
        user: UserKey,
        capacity: Capacity,
    ) -> Result<Seat, ConnectError> {
        let keys = [(place, Some(user)), (place, None)];
        let limits = [capacity.per_user, capacity.total];
        let errors = [user_full(), full()];
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for ((key, limit), error) in keys.iter().zip(limits).zip(errors) {
            if limit > 0 && taken.get(key).is_some_and(|&count| count >= limit) {
                return Err(error);
            }
        }
        for key in keys {
            *taken.entry(key).or_default() += 1;
        }
        drop(taken);
        Ok(Seat { seats: Arc::clone(self), keys })
    }

    /// How many use a place.
    pub(crate) fn count(&self, place: Place) -> u32 {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).get(&(place, None)).copied().unwrap_or_default()
    }
}

fn user_full() -> ConnectError {
    ConnectError::new(Status::ClientTooMany, "You already use this connection as often as you may.")
}

fn full() -> ConnectError {
    ConnectError::new(Status::ResourceConflict, "The connection is in use.")
}

/// A seat here or in the cluster; dropping it gives it back.
#[derive(Debug)]
pub(crate) enum AnySeat {
    Here(#[expect(dead_code, reason = "held to be dropped")] Seat),
    Cluster(#[expect(dead_code, reason = "held to be dropped")] Taken),
}

impl App {
    /// Takes a seat, if one is free for this user, on whichever nodes the others are taken.
    pub(crate) async fn take_seat(
        &self,
        place: Place,
        user: UserKey,
        capacity: Capacity,
    ) -> Result<AnySeat, ConnectError> {
        let Some(cluster) = &self.config.cluster else {
            return self.seats.take(place, user, capacity).map(AnySeat::Here);
        };
        match cluster.take_seat(place, user, capacity.per_user, capacity.total).await {
            Ok(taken) => Ok(AnySeat::Cluster(taken)),
            Err(SeatError::UserFull) => Err(user_full()),
            Err(SeatError::Full) => Err(full()),
            Err(SeatError::Store(error)) => Err(error.into()),
            Err(_) => Err(ConnectError::new(Status::ServerError, "Internal server error.")),
        }
    }

    /// How many use each of these connections.
    pub(crate) async fn used(
        &self,
        connections: &[ConnectionKey],
    ) -> Result<HashMap<ConnectionKey, u32>, ConnectError> {
        match &self.config.cluster {
            Some(cluster) => Ok(cluster.store().connections_used().await?),
            None => Ok(connections.iter().map(|&key| (key, self.seats.count(Place::Connection(key)))).collect()),
        }
    }
}

/// A seat; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    keys: [(Place, Option<UserKey>); 2],
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for key in self.keys {
            if let Entry::Occupied(mut entry) = taken.entry(key) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_limited_by_user_and_in_all_and_come_back() {
        let seats = Arc::new(Seats::default());
        let place = Place::Connection("1".parse().unwrap());
        let capacity = Capacity { total: 2, per_user: 1 };
        let user = |key: &str| key.parse::<UserKey>().unwrap();
        let first = seats.take(place, user("1"), capacity).unwrap();
        assert_eq!(seats.take(place, user("1"), capacity).unwrap_err().status, Status::ClientTooMany);
        let _second = seats.take(place, user("2"), capacity).unwrap();
        assert_eq!(seats.take(place, user("3"), capacity).unwrap_err().status, Status::ResourceConflict);
        drop(first);
        let _third = seats.take(place, user("3"), capacity).unwrap();
        assert_eq!(seats.count(place), 2);
    }

    #[test]
    fn zero_is_unlimited_and_nothing_is_kept_of_empty_places() {
        let seats = Arc::new(Seats::default());
        let place = Place::Group("1".parse().unwrap());
        let capacity = Capacity { total: 0, per_user: 0 };
        let all: Vec<_> = (0..50).map(|_| seats.take(place, "1".parse().unwrap(), capacity).unwrap()).collect();
        drop(all);
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
