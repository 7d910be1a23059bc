//! The Python package: codec, client, recordings.
