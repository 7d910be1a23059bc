//! The request that asks for a WebSocket, and the answer to it (RFC 6455, section 4.2).

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use sha1::{Digest as _, Sha1};

/// The WebSocket subprotocol that must be selected (T-028).
pub const SUBPROTOCOL: &str = "guacamole";

/// What the key of a request is joined with before it is hashed (RFC 6455, section 1.3).
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// Why a request does not become a WebSocket. The *peer's* doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Not a GET.
    #[error("a WebSocket is asked for by GET")]
    Method,
    /// It does not ask for a WebSocket.
    #[error("the request does not ask for a WebSocket")]
    NoUpgrade,
    /// Another version of the protocol than the one there is.
    #[error("only version 13 of WebSocket is spoken here")]
    Version,
    /// No key, or none of 16 bytes.
    #[error("the request has no valid WebSocket key")]
    Key,
}

impl UpgradeError {
    /// The status of the answer; an answer of [`Version`](Self::Version) should say `Sec-WebSocket-Version: 13`.
    #[must_use]
    pub fn http(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key => StatusCode::BAD_REQUEST,
        }
    }
}

/// Judges an HTTP/1.1 request and makes the answer `101 Switching Protocols`, with the subprotocol `guacamole` where
/// the browser offers it. Send it, and give the upgraded connection to [`serve_websocket`](crate::serve_websocket) or
/// [`close_websocket`](crate::close_websocket).
///
/// Who may open a tunnel, and from which origin, is the caller's to judge.
///
/// # Errors
/// [`UpgradeError`]: answer with its status.
pub fn accept_websocket(method: &Method, headers: &HeaderMap) -> Result<Response<()>, UpgradeError> {
    if method != Method::GET {
        return Err(UpgradeError::Method);
    }
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        return Err(UpgradeError::NoUpgrade);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(UpgradeError::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(UpgradeError::Key)?.as_bytes();
    if base64_simd::STANDARD.decode_to_vec(key).map_or(0, |key| key.len()) != KEY_BYTES {
        return Err(UpgradeError::Key);
    }
    let hash = Sha1::new().chain_update(key).chain_update(ACCEPT_SUFFIX).finalize();
    let accept = base64_simd::STANDARD.encode_to_string(hash);
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::try_from(accept).map_err(|_| UpgradeError::Key)?);
    if lists(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

/// Whether a header that is a list, in one line or several, has this entry.
fn lists(headers: &HeaderMap, name: &HeaderName, entry: &str) -> bool {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|found| found.trim().eq_ignore_ascii_case(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(changed: &str, value: Option<&str>) -> Result<Response<()>, UpgradeError> {
        let mut headers = HeaderMap::new();
        for (name, usual) in [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "chat, guacamole"),
        ] {
            if let Some(value) = if name == changed { value } else { Some(usual) } {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
            }
        }
        accept_websocket(&Method::GET, &headers)
    }

    #[test]
    fn answers_the_example_of_the_rfc() {
        let response = request("", None).unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["sec-websocket-protocol"], "guacamole");
    }

    #[test]
    fn selects_the_subprotocol_only_where_it_is_offered() {
        for offered in [None, Some("chat")] {
            let response = request("sec-websocket-protocol", offered).unwrap();
            assert!(!response.headers().contains_key("sec-websocket-protocol"), "{offered:?}");
        }
    }

    #[test]
    fn refuses_what_asks_for_no_websocket_of_this_version() {
        for (changed, value, error) in [
            ("connection", None, UpgradeError::NoUpgrade),
            ("connection", Some("keep-alive"), UpgradeError::NoUpgrade),
            ("upgrade", Some("h2c"), UpgradeError::NoUpgrade),
            ("sec-websocket-version", Some("8"), UpgradeError::Version),
            ("sec-websocket-version", None, UpgradeError::Version),
            ("sec-websocket-key", None, UpgradeError::Key),
            ("sec-websocket-key", Some("c2hvcnQ="), UpgradeError::Key),
        ] {
            assert_eq!(request(changed, value).unwrap_err(), error, "{changed} {value:?}");
        }
        let post = accept_websocket(&Method::POST, &HeaderMap::new()).unwrap_err();
        assert_eq!((post, post.http().as_u16()), (UpgradeError::Method, 405));
    }
}
