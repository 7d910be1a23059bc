//! The WebSocket endpoint (T-027 to T-040).

use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::HeaderValue;
use axum::http::header::SEC_WEBSOCKET_VERSION;
use axum::response::{IntoResponse as _, Response};
use guac_tunnel::{UpgradeError, accept_websocket, close_websocket, serve_websocket};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::auth::{Caller, Proof, Token};
use crate::client::Client;
use crate::connect::{self, OpenTunnel, TunnelRequest};
use crate::error::ConnectError;
use crate::state::App;

/// Upgrades first and judges then: a browser's script sees close frames, never HTTP errors (T-036).
pub(crate) async fn websocket_tunnel(
    State(app): State<App>,
    client: Client,
    RawQuery(query): RawQuery,
    mut request: Request,
) -> Response {
    let response = match accept_websocket(request.method(), request.headers()) {
        Ok(response) => response,
        Err(error) => return refusal(error),
    };
    let query = query.unwrap_or_default();
    let proof = Proof::of(request.headers(), Some(&query), client.secure, client.same_origin);
    let upgrade = hyper::upgrade::on(&mut request);
    let tracker = app.tracker.clone();
    tracker.spawn(async move {
        match upgrade.await {
            // On the heap for as long as it is needed: the task of a tunnel lives long, its opening does not.
            Ok(upgraded) => Box::pin(run(&app, TokioIo::new(upgraded), &client, proof.token, &query)).await,
            Err(error) => tracing::debug!(%error, "Connection lost before it became a WebSocket"),
        }
    });
    response.map(|()| Body::empty())
}

fn refusal(error: UpgradeError) -> Response {
    let mut response = (error.http(), error.to_string()).into_response();
    if error == UpgradeError::Version {
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

async fn run<S>(app: &App, io: S, client: &Client, token: Option<Token>, query: &str)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let limits = &app.config.tunnel_limits;
    match Box::pin(open(app, client, token.as_ref(), query)).await {
        Ok(tunnel) => {
            let OpenTunnel { uuid, registration, link, guard } = tunnel;
            match serve_websocket(io, &uuid, link, registration.stopped(), limits).await {
                Ok(ended) => tracing::debug!(tunnel = %uuid, ?ended, "WebSocket ended"),
                Err(error) => tracing::debug!(tunnel = %uuid, %error, "WebSocket cut off"),
            }
            drop((registration, guard));
        }
        Err(error) => {
            tracing::info!(status = %error.status, reason = %error.message, "Tunnel refused");
            close_websocket(io, error.status, limits).await;
        }
    }
}

async fn open(app: &App, client: &Client, token: Option<&Token>, query: &str) -> Result<OpenTunnel, ConnectError> {
    let caller = Caller::identify(app, token).await.map_err(|error| error.of_tunnel())?;
    let request = TunnelRequest::parse(query.as_bytes())?;
    connect::open(app, &caller, client.address, request).await
}
