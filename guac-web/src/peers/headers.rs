//! Headers of what is passed on: those of one connection stay behind, and who asked is told.

use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::client::Client;

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Headers that we set ourselves on a request passed on.
pub(crate) const ADDED: usize = 3;

/// Marks a request that came in by the peer port, and so from another node. No header can: it is no part of the
/// request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FromPeer;

/// What is about one connection and not about the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Removes what is about the connection it came by.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Makes the headers of a browser's request those of one that this node passes on.
pub(super) fn pass_on(headers: &mut HeaderMap, client: &Client) {
    remove_hop_by_hop(headers);
    // The length is told anew, from the body itself. Whoever expects to be asked for the body has us.
    for name in [CONTENT_LENGTH, EXPECT, FORWARDED, FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST] {
        headers.remove(name);
    }
    if let Ok(address) = HeaderValue::try_from(client.address.to_string()) {
        headers.insert(FORWARDED_FOR, address);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if client.secure { "https" } else { "http" }));
    if let Some(host) = client.host.as_deref().and_then(|host| HeaderValue::try_from(host).ok()) {
        headers.insert(FORWARDED_HOST, host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_behind_whatever_they_are_called() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Private"),
            ("connection", "close, Guacamole-Tunnel-Token-Not"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "trailers"),
            ("proxy-authorization", "Basic x"),
            ("guacamole-tunnel-token", "kept"),
            ("cookie", "kept"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "guacamole-tunnel-token"]);
    }

    #[test]
    fn what_a_browser_says_about_itself_is_replaced_by_what_is_known() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("content-length", "5"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let client = Client {
            address: "203.0.113.9".parse().unwrap(),
            secure: false,
            same_origin: false,
            host: Some("desk.example".to_owned()),
        };
        pass_on(&mut headers, &client);
        assert_eq!(headers.len(), ADDED);
        let all = |name: &HeaderName| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
        assert_eq!(all(&FORWARDED_FOR), [b"203.0.113.9"]);
        assert_eq!(all(&FORWARDED_PROTO), [b"http"]);
        assert_eq!(all(&FORWARDED_HOST), [b"desk.example"]);
    }
}
