//! The progressive codec: RemoteFX tiles that get better with each message.
//!
//! # Specification
//! MS-RDPEGFX 2.2.4.2 and 3.2.8.1.

use guac_display::{Rect, Size, Surface};
use ironrdp_graphics::progressive::{ProgressiveDecodeError, ProgressiveDecoder, TILE_DIM};

use super::budget::Budget;
use super::remotefx::draw_part;
use super::{broken, exclusive};
use crate::RdpError;

/// Most pixels of surfaces drawn on, whose tiles are kept as up to 15 bytes a pixel: a 4K screen.
const MAX_PX: usize = 1 << 23;

/// Block types, and the length of their header: type and length.
const CONTEXT: u16 = 0xCCC3;
const REGION: u16 = 0xCCC4;
const FRAME_END: u16 = 0xCCC2;
const BLOCK_HEADER_BYTES: usize = 6;

/// Length of a block that sets the context.
const CONTEXT_BYTES: usize = 10;

/// Where a region's block has the number of its tiles: behind its header, the side of a tile, and the numbers of
/// rectangles and quantities.
const TILES_AT: usize = BLOCK_HEADER_BYTES + 6;

/// A whole block that ends a frame.
const FRAME_END_BLOCK: [u8; BLOCK_HEADER_BYTES] = [0xC2, 0xCC, 6, 0, 0, 0];

/// The decoder and what it is told again.
#[derive(Default)]
pub(super) struct Progressive {
    decoder: Option<ProgressiveDecoder>,
    /// Surfaces with tiles.
    surfaces: Vec<Known>,
    /// The last block that set a context. Servers send it once, and mean it for surfaces they make later.
    context: Option<[u8; CONTEXT_BYTES]>,
    in_frame: bool,
}

struct Known {
    id: u16,
    size: Size,
    context: Option<[u8; CONTEXT_BYTES]>,
}

impl Progressive {
    /// Draws a bitmap on the surface `id`; gives what kept it from that.
    pub(super) fn draw(
        &mut self,
        (id, context_id): (u16, u32),
        size: Size,
        data: &[u8],
        budget: &mut Budget,
        target: &mut Surface,
    ) -> Result<Option<ProgressiveDecodeError>, RdpError> {
        let mut stream = Stream::read(data).ok_or_else(|| broken("progressive bitmap cut short"))?;
        let known = self.surfaces.iter_mut().find(|known| known.id == id);
        let context = stream.context.or(known.as_ref().and_then(|known| known.context)).or(self.context);
        match known {
            Some(known) => known.context = context,
            None => self.surfaces.push(Known { id, size, context }),
        }
        self.context = context;
        if let (None, Some(context)) = (stream.context, &context) {
            stream.head.splice(..0, *context);
        }
        if self.surfaces.iter().map(|known| known.size.area()).sum::<usize>() > MAX_PX {
            return Err(broken("more progressive surfaces than there is room for"));
        }
        let (Ok(width), Ok(height)) = (u16::try_from(size.width()), u16::try_from(size.height())) else {
            return Err(broken("progressive surface of too large a size"));
        };
        let in_frame = self.in_frame;
        let decoder = self.decoder.get_or_insert_with(|| new_decoder(in_frame));
        let tiles = stream.tiles();
        budget.spend(tiles.saturating_mul(usize::from(TILE_DIM) * usize::from(TILE_DIM)))?;
        for part in stream.parts() {
            let tiles = match decoder.decode_bitmap(id, context_id, width, height, &part) {
                Ok(tiles) => tiles,
                Err(error) => return Ok(Some(error)),
            };
            for tile in tiles {
                let side = u32::from(TILE_DIM);
                let place = Rect::new(u32::from(tile.x_idx) * side, u32::from(tile.y_idx) * side, side, side);
                for rect in &tile.update_rectangles {
                    let visible = exclusive(rect).intersection(place).intersection(target.size().rect());
                    budget.spend(visible.area())?;
                    draw_part(&tile.pixels, place, visible, target);
                }
            }
        }
        Ok(None)
    }

    pub(super) fn begin_frame(&mut self) {
        self.in_frame = true;
        if let Some(decoder) = &mut self.decoder {
            decoder.begin_frame();
        }
    }

    pub(super) fn end_frame(&mut self) {
        self.in_frame = false;
        if let Some(decoder) = &mut self.decoder {
            decoder.end_frame();
        }
    }

    /// Forgets what belongs to a surface.
    pub(super) fn forget(&mut self, id: u16) {
        if let Some(decoder) = &mut self.decoder {
            decoder.delete_surface(id);
        }
        self.surfaces.retain(|known| known.id != id);
    }

    /// Forgets what belongs to any surface.
    pub(super) fn forget_all(&mut self) {
        self.decoder = None;
        self.surfaces.clear();
    }
}

fn new_decoder(in_frame: bool) -> ProgressiveDecoder {
    let mut decoder = ProgressiveDecoder::new();
    if in_frame {
        decoder.begin_frame();
    }
    decoder
}

/// A progressive bitmap, block by block.
struct Stream<'a> {
    /// What comes before the first region.
    head: Vec<u8>,
    regions: Vec<&'a [u8]>,
    context: Option<[u8; CONTEXT_BYTES]>,
}

impl<'a> Stream<'a> {
    /// Reads a bitmap; none if a block is cut short.
    fn read(data: &'a [u8]) -> Option<Self> {
        let mut stream = Self { head: Vec::new(), regions: Vec::new(), context: None };
        let mut rest = data;
        while let Some(&[low, high, a, b, c, d]) = rest.first_chunk::<BLOCK_HEADER_BYTES>() {
            let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
            let (block, behind) = rest.split_at_checked(len.max(BLOCK_HEADER_BYTES))?;
            match u16::from_le_bytes([low, high]) {
                REGION => stream.regions.push(block),
                // There is one frame.
                FRAME_END => break,
                kind => {
                    if kind == CONTEXT {
                        stream.context = block.as_array().copied();
                    }
                    if stream.regions.is_empty() {
                        stream.head.extend_from_slice(block);
                    }
                }
            }
            rest = behind;
        }
        Some(stream)
    }

    /// Number of tiles, as the regions say.
    fn tiles(&self) -> usize {
        let tiles = |region: &&[u8]| region.get(TILES_AT..TILES_AT + 2).and_then(|tiles| tiles.as_array().copied());
        self.regions.iter().filter_map(tiles).map(|tiles| usize::from(u16::from_le_bytes(tiles))).sum()
    }

    /// Streams of one region each.
    ///
    /// The decoder gives all pixels that a region shows at once, those of earlier tiles too. With one region that is
    /// the surface at most; with a thousand empty ones it would be a thousand times as much.
    fn parts(self) -> impl Iterator<Item = Vec<u8>> {
        let Self { head, regions, .. } = self;
        regions.into_iter().map(move |region| [&head, region, &FRAME_END_BLOCK].concat())
    }
}
