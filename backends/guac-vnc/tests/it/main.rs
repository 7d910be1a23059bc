//! Public behaviour of the RFB client, against encoders of our own and against a real server.

#![expect(clippy::unwrap_used, reason = "a test that fails says so by panicking, in its helpers too")]

mod decoding;
mod encode;
mod files;
mod handshake;
mod hostile;
mod messages;
mod session;
mod support;
mod viewer;
mod xvnc;
