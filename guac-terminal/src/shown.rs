//! What the users were last told, and how the present screen differs from it.

use std::collections::HashMap;

use guac_display::{Changes, CopyOp, Rect, Size};

use crate::glyph::CellMetrics;
use crate::grid::{Cell, Marks, View};
use crate::palette::Rgb24;
use crate::scrollback::Bar;

/// Fewest rows worth a move: below, redrawing is as cheap.
const MIN_MOVED_ROWS: usize = 2;

/// Unchanged cells between two changed ones that are redrawn with them rather than told apart.
const MAX_GAP_CELLS: usize = 4;

/// A compact copy of the screen as last shown: 20 bytes per cell, no pixels.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) size: Size,
    pub(crate) metrics: CellMetrics,
    pub(crate) columns: usize,
    pub(crate) cells: Vec<Cell>,
    hashes: Vec<u64>,
    pub(crate) background: Rgb24,
    pub(crate) bar: Bar,
    row: Vec<Cell>,
}

impl Shown {
    /// Nothing but the background.
    pub(crate) fn new(size: Size, metrics: CellMetrics, (columns, rows): (usize, usize), background: Rgb24) -> Self {
        Self {
            size,
            metrics,
            columns,
            cells: vec![Cell::blank(background); columns * rows],
            // 0 stands for "unknown": no row is moved from there.
            hashes: vec![0; rows],
            background,
            bar: Bar::default(),
            row: Vec::with_capacity(columns),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.hashes.len()
    }

    /// Brings the copy up to date and says what that changes in the picture.
    pub(crate) fn update(&mut self, view: &View<'_>, marks: &mut Marks, changes: &mut Changes) {
        if view.background() != self.background {
            self.background = view.background();
            changes.damage(self.size.rect());
        }
        let mut fresh = Vec::with_capacity(self.rows());
        let mut row = std::mem::take(&mut self.row);
        for index in 0..self.rows() {
            view.row(index, marks, &mut row);
            fresh.push(hash(&row));
        }
        self.find_move(&fresh, changes);
        for (index, hash) in fresh.into_iter().enumerate() {
            // A hash may lie, if someone goes to great lengths; so only the cells themselves count as equal.
            view.row(index, marks, &mut row);
            self.update_row(index, &row, changes);
            self.hashes[index] = hash;
        }
        self.row = row;
    }

    /// Looks for the one block of rows that moved up or down, and moves it.
    fn find_move(&mut self, fresh: &[u64], changes: &mut Changes) {
        let mut last: HashMap<u64, Option<usize>> = HashMap::with_capacity(fresh.len());
        for (index, hash) in self.hashes.iter().enumerate() {
            last.entry(*hash).and_modify(|at| *at = None).or_insert(Some(index));
        }
        // Rows that occur once vote for the distance they moved by.
        let mut votes: HashMap<isize, usize> = HashMap::new();
        for (index, hash) in fresh.iter().enumerate() {
            if let Some(Some(from)) = last.get(hash)
                && *hash != 0
            {
                *votes.entry(from.cast_signed() - index.cast_signed()).or_default() += 1;
            }
        }
        let best = votes.into_iter().filter(|(by, _)| *by != 0).max_by_key(|(by, count)| (*count, -by.abs(), *by));
        let Some((by, _)) = best else { return };
        let source = |to: usize| to.checked_add_signed(by).filter(|from| *from < fresh.len());
        let moved = |to: usize| source(to).is_some_and(|from| self.hashes[from] != 0 && self.hashes[from] == fresh[to]);
        let (mut start, mut best) = (0, 0..0);
        for to in 0..=fresh.len() {
            if to < fresh.len() && moved(to) {
                continue;
            }
            if to - start > best.len() {
                best = start..to;
            }
            start = to + 1;
        }
        let changed = best.clone().filter(|to| self.hashes[*to] != fresh[*to]).count();
        if changed < MIN_MOVED_ROWS {
            return;
        }
        let Some(from) = source(best.start) else { return };
        let height = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX).saturating_mul(self.metrics.height);
        let width = u32::try_from(self.columns).unwrap_or(u32::MAX).saturating_mul(self.metrics.width);
        let copy =
            CopyOp { src: Rect::new(0, height(from), width, height(best.len())), dst_x: 0, dst_y: height(best.start) };
        let all = self.size.rect();
        if !all.contains(copy.src) || !all.contains(copy.dst()) {
            return;
        }
        changes.copy(copy);
        let cells = |row: usize| row * self.columns;
        self.cells.copy_within(cells(from)..cells(from + best.len()), cells(best.start));
    }

    /// Compares a row cell by cell and damages the spans that differ.
    fn update_row(&mut self, index: usize, row: &[Cell], changes: &mut Changes) {
        let start = index * self.columns;
        let Some(old) = self.cells.get_mut(start..start + self.columns) else { return };
        if old == row {
            return;
        }
        let (width, height) = (self.metrics.width, self.metrics.height);
        let px = |cells: usize, side: u32| u32::try_from(cells).unwrap_or(u32::MAX).saturating_mul(side);
        let mut damage = |from: usize, to: usize| {
            changes.damage(Rect::new(px(from, width), px(index, height), px(to - from, width), height));
        };
        let mut span: Option<(usize, usize)> = None;
        for (column, (old, new)) in old.iter_mut().zip(row).enumerate() {
            if old == new {
                continue;
            }
            *old = *new;
            span = match span {
                Some((from, to)) if column <= to + MAX_GAP_CELLS => Some((from, column + 1)),
                Some((from, to)) => {
                    damage(from, to);
                    Some((column, column + 1))
                }
                None => Some((column, column + 1)),
            };
        }
        if let Some((from, to)) = span {
            damage(from, to);
        }
    }
}

/// Fast and good enough to find candidates; never 0, which stands for "unknown".
fn hash(row: &[Cell]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = FACTOR;
    for cell in row {
        let text = u64::from(u32::from(cell.c)) << 32 | u64::from(cell.style) << 16 | u64::from(cell.marks);
        let colours = u64::from(cell.fg) << 32 | u64::from(cell.bg);
        hash = (hash.rotate_left(5) ^ text).wrapping_mul(FACTOR);
        hash = (hash.rotate_left(5) ^ colours ^ u64::from(cell.underline) << 13).wrapping_mul(FACTOR);
    }
    hash | 1
}
