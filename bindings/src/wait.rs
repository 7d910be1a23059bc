//! Waiting, in both faces: a blocking call that Ctrl-C interrupts, or an awaitable of asyncio.

use std::future::Future;
use std::time::Duration;

use pyo3::BoundObject as _;
use pyo3::prelude::*;
use pyo3_async_runtimes::tokio::get_runtime;
use tokio::time::timeout;

use crate::errors::Failure;

/// Threads of the runtime that all sessions share. Decoding pictures is all they do beside waiting.
const WORKERS: usize = 2;

/// Time after which a blocking wait looks whether Ctrl-C was pressed: no person feels it.
const LOOK_FOR_SIGNALS: Duration = Duration::from_millis(50);

/// Sets the shared runtime up. It starts with the first wait.
pub(crate) fn prepare() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(WORKERS).thread_name("guac").enable_all();
    pyo3_async_runtimes::tokio::init(builder);
}

/// Runs a future: to its end with the interpreter lock released, or as an awaitable.
pub(crate) fn run<T>(
    py: Python<'_>,
    blocking: bool,
    future: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> PyResult<Py<PyAny>>
where
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    if !blocking {
        let future = async move { future.await.map_err(|failure| Python::attach(|py| failure.exception(py))) };
        return pyo3_async_runtimes::tokio::future_into_py(py, future).map(Bound::unbind);
    }
    let mut future = Box::pin(future);
    loop {
        // What does not end in this time goes on in the next round; dropping it, for a signal, gives it up.
        let turn = py.detach(|| get_runtime().block_on(async { timeout(LOOK_FOR_SIGNALS, future.as_mut()).await }));
        match turn {
            Ok(Ok(value)) => {
                let value = value.into_pyobject(py).map_err(Into::into)?;
                return Ok(value.into_any().unbind());
            }
            Ok(Err(failure)) => return Err(failure.exception(py)),
            Err(_) => py.check_signals()?,
        }
    }
}
