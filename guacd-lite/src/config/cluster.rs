//! `[cluster]`: other nodes on the same database.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use guac_web::ClusterConfig;
use serde::{Deserialize, Serialize};

use crate::secret;

/// See the example file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClusterSettings {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) address: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) lease_s: u64,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        let lease_s = ClusterConfig::DEFAULT_LEASE.as_secs();
        Self { listen: None, address: None, name: None, secret_file: None, lease_s }
    }
}

/// Leases that make sense: a node says eight times in each that it lives, and nobody waits longer for the dead.
const LEASES_S: std::ops::RangeInclusive<u64> = 2..=60;

/// Names for people; a host that does not tell its own is called this.
const NAMELESS: &str = "node";

impl ClusterSettings {
    /// How to take part, and where to listen for the others; `None`: alone.
    pub(crate) fn wanted(&self) -> Result<Option<(SocketAddr, ClusterConfig)>> {
        let Some(listen) = self.listen else {
            if self.secret_file.is_some() {
                bail!("[cluster]: secret_file without listen; set listen to take part, or remove both");
            }
            return Ok(None);
        };
        let Some(path) = &self.secret_file else {
            bail!(
                "[cluster]: listen needs secret_file: a file of 32 random bytes or more as text, the same on all nodes"
            );
        };
        if listen.ip().is_unspecified() && self.address.is_none() {
            bail!("[cluster]: listen is {listen}, which others cannot dial; set address to where they reach this node");
        }
        if !LEASES_S.contains(&self.lease_s) {
            let (least, most) = (LEASES_S.start(), LEASES_S.end());
            bail!("[cluster]: lease_s is {}; it must be {least} to {most}", self.lease_s);
        }
        let name = match &self.name {
            Some(name) if !name.is_empty() => name.clone(),
            _ => host_name(),
        };
        let secret = secret::from_file(path).context("[cluster]: secret_file")?;
        let config = ClusterConfig { name, secret, lease: Duration::from_secs(self.lease_s) };
        config.check().context("[cluster]: secret_file")?;
        Ok(Some((listen, config)))
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_the_setting_to_change() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "s".repeat(32)).unwrap();
        let good = || ClusterSettings {
            listen: Some("127.0.0.1:4823".parse().unwrap()),
            secret_file: Some(file.clone()),
            ..ClusterSettings::default()
        };
        assert!(ClusterSettings::default().wanted().unwrap().is_none());
        assert!(!good().wanted().unwrap().unwrap().1.name.is_empty(), "the host's own name");
        let anywhere = Some("0.0.0.0:4823".parse().unwrap());
        for (settings, named) in [
            (ClusterSettings { listen: None, ..good() }, "secret_file"),
            (ClusterSettings { secret_file: None, ..good() }, "secret_file"),
            (ClusterSettings { secret_file: Some("/nowhere/secret".into()), ..good() }, "/nowhere/secret"),
            (ClusterSettings { listen: anywhere, ..good() }, "address"),
            (ClusterSettings { lease_s: 1, ..good() }, "lease_s"),
        ] {
            let error = format!("{:#}", settings.wanted().unwrap_err());
            assert!(error.contains(named), "{named}: {error}");
        }
        let elsewhere = ClusterSettings { listen: anywhere, address: Some("a.example:4823".into()), ..good() };
        assert!(elsewhere.wanted().is_ok());
    }
}
