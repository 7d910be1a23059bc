//! Sharing profiles, and links to live sessions (R-058, R-062, R-063, R-070, T-056 to T-058).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use guac_auth_mysql::cluster::ClusterShare;
use guac_auth_mysql::{ConnectionKey, SharingProfileKey, StoreError};
use guac_tunnel::TunnelInfo;
use serde::Serialize;

use super::data::Asked;
use super::shapes::SharingProfileShape;
use crate::auth::Caller;
use crate::error::{ApiError, Field};
use crate::shares::{ShareKey, TooManyLinks};
use crate::state::App;

/// What a visitor is asked for: nothing he types, it stands in the link.
const EXPECTED: [Field; 1] = [Field::new("key", "QUERY_PARAMETER")];

#[derive(Serialize)]
pub(crate) struct CredentialsShape {
    expected: [Field; 1],
    values: BTreeMap<&'static str, String>,
}

fn profile_key(text: &str) -> Result<SharingProfileKey, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("No such sharing profile."))
}

/// The profiles by which the caller may share a live connection. None where the connection itself is not to be known
/// of, or is shared with him by somebody else.
pub(super) async fn profiles_of(
    app: &App,
    caller: &Caller,
    tunnel: &TunnelInfo,
) -> Result<BTreeMap<String, SharingProfileShape>, ApiError> {
    let key: Option<ConnectionKey> = tunnel.connection_identifier.parse().ok();
    let Some(key) = key.filter(|_| tunnel.data_source == app.config.data_source) else {
        return Ok(BTreeMap::new());
    };
    match app.store.sharing_profiles(&caller.access, key).await {
        Ok(profiles) => Ok(profiles.into_iter().map(|profile| (profile.key.to_string(), profile.into())).collect()),
        Err(StoreError::NotFound { .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a link to a live connection, which the caller must be allowed to join.
pub(super) async fn share(
    app: &App,
    caller: &Caller,
    tunnel: TunnelInfo,
    profile: &str,
) -> Result<Json<CredentialsShape>, ApiError> {
    let not_found = || ApiError::not_found("No such sharing profile.");
    if tunnel.data_source != app.config.data_source {
        return Err(not_found());
    }
    let (profile, parameters) = app.store.sharing_profile_to_share(&caller.access, profile_key(profile)?).await?;
    if profile.connection.to_string() != tunnel.connection_identifier {
        return Err(not_found());
    }
    let (connection, _) = app.store.connection_to_open(&caller.access, profile.connection).await?;
    let (uuid, name) = (tunnel.uuid, profile.name.clone());
    let full = || ApiError::busy("There are as many links to this session as allowed.");
    let over = || ApiError::not_found("No such active connection.");
    let key = if let Some(cluster) = &app.config.cluster {
        let key = ShareKey::random();
        let share = ClusterShare { connection: connection.key, profile: profile.key };
        if !cluster.offer(&key, &uuid, share).await?.ok_or_else(over)? {
            return Err(full());
        }
        key
    } else {
        let offered = app.shares.offer(uuid.clone(), connection, profile, parameters);
        let key = offered.map_err(|TooManyLinks| full())?;
        // It may have ended meanwhile, and then nobody would have revoked the link.
        if app.registry.info(&uuid).is_none() {
            app.shares.revoke(&uuid);
            return Err(over());
        }
        key
    };
    tracing::info!(tunnel = %uuid, username = caller.username(), profile = name, "Link to a session made");
    Ok(Json(CredentialsShape { expected: EXPECTED, values: BTreeMap::from([("key", key.expose().to_owned())]) }))
}

pub(crate) async fn profile(State(app): State<App>, asked: Asked) -> Result<Json<SharingProfileShape>, ApiError> {
    Ok(Json(app.store.sharing_profile(&asked.access, profile_key(asked.path("id"))?).await?.into()))
}

/// Needs UPDATE, as for connections.
pub(crate) async fn parameters(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<BTreeMap<String, String>>, ApiError> {
    let key = profile_key(asked.path("id"))?;
    let parameters = app.store.sharing_profile_parameters(&asked.access, key).await?;
    Ok(Json(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
}
