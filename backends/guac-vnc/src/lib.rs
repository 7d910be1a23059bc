//! VNC (RFB) sessions for guac-session.
//!
//! [`VncBackend`] is the backend behind `select vnc`: it connects to a VNC server, draws the server's desktop on the session's
//! picture and carries keys, pointer, clipboard and size the other way. The protocol itself is in [`rfb`], which knows
//! no sockets and can be used alone.
//!
//! ```
//! use guac_session::Backend as _;
//!
//! let vnc = guac_vnc::VncBackend::new();
//! assert_eq!(vnc.protocol(), "vnc");
//! assert_eq!(vnc.parameters()[..2], ["hostname", "port"]);
//! ```
//!
//! # Files
//! With `enable-sftp` the owner sees files of the machine by SFTP, on an SSH connection that is made before the
//! desktop's. [`VncBackend::with_host_keys`] says by which host keys machines are known.
//!
//! # TLS
//! Servers that offer VeNCrypt with an X.509 certificate are used that way, and the certificate is verified against the
//! system's roots and the `hostname` parameter. guacd does not verify: a connection to a server with a certificate of
//! its own making needs `cert-fingerprints` (comma-separated) or `ignore-cert` set to `true` here. VeNCrypt
//! with anonymous key exchange (TLSNone, TLSVnc, TLSPlain) is not supported: rustls has no such cipher suites.
#![forbid(unsafe_code)]

mod argv;
mod backend;
mod clipboard;
mod display;
mod error;
mod input;
mod params;
pub mod rfb;
mod transport;

pub use backend::VncBackend;
pub use error::VncError;
