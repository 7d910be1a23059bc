//! Users and user groups, as far as they are read, and one's own password.

use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use guac_auth_mysql::{HistoryQuery, Holder, LoginError, ObjectPermission, Permission, PermissionSet, User};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::sleep_until;

use super::active;
use super::data::{self, Asked, Body};
use super::shapes::{LoginShape, PermissionsShape, UserGroupShape, UserShape};
use crate::auth::Caller;
use crate::client::Client;
use crate::error::ApiError;
use crate::state::App;

/// Restrictions are for those who administer the account (D-110).
async fn shape(app: &App, caller: &Caller, user: User) -> Result<UserShape, ApiError> {
    let administer = Permission::User(user.name.clone(), ObjectPermission::Administer);
    let restrictions = app.store.has_permission(&caller.access, &administer).await?;
    Ok(UserShape::new(user, restrictions))
}

pub(crate) async fn own(State(app): State<App>, asked: Asked) -> Result<Json<UserShape>, ApiError> {
    let user = app.store.user(&asked.access, asked.username()).await?;
    Ok(Json(shape(&app, &asked, user).await?))
}

pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Result<Json<BTreeMap<String, UserShape>>, ApiError> {
    let all = app.store.users(&asked.access, &asked.permissions()?).await?;
    let administered = app.store.users(&asked.access, &[ObjectPermission::Administer]).await?;
    let administered: std::collections::BTreeSet<String> = administered.into_iter().map(|user| user.name).collect();
    let shapes = all.into_iter().map(|user| {
        let restrictions = administered.contains(&user.name);
        (user.name.clone(), UserShape::new(user, restrictions))
    });
    Ok(Json(shapes.collect()))
}

pub(crate) async fn one(State(app): State<App>, asked: Asked) -> Result<Json<UserShape>, ApiError> {
    let user = app.store.user(&asked.access, asked.path("name")).await?;
    Ok(Json(shape(&app, &asked, user).await?))
}

/// With permissions on live connections where they are the caller's own: nobody else's are known.
async fn shaped(
    app: &App,
    caller: &Caller,
    set: &PermissionSet,
    own: bool,
) -> Result<Json<PermissionsShape>, ApiError> {
    let live = if own { active::visible(app, caller).await? } else { Vec::new() };
    let live = live.into_iter().map(|tunnel| (tunnel.uuid.to_string(), active::privileged(caller, &tunnel)));
    Ok(Json(PermissionsShape::new(set, live)))
}

async fn direct(app: &App, caller: &Caller, holder: Holder, own: bool) -> Result<Json<PermissionsShape>, ApiError> {
    let set = app.store.direct_permissions(&caller.access, &holder).await?;
    shaped(app, caller, &set, own).await
}

async fn effective(app: &App, caller: &Caller, name: &str) -> Result<Json<PermissionsShape>, ApiError> {
    let set = app.store.effective_permissions(&caller.access, name).await?;
    shaped(app, caller, &set, name == caller.username()).await
}

pub(crate) async fn own_permissions(State(app): State<App>, asked: Asked) -> Result<Json<PermissionsShape>, ApiError> {
    direct(&app, &asked, Holder::User(asked.username().to_owned()), true).await
}

pub(crate) async fn own_effective_permissions(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<PermissionsShape>, ApiError> {
    effective(&app, &asked, asked.username()).await
}

pub(crate) async fn permissions(State(app): State<App>, asked: Asked) -> Result<Json<PermissionsShape>, ApiError> {
    let name = asked.path("name").to_owned();
    let own = name == asked.username();
    direct(&app, &asked, Holder::User(name), own).await
}

pub(crate) async fn effective_permissions(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<PermissionsShape>, ApiError> {
    effective(&app, &asked, asked.path("name")).await
}

pub(crate) async fn group_permissions(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<PermissionsShape>, ApiError> {
    direct(&app, &asked, Holder::UserGroup(asked.path("name").to_owned()), false).await
}

async fn groups_of(app: &App, caller: &Caller, holder: Holder) -> Result<Json<Vec<String>>, ApiError> {
    Ok(Json(app.store.groups_of(&caller.access, &holder).await?))
}

pub(crate) async fn own_groups(State(app): State<App>, asked: Asked) -> Result<Json<Vec<String>>, ApiError> {
    groups_of(&app, &asked, Holder::User(asked.username().to_owned())).await
}

pub(crate) async fn groups(State(app): State<App>, asked: Asked) -> Result<Json<Vec<String>>, ApiError> {
    groups_of(&app, &asked, Holder::User(asked.path("name").to_owned())).await
}

pub(crate) async fn group_groups(State(app): State<App>, asked: Asked) -> Result<Json<Vec<String>>, ApiError> {
    groups_of(&app, &asked, Holder::UserGroup(asked.path("name").to_owned())).await
}

async fn history_of(app: &App, caller: &Caller, name: &str) -> Result<Json<Vec<LoginShape>>, ApiError> {
    // 404 where the user is not to be known of.
    app.store.user(&caller.access, name).await?;
    let query = HistoryQuery { username: Some(name.to_owned()), ..HistoryQuery::default() };
    let entries = app.store.login_history(&caller.access, &query).await?;
    Ok(Json(entries.into_iter().map(LoginShape::from).collect()))
}

pub(crate) async fn own_history(State(app): State<App>, asked: Asked) -> Result<Json<Vec<LoginShape>>, ApiError> {
    history_of(&app, &asked, asked.username()).await
}

pub(crate) async fn history(State(app): State<App>, asked: Asked) -> Result<Json<Vec<LoginShape>>, ApiError> {
    history_of(&app, &asked, asked.path("name")).await
}

pub(crate) async fn all_groups(
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<BTreeMap<String, UserGroupShape>>, ApiError> {
    let all = app.store.user_groups(&asked.access, &asked.permissions()?).await?;
    Ok(Json(all.into_iter().map(|group| (group.name.clone(), group.into())).collect()))
}

pub(crate) async fn group(State(app): State<App>, asked: Asked) -> Result<Json<UserGroupShape>, ApiError> {
    Ok(Json(app.store.user_group(&asked.access, asked.path("name")).await?.into()))
}

pub(crate) async fn member_users(State(app): State<App>, asked: Asked) -> Result<Json<Vec<String>>, ApiError> {
    let members = app.store.group_members(&asked.access, asked.path("name")).await?;
    let users = members.into_iter().filter_map(|member| match member {
        Holder::User(name) => Some(name),
        Holder::UserGroup(_) => None,
    });
    Ok(Json(users.collect()))
}

pub(crate) async fn member_groups(State(app): State<App>, asked: Asked) -> Result<Json<Vec<String>>, ApiError> {
    let members = app.store.group_members(&asked.access, asked.path("name")).await?;
    let groups = members.into_iter().filter_map(|member| match member {
        Holder::UserGroup(name) => Some(name),
        Holder::User(_) => None,
    });
    Ok(Json(groups.collect()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PasswordChange {
    old_password: Box<str>,
    new_password: Box<str>,
}

pub(crate) async fn own_password(
    State(app): State<App>,
    client: Client,
    asked: Asked,
    body: Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    change_password(&app, &client, &asked, asked.username(), body).await
}

pub(crate) async fn password(
    State(app): State<App>,
    client: Client,
    asked: Asked,
    body: Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    change_password(&app, &client, &asked, asked.path("name"), body).await
}

/// Takes the old password, too, which is guessed no faster here than at login.
async fn change_password(
    app: &App,
    client: &Client,
    caller: &Caller,
    name: &str,
    body: Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    let change = data::body(body)?;
    let old = SecretString::from(change.old_password);
    let new = SecretString::from(change.new_password);
    let start = app.throttle.book(name, client.address).map_err(|_| ApiError::too_many_attempts())?;
    sleep_until(start).await;
    let now = SystemTime::now();
    match app.store.authenticate(name, &old, now).await {
        Ok(_) => app.throttle.succeeded(name, client.address),
        Err(LoginError::Store(error)) => return Err(error.into()),
        Err(_) => {
            app.throttle.failed(name, client.address);
            return Err(ApiError::denied());
        }
    }
    app.store.set_password(&caller.access, name, &new, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
