//! RDP sessions for guac-session.
#![forbid(unsafe_code)]

mod argv;
mod backend;
mod channels;
mod connect;
mod connector;
mod drive;
mod error;
#[cfg(feature = "_fuzz")]
#[doc(hidden)]
pub mod fuzzing;
mod graphics;
mod input;
mod keyboard;
mod link;
mod params;
mod redirect;
mod resize;
mod slow_path;
mod timezone;
mod transport;

pub use backend::RdpBackend;
pub use connector::ConnectError;
pub use error::RdpError;
