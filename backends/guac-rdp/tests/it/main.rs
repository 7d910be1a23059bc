//! Public behaviour of RDP sessions, against real servers and against one that does what a test says.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking, in its helpers too"
)]

mod channels;
mod errors;
mod files;
mod graphics;
mod hostile;
mod nla;
mod session;
mod support;
