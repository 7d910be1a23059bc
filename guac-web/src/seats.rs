//! How many use a connection or a balancing group at once (D-098, D-099). In memory, of this process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use guac_auth_mysql::{ConnectionGroupKey, ConnectionKey, UserKey};
use guac_protocol::Status;

use crate::error::ConnectError;

/// What is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Connection(ConnectionKey),
    Group(ConnectionGroupKey),
}

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
        let errors = [
            (Status::ClientTooMany, "You already use this connection as often as you may."),
            (Status::ResourceConflict, "The connection is in use."),
        ];
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for ((key, limit), (status, message)) in keys.iter().zip(limits).zip(errors) {
            if limit > 0 && taken.get(key).is_some_and(|&count| count >= limit) {
                return Err(ConnectError::new(status, message));
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
