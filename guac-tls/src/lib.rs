#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod certificate;
mod connect;
mod error;
mod fingerprint;
mod known;
mod policy;
mod verifier;

pub use certificate::public_key_of;
pub use connect::connect;
pub use error::{Changed, TlsError};
pub use fingerprint::Fingerprint;
pub use known::{KnownCertificates, KnownError};
pub use policy::{CertificatePolicy, Trust};
