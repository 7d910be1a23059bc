//! Which machine is which: host keys that are set, and those remembered from the first visit.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use russh::keys::{HashAlg, PublicKey, PublicKeyBase64 as _, parse_public_key_base64};

/// Largest file of known hosts that is read: room for a hundred thousand machines.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// Longest host name, as in DNS.
const MAX_HOST_CHARS: usize = 253;

/// A host key as a machine shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    algorithm: String,
    base64: String,
    fingerprint: String,
}

impl HostKey {
    pub(crate) fn new(key: &PublicKey) -> Self {
        Self {
            algorithm: key.algorithm().as_str().to_owned(),
            base64: key.public_key_base64(),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        }
    }

    /// Name of the algorithm, such as `ssh-ed25519`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The key itself in base64, as in a line of `known_hosts`.
    #[must_use]
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// `SHA256:` and the hash in base64, as OpenSSH prints it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// What a store says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The machine showed this key before.
    Known,
    /// The machine was never seen before; its key is remembered from now on.
    New,
    /// The machine is known by another key.
    Changed,
}

/// Why a key could not be looked up or remembered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostKeyError {
    /// *Caller.* A host name that can not stand in a line of `known_hosts`.
    #[error("the host name is not fit for the list of known hosts")]
    Name,
    /// *Environment.* The file is not readable or writable.
    #[error("the list of known hosts can not be used")]
    Io(#[from] io::Error),
    /// *Environment.* The file is too large.
    #[error("the list of known hosts is above {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
}

/// Remembers the host keys of machines. Calls may block for the time of a file access.
pub trait HostKeyStore: Send + Sync + 'static {
    /// Compares a machine's key with the one it is known by; a machine that is not known yet is known by this key from
    /// now on.
    ///
    /// # Errors
    /// [`HostKeyError`] if that is not possible: the key must not be trusted then.
    fn check(&self, host: &str, port: u16, key: &HostKey) -> Result<Verdict, HostKeyError>;
}

/// Forgets with the process. For tests and throw-away machines.
#[derive(Debug, Default)]
pub struct MemoryHostKeys(Mutex<HashMap<String, HostKey>>);

impl HostKeyStore for MemoryHostKeys {
    fn check(&self, host: &str, port: u16, key: &HostKey) -> Result<Verdict, HostKeyError> {
        let name = line_name(host, port)?;
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match keys.get(&name) {
            Some(known) if known == key => Verdict::Known,
            Some(_) => Verdict::Changed,
            None => {
                keys.insert(name, key.clone());
                Verdict::New
            }
        })
    }
}

/// A file in the format of OpenSSH's `known_hosts`, readable by its owner only. Whoever administers the gateway may
/// edit it; hashed and wildcard entries count for nothing.
#[derive(Debug)]
pub struct FileHostKeys {
    path: PathBuf,
    /// One look and append at a time.
    lock: Mutex<()>,
}

impl FileHostKeys {
    /// Keeps keys in `path`, which is created with the first of them.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), lock: Mutex::default() }
    }

    fn text(&self) -> Result<String, HostKeyError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(HostKeyError::TooLarge { limit_bytes: MAX_FILE_BYTES });
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Adds a line in one write, so that a crash leaves a whole line or none.
    fn append(&self, text: &str, name: &str, key: &HostKey) -> Result<(), HostKeyError> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        // A last line without an end, from an editor, must not swallow ours.
        let before = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        file.write_all(format!("{before}{name} {} {}\n", key.algorithm, key.base64).as_bytes())?;
        file.sync_data()?;
        Ok(())
    }
}

impl HostKeyStore for FileHostKeys {
    fn check(&self, host: &str, port: u16, key: &HostKey) -> Result<Verdict, HostKeyError> {
        let name = line_name(host, port)?;
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let text = self.text()?;
        let mut seen = false;
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(names), Some(_), Some(base64)) = (words.next(), words.next(), words.next()) else { continue };
            if names.split(',').any(|known| known.eq_ignore_ascii_case(&name)) {
                if base64 == key.base64 {
                    return Ok(Verdict::Known);
                }
                seen = true;
            }
        }
        if seen {
            return Ok(Verdict::Changed);
        }
        self.append(&text, &name, key)?;
        Ok(Verdict::New)
    }
}

/// How a machine is named in a line: `host`, or `[host]:port` for any but port 22.
fn line_name(host: &str, port: u16) -> Result<String, HostKeyError> {
    // Whatever has a meaning in a line could make one machine pass for another.
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%') || !c.is_ascii();
    let fit = |c: char| fit(c) && !c.is_control() && !c.is_whitespace();
    if host.is_empty() || host.chars().count() > MAX_HOST_CHARS || !host.chars().all(fit) {
        return Err(HostKeyError::Name);
    }
    let host = host.to_lowercase();
    Ok(if port == 22 { host } else { format!("[{host}]:{port}") })
}

/// Whether `shown` is among the keys of the `host-key` parameter: lines of `known_hosts`, or keys in base64 alone.
/// `None` if it holds no key at all.
pub(crate) fn is_set_key(parameter: &str, shown: &HostKey) -> Option<bool> {
    let keys: Vec<HostKey> = parameter
        .split_ascii_whitespace()
        .filter(|word| word.len() > 40)
        .filter_map(|word| parse_public_key_base64(word).ok())
        .map(|key| HostKey::new(&key))
        .collect();
    (!keys.is_empty()).then(|| keys.iter().any(|key| key.base64 == shown.base64))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const FIRST: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIHQf9dLTGUSIsrVzD8jFLkXYr5G6vSDFbTMAWPMRiYTQ";
    const SECOND: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn key(base64: &str) -> HostKey {
        HostKey::new(&parse_public_key_base64(base64).unwrap())
    }

    fn remembers(store: &dyn HostKeyStore) {
        assert_eq!(store.check("Host.example", 22, &key(FIRST)).unwrap(), Verdict::New);
        assert_eq!(store.check("host.example", 22, &key(FIRST)).unwrap(), Verdict::Known);
        assert_eq!(store.check("host.example", 22, &key(SECOND)).unwrap(), Verdict::Changed);
        assert_eq!(store.check("host.example", 2222, &key(SECOND)).unwrap(), Verdict::New);
        assert_eq!(store.check("2001:db8::1", 22, &key(SECOND)).unwrap(), Verdict::New);
        for name in ["", "a b", "a,b", "a\nb", "*", "|1|x|y", "[a]", "#a", "a\u{2028}b", &"x".repeat(254)] {
            assert!(matches!(store.check(name, 22, &key(FIRST)), Err(HostKeyError::Name)), "{name:?}");
        }
    }

    #[test]
    fn memory_remembers_the_first_key() {
        remembers(&MemoryHostKeys::default());
    }

    #[test]
    fn a_file_remembers_the_first_key_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known_hosts");
        remembers(&FileHostKeys::new(&path));
        remembers_still(&FileHostKeys::new(&path));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("host.example ssh-ed25519 {FIRST}\n[host.example]:2222 ")), "{text}");
    }

    fn remembers_still(store: &FileHostKeys) {
        assert_eq!(store.check("host.example", 22, &key(FIRST)).unwrap(), Verdict::Known);
    }

    #[test]
    fn a_file_edited_by_hand_is_understood() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known_hosts");
        std::fs::write(&path, format!("# comment\n\nbroken\na.example,b.example ssh-ed25519 {FIRST} me@here")).unwrap();
        let store = FileHostKeys::new(&path);
        assert_eq!(store.check("b.example", 22, &key(FIRST)).unwrap(), Verdict::Known);
        assert_eq!(store.check("c.example", 22, &key(FIRST)).unwrap(), Verdict::New);
        assert_eq!(store.check("c.example", 22, &key(FIRST)).unwrap(), Verdict::Known);
    }

    #[test]
    fn the_parameter_may_be_a_line_or_a_key_but_must_be_one() {
        for parameter in
            [FIRST, &format!("ssh-ed25519 {FIRST}"), &format!("h ssh-ed25519 {SECOND}\nh ssh-ed25519 {FIRST}")]
        {
            assert_eq!(is_set_key(parameter, &key(FIRST)), Some(true), "{parameter}");
        }
        assert_eq!(is_set_key(SECOND, &key(FIRST)), Some(false));
        assert_eq!(is_set_key("nothing of the kind", &key(FIRST)), None);
    }
}
