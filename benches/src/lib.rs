//! Benchmarks of the codec, the tunnels and their peers: corpora, and the work done on them.

pub mod codec;
pub mod corpus;
