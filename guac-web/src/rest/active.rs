//! Live connections.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use guac_protocol::TunnelUuid;
use guac_tunnel::TunnelInfo;
use serde::{Deserialize, Serialize};

use super::connections;
use super::data::{self, Asked, Body};
use super::shapes::{ActiveShape, ConnectionShape, SharingProfileShape};
use super::sharing::{self, CredentialsShape};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::App;

/// Operations in one PATCH.
const MAX_PATCHES: usize = 1000;

/// Whether a live connection is the caller's own or he is an administrator: then he may see who, join and end it.
pub(super) fn privileged(caller: &Caller, tunnel: &TunnelInfo) -> bool {
    caller.access.is_administrator() || tunnel.username == caller.username()
}

/// The live connections a caller may know of: those of connections he may read.
pub(super) async fn visible(app: &App, caller: &Caller) -> Result<Vec<TunnelInfo>, ApiError> {
    let mut live = app.live_tunnels().await?;
    if live.is_empty() || caller.access.is_administrator() {
        return Ok(live);
    }
    let readable = app.store.connections(&caller.access, &[]).await?;
    let readable: BTreeSet<String> = readable.into_iter().map(|connection| connection.key.to_string()).collect();
    live.retain(|tunnel| readable.contains(&tunnel.connection_identifier) || privileged(caller, tunnel));
    Ok(live)
}

async fn find(app: &App, caller: &Caller, identifier: &str) -> Result<TunnelInfo, ApiError> {
    let not_found = || ApiError::not_found("No such active connection.");
    let uuid: TunnelUuid = identifier.parse().map_err(|_| not_found())?;
    let visible = visible(app, caller).await?;
    visible.into_iter().find(|tunnel| tunnel.uuid == uuid).ok_or_else(not_found)
}

fn shape(caller: &Caller, tunnel: TunnelInfo) -> ActiveShape {
    let privileged = privileged(caller, &tunnel);
    ActiveShape::new(tunnel, privileged)
}

pub(crate) async fn list(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<BTreeMap<String, ActiveShape>>, ApiError> {
    let live = visible(&app, &asked).await?;
    Ok(Json(live.into_iter().map(|tunnel| (tunnel.uuid.to_string(), shape(&asked, tunnel))).collect()))
}

pub(crate) async fn one(State(app): State<App>, asked: Asked) -> Result<Json<ActiveShape>, ApiError> {
    let tunnel = find(&app, &asked, asked.path("id")).await?;
    Ok(Json(shape(&asked, tunnel)))
}

pub(crate) async fn connection(State(app): State<App>, asked: Asked) -> Result<Json<ConnectionShape>, ApiError> {
    let tunnel = find(&app, &asked, asked.path("id")).await?;
    connections::load(&app, &asked, &tunnel.connection_identifier).await
}

pub(crate) async fn sharing_profiles(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<BTreeMap<String, SharingProfileShape>>, ApiError> {
    let tunnel = find(&app, &asked, asked.path("id")).await?;
    Ok(Json(sharing::profiles_of(&app, &asked, &tunnel).await?))
}

/// A link to a session that the caller may join himself.
pub(crate) async fn share(State(app): State<App>, asked: Asked) -> Result<Json<CredentialsShape>, ApiError> {
    let tunnel = find(&app, &asked, asked.path("id")).await?;
    if !privileged(&asked, &tunnel) {
        return Err(ApiError::denied());
    }
    sharing::share(&app, &asked, tunnel, asked.path("profile")).await
}

/// Finds a live connection that the caller may end.
async fn endable(app: &App, caller: &Caller, identifier: &str) -> Result<TunnelUuid, ApiError> {
    let tunnel = find(app, caller, identifier).await?;
    if privileged(caller, &tunnel) { Ok(tunnel.uuid) } else { Err(ApiError::denied()) }
}

pub(crate) async fn end(State(app): State<App>, asked: Asked) -> Result<StatusCode, ApiError> {
    let uuid = endable(&app, &asked, asked.path("id")).await?;
    app.stop_tunnel(&uuid).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(crate) struct Patch {
    op: String,
    path: String,
}

#[derive(Serialize)]
pub(crate) struct Patched {
    patches: Vec<PatchedEntry>,
}

#[derive(Serialize)]
struct PatchedEntry {
    op: &'static str,
    identifier: String,
    path: String,
}

/// Ends several at once: all that are named, or none if one cannot be.
pub(crate) async fn patch(
    State(app): State<App>,
    asked: Asked,
    body: Body<Vec<Patch>>,
) -> Result<Json<Patched>, ApiError> {
    let patches = data::body(body)?;
    if patches.len() > MAX_PATCHES {
        return Err(ApiError::bad_request("Too many operations at once."));
    }
    let mut uuids = Vec::new();
    for Patch { op, path } in &patches {
        let identifier =
            path.strip_prefix('/').ok_or_else(|| ApiError::bad_request("A path must begin with \"/\"."))?;
        if op != "remove" {
            return Err(ApiError::unsupported("Only the operation \"remove\" is supported."));
        }
        uuids.push(endable(&app, &asked, identifier).await?);
    }
    for uuid in &uuids {
        app.stop_tunnel(uuid).await?;
    }
    let done = uuids.into_iter().map(|uuid| {
        let (identifier, path) = (uuid.to_string(), format!("/{uuid}"));
        PatchedEntry { op: "remove", identifier, path }
    });
    Ok(Json(Patched { patches: done.collect() }))
}
