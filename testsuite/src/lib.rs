//! What tests share: a model of a client's screen, the daemon itself, real servers to point it at, and clients to use
//! it with. Everything blocks, listens on loopback only, and ends with the test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "fixtures fail as tests do, by panicking"
)]

mod canvas;
mod daemon;
mod desktop;
mod guac_client;
mod http;
mod mariadb;
mod metadata;
mod pebble;
mod process;
mod shadow;
mod sshd;
mod tls;
mod transport;
mod xrdp;
mod xvnc;

pub use canvas::Canvas;
pub use daemon::{ADMIN_PASSWORD, Daemon, Home, Stopped, Usage};
pub use desktop::Desktop;
pub use guac_client::{ENTER, GuacClient};
pub use http::{Answer, request};
pub use mariadb::MariaDb;
pub use metadata::{MetadataService, scheduled_event};
pub use pebble::Pebble;
pub use process::{PATIENCE, Running, find, free_port, missing, wait_until};
pub use shadow::{Shadow, ShadowSetup};
pub use sshd::Sshd;
pub use tls::{Authority, trusting, trusting_pem};
pub use transport::{Received, TcpTransport, Transport, WebSocketTransport, web_socket};
pub use xrdp::{Xrdp, XrdpDesktop, XrdpSetup};
pub use xvnc::Xvnc;
