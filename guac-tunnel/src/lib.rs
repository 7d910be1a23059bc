//! Guacamole tunnels over TCP, WebSocket and HTTP.

mod link;

pub use link::{InstructionSink, Link, LinkClosed, OpenError, OpenRequest, Opened, SessionHost};
