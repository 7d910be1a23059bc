//! Logging in and out.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use guac_auth_mysql::{AuthenticatedUser, LoginError, StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::time::sleep_until;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::auth::{Proof, Session, Token, session_cookie};
use crate::client::Client;
use crate::connect::shared_source;
use crate::error::{ApiError, Field};
use crate::shares::ShareKey;
use crate::state::App;

/// Longest login form; real ones have some hundred bytes, single sign-on some thousand.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// What a client sends to log in.
#[derive(Default)]
struct Form {
    username: Option<String>,
    password: Option<SecretString>,
    token: Option<Token>,
    new_password: Option<SecretString>,
    confirmed_password: Option<SecretString>,
    /// A link that was followed (T-067).
    key: Option<ShareKey>,
}

impl Form {
    fn parse(encoded: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            match &*name {
                "username" => form.username = Some(value.into_owned()),
                "password" => form.password = Some(value.into_owned().into()),
                "token" if !value.is_empty() => form.token = Some(Token::given(&value)),
                "new-password" => form.new_password = Some(value.into_owned().into()),
                "key" if !value.is_empty() => form.key = Some(ShareKey::given(&value)),
                "confirm-new-password" => form.confirmed_password = Some(value.into_owned().into()),
                _ => {}
            }
        }
        form
    }

    /// HTTP Basic counts where the form has neither name nor password.
    fn or_basic(mut self, headers: &HeaderMap) -> Self {
        if self.username.is_none()
            && self.password.is_none()
            && let Some((username, password)) = basic_credentials(headers)
        {
            self.username = Some(username);
            self.password = Some(password);
        }
        self
    }
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, SecretString)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(base64_simd::STANDARD.decode_to_vec(encoded.trim()).ok()?);
    let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((username.to_owned(), password.into()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoginShape<'a> {
    auth_token: &'a str,
    username: &'a str,
    data_source: &'a str,
    available_data_sources: &'a [&'a str],
}

/// `POST tokens`: with credentials a login; without, the question whether the login still lives.
///
/// A client that sends the header `Guacamole-Cookie: 1` is our own page: it gets the token as a cookie no script can
/// read, and an empty one in the body.
pub(crate) async fn login(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let encoded = to_bytes(body, MAX_FORM_BYTES).await.map_err(|_| ApiError::too_large())?;
    let mut form = Form::parse(&encoded).or_basic(&headers);
    drop(encoded);
    let proof = Proof::of(&headers, None, client.secure, false);
    let token = form.token.take().or(proof.token);
    let known = match &token {
        Some(token) => app.find_login(token).await?,
        None => None,
    };

    let cookie = proof.own_page.then_some(client.secure);
    let share = match form.key.take() {
        Some(key) => app.find_share(&key).await?.map(|share| share.key.clone()),
        None => None,
    };
    let (Some(username), Some(password)) = (form.username.take(), form.password.take()) else {
        // Cheap, for the stock page asks on every change of route.
        let (mut session, token) = match known.zip(token) {
            Some((session, token)) => (still_valid(&app, session).await?, token),
            None if share.is_some() => begin_without_account(&app, &client).await?,
            None => return Err(ApiError::invalid_credentials()),
        };
        if let Some(key) = share {
            session = app.follow_link(session, key).await?;
        }
        return Ok(answer(&app, &session, &token, cookie));
    };
    refuse_while_draining(&app)?;
    let user = authenticate(&app, &client, &username, &password, &form).await?;
    let same = |known: &Arc<Session>| known.user.as_ref().is_some_and(|known| known.key == user.key);
    let renewed = known.clone().filter(same).zip(token);
    let (token, mut session) = match renewed {
        Some((known, token)) => {
            let session = app.renew_login(&known, user, password).await?;
            (token, session)
        }
        None => begin(&app, &client, user, password).await?,
    };
    if let Some(key) = share {
        session = app.follow_link(session, key).await?;
    }
    if let Some(other) = known.filter(|known| known.key != session.key && proof.own_page) {
        // The browser forgets the old cookie with this answer, so nobody could end that login any more.
        app.end_session(other.key);
    }
    Ok(answer(&app, &session, &token, cookie))
}

/// A login whose account may not be used any more ends with the question.
async fn still_valid(app: &App, session: Arc<Session>) -> Result<Arc<Session>, ApiError> {
    let Some(user) = &session.user else { return Ok(session) };
    match app.store.access(user.key, SystemTime::now()).await {
        Ok(_) => Ok(session),
        Err(StoreError::NotFound { .. } | StoreError::Denied) => {
            app.end_session(session.key);
            Err(ApiError::invalid_credentials())
        }
        // A database that is away ends nobody's login.
        Err(error) => Err(error.into()),
    }
}

fn refuse_while_draining(app: &App) -> Result<(), ApiError> {
    if app.draining.is_cancelled() { Err(ApiError::busy("The server is about to restart.")) } else { Ok(()) }
}

/// Lets somebody in who has a link and nothing else (T-069). There is no row of history: nobody logged in.
async fn begin_without_account(app: &App, client: &Client) -> Result<(Arc<Session>, Token), ApiError> {
    refuse_while_draining(app)?;
    let (token, password) = (Token::random(), SecretString::default());
    let seal = match &app.config.cluster {
        Some(cluster) => Some(cluster.open_login(&token, None, &password, &client.address.to_string()).await?.1),
        None => None,
    };
    let session = enter(app, Session::new(token.key(), None, password, None, seal, Vec::new()))?;
    tracing::info!(peer = %client.address, "Login by a link began");
    Ok((session, token))
}

async fn authenticate(
    app: &App,
    client: &Client,
    username: &str,
    password: &SecretString,
    form: &Form,
) -> Result<AuthenticatedUser, ApiError> {
    let start = app.throttle.book(username, client.address).map_err(|_| {
        tracing::warn!(peer = %client.address, "Login attempt turned away");
        ApiError::too_many_attempts()
    })?;
    sleep_until(start).await;
    let now = SystemTime::now();
    let mut done = app.store.authenticate(username, password, now).await;
    if let (Err(LoginError::PasswordExpired), Some(new)) = (&done, &form.new_password) {
        app.throttle.succeeded(username, client.address);
        check_new_password(password, new, form.confirmed_password.as_ref())?;
        done = app.store.change_expired_password(username, password, new, now).await;
    }
    match done {
        Ok(user) => {
            app.throttle.succeeded(username, client.address);
            Ok(user)
        }
        Err(LoginError::InvalidCredentials) => {
            app.throttle.failed(username, client.address);
            // The name is left out: people type their password there.
            tracing::info!(peer = %client.address, "Login refused");
            Err(ApiError::invalid_credentials())
        }
        Err(LoginError::NotValid) => Err(ApiError::refused("LOGIN.ERROR_NOT_VALID", "The account is not valid today.")),
        Err(LoginError::NotAccessible) => {
            Err(ApiError::refused("LOGIN.ERROR_NOT_ACCESSIBLE", "The account may not be used at this hour."))
        }
        Err(LoginError::PasswordExpired) => {
            Err(expired("LOGIN.INFO_PASSWORD_EXPIRED", "The password has expired and must be changed."))
        }
        Err(LoginError::Store(error)) => Err(error.into()),
        Err(_) => Err(ApiError::internal()),
    }
}

fn expired(key: &'static str, message: &'static str) -> ApiError {
    let fields = vec![Field::new("new-password", "PASSWORD"), Field::new("confirm-new-password", "PASSWORD")];
    ApiError::insufficient(key, message, fields)
}

///
fn check_new_password(
    old: &SecretString,
    new: &SecretString,
    confirmed: Option<&SecretString>,
) -> Result<(), ApiError> {
    let new = new.expose_secret();
    if new == old.expose_secret() {
        return Err(expired("LOGIN.ERROR_PASSWORD_SAME", "The new password must differ from the old one."));
    }
    if new.is_empty() {
        return Err(expired("LOGIN.ERROR_PASSWORD_BLANK", "The new password must not be blank."));
    }
    if confirmed.is_none_or(|confirmed| confirmed.expose_secret() != new) {
        return Err(expired("LOGIN.ERROR_PASSWORD_MISMATCH", "The new passwords do not match."));
    }
    Ok(())
}

async fn begin(
    app: &App,
    client: &Client,
    user: AuthenticatedUser,
    password: SecretString,
) -> Result<(Token, Arc<Session>), ApiError> {
    let remote_host = client.address.to_string();
    // In a task of its own: a client that gives up must not leave a row open that nobody knows.
    let (tell, told) = tokio::sync::oneshot::channel();
    let task = {
        let (app, user) = (app.clone(), user.clone());
        async move {
            let done = open_login(&app, user, password, &remote_host).await;
            if let Err(Ok((_, session))) = tell.send(done) {
                app.end_session(session.key);
            }
        }
    };
    app.tracker.spawn(task);
    let entered = told.await.map_err(|_| ApiError::internal())??;
    tracing::info!(username = user.name, peer = %client.address, "Login began");
    Ok(entered)
}

/// Notes a login with its row of history, for all nodes where there are several.
async fn open_login(
    app: &App,
    user: AuthenticatedUser,
    password: SecretString,
    remote_host: &str,
) -> Result<(Token, Arc<Session>), ApiError> {
    let token = Token::random();
    let (record, seal) = match &app.config.cluster {
        Some(cluster) => {
            let (record, seal) = cluster.open_login(&token, Some(&user), &password, remote_host).await?;
            (record, Some(seal))
        }
        None => {
            let (key, begun) = (Some(user.key), SystemTime::now());
            let record = app.store.open_login_record(key, &user.name, Some(remote_host), begun).await?;
            (Some(record.key), None)
        }
    };
    let session = enter(app, Session::new(token.key(), Some(user), password, record, seal, Vec::new()))?;
    Ok((token, session))
}

fn enter(app: &App, session: Session) -> Result<Arc<Session>, ApiError> {
    let (key, record) = (session.key, session.record);
    app.sessions.insert(session).map_err(|_| {
        app.close_login(key, record);
        ApiError::busy("There are as many logins as this server allows.")
    })
}

/// `cookie`: whether our own page gets one, and whether over TLS. A renewed login in a cookie keeps it.
fn answer(app: &App, session: &Session, token: &Token, cookie: Option<bool>) -> Response {
    let (own, shared) = (app.config.data_source.as_str(), shared_source(&app.config.data_source));
    let shared = shared.as_str();
    let sources: &[&str] = match (&session.user, session.shares().is_empty()) {
        (None, _) => &[shared],
        (Some(_), false) => &[own, shared],
        (Some(_), true) => &[own],
    };
    let hidden = cookie.is_some();
    let shape = LoginShape {
        auth_token: if hidden { "" } else { token.expose() },
        username: session.username(),
        data_source: sources.first().copied().unwrap_or(own),
        available_data_sources: sources,
    };
    let mut response = Json(shape).into_response();
    if let Some(value) = cookie.and_then(|secure| session_cookie(token, secure)) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

/// `DELETE tokens/{token}`: the token in the path is proof enough.
pub(crate) async fn revoke(State(app): State<App>, Path(token): Path<String>) -> Result<StatusCode, ApiError> {
    let session = app.find_login(&Token::given(&token)).await?;
    if session.is_some_and(|session| app.end_session(session.key)) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("No such token."))
    }
}
