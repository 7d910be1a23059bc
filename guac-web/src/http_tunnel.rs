//! The HTTP tunnel endpoint (T-012 to T-026).

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{RawQuery, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use guac_protocol::{Status, TunnelUuid};
use guac_tunnel::TunnelToken;
use tokio::sync::oneshot;
use url::form_urlencoded;

use crate::auth::{Caller, Proof, Token};
use crate::client::Client;
use crate::connect::{self, OpenTunnel, TunnelRequest};
use crate::error::ConnectError;
use crate::state::App;

const TOKEN: HeaderName = HeaderName::from_static("guacamole-tunnel-token");
const STATUS: HeaderName = HeaderName::from_static("guacamole-status-code");
const MESSAGE: HeaderName = HeaderName::from_static("guacamole-error-message");

/// Tells nginx to pass a read on as it comes instead of collecting it first.
const NO_BUFFERING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// Longest form of a connect request; real ones have some hundred bytes.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// A form must be whole by then.
const FORM_TIMEOUT: Duration = Duration::from_secs(15);

/// Dispatches by the raw query (T-012).
pub(crate) async fn http_tunnel(
    State(app): State<App>,
    client: Client,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let query = query.unwrap_or_default();
    let body = request.into_body();
    let done = if query == "connect" {
        connect(app, client, &headers, body).await
    } else if query.starts_with("read:") {
        read(&app, &headers)
    } else if query.starts_with("write:") {
        write(&app, &headers, body).await
    } else {
        Err(ConnectError::new(Status::ClientBadRequest, "The tunnel request names no operation."))
    };
    done.unwrap_or_else(refusal)
}

/// How the tunnel reports an error (T-020).
fn refusal(error: ConnectError) -> Response {
    let http = StatusCode::from_u16(error.status.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = HeaderValue::try_from(&*error.message).unwrap_or(HeaderValue::from_static("Error."));
    let status = HeaderValue::from(error.status.code());
    (http, [(STATUS, status), (MESSAGE, message), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))])
        .into_response()
}

async fn connect(app: App, client: Client, headers: &HeaderMap, body: Body) -> Result<Response, ConnectError> {
    let too_late = |_| ConnectError::new(Status::ClientTimeout, "The tunnel request did not come in time.");
    let too_long = |_| ConnectError::new(Status::ClientOverrun, "The tunnel request is too long.");
    let form = to_bytes(body, MAX_FORM_BYTES);
    let form = tokio::time::timeout(FORM_TIMEOUT, form).await.map_err(too_late)?.map_err(too_long)?;
    let in_form = form_urlencoded::parse(&form).find(|(name, value)| name == "token" && !value.is_empty());
    let in_form = in_form.map(|(_, value)| Token::given(&value));
    let token = in_form.or(Proof::of(headers, None, client.secure, client.same_origin).token);
    let (tell, told) = oneshot::channel();
    // A task of its own: a client that gives up must not leave a half-opened tunnel behind.
    let task = {
        let app = app.clone();
        async move {
            match open(&app, &client, token.as_ref(), &form).await {
                Ok(tunnel) => live(&app, tunnel, tell).await,
                // He is gone if he does not listen any more.
                Err(error) => drop(tell.send(Err(error))),
            }
        }
    };
    app.tracker.spawn(task);
    let gone = |_| ConnectError::new(Status::ServerError, "Internal server error.");
    let (uuid, token) = told.await.map_err(gone)??;
    let mut secret = HeaderValue::try_from(token.expose())
        .map_err(|_| ConnectError::new(Status::ServerError, "Internal server error."))?;
    secret.set_sensitive(true);
    Ok(([(TOKEN, secret), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))], uuid.to_string()).into_response())
}

async fn open(app: &App, client: &Client, token: Option<&Token>, form: &[u8]) -> Result<OpenTunnel, ConnectError> {
    let caller = Caller::identify(app, token).await.map_err(|error| error.of_tunnel())?;
    let request = TunnelRequest::parse(form)?;
    connect::open(app, &caller, client.address, request).await
}

/// Tells the client the names of his tunnel and lets it live.
async fn live(app: &App, tunnel: OpenTunnel, tell: oneshot::Sender<Result<(TunnelUuid, TunnelToken), ConnectError>>) {
    let OpenTunnel { uuid, registration, link, guard } = tunnel;
    let (token, life) = app.http_tunnels.open(uuid.clone(), link);
    if tell.send(Ok((uuid.clone(), token))).is_ok() {
        match life.run(registration.stopped()).await {
            Ok(ended) => tracing::debug!(tunnel = %uuid, ?ended, "HTTP tunnel ended"),
            Err(error) => tracing::debug!(tunnel = %uuid, %error, "HTTP tunnel cut off"),
        }
    }
    drop((registration, guard));
}

/// The secret that selects the tunnel of a request; empty without one.
pub(crate) fn token_of(headers: &HeaderMap) -> &str {
    headers.get(TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn read(app: &App, headers: &HeaderMap) -> Result<Response, ConnectError> {
    let instructions = app.http_tunnels.read(token_of(headers))?;
    let body = Body::from_stream(instructions.map(Ok::<_, Infallible>));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        NO_BUFFERING,
    ];
    Ok((headers, body).into_response())
}

async fn write(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, ConnectError> {
    app.http_tunnels.write(token_of(headers), body.into_data_stream()).await?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))], Body::empty()).into_response())
}
