//! What an embedder decides about the web side.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use guac_tunnel::{GuacdTls, ResolveGuacd, TunnelLimits};

use crate::cluster::Cluster;

/// Settings of a [`WebApp`](crate::WebApp). The defaults are those of the stock gateway where it has one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WebConfig {
    /// Name of the one data source, as clients see it.
    pub data_source: String,
    /// Path under which everything is served, such as `/guacamole`; empty for the root of the host.
    pub base_path: String,
    /// Whether the listener itself speaks TLS: then cookies are marked secure.
    pub secure_listener: bool,
    /// Proxies that may say on whose behalf they ask (`X-Forwarded-For`, `-Proto`, `-Host`). From anybody else these
    /// headers are ignored.
    pub trusted_proxies: Vec<Network>,
    /// Further origins, such as `https://desk.example`, whose pages may open tunnels with the cookie: for proxies that
    /// change the `Host` header and are not trusted above.
    pub allowed_origins: Vec<String>,
    /// A login that is not used for this long ends, unless it has a tunnel open.
    pub session_idle: Duration,
    /// Most logins at once.
    pub max_sessions: usize,
    /// Most tunnels at once.
    pub max_tunnels: usize,
    /// Defaults where a connection or group says nothing; 0 is unlimited.
    pub concurrency: Concurrency,
    /// TLS for outside guacds whose connection asks for encryption. `None`: such connections are refused.
    pub guacd_tls: Option<GuacdTls>,
    /// Says which machines outside guacds may be at. `None`: any.
    pub guacd_resolver: Option<GuacdResolver>,
    /// Deadlines of tunnels.
    pub tunnel_limits: TunnelLimits,
    /// The other nodes on the same database. `None`: there are none, and all that lives is this process's own.
    pub cluster: Option<Cluster>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            data_source: "mysql".into(),
            base_path: String::new(),
            secure_listener: false,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            session_idle: Duration::from_secs(60 * 60),
            max_sessions: 10_000,
            max_tunnels: 10_000,
            concurrency: Concurrency::default(),
            guacd_tls: None,
            guacd_resolver: None,
            tunnel_limits: TunnelLimits::default(),
            cluster: None,
        }
    }
}

/// A [`ResolveGuacd`] within [`WebConfig`].
#[derive(Clone)]
pub struct GuacdResolver(pub Arc<dyn ResolveGuacd>);

impl fmt::Debug for GuacdResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuacdResolver")
    }
}

/// How many may use the same thing at once, where the thing itself does not say (D-100). 0 is unlimited.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// Users of one connection.
    pub connection: u32,
    /// Times that one user may have one connection open.
    pub connection_per_user: u32,
    /// Users of one balancing group.
    pub group: u32,
    /// Times that one user may have one balancing group open.
    pub group_per_user: u32,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { connection: 0, connection_per_user: 0, group: 0, group_per_user: 1 }
    }
}

/// A block of addresses in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a block of addresses such as 10.0.0.0/8")]
pub struct NotANetwork;

impl std::str::FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| NotANetwork)?;
        if prefix > longest { Err(NotANetwork) } else { Ok(Self { address, prefix }) }
    }
}

impl Network {
    /// Whether an address is in the block. IPv4 addresses in IPv6 clothes count as what they are.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |longest: u8| u32::from(longest - self.prefix);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_stock_gateway_unless_told_otherwise() {
        let Concurrency { connection, connection_per_user, group, group_per_user } = WebConfig::default().concurrency;
        assert_eq!((connection, connection_per_user, group, group_per_user), (0, 0, 0, 1));
        assert_eq!(WebConfig::default().session_idle.as_secs(), 3600);
    }

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix() {
        let contains =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(contains("10.1.0.0/16", "10.1.255.3"));
        assert!(!contains("10.1.0.0/16", "10.2.0.1"));
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(contains("0.0.0.0/0", "192.0.2.1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(!contains("::/0", "192.0.2.1"));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("example".parse::<Network>().is_err());
    }
}
