//! RemoteFX: tiles of 64x64 pixels, shown where a region says.
//!
//! # Specification
//! MS-RDPRFX 2.2.2 and 3.1.8.

use guac_display::{Rect, Surface};
use ironrdp_graphics::rfx::{Frame, MessageDecoder, RfxDecodeError, TILE_SIZE, TileDecoder};
use ironrdp_session::{SessionError, SessionErrorExt as _};

use super::budget::Budget;
use super::{broken, pixels};
use crate::RdpError;

/// Most looks at a region's rectangles for one message, tiles by rectangles: a 4K screen has 2040 tiles, and a region
/// of 500 rectangles is an odd one.
const MAX_CLIPPING: usize = 1 << 20;

/// Bytes of a tile's row: red, green, blue, alpha.
const TILE_STRIDE: usize = TILE_SIZE as usize * 4;

/// Decoders. The one for tiles costs 48 KiB and comes with the first message.
#[derive(Default)]
pub(super) struct RemoteFx {
    messages: MessageDecoder,
    tiles: Option<Box<TileDecoder>>,
}

impl RemoteFx {
    /// Draws a message whose origin is that of `rect`; nothing outside of `rect`.
    pub(super) fn draw(
        &mut self,
        message: &[u8],
        rect: Rect,
        budget: &mut Budget,
        surface: &mut Surface,
    ) -> Result<(), RdpError> {
        let message = match self.messages.parse(message) {
            Ok(message) => message,
            // Headers may come on their own.
            Err(RfxDecodeError::MissingBlock("FRAME_BEGIN")) => return Ok(()),
            Err(source) => return Err(undecodable(source)),
        };
        let tiles = self.tiles.get_or_insert_default();
        for frame in &message.frames {
            draw_frame(tiles, frame, rect, budget, surface)?;
        }
        Ok(())
    }
}

fn draw_frame(
    decoder: &mut TileDecoder,
    frame: &Frame<'_>,
    rect: Rect,
    budget: &mut Budget,
    surface: &mut Surface,
) -> Result<(), RdpError> {
    let set = &frame.tile_set;
    if set.tiles.len().saturating_mul(frame.rectangles.len()) > MAX_CLIPPING {
        return Err(broken("RemoteFX region of too many rectangles"));
    }
    let visible = rect.intersection(surface.size().rect());
    let size = u32::from(TILE_SIZE);
    for tile in &set.tiles {
        let place = Rect::new(rect.x + u32::from(tile.x) * size, rect.y + u32::from(tile.y) * size, size, size);
        let shown = place.intersection(visible);
        if shown.is_empty() {
            continue;
        }
        // A region without rectangles is all of the frame.
        let whole = frame.rectangles.is_empty().then_some(shown);
        let parts = frame.rectangles.iter().map(|part| {
            let (x, y) = (rect.x + u32::from(part.x), rect.y + u32::from(part.y));
            shown.intersection(Rect::new(x, y, u32::from(part.width), u32::from(part.height)))
        });
        let mut parts = whole.into_iter().chain(parts).filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_none() {
            continue;
        }
        budget.spend(usize::from(TILE_SIZE) * usize::from(TILE_SIZE))?;
        let rgba = decoder.decode(tile, &set.quants, set.entropy_algorithm).map_err(undecodable)?;
        for part in parts {
            budget.spend(part.area())?;
            draw_part(rgba, place, part, surface);
        }
    }
    Ok(())
}

/// Draws the part of a tile; `part` lies within `place`, where the tile goes.
pub(super) fn draw_part(rgba: &[u8], place: Rect, part: Rect, surface: &mut Surface) {
    let (x, y) = ((part.x - place.x) as usize, (part.y - place.y) as usize);
    let rows = rgba.chunks_exact(TILE_STRIDE).skip(y);
    for (out, row) in surface.rows_mut(part).zip(rows) {
        pixels::expand_rgba(row.get(x * 4..).unwrap_or_default(), out);
    }
}

fn undecodable(source: RfxDecodeError) -> RdpError {
    RdpError::Protocol { source: SessionError::custom("RemoteFX", source) }
}
