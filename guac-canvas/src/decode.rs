//! Compressed images to pixels. Sizes are checked in the header, before anything is allocated for the picture.

use std::fmt;
use std::io::Cursor;

use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::BoxError;
use crate::{CanvasError, CanvasLimits};

/// What images can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageFormat {
    /// `image/png`.
    Png,
    /// `image/jpeg`.
    Jpeg,
    /// `image/webp`, of which guacd sends both kinds.
    Webp,
}

impl ImageFormat {
    /// Types a client of this canvas should announce in its handshake.
    pub const MIMETYPES: [&'static str; 3] = ["image/jpeg", "image/png", "image/webp"];

    /// The format behind a mimetype.
    #[must_use]
    pub fn from_mimetype(mimetype: &str) -> Option<Self> {
        match mimetype {
            "image/png" => Some(Self::Png),
            "image/jpeg" => Some(Self::Jpeg),
            "image/webp" => Some(Self::Webp),
            _ => None,
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Webp => "WebP",
        })
    }
}

/// Pixels above which the buffer for decoding is given back after each image.
const KEPT_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// A decoder with its buffer, which small images after one another share.
#[derive(Default)]
pub(crate) struct ImageDecoder {
    rgba: Vec<u8>,
    rgb: Vec<u8>,
}

impl ImageDecoder {
    /// Decodes and hands width and pixels to `draw`.
    pub(crate) fn decode<T>(
        &mut self,
        format: ImageFormat,
        data: &[u8],
        limits: &CanvasLimits,
        draw: impl FnOnce(u32, u32, &[[u8; 4]]) -> T,
    ) -> Result<T, CanvasError> {
        let job = Job { format, limits };
        let (width, height) = match format {
            ImageFormat::Png => job.png(data, &mut self.rgba, &mut self.rgb),
            ImageFormat::Jpeg => job.jpeg(data, &mut self.rgba),
            ImageFormat::Webp => job.webp(data, &mut self.rgba, &mut self.rgb),
        }?;
        let drawn = draw(width, height, self.rgba.as_chunks::<4>().0);
        for buffer in [&mut self.rgba, &mut self.rgb] {
            if buffer.capacity() > KEPT_BUFFER_BYTES {
                *buffer = Vec::new();
            }
        }
        Ok(drawn)
    }
}

/// The buffer is of no interest to anybody, and copies of a canvas need none.
impl Clone for ImageDecoder {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for ImageDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImageDecoder")
    }
}

struct Job<'l> {
    format: ImageFormat,
    limits: &'l CanvasLimits,
}

impl Job<'_> {
    fn png(&self, data: &[u8], rgba: &mut Vec<u8>, raw: &mut Vec<u8>) -> Result<(u32, u32), CanvasError> {
        let mut decoder = png::Decoder::new(Cursor::new(data));
        let header = decoder.read_header_info().map_err(|error| self.bad(error))?;
        let (width, height) = (header.width, header.height);
        let pixels = self.check(width.into(), height.into())?;
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().map_err(|error| self.bad(error))?;
        let grey = reader.output_color_type().0 == png::ColorType::GrayscaleAlpha;
        if !grey {
            fit(rgba, pixels * 4);
            reader.next_frame(rgba).map_err(|error| self.bad(error))?;
            return Ok((width, height));
        }
        fit(raw, pixels * 2);
        reader.next_frame(raw).map_err(|error| self.bad(error))?;
        rgba.clear();
        rgba.extend(raw.as_chunks::<2>().0.iter().flat_map(|&[v, a]| [v, v, v, a]));
        Ok((width, height))
    }

    fn jpeg(&self, data: &[u8], rgba: &mut Vec<u8>) -> Result<(u32, u32), CanvasError> {
        let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGBA);
        let mut decoder = zune_jpeg::JpegDecoder::new_with_options(Cursor::new(data), options);
        decoder.decode_headers().map_err(|error| self.bad(error))?;
        let (width, height) = decoder.dimensions().unwrap_or_default();
        let pixels = self.check(width as u64, height as u64)?;
        fit(rgba, pixels * 4);
        decoder.decode_into(rgba).map_err(|error| self.bad(error))?;
        let side = |px: usize| u32::try_from(px).unwrap_or_default();
        Ok((side(width), side(height)))
    }

    fn webp(&self, data: &[u8], rgba: &mut Vec<u8>, rgb: &mut Vec<u8>) -> Result<(u32, u32), CanvasError> {
        let mut decoder = image_webp::WebPDecoder::new(Cursor::new(data)).map_err(|error| self.bad(error))?;
        let (width, height) = decoder.dimensions();
        let pixels = self.check(width.into(), height.into())?;
        if decoder.has_alpha() {
            fit(rgba, pixels * 4);
            decoder.read_image(rgba).map_err(|error| self.bad(error))?;
        } else {
            fit(rgb, pixels * 3);
            decoder.read_image(rgb).map_err(|error| self.bad(error))?;
            rgba.clear();
            rgba.extend(rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]));
        }
        Ok((width, height))
    }

    /// Number of pixels, if that many are allowed.
    fn check(&self, width: u64, height: u64) -> Result<usize, CanvasError> {
        let side = u64::from(self.limits.max_side_px);
        let pixels = width.saturating_mul(height);
        if width == 0 || height == 0 || width > side || height > side || pixels > self.limits.max_total_px {
            return Err(CanvasError::ImageTooLarge { format: self.format, width, height });
        }
        usize::try_from(pixels).map_err(|_| CanvasError::ImageTooLarge { format: self.format, width, height })
    }

    fn bad(&self, error: impl Into<BoxError>) -> CanvasError {
        CanvasError::BadImage { format: self.format, source: error.into() }
    }
}

fn fit(buffer: &mut Vec<u8>, len: usize) {
    buffer.clear();
    buffer.resize(len, 0);
}
