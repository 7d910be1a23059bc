//! Checking and storing passwords: Guacamole's salted SHA-256, and Argon2id for those who opt in.
//!
//! Guacamole hashes once, over the password followed by the salt in upper-case hexadecimal digits. That is fast to
//! try out for whoever gets the table, but Guacamole reads nothing else, so it stays the default.

use std::sync::{Arc, atomic::Ordering};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use rand::{RngCore, TryRngCore, rngs::OsRng};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    PasswordHashing, Store,
    db::{Session, args},
    error::StoreError,
    limits,
    model::UserKey,
};

/// Where a user's Argon2id hash is kept: the hexadecimal digits of the `password_hash` it was written with, followed by
/// the hash in PHC form.
pub(crate) const ARGON2_ATTRIBUTE: &str = "guacd-lite-argon2id";

/// Length of `password_hash` and `password_salt` in bytes.
pub(crate) const HASH_BYTES: usize = 32;

/// A password as the tables have it.
#[derive(Clone)]
pub(crate) struct StoredPassword {
    pub(crate) hash: Vec<u8>,
    pub(crate) salt: Option<Vec<u8>>,
    /// The attribute's value, if the user has it.
    pub(crate) argon2: Option<String>,
}

impl StoredPassword {
    /// A hash nobody has the password of, for users without one and for users who are not there.
    pub(crate) fn impossible() -> Self {
        Self { hash: random().to_vec(), salt: Some(random().to_vec()), argon2: None }
    }

    fn stock(password: &SecretString) -> Self {
        let salt = random();
        let hash = stock_hash(password, Some(&salt)).to_vec();
        Self { hash, salt: Some(salt.to_vec()), argon2: None }
    }

    /// The Argon2id hash, if it is the one written with this row and not left over from before Guacamole changed it.
    fn valid_argon2(&self) -> Option<&str> {
        let value = self.argon2.as_deref()?;
        let dollar = value.find('$')?;
        let (written_with, phc) = value.split_at_checked(dollar)?;
        (written_with == hex_upper(&self.hash)).then_some(phc)
    }
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// Right, and stored in a way weaker than configured.
    RightButWeak,
}

impl Store {
    /// Checks `password` against `stored`. Takes as long for one kind of hash as for the other, and for none.
    pub(crate) async fn verify(&self, password: &SecretString, stored: StoredPassword) -> Result<Verdict, StoreError> {
        let stock = stock_hash(password, stored.salt.as_deref());
        let stock_right = bool::from(stock.as_slice().ct_eq(&stored.hash));
        let argon2 = stored.valid_argon2().map(str::to_owned);
        if argon2.is_some() {
            self.inner.argon2_seen.store(true, Ordering::Relaxed);
        }
        let mut argon2_right = false;
        if self.inner.argon2_seen.load(Ordering::Relaxed) {
            let phc = argon2.clone().unwrap_or_else(|| DUMMY_PHC.to_owned());
            let password = password.clone();
            argon2_right = self.hash_slot(move || argon2_matches(&password, &phc)).await?;
        }
        let wanted_stock = self.inner.hashing == PasswordHashing::Stock;
        Ok(match (argon2.is_some(), argon2_right, stock_right) {
            (true, true, _) => Verdict::Right,
            (false, _, true) if wanted_stock => Verdict::Right,
            (false, _, true) => Verdict::RightButWeak,
            _ => Verdict::Wrong,
        })
    }

    /// Hashes a new password as configured. Slow, so done before any transaction.
    pub(crate) async fn hash_new(&self, password: &SecretString) -> Result<StoredPassword, StoreError> {
        if password.expose_secret().len() > limits::MAX_PASSWORD_BYTES {
            return Err(StoreError::TooLong { field: "password", limit: limits::MAX_PASSWORD_BYTES });
        }
        if self.inner.hashing == PasswordHashing::Stock {
            return Ok(StoredPassword::stock(password));
        }
        let password = password.clone();
        let phc = self.hash_slot(move || argon2_hash(&password)).await?.ok_or(StoreError::Hash)?;
        let mut stored = StoredPassword::impossible();
        stored.argon2 = Some(format!("{}{phc}", hex_upper(&stored.hash)));
        Ok(stored)
    }

    /// Runs `work` on a thread of the blocking pool, a few at a time.
    async fn hash_slot<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
        let slots = Arc::clone(&self.inner.argon2_slots);
        let slot = timeout(limits::ACQUIRE_TIMEOUT, slots.acquire_owned()).await;
        let slot = slot.map_err(|_| StoreError::Timeout)?.map_err(|_| StoreError::Hash)?;
        let task = spawn_blocking(move || {
            // The slot is freed when the work is done, not when a caller lost interest in it.
            let _slot = slot;
            work()
        });
        task.await.map_err(|_| StoreError::Hash)
    }
}

/// Writes a password to a user's row, and its Argon2id hash, or the absence of one, to the attributes.
pub(crate) async fn write(
    session: &mut Session,
    user: UserKey,
    password: &StoredPassword,
    date: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE guacamole_user SET password_hash = ?, password_salt = ?, password_date = ? WHERE user_id = ?";
    let salt = password.salt.as_deref();
    session.execute(sql, args![password.hash.as_slice(), salt, date, user.0]).await?;
    write_argon2(session, user, password).await
}

pub(crate) async fn write_argon2(
    session: &mut Session,
    user: UserKey,
    password: &StoredPassword,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM guacamole_user_attribute WHERE user_id = ? AND attribute_name = ?";
    session.execute(sql, args![user.0, ARGON2_ATTRIBUTE]).await?;
    if let Some(value) = &password.argon2 {
        let sql = "INSERT INTO guacamole_user_attribute (user_id, attribute_name, attribute_value) VALUES (?, ?, ?)";
        session.execute(sql, args![user.0, ARGON2_ATTRIBUTE, value]).await?;
    }
    Ok(())
}

fn stock_hash(password: &SecretString, salt: Option<&[u8]>) -> [u8; HASH_BYTES] {
    let mut hash = Sha256::new();
    hash.update(password.expose_secret().as_bytes());
    if let Some(salt) = salt {
        hash.update(hex_upper(salt).as_bytes());
    }
    hash.finalize().into()
}

fn argon2_hash(password: &SecretString) -> Option<String> {
    let hash = Argon2::default().hash_password(password.expose_secret().as_bytes()).ok()?;
    Some(hash.to_string())
}

fn argon2_matches(password: &SecretString, phc: &str) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else { return false };
    Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok()
}

/// A hash with the parameters of new ones, of a password nobody has, so that computing it takes as long.
const DUMMY_PHC: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn hex_upper(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Bytes of the system's random source, without which nothing here could be trusted: a system that has none is not run on.
fn random() -> [u8; HASH_BYTES] {
    let mut bytes = [0; HASH_BYTES];
    OsRng.unwrap_err().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn hashes_as_guacamole_does() {
        let salt = unhex("FE24ADC5E11E2B25288D1704ABE67A79E342ECC26064CE69C5B3177795A82264");
        let hash = unhex("CA458A7D494E3BE824F5E1E175A1556C0F8EEF2C2D7DF3633BEC4A29C4411960");
        assert_eq!(stock_hash(&"guacadmin".into(), Some(&salt)).to_vec(), hash);
    }

    #[test]
    fn hashes_without_salt_as_plain_sha256() {
        let hash = unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(stock_hash(&"abc".into(), None).to_vec(), hash);
    }

    #[test]
    fn the_dummy_hash_is_one_that_gets_computed() {
        let hash = PasswordHash::new(DUMMY_PHC).unwrap();
        let fresh = argon2_hash(&"x".into()).unwrap();
        let fresh = PasswordHash::new(&fresh).unwrap();
        assert_eq!(hash.algorithm, fresh.algorithm);
        assert_eq!(hash.params, fresh.params);
        assert!(!argon2_matches(&"x".into(), DUMMY_PHC));
    }

    #[test]
    fn an_argon2_hash_counts_only_with_the_row_it_was_written_with() {
        let mut stored = StoredPassword::impossible();
        stored.argon2 = Some(format!("{}$argon2id$rest", hex_upper(&stored.hash)));
        assert_eq!(stored.valid_argon2(), Some("$argon2id$rest"));
        stored.hash = random().to_vec();
        assert_eq!(stored.valid_argon2(), None);
        stored.argon2 = Some("no dollar".to_owned());
        assert_eq!(stored.valid_argon2(), None);
    }
}
