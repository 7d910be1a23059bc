//! Errors on their way to Python: one class per group of blame, defined in `guac/_errors.py`, each with `.status`.

use std::path::{Path, PathBuf};

use guac_client::ClientError;
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
    /// This machine: files, network.
    Local,
    /// Nobody yet: what was waited for did not come in time.
    Wait,
}

impl Blame {
    fn class(self) -> &'static str {
        match self {
            Self::Peer => "PeerError",
            Self::Upstream => "UpstreamError",
            Self::Caller => "CallerError",
            Self::Local => "LocalError",
            Self::Wait => "WaitTimeout",
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

/// A file that cannot be read or written.
pub(crate) fn file(py: Python<'_>, path: &Path, error: &std::io::Error) -> PyErr {
    let status = match error.kind() {
        std::io::ErrorKind::NotFound => Status::ResourceNotFound,
        std::io::ErrorKind::PermissionDenied => Status::ClientForbidden,
        _ => Status::ServerError,
    };
    exception(py, Blame::Local, status, &format!("{}: {error}", path.display()))
}

/// Why something that was waited for failed, before it is a Python exception.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client said so.
    Client(ClientError),
    /// The session was closed by this side.
    Closed,
    /// A file of this side.
    File(PathBuf, std::io::Error),
    /// More came than is held in memory.
    TooLarge(usize),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl Failure {
    /// The exception.
    pub(crate) fn exception(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Client(error) => client(py, error),
            Self::Closed => exception(py, Blame::Caller, Status::ResourceClosed, "this session was closed"),
            Self::File(path, error) => file(py, path, error),
            Self::TooLarge(limit) => {
                let message = format!("more than {limit} bytes; give a path to write them to");
                exception(py, Blame::Caller, Status::ClientOverrun, &message)
            }
        }
    }
}

/// What the client says, with everything that led to it.
fn client(py: Python<'_>, error: &ClientError) -> PyErr {
    let blame = match (error, error.blame()) {
        (ClientError::Timeout { .. }, _) => Blame::Wait,
        (_, guac_client::Blame::Peer) => Blame::Peer,
        (_, guac_client::Blame::Caller) => Blame::Caller,
        (_, guac_client::Blame::Environment) => Blame::Local,
        _ => Blame::Upstream,
    };
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !message.contains(&cause_text) {
            message.push_str(": ");
            message.push_str(&cause_text);
        }
        source = cause.source();
    }
    exception(py, blame, error.status(), &message)
}
