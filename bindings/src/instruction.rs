//! One instruction as Python sees it: a view into the bytes it came in, made into strings when looked at.

use guac_protocol::Parser;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyIterator, PySlice, PyString, PyTuple};

/// An opcode and its arguments: a view into the received bytes.
///
/// Strings are made when first looked at, and kept. It behaves like the tuple ``(opcode, *args)``, compares by
/// content, and matches ``case Instruction("sync", (timestamp, *_))``. While it lives, the chunk it came in does.
/// Its ``repr`` tells the opcode and the number of arguments only: arguments may be secrets.
#[pyclass(frozen, module = "guac")]
pub(crate) struct Instruction {
    source: Source,
    /// INVARIANT: from here in the first chunk to `end` in the last is one whole instruction in UTF-8.
    start: usize,
    end: usize,
    opcode: PyOnceLock<Py<PyString>>,
    args: PyOnceLock<Py<PyTuple>>,
}

/// Where the bytes are.
enum Source {
    One(Py<PyBytes>),
    /// It came in several chunks, which are put together when it is looked at.
    Several(Box<Several>),
}

struct Several {
    chunks: Vec<Py<PyBytes>>,
    joined: PyOnceLock<Py<PyBytes>>,
}

impl Instruction {
    /// The view of `chunk[start..end]`, which is one whole instruction in valid UTF-8.
    pub(crate) fn new(chunk: Py<PyBytes>, start: usize, end: usize) -> Self {
        Self { source: Source::One(chunk), start, end, opcode: PyOnceLock::new(), args: PyOnceLock::new() }
    }

    /// The same from `start` in the first of `chunks` to `end` in the last.
    pub(crate) fn spanning(chunks: Vec<Py<PyBytes>>, start: usize, end: usize) -> Self {
        let source = Source::Several(Box::new(Several { chunks, joined: PyOnceLock::new() }));
        Self { source, start, end, opcode: PyOnceLock::new(), args: PyOnceLock::new() }
    }

    /// The bytes of the instruction.
    pub(crate) fn bytes<'py>(&'py self, py: Python<'py>) -> &'py [u8] {
        match &self.source {
            Source::One(chunk) => chunk.as_bytes(py).get(self.start..self.end).unwrap_or_default(),
            Source::Several(several) => several.join(py, self.start, self.end).as_bytes(py),
        }
    }

    /// Looks into it: it is parsed again for that, which costs less than to keep where its elements are.
    fn look<T>(&self, py: Python<'_>, look: impl FnOnce(&guac_protocol::Instruction<'_>) -> T) -> Option<T> {
        let mut parser = Parser::new();
        let instruction = parser.parse(self.bytes(py)).ok().flatten()?;
        Some(look(&instruction))
    }

    fn elements<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let mut all = vec![self.opcode(py).clone_ref(py).into_any()];
        all.extend(self.args(py)?.bind(py).iter().map(Bound::unbind));
        PyTuple::new(py, all)
    }
}

impl Several {
    fn join<'py>(&'py self, py: Python<'py>, start: usize, end: usize) -> &'py Py<PyBytes> {
        self.joined.get_or_init(py, || {
            let mut all = Vec::new();
            if let Some((last, before)) = self.chunks.split_last() {
                let mut skip = start;
                for chunk in before {
                    all.extend_from_slice(chunk.as_bytes(py).get(skip..).unwrap_or_default());
                    skip = 0;
                }
                all.extend_from_slice(last.as_bytes(py).get(..end).unwrap_or_default());
            }
            PyBytes::new(py, &all).unbind()
        })
    }
}

#[pymethods]
impl Instruction {
    /// What a ``case`` pattern's positions stand for.
    #[classattr]
    #[pyo3(name = "__match_args__")]
    fn match_args() -> (&'static str, &'static str) {
        ("opcode", "args")
    }

    /// The first element. Empty for a tunnel's own messages.
    #[getter]
    fn opcode<'py>(&'py self, py: Python<'py>) -> &'py Py<PyString> {
        self.opcode.get_or_init(py, || {
            let opcode = self.look(py, |instruction| PyString::new(py, instruction.opcode()));
            opcode.unwrap_or_else(|| PyString::new(py, "")).unbind()
        })
    }

    /// The elements after the opcode.
    #[getter]
    fn args<'py>(&'py self, py: Python<'py>) -> PyResult<&'py Py<PyTuple>> {
        self.args.get_or_try_init(py, || {
            let args = self.look(py, |instruction| PyTuple::new(py, instruction.args()));
            Ok(args.unwrap_or_else(|| Ok(PyTuple::empty(py)))?.unbind())
        })
    }

    /// The whole instruction as received, from the first length to the ``;``.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        match &self.source {
            Source::One(chunk) if self.start == 0 && self.end == chunk.as_bytes(py).len() => chunk.bind(py).clone(),
            Source::One(_) => PyBytes::new(py, self.bytes(py)),
            Source::Several(several) => several.join(py, self.start, self.end).bind(py).clone(),
        }
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.args(py)?.bind(py).len() + 1)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.elements(py)?.try_iter()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if index.is_instance_of::<PySlice>() {
            return self.elements(py)?.as_any().get_item(index);
        }
        let index: isize = index.extract()?;
        let args = self.args(py)?.bind(py);
        let len = args.len() + 1;
        let counted = if index < 0 { index.checked_add_unsigned(len) } else { Some(index) };
        match counted.and_then(|index| usize::try_from(index).ok()).filter(|&index| index < len) {
            Some(0) => Ok(self.opcode(py).clone_ref(py).into_bound(py).into_any()),
            Some(index) => args.get_item(index - 1),
            None => Err(PyIndexError::new_err("instruction index out of range")),
        }
    }

    fn __contains__(&self, py: Python<'_>, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(element) = element.cast::<PyString>() else {
            return Ok(false);
        };
        // Text that is no UTF-8, a lone surrogate, is in no instruction.
        let Ok(element) = element.to_cow() else { return Ok(false) };
        let found = self.look(py, |own| own.opcode() == element || own.args().any(|own| own == element));
        Ok(found.unwrap_or_default())
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let equal = if let Ok(other) = other.cast::<Self>() {
            let equal = self.look(py, |own| {
                other.get().look(py, |other| own.opcode() == other.opcode() && own.args().eq(other.args()))
            });
            equal.flatten().unwrap_or_default()
        } else if other.is_instance_of::<PyTuple>() {
            self.elements(py)?.eq(other)?
        } else {
            return Ok(py.NotImplemented());
        };
        Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    /// As the tuple's, because the two are equal.
    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.elements(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let opcode = self.opcode(py).bind(py).repr()?.to_cow()?.into_owned();
        let count = self.__len__(py)? - 1;
        let plural = if count == 1 { "" } else { "s" };
        Ok(format!("<Instruction {opcode} with {count} argument{plural}>"))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.raw(py)
    }

    /// Pickles and copies as its bytes.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.import("guac")?.getattr("_instruction_from_bytes")?, (self.raw(py),)))
    }
}
