//! Pixels to image instructions. Pure work: any thread may do it.

use guac_protocol::{LayerIndex, StreamIndex, write_blob_stream};

use crate::Rect;

/// The stream of every image. Images are whole and follow one another in the broadcast, so one index serves all; it
/// is odd because it belongs to all users (P-121).
pub(crate) const IMAGE_STREAM: StreamIndex = StreamIndex(1);

/// What all users of a session can show. PNG and JPEG are always assumed (P-147).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageSupport {
    /// Whether every user announced `image/webp`.
    pub webp: bool,
}

/// How a rectangle is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Lossless, where every user can show it: a third to a half of PNG.
    WebpLossless,
    /// Lossless, for everyone.
    Png,
    /// Lossy, for photographic content that keeps changing.
    Jpeg {
        /// 1 to 100.
        quality: u8,
    },
}

impl Codec {
    /// Type of the images.
    #[must_use]
    pub fn mimetype(self) -> &'static str {
        match self {
            Self::WebpLossless => "image/webp",
            Self::Png => "image/png",
            Self::Jpeg { .. } => "image/jpeg",
        }
    }

    /// The lossless codec that everyone can show.
    pub(crate) fn lossless(support: ImageSupport) -> Self {
        if support.webp { Self::WebpLossless } else { Self::Png }
    }
}

/// One image of a frame: a copy of its pixels and how to compress them.
#[derive(Debug)]
pub struct EncodeJob {
    pub(crate) rect: Rect,
    /// Row-major, `rect.width` per row, `0x00RRGGBB`.
    pub(crate) pixels: Vec<u32>,
    pub(crate) codec: Codec,
}

impl EncodeJob {
    /// Pixels to be compressed: what the work costs.
    #[must_use]
    pub fn area(&self) -> usize {
        self.pixels.len()
    }

    /// How they are compressed.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Does the work: whole `img`, `blob` and `end` instructions that draw the rectangle on the default layer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let image = match self.codec {
            Codec::WebpLossless => webp(self.rect, &self.pixels),
            Codec::Png => png_rgb(self.rect, &self.pixels),
            Codec::Jpeg { quality } => jpeg(self.rect, &self.pixels, quality),
        };
        let mut out = Vec::new();
        // Coordinates are at most 8192.
        let at = (i32::try_from(self.rect.x).unwrap_or_default(), i32::try_from(self.rect.y).unwrap_or_default());
        write_blob_stream(&mut out, IMAGE_STREAM, LayerIndex::DEFAULT, self.codec.mimetype(), at, &image);
        out
    }
}

fn rgb(pixels: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pixels.len() * 3);
    for pixel in pixels {
        let [_, r, g, b] = pixel.to_be_bytes();
        bytes.extend_from_slice(&[r, g, b]);
    }
    bytes
}

fn webp(rect: Rect, pixels: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / 2);
    image_webp::WebPEncoder::new(&mut out)
        .encode(&rgb(pixels), rect.width, rect.height, image_webp::ColorType::Rgb8)
        .expect("the pixels fill a rectangle of at most 8192 a side, and a Vec takes every write");
    out
}

fn png_rgb(rect: Rect, pixels: &[u32]) -> Vec<u8> {
    png_bytes(rect.width, rect.height, png::ColorType::Rgb, &rgb(pixels))
}

/// PNG with alpha from `0xAARRGGBB`.
pub(crate) fn png_rgba(width: u32, height: u32, pixels: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pixels.len() * 4);
    for pixel in pixels {
        let [a, r, g, b] = pixel.to_be_bytes();
        bytes.extend_from_slice(&[r, g, b, a]);
    }
    png_bytes(width, height, png::ColorType::Rgba, &bytes)
}

fn png_bytes(width: u32, height: u32, color: png::ColorType, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 8 + 128);
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(bytes))
        .expect("the bytes fill a rectangle of checked size, and a Vec takes every write");
    out
}

fn jpeg(rect: Rect, pixels: &[u32], quality: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / 4);
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, quality.clamp(1, 100));
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    // Sides are at most 8192.
    let side = |px: u32| u16::try_from(px).unwrap_or(u16::MAX);
    encoder
        .encode(&rgb(pixels), side(rect.width), side(rect.height), jpeg_encoder::ColorType::Rgb)
        .expect("the pixels fill a rectangle of at most 8192 a side, and a Vec takes every write");
    out
}
