//! The pointer.

use crate::Image;

/// The pointer's picture, with the point that clicks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) hotspot_x: i32,
    pub(crate) hotspot_y: i32,
    pub(crate) image: Image,
}

impl Cursor {
    /// The point that clicks, in pixels from the picture's corner.
    #[must_use]
    pub fn hotspot(&self) -> (i32, i32) {
        (self.hotspot_x, self.hotspot_y)
    }

    /// The picture, with alpha. Of no size if the server hides the pointer.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }
}
