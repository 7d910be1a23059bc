//! The data source of what others share: a flat list of connections, one per link followed (T-069, T-070).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::shapes::{ConnectionShape, GroupShape, ROOT, UserShape};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::shares::Share;
use crate::state::App;

/// Routes below `/session/data/{ds}-shared`.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/connectionGroups", get(groups))
        .route("/connectionGroups/ROOT", get(root))
        .route("/connectionGroups/ROOT/tree", get(tree))
        .route("/connections", get(connections))
        .route("/connections/{id}", get(connection))
        .route("/connections/{id}/sharingProfiles", get(nothing))
        .route("/activeConnections", get(nothing))
        .route("/sharingProfiles", get(nothing))
        .route("/users", get(nothing))
        .route("/userGroups", get(nothing))
        .route("/self", get(own))
        .route("/self/permissions", get(permissions))
        .route("/self/effectivePermissions", get(permissions))
        .route("/self/userGroups", get(none))
        .route("/history/connections", get(none))
        .route("/history/users", get(none))
}

/// What the caller's links lead to now.
async fn live(app: &App, caller: &Caller) -> Result<Vec<Arc<Share>>, ApiError> {
    Ok(app.find_shares(&app.links_of(&caller.session).await?).await?)
}

async fn by_key(app: &App, caller: &Caller) -> Result<BTreeMap<String, ConnectionShape>, ApiError> {
    let shapes = live(app, caller).await?.into_iter();
    Ok(shapes.map(|share| (share.key.expose().to_owned(), ConnectionShape::shared(&share))).collect())
}

async fn groups(_caller: Caller) -> Json<BTreeMap<&'static str, GroupShape>> {
    Json(BTreeMap::from([(ROOT, GroupShape::root())]))
}

async fn root(_caller: Caller) -> Json<GroupShape> {
    Json(GroupShape::root())
}

async fn tree(State(app): State<App>, caller: Caller) -> Result<Json<GroupShape>, ApiError> {
    Ok(Json(GroupShape::of_connections(by_key(&app, &caller).await?.into_values().collect())))
}

async fn connections(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<BTreeMap<String, ConnectionShape>>, ApiError> {
    Ok(Json(by_key(&app, &caller).await?))
}

async fn connection(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ConnectionShape>, ApiError> {
    by_key(&app, &caller).await?.remove(&id).map(Json).ok_or_else(|| ApiError::not_found("No such connection."))
}

async fn own(caller: Caller) -> Json<UserShape> {
    Json(UserShape::anonymous(caller.username()))
}

/// READ on what is shared, and nothing else.
async fn permissions(State(app): State<App>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let live = live(&app, &caller).await?;
    let connections: BTreeMap<String, [&str; 1]> =
        live.iter().map(|share| (share.key.expose().to_owned(), ["READ"])).collect();
    Ok(Json(json!({
        "connectionPermissions": connections,
        "connectionGroupPermissions": { ROOT: ["READ"] },
        "sharingProfilePermissions": {},
        "activeConnectionPermissions": {},
        "userPermissions": { caller.username(): ["READ"] },
        "userGroupPermissions": {},
        "systemPermissions": [],
    })))
}

async fn nothing(_caller: Caller) -> Json<Value> {
    Json(json!({}))
}

async fn none(_caller: Caller) -> Json<Value> {
    Json(json!([]))
}
