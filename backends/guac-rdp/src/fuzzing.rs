//! What the workspace's fuzz targets reach of the decoders. No part of the crate's interface.

use guac_display::{Picture as _, Size, Surface};

use crate::graphics::{Graphics, GraphicsOptions};

/// A picture of 96x80 pixels and a server's bytes to draw on it. The functions say whether the bytes were accepted.
pub struct Screen {
    graphics: Graphics,
    surface: Surface,
}

impl Screen {
    /// Pixels per row.
    pub const WIDTH: usize = 96;
    /// Rows.
    pub const HEIGHT: usize = 80;

    /// A black picture; none if its size were wrong.
    #[must_use]
    pub fn new() -> Option<Self> {
        let size = Size::new(u32::try_from(Self::WIDTH).ok()?, u32::try_from(Self::HEIGHT).ok()?).ok()?;
        let options = GraphicsOptions { color_depth: 32, gfx: true, remotefx: true, lossless: false };
        Some(Self { graphics: Graphics::new(options), surface: Surface::new(size) })
    }

    /// Draws a fast-path PDU.
    pub fn fast_path(&mut self, pdu: &[u8]) -> bool {
        let accepted = self.graphics.handle_fast_path(pdu, &mut None, &mut self.surface).is_ok();
        while self.graphics.poll().is_some() {}
        accepted
    }

    /// Draws an update of the slow path, or shows its pointer.
    pub fn slow_path(&mut self, update: &[u8], pointer: bool) -> bool {
        let accepted = if pointer {
            self.graphics.handle_slow_path_pointer(update).is_ok()
        } else {
            self.graphics.handle_slow_path_update(update, &mut self.surface).is_ok()
        };
        while self.graphics.poll().is_some() {}
        accepted
    }

    /// Draws a message of the graphics pipeline.
    pub fn pipeline(&mut self, message: &[u8]) -> bool {
        let accepted = self.graphics.draw_message(message, &mut self.surface).is_ok();
        while self.graphics.poll().is_some() {}
        accepted
    }

    /// The picture, row by row: `0x00RRGGBB`.
    pub fn pixels(&mut self) -> Vec<u32> {
        let mut pixels = Vec::new();
        self.surface.read(self.surface.size().rect(), &mut pixels);
        pixels
    }
}
