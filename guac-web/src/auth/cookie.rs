//! The cookie of our own page, so that no token is in reach of a script or in an address.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use super::session::Token;

/// Over TLS: browsers take it only with `Secure`, for this host and the whole of it.
const SECURE_NAME: &str = "__Host-guac";

/// Over plain HTTP, where browsers refuse the prefix.
const PLAIN_NAME: &str = "guac";

fn name(secure: bool) -> &'static str {
    if secure { SECURE_NAME } else { PLAIN_NAME }
}

/// The token in a request's cookie.
pub(super) fn token_in_cookie(headers: &HeaderMap, secure: bool) -> Option<Token> {
    let name = name(secure);
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(key, _)| *key == name);
    values.next().map(|(_, value)| Token::given(value)).filter(|token| !token.expose().is_empty())
}

/// Gives the browser the token. It ends with the browser.
pub(crate) fn session_cookie(token: &Token, secure: bool) -> Option<HeaderValue> {
    let flag = if secure { "; Secure" } else { "" };
    let text = format!("{}={}; Path=/; HttpOnly; SameSite=Strict{flag}", name(secure), token.expose());
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Takes the token back.
pub(crate) fn clear_cookie(secure: bool) -> Option<HeaderValue> {
    let flag = if secure { "; Secure" } else { "" };
    HeaderValue::try_from(format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{flag}", name(secure))).ok()
}
