//! What all requests about a data source have in common.

use std::collections::HashMap;
use std::ops::Deref;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use guac_auth_mysql::ObjectPermission;
use url::form_urlencoded;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::App;

/// A caller who asks about a data source that is there, with the path's and the query's parameters.
pub(crate) struct Asked {
    caller: Caller,
    path: HashMap<String, String>,
    query: Vec<(String, String)>,
}

impl Deref for Asked {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Asked {
    /// A parameter of the path, decoded. Empty if the route has none of that name.
    pub(crate) fn path(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// All values of a parameter of the query.
    pub(crate) fn query<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The repeated `permission` filter: objects on which any of them is held.
    pub(crate) fn permissions(&self) -> Result<Vec<ObjectPermission>, ApiError> {
        let parse = |word: &str| word.parse().map_err(|_| ApiError::bad_request("Unknown permission."));
        self.query("permission").map(parse).collect()
    }
}

impl FromRequestParts<App> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        // A path that is not UTF-8 once decoded names nothing.
        let Path(path) = Path::<HashMap<String, String>>::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::not_found("Not found."))?;
        let query = parts.uri.query().unwrap_or_default();
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let asked = Self { caller, path, query };
        let source = asked.path("ds");
        // Whoever came by a link alone has nothing to do with accounts.
        if source == app.config.data_source && asked.session.user.is_some() {
            return Ok(asked);
        }
        let name: String = source.chars().take(64).collect();
        Err(ApiError::not_found(format!("Session not associated with authentication provider \"{name}\".")))
    }
}

/// A request body, or what is wrong with it.
pub(crate) type Body<T> = Result<Json<T>, JsonRejection>;

/// Unwraps a body. What exactly is wrong with one is not told: it may have secrets in it.
pub(crate) fn body<T>(body: Body<T>) -> Result<T, ApiError> {
    match body {
        Ok(Json(value)) => Ok(value),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(ApiError::too_large()),
        Err(_) => Err(ApiError::bad_request("Malformed request.")),
    }
}
