//! The caller's own tunnels (T-054 to T-058).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use guac_protocol::TunnelUuid;
use guac_tunnel::TunnelInfo;

use super::connections;
use super::schema::{self, ProtocolShape};
use super::shapes::{ActiveShape, ConnectionShape, SharingProfileShape};
use super::sharing::{self, CredentialsShape};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::App;

async fn find(app: &App, caller: &Caller, uuid: &str) -> Result<TunnelInfo, ApiError> {
    let not_found = || ApiError::not_found("No such tunnel.");
    let uuid: TunnelUuid = uuid.parse().map_err(|_| not_found())?;
    let live = app.live_tunnel(&uuid).await?;
    live.filter(|tunnel| tunnel.owner == caller.session.key).ok_or_else(not_found)
}

/// As above, for what is told of the connection behind: of a session that somebody else shares, that is nothing.
async fn find_readable(app: &App, caller: &Caller, uuid: &str) -> Result<TunnelInfo, ApiError> {
    let tunnel = find(app, caller, uuid).await?;
    let own = tunnel.data_source == app.config.data_source;
    if own { Ok(tunnel) } else { Err(ApiError::not_found("No such active connection.")) }
}

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Vec<String>>, ApiError> {
    let own = app.live_tunnels_of(caller.session.key).await?;
    Ok(Json(own.into_iter().map(|tunnel| tunnel.uuid.to_string()).collect()))
}

pub(crate) async fn protocol(
    State(app): State<App>,
    caller: Caller,
    Path(uuid): Path<String>,
) -> Result<Json<ProtocolShape>, ApiError> {
    let tunnel = find(&app, &caller, &uuid).await?;
    Ok(Json(schema::protocol(&app, &tunnel.protocol)))
}

pub(crate) async fn active_connection(
    State(app): State<App>,
    caller: Caller,
    Path(uuid): Path<String>,
) -> Result<Json<ActiveShape>, ApiError> {
    Ok(Json(ActiveShape::new(find_readable(&app, &caller, &uuid).await?, true)))
}

pub(crate) async fn connection(
    State(app): State<App>,
    caller: Caller,
    Path(uuid): Path<String>,
) -> Result<Json<ConnectionShape>, ApiError> {
    let tunnel = find_readable(&app, &caller, &uuid).await?;
    connections::load(&app, &caller, &tunnel.connection_identifier).await
}

/// What the caller may share his session by; an empty answer hides the menu.
pub(crate) async fn sharing_profiles(
    State(app): State<App>,
    caller: Caller,
    Path(uuid): Path<String>,
) -> Result<Json<BTreeMap<String, SharingProfileShape>>, ApiError> {
    let tunnel = find_readable(&app, &caller, &uuid).await?;
    Ok(Json(sharing::profiles_of(&app, &caller, &tunnel).await?))
}

/// A link to the session (T-058).
pub(crate) async fn share(
    State(app): State<App>,
    caller: Caller,
    Path((uuid, profile)): Path<(String, String)>,
) -> Result<Json<CredentialsShape>, ApiError> {
    let tunnel = find_readable(&app, &caller, &uuid).await?;
    sharing::share(&app, &caller, tunnel, &profile).await
}
