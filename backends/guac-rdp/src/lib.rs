//! RDP sessions for guac-session.
#![forbid(unsafe_code)]
#![expect(dead_code, reason = "under construction")]

mod channels;
mod drive;
mod error;
mod graphics;
mod input;
mod keyboard;
mod link;

pub use error::RdpError;
