//! The REST interface below `/api`, as stock clients use it.

mod active;
mod connections;
mod data;
mod groups;
mod history;
mod schema;
mod session;
mod shapes;
mod shared;
mod sharing;
mod streams;
mod tokens;
mod tunnels;
mod users;

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, delete, get, on, post, put};

use crate::config::WebConfig;
use crate::connect::shared_source;
use crate::error::ApiError;
use crate::state::App;

/// Longest request body.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// A request must be whole and answered by then: above the longest wait before a login, and the database's deadlines.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// All routes below `/api`.
pub(crate) fn router(config: &WebConfig) -> Router<App> {
    let shared = format!("/session/data/{}", shared_source(&config.data_source));
    Router::new()
        .route("/tokens", post(tokens::login))
        .route("/tokens/{token}", delete(tokens::revoke))
        .route("/languages", get(session::languages))
        .route("/patches", get(session::patches))
        .route("/session", on(MethodFilter::HEAD, session::check).delete(session::logout))
        .route("/session/tunnels", get(tunnels::list))
        .route("/session/tunnels/{uuid}/protocol", get(tunnels::protocol))
        .route("/session/tunnels/{uuid}/activeConnection", get(tunnels::active_connection))
        .route("/session/tunnels/{uuid}/activeConnection/connection", get(tunnels::connection))
        .route("/session/tunnels/{uuid}/activeConnection/connection/sharingProfiles", get(tunnels::sharing_profiles))
        .route("/session/tunnels/{uuid}/activeConnection/sharingCredentials/{profile}", get(tunnels::share))
        .nest(&shared, shared::router())
        .nest("/session/data/{ds}", data_source())
        .fallback(async || ApiError::not_found("Not found."))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(within_deadline))
        // Files take their time and have any size (T-060).
        .route(
            "/session/tunnels/{uuid}/streams/{index}/{filename}",
            get(streams::download).post(streams::upload).fallback(async || ApiError::method_not_allowed()),
        )
}

async fn within_deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::timeout().into_response(),
    }
}

fn data_source() -> Router<App> {
    Router::new()
        .route("/connectionGroups", get(groups::list))
        .route("/connectionGroups/{id}", get(groups::one))
        .route("/connectionGroups/{id}/tree", get(groups::tree))
        .route("/connections", get(connections::list))
        .route("/connections/{id}", get(connections::one))
        .route("/connections/{id}/parameters", get(connections::parameters))
        .route("/connections/{id}/history", get(connections::history))
        .route("/connections/{id}/sharingProfiles", get(connections::sharing_profiles))
        .route("/sharingProfiles", get(connections::no_sharing_profiles))
        .route("/sharingProfiles/{id}", get(sharing::profile))
        .route("/sharingProfiles/{id}/parameters", get(sharing::parameters))
        .route("/activeConnections", get(active::list).patch(active::patch))
        .route("/activeConnections/{id}", get(active::one).delete(active::end))
        .route("/activeConnections/{id}/connection", get(active::connection))
        .route("/activeConnections/{id}/connection/sharingProfiles", get(active::sharing_profiles))
        .route("/activeConnections/{id}/sharingCredentials/{profile}", get(active::share))
        .route("/self", get(users::own))
        .route("/self/password", put(users::own_password))
        .route("/self/permissions", get(users::own_permissions))
        .route("/self/effectivePermissions", get(users::own_effective_permissions))
        .route("/self/userGroups", get(users::own_groups))
        .route("/self/history", get(users::own_history))
        .route("/users", get(users::list))
        .route("/users/{name}", get(users::one))
        .route("/users/{name}/password", put(users::password))
        .route("/users/{name}/permissions", get(users::permissions))
        .route("/users/{name}/effectivePermissions", get(users::effective_permissions))
        .route("/users/{name}/userGroups", get(users::groups))
        .route("/users/{name}/history", get(users::history))
        .route("/userGroups", get(users::all_groups))
        .route("/userGroups/{name}", get(users::group))
        .route("/userGroups/{name}/permissions", get(users::group_permissions))
        .route("/userGroups/{name}/userGroups", get(users::group_groups))
        .route("/userGroups/{name}/memberUsers", get(users::member_users))
        .route("/userGroups/{name}/memberUserGroups", get(users::member_groups))
        .route("/history/connections", get(history::connections))
        .route("/history/connections/{id}", get(history::connection))
        .route("/history/users", get(history::users))
        .route("/schema/protocols", get(schema::protocols))
        .route("/schema/{kind}", get(schema::attributes))
}
