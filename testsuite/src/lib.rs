//! What tests share: a model of a client's screen, and real servers to test against.

#![expect(clippy::cast_possible_wrap, reason = "pictures in tests are far below 2^63 pixels")]

mod canvas;

pub use canvas::Canvas;
