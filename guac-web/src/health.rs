//! What a load balancer or a supervisor asks.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::timeout;

use crate::state::App;

/// An answer of the database that takes longer is none: who asks has a deadline of his own.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// The process lives.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// New logins and tunnels are welcome: not draining, and the database answers.
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    match timeout(PING_TIMEOUT, app.store.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "database not available\n"),
    }
}
