//! Bytes to instructions and back.

use guac_protocol::{
    DecodeError, InstructionWriter, MAX_ELEMENT_CODE_POINTS, MAX_ELEMENTS, MAX_INSTRUCTION_BYTES, Parser, Status,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::errors;
use crate::instruction::Instruction;

/// From this size on other threads run while a chunk is searched: it takes about 0.1 ms, far above the price of
/// giving the lock back and taking it again.
const UNLOCK_BYTES: usize = 1 << 20;

/// Bytes to instructions, as they come, split anywhere.
///
/// ``feed`` gives the instructions that became whole. Between calls it holds at most one partial instruction, in the
/// chunks it came in. After an error it stays failed, because where the next instruction would start is unknown.
#[pyclass(module = "guac")]
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    parser: Parser,
    /// The chunks of the instruction in progress.
    partial: Vec<Py<PyBytes>>,
    /// Where it begins in the first of them.
    start: usize,
    seam: Seam,
    failed: Option<DecodeError>,
}

/// Bytes in which a seam and the next few fit. A parser asks for eight at most, so that each look passes the seam.
const SEAM_BYTES: usize = 32;

/// The end of the last chunk, as far as the parser needs it again: of a length or a character that is not whole.
#[derive(Debug, Default)]
struct Seam {
    bytes: [u8; SEAM_BYTES],
    len: usize,
}

/// What there is in one chunk.
#[derive(Debug, Default)]
struct Found {
    ends: Vec<usize>,
    error: Option<DecodeError>,
}

#[pymethods]
impl Decoder {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Bytes held of an instruction that is not whole yet.
    #[getter]
    fn buffered(&self, py: Python<'_>) -> usize {
        self.partial.iter().map(|chunk| chunk.as_bytes(py).len()).sum::<usize>() - self.start
    }

    /// Takes received bytes and gives the instructions that became whole.
    ///
    /// The instructions are views into ``data`` where it is ``bytes``; anything else with a buffer is copied.
    ///
    /// :raises PeerError: for bytes that are no instructions, now and at every later call. Its ``instructions`` are
    ///     those that were whole before.
    fn feed<'py>(&mut self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        if let Some(error) = &self.failed {
            return Err(errors::undecodable(py, error));
        }
        let chunk = bytes_of(data)?;
        let bytes = chunk.as_bytes();
        let found = if bytes.len() < UNLOCK_BYTES { self.find(bytes) } else { py.detach(|| self.find(bytes)) };
        let list = self.views(py, &chunk, &found.ends)?;
        match found.error {
            None => Ok(list),
            Some(error) => {
                self.partial.clear();
                self.start = 0;
                let exception = errors::undecodable(py, &error);
                exception.value(py).setattr("instructions", list)?;
                self.failed = Some(error);
                Err(exception)
            }
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let state = if self.failed.is_some() { "failed" } else { "open" };
        format!("<Decoder {state}, {} bytes buffered>", self.buffered(py))
    }
}

impl Decoder {
    /// Searches a chunk, going on where the last one ended.
    fn find(&mut self, bytes: &[u8]) -> Found {
        let mut found = Found::default();
        found.error = self.find_ends(bytes, &mut found.ends).err();
        found
    }

    fn find_ends(&mut self, bytes: &[u8], ends: &mut Vec<usize>) -> Result<(), DecodeError> {
        let mut start = 0;
        if !self.partial.is_empty() {
            let Some(end) = self.find_first_end(bytes)? else { return Ok(()) };
            ends.push(end);
            start = end;
        }
        while let Some(len) = self.parser.find(bytes.get(start..).unwrap_or_default())? {
            start += len;
            ends.push(start);
        }
        self.release(bytes.get(start..).unwrap_or_default());
        Ok(())
    }

    /// Where the instruction ends that began in earlier chunks.
    fn find_first_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        let mut start = 0;
        let held = std::mem::take(&mut self.seam);
        if held.len > 0 {
            let joint = held.joined(bytes);
            let window = joint.bytes();
            if let Some(len) = self.parser.find_rest(window)? {
                return Ok(Some(len.saturating_sub(held.len)));
            }
            self.release(window);
            let shown = window.len() - held.len;
            if self.seam.len > shown {
                // All of the chunk was in it.
                return Ok(None);
            }
            start = shown - std::mem::take(&mut self.seam).len;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let Some(len) = self.parser.find_rest(rest)? else {
            self.release(rest);
            return Ok(None);
        };
        Ok(Some(start + len))
    }

    /// Keeps what the parser needs again of a text in which no instruction ends.
    fn release(&mut self, text: &[u8]) {
        let kept = self.parser.release(text);
        self.seam = Seam::default().joined(text.get(text.len() - kept..).unwrap_or_default());
    }

    /// The instructions that end in `chunk`; keeps what begins in it and does not end.
    fn views<'py>(
        &mut self,
        py: Python<'py>,
        chunk: &Bound<'py, PyBytes>,
        ends: &[usize],
    ) -> PyResult<Bound<'py, PyList>> {
        let mut start = 0;
        let mut spanning = None;
        let mut own = ends;
        if !self.partial.is_empty()
            && let Some((&end, rest)) = ends.split_first()
        {
            let mut chunks = std::mem::take(&mut self.partial);
            chunks.push(chunk.clone().unbind());
            spanning = Some(Instruction::spanning(chunks, self.start, end));
            start = end;
            own = rest;
        }
        let list = match (spanning, own) {
            (None, []) => PyList::empty(py),
            (Some(first), []) => PyList::new(py, [Bound::new(py, first)?])?,
            (first, own) => {
                let mut at = start;
                let views = own.iter().map(|&end| {
                    let view = Instruction::new(chunk.clone().unbind(), at, end);
                    at = end;
                    view
                });
                let list = PyList::new(py, first.into_iter().chain(views))?;
                start = own.last().copied().unwrap_or(start);
                list
            }
        };
        if start < chunk.as_bytes().len() {
            if self.partial.is_empty() {
                self.start = start;
            }
            self.partial.push(chunk.clone().unbind());
        } else if self.partial.is_empty() {
            self.start = 0;
        }
        Ok(list)
    }
}

impl Seam {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// With as many of the bytes that follow as fit.
    fn joined(&self, next: &[u8]) -> Self {
        let Self { mut bytes, mut len } = *self;
        for (slot, &byte) in bytes.iter_mut().skip(len).zip(next) {
            *slot = byte;
            len += 1;
        }
        Self { bytes, len }
    }
}

/// The bytes themselves, or a copy of anything else that has a buffer.
fn bytes_of<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    if data.is_instance_of::<PyInt>() || data.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("a bytes-like object is required"));
    }
    // bytearray takes only what has a buffer or is iterable, and its copy cannot change under us.
    let copy = PyByteArray::from(data)?;
    data.py().get_type::<PyBytes>().call1((copy,))?.cast_into::<PyBytes>().map_err(Into::into)
}

/// All instructions of ``data``, which must end with a whole one.
///
/// :raises PeerError: for bytes that are no instructions, or that end within one.
#[pyfunction]
pub(crate) fn parse<'py>(py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let mut decoder = Decoder::default();
    let list = decoder.feed(py, data)?;
    if decoder.partial.is_empty() {
        return Ok(list);
    }
    let message = "the data ends within an instruction";
    let exception = errors::exception(py, errors::Blame::Peer, Status::ClientBadRequest, message);
    exception.value(py).setattr("instructions", list)?;
    Err(exception)
}

/// One instruction as bytes.
///
/// Arguments may be ``str``, ``int``, ``bool`` (``1`` and ``0``), ``float``, and ``bytes``, which become base64 as in
/// ``blob``.
///
/// :raises CallerError: for what no peer would accept: an element above 8192 code points, more than 128 elements, or
///     more than 32768 bytes.
#[pyfunction]
#[pyo3(signature = (opcode, *args))]
pub(crate) fn encode<'py>(py: Python<'py>, opcode: &str, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyBytes>> {
    if args.len() >= MAX_ELEMENTS {
        return Err(errors::misuse(py, &format!("more than {MAX_ELEMENTS} elements")));
    }
    let mut out = Vec::with_capacity(64);
    check_length(py, opcode)?;
    let mut writer = InstructionWriter::new(&mut out, opcode);
    for arg in args.iter() {
        writer = if let Ok(text) = arg.cast::<PyString>() {
            let text = text.to_cow()?;
            check_length(py, &text)?;
            writer.text(&text)
        } else if let Ok(bytes) = arg.cast::<PyBytes>() {
            if bytes.as_bytes().len().div_ceil(3) * 4 > MAX_ELEMENT_CODE_POINTS {
                return Err(too_long(py));
            }
            writer.base64(bytes.as_bytes())
        } else if arg.is_instance_of::<PyInt>() {
            // bool is an int, and i64 takes it as 0 or 1.
            writer.arg(&arg.extract::<i64>()?)
        } else if arg.is_instance_of::<PyFloat>() {
            let number: f64 = arg.extract()?;
            if !number.is_finite() {
                return Err(errors::misuse(py, "the protocol has no infinity and no NaN"));
            }
            writer.text(&number.to_string())
        } else {
            let kind = arg.get_type().qualname()?;
            return Err(PyTypeError::new_err(format!("arguments are str, int, float or bytes, not {kind}")));
        };
    }
    writer.end();
    if out.len() > MAX_INSTRUCTION_BYTES {
        return Err(errors::misuse(py, &format!("instruction is longer than {MAX_INSTRUCTION_BYTES} bytes")));
    }
    Ok(PyBytes::new(py, &out))
}

fn check_length(py: Python<'_>, text: &str) -> PyResult<()> {
    let fits = text.len() <= MAX_ELEMENT_CODE_POINTS || text.chars().count() <= MAX_ELEMENT_CODE_POINTS;
    if fits { Ok(()) } else { Err(too_long(py)) }
}

fn too_long(py: Python<'_>) -> PyErr {
    let message = format!("element is longer than {MAX_ELEMENT_CODE_POINTS} code points");
    errors::exception(py, errors::Blame::Caller, Status::ClientOverrun, &message)
}

/// Every status: name, number, HTTP status, WebSocket close code.
#[pyfunction]
#[pyo3(name = "_statuses")]
pub(crate) fn statuses() -> Vec<(&'static str, u16, u16, u16)> {
    Status::ALL.iter().map(|status| (status.name(), status.code(), status.http(), status.websocket())).collect()
}

/// The X11 keysym of a key: a character, a name such as ``Return`` or ``F5``, or a number.
///
/// :raises CallerError: for a key that there is not.
#[pyfunction]
pub(crate) fn keysym(py: Python<'_>, key: &str) -> PyResult<u32> {
    guac_protocol::parse_keysym(key).map_err(|error| errors::misuse(py, &error.to_string()))
}

/// The name of a keysym, such as ``Return``; ``None`` if it has none.
#[pyfunction]
pub(crate) fn keysym_name(keysym: u32) -> Option<String> {
    let printable = |character: &char| !character.is_control() && *character != ' ';
    let character = guac_protocol::char_of_keysym(keysym).filter(printable);
    match character {
        Some(character) if !(0xFF00..=0xFFFF).contains(&keysym) => Some(character.to_string()),
        _ => guac_protocol::keysym_name(keysym).map(str::to_owned),
    }
}
