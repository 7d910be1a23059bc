//! SSH terminal sessions for guac-session.
//!
//! [`SshBackend`] connects to an SSH server, checks its host key, logs in (none, public key, password or
//! keyboard-interactive, asking in the terminal for what is missing) and runs a shell or a command in a
//! [`Terminal`](guac_terminal::Terminal). SFTP and typescripts are not available yet; their parameters are
//! accepted and logged.
//!
//! Host keys come from the connection's `host-key` parameter or else from a [`HostKeyStore`], which remembers a
//! machine's key when it is first seen and refuses any other from then on.
//!
//! ```
//! use std::sync::Arc;
//! use guac_session::Hub;
//! use guac_ssh::{MemoryHostKeys, SshBackend};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let hub = Hub::new(vec![Box::new(SshBackend::new(Arc::new(MemoryHostKeys::default())))], 1);
//! assert_eq!(hub.parameters("ssh").map(|names| names[0]), Some("hostname"));
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

mod argv;
mod auth;
mod backend;
mod clipboard;
mod connect;
mod display;
mod error;
mod hostkey;
mod input;
mod params;
mod prompt;
mod sftp;
mod shell;
mod transport;

pub use backend::SshBackend;
pub use error::SshError;
pub use hostkey::{FileHostKeys, HostKey, HostKeyError, HostKeyStore, MemoryHostKeys, Verdict};
