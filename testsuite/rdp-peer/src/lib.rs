//! An RDP server for tests. It does what a test says after each step, right or wrong, and tells what the client did:
//! for what real servers do not show, such as sound, drives, the graphics pipeline and malice.
//!
//! Everything blocks, listens on loopback only, and ends with the test. A [`Setup::script`] sees each PDU of the connection
//! sequence before it goes out, and may change it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "fixtures fail as tests do, by panicking"
)]
#![forbid(unsafe_code)]

mod capabilities;
mod drive;
mod gfx;
mod handshake;
mod peer;
mod server;
mod sound;
mod wire;

pub use drive::{Completion, Device, Drives};
pub use gfx::Gfx;
pub use handshake::{Script, Step};
pub use peer::{Message, Peer};
pub use server::{RdpServer, Setup};
pub use sound::Sound;
