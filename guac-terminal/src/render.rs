//! From cells to pixels.

use guac_display::Rect;

use crate::glyph::{CellMetrics, Face, Glyphs};
use crate::grid::{
    BOLD, CURLY_UNDERLINE, CURSOR_BAR, CURSOR_LINE, Cell, DASHED_UNDERLINE, DOTTED_UNDERLINE, DOUBLE_UNDERLINE, ITALIC,
    Marks, STRIKE, UNDERLINE, UNDERLINES, WIDE_LEFT, WIDE_RIGHT,
};
use crate::palette::{Rgb24, mix};

/// Pixels of a rectangle being made.
pub(crate) struct Target<'a> {
    /// Where in the picture they are.
    pub(crate) rect: Rect,
    /// Row-major, `rect.width` per row.
    pub(crate) pixels: &'a mut [u32],
}

impl Target<'_> {
    /// Part of a row of the picture, from column `left` up to `right`, if it lies within.
    fn span(&mut self, y: u32, left: u32, right: u32) -> Option<&mut [u32]> {
        let row = y.checked_sub(self.rect.y).filter(|row| *row < self.rect.height)?;
        let left = left.max(self.rect.x) - self.rect.x;
        let right = right.min(self.rect.right()).checked_sub(self.rect.x)?;
        let start = row as usize * self.rect.width as usize;
        self.pixels.get_mut(start + left as usize..start + right as usize)
    }

    pub(crate) fn fill(&mut self, area: Rect, colour: Rgb24) {
        let part = area.intersection(self.rect);
        for y in part.y..part.bottom() {
            if let Some(span) = self.span(y, part.x, part.right()) {
                span.fill(colour);
            }
        }
    }
}

/// Draws `cell` with its left top corner at `x`, `y`.
pub(crate) fn draw_cell(
    cell: &Cell,
    (x, y): (u32, u32),
    metrics: &CellMetrics,
    glyphs: &mut Glyphs,
    marks: &Marks,
    target: &mut Target<'_>,
) {
    let area = Rect::new(x, y, metrics.width, metrics.height);
    let part = area.intersection(target.rect);
    if part.is_empty() {
        return;
    }
    target.fill(area, cell.bg);
    if cell.c != ' ' || cell.marks != 0 {
        draw_glyph(cell, area, metrics, glyphs, marks, target);
    }
    if cell.style & (UNDERLINES | STRIKE | CURSOR_BAR | CURSOR_LINE) != 0 {
        draw_lines(cell, area, metrics, target);
    }
}

fn draw_glyph(
    cell: &Cell,
    area: Rect,
    metrics: &CellMetrics,
    glyphs: &mut Glyphs,
    marks: &Marks,
    target: &mut Target<'_>,
) {
    let cells = if cell.is(WIDE_LEFT | WIDE_RIGHT) { 2 } else { 1 };
    let face = Face::new(cell.is(BOLD), cell.is(ITALIC));
    let mask = glyphs.mask(cell.c, marks.text(cell.marks), face, cells, metrics);
    let stride = metrics.width as usize * usize::from(cells);
    let skip = if cell.is(WIDE_RIGHT) { metrics.width as usize } else { 0 };
    let part = area.intersection(target.rect);
    for y in part.y..part.bottom() {
        let row = (y - area.y) as usize * stride + skip;
        let from = row + (part.x - area.x) as usize;
        let (Some(span), Some(coverage)) =
            (target.span(y, part.x, part.right()), mask.get(from..from + part.width as usize))
        else {
            continue;
        };
        for (pixel, alpha) in span.iter_mut().zip(coverage) {
            match alpha {
                0 => {}
                255 => *pixel = cell.fg,
                _ => *pixel = mix(cell.bg, cell.fg, *alpha),
            }
        }
    }
}

fn draw_lines(cell: &Cell, area: Rect, metrics: &CellMetrics, target: &mut Target<'_>) {
    let line = metrics.line;
    let bar = |row: u32| Rect::new(area.x, area.y + row.min(metrics.height - line), area.width, line);
    let mut dots = |row: u32, on: u32, off: u32| {
        // Counted from the left edge of the picture, so that the pattern runs on across cells.
        for x in (area.x..area.right()).filter(|x| x % (on + off) < on) {
            target.fill(Rect::new(x, area.y + row, 1, line), cell.underline);
        }
    };
    if cell.is(DOTTED_UNDERLINE) {
        dots(metrics.underline, line, line);
    }
    if cell.is(DASHED_UNDERLINE) {
        dots(metrics.underline, 3 * line, 2 * line);
    }
    if cell.is(CURLY_UNDERLINE) {
        let top = metrics.underline.min(metrics.height.saturating_sub(2 * line));
        for x in area.x..area.right() {
            let low = x / (2 * line) % 2;
            target.fill(Rect::new(x, area.y + top + low * line, 1, line), cell.underline);
        }
    }
    if cell.is(UNDERLINE | DOUBLE_UNDERLINE) {
        target.fill(bar(metrics.underline), cell.underline);
    }
    if cell.is(DOUBLE_UNDERLINE) {
        target.fill(bar(metrics.underline + 2 * line), cell.underline);
    }
    if cell.is(STRIKE) {
        target.fill(bar(metrics.strike), cell.fg);
    }
    if cell.is(CURSOR_LINE) {
        let height = (2 * line).min(area.height);
        target.fill(Rect { y: area.bottom() - height, height, ..area }, cell.fg);
    }
    if cell.is(CURSOR_BAR) {
        target.fill(Rect { width: (2 * line).min(area.width), ..area }, cell.fg);
    }
}
