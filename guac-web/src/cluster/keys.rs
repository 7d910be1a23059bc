//! What the cluster's secret proves and hides.

use std::fmt;

use guac_auth_mysql::cluster::{Digest, Node};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use super::ClusterError;

/// Shortest secret, in bytes of its text. Whoever has the database could try all shorter ones.
const MIN_SECRET_BYTES: usize = 32;

/// What each key is for, so that nothing made with one means anything to another.
const NODE_LABEL: &[u8] = b"guacd-lite cluster node 1";
const LOGIN_LABEL: &[u8] = b"guacd-lite cluster login 1";
const VALUE_LABEL: &[u8] = b"guacd-lite cluster value 1";

/// Keys made of the cluster's secret.
pub(super) struct Keys {
    /// Logins are sealed by what their token and this make together.
    salt: Salt,
    node: hmac::Key,
    value: SealKey,
}

impl Keys {
    pub(super) fn new(secret: &SecretString) -> Result<Self, ClusterError> {
        let secret = secret.expose_secret().trim().as_bytes();
        if secret.len() < MIN_SECRET_BYTES {
            return Err(ClusterError::ShortSecret { least: MIN_SECRET_BYTES });
        }
        let salt = Salt::new(HKDF_SHA256, secret);
        let own = salt.extract(b"");
        let failed = |_| ClusterError::Crypto;
        let node = hmac::Key::from(own.expand(&[NODE_LABEL], hmac::HMAC_SHA256).map_err(failed)?);
        let value = own.expand(&[VALUE_LABEL], &AES_256_GCM).map_err(failed)?;
        Ok(Self { salt, node, value: SealKey(LessSafeKey::new(UnboundKey::from(value))) })
    }

    /// The key of a login. Without the token nobody makes it, and without the secret neither.
    pub(super) fn of_token(&self, token: &str) -> Result<SealKey, ClusterError> {
        let pseudorandom = self.salt.extract(token.as_bytes());
        let key = pseudorandom.expand(&[LOGIN_LABEL], &AES_256_GCM).map_err(|_| ClusterError::Crypto)?;
        Ok(SealKey(LessSafeKey::new(UnboundKey::from(key))))
    }

    pub(super) fn value(&self) -> &SealKey {
        &self.value
    }

    /// Signs what a node says of itself.
    pub(super) fn sign(&self, node: &mut Node) {
        let tag = hmac::sign(&self.node, &statement(node));
        node.mac = Digest::try_from(tag.as_ref()).unwrap_or_default();
    }

    /// Whether somebody who has the secret wrote this.
    pub(super) fn is_signed(&self, node: &Node) -> bool {
        hmac::verify(&self.node, &statement(node), &node.mac).is_ok()
    }
}

/// All that others rely on, each part with its length, so that no part runs into the next.
fn statement(node: &Node) -> Vec<u8> {
    let mut text = Vec::new();
    for part in [node.id.as_bytes(), node.name.as_bytes(), node.address.as_bytes(), &node.certificate] {
        text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        text.extend_from_slice(part);
    }
    text
}

/// Seals and opens.
#[derive(Clone)]
pub(crate) struct SealKey(LessSafeKey);

impl SealKey {
    /// Seals a text together with what it is about, which is not hidden and must be the same when it is opened.
    pub(super) fn seal(&self, about: &[u8], text: &[u8]) -> Result<Vec<u8>, ClusterError> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = text.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(about), &mut sealed)
            .map_err(|_| ClusterError::Crypto)?;
        sealed.splice(..0, nonce);
        Ok(sealed)
    }

    /// `None`: it was sealed by another key, about something else, or changed since.
    pub(super) fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = self.0.open_in_place(nonce, Aad::from(about), &mut text).ok()?.len();
        text.truncate(len);
        Some(text)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: &str) -> Keys {
        Keys::new(&secret.to_owned().into()).unwrap()
    }

    fn node() -> Node {
        Node {
            id: "a".into(),
            name: "one".into(),
            address: "10.0.0.1:4".into(),
            certificate: [7; 32],
            mac: Digest::default(),
        }
    }

    #[test]
    fn a_node_is_believed_only_with_the_secret_and_only_what_it_signed() {
        let (keys, others) = (keys(&"s".repeat(32)), keys(&"t".repeat(32)));
        let mut signed = node();
        keys.sign(&mut signed);
        assert!(keys.is_signed(&signed) && !others.is_signed(&signed));
        for change in [
            (|node: &mut Node| node.address = "10.0.0.2:4".into()) as fn(&mut Node),
            |node| node.certificate = [8; 32],
            |node| node.id = "b".into(),
            |node| (node.name, node.address) = ("one1".into(), "0.0.0.1:4".into()),
        ] {
            let mut changed = signed.clone();
            change(&mut changed);
            assert!(!keys.is_signed(&changed), "{changed:?}");
        }
    }

    #[test]
    fn what_is_sealed_opens_with_its_token_and_about_its_login_only() {
        let keys = keys(&"s".repeat(32));
        let key = keys.of_token("token").unwrap();
        let sealed = key.seal(b"ann", b"canary").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        assert_eq!(keys.of_token("token").unwrap().open(b"ann", &sealed).as_deref(), Some(&b"canary"[..]));
        assert_eq!(key.open(b"bob", &sealed), None, "moved to somebody else");
        assert_eq!(keys.of_token("tokem").unwrap().open(b"ann", &sealed), None);
        let others = Keys::new(&"t".repeat(32).into()).unwrap();
        assert_eq!(others.of_token("token").unwrap().open(b"ann", &sealed), None, "the database and a token");
        assert_eq!(key.open(b"ann", &sealed[..5]), None);
        assert_ne!(sealed, key.seal(b"ann", b"canary").unwrap(), "never the same twice");
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        assert!(Keys::new(&"short".to_owned().into()).is_err());
        assert!(Keys::new(&format!("{}\n", "s".repeat(31)).into()).is_err());
    }
}
