//! Connections.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use guac_auth_mysql::{ConnectionKey, HistoryQuery};

use super::data::Asked;
use super::shapes::{ConnectionShape, HistoryShape, SharingProfileShape, Usage};
use crate::error::ApiError;
use crate::state::App;

pub(super) fn key(text: &str) -> Result<ConnectionKey, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("No such connection."))
}

pub(crate) async fn list(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<BTreeMap<String, ConnectionShape>>, ApiError> {
    let usage = Usage::of(app.live_tunnels().await?);
    let all = app.store.connections(&asked.access, &asked.permissions()?).await?;
    Ok(Json(all.into_iter().map(|found| (found.key.to_string(), ConnectionShape::new(found, &usage))).collect()))
}

pub(crate) async fn one(State(app): State<App>, asked: Asked) -> Result<Json<ConnectionShape>, ApiError> {
    load(&app, &asked, asked.path("id")).await
}

pub(super) async fn load(app: &App, asked: &crate::auth::Caller, id: &str) -> Result<Json<ConnectionShape>, ApiError> {
    let connection = app.store.connection(&asked.access, key(id)?).await?;
    Ok(Json(ConnectionShape::new(connection, &Usage::of(app.live_tunnels().await?))))
}

/// Needs UPDATE: parameters hold passwords.
pub(crate) async fn parameters(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<BTreeMap<String, String>>, ApiError> {
    let parameters = app.store.parameters(&asked.access, key(asked.path("id"))?).await?;
    Ok(Json(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
}

pub(crate) async fn history(State(app): State<App>, asked: Asked) -> Result<Json<Vec<HistoryShape>>, ApiError> {
    let connection = key(asked.path("id"))?;
    // 404 where the connection is not to be known of.
    app.store.connection(&asked.access, connection).await?;
    let query = HistoryQuery { connection: Some(connection), ..HistoryQuery::default() };
    let entries = app.store.connection_history(&asked.access, &query).await?;
    let live = app.live_uuids().await?;
    Ok(Json(entries.into_iter().map(|entry| HistoryShape::new(entry, &live)).collect()))
}

pub(crate) async fn sharing_profiles(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<BTreeMap<String, SharingProfileShape>>, ApiError> {
    let profiles = app.store.sharing_profiles(&asked.access, key(asked.path("id"))?).await?;
    Ok(Json(profiles.into_iter().map(|profile| (profile.key.to_string(), profile.into())).collect()))
}

/// Not listed as a whole yet: trees and connections name their own.
pub(crate) async fn no_sharing_profiles(_asked: Asked) -> Json<BTreeMap<String, SharingProfileShape>> {
    Json(BTreeMap::new())
}
