//! `[targets]`: which machines connections may reach.

use anyhow::{Context as _, Result};
use guac_session::{TargetRule, Targets};
use serde::{Deserialize, Serialize};

use super::{Config, GuacdListen};

/// See the example file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TargetRules {
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
}

impl Config {
    /// Which machines connections may reach: no platform address, nothing of our own machine, not our database and none
    /// of our ports, but for what `[targets]` says.
    pub(crate) fn targets(&self) -> Result<Targets> {
        let mut targets = Targets::default().refuse_loopback();
        if let Some(server) = self.store()?.server()? {
            let rule = TargetRule::host(&server.host, Some(server.port)).context("[database]: the host in the url")?;
            if server.is_local() {
                // It may listen at the machine's other addresses as well.
                targets = targets.refuse_own_port(server.port);
            }
            targets = targets.refuse(rule, "it is the database");
        }
        for port in self.own_ports() {
            targets = targets.refuse_own_port(port);
        }
        for text in &self.targets.allow {
            targets = targets.allow(text.parse().context("[targets]: allow")?);
        }
        for text in &self.targets.deny {
            targets = targets.deny(text.parse().context("[targets]: deny")?);
        }
        Ok(targets)
    }

    /// Ports that this configuration opens; those the system is left to choose are not known.
    fn own_ports(&self) -> impl Iterator<Item = u16> {
        let guacd = match self.guacd.listen {
            GuacdListen::On(address) => Some(address),
            GuacdListen::Off => None,
        };
        let listens = [Some(self.web.listen), self.web.http_listen, guacd, self.cluster.listen];
        listens.into_iter().flatten().map(|address| address.port()).filter(|port| *port != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn our_machine_our_ports_and_our_database_are_refused_unless_allowed() {
        let mut config = Config::default();
        config.database.url = Some("mysql://u:p@192.0.2.9/guac".to_owned().into());
        let refused =
            async |config: &Config, host: &str, port: u16| config.targets().unwrap().resolve(host, port).await.is_err();
        for (host, port) in
            [("127.0.0.1", 22), ("localhost", 8080), ("192.0.2.9", 3306), ("169.254.169.254", 80), ("::1", 4822)]
        {
            assert!(refused(&config, host, port).await, "{host} {port}");
        }
        assert!(!refused(&config, "192.0.2.9", 22).await);
        config.targets.allow = vec!["127.0.0.0/8".to_owned(), "192.0.2.9:3306".to_owned()];
        config.targets.deny = vec!["10.0.0.0/8".to_owned()];
        assert!(!refused(&config, "127.0.0.1", 22).await);
        assert!(!refused(&config, "192.0.2.9", 3306).await);
        assert!(refused(&config, "127.0.0.1", 8080).await, "a network does not open our own ports");
        assert!(refused(&config, "127.0.0.1", 4822).await);
        assert!(refused(&config, "10.0.0.1", 22).await);
    }

    #[test]
    fn what_is_no_network_address_or_name_is_refused_by_name() {
        for (key, text) in [("allow", "10.0.0.1/8"), ("deny", "everything!")] {
            let mut config = Config::default();
            let list = if key == "allow" { &mut config.targets.allow } else { &mut config.targets.deny };
            list.push(text.to_owned());
            let error = format!("{:#}", config.targets().unwrap_err());
            assert!(error.contains(&format!("[targets]: {key}")) && error.contains(text), "{error}");
        }
    }
}
