//! Pointer shapes: Cursor (RFC 6143 §7.8.1), XCursor and Cursor With Alpha.

use super::super::{
    error::{RfbError, Stop, check_limit},
    limits::Limits,
    pixel::{self, ColorDepth, OPAQUE, Wire},
    reader::Reader,
    rect::Rect,
};
use crate::rfb::CursorShape;

/// Pixels in the connection's format and a bit mask.
pub(crate) fn rich_cursor(
    reader: &mut Reader<'_>,
    rect: Rect,
    depth: ColorDepth,
    limits: &Limits,
) -> Result<CursorShape, Stop> {
    let area = checked_area(rect, limits)?;
    let wire = Wire::full(depth);
    let mut pixels = Vec::new();
    wire.extend(reader.take(area * wire.len())?, &mut pixels);
    let mask = reader.take(mask_len(rect))?;
    for (pixel, opaque) in pixels.iter_mut().zip(bits(mask, rect.width)) {
        *pixel = if opaque { *pixel | OPAQUE } else { 0 };
    }
    Ok(shape(rect, pixels))
}

/// Two colours, a bitmap and a bit mask; no data at all where the shape is empty.
pub(crate) fn x_cursor(reader: &mut Reader<'_>, rect: Rect, limits: &Limits) -> Result<CursorShape, Stop> {
    if checked_area(rect, limits)? == 0 {
        return Ok(shape(rect, Vec::new()));
    }
    let [r, g, b, r2, g2, b2] = reader.array()?;
    let primary = OPAQUE | u32::from_be_bytes([0, r, g, b]);
    let secondary = OPAQUE | u32::from_be_bytes([0, r2, g2, b2]);
    let bitmap = reader.take(mask_len(rect))?;
    let mask = reader.take(mask_len(rect))?;
    let pixels = bits(bitmap, rect.width)
        .zip(bits(mask, rect.width))
        .map(|(first, opaque)| match (opaque, first) {
            (false, _) => 0,
            (true, true) => primary,
            (true, false) => secondary,
        })
        .collect();
    Ok(shape(rect, pixels))
}

/// Premultiplied RGBA, in an encoding of the server's choice: all send it raw.
pub(crate) fn alpha_cursor(reader: &mut Reader<'_>, rect: Rect, limits: &Limits) -> Result<CursorShape, Stop> {
    let area = checked_area(rect, limits)?;
    let encoding = reader.i32()?;
    if encoding != 0 {
        return Err(RfbError::UnknownEncoding { encoding }.into());
    }
    let (bytes, _) = reader.take(area * 4)?.as_chunks::<4>();
    let pixels = bytes.iter().map(|[r, g, b, a]| straight_alpha([*r, *g, *b], *a)).collect();
    Ok(shape(rect, pixels))
}

/// Undoes premultiplication, as PNG has straight alpha.
fn straight_alpha(colour: [u8; 3], alpha: u8) -> u32 {
    if alpha == 0 {
        return 0;
    }
    let alpha_wide = u16::from(alpha);
    let [r, g, b] = colour.map(|part| {
        let straight = (u16::from(part).saturating_mul(255) + alpha_wide / 2) / alpha_wide;
        u8::try_from(straight).unwrap_or(u8::MAX)
    });
    u32::from_be_bytes([alpha, r, g, b])
}

fn checked_area(rect: Rect, limits: &Limits) -> Result<usize, RfbError> {
    check_limit("pointer width", rect.width, limits.cursor_side_px)?;
    check_limit("pointer height", rect.height, limits.cursor_side_px)?;
    Ok(usize::from(rect.width) * usize::from(rect.height))
}

fn mask_len(rect: Rect) -> usize {
    usize::from(rect.width.div_ceil(8)) * usize::from(rect.height)
}

/// The bits of a mask whose rows start on whole bytes, most significant bit first, without the padding.
fn bits(mask: &[u8], width: u16) -> impl Iterator<Item = bool> {
    let row_bytes = usize::from(width.div_ceil(8)).max(1);
    mask.chunks_exact(row_bytes).flat_map(move |row| {
        row.iter().flat_map(|byte| (0..8).map(move |i| byte >> (7 - i) & 1 == 1)).take(usize::from(width))
    })
}

fn shape(rect: Rect, pixels: Vec<u32>) -> CursorShape {
    CursorShape { hotspot_x: rect.x, hotspot_y: rect.y, width_px: rect.width, height_px: rect.height, pixels }
}

impl CursorShape {
    pub(crate) fn swap_red_blue(&mut self) {
        for pixel in &mut self.pixels {
            *pixel = pixel::swap_red_blue(*pixel);
        }
    }
}
