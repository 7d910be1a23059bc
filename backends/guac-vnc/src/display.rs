//! The server's picture and pointer on the session's.

use guac_display::{CopyOp, Cursor, MAX_CURSOR_SIDE_PX, Rect, Size, Surface};

use crate::rfb::{self, CursorShape, Framebuffer};

/// Draws on a surface what the server sends.
pub(crate) struct SurfacePainter<'a>(pub(crate) &'a mut Surface);

impl Framebuffer for SurfacePainter<'_> {
    fn resize(&mut self, width_px: u16, height_px: u16) {
        match Size::new(width_px.into(), height_px.into()) {
            Ok(size) => self.0.resize(size),
            // The connection's limits are those of a surface, so this is our bug; the old size stays.
            Err(error) => tracing::error!(%error, "Size of the server passed one limit and not the other"),
        }
    }

    fn put(&mut self, rect: rfb::Rect, pixels: &[u32]) {
        self.0.put(wide(rect), pixels);
    }

    fn fill(&mut self, rect: rfb::Rect, pixel: u32) {
        self.0.fill(wide(rect), pixel);
    }

    fn copy(&mut self, source_x: u16, source_y: u16, target: rfb::Rect) {
        let target = wide(target);
        let src = Rect { x: source_x.into(), y: source_y.into(), ..target };
        self.0.copy(CopyOp { src, dst_x: target.x, dst_y: target.y });
    }
}

/// Stands for the picture before there is one: remembers its size.
#[derive(Debug, Default)]
pub(crate) struct NoPictureYet {
    pub(crate) size: Option<(u16, u16)>,
}

impl Framebuffer for NoPictureYet {
    fn resize(&mut self, width_px: u16, height_px: u16) {
        self.size = Some((width_px, height_px));
    }

    // The server has not been asked for any pixels.
    fn put(&mut self, _: rfb::Rect, _: &[u32]) {}
    fn fill(&mut self, _: rfb::Rect, _: u32) {}
    fn copy(&mut self, _: u16, _: u16, _: rfb::Rect) {}
}

fn wide(rect: rfb::Rect) -> Rect {
    Rect::new(rect.x.into(), rect.y.into(), rect.width.into(), rect.height.into())
}

/// The pointer as browsers take it: at most 128 pixels a side, larger ones are cut at the right and the bottom.
pub(crate) fn cursor(shape: CursorShape) -> Cursor {
    let (width, height) = (u32::from(shape.width_px), u32::from(shape.height_px));
    let (cut_width, cut_height) = (width.min(MAX_CURSOR_SIDE_PX), height.min(MAX_CURSOR_SIDE_PX));
    if cut_width == 0 || cut_height == 0 || shape.pixels.iter().all(|pixel| pixel >> 24 == 0) {
        return Cursor::hidden();
    }
    let pixels = if (cut_width, cut_height) == (width, height) {
        shape.pixels
    } else {
        let rows = shape.pixels.chunks_exact(width as usize).take(cut_height as usize);
        rows.flat_map(|row| row.iter().take(cut_width as usize)).copied().collect()
    };
    let hotspot = (shape.hotspot_x.into(), shape.hotspot_y.into());
    Cursor::new(cut_width, cut_height, hotspot, pixels).unwrap_or_else(|error| {
        tracing::debug!(%error, "Pointer of the server not shown");
        Cursor::dot()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width_px: u16, height_px: u16, pixel: u32) -> CursorShape {
        let pixels = vec![pixel; usize::from(width_px) * usize::from(height_px)];
        CursorShape { hotspot_x: 0, hotspot_y: 0, width_px, height_px, pixels }
    }

    #[test]
    fn a_pointer_of_nothing_hides_it() {
        assert_eq!(cursor(shape(0, 0, 0)), Cursor::hidden());
        assert_eq!(cursor(shape(8, 8, 0x00FF_FFFF)), Cursor::hidden());
    }

    #[test]
    fn a_large_pointer_is_cut_to_what_browsers_take() {
        let all = |side: u16| cursor(shape(side, side, 0xFF00_0001));
        assert_eq!(all(200), all(128));
        assert_ne!(all(127), all(128));
    }

    #[test]
    fn drawing_reaches_the_surface() {
        let mut surface = Surface::new(Size::new(4, 2).unwrap());
        let mut painter = SurfacePainter(&mut surface);
        painter.fill(rfb::Rect::new(0, 0, 4, 2), 7);
        painter.put(rfb::Rect::new(0, 0, 2, 1), &[1, 2]);
        painter.copy(0, 0, rfb::Rect::new(2, 1, 2, 1));
        assert_eq!(surface.row(Rect::new(0, 0, 4, 2), 0), [1, 2, 7, 7]);
        assert_eq!(surface.row(Rect::new(0, 0, 4, 2), 1), [7, 7, 1, 2]);
    }
}
