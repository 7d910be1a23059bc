//! Secrets in files: systemd, Docker and Kubernetes hand them over like that.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use secrecy::SecretString;

/// Longest file that holds a password or a parameter: keys have a few kilobytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The first line of a file.
pub(crate) fn from_file(path: &Path) -> Result<SecretString> {
    first_line(&read_file(path)?, path)
}

/// The first line of what was read from `path`.
pub(crate) fn first_line(text: &str, path: &Path) -> Result<SecretString> {
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        bail!("{} holds no password in its first line", path.display());
    }
    Ok(SecretString::from(password.to_owned()))
}

/// A small text file.
pub(crate) fn read_file(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {} as text", path.display()))?;
    Ok(text)
}
