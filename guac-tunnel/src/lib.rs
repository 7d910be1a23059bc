//! Guacamole tunnels: one user's instructions over TCP, WebSocket or HTTP, and the session behind them.
//!
//! A [`SessionHost`] opens sessions and joins them; what it gives is a [`Link`]. The doors lead to a link, each in
//! its own transport: [`serve_guacd`] is the guacd port, [`run_websocket`] and [`HttpTunnels`] are what browsers use.
//! [`GuacdHost`] is a session host that lives in another process, an outside guacd. [`Registry`] knows what lives.
//!
//! Nothing here knows a web framework, a database or a remote desktop protocol, spawns a task, or grows without
//! bound: what a peer does not take is not fetched from the session.
//!
//! ```
//! use guac_protocol::Status;
//! use guac_tunnel::Outgoing;
//!
//! // How a browser learns why its tunnel ended: the close code, and the exact status as the reason.
//! let close = Outgoing::close(Status::UpstreamNotFound);
//! assert_eq!(close, Outgoing::Close { code: 1011, reason: "519".into() });
//! ```
//!
//! # Specification
//! Guacamole manual, "The Guacamole protocol"; the stock gateway's tunnels (`guacamole-common`), its JavaScript
//! client's `Tunnel.js`, and guacd's `src/guacd/connection.c`.
#![forbid(unsafe_code)]

mod error;
mod guacd;
mod http;
mod limits;
mod link;
mod registry;
mod relay;
mod tcp;
mod tls;
mod websocket;

pub use error::{Ended, TunnelError};
pub use guacd::GuacdHost;
pub use http::{END_MARKER, HttpTunnelLife, HttpTunnels, TunnelToken};
pub use limits::{
    BATCH_BYTES, BATCH_ITEMS, MAX_MESSAGE_BYTES, MAX_WAITING_REQUESTS, READ_BYTES, TunnelLimits, WHOLE_MESSAGE_BYTES,
};
pub use link::{InstructionSink, Link, LinkClosed, OpenError, OpenRequest, Opened, SessionHost};
pub use registry::{OwnerKey, Registration, Registry, TunnelInfo};
pub use tcp::serve_guacd;
pub use tls::{GuacdTls, GuacdTlsError, GuacdVerify};
pub use websocket::{Incoming, Outgoing, SUBPROTOCOL, close_websocket, run_websocket};
