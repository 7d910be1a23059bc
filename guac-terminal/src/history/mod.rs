//! What scrolled off the screen: kept in few bytes, and in the emulator's grid only while someone looks at it.
//!
//! The grid takes 24 bytes a cell and makes room for 1000 rows at once. So while the history is *closed*, the grid has
//! but a landing of one screen and a row above the screen. Rows that arrive there are copied into [`Rows`]. How many
//! arrived is told by the grid's own display offset: one that is not 0 grows with each of them. (It also grows with
//! rows that move below fixed ones, so then it has to be 0.) It is so only while output is taken in; else it is 0, and
//! nobody sees the landing.
//!
//! To scroll back, to select and to reflow, the history is *opened*: all rows return to the grid, and everything is the
//! emulator's. It closes when the view is at the bottom again and nothing of the history is selected.

use alacritty_terminal::Term;
use alacritty_terminal::grid::{Dimensions, Grid, Row, Scroll};
use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Cell;

use crate::compact::Rows;
use crate::vt::Proxy;

/// The rows above the screen, wherever they are.
#[derive(Debug)]
pub(crate) struct History {
    rows: Rows,
    is_open: bool,
    /// Display offset at which the landing is full.
    full_at: usize,
    /// First row of the scrolling region, which the emulator does not tell. Above another than 0 rows are fixed.
    region_top: usize,
    #[cfg(test)]
    pub(crate) stays_open: bool,
}

impl History {
    /// That of a new terminal: empty and closed.
    pub(crate) fn new(term: &mut Term<Proxy>, max_rows: usize) -> Self {
        let mut history = Self {
            rows: Rows::new(max_rows),
            is_open: true,
            full_at: usize::MAX,
            region_top: 0,
            #[cfg(test)]
            stays_open: false,
        };
        history.close(term);
        history
    }

    /// Number of rows.
    pub(crate) fn len(&self, term: &Term<Proxy>) -> usize {
        if self.is_open || is_alternate(term) { term.history_size() } else { self.rows.len() }
    }

    /// Memory of the compact rows, in bytes.
    #[cfg(test)]
    pub(crate) fn len_bytes(&self) -> usize {
        self.rows.len_bytes()
    }

    #[cfg(test)]
    pub(crate) fn max_bytes(&self) -> usize {
        self.rows.max_bytes()
    }

    /// Puts all rows into the grid. There is none on the alternate screen.
    pub(crate) fn open(&mut self, term: &mut Term<Proxy>) {
        self.open_with(term, 0);
    }

    /// As [`open`](Self::open), with rows in reserve by which the screen may grow.
    fn open_with(&mut self, term: &mut Term<Proxy>, reserve: usize) {
        if self.is_open || is_alternate(term) {
            return;
        }
        let grid = term.grid_mut();
        self.rows.refresh(&grid[Line(-1)]);
        grid.update_history(0);
        add_on_top(grid, self.rows.len(), self.rows.max_rows(), reserve);
        let mut all = take_rows(grid);
        self.rows.write(all.iter_mut());
        put_rows(grid, all);
        self.rows.clear();
        self.is_open = true;
        self.full_at = usize::MAX;
    }

    /// Takes the rows out of the grid, if nobody needs them there.
    pub(crate) fn rest(&mut self, term: &mut Term<Proxy>) {
        if !is_alternate(term) && term.grid().display_offset() == 0 && !is_history_selected(term) {
            self.close(term);
        }
    }

    fn close(&mut self, term: &mut Term<Proxy>) {
        if !self.is_open || self.rows.max_rows() == 0 {
            return;
        }
        #[cfg(test)]
        if self.stays_open {
            return;
        }
        self.rows.clear();
        for line in above(term.history_size()) {
            self.rows.push(&term.grid()[line]);
        }
        self.is_open = false;
        self.make_landing(term);
        term.grid_mut().truncate();
    }

    fn make_landing(&mut self, term: &mut Term<Proxy>) {
        // One call of the parser moves a screen at most, and one row is for the offset that counts.
        self.full_at = term.screen_lines() + 1;
        let grid = term.grid_mut();
        grid.update_history(self.full_at);
        let missing = self.full_at.saturating_sub(grid.history_size());
        if missing > 0 {
            add_on_top(grid, missing, self.full_at, 0);
        }
    }

    /// Begins to count what arrives; to be called before output is taken in.
    pub(crate) fn watch(&mut self, term: &mut Term<Proxy>) {
        if self.region_top == 0 {
            self.watch_screen(term);
        }
    }

    /// As [`watch`](Self::watch), for what moves the whole screen whatever the region.
    pub(crate) fn watch_screen(&mut self, term: &mut Term<Proxy>) {
        if !self.is_open && !is_alternate(term) && term.grid().display_offset() == 0 {
            term.grid_mut().scroll_display(Scroll::Delta(1));
        }
    }

    /// After the application set the scrolling region: rows from 1, as the emulator is told.
    pub(crate) fn set_region(&mut self, term: &mut Term<Proxy>, top: usize, bottom: Option<usize>) {
        let lines = term.screen_lines();
        // The emulator ignores others.
        if top < bottom.unwrap_or(lines) {
            self.unwatch(term);
            self.region_top = top.saturating_sub(1).min(lines);
            self.watch(term);
        }
    }

    /// Ends what [`watch`](Self::watch) began; all that arrived is kept.
    pub(crate) fn unwatch(&mut self, term: &mut Term<Proxy>) {
        self.collect(term);
        if !self.is_open {
            term.grid_mut().scroll_display(Scroll::Bottom);
        }
    }

    /// Collects what arrived, if the landing is full. To be called after all that scrolls a row; before what may scroll
    /// more, [`collect`](Self::collect) makes room.
    #[inline]
    pub(crate) fn collect_full(&mut self, term: &mut Term<Proxy>) {
        if term.grid().display_offset() >= self.full_at {
            self.collect(term);
        }
    }

    /// Copies the rows that arrived on the landing.
    pub(crate) fn collect(&mut self, term: &mut Term<Proxy>) {
        if self.is_open {
            return;
        }
        let arrived = term.grid().display_offset().saturating_sub(1);
        if arrived == 0 {
            return;
        }
        self.rows.refresh(&term.grid()[Line(-1) - arrived]);
        for line in above(arrived) {
            self.rows.push(&term.grid()[line]);
        }
        term.grid_mut().scroll_display(Scroll::Bottom);
        if is_history_selected(term) {
            self.open(term);
        } else {
            term.grid_mut().scroll_display(Scroll::Delta(1));
        }
    }

    /// Before the application asks for the other screen: that one has no history, and what is selected is forgotten.
    pub(crate) fn before_swap(&mut self, term: &mut Term<Proxy>) {
        self.unwatch(term);
        if !is_alternate(term) && term.grid().display_offset() == 0 {
            self.close(term);
        }
    }

    /// After the emulator was reset: everything is blank, and the landing is gone.
    pub(crate) fn reset(&mut self, term: &mut Term<Proxy>) {
        self.region_top = 0;
        if !self.is_open {
            self.rows.clear();
            let grid = term.grid_mut();
            grid.update_history(self.full_at);
            // Its rows are in reserve, so this costs little, however often an application does it.
            scroll_up(grid, self.full_at);
        }
    }

    /// Forgets all rows, while they are not watched; says whether it did, else they are the emulator's.
    pub(crate) fn forget(&mut self, term: &Term<Proxy>) -> bool {
        let is_ours = !self.is_open && !is_alternate(term);
        if is_ours {
            self.rows.clear();
        }
        is_ours
    }

    /// Changes columns and rows of the screen, and most rows of history.
    pub(crate) fn resize(&mut self, term: &mut Term<Proxy>, size: impl Dimensions, max_rows: usize) {
        if (term.columns(), term.screen_lines()) == (size.columns(), size.screen_lines()) {
            return;
        }
        let grown = size.screen_lines().saturating_sub(term.screen_lines());
        with_primary(term, |term| self.open_with(term, grown));
        replace_alternate(term, &size);
        term.resize(size);
        self.region_top = 0;
        with_primary(term, |term| {
            term.grid_mut().update_history(max_rows);
            self.rows.set_max_rows(max_rows);
            term.grid_mut().truncate();
            self.rest(term);
        });
        if is_alternate(term) {
            term.grid_mut().truncate();
        }
    }
}

fn is_alternate(term: &Term<Proxy>) -> bool {
    term.mode().contains(TermMode::ALT_SCREEN)
}

fn is_history_selected(term: &Term<Proxy>) -> bool {
    let range = term.selection.as_ref().and_then(|selection| selection.to_range(term));
    range.is_some_and(|range| range.start.line < 0)
}

fn line(number: usize) -> Line {
    Line(i32::try_from(number).unwrap_or(i32::MAX))
}

/// The lines above the screen, from the top.
fn above(count: usize) -> impl Iterator<Item = Line> {
    (1..=count).rev().map(|number| Line(-line(number).0))
}

/// Puts blank rows above all others, in a grid for `max_rows` of history and with further ones in reserve.
///
/// A grid that grows takes 1000 rows more than it needs, and they leave holes in the heap. One that shrinks keeps those
/// it has, so a new one of the right number of rows is made small.
fn add_on_top(grid: &mut Grid<Cell>, count: usize, max_rows: usize, reserve: usize) {
    let (columns, screen, history) = (grid.columns(), grid.screen_lines(), grid.history_size());
    let mut fresh = Grid::new(screen + history + count + reserve, columns, 0);
    fresh.resize(false, screen, columns);
    fresh.update_history(max_rows);
    scroll_up(&mut fresh, history + count);
    for at in grid.topmost_line().0..=grid.bottommost_line().0 {
        fresh[Line(at)] = std::mem::take(&mut grid[Line(at)]);
    }
    (fresh.cursor, fresh.saved_cursor) = (grid.cursor.clone(), grid.saved_cursor.clone());
    *grid = fresh;
}

/// Moves rows into the grid's history.
fn scroll_up(grid: &mut Grid<Cell>, count: usize) {
    let screen = grid.screen_lines();
    let mut left = count;
    while left > 0 {
        let step = left.min(screen);
        grid.scroll_up(&(Line(0)..line(screen)), step);
        left -= step;
    }
}

/// All rows from the top; those in the grid are unusable until they are put back.
fn take_rows(grid: &mut Grid<Cell>) -> Vec<Row<Cell>> {
    (grid.topmost_line().0..=grid.bottommost_line().0).map(|at| std::mem::take(&mut grid[Line(at)])).collect()
}

fn put_rows(grid: &mut Grid<Cell>, rows: Vec<Row<Cell>>) {
    for (at, row) in (grid.topmost_line().0..=grid.bottommost_line().0).zip(rows) {
        grid[Line(at)] = row;
    }
}

/// Does something on the primary screen, whichever is shown; the size must stay.
fn with_primary(term: &mut Term<Proxy>, act: impl FnOnce(&mut Term<Proxy>)) {
    if !is_alternate(term) {
        return act(term);
    }
    // The emulator clears the alternate screen on the way to it, and gives it the cursor of the primary one.
    let selection = term.selection.take();
    let (columns, lines) = (term.columns(), term.screen_lines());
    let grid = term.grid_mut();
    let (cursor, saved) = (grid.cursor.clone(), grid.saved_cursor.clone());
    let rows: Vec<Row<Cell>> = (0..lines).map(|at| std::mem::replace(&mut grid[line(at)], Row::new(columns))).collect();
    term.swap_alt();
    act(term);
    term.swap_alt();
    let grid = term.grid_mut();
    for (at, row) in rows.into_iter().enumerate() {
        grid[line(at)] = row;
    }
    (grid.cursor, grid.saved_cursor) = (cursor, saved);
    term.selection = selection;
}

/// Makes the alternate screen one of another size, unless it is shown: its content is of no meaning then.
fn replace_alternate(term: &mut Term<Proxy>, size: &impl Dimensions) {
    if is_alternate(term) {
        return;
    }
    let (selection, saved) = (term.selection.take(), term.grid().saved_cursor.clone());
    term.swap_alt();
    *term.grid_mut() = Grid::new(size.screen_lines(), size.columns(), 0);
    term.swap_alt();
    term.grid_mut().saved_cursor = saved;
    term.selection = selection;
}

#[cfg(test)]
mod tests;
