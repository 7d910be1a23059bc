#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod certificate;
mod client;
mod error;
mod issue;
mod manager;
mod schedule;
mod store;

pub use certificate::Certificate;
pub use error::AcmeError;
pub use manager::{Acme, AcmeConfig, Challenge};
pub use store::{FileStore, Sealed, Store, StoreError};

/// The TLS application protocol by which an authority asks (RFC 8737 §4).
pub const ALPN: &[u8] = b"acme-tls/1";

/// Where an authority asks by HTTP (RFC 8555 §8.3); the token follows.
pub const HTTP_PATH: &str = "/.well-known/acme-challenge/";
