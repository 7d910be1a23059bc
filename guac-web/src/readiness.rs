//! Whether new tunnels are welcome here, and if not, why.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::peers::PassedOn;
use crate::state::App;

/// Whether the application takes new tunnels. Any number of causes may hold it back, each by a guard of its own, so
/// that none lifts what another has put there. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<Mutex<Holds>>);

#[derive(Default)]
struct Holds {
    next: u64,
    /// The oldest first.
    reasons: Vec<(u64, Cow<'static, str>)>,
}

impl Readiness {
    pub(crate) fn is_ready(&self) -> bool {
        self.holds().reasons.is_empty()
    }

    /// Why not; empty while it is ready.
    pub(crate) fn reasons(&self) -> Vec<Cow<'static, str>> {
        self.holds().reasons.iter().map(|(_, reason)| reason.clone()).collect()
    }

    pub(crate) fn hold(&self, reason: Cow<'static, str>) -> NotReady {
        let mut holds = self.holds();
        let key = holds.next;
        holds.next += 1;
        holds.reasons.push((key, reason));
        NotReady { readiness: self.clone(), key }
    }

    /// Nothing panics while it holds this lock.
    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While this lives, [`WebApp`](crate::WebApp) takes no new tunnels; dropping it lifts that again.
#[must_use = "dropping it makes the application ready again"]
pub struct NotReady {
    readiness: Readiness,
    key: u64,
}

impl Drop for NotReady {
    fn drop(&mut self) {
        self.readiness.holds().reasons.retain(|(key, _)| *key != self.key);
    }
}

impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotReady").field("key", &self.key).finish_non_exhaustive()
    }
}

/// While no new tunnels are taken, lets go of connections after each answer, so that the browser's next request goes
/// where the balancer leads. Not of those that carry a tunnel that lives here: its requests are best off here.
pub(crate) async fn let_go(State(app): State<App>, request: Request, next: Next) -> Response {
    let carries_a_tunnel =
        request.uri().query().is_some_and(|query| query.starts_with("read:") || query.starts_with("write:"));
    let mut response = next.run(request).await;
    let carries_a_tunnel = carries_a_tunnel && response.extensions().get::<PassedOn>().is_none();
    if !app.readiness.is_ready() && !carries_a_tunnel && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_again_when_the_last_of_several_causes_is_gone() {
        let readiness = Readiness::default();
        assert!(readiness.is_ready());
        let first = readiness.hold("maintenance".into());
        let second = readiness.hold("stopping".into());
        assert_eq!(readiness.reasons(), ["maintenance", "stopping"]);
        drop(first);
        assert!(!readiness.is_ready());
        assert_eq!(readiness.reasons(), ["stopping"]);
        drop(second);
        assert!(readiness.is_ready());
    }
}
