//! What changed since the last frame: a few moves, and damage.

use crate::Size;
use crate::rect::Rect;

/// Side of the square tiles in which damage is kept and pixels are sent.
pub(crate) const TILE_PX: u32 = 64;

/// Most moves kept in one frame. Past it they become damage: a machine that moves more than this between two frames
/// redraws as cheaply.
const MAX_COPIES: usize = 64;

/// One move within the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyOp {
    /// What is moved, as it looked before.
    pub src: Rect,
    /// Left edge of where it goes.
    pub dst_x: u32,
    /// Top edge of where it goes.
    pub dst_y: u32,
}

impl CopyOp {
    /// Where it goes.
    #[must_use]
    pub fn dst(self) -> Rect {
        Rect { x: self.dst_x, y: self.dst_y, ..self.src }
    }
}

/// Moves and damage of one frame.
///
/// INVARIANT: doing the moves in order on the last frame and then redrawing the damage gives the present picture. So
/// a move of something damaged takes its damage along.
#[derive(Debug, Clone)]
pub struct Changes {
    size: Size,
    resized: bool,
    columns: usize,
    /// Damage of each tile, row-major: the smallest rectangle within the picture, or an empty one.
    tiles: Vec<Rect>,
    copies: Vec<CopyOp>,
    any_damage: bool,
}

impl Changes {
    /// For a picture of which nothing has been shown: a resize, all of it damaged.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let columns = size.width().div_ceil(TILE_PX) as usize;
        let rows = size.height().div_ceil(TILE_PX) as usize;
        let mut changes = Self {
            size,
            resized: true,
            columns,
            tiles: vec![Rect::default(); columns * rows],
            copies: Vec::new(),
            any_damage: false,
        };
        changes.damage(size.rect());
        changes
    }

    /// Size of the picture.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The picture has another size and is damaged all over.
    pub fn resize(&mut self, size: Size) {
        *self = Self::new(size);
    }

    /// Pixels of `rect` changed. What lies outside the picture is ignored.
    pub fn damage(&mut self, rect: Rect) {
        let rect = rect.intersection(self.size.rect());
        if rect.is_empty() {
            return;
        }
        self.any_damage = true;
        for_each_tile(self.columns, rect, |index, part| {
            if let Some(tile) = self.tiles.get_mut(index) {
                *tile = tile.union(part);
            }
        });
    }

    /// The pixels of `copy.src` went to `copy.dst()`. A move that leaves the picture is ignored.
    pub fn copy(&mut self, copy: CopyOp) {
        let (src, dst, all) = (copy.src, copy.dst(), self.size.rect());
        if src.is_empty() || src == dst || !all.contains(src) || !all.contains(dst) {
            return;
        }
        if self.copies.len() == MAX_COPIES {
            self.damage(dst);
            return;
        }
        if self.any_damage {
            self.move_damage(copy);
        }
        self.copies.push(copy);
    }

    /// Takes the damage of the source along to the destination.
    fn move_damage(&mut self, copy: CopyOp) {
        let mut damaged = Vec::new();
        for_each_tile(self.columns, copy.src, |index, part| {
            if let Some(tile) = self.tiles.get(index) {
                let hit = tile.intersection(part);
                if !hit.is_empty() {
                    damaged.push(hit);
                }
            }
        });
        for_each_tile(self.columns, copy.dst(), |index, part| {
            if let Some(tile) = self.tiles.get_mut(index)
                && part.contains(*tile)
            {
                *tile = Rect::default();
            }
        });
        for hit in damaged {
            let (x, y) = (hit.x - copy.src.x + copy.dst_x, hit.y - copy.src.y + copy.dst_y);
            self.damage(Rect { x, y, ..hit });
        }
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.resized && !self.any_damage && self.copies.is_empty()
    }

    /// Whether the size is new to the users.
    #[must_use]
    pub fn is_resized(&self) -> bool {
        self.resized
    }

    /// The moves, in order.
    #[must_use]
    pub fn copies(&self) -> &[CopyOp] {
        &self.copies
    }

    /// Damage by tile: the tile's column and row, and the damaged part of it.
    pub fn damaged_tiles(&self) -> impl Iterator<Item = (u32, u32, Rect)> + '_ {
        let columns = self.columns.max(1);
        self.tiles.iter().enumerate().filter(|(_, rect)| !rect.is_empty()).map(move |(index, &rect)| {
            // A picture has at most 128 x 128 tiles.
            (
                u32::try_from(index % columns).unwrap_or_default(),
                u32::try_from(index / columns).unwrap_or_default(),
                rect,
            )
        })
    }

    /// Adds what happened afterwards, and clears `later`.
    pub fn append(&mut self, later: &mut Self) {
        if later.resized || (self.is_empty() && self.size == later.size) {
            std::mem::swap(self, later);
        } else {
            for &copy in &later.copies {
                self.copy(copy);
            }
            for (_, _, rect) in later.damaged_tiles() {
                self.damage(rect);
            }
        }
        later.adopt_size(self.size);
        later.clear();
    }

    /// Makes the tile grid fit `size` without marking anything.
    fn adopt_size(&mut self, size: Size) {
        if self.size != size {
            *self = Self::new(size);
        }
    }

    /// Forgets everything: it was sent.
    pub fn clear(&mut self) {
        self.resized = false;
        self.copies.clear();
        if self.any_damage {
            self.tiles.fill(Rect::default());
            self.any_damage = false;
        }
    }
}

/// Calls `f` with the index of each tile that `rect` touches and the part of `rect` in it.
fn for_each_tile(columns: usize, rect: Rect, mut f: impl FnMut(usize, Rect)) {
    for row in rect.y / TILE_PX..rect.bottom().div_ceil(TILE_PX) {
        for column in rect.x / TILE_PX..rect.right().div_ceil(TILE_PX) {
            let tile = Rect::new(column * TILE_PX, row * TILE_PX, TILE_PX, TILE_PX);
            f(row as usize * columns + column as usize, tile.intersection(rect));
        }
    }
}
