//! Certificates that servers showed the first time, in a file.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Fingerprint;
use crate::error::Changed;

/// How large the file may be: some forty thousand servers. Beyond, an administrator has to look.
const MAX_LEN_BYTES: u64 = 4 << 20;

/// How often the file's lock is tried. Who has it reads and writes one small file.
const LOCK_TRIES: u32 = 100;

/// The pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The certificates that servers showed the first time.
///
/// A text file with a line for each: `host:port hash:digits`, as [`Fingerprint`] reads it, an IPv6 address in square
/// brackets. More lines for one server allow it more certificates; other lines are kept as they are. It is made, with
/// its directory, when the first one is kept, for the daemon's user alone; replaced in one step; and guarded by a lock
/// on a file beside it (`.lock`), so that sessions and processes can share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCertificates {
    path: PathBuf,
}

/// Why the file of known certificates cannot be used. *Environment*, all of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KnownError {
    /// It cannot be read or written.
    #[error("the file of known certificates cannot be read or written: {source}")]
    Io {
        /// The operating system's finding.
        #[source]
        source: io::Error,
    },
    /// It is larger than any honest one.
    #[error("the file of known certificates is larger than {limit_bytes} bytes: remove old lines")]
    Full {
        /// The limit.
        limit_bytes: u64,
    },
    /// Somebody holds its lock.
    #[error("the file of known certificates is locked by somebody else")]
    Locked,
}

impl From<io::Error> for KnownError {
    fn from(source: io::Error) -> Self {
        Self::Io { source }
    }
}

/// What the file has for a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Empty if its lines are broken: then none is right.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// The first line's number, from 1.
    pub(crate) line: usize,
}

impl KnownCertificates {
    /// Keeps them in this file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a server in the file.
    pub(crate) fn server(host: &str, port: u16) -> String {
        let host = host.to_ascii_lowercase();
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// What is known of a server. Blocks.
    pub(crate) fn find(&self, server: &str) -> Result<Option<Known>, KnownError> {
        Ok(find(&self.read()?, server))
    }

    /// Keeps a server's certificate, unless another session was faster: then it has to be the same. Blocks.
    pub(crate) fn keep(&self, server: &str, fingerprint: &Fingerprint) -> Result<Result<(), Changed>, KnownError> {
        let _lock = self.lock()?;
        let mut text = self.read()?;
        if let Some(known) = find(&text, server) {
            if known.fingerprints.contains(fingerprint) {
                return Ok(Ok(()));
            }
            let (path, line) = (self.path.clone(), known.line);
            return Ok(Err(Changed { server: server.to_owned(), fingerprint: fingerprint.clone(), path, line }));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("{server} {fingerprint}\n"));
        if u64::try_from(text.len()).is_ok_and(|len_bytes| len_bytes > MAX_LEN_BYTES) {
            return Err(KnownError::Full { limit_bytes: MAX_LEN_BYTES });
        }
        self.replace(&text)?;
        tracing::info!(server, %fingerprint, "Certificate of a new server kept");
        Ok(Ok(()))
    }

    fn read(&self) -> Result<String, KnownError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(source) => return Err(source.into()),
        };
        let mut text = String::new();
        file.take(MAX_LEN_BYTES + 1).read_to_string(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|len_bytes| len_bytes <= MAX_LEN_BYTES) {
            Ok(text)
        } else {
            Err(KnownError::Full { limit_bytes: MAX_LEN_BYTES })
        }
    }

    /// A lock until the file is dropped. It is on a file of its own, because ours is replaced.
    fn lock(&self) -> Result<File, KnownError> {
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            private_directory().create(directory)?;
        }
        let file = private_file().create(true).truncate(false).open(self.beside("lock"))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(source.into()),
            }
        }
        Err(KnownError::Locked)
    }

    /// All or nothing, also when the power fails.
    fn replace(&self, text: &str) -> Result<(), KnownError> {
        let new = self.beside("new");
        // One that an end of power left behind: the lock says that it is nobody's.
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file = private_file().create_new(true).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(std::fs::rename(new, &self.path)?)
    }

    fn beside(&self, extension: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(extension);
        path.into()
    }
}

fn find(text: &str, server: &str) -> Option<Known> {
    let mut known: Option<Known> = None;
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        if words.next() == Some(server) {
            let known = known.get_or_insert(Known { fingerprints: Vec::new(), line: index + 1 });
            known.fingerprints.extend(words.next().and_then(Fingerprint::parse));
        }
    }
    known
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn private_directory() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Fingerprint {
        Fingerprint::sha256(b"one")
    }

    fn other() -> Fingerprint {
        Fingerprint::sha256(b"other")
    }

    #[test]
    fn what_is_kept_is_found_under_its_server_and_port_alone() {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownCertificates::new(directory.path().join("below/known"));
        let desk = KnownCertificates::server("Desk.Example", 3389);
        assert_eq!(known.find(&desk).unwrap(), None);
        known.keep(&desk, &one()).unwrap().unwrap();
        known.keep(&KnownCertificates::server("::1", 3389), &other()).unwrap().unwrap();
        assert_eq!(known.find(&desk).unwrap(), Some(Known { fingerprints: vec![one()], line: 1 }));
        assert_eq!(known.find("desk.example:3390").unwrap(), None);
        let text = std::fs::read_to_string(known.path()).unwrap();
        assert_eq!(text, format!("desk.example:3389 {}\n[::1]:3389 {}\n", one(), other()));
    }

    #[test]
    fn whoever_was_faster_is_right_and_the_refusal_names_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known");
        std::fs::write(&path, "# by hand, without an end").unwrap();
        let known = KnownCertificates::new(&path);
        known.keep("desk:1", &one()).unwrap().unwrap();
        known.keep("desk:1", &one()).unwrap().unwrap();
        let changed = known.keep("desk:1", &other()).unwrap().unwrap_err();
        assert_eq!((changed.line, changed.path.as_path()), (2, path.as_path()));
        let text = changed.to_string();
        assert!(text.contains("remove line 2 of ") && text.contains("desk:1"), "{text}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), format!("# by hand, without an end\ndesk:1 {}\n", one()));
    }

    #[test]
    fn a_broken_line_for_a_server_lets_nobody_in() {
        let found = find("desk:1 sha256:abc\n", "desk:1");
        assert_eq!(found, Some(Known { fingerprints: Vec::new(), line: 1 }));
    }

    #[test]
    fn several_lines_allow_a_server_several_certificates() {
        let text = format!("desk:1 {}\n\ndesk:1 {}\n", one(), other());
        assert_eq!(find(&text, "desk:1"), Some(Known { fingerprints: vec![one(), other()], line: 1 }));
    }

    #[test]
    fn sessions_that_meet_lose_no_server() {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownCertificates::new(directory.path().join("known"));
        std::thread::scope(|scope| {
            for number in 0..8 {
                let known = known.clone();
                scope.spawn(move || known.keep(&format!("desk:{number}"), &one()).unwrap().unwrap());
            }
        });
        assert_eq!(std::fs::read_to_string(known.path()).unwrap().lines().count(), 8);
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_one_byte_more_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownCertificates::new(directory.path().join("known"));
        let fill = |len_bytes: u64| File::create(known.path()).unwrap().set_len(len_bytes).unwrap();
        fill(MAX_LEN_BYTES);
        assert_eq!(known.find("desk:1").unwrap(), None);
        assert!(matches!(known.keep("desk:1", &one()), Err(KnownError::Full { .. })));
        fill(MAX_LEN_BYTES + 1);
        assert!(matches!(known.find("desk:1"), Err(KnownError::Full { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_daemon_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let known = KnownCertificates::new(directory.path().join("below/known"));
        known.keep("desk:1", &one()).unwrap().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(known.path()), mode(known.path().parent().unwrap())), (0o600, 0o700));
    }
}
