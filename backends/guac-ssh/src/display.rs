//! The size of the picture, and what it means in cells.

use guac_display::Size;

use crate::backend::Console;

/// Longest side of a picture in pixels, as `guac_display` has it.
const MAX_SIDE_PX: u32 = 8192;

/// Resolutions that make sense: a television to a small telephone.
const DPI: (u32, u32) = (32, 600);

/// The nearest size that a picture may have.
pub(crate) fn size(width_px: u32, height_px: u32) -> Option<Size> {
    Size::new(width_px.clamp(1, MAX_SIDE_PX), height_px.clamp(1, MAX_SIDE_PX)).ok()
}

/// The resolution, or the usual one if it makes no sense.
pub(crate) fn dpi(asked: u32) -> u32 {
    if (DPI.0..=DPI.1).contains(&asked) { asked } else { 96 }
}

/// What the machine is told about the terminal: columns, rows, and their size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowSize {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    pub(crate) width_px: u32,
    pub(crate) height_px: u32,
}

impl Console {
    /// Any user who is not read-only may resize; the last one counts, as in guacd.
    pub(crate) fn handle_size(&mut self, width_px: u32, height_px: u32) {
        if let Some(size) = size(width_px, height_px) {
            let before = self.window_size();
            self.stage.picture().resize(size);
            self.stage.frame_end();
            self.resized |= before != self.window_size();
        }
    }

    pub(crate) fn window_size(&mut self) -> WindowSize {
        let terminal = self.stage.picture();
        let count = |cells: usize| u32::try_from(cells).unwrap_or(u32::MAX);
        let (columns, rows) = (count(terminal.columns()), count(terminal.rows()));
        let (width, height) = terminal.cell_size_px();
        WindowSize { columns, rows, width_px: columns.saturating_mul(width), height_px: rows.saturating_mul(height) }
    }
}
