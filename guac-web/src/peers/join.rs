//! Joins: of sessions of other nodes, and of ours by them.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use guac_protocol::{ConnectionId, Selection, Status};
use guac_tunnel::{OpenError, OpenRequest, Opened, SessionHost, open_guacd};

use super::identity::ALPN_GUACD;
use super::{Peer, Peers, dial};
use crate::state::App;

/// The sessions of other nodes, for joining.
pub(super) struct PeerHost {
    peers: Peers,
    nodes: Vec<Peer>,
}

impl PeerHost {
    pub(super) fn new(peers: Peers, nodes: Vec<Peer>) -> Self {
        Self { peers, nodes }
    }

    /// Joins at the first node that has the session.
    async fn join(&self, request: OpenRequest) -> Result<Opened, OpenError> {
        let mut last = OpenError::no_such_connection();
        for node in &self.nodes {
            let OpenRequest { selection, info, params } = &request;
            let request = OpenRequest { selection: selection.clone(), info: info.clone(), params: params.clone() };
            match self.join_at(node, request).await {
                Err(error) if error.status == Status::ResourceNotFound => last = error,
                done => return done,
            }
        }
        Err(last)
    }

    async fn join_at(&self, node: &Peer, request: OpenRequest) -> Result<Opened, OpenError> {
        let shared = &self.peers.0;
        let stream = dial::connect(&shared.identity, node, ALPN_GUACD).await.map_err(|error| {
            tracing::debug!(node = node.name, %error, "Node of a session not reached");
            // Its sessions are over for everybody who is not there.
            OpenError::no_such_connection()
        })?;
        open_guacd(stream, request, &shared.limits).await
    }
}

impl SessionHost for PeerHost {
    fn parameters(&self, _selected: &str) -> Option<Vec<String>> {
        None
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        match &request.selection {
            Selection::Join(_) => self.join(request).boxed(),
            Selection::Protocol(_) => ready(Err(not_here())).boxed(),
        }
    }
}

/// Our own sessions as another node finds them: to join, and nothing else.
pub(super) struct JoinsOnly(pub(super) App);

impl SessionHost for JoinsOnly {
    fn parameters(&self, selected: &str) -> Option<Vec<String>> {
        selected.parse::<ConnectionId>().ok()?;
        self.0.host.parameters(selected)
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        match &request.selection {
            Selection::Join(_) => self.0.host.open(request),
            Selection::Protocol(_) => ready(Err(not_here())).boxed(),
        }
    }
}

fn not_here() -> OpenError {
    OpenError::new(Status::ClientForbidden, "A node opens no sessions for others.")
}
