//! What a setting or a built-in refusal is about: an address, a network or a name, with or without a port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Bits before an IPv4 prefix, so that prefixes of both families compare.
const V4_OFFSET: u8 = 96;

/// Longest host name, dots and all.
const MAX_NAME_BYTES: usize = 253;

/// Machines that a policy speaks of: `10.0.0.0/8`, `10.0.0.4`, `fd00::/8`, `files.example`, and each with a port, as
/// in `10.0.0.0/8:22`, `[fd00::1]:22` or `files.example:22`. A name stands for the addresses it has at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRule {
    pub(super) place: Place,
    pub(super) port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Network { address: IpAddr, prefix: u8 },
    Name(String),
}

/// Text that is no [`TargetRule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no network, address or host name, with or without a port: {why}")]
pub struct InvalidTargetRule {
    text: String,
    why: &'static str,
}

impl TargetRule {
    /// A machine by name or address, at one port or at all.
    ///
    /// # Errors
    /// [`InvalidTargetRule`] for what can be neither.
    pub fn host(host: &str, port: Option<u16>) -> Result<Self, InvalidTargetRule> {
        let rule = parse_place(host).map(|place| Self { place, port });
        rule.map_err(|why| InvalidTargetRule { text: host.chars().take(MAX_NAME_BYTES).collect(), why })
    }

    pub(super) const fn network(address: IpAddr, prefix: u8) -> Self {
        Self { place: Place::Network { address, prefix }, port: None }
    }

    /// How precisely this speaks of the address at the port, if it does. Of several the most precise counts.
    pub(super) fn precision(&self, address: IpAddr, port: u16, named: &[IpAddr]) -> Option<Precision> {
        if self.port.is_some_and(|own| own != port) {
            return None;
        }
        let bits = match &self.place {
            Place::Network { address: network, prefix } => {
                if !covers(*network, *prefix, address) {
                    return None;
                }
                if address.is_ipv4() { prefix.saturating_add(V4_OFFSET) } else { *prefix }
            }
            Place::Name(_) => named.contains(&address).then_some(128)?,
        };
        Some(Precision { bits, port: self.port.is_some() })
    }

    /// The name whose addresses must be known, for that port.
    pub(super) fn name_for(&self, port: u16) -> Option<&str> {
        match &self.place {
            Place::Name(name) if self.port.is_none_or(|own| own == port) => Some(name),
            _ => None,
        }
    }
}

/// Orders rules: longer prefixes first, then those with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precision {
    bits: u8,
    port: bool,
}

impl Precision {
    /// One address at one port.
    pub(super) const EXACT: Self = Self { bits: 128, port: true };
}

fn covers(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32_u32.saturating_sub(u32::from(prefix));
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128_u32.saturating_sub(u32::from(prefix));
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl FromStr for TargetRule {
    type Err = InvalidTargetRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why| InvalidTargetRule { text: text.chars().take(MAX_NAME_BYTES).collect(), why };
        let (place, port) = split_port(text.trim()).map_err(invalid)?;
        let place = parse_place(place).map_err(invalid)?;
        Ok(Self { place, port })
    }
}

/// Cuts off `:port`. An IPv6 address has colons of its own and needs brackets then.
fn split_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let parse = |port: &str| port.parse().ok().filter(|port| *port != 0).map(Some).ok_or("the port is none");
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or("a bracket is not closed")?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((inside, parse(port)?)),
            None if after.is_empty() => Ok((inside, None)),
            None => Err("something follows the bracket"),
        };
    }
    match text.split_once(':') {
        // No colon, or several: a name, IPv4 or bare IPv6.
        None => Ok((text, None)),
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((place, port)) => Ok((place, parse(port)?)),
    }
}

fn parse_place(text: &str) -> Result<Place, &'static str> {
    if let Some((address, prefix)) = text.split_once('/') {
        let address: IpAddr = address.parse().map_err(|_| "there is no address before the slash")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most).ok_or("the prefix length is none")?;
        let first = first_of(address, prefix);
        return if first == address {
            Ok(Place::Network { address, prefix })
        } else {
            Err("the address has bits beyond the prefix length")
        };
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        return Ok(Place::Network { address, prefix });
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(fits) {
        return Err("a name has letters, digits, dashes and dots");
    }
    // Resolvers read such "names" as addresses, in ways that few people expect.
    if name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit())) {
        return Err("write addresses in their usual form");
    }
    Ok(Place::Name(name))
}

/// The network's first address.
fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix))).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(prefix))).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for TargetRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Network { address, prefix: 32 } if address.is_ipv4() => address.to_string(),
            Place::Network { address, prefix: 128 } => address.to_string(),
            Place::Network { address, prefix } => format!("{address}/{prefix}"),
            Place::Name(name) => name.clone(),
        };
        match self.port {
            None => f.write_str(&place),
            Some(port) if place.contains(':') => write!(f, "[{place}]:{port}"),
            Some(port) => write!(f, "{place}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_read_and_written_back() {
        for text in [
            "10.0.0.0/8",
            "10.0.0.4",
            "10.0.0.4:22",
            "10.0.0.0/8:22",
            "0.0.0.0/0",
            "fd00::/8",
            "::/0",
            "fd00::1",
            "[fd00::1]:22",
            "[fd00::/8]:22",
            "files.example",
            "files.example:22",
        ] {
            assert_eq!(text.parse::<TargetRule>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]".parse::<TargetRule>().unwrap().to_string(), "::1");
        assert_eq!(" Files.Example. ".parse::<TargetRule>().unwrap().to_string(), "files.example");
    }

    #[test]
    fn what_might_mean_something_else_is_refused() {
        for text in [
            "",
            " ",
            ":22",
            "host:",
            "host:0",
            "host:65536",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "fd00::/129",
            "127.1",
            "2130706433",
            "0x7f.0x1",
            "[::1",
            "[::1]22",
            "a b",
            "a/b",
            "*.example",
            "10.0.0.0/8:",
        ] {
            assert!(text.parse::<TargetRule>().is_err(), "{text}");
        }
    }
}
