#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod canvas;
mod composite;
mod cursor;
mod decode;
mod error;
mod flatten;
mod image;
mod layer;
mod limits;
mod pending;
mod player;
mod rect;
mod search;

pub use canvas::{Canvas, Change, Statistics};
pub use cursor::Cursor;
pub use decode::ImageFormat;
pub use error::CanvasError;
pub use image::Image;
pub use limits::CanvasLimits;
pub use player::Player;
pub use rect::Rect;
