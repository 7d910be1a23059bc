//! The client. Each method comes in both faces: with `blocking` it waits, without it gives an awaitable.
//! `guac/_session.py` and `guac/aio.py` give them types.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use guac_client::Button;
use pyo3::prelude::*;
use tokio::fs::File;
use tokio::sync::watch;

use crate::errors::{self, Failure};
use crate::files::{Source, collect};
use crate::image::{Image, Region, rect};
use crate::wait::run;

/// A session that is open, or was.
#[pyclass(frozen, module = "guac._guac")]
#[derive(Debug)]
pub(crate) struct Client {
    client: Arc<guac_client::Client>,
    /// Whether this side closed it: every call that waits ends then.
    closed: watch::Sender<bool>,
}

impl Client {
    pub(crate) fn new(client: guac_client::Client) -> Self {
        Self { client: Arc::new(client), closed: watch::Sender::new(false) }
    }

    /// The client, unless this side closed it.
    fn client(&self, py: Python<'_>) -> PyResult<&Arc<guac_client::Client>> {
        if *self.closed.borrow() { Err(Failure::Closed.exception(py)) } else { Ok(&self.client) }
    }

    /// Looks at the client without waiting.
    fn look<T>(&self, py: Python<'_>, look: impl FnOnce(&guac_client::Client) -> T) -> PyResult<T> {
        Ok(look(self.client(py)?))
    }

    /// Does something with the client until it is done or the session is closed.
    fn act<T, F>(
        &self,
        py: Python<'_>,
        blocking: bool,
        act: impl FnOnce(Arc<guac_client::Client>) -> F,
    ) -> PyResult<Py<PyAny>>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
        T: for<'py> IntoPyObject<'py> + Send + 'static,
    {
        let act = act(Arc::clone(self.client(py)?));
        let mut closed = self.closed.subscribe();
        run(py, blocking, async move {
            tokio::select! {
                done = act => done,
                _ = closed.wait_for(|closed| *closed) => Err(Failure::Closed),
            }
        })
    }
}

/// A time as Python gives it.
pub(crate) fn seconds(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| errors::misuse(py, "a time is a number of seconds, not below 0"))
}

fn button(py: Python<'_>, name: &str) -> PyResult<Button> {
    match name {
        "left" => Ok(Button::Left),
        "middle" => Ok(Button::Middle),
        "right" => Ok(Button::Right),
        _ => Err(errors::misuse(py, "a button is \"left\", \"middle\" or \"right\"")),
    }
}

#[pymethods]
impl Client {
    #[getter]
    fn connection_id(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.look(py, |client| client.connection_id().map(ToString::to_string))
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<(u32, u32)> {
        self.look(py, guac_client::Client::size)
    }

    #[getter]
    fn frame(&self, py: Python<'_>) -> PyResult<u64> {
        self.look(py, guac_client::Client::frame)
    }

    #[getter]
    fn title(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.look(py, guac_client::Client::title)
    }

    #[getter]
    fn clipboard(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.look(py, guac_client::Client::clipboard)
    }

    #[getter]
    fn open(&self) -> bool {
        !*self.closed.borrow() && self.client.ended().is_none()
    }

    fn screenshot(&self, py: Python<'_>, blocking: bool) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, |client| async move { Ok(Image(client.screenshot().await?)) })
    }

    fn resize(&self, py: Python<'_>, blocking: bool, width: u32, height: u32) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, move |client| async move { Ok(client.resize(width, height).await?) })
    }

    fn key(&self, py: Python<'_>, blocking: bool, keysym: u32, pressed: bool) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, move |client| async move { Ok(client.key(keysym, pressed).await?) })
    }

    fn press(&self, py: Python<'_>, blocking: bool, keys: Vec<String>) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, |client| async move {
            for keys in keys {
                client.press(&keys).await?;
            }
            Ok(())
        })
    }

    fn type_text(&self, py: Python<'_>, blocking: bool, text: String, pause: f64) -> PyResult<Py<PyAny>> {
        let pause = seconds(py, pause)?;
        self.act(py, blocking, move |client| async move {
            if pause.is_zero() {
                client.type_text(&text).await?;
            } else {
                client.type_text_slowly(&text, pause).await?;
            }
            Ok(())
        })
    }

    fn mouse_move(&self, py: Python<'_>, blocking: bool, x: i32, y: i32) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, move |client| async move { Ok(client.mouse_move(x, y).await?) })
    }

    fn mouse_button(&self, py: Python<'_>, blocking: bool, name: &str, down: bool) -> PyResult<Py<PyAny>> {
        let button = button(py, name)?;
        self.act(py, blocking, move |client| async move {
            if down {
                client.mouse_down(button).await?;
            } else {
                client.mouse_up(button).await?;
            }
            Ok(())
        })
    }

    fn click(&self, py: Python<'_>, blocking: bool, at: (i32, i32), name: &str, count: u32) -> PyResult<Py<PyAny>> {
        let button = button(py, name)?;
        self.act(py, blocking, move |client| async move { Ok(client.click(at.0, at.1, button, count).await?) })
    }

    fn drag(
        &self,
        py: Python<'_>,
        blocking: bool,
        start: (i32, i32),
        end: (i32, i32),
        name: &str,
    ) -> PyResult<Py<PyAny>> {
        let button = button(py, name)?;
        self.act(py, blocking, move |client| async move { Ok(client.drag(start, end, button).await?) })
    }

    fn scroll(&self, py: Python<'_>, blocking: bool, at: (i32, i32), notches: i32) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, move |client| async move { Ok(client.scroll(at.0, at.1, notches).await?) })
    }

    fn set_clipboard(&self, py: Python<'_>, blocking: bool, text: String) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, |client| async move { Ok(client.set_clipboard(&text).await?) })
    }

    fn set_parameter(&self, py: Python<'_>, blocking: bool, name: String, value: String) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, |client| async move { Ok(client.set_parameter(&name, &value).await?) })
    }

    fn wait_frame(&self, py: Python<'_>, blocking: bool, after: u64, limit: f64) -> PyResult<Py<PyAny>> {
        let limit = seconds(py, limit)?;
        self.act(py, blocking, move |client| async move { Ok(client.wait_frame(after, limit).await?) })
    }

    fn wait_until_still(&self, py: Python<'_>, blocking: bool, quiet: f64, limit: f64) -> PyResult<Py<PyAny>> {
        let (quiet, limit) = (seconds(py, quiet)?, seconds(py, limit)?);
        self.act(py, blocking, move |client| async move { Ok(Image(client.wait_until_still(quiet, limit).await?)) })
    }

    fn wait_for_image(
        &self,
        py: Python<'_>,
        blocking: bool,
        template: &Image,
        region: Option<Region>,
        tolerance: u8,
        limit: f64,
    ) -> PyResult<Py<PyAny>> {
        let (limit, template) = (seconds(py, limit)?, template.0.clone());
        self.act(py, blocking, move |client| async move {
            let found = client.wait_for_image(&template, region.map(rect), tolerance, limit).await?;
            Ok((found.x, found.y, found.width, found.height))
        })
    }

    fn wait_for_title(&self, py: Python<'_>, blocking: bool, text: String, limit: f64) -> PyResult<Py<PyAny>> {
        let limit = seconds(py, limit)?;
        self.act(py, blocking, move |client| async move {
            Ok(client.wait_for_title(|title| title.contains(&text), limit).await?)
        })
    }

    fn wait_for_clipboard(&self, py: Python<'_>, blocking: bool, text: String, limit: f64) -> PyResult<Py<PyAny>> {
        let limit = seconds(py, limit)?;
        self.act(py, blocking, move |client| async move {
            Ok(client.wait_for_clipboard(|clipboard| clipboard.contains(&text), limit).await?)
        })
    }

    fn wait_for_size(&self, py: Python<'_>, blocking: bool, size: (u32, u32), limit: f64) -> PyResult<Py<PyAny>> {
        let limit = seconds(py, limit)?;
        self.act(py, blocking, move |client| async move { Ok(client.wait_for_size(size.0, size.1, limit).await?) })
    }

    fn list_files(&self, py: Python<'_>, blocking: bool, path: String) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, |client| async move {
            let entries = client.files().list(&path).await?;
            Ok(entries.into_iter().map(|entry| (entry.path, entry.mimetype, entry.is_directory)).collect::<Vec<_>>())
        })
    }

    /// To a path of the session's file system, or without one to wherever the session puts files.
    fn upload(
        &self,
        py: Python<'_>,
        blocking: bool,
        source: (Option<Vec<u8>>, Option<PathBuf>),
        name: String,
        drop: bool,
    ) -> PyResult<Py<PyAny>> {
        let source = Source::of(source.0, source.1);
        self.act(py, blocking, move |client| async move {
            let reader = source.open().await?;
            Ok(if drop {
                client.upload(&name, reader, |_| {}).await?
            } else {
                client.files().put(&name, reader, |_| {}).await?
            })
        })
    }

    fn download(&self, py: Python<'_>, blocking: bool, path: String, target: PathBuf) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, |client| async move {
            // First the session's side, so that a refusal leaves no empty file.
            let incoming = client.files().open(&path).await?;
            let file = File::create(&target).await.map_err(|error| Failure::File(target, error))?;
            Ok(incoming.save(file, |_| {}).await?)
        })
    }

    fn read_file(&self, py: Python<'_>, blocking: bool, path: String) -> PyResult<Py<PyAny>> {
        self.act(py, blocking, |client| async move { collect(client.files().open(&path).await?).await })
    }

    fn next_file(&self, py: Python<'_>, blocking: bool, limit: f64) -> PyResult<Py<PyAny>> {
        let limit = seconds(py, limit)?;
        self.act(py, blocking, move |client| async move {
            let file = client.next_file(limit).await?;
            let name = file.name().to_owned();
            Ok((name, collect(file).await?))
        })
    }

    /// Ends every call that waits, and leaves the session. Once more does nothing.
    fn close(&self, py: Python<'_>, blocking: bool) -> PyResult<Py<PyAny>> {
        let again = self.closed.send_replace(true);
        let client = Arc::clone(&self.client);
        run(py, blocking, async move { if again { Ok(()) } else { Ok(client.close().await?) } })
    }
}
