//! The Python package's native half: codec, handshakes, recordings, the client.
//!
//! What Python people see is `python/guac`; this crate is its private module `guac._guac`. Rust parses, keeps the
//! canvas and waits; Python gets views, pictures and errors. The interpreter lock is released around every wait and
//! all heavy work.

mod client;
mod codec;
mod connect;
mod errors;
mod files;
mod handshake;
mod image;
mod instruction;
mod recording;
mod wait;

use pyo3::prelude::*;

/// The module as Python imports it.
#[pymodule(name = "_guac", gil_used = false)]
mod native {
    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::codec::{Decoder, encode, keysym, keysym_name, parse, statuses};
    #[pymodule_export]
    use super::connect::{connect_gateway, connect_guacd};
    #[pymodule_export]
    use super::handshake::{ClientHandshake, ServerHandshake};
    #[pymodule_export]
    use super::image::Image;
    #[pymodule_export]
    use super::instruction::Instruction;
    #[pymodule_export]
    use super::recording::Player;

    /// Runs when the module is first imported.
    #[pymodule_init]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        super::wait::prepare();
        Ok(())
    }
}
