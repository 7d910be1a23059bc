//! What comes out of keys.
