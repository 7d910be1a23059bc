//! Where account, certificate and answers lie.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use secrecy::{ExposeSecret as _, SecretSlice};

/// Why a store could not do something.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Named values that all nodes see. Names are of `a-z A-Z 0-9 - _ .`, at most 150 of them; values at most 64 KiB.
pub trait Store: Send + Sync + 'static {
    /// The value of a name.
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Sets or replaces a value, whole or not at all.
    fn save<'a>(&'a self, name: &'a str, value: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets a value.
    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Takes the right to order, for `lease` at most; `false`: another node has it.
    fn lock(&self, lease: Duration) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Gives the right back.
    fn unlock(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// A directory, for one process.
#[derive(Debug)]
pub struct FileStore {
    dir: PathBuf,
}

impl FileStore {
    /// Uses `dir`, which is made when something is saved, for its owner only.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn write(dir: &Path, path: &Path, value: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // Such files are made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(value)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Store for FileStore {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        async move { Ok(optional(tokio::fs::read(self.path(name)).await)?) }.boxed()
    }

    fn save<'a>(&'a self, name: &'a str, value: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        let (dir, path, value) = (self.dir.clone(), self.path(name), value.to_vec());
        async move { Ok(tokio::task::spawn_blocking(move || write(&dir, &path, &value)).await??) }.boxed()
    }

    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        async move { Ok(optional(tokio::fs::remove_file(self.path(name)).await).map(|_| ())?) }.boxed()
    }

    fn lock(&self, _: Duration) -> BoxFuture<'_, Result<bool, StoreError>> {
        async { Ok(true) }.boxed()
    }

    fn unlock(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }
}

/// Encrypts and authenticates what a store keeps: AES-256-GCM, with a key made of a secret by HKDF-SHA-256, and the
/// value's name bound to it.
pub struct Sealed<S> {
    store: S,
    key: LessSafeKey,
}

impl<S: Store> Sealed<S> {
    /// Seals what `store` keeps with `secret`, of which 32 random bytes are enough.
    ///
    /// # Panics
    /// Never: the lengths are those of the algorithms.
    #[must_use]
    pub fn new(store: S, secret: &SecretSlice<u8>) -> Self {
        let key = Salt::new(HKDF_SHA256, b"guac-acme").extract(secret.expose_secret());
        let key = key.expand(&[b"sealed values"], &AES_256_GCM).map(UnboundKey::from);
        #[expect(clippy::expect_used, reason = "one key of the length that the algorithm itself names")]
        let key = key.expect("HKDF gives a key");
        Self { store, key: LessSafeKey::new(key) }
    }

    fn seal(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = value.to_vec();
        let sealing = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(sealing, Aad::from(name.as_bytes()), &mut sealed)
            .map_err(|_| "cannot be sealed")?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or("a sealed value is cut short")?;
        let mut value = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut value);
        let len =
            opened.map_err(|_| "a value was sealed with another secret; is secret_file the same on all nodes?")?.len();
        value.truncate(len);
        Ok(value)
    }
}

impl<S> fmt::Debug for Sealed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

impl<S: Store> Store for Sealed<S> {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        async move { self.store.load(name).await?.map(|sealed| self.open(name, &sealed)).transpose() }.boxed()
    }

    fn save<'a>(&'a self, name: &'a str, value: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        async move { self.store.save(name, &self.seal(name, value)?).await }.boxed()
    }

    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.remove(name)
    }

    fn lock(&self, lease: Duration) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.lock(lease)
    }

    fn unlock(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.unlock()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn secret(byte: u8) -> SecretSlice<u8> {
        vec![byte; 32].into()
    }

    #[tokio::test]
    async fn files_are_their_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("acme");
        let store = FileStore::new(inside.clone());
        assert_eq!(store.load("account").await.unwrap(), None);
        store.save("account", b"one").await.unwrap();
        store.save("account", b"two").await.unwrap();
        assert_eq!(store.load("account").await.unwrap().unwrap(), b"two");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inside), mode(&inside.join("account"))), (0o700, 0o600));
        store.remove("account").await.unwrap();
        store.remove("account").await.unwrap();
        assert_eq!(store.load("account").await.unwrap(), None);
    }

    #[tokio::test]
    async fn sealed_values_open_with_their_secret_under_their_name_only() {
        let dir = tempfile::tempdir().unwrap();
        let files = || FileStore::new(dir.path().to_owned());
        let sealed = Sealed::new(files(), &secret(1));
        sealed.save("account", b"private").await.unwrap();
        assert_eq!(sealed.load("account").await.unwrap().unwrap(), b"private");
        let kept = files().load("account").await.unwrap().unwrap();
        assert!(!kept.windows(7).any(|window| window == b"private"));
        let error = Sealed::new(files(), &secret(2)).load("account").await.unwrap_err();
        assert!(error.to_string().contains("secret_file"), "{error}");
        files().save("other", &kept).await.unwrap();
        assert!(sealed.load("other").await.is_err());
        files().save("short", b"x").await.unwrap();
        assert!(sealed.load("short").await.is_err());
    }
}
