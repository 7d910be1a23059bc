//! Where decoded pixels go.

use super::{pixel, rect::Rect};

/// The picture a connection draws on; it is not kept inside the connection, so there is one copy of it.
///
/// Pixels are `0x00RRGGBB`. Every rectangle was checked against the size given to the
/// last [`resize`](Self::resize), which itself was checked against [`Limits`](super::Limits). Rectangles may be empty.
pub trait Framebuffer {
    /// The desktop has this size from now on. What it shows is undefined until the server redraws it.
    fn resize(&mut self, width_px: u16, height_px: u16);

    /// Sets the pixels of `rect`: row-major, `rect.width` each row, exactly `rect.area()` of them.
    fn put(&mut self, rect: Rect, pixels: &[u32]);

    /// Sets all of `rect` to one colour.
    fn fill(&mut self, rect: Rect, pixel: u32);

    /// Copies `target.width` by `target.height` pixels from `source_x`, `source_y`; the two may overlap.
    fn copy(&mut self, source_x: u16, source_y: u16, target: Rect);
}

/// A [`Framebuffer`] behind the colour swap, counting what is drawn.
pub(crate) struct Canvas<'a> {
    picture: &'a mut dyn Framebuffer,
    swap_red_blue: bool,
    drawn_px: &'a mut u64,
}

impl<'a> Canvas<'a> {
    pub(crate) fn new(picture: &'a mut dyn Framebuffer, swap_red_blue: bool, drawn_px: &'a mut u64) -> Self {
        Self { picture, swap_red_blue, drawn_px }
    }

    pub(crate) fn put(&mut self, rect: Rect, pixels: &mut [u32]) {
        self.count(rect);
        if self.swap_red_blue {
            for pixel in pixels.iter_mut() {
                *pixel = pixel::swap_red_blue(*pixel);
            }
        }
        self.picture.put(rect, pixels);
    }

    pub(crate) fn fill(&mut self, rect: Rect, pixel: u32) {
        self.count(rect);
        self.picture.fill(rect, if self.swap_red_blue { pixel::swap_red_blue(pixel) } else { pixel });
    }

    pub(crate) fn copy(&mut self, source_x: u16, source_y: u16, target: Rect) {
        self.count(target);
        self.picture.copy(source_x, source_y, target);
    }

    fn count(&mut self, rect: Rect) {
        *self.drawn_px += u64::from(rect.area());
    }
}
