//! The sessions of this process behind the interface that tunnels know.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::stream;
use guac_protocol::{Instruction, Selection, Status};
use guac_session::{Hub, Params, User, UserReceiver, UserSender};
use guac_tunnel::{InstructionSink, Link, LinkClosed, OpenError, OpenRequest, Opened, SessionHost};
use guac_web::WebApp;

/// A [`Hub`] that tunnels can open sessions at.
pub(crate) struct HubHost(pub(crate) Hub);

impl SessionHost for HubHost {
    fn parameters(&self, selected: &str) -> Option<Vec<String>> {
        let protocol = match selected.parse() {
            Ok(id) => self.0.protocol_of(&id)?,
            Err(_) => selected,
        };
        self.0.parameters(protocol).map(|names| names.iter().map(|&name| name.to_owned()).collect())
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        Box::pin(async move {
            let OpenRequest { selection, info, params } = request;
            let params: Params = params.into_iter().collect();
            let refused = |error: guac_session::OpenError| OpenError::new(error.status(), error.to_string());
            let (connection_id, user) = match selection {
                Selection::Protocol(protocol) => self.0.open(&protocol, params, info).map_err(refused)?,
                Selection::Join(id) => {
                    let user = self.0.join(&id, params, info).await.map_err(refused)?;
                    (id, user)
                }
            };
            Ok(Opened { connection_id, link: link(user) })
        })
    }
}

/// What other gateways find at the guacd port: the same sessions, and no new ones while the daemon takes none.
pub(crate) struct GuacdPort {
    pub(crate) host: Arc<dyn SessionHost>,
    pub(crate) app: WebApp,
}

impl SessionHost for GuacdPort {
    fn parameters(&self, selected: &str) -> Option<Vec<String>> {
        self.host.parameters(selected)
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        // Whoever joins a live session finds it nowhere else.
        if matches!(request.selection, Selection::Protocol(_)) && !self.app.is_ready() {
            let refused =
                OpenError::new(Status::UpstreamUnavailable, "This server takes no new sessions; another may.");
            return Box::pin(std::future::ready(Err(refused)));
        }
        self.host.open(request)
    }
}

fn link(user: User) -> Link {
    let (receiver, sender) = user.split();
    let source = stream::unfold(receiver, |mut receiver: UserReceiver| async move {
        let bytes = receiver.recv().await?;
        Some((bytes, receiver))
    });
    Link { source: Box::pin(source), sink: Box::new(Sink(sender)) }
}

struct Sink(UserSender);

impl InstructionSink for Sink {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        self.0.poll_ready(cx).map_err(|_| LinkClosed)
    }

    fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
        self.0.start_send(instruction).map_err(|_| LinkClosed)
    }
}
