//! What can go wrong between us and an authority.

use crate::store::StoreError;

/// Why there is no (new) certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// A setting cannot work.
    #[error("{0}")]
    Config(String),
    /// The authority said no, or did not answer.
    #[error("the authority: {0}")]
    Authority(#[from] instant_acme::Error),
    /// The authority could not convince itself that a name is ours.
    #[error("the authority could not check {name}: {reason}")]
    Refused {
        /// The domain.
        name: String,
        /// In the authority's words.
        reason: String,
    },
    /// What lies in the store, or came from the authority, is no certificate with its key.
    #[error("the certificate: {0}")]
    Certificate(String),
    /// The store failed.
    #[error("the store of certificates: {0}")]
    Store(#[from] StoreError),
}
