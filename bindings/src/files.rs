//! Contents of files on their way to a session and from it.

use std::path::PathBuf;

use pyo3::prelude::*;
use tokio::fs::File;
use tokio::io::AsyncRead;

use crate::errors::Failure;

/// Most bytes of a file that is given as `bytes`. Larger ones go to the disk.
const MAX_READ_BYTES: usize = 256 * 1024 * 1024;

/// What an upload reads: bytes, or a file.
pub(crate) enum Source {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

impl Source {
    pub(crate) fn of(data: Option<Vec<u8>>, path: Option<PathBuf>) -> Self {
        match path {
            Some(path) => Self::Path(path),
            None => Self::Bytes(data.unwrap_or_default()),
        }
    }

    pub(crate) async fn open(self) -> Result<Box<dyn AsyncRead + Send + Unpin>, Failure> {
        Ok(match self {
            Self::Bytes(data) => Box::new(std::io::Cursor::new(data)),
            Self::Path(path) => match File::open(&path).await {
                Ok(file) => Box::new(file),
                Err(error) => return Err(Failure::File(path, error)),
            },
        })
    }
}

/// All of a file of the session, in memory.
pub(crate) async fn collect(mut file: guac_client::IncomingFile) -> Result<Bytes, Failure> {
    let mut all = Vec::new();
    while let Some(piece) = file.next().await? {
        if all.len() + piece.len() > MAX_READ_BYTES {
            return Err(Failure::TooLarge(MAX_READ_BYTES));
        }
        all.extend_from_slice(&piece);
    }
    Ok(Bytes(all))
}

/// Bytes that Python sees as `bytes`.
pub(crate) struct Bytes(Vec<u8>);

impl<'py> IntoPyObject<'py> for Bytes {
    type Target = pyo3::types::PyBytes;
    type Output = Bound<'py, Self::Target>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(pyo3::types::PyBytes::new(py, &self.0))
    }
}
