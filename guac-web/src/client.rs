//! Who is on the other end of a request: address, scheme, origin.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;

use crate::config::WebConfig;
use crate::peers::FromPeer;
use crate::state::App;

/// The browser, as far as the transport and trusted proxies tell.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Whether the browser's own connection is encrypted.
    pub(crate) secure: bool,
    /// Whether the page that asks is ours, by its `Origin`.
    pub(crate) same_origin: bool,
    /// Which host the browser asked.
    pub(crate) host: Option<String>,
}

impl FromRequestParts<App> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        // Without connect info (a test, an embedder's own transport) the peer is unknown and trusted with nothing.
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip().to_canonical());
        let by_node = parts.extensions.get::<FromPeer>().is_some();
        Ok(Self::of(&parts.headers, peer, by_node, &app.config))
    }
}

impl Client {
    /// `by_node`: another node of the cluster passed the request on, and has put into the headers what it knew.
    fn of(headers: &HeaderMap, peer: IpAddr, by_node: bool, config: &WebConfig) -> Self {
        let trusted =
            |address: IpAddr| !by_node && config.trusted_proxies.iter().any(|network| network.contains(address));
        let proxied = by_node || trusted(peer);
        let forwarded = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.split(',').next().unwrap_or_default().trim()).filter(|value| proxied && !value.is_empty())
        };
        let address = if proxied { forwarded_address(headers, peer, trusted) } else { peer };
        let secure = (config.secure_listener && !by_node)
            || forwarded("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
        let host = forwarded("x-forwarded-host").or_else(|| headers.get(HOST)?.to_str().ok());
        let same_origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).is_some_and(|origin| {
            let ours = host.is_some_and(|host| is_origin_of(origin, host, secure));
            ours || config.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
        });
        Self { address, secure, same_origin, host: host.map(str::to_owned) }
    }
}

/// The last address in the chain that no trusted proxy has: what stands before it the browser could have made up.
fn forwarded_address(headers: &HeaderMap, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    let chain = headers.get_all("x-forwarded-for").iter().rev();
    let hops = chain.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
    for hop in hops {
        let Some(address) = parse_hop(hop.trim()) else {
            break;
        };
        client = address;
        if !trusted(address) {
            break;
        }
    }
    client
}

/// An address, with or without a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Compares `https://host:port` with a `Host` header. The scheme is compared only where we know that it is https: a
/// proxy that ends TLS may not tell.
fn is_origin_of(origin: &str, host: &str, secure: bool) -> bool {
    let Some((scheme @ ("http" | "https"), authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    bare(authority) == bare(host) && (!secure || scheme == "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(headers: &[(&'static str, &str)], peer: &str) -> Client {
        let config = WebConfig { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..WebConfig::default() };
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
        Client::of(&headers, peer.parse().unwrap(), false, &config)
    }

    #[test]
    fn what_another_node_says_of_its_client_is_so() {
        let config = WebConfig {
            trusted_proxies: vec!["198.51.100.0/24".parse().unwrap()],
            secure_listener: true,
            ..WebConfig::default()
        };
        let headers = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "desk.example"),
            ("host", "desk.example"),
            ("origin", "http://desk.example"),
        ];
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
        let client = Client::of(&headers, "10.0.0.2".parse().unwrap(), true, &config);
        assert_eq!(
            (client.address.to_string().as_str(), client.secure, client.same_origin),
            ("198.51.100.7", false, true)
        );
        let direct = Client::of(&headers, "10.0.0.2".parse().unwrap(), false, &config);
        assert_eq!((direct.address.to_string().as_str(), direct.secure), ("10.0.0.2", true));
    }

    #[test]
    fn forwarding_headers_count_from_trusted_proxies_only() {
        let headers = [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https")];
        let direct = client(&headers, "203.0.113.9");
        assert_eq!((direct.address.to_string().as_str(), direct.secure), ("203.0.113.9", false));
        let proxied = client(&headers, "10.0.0.1");
        assert_eq!((proxied.address.to_string().as_str(), proxied.secure), ("198.51.100.7", true));
    }

    #[test]
    fn addresses_a_browser_made_up_are_passed_over() {
        let chain = [("x-forwarded-for", "1.1.1.1, 198.51.100.7, 10.2.2.2")];
        assert_eq!(client(&chain, "10.0.0.1").address.to_string(), "198.51.100.7");
        let garbage = [("x-forwarded-for", "8.8.8.8, garbage")];
        assert_eq!(client(&garbage, "10.0.0.1").address.to_string(), "10.0.0.1");
        let port = [("x-forwarded-for", "[2001:db8::1]:4711")];
        assert_eq!(client(&port, "10.0.0.1").address.to_string(), "2001:db8::1");
    }

    #[test]
    fn an_origin_is_ours_when_it_is_the_host_asked() {
        let same = |origin: &str, host: &str| client(&[("origin", origin), ("host", host)], "203.0.113.9").same_origin;
        assert!(same("http://desk.example:8080", "desk.example:8080"));
        assert!(same("https://Desk.example", "desk.example"));
        assert!(same("https://desk.example:443", "desk.example"));
        assert!(!same("https://evil.example", "desk.example"));
        assert!(!same("https://desk.example.evil.example", "desk.example"));
        assert!(!same("null", "desk.example"));
        assert!(!client(&[("host", "desk.example")], "203.0.113.9").same_origin);
    }
}
