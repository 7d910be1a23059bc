//! The pointer's picture.

use guac_protocol::{Encode, InstructionWriter, LayerIndex, MAX_BLOB_BYTES, Mask, ServerInstruction, StreamIndex};

use crate::encode::{IMAGE_STREAM, png_rgba};

/// Longest side of a pointer picture. Browsers refuse larger ones and fall back to the plain arrow.
pub const MAX_CURSOR_SIDE_PX: u32 = 128;

/// The off-screen buffer that holds the pointer's picture.
const CURSOR_BUFFER: LayerIndex = LayerIndex(-1);

/// A pointer picture that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pointer picture of {width}x{height} pixels with {pixels} given is above {MAX_CURSOR_SIDE_PX} a side or incomplete"
)]
pub struct CursorError {
    width: u32,
    height: u32,
    pixels: usize,
}

/// A pointer picture with the point that clicks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    width: u32,
    height: u32,
    hotspot_x: u32,
    hotspot_y: u32,
    pixels: Vec<u32>,
}

impl Cursor {
    /// From row-major pixels, `0xAARRGGBB` each and not premultiplied. An empty picture hides the pointer. The
    /// hotspot is moved into the picture.
    ///
    /// # Errors
    /// [`CursorError`] if a side is above [`MAX_CURSOR_SIDE_PX`] or the number of pixels is wrong.
    pub fn new(width: u32, height: u32, hotspot: (u32, u32), pixels: Vec<u32>) -> Result<Self, CursorError> {
        let wrong = CursorError { width, height, pixels: pixels.len() };
        if width > MAX_CURSOR_SIDE_PX || height > MAX_CURSOR_SIDE_PX || pixels.len() != (width * height) as usize {
            return Err(wrong);
        }
        let hotspot_x = hotspot.0.min(width.saturating_sub(1));
        let hotspot_y = hotspot.1.min(height.saturating_sub(1));
        Ok(Self { width, height, hotspot_x, hotspot_y, pixels })
    }

    /// A pointer of nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self { width: 0, height: 0, hotspot_x: 0, hotspot_y: 0, pixels: Vec::new() }
    }

    /// A dot of 5x5 pixels, white with a black rim: shows where one is when the machine draws its own pointer.
    #[must_use]
    pub fn dot() -> Self {
        let pixels = (0..25).map(|i| {
            let (x, y) = (i % 5, i / 5);
            let rim = x == 0 || y == 0 || x == 4 || y == 4;
            let corner = (x == 0 || x == 4) && (y == 0 || y == 4);
            if corner {
                0
            } else if rim {
                0xFF00_0000
            } else {
                0xFFFF_FFFF
            }
        });
        Self { width: 5, height: 5, hotspot_x: 2, hotspot_y: 2, pixels: pixels.collect() }
    }

    /// Text cursor (I-beam) of 7x16 pixels, for terminals.
    #[must_use]
    pub fn ibeam() -> Self {
        let pixels = (0..7 * 16).map(|i| {
            let (x, y) = (i % 7, i / 7);
            let ink = if y == 0 || y == 15 { x != 3 && (1..=5).contains(&x) } else { x == 3 };
            let halo = if y <= 1 || y >= 14 { (0..=6).contains(&x) } else { (2..=4).contains(&x) };
            if ink {
                0xFFFF_FFFF
            } else if halo {
                0xFF00_0000
            } else {
                0
            }
        });
        Self { width: 7, height: 16, hotspot_x: 3, hotspot_y: 8, pixels: pixels.collect() }
    }

    /// The instructions that draw the picture into a buffer and make it the pointer.
    #[must_use]
    pub fn to_instructions(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let stream: StreamIndex = IMAGE_STREAM;
        if !self.pixels.is_empty() {
            ServerInstruction::Size { layer: CURSOR_BUFFER, width: self.width, height: self.height }.encode(&mut out);
            let (mimetype, mask) = ("image/png", Mask::SRC);
            ServerInstruction::Img { stream, mask, layer: CURSOR_BUFFER, mimetype, x: 0, y: 0 }.encode(&mut out);
            for chunk in png_rgba(self.width, self.height, &self.pixels).chunks(MAX_BLOB_BYTES) {
                InstructionWriter::new(&mut out, "blob").arg(&stream).base64(chunk).end();
            }
            ServerInstruction::End { stream }.encode(&mut out);
        }
        ServerInstruction::Cursor {
            // Both are below MAX_CURSOR_SIDE_PX.
            hotspot_x: i32::try_from(self.hotspot_x).unwrap_or_default(),
            hotspot_y: i32::try_from(self.hotspot_y).unwrap_or_default(),
            src_layer: CURSOR_BUFFER,
            src_x: 0,
            src_y: 0,
            width: self.width,
            height: self.height,
        }
        .encode(&mut out);
        out
    }
}
