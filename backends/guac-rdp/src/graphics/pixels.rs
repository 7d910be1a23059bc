//! Pixels of the wire to `0x00RRGGBB`.

use super::palette::Palette;

/// How the wire has pixels, little-endian all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// An index into the palette.
    Indexed,
    /// 5 bits a colour.
    Rgb15,
    /// 5, 6 and 5 bits.
    Rgb16,
    /// Blue, green, red.
    Rgb24,
    /// Blue, green, red and something.
    Rgb32,
}

impl Format {
    /// By bits a pixel.
    pub(super) fn of_depth(bits: u16) -> Option<Self> {
        Some(match bits {
            8 => Self::Indexed,
            15 => Self::Rgb15,
            16 => Self::Rgb16,
            24 => Self::Rgb24,
            32 => Self::Rgb32,
            _ => return None,
        })
    }

    /// Bytes a pixel.
    pub(super) fn len_bytes(self) -> usize {
        match self {
            Self::Indexed => 1,
            Self::Rgb15 | Self::Rgb16 => 2,
            Self::Rgb24 => 3,
            Self::Rgb32 => 4,
        }
    }

    /// White, as the wire has it.
    pub(super) fn white(self) -> u32 {
        match self {
            Self::Indexed => 0xFF,
            Self::Rgb15 => 0x7FFF,
            Self::Rgb16 => 0xFFFF,
            Self::Rgb24 | Self::Rgb32 => 0xFF_FFFF,
        }
    }

    /// A row of bytes to pixels. What is missing leaves its place as it is.
    pub(super) fn expand(self, bytes: &[u8], palette: &Palette, out: &mut [u32]) {
        match self {
            Self::Indexed => write(out, bytes, |&[index]| palette.colour(index)),
            Self::Rgb15 => write(out, bytes, |&pair| from_15(u16::from_le_bytes(pair))),
            Self::Rgb16 => write(out, bytes, |&pair| from_16(u16::from_le_bytes(pair))),
            Self::Rgb24 => write(out, bytes, |&[blue, green, red]| rgb(red, green, blue)),
            Self::Rgb32 => write(out, bytes, |&[blue, green, red, _]| rgb(red, green, blue)),
        }
    }

    /// A row of pixels as numbers, still in this format, to pixels.
    pub(super) fn convert(self, numbers: &[u32], palette: &Palette, out: &mut [u32]) {
        let pairs = out.iter_mut().zip(numbers);
        match self {
            Self::Indexed => pairs.for_each(|(pixel, &number)| *pixel = palette.colour(low_8(number))),
            Self::Rgb15 => pairs.for_each(|(pixel, &number)| *pixel = from_15(low_16(number))),
            Self::Rgb16 => pairs.for_each(|(pixel, &number)| *pixel = from_16(low_16(number))),
            Self::Rgb24 | Self::Rgb32 => pairs.for_each(|(pixel, &number)| *pixel = number & 0xFF_FFFF),
        }
    }
}

/// Red, green, blue, alpha bytes to pixels, alpha dropped.
pub(super) fn expand_rgba(bytes: &[u8], out: &mut [u32]) {
    write(out, bytes, |&[red, green, blue, _]| rgb(red, green, blue));
}

/// Blue, green, red and something to pixels.
pub(super) fn expand_bgrx(bytes: &[u8], out: &mut [u32]) {
    write(out, bytes, |&[blue, green, red, _]| rgb(red, green, blue));
}

#[inline]
fn write<const N: usize>(out: &mut [u32], bytes: &[u8], pixel: impl Fn(&[u8; N]) -> u32) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *out = pixel(bytes);
    }
}

/// One pixel.
#[inline]
pub(super) fn rgb(red: u8, green: u8, blue: u8) -> u32 {
    u32::from_be_bytes([0, red, green, blue])
}

/// 5 bits a colour, the upper ones repeated below, so that full is full.
fn from_15(pixel: u16) -> u32 {
    let pixel = u32::from(pixel);
    five(pixel >> 10) << 16 | five(pixel >> 5) << 8 | five(pixel)
}

fn from_16(pixel: u16) -> u32 {
    let pixel = u32::from(pixel);
    let green = pixel >> 5 & 0x3F;
    five(pixel >> 11) << 16 | (green << 2 | green >> 4) << 8 | five(pixel)
}

fn five(bits: u32) -> u32 {
    let bits = bits & 0x1F;
    bits << 3 | bits >> 2
}

fn low_8(number: u32) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

fn low_16(number: u32) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_depth_has_full_colours() {
        let palette = Palette::default();
        for (depth, bytes) in
            [(8, &[255][..]), (15, &[0xFF, 0x7F]), (16, &[0xFF, 0xFF]), (24, &[255; 3]), (32, &[255; 4])]
        {
            let format = Format::of_depth(depth).unwrap();
            let mut out = [0; 1];
            format.expand(bytes, &palette, &mut out);
            assert_eq!(out, [0xFF_FFFF], "{depth}");
            out = [0];
            format.convert(&[format.white()], &palette, &mut out);
            assert_eq!(out, [0xFF_FFFF], "{depth}");
        }
        assert_eq!(Format::of_depth(4), None);
    }

    #[test]
    fn sixteen_bits_agree_with_another_decoder_to_one_step() {
        for pixel in 0..=u16::MAX {
            let [_, red, green, blue] = from_16(pixel).to_be_bytes();
            let other = ironrdp_graphics::color_conversion::rdp_16bit_to_rgb(pixel);
            for (ours, theirs) in [red, green, blue].into_iter().zip(other) {
                assert!(ours.abs_diff(theirs) <= 1, "{pixel:#x}");
            }
        }
    }
}
