//! `GATEWAY_TOKEN=secret gateway 127.0.0.1:8080 127.0.0.1 4822 PAGES ssh hostname=server` serves the files in PAGES; the
//! WebSocket `/tunnel?token=secret&width=1024&height=768` opens the machine through the guacd at port 4822.
use std::{collections::BTreeMap, future::pending, io, sync::Arc};

use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, body::Body, routing::get, serve::ListenerExt as _};
use guac_protocol::{ClientInfo, Selection, Status, TunnelUuid};
use guac_tunnel::{GuacdHost, OpenError, OpenRequest, Opened, SessionHost as _, TunnelLimits};

struct Gateway {
    guacd: GuacdHost,
    token: String,
    machine: (String, BTreeMap<String, String>),
    tunnels: tokio_util::task::TaskTracker,
}

/// Your own rules: who may open what. Here, whoever knows the token gets the one machine there is.
async fn open(gateway: &Gateway, asked: &BTreeMap<String, String>) -> Result<Opened, OpenError> {
    if asked.get("token") != Some(&gateway.token) {
        return Err(OpenError::new(Status::ClientUnauthorized, "Who are you?"));
    }
    let pixels = |name, default| asked.get(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    let (width_px, height_px, dpi) = (pixels("width", 1024), pixels("height", 768), 96);
    let info = ClientInfo { width_px, height_px, dpi, ..ClientInfo::default() };
    let (protocol, params) = gateway.machine.clone();
    gateway.guacd.open(OpenRequest { selection: Selection::Protocol(protocol), info, params }).await
}

type Asked = Query<BTreeMap<String, String>>;
async fn tunnel(State(gateway): State<Arc<Gateway>>, Query(asked): Asked, mut request: Request) -> Response {
    let answer = match guac_tunnel::accept_websocket(request.method(), request.headers()) {
        Ok(answer) => answer.map(|()| Body::empty()),
        Err(error) => return (error.http(), error.to_string()).into_response(),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    gateway.tunnels.clone().spawn(async move {
        let Ok(io) = upgrade.await.map(hyper_util::rt::TokioIo::new) else { return };
        let (uuid, limits) = (TunnelUuid::from_random(rand::random()), TunnelLimits::default());
        match Box::pin(open(&gateway, &asked)).await {
            Ok(Opened { link, .. }) => drop(guac_tunnel::serve_websocket(io, &uuid, link, pending(), &limits).await),
            Err(error) => guac_tunnel::close_websocket(io, error.status, &limits).await,
        }
    });
    answer
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let [listen, host, port, pages, protocol, params @ ..] = &*std::env::args().skip(1).collect::<Vec<_>>() else {
        return Err(io::Error::other("usage: gateway LISTEN GUACD-HOST GUACD-PORT PAGES PROTOCOL [NAME=VALUE]..."));
    };
    let params = params.iter().filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.into(), value.into())));
    let guacd = GuacdHost::new(host, port.parse().map_err(io::Error::other)?, TunnelLimits::default());
    let token = std::env::var("GATEWAY_TOKEN").map_err(io::Error::other)?;
    let state = Gateway { guacd, token, machine: (protocol.clone(), params.collect()), tunnels: Default::default() };
    let router = Router::new().route("/tunnel", get(tunnel)).with_state(Arc::new(state));
    let listener = tokio::net::TcpListener::bind(listen).await?.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router.fallback_service(tower_http::services::ServeDir::new(pages))).await
}
