//! Live logins, in memory. Without a cluster a restart logs everybody out, and nothing of them is ever on disk; in a
//! cluster these are the ones that this node has seen.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guac_auth_mysql::{AuthenticatedUser, LoginHistoryKey};
use guac_tunnel::OwnerKey;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::cluster::SealKey;
use crate::shares::ShareKey;

/// Links that one login may have followed; past it the oldest is forgotten.
const MAX_SHARES: usize = 32;

/// What a client shows to be let in: 64 upper-case hex digits. Only its SHA-256 is kept.
pub(crate) struct Token(SecretString);

impl Token {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self::from_random(rand::random())
    }

    fn from_random(random: [u8; 32]) -> Self {
        let mut text = String::with_capacity(64);
        for byte in random {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
        Self(text.into())
    }

    /// What a client sent, whatever it is.
    pub(crate) fn given(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether it could be one of ours.
    pub(crate) fn is_sound(&self) -> bool {
        let text = self.expose();
        text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
    }

    pub(crate) fn key(&self) -> OwnerKey {
        OwnerKey(Sha256::digest(self.expose()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// How a login is sealed for other nodes, and which state of it this is.
#[derive(Debug, Clone)]
pub(crate) struct Seal {
    pub(crate) key: SealKey,
    pub(crate) version: i64,
}

/// One login.
pub(crate) struct Session {
    /// Names the login in the registry of tunnels.
    pub(crate) key: OwnerKey,
    /// `None`: somebody who came by a link and has no account.
    pub(crate) user: Option<AuthenticatedUser>,
    /// As typed at login, for `${GUAC_PASSWORD}` in parameters.
    pub(crate) password: SecretString,
    pub(crate) record: Option<LoginHistoryKey>,
    /// In a cluster.
    pub(crate) seal: Option<Seal>,
    last_seen: Mutex<Instant>,
    /// Links that this login has followed, the oldest first.
    shares: Mutex<Vec<ShareKey>>,
}

impl Session {
    pub(crate) fn new(
        key: OwnerKey,
        user: Option<AuthenticatedUser>,
        password: SecretString,
        record: Option<LoginHistoryKey>,
        seal: Option<Seal>,
        shares: Vec<ShareKey>,
    ) -> Self {
        let last_seen = Mutex::new(Instant::now());
        Self { key, user, password, record, seal, last_seen, shares: Mutex::new(shares) }
    }

    /// The same in another version.
    pub(crate) fn at_version(&self, version: i64) -> Self {
        let seal = self.seal.clone().map(|seal| Seal { version, ..seal });
        Self::new(self.key, self.user.clone(), self.password.clone(), self.record, seal, self.shares())
    }

    /// The name as stored, empty for those without an account.
    pub(crate) fn username(&self) -> &str {
        self.user.as_ref().map_or("", |user| &user.name)
    }

    /// Adds what a link leads to.
    pub(crate) fn add_share(&self, key: ShareKey) {
        let mut shares = lock(&self.shares);
        shares.retain(|known| *known != key);
        if shares.len() >= MAX_SHARES {
            shares.remove(0);
        }
        shares.push(key);
    }

    /// What the followed links led to. Some may not be valid any more.
    pub(crate) fn shares(&self) -> Vec<ShareKey> {
        lock(&self.shares).clone()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("username", &self.username()).finish_non_exhaustive()
    }
}

/// All live logins.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Keys are digests of 256 random bits: what looking one up tells about others is of no use.
    by_key: Mutex<HashMap<OwnerKey, Arc<Session>>>,
    limit: usize,
}

/// There are as many logins as allowed.
#[derive(Debug)]
pub(crate) struct TooManySessions;

impl Sessions {
    pub(crate) fn new(limit: usize) -> Self {
        Self { by_key: Mutex::default(), limit }
    }

    /// Enters a login that begins.
    pub(crate) fn insert(&self, session: Session) -> Result<Arc<Session>, TooManySessions> {
        let mut by_key = lock(&self.by_key);
        if by_key.len() >= self.limit {
            return Err(TooManySessions);
        }
        let session = Arc::new(session);
        by_key.insert(session.key, Arc::clone(&session));
        Ok(session)
    }

    /// Enters a login that began elsewhere, unless it is here already.
    pub(crate) fn adopt(&self, session: Session) -> Arc<Session> {
        Arc::clone(lock(&self.by_key).entry(session.key).or_insert_with(|| Arc::new(session)))
    }

    /// Puts what is known now in the place of what was, if it is still there.
    pub(crate) fn replace(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        if let Some(place) = lock(&self.by_key).get_mut(&session.key) {
            // Being told is no use.
            *lock(&session.last_seen) = *lock(&place.last_seen);
            *place = Arc::clone(&session);
        }
        session
    }

    /// Those used since then, or at all.
    pub(crate) fn used_since(&self, since: Option<Instant>) -> Vec<OwnerKey> {
        let by_key = lock(&self.by_key);
        let used = by_key.values().filter(|session| since.is_none_or(|since| *lock(&session.last_seen) >= since));
        used.map(|session| session.key).collect()
    }

    /// The login of a token, which counts as used by this.
    pub(crate) fn find(&self, token: &Token) -> Option<Arc<Session>> {
        let session = Arc::clone(lock(&self.by_key).get(&token.key())?);
        *lock(&session.last_seen) = Instant::now();
        Some(session)
    }

    /// Notes that a login was in use until now.
    pub(crate) fn touch(&self, key: OwnerKey) {
        if let Some(session) = lock(&self.by_key).get(&key) {
            *lock(&session.last_seen) = Instant::now();
        }
    }

    /// Whether a login still lives.
    pub(crate) fn contains(&self, key: OwnerKey) -> bool {
        lock(&self.by_key).contains_key(&key)
    }

    /// Replaces what is known of a login that authenticated anew; its token stays.
    pub(crate) fn renew(&self, old: &Session, user: AuthenticatedUser, password: SecretString) -> Arc<Session> {
        let session = Session::new(old.key, Some(user), password, old.record, old.seal.clone(), old.shares());
        let session = Arc::new(session);
        if let Some(place) = lock(&self.by_key).get_mut(&old.key) {
            *place = Arc::clone(&session);
        }
        session
    }

    /// Ends a login.
    pub(crate) fn remove(&self, key: OwnerKey) -> Option<Arc<Session>> {
        lock(&self.by_key).remove(&key)
    }

    /// Ends all logins unused for `idle`, but for those that `busy` says are in use.
    pub(crate) fn remove_idle(&self, idle: Duration, busy: impl Fn(OwnerKey) -> bool) -> Vec<Arc<Session>> {
        let now = Instant::now();
        let mut by_key = lock(&self.by_key);
        let stale = |session: &Session| now.duration_since(*lock(&session.last_seen)) >= idle && !busy(session.key);
        by_key.extract_if(|_, session| stale(session)).map(|(_, session)| session).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        lock(&self.by_key).values().map(Arc::clone).collect()
    }
}

/// Nothing panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[test]
    fn tokens_are_64_upper_case_hex_digits_and_never_shown() {
        let token = Token::from_random([0xAB; 32]);
        assert_eq!(token.expose(), "AB".repeat(32));
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[tokio::test(start_paused = true)]
    async fn idle_logins_end_and_busy_ones_do_not() {
        let idle = Duration::from_secs(3600);
        let sessions = Sessions::new(8);
        let enter = |name: &str| {
            let user = AuthenticatedUser { key: user_key(), name: name.into() };
            let token = Token::random();
            let session = Session::new(token.key(), Some(user), "secret".into(), None, None, Vec::new());
            (token, sessions.insert(session).unwrap())
        };
        let (_, forgotten) = enter("forgotten");
        let (_, busy) = enter("busy");
        let (used, _) = enter("used");
        advance(idle / 2).await;
        assert!(sessions.find(&used).is_some());
        advance(idle / 2).await;
        let ended = sessions.remove_idle(idle, |key| key == busy.key);
        assert_eq!(ended.iter().map(|session| session.username()).collect::<Vec<_>>(), ["forgotten"]);
        assert!(!sessions.contains(forgotten.key));
        assert!(sessions.find(&Token::given("unknown")).is_none());
    }

    #[test]
    fn there_are_never_more_than_the_limit() {
        let sessions = Sessions::new(1);
        let session = || Session::new(Token::random().key(), None, "secret".into(), None, None, Vec::new());
        assert!(sessions.insert(session()).is_ok());
        assert!(sessions.insert(session()).is_err());
    }

    fn user_key() -> guac_auth_mysql::UserKey {
        "1".parse().unwrap()
    }
}
