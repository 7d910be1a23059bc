//! What the owner may do, and what he may not.
