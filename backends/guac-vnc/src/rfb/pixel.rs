//! Pixels on the wire, in the three formats we ask servers for.

use super::{error::Stop, reader::Reader};

/// Alpha of an opaque pixel; pixels of the picture have none.
pub(crate) const OPAQUE: u32 = 0xFF00_0000;

/// How many bits the server spends on a pixel. It sends what we ask for, so its own format never matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorDepth {
    /// Three bits of red and green, two of blue, in one byte.
    Bits8,
    /// Five bits of red, six of green, five of blue, in two bytes.
    Bits16,
    /// Eight bits each, in four bytes (three where the encoding packs them).
    #[default]
    Bits24,
}

impl ColorDepth {
    /// The 16 bytes of a PIXEL_FORMAT: true colour, little-endian.
    pub(crate) fn wire_format(self) -> [u8; 16] {
        let (bits, depth, max, shift): (u8, u8, [u16; 3], [u8; 3]) = match self {
            Self::Bits8 => (8, 8, [7, 7, 3], [0, 3, 6]),
            Self::Bits16 => (16, 16, [31, 63, 31], [11, 5, 0]),
            Self::Bits24 => (32, 24, [255, 255, 255], [16, 8, 0]),
        };
        let [[r1, r2], [g1, g2], [b1, b2]] = max.map(u16::to_be_bytes);
        let [rs, gs, bs] = shift;
        [bits, depth, 0, 1, r1, r2, g1, g2, b1, b2, rs, gs, bs, 0, 0, 0]
    }

    /// Largest value of red, green and blue.
    pub(crate) fn maxima(self) -> [u8; 3] {
        match self {
            Self::Bits8 => [7, 7, 3],
            Self::Bits16 => [31, 63, 31],
            Self::Bits24 => [255; 3],
        }
    }

    /// A pixel from components in this depth's own range, scaled to 0..=255 each.
    pub(crate) fn compose(self, components: [u8; 3]) -> u32 {
        let [r_max, g_max, b_max] = self.maxima();
        let [r, g, b] = components;
        scale(r, r_max) << 16 | scale(g, g_max) << 8 | scale(b, b_max)
    }

    fn expand8(self, value: u8) -> u32 {
        Self::Bits8.compose([value & 7, value >> 3 & 7, value >> 6])
    }

    /// Red, green and blue of a 16 bit pixel.
    pub(crate) fn split16(value: u16) -> [u8; 3] {
        let [r, g, b] = [value >> 11, value >> 5 & 63, value & 31].map(|part| part.to_le_bytes()[0]);
        [r, g, b]
    }
}

fn scale(value: u8, max: u8) -> u32 {
    match max {
        255 => u32::from(value),
        _ => (u32::from(value) * 255 + u32::from(max) / 2) / u32::from(max),
    }
}

/// How an encoding lays a pixel out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// All bytes of the format.
    Full,
    /// Without the unused byte (ZRLE's CPIXEL).
    Compact,
    /// Red, green, blue bytes (Tight's TPIXEL).
    Rgb,
}

/// A pixel's form in one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    depth: ColorDepth,
    layout: Layout,
}

impl Wire {
    /// PIXEL of the specification.
    pub(crate) fn full(depth: ColorDepth) -> Self {
        Self { depth, layout: Layout::Full }
    }

    /// CPIXEL of ZRLE.
    pub(crate) fn compact(depth: ColorDepth) -> Self {
        Self { depth, layout: Layout::Compact }
    }

    /// TPIXEL of Tight.
    pub(crate) fn rgb(depth: ColorDepth) -> Self {
        Self { depth, layout: Layout::Rgb }
    }

    /// Bytes of a pixel, 1 to 4.
    pub(crate) fn len(self) -> usize {
        match (self.depth, self.layout) {
            (ColorDepth::Bits8, _) => 1,
            (ColorDepth::Bits16, _) => 2,
            (ColorDepth::Bits24, Layout::Full) => 4,
            (ColorDepth::Bits24, Layout::Compact | Layout::Rgb) => 3,
        }
    }

    pub(crate) fn read(self, reader: &mut Reader<'_>) -> Result<u32, Stop> {
        Ok(self.one(reader.take(self.len())?))
    }

    /// Appends the pixels of `bytes`, a whole number of them, to `out`.
    pub(crate) fn extend(self, bytes: &[u8], out: &mut Vec<u32>) {
        match (self.depth, self.layout) {
            (ColorDepth::Bits24, Layout::Full) => {
                let (pixels, _) = bytes.as_chunks::<4>();
                out.extend(pixels.iter().map(|pixel| u32::from_le_bytes(*pixel) & 0x00FF_FFFF));
            }
            _ => out.extend(bytes.chunks_exact(self.len()).map(|pixel| self.one(pixel))),
        }
    }

    /// Red, green and blue of a pixel in the depth's own range.
    pub(crate) fn components(self, bytes: &[u8]) -> [u8; 3] {
        match (self.layout, bytes) {
            (_, &[value]) => [value & 7, value >> 3 & 7, value >> 6],
            (_, &[low, high]) => ColorDepth::split16(u16::from_le_bytes([low, high])),
            (Layout::Rgb, &[r, g, b, ..]) | (_, &[b, g, r, ..]) => [r, g, b],
            _ => [0; 3],
        }
    }

    fn one(self, bytes: &[u8]) -> u32 {
        match (self.layout, bytes) {
            (_, &[value]) => self.depth.expand8(value),
            (Layout::Rgb, &[r, g, b, ..]) | (_, &[b, g, r, ..]) => u32::from_be_bytes([0, r, g, b]),
            _ => self.depth.compose(self.components(bytes)),
        }
    }
}

/// Exchanges red and blue, for servers that confuse them.
pub(crate) fn swap_red_blue(pixel: u32) -> u32 {
    pixel & 0xFF00_FF00 | (pixel & 0xFF) << 16 | pixel >> 16 & 0xFF
}
