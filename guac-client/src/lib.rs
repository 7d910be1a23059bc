#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod connect;
mod driver;
mod endpoint;
mod error;
mod event;
mod files;
mod http;
mod input;
mod options;
mod outbox;
mod streams;
mod tls;
mod transport;
mod view;
mod wait;

pub use client::Client;
pub use endpoint::{ConnectionKind, ConnectionRef, Endpoint, Gateway, Guacd, Login};
pub use error::{Blame, ClientError};
pub use event::Event;
pub use files::{FileEntry, Files, IncomingFile};
pub use guac_canvas::{CanvasLimits, Image, Rect};
pub use guac_protocol::{ConnectionId, Status};
pub use input::Button;
pub use options::Options;
pub use secrecy::SecretString;
pub use tls::Tls;
