//! SSH connections and files by SFTP, for sessions of guac-session.
//!
//! [`Connection`] reaches a machine, checks its host key and logs in; an [`Attendant`] is asked for what is missing.
//! [`Files`] shows the machine's files to a session's owner: what SSH sessions do on the connection of their shell, and
//! desktops, by [`DesktopFiles`], on one of its own.
//!
//! Host keys come from the connection's parameters or else from a [`HostKeyStore`], which remembers a machine's key
//! when it is first seen and refuses any other from then on.
//!
//! ```
//! use guac_session::Params;
//! use guac_sftp::SftpParams;
//!
//! let params: Params = [("enable-sftp", "true"), ("sftp-port", "2222")].into_iter().collect();
//! let files = SftpParams::from_params(&params, "desk.example", Some("ann")).unwrap();
//! assert_eq!((files.target.host.as_str(), files.target.port), ("desk.example", 2222));
//! ```
#![forbid(unsafe_code)]

mod auth;
mod connect;
mod desktop;
mod error;
mod files;
mod hostkey;
mod params;
mod transport;

pub use auth::Attendant;
pub use connect::Connection;
pub use desktop::DesktopFiles;
pub use error::{SftpError, SshError};
pub use files::{Files, Push, Sftp};
pub use hostkey::{FileHostKeys, HostKey, HostKeyError, HostKeyStore, MemoryHostKeys, Verdict};
pub use params::{Credentials, FileRules, SftpParams, Target};
