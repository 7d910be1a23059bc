//! An RFB (VNC) client without I/O.
//!
//! [`Connection`] turns bytes from a server into drawing on a [`Framebuffer`] and into [`Event`]s, and commands into
//! bytes for the server. It has no socket, no clock and no copy of the picture; its memory is bounded by [`Limits`].
//!
//! What it speaks: RFB 3.3, 3.7 and 3.8; no authentication, VNC authentication, VeNCrypt with X.509 certificates,
//! Apple's and UltraVNC's user logins; Raw, CopyRect, RRE, CoRRE, Hextile, Zlib, Tight (with JPEG) and ZRLE; pointer shapes, desktop name and size, resize
//! by the client, last rectangle, fences, continuous updates, the extended clipboard.
//!
//! # Specification
//! RFC 6143, and the community's rfbproto document for what came later.

#![warn(clippy::indexing_slicing)]

mod auth;
mod clipboard;
mod connection;
mod decode;
mod encoding;
mod error;
mod event;
mod framebuffer;
mod handshake;
mod inflate;
mod limits;
mod message;
mod pixel;
mod reader;
mod rect;
mod update;

pub use self::{
    connection::{Config, Connection},
    encoding::Encoding,
    error::{RfbError, ServerReason},
    event::{CursorShape, Event},
    framebuffer::Framebuffer,
    handshake::{Credentials, Security},
    limits::Limits,
    pixel::ColorDepth,
    rect::Rect,
};
