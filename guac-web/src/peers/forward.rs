//! Requests for tunnels of other nodes, passed on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use guac_protocol::TunnelUuid;
use tokio::sync::OwnedSemaphorePermit;

use super::headers::{self, FromPeer};
use super::pool::PassOnError;
use super::{Peer, Peers};
use crate::client::Client;
use crate::error::ApiError;
use crate::http_tunnel::token_of;
use crate::state::App;

/// Passes a request on to the node that has its tunnel. What is for no tunnel, or for one that is here or nowhere, goes
/// its usual way, and so does what came from another node: a request is passed on once, or never.
pub(crate) async fn forward(State(app): State<App>, request: Request, next: Next) -> Response {
    let tunnel = tunnel_of(&app.config.base_path, request.uri());
    if request.extensions().get::<FromPeer>().is_some() {
        // Another node has no other business here.
        return if tunnel.is_some() { next.run(request).await } else { StatusCode::NOT_FOUND.into_response() };
    }
    let (Some(peers), Some(tunnel)) = (app.peers.get(), tunnel) else {
        return next.run(request).await;
    };
    if is_here(&app, &tunnel, &request) {
        return next.run(request).await;
    }
    let Some(peer) = peers.owner_of(&tunnel.uuid).await else {
        return next.run(request).await;
    };
    let Ok(permit) = Arc::clone(&peers.0.forwards).try_acquire_owned() else {
        tracing::debug!(tunnel = %tunnel.uuid, "Request not passed on: as many as allowed are");
        return ApiError::busy("There are as many requests for other nodes as allowed.").into_response();
    };
    let (parts, body) = request.into_parts();
    match pass_on(&app, peers, &peer, parts.clone(), body, permit).await {
        Ok(response) => {
            if response.status() == StatusCode::NOT_FOUND {
                peers.0.known.forget(&tunnel.uuid);
            }
            response
        }
        Err(error) => {
            tracing::debug!(tunnel = %tunnel.uuid, node = peer.name, %error, "Request not passed on");
            peers.0.known.forget(&tunnel.uuid);
            // A tunnel whose node is lost is no more. It is not here, and the answer is the one for that.
            next.run(Request::from_parts(parts, Body::empty())).await
        }
    }
}

/// Marks an answer that came from another node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassedOn;

/// What a request asks of a tunnel.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    uuid: TunnelUuid,
    /// Whether it is the tunnel itself, which has a secret of its own.
    is_transport: bool,
}

/// The tunnel that a request is for, if it must be answered where that lives.
fn tunnel_of(base_path: &str, uri: &Uri) -> Option<Asked> {
    let path = uri.path().strip_prefix(base_path.trim_end_matches('/'))?;
    let mut parts = path.strip_prefix('/')?.split('/');
    let (uuid, is_transport) = match parts.next()? {
        "tunnel" if parts.next().is_none() => {
            let query = uri.query()?;
            let rest = query.strip_prefix("read:").or_else(|| query.strip_prefix("write:"))?;
            (rest.split(':').next()?, true)
        }
        "api" if parts.next() == Some("session") => match parts.next()? {
            "tunnels" => {
                let uuid = parts.next()?;
                // There is nothing at the tunnel's own address.
                parts.next()?;
                (uuid, false)
            }
            "data" => {
                let (_source, kind) = (parts.next()?, parts.next()?);
                let uuid = parts.next()?;
                let is_share = kind == "activeConnections" && parts.next() == Some("sharingCredentials");
                (is_share.then_some(uuid)?, false)
            }
            _ => return None,
        },
        _ => return None,
    };
    is_uuid(uuid).then(|| uuid.parse().ok()).flatten().map(|uuid| Asked { uuid, is_transport })
}

/// Names of tunnels are random here, in the usual form; what is none is not worth a look into the directory.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Whether this node is the one to answer. The secret of a tunnel selects it, whatever the address names (T-014), and
/// without one there is no answer but ours.
fn is_here(app: &App, tunnel: &Asked, request: &Request) -> bool {
    if tunnel.is_transport {
        let token = token_of(request.headers());
        if token.is_empty() || app.http_tunnels.uuid(token).is_ok() {
            return true;
        }
    }
    app.registry.info(&tunnel.uuid).is_some()
}

async fn pass_on(
    app: &App,
    peers: &Peers,
    peer: &Peer,
    mut parts: Parts,
    body: Body,
    permit: OwnedSemaphorePermit,
) -> Result<Response, PassOnError> {
    let client = match Client::from_request_parts(&mut parts, app).await {
        Ok(client) => client,
        Err(never) => match never {},
    };
    headers::pass_on(&mut parts.headers, &client);
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = parts.headers;
    let mut response = peers.send(peer, request, permit).await?;
    headers::remove_hop_by_hop(response.headers_mut());
    response.extensions_mut().insert(PassedOn);
    Ok(response.map(Body::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "8a3c1d2e-4f50-4b6a-9c7d-0123456789ab";

    fn asked(base: &str, address: &str) -> Option<bool> {
        let asked = tunnel_of(base, &address.replace('U', UUID).parse().unwrap())?;
        assert_eq!(asked.uuid.to_string(), UUID);
        Some(asked.is_transport)
    }

    #[test]
    fn requests_for_a_tunnel_are_told_from_all_others() {
        for (address, expected) in [
            ("/tunnel?read:U:0", Some(true)),
            ("/tunnel?read:U", Some(true)),
            ("/tunnel?write:U", Some(true)),
            ("/tunnel?connect", None),
            ("/tunnel", None),
            ("/tunnel/x?read:U:0", None),
            ("/tunnel?read:no-uuid:0", None),
            ("/api/session/tunnels/U/streams/4/a.txt?token=x", Some(false)),
            ("/api/session/tunnels/U/activeConnection/sharingCredentials/1", Some(false)),
            ("/api/session/tunnels/U", None),
            ("/api/session/tunnels", None),
            ("/api/session/data/mysql/activeConnections/U/sharingCredentials/1", Some(false)),
            ("/api/session/data/mysql/activeConnections/U", None),
            ("/api/session/data/mysql/connections/U/sharingCredentials/1", None),
            ("/api/tokens", None),
            ("/", None),
        ] {
            assert_eq!(asked("/", address), expected, "{address}");
            assert_eq!(asked("", address), expected, "{address}");
            assert_eq!(asked("/guac/", &format!("/guac{address}")), expected, "{address}");
            assert_eq!(asked("/guac", address), None, "{address}");
        }
    }
}
