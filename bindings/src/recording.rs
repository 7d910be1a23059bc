//! Recordings, played to pictures.

use std::path::PathBuf;
use std::time::Duration;

use guac_canvas::CanvasLimits;
use pyo3::prelude::*;

use crate::errors;
use crate::image::Image;

/// A recording, as plain as it comes: `guac/_recording.py` gives it an interface.
#[pyclass(module = "guac._guac")]
#[derive(Debug)]
pub(crate) struct Player(guac_canvas::Player);

#[pymethods]
impl Player {
    /// From a file.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let player = py.detach(|| {
            let data = std::fs::read(&path)?;
            Ok(guac_canvas::Player::new(data, CanvasLimits::default()))
        });
        player.map(Self).map_err(|error: std::io::Error| errors::file(py, &path, &error))
    }

    /// From its bytes.
    #[staticmethod]
    fn load(py: Python<'_>, data: Vec<u8>) -> Self {
        py.detach(|| Self(guac_canvas::Player::new(data, CanvasLimits::default())))
    }

    /// Number of frames.
    #[getter]
    fn frames(&self) -> usize {
        self.0.frames()
    }

    /// Seconds from the first frame to the last.
    #[getter]
    fn duration(&self) -> f64 {
        self.0.duration().as_secs_f64()
    }

    /// Why it ends where it does, if it is damaged there.
    #[getter]
    fn damaged(&self) -> Option<String> {
        self.0.damaged().map(ToString::to_string)
    }

    /// Seconds after the first frame at which a frame was shown.
    fn time_of(&self, frame: usize) -> Option<f64> {
        self.0.time_of(frame).map(|time| time.as_secs_f64())
    }

    /// The number of frames that are shown at this many seconds.
    fn frames_at(&mut self, py: Python<'_>, seconds: f64) -> PyResult<usize> {
        let time = Duration::try_from_secs_f64(seconds)
            .map_err(|_| errors::misuse(py, "a time in a recording is a number of seconds, not below 0"))?;
        Ok(py.detach(|| {
            self.0.seek(time);
            self.0.position()
        }))
    }

    /// The picture once this many frames are shown.
    fn picture(&mut self, py: Python<'_>, frames: usize, pointer: bool) -> Image {
        py.detach(|| {
            self.0.seek_frame(frames);
            Image(if pointer { self.0.image_with_pointer() } else { self.0.image() })
        })
    }
}
