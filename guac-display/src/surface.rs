//! The framebuffer of a protocol that sends pixels.

use crate::{Changes, CopyOp, Picture, Rect, Size};

/// Row-major pixels, `0x00RRGGBB` each, that know what changed in them.
///
/// All coordinates come from a remote machine: what lies outside is refused or cut, never a panic.
#[derive(Debug)]
pub struct Surface {
    size: Size,
    pixels: Vec<u32>,
    changes: Changes,
}

impl Surface {
    /// A black surface. Costs 4 bytes a pixel, and nothing else that grows with its size but 16 bytes a tile.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self { size, pixels: vec![0; size.area()], changes: Changes::new(size) }
    }

    /// Its size.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// One row of `rect`, to look at. Empty if `rect` has no such row within the surface.
    #[must_use]
    pub fn row(&self, rect: Rect, row: u32) -> &[u32] {
        self.row_range(rect, row).and_then(|range| self.pixels.get(range)).unwrap_or_default()
    }

    /// Marks `rect` as changed and gives its rows in order, `rect.width` pixels each.
    ///
    /// No rows if `rect` does not lie within the surface.
    pub fn rows_mut(&mut self, rect: Rect) -> impl Iterator<Item = &mut [u32]> {
        let inside = self.size.rect().contains(rect) && !rect.is_empty();
        if inside {
            self.changes.damage(rect);
        }
        let (rows, from) = if inside { (rect.height as usize, rect.y as usize) } else { (0, 0) };
        let (x, width) = (rect.x as usize, rect.width as usize);
        self.pixels
            .chunks_exact_mut(self.size.width() as usize)
            .skip(from)
            .take(rows)
            .map(move |row| row.get_mut(x..x + width).unwrap_or_default())
    }

    /// Puts `pixels` (row-major, `rect.width` per row) at `rect`. Pixels missing at the end leave their place as it
    /// is.
    pub fn put(&mut self, rect: Rect, pixels: &[u32]) {
        let width = (rect.width as usize).max(1);
        for (row, source) in self.rows_mut(rect).zip(pixels.chunks_exact(width)) {
            row.copy_from_slice(source);
        }
    }

    /// Paints the part of `rect` within the surface in one colour.
    pub fn fill(&mut self, rect: Rect, colour: u32) {
        let rect = rect.intersection(self.size.rect());
        for row in self.rows_mut(rect) {
            row.fill(colour);
        }
    }

    /// Moves the pixels of `copy.src`. Ignored unless both places lie within the surface.
    pub fn copy(&mut self, copy: CopyOp) {
        let all = self.size.rect();
        let (src, dst) = (copy.src, copy.dst());
        if !all.contains(src) || !all.contains(dst) || src.is_empty() || src == dst {
            return;
        }
        let rows: Box<dyn Iterator<Item = u32>> =
            if dst.y > src.y { Box::new((0..src.height).rev()) } else { Box::new(0..src.height) };
        for row in rows {
            if let (Some(from), Some(to)) = (self.row_range(src, row), self.row_range(dst, row)) {
                self.pixels.copy_within(from, to.start);
            }
        }
        self.changes.copy(copy);
    }

    /// Gives the surface another size and keeps what fits of its pixels.
    pub fn resize(&mut self, size: Size) {
        if size == self.size {
            return;
        }
        let mut pixels = vec![0; size.area()];
        let old_width = self.size.width() as usize;
        let new_width = size.width() as usize;
        let kept = old_width.min(new_width);
        for (new, old) in pixels.chunks_exact_mut(new_width).zip(self.pixels.chunks_exact(old_width)) {
            if let (Some(new), Some(old)) = (new.get_mut(..kept), old.get(..kept)) {
                new.copy_from_slice(old);
            }
        }
        self.size = size;
        self.pixels = pixels;
        self.changes.resize(size);
    }

    fn row_range(&self, rect: Rect, row: u32) -> Option<std::ops::Range<usize>> {
        if row >= rect.height || !self.size.rect().contains(rect) {
            return None;
        }
        let start = (rect.y + row) as usize * self.size.width() as usize + rect.x as usize;
        Some(start..start + rect.width as usize)
    }
}

impl Picture for Surface {
    fn size(&self) -> Size {
        self.size
    }

    fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    fn take_changes(&mut self, changes: &mut Changes) {
        changes.append(&mut self.changes);
    }

    fn read(&mut self, rect: Rect, out: &mut Vec<u32>) {
        for row in 0..rect.height {
            out.extend_from_slice(self.row(rect, row));
        }
    }
}
