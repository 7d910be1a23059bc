//! The pointer's pictures.
//!
//! # Specification
//! MS-RDPBCGR 2.2.9.1.1.4 and 2.2.9.1.2.1.5 to 2.2.9.1.2.1.11.

use guac_display::{Cursor, MAX_CURSOR_SIDE_PX};
use ironrdp_graphics::pointer::{DecodedPointer, PointerBitmapTarget, PointerError};
use ironrdp_pdu::fast_path::{FastPathUpdate, UpdateCode};
use ironrdp_pdu::pointer::PointerUpdateData;
use tracing::debug;

use super::palette::Palette;
use super::{GraphicsEvent, broken, malformed};
use crate::RdpError;

/// Pictures kept for the server, more than our capabilities offer. One is at most 64 KiB.
const MAX_CACHED: usize = 64;

/// The plain arrow: `#` is black, `.` is white.
const ARROW: [&[u8]; 17] = [
    b"#          ",
    b"##         ",
    b"#.#        ",
    b"#..#       ",
    b"#...#      ",
    b"#....#     ",
    b"#.....#    ",
    b"#......#   ",
    b"#.......#  ",
    b"#........# ",
    b"#.....#####",
    b"#..#..#    ",
    b"#.# #..#   ",
    b"##  #..#   ",
    b"#    #..#  ",
    b"     #..#  ",
    b"      ##   ",
];

/// Pictures the server may come back to.
#[derive(Default)]
pub(super) struct Pointers {
    cached: Vec<Option<Cursor>>,
}

/// Reads a pointer update of the fast path.
pub(super) fn read(code: UpdateCode, data: &[u8]) -> Result<PointerUpdateData<'_>, RdpError> {
    match FastPathUpdate::decode_with_code(data, code).map_err(malformed)? {
        FastPathUpdate::Pointer(update) => Ok(update),
        _ => Err(broken("update that is no pointer's")),
    }
}

impl Pointers {
    /// What an update means for the session. Pictures that cannot be used become the plain arrow.
    pub(super) fn handle(&mut self, update: &PointerUpdateData<'_>, palette: &Palette) -> Option<GraphicsEvent> {
        let target = PointerBitmapTarget::Accelerated;
        let (index, decoded) = match update {
            PointerUpdateData::SetHidden => return Some(GraphicsEvent::Cursor(Cursor::hidden())),
            PointerUpdateData::SetDefault => return Some(GraphicsEvent::Cursor(arrow())),
            // A browser's pointer stays where its user has it.
            PointerUpdateData::SetPosition(_) => return None,
            PointerUpdateData::Cached(cached) => {
                let cursor = self.cached.get(usize::from(cached.cache_index)).cloned().flatten();
                return cursor.map(GraphicsEvent::Cursor);
            }
            PointerUpdateData::Color(pointer) => {
                (pointer.cache_index, DecodedPointer::decode_color_pointer_attribute(pointer, target))
            }
            PointerUpdateData::New(pointer) => {
                let palette = palette.to_bytes();
                let decoded = DecodedPointer::decode_pointer_attribute_with_palette(pointer, target, Some(&palette));
                (pointer.color_pointer.cache_index, decoded)
            }
            PointerUpdateData::Large(pointer) => {
                let palette = palette.to_bytes();
                let decoded =
                    DecodedPointer::decode_large_pointer_attribute_with_palette(pointer, target, Some(&palette));
                (pointer.cache_index, decoded)
            }
        };
        let cursor = to_cursor(decoded);
        self.keep(usize::from(index), &cursor);
        Some(GraphicsEvent::Cursor(cursor))
    }

    fn keep(&mut self, index: usize, cursor: &Cursor) {
        if index >= MAX_CACHED {
            debug!(index, "Pointer outside of the cache not kept");
            return;
        }
        if self.cached.len() <= index {
            self.cached.resize(index + 1, None);
        }
        if let Some(place) = self.cached.get_mut(index) {
            *place = Some(cursor.clone());
        }
    }
}

/// A decoded picture as the display wants it, shrunk where it is too large for browsers.
fn to_cursor(decoded: Result<DecodedPointer, PointerError>) -> Cursor {
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => {
            debug!(%error, "Pointer picture ignored");
            return arrow();
        }
    };
    let (width, height) = (u32::from(decoded.width), u32::from(decoded.height));
    let shrink = width.max(height).div_ceil(MAX_CURSOR_SIDE_PX).max(1) as usize;
    let pixels = decoded
        .bitmap_data
        .chunks_exact((usize::from(decoded.width) * 4).max(1))
        .step_by(shrink)
        .flat_map(|row| row.as_chunks().0.iter().step_by(shrink))
        .map(|&[red, green, blue, alpha]| u32::from_be_bytes([alpha, red, green, blue]))
        .collect();
    let shrink = u32::try_from(shrink).unwrap_or(1);
    let hotspot = (u32::from(decoded.hotspot_x) / shrink, u32::from(decoded.hotspot_y) / shrink);
    Cursor::new(width.div_ceil(shrink), height.div_ceil(shrink), hotspot, pixels).unwrap_or_else(|error| {
        debug!(%error, "Pointer picture ignored");
        arrow()
    })
}

/// The pointer of a server that leaves the choice to us.
fn arrow() -> Cursor {
    let pixels = ARROW.iter().flat_map(|row| row.iter()).map(|ink| match ink {
        b'#' => 0xFF00_0000,
        b'.' => 0xFFFF_FFFF,
        _ => 0,
    });
    Cursor::new(11, 17, (0, 0), pixels.collect()).unwrap_or_else(|_| Cursor::dot())
}
