//! Pictures: what a screen showed at a moment, pointers, and templates to look for.

use std::fmt;
use std::sync::Arc;

use guac_protocol::Mask;

use crate::composite::{Pixel, blend};
use crate::decode::ImageDecoder;
use crate::rect::{Area, Rect, at};
use crate::{CanvasError, CanvasLimits, ImageFormat};

/// A picture of row-major RGBA, eight bits each, the colours not premultiplied. Clones share the pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    /// INVARIANT: `width * height * 4` bytes.
    rgba: Arc<Vec<u8>>,
}

impl Image {
    /// From `width * height * 4` bytes: rows from the top, pixels from the left, red, green, blue, alpha. `None` if it
    /// is another number of bytes.
    #[must_use]
    pub fn new(width: u32, height: u32, rgba: Vec<u8>) -> Option<Self> {
        let len = at(width).checked_mul(at(height))?.checked_mul(4)?;
        (len == rgba.len()).then(|| Self::from_parts(width, height, rgba))
    }

    /// From a PNG, JPEG or WebP file, told apart by its first bytes.
    ///
    /// # Errors
    /// [`CanvasError::UnknownImageType`], [`CanvasError::BadImage`], or [`CanvasError::ImageTooLarge`] before anything
    /// is allocated.
    pub fn decode(data: &[u8], limits: &CanvasLimits) -> Result<Self, CanvasError> {
        let format = match data {
            [0x89, b'P', b'N', b'G', ..] => ImageFormat::Png,
            [0xFF, 0xD8, ..] => ImageFormat::Jpeg,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ImageFormat::Webp,
            _ => return Err(CanvasError::UnknownImageType),
        };
        ImageDecoder::default().decode(format, data, limits, |width, height, pixels| {
            Self::from_parts(width, height, pixels.as_flattened().to_vec())
        })
    }

    pub(crate) fn from_parts(width: u32, height: u32, rgba: Vec<u8>) -> Self {
        Self { width, height, rgba: Arc::new(rgba) }
    }

    pub(crate) fn empty() -> Self {
        Self::from_parts(0, 0, Vec::new())
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width and height, in pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The whole of it, as a rectangle.
    #[must_use]
    pub fn bounds(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// All pixels: `width * 4` bytes a row without gaps, rows from the top; red, green, blue, alpha.
    #[must_use]
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }

    /// The same bytes, shared: for handing them on without a copy.
    #[must_use]
    pub fn shared_rgba(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.rgba)
    }

    /// Red, green, blue, alpha of one pixel; `None` outside.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        self.row(y).get(at(x)).copied()
    }

    /// One row of pixels; empty outside.
    #[must_use]
    pub fn row(&self, y: u32) -> &[[u8; 4]] {
        let (start, len) = (at(y).saturating_mul(at(self.width)), at(self.width));
        self.rgba.as_chunks::<4>().0.get(start..start.saturating_add(len)).unwrap_or_default()
    }

    pub(crate) fn row_mut(&mut self, y: u32, x: u32, len: u32) -> &mut [Pixel] {
        let start = at(y) * at(self.width) + at(x);
        let pixels = Arc::make_mut(&mut self.rgba).as_chunks_mut::<4>().0;
        pixels.get_mut(start..start + at(len)).unwrap_or_default()
    }

    /// All pixels, row by row, `0x00RRGGBB`.
    #[must_use]
    pub fn pixels(&self) -> Vec<u32> {
        self.rgba.as_chunks::<4>().0.iter().map(|&[r, g, b, _]| u32::from_be_bytes([0, r, g, b])).collect()
    }

    /// All pixels without alpha, three bytes each.
    #[must_use]
    pub fn rgb(&self) -> Vec<u8> {
        self.rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()
    }

    /// The part within a rectangle, which is clipped to the picture first.
    #[must_use]
    pub fn crop(&self, rect: Rect) -> Self {
        let rect = rect.intersection(self.bounds());
        let mut rgba = Vec::with_capacity(at(rect.width) * at(rect.height) * 4);
        for y in rect.y..rect.bottom() {
            let row = self.row(y).get(at(rect.x)..at(rect.right())).unwrap_or_default();
            rgba.extend_from_slice(row.as_flattened());
        }
        Self::from_parts(rect.width, rect.height, rgba)
    }

    /// A copy with another picture drawn over it, by alpha, its corner at `(x, y)`; what is outside is cut off.
    #[must_use]
    pub fn with_overlay(&self, over: &Self, x: i32, y: i32) -> Self {
        let mut all = self.clone();
        let (left, top) = (i64::from(x), i64::from(y));
        let rect = Area::new(0, 0, over.width, over.height).moved(left, top).within(self.width, self.height);
        let inside = |at: u32, of: i64| u32::try_from(i64::from(at) - of).unwrap_or_default();
        for y in rect.y..rect.bottom() {
            let source = over.row(inside(y, top)).iter().skip(at(inside(rect.x, left)));
            for (target, source) in all.row_mut(y, rect.x, rect.width).iter_mut().zip(source) {
                *target = blend(*target, *source, Mask::OVER);
            }
        }
        all
    }

    /// As a PNG file: without alpha if every pixel is opaque.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a Vec takes every write, and the number of bytes is right")]
    pub fn to_png(&self) -> Vec<u8> {
        // PNG knows no empty picture.
        if self.bounds().is_empty() {
            return Self::from_parts(1, 1, vec![0; 4]).to_png();
        }
        let opaque = self.rgba.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255);
        let (color, bytes) =
            if opaque { (png::ColorType::Rgb, self.rgb()) } else { (png::ColorType::Rgba, self.rgba.to_vec()) };
        let mut out = Vec::with_capacity(bytes.len() / 8 + 128);
        let mut encoder = png::Encoder::new(&mut out, self.width, self.height);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&bytes))
            .expect("the bytes fill a picture that is not empty, and a Vec takes every write");
        out
    }
}

/// The size only: nobody wants to read a megabyte.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}
