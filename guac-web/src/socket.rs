//! The WebSocket endpoint (T-027 to T-040).

use std::future::ready;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use guac_protocol::Status;
use guac_tunnel::{Incoming, MAX_MESSAGE_BYTES, Outgoing, SUBPROTOCOL, close_websocket, run_websocket};

use crate::auth::{Caller, Proof, Token};
use crate::client::Client;
use crate::connect::{self, OpenTunnel, TunnelRequest};
use crate::error::ConnectError;
use crate::state::App;

/// Bytes read from a socket at once: input is small, and each tunnel keeps a buffer of this size.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// Small messages of one batch share a write up to this size.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Upgrades first and judges then: a browser's script sees close frames, never HTTP errors (T-036).
pub(crate) async fn websocket_tunnel(
    State(app): State<App>,
    client: Client,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let query = query.unwrap_or_default();
    let proof = Proof::of(&headers, Some(&query), client.secure, client.same_origin);
    let tracker = app.tracker.clone();
    upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .on_upgrade(move |socket| {
            let run = async move { run(&app, socket, &client, proof.token, &query).await };
            tracker.track_future(Box::pin(run))
        })
}

async fn run(app: &App, socket: WebSocket, client: &Client, token: Option<Token>, query: &str) {
    let limits = &app.config.tunnel_limits;
    let (outgoing, incoming) = socket.split();
    let incoming = incoming.map(|message| message.map(incoming_of));
    let outgoing = outgoing.with(|message| ready(message_of(message)));
    match open(app, client, token.as_ref(), query).await {
        Ok(tunnel) => {
            let OpenTunnel { uuid, registration, link, guard } = tunnel;
            let ended = run_websocket(incoming, outgoing, &uuid, link, registration.stopped(), limits).await;
            match ended {
                Ok(ended) => tracing::debug!(tunnel = %uuid, ?ended, "WebSocket ended"),
                Err(error) => tracing::debug!(tunnel = %uuid, %error, "WebSocket cut off"),
            }
            drop((registration, guard));
        }
        Err(error) => {
            tracing::info!(status = %error.status, reason = %error.message, "Tunnel refused");
            close_websocket(incoming, outgoing, error.status, limits).await;
        }
    }
}

async fn open(app: &App, client: &Client, token: Option<&Token>, query: &str) -> Result<OpenTunnel, ConnectError> {
    let denied = |_| ConnectError::new(Status::ClientUnauthorized, "Permission Denied.");
    let caller = Caller::identify(app, token).await.map_err(denied)?;
    let request = TunnelRequest::parse(query.as_bytes())?;
    connect::open(app, &caller, client.address, request).await
}

fn incoming_of(message: Message) -> Incoming {
    match message {
        Message::Text(text) => Incoming::Text(text.into()),
        Message::Binary(_) => Incoming::Binary,
        Message::Ping(_) | Message::Pong(_) => Incoming::Control,
        Message::Close(_) => Incoming::Close,
    }
}

fn message_of(message: Outgoing) -> Result<Message, axum::Error> {
    Ok(match message {
        Outgoing::Text(text) => Message::Text(Utf8Bytes::try_from(text).map_err(axum::Error::new)?),
        Outgoing::Ping => Message::Ping(Bytes::new()),
        Outgoing::Close { code, reason } => Message::Close(Some(CloseFrame { code, reason: reason.into() })),
    })
}
