//! The Python package's native half: codec, handshakes, recordings, the client.
//!
//! What Python people see is `python/guac`; this crate is its private module `guac._guac`. Rust parses, keeps the
//! canvas and waits; Python gets views, pictures and errors. The interpreter lock is released around every wait and
//! all heavy work.

mod codec;
mod errors;
mod framing;
mod handshake;
mod instruction;

use pyo3::prelude::*;

/// The module as Python imports it.
#[pymodule(name = "_guac", gil_used = false)]
mod native {
    #[pymodule_export]
    use super::codec::{Decoder, encode, keysym_of_char, parse, statuses};
    #[pymodule_export]
    use super::handshake::{ClientHandshake, ServerHandshake};
    #[pymodule_export]
    use super::instruction::Instruction;
}
