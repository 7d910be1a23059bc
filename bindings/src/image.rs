//! Pictures on their way to Python.

use std::path::PathBuf;

use guac_canvas::{CanvasLimits, Rect};
use guac_protocol::Status;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict};

use crate::errors::{self, Blame};

/// Left, top, width and height, in pixels.
pub(crate) type Region = (u32, u32, u32, u32);

/// A picture: what a screen showed at a moment, or something to look for on one.
///
/// Row-major RGBA, eight bits each. It does not change; pictures of one screen share their memory.
#[pyclass(frozen, module = "guac", eq)]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Image(pub(crate) guac_canvas::Image);

#[pymethods]
impl Image {
    /// From ``width * height * 4`` bytes of RGBA.
    ///
    /// :raises CallerError: for another number of bytes.
    #[new]
    fn new(py: Python<'_>, width: u32, height: u32, rgba: Vec<u8>) -> PyResult<Self> {
        let image = guac_canvas::Image::new(width, height, rgba);
        image.map(Self).ok_or_else(|| errors::misuse(py, "an image has width * height * 4 bytes"))
    }

    /// From a PNG, JPEG or WebP file.
    ///
    /// :raises LocalError: if it cannot be read.
    /// :raises CallerError: if it is no such picture.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let data = py.detach(|| std::fs::read(&path)).map_err(|error| errors::file(py, &path, &error))?;
        Self::decode(py, &data)
    }

    /// From the bytes of a PNG, JPEG or WebP file.
    ///
    /// :raises CallerError: if it is no such picture.
    #[staticmethod]
    fn decode(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        let decoded = py.detach(|| guac_canvas::Image::decode(data, &CanvasLimits::default()));
        let bad = |error: guac_canvas::CanvasError| {
            errors::exception(py, Blame::Caller, Status::ClientBadType, &error.to_string())
        };
        decoded.map(Self).map_err(bad)
    }

    /// Pixels in a row.
    #[getter]
    fn width(&self) -> u32 {
        self.0.width()
    }

    /// Rows.
    #[getter]
    fn height(&self) -> u32 {
        self.0.height()
    }

    /// Width and height, in pixels.
    #[getter]
    fn size(&self) -> (u32, u32) {
        self.0.size()
    }

    /// Red, green and blue of one pixel.
    ///
    /// :raises CallerError: for a place outside.
    fn pixel(&self, py: Python<'_>, x: u32, y: u32) -> PyResult<(u8, u8, u8)> {
        let pixel = self.0.pixel(x, y);
        pixel.map(|[r, g, b, _]| (r, g, b)).ok_or_else(|| errors::misuse(py, "the pixel is outside of the image"))
    }

    /// The part within left, top, width and height; what is outside is left out.
    fn crop(&self, py: Python<'_>, region: Region) -> Self {
        py.detach(|| Self(self.0.crop(rect(region))))
    }

    /// Where a smaller picture shows, from the top: left, top, width and height, or ``None``.
    ///
    /// Each colour may differ by ``tolerance``; a picture that came with losses needs about 16. Fully transparent
    /// pixels of the template fit anything.
    #[pyo3(signature = (template, *, tolerance = 0, region = None))]
    fn find(&self, py: Python<'_>, template: &Self, tolerance: u8, region: Option<Region>) -> Option<Region> {
        let found = py.detach(|| self.0.find(&template.0, region.map(rect), tolerance));
        found.map(|found| (found.x, found.y, found.width, found.height))
    }

    /// How many pixels differ by more than ``tolerance`` in a colour; ``None`` if the sizes differ.
    #[pyo3(signature = (other, *, tolerance = 0))]
    fn differing_pixels(&self, py: Python<'_>, other: &Self, tolerance: u8) -> Option<usize> {
        py.detach(|| self.0.differing_pixels(&other.0, tolerance))
    }

    /// A NumPy array of its own, ``uint8``, of shape (height, width, 4): red, green, blue, alpha.
    ///
    /// :raises ImportError: without NumPy (``pip install guacd-lite[imaging]``).
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let numpy = needed(py, "numpy", "NumPy")?;
        // A bytearray, because its bytes may be written and nobody else has them: the one copy there is.
        let bytes = PyByteArray::new(py, self.0.rgba());
        let flat = numpy.call_method1("frombuffer", (bytes, numpy.getattr("uint8")?))?;
        flat.call_method1("reshape", (self.0.height(), self.0.width(), 4))
    }

    /// A Pillow image of mode ``RGB``, or of another.
    ///
    /// :raises ImportError: without Pillow (``pip install guacd-lite[imaging]``).
    #[pyo3(signature = (mode = "RGB"))]
    fn to_pillow<'py>(&self, py: Python<'py>, mode: &str) -> PyResult<Bound<'py, PyAny>> {
        let pillow = needed(py, "PIL.Image", "Pillow")?;
        let bytes = PyBytes::new(py, self.0.rgba());
        let (target, layout) = if mode == "RGB" { ("RGB", "RGBX") } else { ("RGBA", "RGBA") };
        let image = pillow.call_method1("frombytes", (target, self.0.size(), bytes, "raw", layout))?;
        if mode == target { Ok(image) } else { image.call_method1("convert", (mode,)) }
    }

    /// The bytes of a PNG file.
    fn to_png<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let png = py.detach(|| self.0.to_png());
        PyBytes::new(py, &png)
    }

    /// All pixels, four bytes each: red, green, blue, alpha.
    fn to_rgba<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.rgba())
    }

    /// Writes a file: ``.png`` by itself, any other kind that Pillow knows by it.
    ///
    /// :raises LocalError: if it cannot be written.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
            let written = py.detach(|| std::fs::write(&path, self.0.to_png()));
            return written.map_err(|error| errors::file(py, &path, &error));
        }
        self.to_pillow(py, "RGB")?.call_method1("save", (path,)).map(|_| ())
    }

    fn __repr__(&self) -> String {
        format!("<Image {}x{}>", self.0.width(), self.0.height())
    }

    /// Jupyter shows it.
    fn _repr_png_<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.to_png(py)
    }

    /// What NumPy's ``asarray`` asks for.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if copy == Some(false) {
            return Err(pyo3::exceptions::PyValueError::new_err("an image becomes an array by copying"));
        }
        let array = self.to_numpy(py)?;
        let Some(dtype) = dtype else { return Ok(array) };
        let options = PyDict::new(py);
        options.set_item("copy", false)?;
        array.call_method("astype", (dtype,), Some(&options))
    }
}

/// A rectangle from left, top, width and height.
pub(crate) fn rect((x, y, width, height): Region) -> Rect {
    Rect::new(x, y, width, height)
}

fn needed<'py>(py: Python<'py>, module: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import(module).map(Bound::into_any).map_err(|error| {
        let message = format!("{name} is needed for this: pip install guacd-lite[imaging]");
        let clear = pyo3::exceptions::PyImportError::new_err(message);
        clear.set_cause(py, Some(error));
        clear
    })
}
