//! Fuzz targets. Each is a function that takes any bytes and panics when its oracle is wrong: "does not crash" is never
//! the only thing that is asked.
//!
//! With a nightly compiler and cargo-fuzz: `cargo +nightly fuzz run --features libfuzzer decoder`. Without them,
//! `cargo test --package fuzz` replays the seeds, everything that fuzzing found, and mutations of both.
#![expect(clippy::missing_panics_doc, reason = "every target panics where its oracle is wrong")]

pub mod canvas;
pub mod decoder;
pub mod frames;
pub mod grammars;
pub mod handshake;
pub mod rdp_channels;
pub mod recording;
pub mod reference;
pub mod tunnels;
pub mod typed;
pub mod updates;

/// A target: takes any bytes, panics when its oracle is wrong.
pub type Check = fn(&[u8]);

/// Every target by the name of its binary.
pub const TARGETS: &[(&str, Check)] = &[
    ("decoder", decoder::check),
    ("typed", typed::check),
    ("handshake", handshake::check),
    ("tunnels", tunnels::check),
    ("frames", frames::check),
    ("canvas", canvas::check),
    ("recording", recording::check),
    ("grammars", grammars::check),
    ("updates", updates::check),
    ("rdp_channels", rdp_channels::check),
];

/// Takes the first bytes as the places where the rest is cut: one byte a cut, as a length of the piece.
#[must_use]
pub fn pieces(data: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let Some((&count, rest)) = data.split_first() else {
        return (Vec::new(), data);
    };
    let (cuts, whole) = rest.split_at(usize::from(count % 16).min(rest.len()));
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    let mut left = whole;
    for &cut in cuts {
        let (piece, after) = left.split_at(usize::from(cut).min(left.len()));
        pieces.push(piece);
        left = after;
    }
    pieces.push(left);
    (pieces, whole)
}
