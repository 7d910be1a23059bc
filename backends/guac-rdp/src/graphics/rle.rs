//! Interleaved run-length encoding: bitmaps of up to 24 bits a pixel.
//!
//! # Specification
//! MS-RDPBCGR 2.2.9.1.1.3.1.2.4 and the pseudo-code of 3.1.9.

use super::pixels::Format;
use super::{broken, trim};
use crate::RdpError;

/// Decodes into numbers, one a pixel, still in the wire's format.
#[derive(Default)]
pub(super) struct Rle {
    pixels: Vec<u32>,
}

impl Rle {
    /// Decodes a bitmap of `width` by `height` pixels, whose product the caller bounds. Pixels that the data leaves out
    /// are black.
    pub(super) fn decode(
        &mut self,
        data: &[u8],
        format: Format,
        (width, height): (usize, usize),
    ) -> Result<&[u32], RdpError> {
        trim(&mut self.pixels);
        self.pixels.resize(width * height, 0);
        let state = State { data, out: &mut self.pixels, at: 0, width, white: format.white(), fg: format.white() };
        let decoded = match format {
            Format::Indexed => state.run::<1>(),
            Format::Rgb15 | Format::Rgb16 => state.run::<2>(),
            Format::Rgb24 => state.run::<3>(),
            Format::Rgb32 => None,
        };
        decoded.ok_or_else(|| broken("run-length encoded bitmap cut short or out of its rows"))?;
        Ok(&self.pixels)
    }
}

struct State<'a> {
    data: &'a [u8],
    out: &'a mut [u32],
    /// INVARIANT: at most `out.len()`.
    at: usize,
    width: usize,
    white: u32,
    fg: u32,
}

impl State<'_> {
    /// Follows the orders; none if they are malformed or leave the bitmap.
    fn run<const BYTES: usize>(mut self) -> Option<()> {
        // A background run right after another has one foreground pixel between.
        let mut after_background = false;
        let mut first_row = true;
        while let Some(header) = self.next_byte() {
            if first_row && self.at >= self.width {
                first_row = false;
                after_background = false;
            }
            let (order, length) = self.order(header)?;
            if order == Order::Background {
                self.background(length, first_row, after_background)?;
                after_background = true;
                continue;
            }
            after_background = false;
            self.other::<BYTES>(order, length, first_row)?;
        }
        Some(())
    }

    /// Every order but background runs.
    #[inline]
    fn other<const BYTES: usize>(&mut self, order: Order, length: usize, first_row: bool) -> Option<()> {
        if matches!(order, Order::SetForeground | Order::SetForegroundImage) {
            self.fg = self.pixel::<BYTES>()?;
        }
        match order {
            Order::Foreground | Order::SetForeground => self.blend(length, self.fg, first_row)?,
            Order::Image | Order::SetForegroundImage => {
                let mut left = length;
                while left > 0 {
                    let mask = self.next_byte()?;
                    let count = left.min(8);
                    self.masked(mask, count, first_row)?;
                    left -= count;
                }
            }
            Order::Mask(mask) => self.masked(mask, 8, first_row)?,
            Order::Colour => {
                let pixel = self.pixel::<BYTES>()?;
                self.take(length)?.fill(pixel);
            }
            Order::Dithered => {
                let pair = [self.pixel::<BYTES>()?, self.pixel::<BYTES>()?];
                for pixels in self.take(length.checked_mul(2)?)?.chunks_exact_mut(2) {
                    pixels.copy_from_slice(&pair);
                }
            }
            Order::Pixels => {
                let (bytes, rest) = self.data.split_at_checked(length.checked_mul(BYTES)?)?;
                self.data = rest;
                for (out, bytes) in self.take(length)?.iter_mut().zip(bytes.as_chunks::<BYTES>().0) {
                    *out = number(*bytes);
                }
            }
            Order::White => {
                let white = self.white;
                self.take(1)?.fill(white);
            }
            Order::Black => self.take(1)?.fill(0),
            Order::Background => {}
        }
        Some(())
    }

    fn background(&mut self, length: usize, first_row: bool, after_background: bool) -> Option<()> {
        let single = usize::from(after_background);
        if after_background {
            self.blend(single, self.fg, first_row)?;
        }
        self.blend(length.checked_sub(single)?, 0, first_row)
    }

    /// Pixels of the row above, each combined with `colour`; the colour itself in the first row.
    #[inline]
    fn blend(&mut self, length: usize, colour: u32, first_row: bool) -> Option<()> {
        if first_row {
            self.take(length)?.fill(colour);
            return Some(());
        }
        let mut left = length;
        while left > 0 {
            let count = left.min(self.width);
            let (above, out) = self.with_above(count)?;
            if colour == 0 {
                out.copy_from_slice(above);
            } else {
                out.iter_mut().zip(above).for_each(|(out, &above)| *out = above ^ colour);
            }
            left -= count;
        }
        Some(())
    }

    /// At most 8 pixels: where the mask has a bit, combined with the foreground.
    #[inline]
    fn masked(&mut self, mask: u8, count: usize, first_row: bool) -> Option<()> {
        let fg = self.fg;
        let colour = |bit: usize| if mask >> bit & 1 == 1 { fg } else { 0 };
        if first_row {
            self.take(count)?.iter_mut().enumerate().for_each(|(bit, out)| *out = colour(bit));
            return Some(());
        }
        // Bitmaps may be narrower than a mask.
        let mut done = 0;
        while done < count {
            let step = (count - done).min(self.width);
            let (above, out) = self.with_above(step)?;
            for (bit, (out, &above)) in out.iter_mut().zip(above).enumerate() {
                *out = above ^ colour(done + bit);
            }
            done += step;
        }
        Some(())
    }

    /// The next `count` places.
    #[inline]
    fn take(&mut self, count: usize) -> Option<&mut [u32]> {
        let taken = self.out.get_mut(self.at..)?.get_mut(..count)?;
        self.at += count;
        Some(taken)
    }

    /// The next `count` places, at most a row, and the pixels above them.
    #[inline]
    fn with_above(&mut self, count: usize) -> Option<(&[u32], &mut [u32])> {
        let (done, rest) = self.out.split_at_mut_checked(self.at)?;
        let above = done.get(self.at.checked_sub(self.width)?..)?.get(..count)?;
        let out = rest.get_mut(..count)?;
        self.at += count;
        Some((above, out))
    }

    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.data.split_first()?;
        self.data = rest;
        Some(byte)
    }

    #[inline]
    fn pixel<const BYTES: usize>(&mut self) -> Option<u32> {
        let (&bytes, rest) = self.data.split_first_chunk::<BYTES>()?;
        self.data = rest;
        Some(number(bytes))
    }

    /// What an order's header says, and how long it is.
    #[inline]
    fn order(&mut self, header: u8) -> Option<(Order, usize)> {
        use Order::{Background, Colour, Dithered, Foreground, Image, Mask, Pixels, SetForeground, SetForegroundImage};
        let (order, low, shorter) = match header >> 5 {
            0 => (Background, header & 0x1F, 32),
            1 => (Foreground, header & 0x1F, 32),
            2 => (Image, header & 0x1F, 1),
            3 => (Colour, header & 0x1F, 32),
            4 => (Pixels, header & 0x1F, 32),
            _ => match header {
                0xC0..=0xCF => (SetForeground, header & 0x0F, 16),
                0xD0..=0xDF => (SetForegroundImage, header & 0x0F, 1),
                0xE0..=0xEF => (Dithered, header & 0x0F, 16),
                0xF0 => return self.long(Background),
                0xF1 => return self.long(Foreground),
                0xF2 => return self.long(Image),
                0xF3 => return self.long(Colour),
                0xF4 => return self.long(Pixels),
                0xF6 => return self.long(SetForeground),
                0xF7 => return self.long(SetForegroundImage),
                0xF8 => return self.long(Dithered),
                0xF9 => return Some((Mask(0x03), 8)),
                0xFA => return Some((Mask(0x05), 8)),
                0xFD => return Some((Order::White, 1)),
                0xFE => return Some((Order::Black, 1)),
                _ => return None,
            },
        };
        // The lengths of images are in masks, those of the others in pixels; 0 has the rest in the next byte.
        let length = match usize::from(low) {
            0 => usize::from(self.next_byte()?) + shorter,
            short if matches!(order, Image | SetForegroundImage) => short * 8,
            short => short,
        };
        Some((order, length))
    }

    /// An order with its length in two bytes, which is never 0.
    fn long(&mut self, order: Order) -> Option<(Order, usize)> {
        let (&length, rest) = self.data.split_first_chunk()?;
        self.data = rest;
        let length = usize::from(u16::from_le_bytes(length));
        (length > 0).then_some((order, length))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Background,
    Foreground,
    SetForeground,
    Image,
    SetForegroundImage,
    Mask(u8),
    Colour,
    Dithered,
    Pixels,
    White,
    Black,
}

/// A pixel of up to four bytes, little-endian.
#[inline]
fn number<const BYTES: usize>(bytes: [u8; BYTES]) -> u32 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}
