//! Errors on their way to Python: one class per group of blame, defined in `guac/_errors.py`, each with `.status`.

use guac_protocol::{DecodeError, HandshakeError, Status};
use pyo3::prelude::*;
use pyo3::types::PyType;

/// Whose fault it is. Each is one exception class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The other end of the connection broke the protocol.
    Peer,
    /// The server or the machine behind it refused or failed.
    Upstream,
    /// The calling program asked for something that cannot be.
    Caller,
}

impl Blame {
    fn class(self) -> &'static str {
        match self {
            Self::Peer => "PeerError",
            Self::Upstream => "UpstreamError",
            Self::Caller => "CallerError",
        }
    }
}

/// The exception of this group, with its status.
pub(crate) fn exception(py: Python<'_>, blame: Blame, status: Status, message: &str) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let class = py.import("guac._errors")?.getattr(blame.class())?.cast_into::<PyType>()?;
        Ok(PyErr::from_value(class.call1((message, status.code()))?))
    };
    make().unwrap_or_else(|error| error)
}

/// Bytes that are no instructions: the peer's fault.
pub(crate) fn undecodable(py: Python<'_>, error: &DecodeError) -> PyErr {
    exception(py, Blame::Peer, error.status(), &error.to_string())
}

/// The caller's mistake.
pub(crate) fn misuse(py: Python<'_>, message: &str) -> PyErr {
    exception(py, Blame::Caller, Status::ClientBadRequest, message)
}

/// A handshake that ended early: the server's refusal, the caller's order of calls, or the peer's fault.
pub(crate) fn handshake(py: Python<'_>, error: &HandshakeError) -> PyErr {
    let blame = match error {
        HandshakeError::Refused { .. } | HandshakeError::Disconnected => Blame::Upstream,
        HandshakeError::OutOfOrder => Blame::Caller,
        _ => Blame::Peer,
    };
    exception(py, blame, error.status(), &error.to_string())
}
