//! What a load balancer or a supervisor asks.

use axum::extract::State;
use axum::http::StatusCode;

use crate::state::App;

/// The process lives.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether new logins and tunnels are welcome; if not, why.
///
/// That the answer comes proves the listener, its TLS and the runtime. The database is not asked: all nodes have the
/// same one, so its failover would take all of them from the balancer at once, with sessions that do not need it.
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    let mut reasons = app.readiness.reasons();
    if app.draining.is_cancelled() && reasons.is_empty() {
        reasons.push("stopping".into());
    }
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reasons.join(", ")))
}
