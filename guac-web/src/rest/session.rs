//! The caller's own login, and what needs none.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::auth::{COOKIE_HEADER, Caller, clear_cookie};
use crate::client::Client;
use crate::state::App;

/// `HEAD session`.
pub(crate) async fn check(_caller: Caller) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `DELETE session`: ends the login and everything it has open.
pub(crate) async fn logout(State(app): State<App>, client: Client, caller: Caller, headers: HeaderMap) -> Response {
    app.end_session(caller.session.key);
    let mut response = StatusCode::NO_CONTENT.into_response();
    if headers.contains_key(COOKIE_HEADER)
        && let Some(value) = clear_cookie(client.secure)
    {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

/// `GET languages`.
pub(crate) async fn languages() -> Json<BTreeMap<&'static str, &'static str>> {
    Json(BTreeMap::from([("en", "English")]))
}

/// `GET patches`.
pub(crate) async fn patches() -> Json<[&'static str; 0]> {
    Json([])
}
