//! Benchmarks of the codec, the tunnels and their peers.
