//! One layer or buffer: its pixels, its path, and where it stands.

use std::sync::Arc;

use guac_protocol::Mask;

use crate::composite::{Pixel, Transfer, blend_row, fill_row, is_opaque};
use crate::rect::{Area, Rect, at};

/// Where a visible layer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// `None` once the parent was disposed of: then it is not shown.
    pub(crate) parent: Option<i32>,
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) z: i32,
}

/// Pixels are shared until one side draws, so that a copy of the whole canvas costs next to nothing.
///
/// INVARIANT: `pixels.len() == width * height`.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    width: u32,
    height: u32,
    pixels: Arc<Vec<Pixel>>,
    pub(crate) path: Vec<Area>,
    pub(crate) place: Place,
    pub(crate) opacity: u8,
}

impl Layer {
    pub(crate) fn new() -> Self {
        Self {
            width: 0,
            height: 0,
            pixels: Arc::default(),
            path: Vec::new(),
            place: Place { parent: Some(0), x: 0, y: 0, z: 0 },
            opacity: 255,
        }
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(crate) fn area_px(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    pub(crate) fn bounds(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// Handle to the pixels as they are now; drawing on the layer afterwards does not change them.
    pub(crate) fn snapshot(&self) -> Self {
        Self { path: Vec::new(), ..self.clone() }
    }

    /// A part of a row. Empty if it is not wholly inside.
    pub(crate) fn row(&self, x: u32, y: u32, len: u32) -> &[Pixel] {
        let start = at(y) * at(self.width) + at(x);
        self.pixels.get(start..start + at(len)).unwrap_or_default()
    }

    /// Keeps what fits; new pixels are transparent. The caller has checked the size.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        if (width, height) == self.size() {
            return;
        }
        let len = at(width) * at(height);
        if width == self.width {
            Arc::make_mut(&mut self.pixels).resize(len, [0; 4]);
        } else {
            let mut pixels = vec![[0; 4]; len];
            let kept = at(width.min(self.width));
            if kept > 0 {
                let old = self.pixels.chunks_exact(at(self.width));
                for (new, old) in pixels.chunks_exact_mut(at(width)).zip(old) {
                    if let (Some(new), Some(old)) = (new.get_mut(..kept), old.get(..kept)) {
                        new.copy_from_slice(old);
                    }
                }
            }
            self.pixels = Arc::new(pixels);
        }
        (self.width, self.height) = (width, height);
    }

    /// Fills a rectangle; gives what of it is inside.
    pub(crate) fn fill(&mut self, area: Area, colour: Pixel, mask: Mask) -> Rect {
        let rect = area.within(self.width, self.height);
        for row in self.rows_mut(rect) {
            fill_row(row, colour, mask);
        }
        rect
    }

    /// Draws a whole picture of `width` pixels a row at a position; gives what of it is inside.
    pub(crate) fn draw(&mut self, x: i32, y: i32, width: u32, pixels: &[Pixel], mask: Mask) -> Rect {
        let height = u32::try_from(pixels.len() / at(width).max(1)).unwrap_or_default();
        let rect = Area::new(x, y, width, height).within(self.width, self.height);
        let (left, top) = offset_in(rect, x.into(), y.into());
        let rows = pixels.chunks_exact(at(width).max(1)).skip(at(top));
        for (target, source) in self.rows_mut(rect).zip(rows) {
            if let Some(source) = source.get(at(left)..at(left) + target.len()) {
                blend_row(target, source, mask);
            }
        }
        rect
    }

    /// Copies from another layer, or from a [`snapshot`](Self::snapshot) of this one. The rectangle of the source is
    /// clipped to the source first (as browsers do), then to this layer; gives what was drawn on.
    pub(crate) fn copy_from(&mut self, source: &Self, from: Area, x: i32, y: i32, how: How) -> Rect {
        let (rect, from) = self.clip_copy(source.bounds(), from, x, y);
        for (y, target) in (from.y..).zip(self.rows_mut(rect)) {
            let source = source.row(from.x, y, from.width);
            if source.len() == target.len() {
                how.row(target, source);
            }
        }
        rect
    }

    /// Copies within this layer, as if the source were read whole before anything is written.
    pub(crate) fn copy_within(&mut self, from: Area, x: i32, y: i32, how: How) -> Rect {
        let (rect, from) = self.clip_copy(self.bounds(), from, x, y);
        let opaque = || (from.y..from.bottom()).all(|y| is_opaque(self.row(from.x, y, from.width)));
        if how.is_plain() || (how == How::Mask(Mask::OVER) && opaque()) {
            self.move_rows(from, rect);
        } else {
            // Of the rectangle only, so that the layer's pixels stay in place.
            let mut held = Vec::with_capacity(at(from.width) * at(from.height));
            (from.y..from.bottom()).for_each(|y| held.extend_from_slice(self.row(from.x, y, from.width)));
            let rows = held.chunks_exact(at(from.width).max(1));
            for (target, source) in self.rows_mut(rect).zip(rows) {
                how.row(target, source);
            }
        }
        rect
    }

    /// Where a copy ends up and where it comes from, both inside and of the same size.
    fn clip_copy(&self, source: Rect, from: Area, x: i32, y: i32) -> (Rect, Rect) {
        let (dx, dy) = (i64::from(x) - from.x, i64::from(y) - from.y);
        let from = from.intersection(source.into());
        let target = from.moved(dx, dy).within(self.width, self.height);
        let (left, top) = offset_in(target, from.x + dx, from.y + dy);
        let number = |value: i64| u32::try_from(value).unwrap_or_default();
        if target.is_empty() {
            return (target, target);
        }
        (target, Rect::new(number(from.x) + left, number(from.y) + top, target.width, target.height))
    }

    fn move_rows(&mut self, from: Rect, to: Rect) {
        let (stride, len) = (at(self.width), at(from.width));
        let pixels = Arc::make_mut(&mut self.pixels);
        let mut one = |row: u32| {
            let source = at(from.y + row) * stride + at(from.x);
            let target = at(to.y + row) * stride + at(to.x);
            if source + len <= pixels.len() && target + len <= pixels.len() {
                pixels.copy_within(source..source + len, target);
            }
        };
        if to.y > from.y {
            (0..from.height).rev().for_each(&mut one);
        } else {
            (0..from.height).for_each(&mut one);
        }
    }

    /// Rows of a rectangle that lies inside.
    fn rows_mut(&mut self, rect: Rect) -> impl Iterator<Item = &mut [Pixel]> {
        let (left, len) = (at(rect.x), at(rect.width));
        let stride = at(self.width).max(1);
        // Nothing to draw must not unshare the pixels.
        let pixels: &mut [Pixel] =
            if rect.is_empty() { &mut [] } else { Arc::make_mut(&mut self.pixels).as_mut_slice() };
        let rows = pixels.chunks_exact_mut(stride).skip(at(rect.y)).take(at(rect.height));
        rows.filter_map(move |row| row.get_mut(left..left + len))
    }
}

/// How a copy combines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Mask(Mask),
    Transfer(Transfer),
}

impl How {
    fn is_plain(self) -> bool {
        matches!(self, Self::Mask(Mask::SRC) | Self::Transfer(Transfer(0x3)))
    }

    fn row(self, target: &mut [Pixel], source: &[Pixel]) {
        match self {
            Self::Mask(mask) => blend_row(target, source, mask),
            Self::Transfer(transfer) => transfer.row(target, source),
        }
    }
}

/// How far into a picture drawn at `(x, y)` the clipped rectangle begins.
fn offset_in(rect: Rect, x: i64, y: i64) -> (u32, u32) {
    let part = |start: u32, of: i64| u32::try_from((i64::from(start) - of).max(0)).unwrap_or_default();
    (part(rect.x, x), part(rect.y, y))
}
