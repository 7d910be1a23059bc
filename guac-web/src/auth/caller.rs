//! How a request proves who sends it.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use guac_auth_mysql::{Access, StoreError, UserKey};
use url::form_urlencoded;

use super::cookie::token_in_cookie;
use super::session::{Session, Token};
use crate::client::Client;
use crate::error::ApiError;
use crate::state::App;

/// The header of token clients.
const TOKEN_HEADER: &str = "guacamole-token";

/// The header our own page sends along. No other origin can: it would need our leave first, and gets none.
pub(crate) const COOKIE_HEADER: &str = "guacamole-cookie";

/// What a request shows.
pub(crate) struct Proof {
    /// By header, query or cookie, in this order.
    pub(crate) token: Option<Token>,
    /// Whether our own page asks, with its header.
    pub(crate) own_page: bool,
}

impl Proof {
    /// Reads it. A cookie alone proves nothing, for browsers send it along whoever asks: it takes our page's header,
    /// or, where a request cannot have headers, `same_origin`.
    pub(crate) fn of(headers: &HeaderMap, query: Option<&str>, secure: bool, same_origin: bool) -> Self {
        let own_page = headers.get(COOKIE_HEADER).is_some_and(|value| value == "1");
        let header = headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
        let token = header
            .map(Token::given)
            .or_else(|| token_in_query(query))
            .or_else(|| (own_page || same_origin).then(|| token_in_cookie(headers, secure)).flatten());
        Self { token, own_page }
    }
}

fn token_in_query(query: Option<&str>) -> Option<Token> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(name, value)| name == "token" && !value.is_empty()).map(|(_, value)| Token::given(&value))
}

/// Somebody logged in, with what he may do at this moment; perhaps by a link and without an account.
pub(crate) struct Caller {
    pub(crate) session: Arc<Session>,
    pub(crate) access: Access,
}

impl Caller {
    /// Who the token belongs to. A login whose account is gone, disabled or outside its hours ends here.
    pub(crate) async fn identify(app: &App, token: Option<&Token>) -> Result<Self, ApiError> {
        let session = Self::login(app, token).await?;
        let Some(user) = &session.user else {
            return Ok(Self { session, access: Access::nobody() });
        };
        match app.store.access(user.key, SystemTime::now()).await {
            Ok(access) => Ok(Self { session, access }),
            Err(StoreError::NotFound { .. }) => {
                app.end_session(session.key);
                Err(ApiError::denied())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The login alone, of one who asks for what is open already and ends with it. Needs no database where the login
    /// is known here: the account is looked at now and then, as for the tunnel itself.
    pub(crate) async fn login(app: &App, token: Option<&Token>) -> Result<Arc<Session>, ApiError> {
        let found = match token {
            Some(token) => app.find_login(token).await?,
            None => None,
        };
        found.ok_or_else(ApiError::denied)
    }

    /// The name as stored, empty for those without an account.
    pub(crate) fn username(&self) -> &str {
        self.session.username()
    }

    /// The account, if there is one.
    pub(crate) fn user(&self) -> Option<UserKey> {
        self.session.user.as_ref().map(|user| user.key)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let client = match Client::from_request_parts(parts, app).await {
            Ok(client) => client,
            Err(never) => match never {},
        };
        let proof = Proof::of(&parts.headers, parts.uri.query(), client.secure, false);
        Self::identify(app, proof.token.as_ref()).await
    }
}
