//! History.

use axum::Json;
use axum::extract::State;
use guac_auth_mysql::HistoryQuery;

use super::data::Asked;
use super::shapes::{HistoryShape, LoginShape};
use crate::error::ApiError;
use crate::state::App;

fn query(asked: &Asked) -> Result<HistoryQuery, ApiError> {
    let mut query =
        HistoryQuery { contains: asked.query("contains").map(str::to_owned).collect(), ..Default::default() };
    for order in asked.query("order") {
        query.ascending = match order {
            "startDate" => true,
            "-startDate" => false,
            _ => return Err(ApiError::bad_request("History is ordered by \"startDate\" or \"-startDate\" only.")),
        };
    }
    Ok(query)
}

pub(crate) async fn connections(State(app): State<App>, asked: Asked) -> Result<Json<Vec<HistoryShape>>, ApiError> {
    let entries = app.store.connection_history(&asked.access, &query(&asked)?).await?;
    let live = app.live_uuids().await?;
    Ok(Json(entries.into_iter().map(|entry| HistoryShape::new(entry, &live)).collect()))
}

pub(crate) async fn connection(State(app): State<App>, asked: Asked) -> Result<Json<HistoryShape>, ApiError> {
    let not_found = |_| ApiError::not_found("No such history record.");
    let key = asked.path("id").parse().map_err(not_found)?;
    let entry = app.store.connection_history_entry(&asked.access, key).await?;
    Ok(Json(HistoryShape::new(entry, &app.live_uuids().await?)))
}

pub(crate) async fn users(State(app): State<App>, asked: Asked) -> Result<Json<Vec<LoginShape>>, ApiError> {
    let entries = app.store.login_history(&asked.access, &query(&asked)?).await?;
    Ok(Json(entries.into_iter().map(LoginShape::from).collect()))
}
