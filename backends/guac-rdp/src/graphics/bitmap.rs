//! Bitmap updates: rectangles of pixels, plain or compressed, their last row the upper one.
//!
//! # Specification
//! MS-RDPBCGR 2.2.9.1.1.3.1.2.

use guac_display::{Rect, Surface};
use ironrdp_core::{Decode as _, ReadCursor};
use ironrdp_pdu::bitmap::{BitmapData, Compression};
use tracing::debug;

use super::budget::Budget;
use super::palette::Palette;
use super::pixels::Format;
use super::planar::Planar;
use super::rle::Rle;
use super::{broken, draw_rows, malformed};
use crate::RdpError;

/// Most pixels of one bitmap. Its data is at most 64 KiB, so servers cut large pictures into many; this is half a 4K
/// screen, and 16 MiB of scratch.
const MAX_BITMAP_PX: usize = 4 << 20;

/// Decoders with their scratch.
#[derive(Default)]
pub(super) struct Bitmaps {
    pub(super) planar: Planar,
    rle: Rle,
}

impl Bitmaps {
    /// Draws an update, from its `updateType` on.
    pub(super) fn draw_update(
        &mut self,
        update: &[u8],
        palette: &Palette,
        budget: &mut Budget,
        surface: &mut Surface,
    ) -> Result<(), RdpError> {
        let (&[_, _, low, high], rest) =
            update.split_first_chunk().ok_or_else(|| broken("bitmap update without a header"))?;
        let mut rest = ReadCursor::new(rest);
        for _ in 0..u16::from_le_bytes([low, high]) {
            let bitmap = BitmapData::decode(&mut rest).map_err(malformed)?;
            budget.spend(usize::from(bitmap.width) * usize::from(bitmap.height))?;
            self.draw(&bitmap, palette, surface)?;
        }
        Ok(())
    }

    fn draw(&mut self, bitmap: &BitmapData<'_>, palette: &Palette, surface: &mut Surface) -> Result<(), RdpError> {
        let place = &bitmap.rectangle;
        let (Some(width), Some(height)) = (place.right.checked_sub(place.left), place.bottom.checked_sub(place.top))
        else {
            debug!("Bitmap for an empty place ignored");
            return Ok(());
        };
        // The place's edges are its last pixels; the bitmap may be padded to the right and below.
        let width = u32::from(width).saturating_add(1).min(u32::from(bitmap.width));
        let height = u32::from(height).saturating_add(1).min(u32::from(bitmap.height));
        let rect = Rect::new(u32::from(place.left), u32::from(place.top), width, height);
        let size = (usize::from(bitmap.width), usize::from(bitmap.height));
        if rect.is_empty() {
            return Ok(());
        }
        if size.0 * size.1 > MAX_BITMAP_PX {
            return Err(broken("bitmap of more than 4 Mpixel"));
        }
        let format = Format::of_depth(bitmap.bits_per_pixel).ok_or_else(|| broken("bitmap of an unknown depth"))?;
        if !bitmap.compression_flags.contains(Compression::BITMAP_COMPRESSION) {
            let stride = (size.0 * format.len_bytes()).next_multiple_of(4);
            return draw_plain(bitmap.bitmap_data, format, stride, size.1, rect, palette, surface);
        }
        if format == Format::Rgb32 {
            let size = (bitmap.width, bitmap.height);
            return self.planar.draw(bitmap.bitmap_data, size, true, rect, surface);
        }
        let (width, height) = size;
        let numbers = self.rle.decode(bitmap.bitmap_data, format, size)?;
        draw_rows(surface, rect, |index, out| {
            let row = (height - 1).checked_sub(index).and_then(|row| numbers.get(row * width..));
            format.convert(row.unwrap_or_default(), palette, out);
        });
        Ok(())
    }
}

/// Draws pixels that are not compressed: `height` rows of `stride` bytes, the last one the upper one.
pub(super) fn draw_plain(
    data: &[u8],
    format: Format,
    stride: usize,
    height: usize,
    rect: Rect,
    palette: &Palette,
    surface: &mut Surface,
) -> Result<(), RdpError> {
    // The padding of the last row may be left out.
    let needed = (stride * height).saturating_sub(3);
    if data.len() < needed {
        return Err(broken("bitmap of fewer pixels than it says"));
    }
    draw_rows(surface, rect, |index, out| {
        let row = height.checked_sub(index + 1).and_then(|row| data.get(row * stride..));
        format.expand(row.unwrap_or_default(), palette, out);
    });
    Ok(())
}
