#![doc = include_str!("../README.md")]
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
pub use guacd::{GuacdHost, ResolveGuacd, open_guacd};
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
