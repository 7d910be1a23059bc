//! The planner's memory: what each tile looked like when it was last sent.

use guac_protocol::{Encode, LayerIndex, Mask, ServerInstruction};
use xxhash_rust::xxh3::Xxh3;

use crate::changes::{Changes, CopyOp, TILE_PX};
use crate::encode::{Codec, EncodeJob, ImageSupport};
use crate::plan::{Patch, PatchKind, is_photographic, job, join, solid_colour, whole_picture};
use crate::{Picture, Rect, Size};

/// Frames within which a tile must change again to count as changing.
const HEAT_WINDOW_FRAMES: u32 = 4;

/// Changes in a row after which a photographic tile goes as JPEG.
const HEAT_FOR_LOSSY: u8 = 2;

/// Most pixels sent again without loss in one quiet frame: about 4 ms of work over two threads.
const REFINE_PX: usize = 512 * 1024;

/// A frame before compression: what needs no pixels, and the images.
///
/// The frame is `prefix` and then each job's bytes; images do not overlap, so they may be encoded in any order.
#[derive(Debug)]
pub struct FramePlan {
    /// Resizes, moves and solid rectangles, as whole instructions.
    pub prefix: Vec<u8>,
    /// The images.
    pub jobs: Vec<EncodeJob>,
}

impl FramePlan {
    /// Whether nothing is to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prefix.is_empty() && self.jobs.is_empty()
    }

    /// Pixels to be compressed.
    #[must_use]
    pub fn area(&self) -> usize {
        self.jobs.iter().map(EncodeJob::area).sum()
    }

    /// Encodes all of it on this thread.
    #[must_use]
    pub fn encode_here(self) -> Vec<u8> {
        let mut out = self.prefix;
        for job in self.jobs {
            out.extend_from_slice(&job.encode());
        }
        out
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Tile {
    /// The part last sent and the hash of its pixels.
    sent: Option<(Rect, u64)>,
    /// Frame in which it was last sent.
    frame: u32,
    /// How often it changed in a row.
    heat: u8,
    /// What users see of it is not exact.
    lossy: bool,
}

/// Plans the frames of one picture.
#[derive(Debug, Default)]
pub struct Display {
    changes: Option<Changes>,
    tiles: Vec<Tile>,
    columns: usize,
    bounds: Rect,
    frame: u32,
    /// JPEG quality, 1 to 100; `None` forbids loss.
    quality: Option<u8>,
}

impl Display {
    /// A planner that has sent nothing, and loses nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// JPEG quality for content that keeps changing (1 to 100), or `None` to send everything without loss.
    pub fn set_quality(&mut self, quality: Option<u8>) {
        self.quality = quality;
    }

    /// Whether something on the users' screens is not exact, so that a quiet moment should [`refine`](Self::refine) it.
    #[must_use]
    pub fn has_lossy(&self) -> bool {
        self.tiles.iter().any(|tile| tile.lossy)
    }

    /// Plans a frame of everything that changed since the last one.
    ///
    /// `lossless` overrides the quality for this frame.
    pub fn plan(&mut self, picture: &mut dyn Picture, support: ImageSupport, lossless: bool) -> FramePlan {
        let size = picture.size();
        let mut changes = self.changes.take().unwrap_or_else(|| Changes::new(size));
        picture.take_changes(&mut changes);
        self.frame = self.frame.wrapping_add(1);
        let mut prefix = Vec::new();
        if changes.is_resized() {
            self.reset(changes.size());
            let (width, height) = (size.width(), size.height());
            ServerInstruction::Size { layer: LayerIndex::DEFAULT, width, height }.encode(&mut prefix);
        }
        for &copy in changes.copies() {
            self.follow_copy(copy);
            encode_copy(copy, &mut prefix);
        }
        let quality = self.quality.filter(|_| !lossless);
        let mut patches = Vec::new();
        let mut pixels = Vec::new();
        for (column, row, rect) in changes.damaged_tiles() {
            pixels.clear();
            picture.read(rect, &mut pixels);
            if let Some(kind) = self.classify((column, row), rect, &pixels, support, quality) {
                patches.push(Patch { rect, kind });
            }
        }
        changes.clear();
        self.changes = Some(changes);
        let jobs = emit(picture, &patches, &mut prefix);
        FramePlan { prefix, jobs }
    }

    /// Plans a frame that makes exact what was sent with loss, a bounded number of pixels at a time. Call it when
    /// nothing has changed for a while.
    pub fn refine(&mut self, picture: &mut dyn Picture, support: ImageSupport) -> FramePlan {
        let mut patches = Vec::new();
        let mut area = 0;
        let all = picture.size().rect();
        for (index, tile) in self.tiles.iter_mut().enumerate().filter(|(_, tile)| tile.lossy) {
            if area >= REFINE_PX {
                break;
            }
            let rect = tile_rect(index, self.columns).intersection(all);
            area += rect.area();
            tile.lossy = false;
            tile.heat = 0;
            tile.sent = None;
            patches.push(Patch { rect, kind: PatchKind::Image(Codec::lossless(support)) });
        }
        let mut prefix = Vec::new();
        let jobs = emit(picture, &patches, &mut prefix);
        FramePlan { prefix, jobs }
    }

    /// Plans the whole picture without loss, for a user who has seen nothing of it or lost track.
    ///
    /// INVARIANT: called when [`plan`](Self::plan) has just taken all changes; then the next frame fits onto it.
    pub fn snapshot(&self, picture: &mut dyn Picture, support: ImageSupport) -> FramePlan {
        let (width, height) = (picture.size().width(), picture.size().height());
        let mut prefix = Vec::new();
        ServerInstruction::Size { layer: LayerIndex::DEFAULT, width, height }.encode(&mut prefix);
        FramePlan { prefix, jobs: whole_picture(picture, support) }
    }

    fn reset(&mut self, size: Size) {
        self.columns = size.width().div_ceil(TILE_PX) as usize;
        let rows = size.height().div_ceil(TILE_PX) as usize;
        self.tiles = vec![Tile::default(); self.columns * rows];
        self.bounds = size.rect();
    }

    /// What was moved may be inexact where it came from, and nothing is known about the pixels where it went.
    fn follow_copy(&mut self, copy: CopyOp) {
        let columns = self.columns;
        let touched = |rect: Rect| {
            let rows = rect.y / TILE_PX..rect.bottom().div_ceil(TILE_PX);
            rows.flat_map(move |row| {
                let in_row = rect.x / TILE_PX..rect.right().div_ceil(TILE_PX);
                in_row.map(move |column| row as usize * columns + column as usize)
            })
        };
        let lossy = touched(copy.src).any(|index| self.tiles.get(index).is_some_and(|tile| tile.lossy));
        for index in touched(copy.dst()) {
            if let Some(tile) = self.tiles.get_mut(index) {
                tile.sent = None;
                tile.lossy |= lossy;
            }
        }
    }

    /// How to send the damaged part of a tile; `None` if users already have these pixels.
    fn classify(
        &mut self,
        (column, row): (u32, u32),
        rect: Rect,
        pixels: &[u32],
        support: ImageSupport,
        quality: Option<u8>,
    ) -> Option<PatchKind> {
        let tile = self.tiles.get_mut(row as usize * self.columns + column as usize)?;
        let hash = hash(pixels);
        if tile.sent == Some((rect, hash)) && !tile.lossy {
            return None;
        }
        tile.heat =
            if self.frame.wrapping_sub(tile.frame) <= HEAT_WINDOW_FRAMES { tile.heat.saturating_add(1) } else { 0 };
        tile.frame = self.frame;
        tile.sent = Some((rect, hash));
        let whole = rect == Rect::new(column * TILE_PX, row * TILE_PX, TILE_PX, TILE_PX).intersection(self.bounds);
        if let Some(colour) = solid_colour(pixels) {
            tile.lossy &= !whole;
            return Some(PatchKind::Solid(colour));
        }
        let lossy = quality.filter(|_| tile.heat >= HEAT_FOR_LOSSY && is_photographic(pixels, rect.width));
        if let Some(quality) = lossy {
            tile.lossy = true;
            return Some(PatchKind::Image(Codec::Jpeg { quality }));
        }
        tile.lossy &= !whole;
        Some(PatchKind::Image(Codec::lossless(support)))
    }
}

fn tile_rect(index: usize, columns: usize) -> Rect {
    let columns = columns.max(1);
    // At most 128 tiles a side.
    let at = |tile: usize| u32::try_from(tile).unwrap_or_default() * TILE_PX;
    Rect::new(at(index % columns), at(index / columns), TILE_PX, TILE_PX)
}

fn hash(pixels: &[u32]) -> u64 {
    let mut hasher = Xxh3::new();
    let mut bytes = [0_u8; 256];
    for chunk in pixels.chunks(64) {
        for (slot, pixel) in bytes.chunks_exact_mut(4).zip(chunk) {
            slot.copy_from_slice(&pixel.to_ne_bytes());
        }
        hasher.update(bytes.get(..chunk.len() * 4).unwrap_or_default());
    }
    hasher.digest()
}

/// Writes solid patches into `prefix` and makes jobs of the others.
fn emit(picture: &mut dyn Picture, patches: &[Patch], prefix: &mut Vec<u8>) -> Vec<EncodeJob> {
    let mut jobs = Vec::new();
    for patch in join(patches) {
        match patch.kind {
            PatchKind::Solid(colour) => encode_solid(patch.rect, colour, prefix),
            PatchKind::Image(codec) => jobs.push(job(picture, patch.rect, codec)),
        }
    }
    jobs
}

/// Coordinates are at most 8192.
fn signed(px: u32) -> i32 {
    i32::try_from(px).unwrap_or(i32::MAX)
}

fn encode_solid(rect: Rect, colour: u32, out: &mut Vec<u8>) {
    let layer = LayerIndex::DEFAULT;
    let [_, r, g, b] = colour.to_be_bytes();
    let (x, y) = (signed(rect.x), signed(rect.y));
    ServerInstruction::Rect { layer, x, y, width: rect.width, height: rect.height }.encode(out);
    ServerInstruction::Cfill { mask: Mask::OVER, layer, r, g, b, a: 255 }.encode(out);
}

fn encode_copy(copy: CopyOp, out: &mut Vec<u8>) {
    ServerInstruction::Copy {
        src_layer: LayerIndex::DEFAULT,
        src_x: signed(copy.src.x),
        src_y: signed(copy.src.y),
        width: copy.src.width,
        height: copy.src.height,
        mask: Mask::OVER,
        dst_layer: LayerIndex::DEFAULT,
        dst_x: signed(copy.dst_x),
        dst_y: signed(copy.dst_y),
    }
    .encode(out);
}
