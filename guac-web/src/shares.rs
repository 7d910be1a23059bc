//! Live sessions handed to others by a link (T-067 to T-074). In memory, of this process; a cluster has them in its
//! database.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use guac_auth_mysql::{Connection, Parameters, SharingProfile};
use guac_protocol::TunnelUuid;

/// Links to one tunnel. People press "Share" again rather than look for the old link; a hundred is past all patience.
pub(crate) const MAX_LINKS: usize = 100;

/// What a link holds: whoever has it is let in. 44 characters of `A-Z a-z 0-9 - _` (T-068).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ShareKey(Arc<str>);

impl ShareKey {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self::from_random(rand::random())
    }

    /// Whether it could be one of ours.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.len() == 44 && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    }

    fn from_random(random: [u8; 33]) -> Self {
        Self(base64_simd::URL_SAFE_NO_PAD.encode_to_string(random).into())
    }

    /// What a client sent, whatever it is.
    pub(crate) fn given(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareKey")
    }
}

/// What a link leads to.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) key: ShareKey,
    /// The tunnel whose session it is.
    pub(crate) tunnel: TunnelUuid,
    pub(crate) connection: Connection,
    pub(crate) profile: SharingProfile,
    /// All that those who join get, and nothing of the connection's own (T-071).
    pub(crate) parameters: Parameters,
}

/// All live links.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<Links>);

#[derive(Debug, Default)]
struct Links {
    /// Keys have 264 random bits and the map's hash is keyed: looking one up tells nothing about others.
    by_key: HashMap<ShareKey, Link>,
    by_tunnel: HashMap<TunnelUuid, Vec<ShareKey>>,
}

#[derive(Debug)]
struct Link {
    share: Arc<Share>,
    /// Tunnels that joined by it.
    joined: Vec<TunnelUuid>,
}

/// A tunnel has as many links as it may.
#[derive(Debug)]
pub(crate) struct TooManyLinks;

impl Shares {
    /// Makes a link. It lasts until [`revoke`](Self::revoke): look afterwards whether the tunnel still lives.
    pub(crate) fn offer(
        &self,
        tunnel: TunnelUuid,
        connection: Connection,
        profile: SharingProfile,
        parameters: Parameters,
    ) -> Result<ShareKey, TooManyLinks> {
        let key = ShareKey::random();
        let mut links = self.links();
        let of_tunnel = links.by_tunnel.entry(tunnel.clone()).or_default();
        if of_tunnel.len() >= MAX_LINKS {
            return Err(TooManyLinks);
        }
        of_tunnel.push(key.clone());
        let share = Arc::new(Share { key: key.clone(), tunnel, connection, profile, parameters });
        links.by_key.insert(key.clone(), Link { share, joined: Vec::new() });
        Ok(key)
    }

    pub(crate) fn find(&self, key: &ShareKey) -> Option<Arc<Share>> {
        self.links().by_key.get(key).map(|link| Arc::clone(&link.share))
    }

    /// Notes that a tunnel joined. `false`: the link is not valid any more.
    #[must_use]
    pub(crate) fn enter(&self, key: &ShareKey, tunnel: TunnelUuid) -> bool {
        let mut links = self.links();
        let link = links.by_key.get_mut(key);
        link.map(|link| link.joined.push(tunnel)).is_some()
    }

    /// Notes that a tunnel that joined is gone.
    pub(crate) fn leave(&self, key: &ShareKey, tunnel: &TunnelUuid) {
        if let Some(link) = self.links().by_key.get_mut(key) {
            link.joined.retain(|joined| joined != tunnel);
        }
    }

    /// Makes all links to a tunnel invalid. Returns the tunnels that joined by them (T-074).
    pub(crate) fn revoke(&self, tunnel: &TunnelUuid) -> Vec<TunnelUuid> {
        let mut links = self.links();
        let keys = links.by_tunnel.remove(tunnel).unwrap_or_default();
        keys.iter().filter_map(|key| links.by_key.remove(key)).flat_map(|link| link.joined).collect()
    }

    /// Nothing panics while it holds this lock, and nothing could be left half changed.
    fn links(&self) -> MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use guac_auth_mysql::ConnectionAttributes;

    use super::*;

    fn offer(shares: &Shares, tunnel: &TunnelUuid) -> Result<ShareKey, TooManyLinks> {
        let connection = Connection {
            key: "1".parse().unwrap(),
            name: "shell".into(),
            parent: None,
            protocol: "ssh".into(),
            attributes: ConnectionAttributes::default(),
            last_active: None,
        };
        let profile = SharingProfile { key: "2".parse().unwrap(), name: "look".into(), connection: connection.key };
        shares.offer(tunnel.clone(), connection, profile, Parameters::new())
    }

    #[test]
    fn keys_are_44_characters_that_stand_in_an_address() {
        let (shares, tunnel) = (Shares::default(), TunnelUuid::from_random([1; 16]));
        let keys: BTreeSet<String> =
            (0..MAX_LINKS).map(|_| offer(&shares, &tunnel).unwrap().expose().to_owned()).collect();
        assert_eq!(keys.len(), MAX_LINKS, "many links per tunnel, each its own");
        assert!(keys.iter().all(|key| key.len() == 44));
        assert!(keys.iter().flat_map(|key| key.bytes()).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
        assert!(offer(&shares, &tunnel).is_err(), "one more than the limit");
        assert_eq!(format!("{:?}", offer(&shares, &TunnelUuid::from_random([2; 16])).unwrap()), "ShareKey");
    }

    #[test]
    fn the_end_of_a_tunnel_ends_its_links_and_no_others() {
        let shares = Shares::default();
        let [one, two, guest, gone] = [1, 2, 3, 4].map(|n| TunnelUuid::from_random([n; 16]));
        let (first, second) = (offer(&shares, &one).unwrap(), offer(&shares, &two).unwrap());
        assert!(shares.enter(&first, guest.clone()) && shares.enter(&first, gone.clone()));
        shares.leave(&first, &gone);
        assert_eq!(shares.revoke(&one), std::slice::from_ref(&guest));
        assert!(shares.find(&first).is_none() && !shares.enter(&first, guest));
        assert!(shares.find(&second).is_some());
        assert!(shares.revoke(&one).is_empty());
    }
}
