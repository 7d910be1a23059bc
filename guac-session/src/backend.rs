//! What a remote desktop protocol has to provide.

use futures_util::future::BoxFuture;
use guac_display::Picture;
use guac_protocol::ClientInfo;
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::stage::Stage;
use crate::{Params, SessionEnd};

/// A remote desktop protocol: what `select NAME` starts.
pub trait Backend: Send + Sync + 'static {
    /// Its name on the wire, such as `ssh`.
    fn protocol(&self) -> &'static str;

    /// Its parameter names in the order of `args`, without the version.
    fn parameters(&self) -> &'static [&'static str];

    /// Runs one session from connecting to its end. This future is the session's task: it is dropped some seconds
    /// after [`Event::Ended`](crate::Event::Ended) at the latest, and everything it started must end with it.
    ///
    /// A panic in it ends this session alone.
    fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>>;
}

/// A session about to run.
pub struct Start {
    params: Params,
    core: Core,
}

impl Start {
    pub(crate) fn new(params: Params, core: Core) -> Self {
        Self { params, core }
    }

    /// The owner's parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// What the owner said about himself: size, resolution, time zone.
    #[must_use]
    pub fn owner(&self) -> &ClientInfo {
        self.core.owner_info()
    }

    /// Cancelled when the session must end.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.core.cancellation()
    }

    /// Puts the picture on stage. Nothing is sent before [`Stage::picture`] was called for the first time, so a
    /// backend may ask for credentials before it knows the machine's size.
    #[must_use]
    pub fn stage<P: Picture>(self, picture: P) -> (Params, Stage<P>) {
        (self.params, Stage::new(picture, self.core))
    }
}
