//! Where outside guacds may be: connections name them, so they are targets like any other.

use std::net::SocketAddr;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use guac_protocol::Status;
use guac_session::{TargetError, Targets};
use guac_tunnel::{OpenError, ResolveGuacd};

/// The target policy for guacds.
pub(crate) struct OutsideGuacds(pub(crate) Targets);

impl ResolveGuacd for OutsideGuacds {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>, OpenError>> {
        let refused = |error| match error {
            TargetError::Refused => OpenError::new(TargetError::REFUSED_STATUS, TargetError::REFUSED),
            error => {
                tracing::debug!(%error, "Name of guacd not resolved");
                OpenError::new(Status::UpstreamNotFound, "The name of the guacd server is not known.")
            }
        };
        async move { self.0.resolve(host, port).await.map_err(refused) }.boxed()
    }
}
