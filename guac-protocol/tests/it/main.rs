//! Tests of the public API.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

mod agreement;
mod allocations;
