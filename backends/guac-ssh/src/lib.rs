//! SSH terminal sessions for guac-session.
//!
//! [`SshBackend`] connects to an SSH server, checks its host key, logs in (none, public key, password or
//! keyboard-interactive, asking in the terminal for what is missing) and runs a shell or a command in a
//! [`Terminal`](guac_terminal::Terminal), with the machine's files beside it. The connection and the files are
//! [`guac_sftp`]'s. Typescripts are not available yet; their parameters are accepted and logged.
//!
//! Host keys come from the connection's `host-key` parameter or else from a [`HostKeyStore`](guac_sftp::HostKeyStore).
//!
//! ```
//! use std::sync::Arc;
//! use guac_session::Hub;
//! use guac_sftp::MemoryHostKeys;
//! use guac_ssh::SshBackend;
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
mod backend;
mod clipboard;
mod display;
mod input;
mod params;
mod prompt;
mod shell;
mod wishes;

pub use backend::SshBackend;
