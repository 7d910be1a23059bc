//! What an embedder hears of tunnels, and may forbid (T-051).

use std::borrow::Cow;
use std::time::Duration;

use guac_protocol::Status;
use guac_tunnel::TunnelInfo;

/// Hears of tunnels as they open and close. Called on the tunnel's own task: what takes time goes elsewhere.
pub trait TunnelListener: Send + Sync + 'static {
    /// A tunnel is about to open: the session is there, and the user sees nothing of it yet.
    ///
    /// # Errors
    /// A [`Veto`] ends it; one with [`Status::ClientUnauthorized`] ends the user's login, too (T-050).
    fn opening(&self, tunnel: &TunnelInfo) -> Result<(), Veto>;

    /// A tunnel that had opened is closed, after this long. Nothing can stop that.
    fn closed(&self, tunnel: &TunnelInfo, duration: Duration);
}

/// A tunnel must not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({status})")]
pub struct Veto {
    /// What the client is told.
    pub status: Status,
    /// A sentence that is safe to show to the user.
    pub message: Cow<'static, str>,
}
