//! Guacamole tunnels: one user's instructions over TCP, WebSocket or HTTP, and the session behind them.
//!
//! A [`SessionHost`] opens sessions and joins them; what it gives is a [`Link`]. The doors lead to a link, each in
//! its own transport: [`serve_guacd`] is the guacd port, [`serve_websocket`] and [`HttpTunnels`] are what browsers use.
//! [`GuacdHost`] is a session host that lives in another process, an outside guacd. [`Registry`] knows what lives.
//!
//! Nothing here knows a web framework, a database or a remote desktop protocol, spawns a task, or grows without
//! bound: what a peer does not take is not fetched from the session.
//!
//! ```
//! use guac_tunnel::accept_websocket;
//! use http::Request;
//!
//! // What a browser asks, and the answer after which the connection carries a tunnel.
//! let request = Request::get("/websocket-tunnel")
//!     .header("connection", "Upgrade")
//!     .header("upgrade", "websocket")
//!     .header("sec-websocket-version", "13")
//!     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
//!     .header("sec-websocket-protocol", "guacamole")
//!     .body(())?;
//! let answer = accept_websocket(request.method(), request.headers())?;
//! assert_eq!(answer.status(), 101);
//! assert_eq!(answer.headers()["sec-websocket-protocol"], "guacamole");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Specification
//! Guacamole manual, "The Guacamole protocol"; the stock gateway's tunnels (`guacamole-common`), its JavaScript
//! client's `Tunnel.js`, and guacd's `src/guacd/connection.c`.
#![forbid(unsafe_code)]

mod error;
mod frame;
mod guacd;
mod http;
mod intercept;
mod intercept_streams;
mod limits;
mod link;
mod mux;
mod outbox;
mod registry;
mod relay;
mod sync;
mod tcp;
mod tls;
mod upgrade;
mod websocket;

pub use error::{Ended, TunnelError};
pub use frame::{FrameDecoder, FrameError, FrameEvent, FrameHeader, FrameKind, FrameSender, MAX_CONTROL_BYTES, unmask};
pub use guacd::GuacdHost;
pub use http::{END_MARKER, HttpTunnelLife, HttpTunnels, TunnelToken};
pub use intercept::intercept;
pub use intercept_streams::{Download, StreamError, StreamsHandle};
pub use limits::{
    BATCH_BYTES, BATCH_ITEMS, MAX_MESSAGE_BYTES, MAX_WAITING_REQUESTS, READ_BYTES, TunnelLimits, WHOLE_MESSAGE_BYTES,
};
pub use link::{InstructionSink, Link, LinkClosed, OpenError, OpenRequest, Opened, SessionHost};
pub use mux::MAX_INTERCEPTIONS;
pub use registry::{OwnerKey, Registration, Registry, TunnelInfo};
pub use tcp::serve_guacd;
pub use tls::{GuacdTls, GuacdTlsError, GuacdVerify};
pub use upgrade::{SUBPROTOCOL, UpgradeError, accept_websocket};
pub use websocket::{close_websocket, serve_websocket};
