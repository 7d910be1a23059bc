//! RDP 6 bitmaps: a plane of bytes for each colour, run-length encoded against the row above.
//!
//! # Specification
//! MS-RDPEGDI 2.2.2.5.1 and 3.1.9.

use guac_display::{Rect, Surface};

use super::{broken, draw_rows, pixels, trim};
use crate::RdpError;

/// Loss of colour (bits 0 to 2 of the format byte); 0 means that planes are red, green and blue.
const LOSS_MASK: u8 = 0x07;
/// Chroma at half size.
const SUBSAMPLED: u8 = 0x08;
/// Planes are run-length encoded.
const ENCODED: u8 = 0x10;
/// There is no alpha plane.
const NO_ALPHA: u8 = 0x20;

/// Decoder with its scratch.
#[derive(Default)]
pub(super) struct Planar {
    scratch: Vec<u8>,
}

/// A picture's size and layout.
#[derive(Clone, Copy)]
struct Layout {
    width: usize,
    height: usize,
    chroma_width: usize,
    chroma_height: usize,
    /// 0 for red, green and blue.
    loss: u8,
    subsampled: bool,
    alpha: bool,
}

/// Three planes, row-major.
#[derive(Clone, Copy)]
struct Planes<'a> {
    layout: Layout,
    first: &'a [u8],
    second: &'a [u8],
    third: &'a [u8],
}

impl Planar {
    /// Draws a bitmap of `width` by `height` pixels into `rect`; `flipped` if its last row is the upper one.
    ///
    /// The caller bounds `width * height`.
    pub(super) fn draw(
        &mut self,
        data: &[u8],
        (width, height): (u16, u16),
        flipped: bool,
        rect: Rect,
        surface: &mut Surface,
    ) -> Result<(), RdpError> {
        let (&format, data) = data.split_first().ok_or_else(|| broken("planar bitmap without a format"))?;
        let layout = Layout::new(format, usize::from(width), usize::from(height));
        let planes = if format & ENCODED != 0 {
            decode(data, layout, &mut self.scratch)
        } else {
            layout.alpha_len().and_then(|alpha| Planes::split(data.get(alpha..)?, layout))
        };
        let planes = planes.ok_or_else(|| broken("planar bitmap cut short or out of its rows"))?;
        let last = usize::from(height).saturating_sub(1);
        draw_rows(surface, rect, |index, out| {
            if let Some(row) = if flipped { last.checked_sub(index) } else { Some(index) } {
                planes.write_row(row, out);
            }
        });
        trim(&mut self.scratch);
        Ok(())
    }
}

impl Layout {
    fn new(format: u8, width: usize, height: usize) -> Self {
        let loss = format & LOSS_MASK;
        let subsampled = loss != 0 && format & SUBSAMPLED != 0;
        let half = |side: usize| if subsampled { side.div_ceil(2) } else { side };
        Self {
            width,
            height,
            chroma_width: half(width),
            chroma_height: half(height),
            loss,
            subsampled,
            alpha: format & NO_ALPHA == 0,
        }
    }

    fn luma_len(self) -> Option<usize> {
        self.width.checked_mul(self.height)
    }

    fn chroma_len(self) -> Option<usize> {
        self.chroma_width.checked_mul(self.chroma_height)
    }

    fn alpha_len(self) -> Option<usize> {
        if self.alpha { self.luma_len() } else { Some(0) }
    }
}

impl<'a> Planes<'a> {
    fn split(data: &'a [u8], layout: Layout) -> Option<Self> {
        let (first, rest) = data.split_at_checked(layout.luma_len()?)?;
        let (second, rest) = rest.split_at_checked(layout.chroma_len()?)?;
        let third = rest.get(..layout.chroma_len()?)?;
        Some(Self { layout, first, second, third })
    }

    /// Writes row `row`, counted as the bitmap has them.
    fn write_row(&self, row: usize, out: &mut [u32]) {
        let Layout { width, chroma_width, subsampled, .. } = self.layout;
        let chroma_row = if subsampled { row / 2 } else { row };
        let first = row_of(self.first, row, width);
        let second = row_of(self.second, chroma_row, chroma_width);
        let third = row_of(self.third, chroma_row, chroma_width);
        if self.layout.loss == 0 {
            for (((out, &red), &green), &blue) in out.iter_mut().zip(first).zip(second).zip(third) {
                *out = pixels::rgb(red, green, blue);
            }
            return;
        }
        let step = if subsampled { 2 } else { 1 };
        let (loss, alpha) = (self.layout.loss, self.layout.alpha);
        for ((pair, luma), (&orange, &green)) in
            out.chunks_mut(step).zip(first.chunks(step)).zip(second.iter().zip(third))
        {
            for (out, &luma) in pair.iter_mut().zip(luma) {
                *out = from_ycocg(loss, alpha, luma, orange, green);
            }
        }
    }
}

fn row_of(plane: &[u8], row: usize, width: usize) -> &[u8] {
    plane.get(row * width..).and_then(|rest| rest.get(..width)).unwrap_or_default()
}

/// Luma and chroma to a pixel. The chroma is halved by the transform and shifted by the loss, which is at least 1: the
/// two make one shift. Without an alpha plane red and blue are swapped (MS-RDPEGDI 3.1.9.1.2).
fn from_ycocg(loss: u8, alpha: bool, luma: u8, orange: u8, green: u8) -> u32 {
    let shift = u32::from(loss.saturating_sub(1));
    let signed = |chroma: u8| i16::from(chroma.wrapping_shl(shift).cast_signed());
    let (luma, orange, green) = (i16::from(luma), signed(orange), signed(green));
    let rest = luma - green;
    let clip = |value: i16| u8::try_from(value.clamp(0, 255)).unwrap_or_default();
    let (one, other) = (clip(rest + orange), clip(rest - orange));
    let (red, blue) = if alpha { (one, other) } else { (other, one) };
    pixels::rgb(red, clip(luma + green), blue)
}

/// Decodes the planes into `scratch`; none if they are malformed.
fn decode<'a>(data: &[u8], layout: Layout, scratch: &'a mut Vec<u8>) -> Option<Planes<'a>> {
    let (luma, chroma) = (layout.luma_len()?, layout.chroma_len()?);
    // No segment makes more than 47 bytes of one, and each row has its own: data too short for the size is not worth
    // the memory.
    let least = |width: usize, height: usize| width.div_ceil(MAX_SEGMENT_PX).checked_mul(height);
    if data.len() < least(layout.width, layout.height)? {
        return None;
    }
    scratch.clear();
    scratch.resize(luma + chroma * 2, 0);
    let data = if layout.alpha { skip_plane(data, layout.width, layout.height)? } else { data };
    let (first, rest) = scratch.split_at_mut_checked(luma)?;
    let (second, third) = rest.split_at_mut_checked(chroma)?;
    let data = decode_plane(data, first, layout.width)?;
    let data = decode_plane(data, second, layout.chroma_width)?;
    decode_plane(data, third, layout.chroma_width)?;
    Planes::split(scratch, layout)
}

/// Most pixels of one segment.
const MAX_SEGMENT_PX: usize = 47;

/// One segment of a row: bytes as they are, then the last of them repeated.
struct Segment<'a> {
    literal: &'a [u8],
    run: usize,
}

#[inline]
fn segment<'a>(data: &mut &'a [u8]) -> Option<Segment<'a>> {
    let (&control, rest) = data.split_first()?;
    let high = usize::from(control >> 4);
    let (run, literal) = match control & 0x0F {
        // Long runs, which have no bytes of their own.
        1 => (16 + high, 0),
        2 => (32 + high, 0),
        run => (usize::from(run), high),
    };
    if control == 0 {
        return None;
    }
    let (literal, rest) = rest.split_at_checked(literal)?;
    *data = rest;
    Some(Segment { literal, run })
}

/// Reads past a plane that nobody looks at.
fn skip_plane(mut data: &[u8], width: usize, height: usize) -> Option<&[u8]> {
    for _ in 0..height {
        let mut left = width;
        while left > 0 {
            let segment = segment(&mut data)?;
            left = left.checked_sub(segment.literal.len() + segment.run)?;
        }
    }
    Some(data)
}

/// Decodes one plane and gives what follows it.
fn decode_plane<'a>(mut data: &'a [u8], plane: &mut [u8], width: usize) -> Option<&'a [u8]> {
    let mut rows = plane.chunks_exact_mut(width.max(1));
    let Some(first) = rows.next() else { return Some(data) };
    decode_first_row(&mut data, first)?;
    let mut above: &[u8] = first;
    for row in rows {
        decode_row(&mut data, above, row)?;
        above = row;
    }
    Some(data)
}

/// The first row has values.
fn decode_first_row(data: &mut &[u8], mut row: &mut [u8]) -> Option<()> {
    let mut value = 0;
    while !row.is_empty() {
        let Segment { literal, run } = segment(data)?;
        let (now, later) = row.split_at_mut_checked(literal.len() + run)?;
        let (same, repeated) = now.split_at_mut_checked(literal.len())?;
        same.copy_from_slice(literal);
        value = literal.last().copied().unwrap_or(value);
        repeated.fill(value);
        row = later;
    }
    Some(())
}

/// The others have differences to the row above.
fn decode_row(data: &mut &[u8], mut above: &[u8], mut row: &mut [u8]) -> Option<()> {
    let mut delta = 0;
    while !row.is_empty() {
        let Segment { literal, run } = segment(data)?;
        let (now, later) = row.split_at_mut_checked(literal.len() + run)?;
        let (over, over_later) = above.split_at_checked(literal.len() + run)?;
        let (single, repeated) = now.split_at_mut_checked(literal.len())?;
        let (over_single, over_repeated) = over.split_at_checked(literal.len())?;
        for ((out, &over), &coded) in single.iter_mut().zip(over_single).zip(literal) {
            *out = over.wrapping_add(unfold(coded));
        }
        if let Some(&last) = literal.last() {
            delta = unfold(last);
        }
        if delta == 0 {
            repeated.copy_from_slice(over_repeated);
        } else {
            for (out, &over) in repeated.iter_mut().zip(over_repeated) {
                *out = over.wrapping_add(delta);
            }
        }
        (row, above) = (later, over_later);
    }
    Some(())
}

/// Differences have their sign in the lowest bit: 0, -1, 1, -2, and so on.
#[inline]
fn unfold(coded: u8) -> u8 {
    coded >> 1 ^ (coded & 1).wrapping_neg()
}
