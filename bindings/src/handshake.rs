//! The handshake machines, as plain as they come: `guac/_handshake.py` gives them types.

use guac_protocol::{ClientInfo, ConnectionId, Decoder, HandshakeError, ProtocolVersion, Selection};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;
use crate::instruction::Instruction;

/// What a client says of itself: width, height, dpi, audio, video and image types, time zone, name.
type Info = (u32, u32, u32, Vec<String>, Vec<String>, Vec<String>, Option<String>, Option<String>);

/// What a client that is ready said: itself, its version, one value per offered name.
type Connecting = (Info, &'static str, Vec<String>);

/// The client's half.
#[pyclass(module = "guac._guac")]
#[derive(Debug)]
pub(crate) struct ClientHandshake {
    machine: guac_protocol::ClientHandshake,
    output: Vec<u8>,
}

#[pymethods]
impl ClientHandshake {
    /// Selects a protocol, or a session by its id, which starts with ``$``.
    #[new]
    fn new(py: Python<'_>, selection: &str) -> PyResult<Self> {
        let mut output = Vec::new();
        let selection = if selection.starts_with('$') {
            Selection::Join(connection_id(py, selection)?)
        } else {
            Selection::Protocol(selection.to_owned())
        };
        Ok(Self { machine: guac_protocol::ClientHandshake::start(&selection, &mut output), output })
    }

    /// Takes an instruction of the server's. Gives the names of ``args``, the id of ``ready``, or nothing.
    fn handle(&mut self, py: Python<'_>, instruction: &Instruction) -> PyResult<(Option<Vec<String>>, Option<String>)> {
        let machine = &mut self.machine;
        let step = with(py, instruction, |instruction| machine.handle_instruction(instruction))?;
        Ok(match step {
            guac_protocol::ClientStep::Args(names) => (Some(names), None),
            guac_protocol::ClientStep::Ready(id) => (None, Some(id.as_str().to_owned())),
            _ => (None, None),
        })
    }

    /// Answers ``args``: says who we are and gives the values, in the order of the names.
    fn connect(&mut self, py: Python<'_>, info: Info, values: Vec<(String, String)>) -> PyResult<()> {
        let (width_px, height_px, dpi, audio_mimetypes, video_mimetypes, image_mimetypes, timezone, name) = info;
        let info = ClientInfo {
            width_px,
            height_px,
            dpi,
            audio_mimetypes,
            video_mimetypes,
            image_mimetypes,
            timezone,
            name,
            version: ProtocolVersion::LATEST,
        };
        let value_of =
            |wanted: &str| values.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value.as_str());
        self.machine.connect(&info, value_of, &mut self.output).map_err(|error| errors::handshake(py, &error))
    }

    /// The bytes to send, once.
    fn take_output<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &std::mem::take(&mut self.output))
    }
}

/// The server's half.
#[pyclass(module = "guac._guac")]
#[derive(Debug)]
pub(crate) struct ServerHandshake {
    machine: guac_protocol::ServerHandshake,
    output: Vec<u8>,
}

#[pymethods]
impl ServerHandshake {
    #[new]
    fn new() -> Self {
        Self { machine: guac_protocol::ServerHandshake::new(), output: Vec::new() }
    }

    /// Takes an instruction of the client's. Gives what it selected, or who it is, its version and its values.
    fn handle(&mut self, py: Python<'_>, instruction: &Instruction) -> PyResult<(Option<String>, Option<Connecting>)> {
        let machine = &mut self.machine;
        let step = with(py, instruction, |instruction| machine.handle_instruction(instruction))?;
        Ok(match step {
            guac_protocol::ServerStep::Selected(Selection::Protocol(name)) => (Some(name), None),
            guac_protocol::ServerStep::Selected(Selection::Join(id)) => (Some(id.as_str().to_owned()), None),
            guac_protocol::ServerStep::Connect { info, values } => {
                let version = if info.version == ProtocolVersion::Unknown { "" } else { info.version.token() };
                let ClientInfo { width_px, height_px, dpi, .. } = *info;
                let types = (info.audio_mimetypes, info.video_mimetypes, info.image_mimetypes);
                let about = (width_px, height_px, dpi, types.0, types.1, types.2, info.timezone, info.name);
                (None, Some((about, version, values)))
            }
            _ => (None, None),
        })
    }

    /// Answers ``select`` with the names of the parameters.
    fn offer(&mut self, py: Python<'_>, names: Vec<String>) -> PyResult<()> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.machine.offer(&names, &mut self.output).map_err(|error| errors::handshake(py, &error))
    }

    /// Answers ``connect`` with the session's id.
    fn ready(&mut self, py: Python<'_>, connection: &str) -> PyResult<()> {
        let id = connection_id(py, connection)?;
        self.machine.ready(&id, &mut self.output).map_err(|error| errors::handshake(py, &error))
    }

    /// The bytes to send, once.
    fn take_output<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &std::mem::take(&mut self.output))
    }
}

fn connection_id(py: Python<'_>, text: &str) -> PyResult<ConnectionId> {
    text.parse().map_err(|_| errors::misuse(py, "a connection id is \"$\" and 1 to 128 printable ASCII characters"))
}

/// Gives the machine the instruction behind a Python view of one.
fn with<S>(
    py: Python<'_>,
    instruction: &Instruction,
    handle: impl FnOnce(&guac_protocol::Instruction<'_>) -> Result<S, HandshakeError>,
) -> PyResult<S> {
    let mut decoder = Decoder::new();
    decoder.feed(instruction.bytes(py)).map_err(|error| errors::undecodable(py, &error))?;
    match decoder.next_instruction() {
        Ok(Some(instruction)) => handle(&instruction).map_err(|error| errors::handshake(py, &error)),
        Ok(None) => Err(errors::misuse(py, "not a whole instruction")),
        Err(error) => Err(errors::undecodable(py, &error)),
    }
}
