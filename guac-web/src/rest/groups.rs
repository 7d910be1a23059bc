//! Connection groups and their tree.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use guac_auth_mysql::ConnectionGroupKey;

use super::data::Asked;
use super::shapes::{GroupShape, ROOT, Usage};
use crate::error::ApiError;
use crate::state::App;

/// The root is `None`.
fn key(text: &str) -> Result<Option<ConnectionGroupKey>, ApiError> {
    if text == ROOT {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| ApiError::not_found("No such connection group."))
}

pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Result<Json<BTreeMap<String, GroupShape>>, ApiError> {
    let groups = app.store.connection_groups(&asked.access, &asked.permissions()?).await?;
    let mut all: BTreeMap<_, _> =
        groups.into_iter().map(|group| (group.key.to_string(), GroupShape::new(group))).collect();
    all.insert(ROOT.to_owned(), GroupShape::root());
    Ok(Json(all))
}

pub(crate) async fn one(State(app): State<App>, asked: Asked) -> Result<Json<GroupShape>, ApiError> {
    Ok(Json(match key(asked.path("id"))? {
        None => GroupShape::root(),
        Some(key) => GroupShape::new(app.store.connection_group(&asked.access, key).await?),
    }))
}

/// What the caller may see from a group downwards; `permission` filters connections, never groups.
pub(crate) async fn tree(State(app): State<App>, asked: Asked) -> Result<Json<GroupShape>, ApiError> {
    let root = key(asked.path("id"))?;
    let tree = app.store.connection_tree(&asked.access, root, &asked.permissions()?).await?;
    Ok(Json(GroupShape::tree(tree, &Usage::of(app.live_tunnels().await?))))
}
