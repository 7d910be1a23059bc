//! Marking text with the mouse.

use std::time::{Duration, Instant};

use alacritty_terminal::Term;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line, Point, Side};
use alacritty_terminal::selection::{Selection, SelectionType};
use alacritty_terminal::term::cell::Flags;

use crate::vt::{MAX_CLIPBOARD_BYTES, Proxy};

/// Longest time between the presses of a double click.
const MULTI_CLICK: Duration = Duration::from_millis(400);

/// Longest word or address that a double click marks, in cells: the rows of a wrapped address.
const MAX_WORD_CELLS: usize = 4096;

/// Counts clicks on the same cell.
#[derive(Debug, Default)]
pub(crate) struct Clicks {
    last: Option<(Instant, Point)>,
    count: u8,
}

impl Clicks {
    /// 1, 2 or 3 for single, double and triple.
    pub(crate) fn press(&mut self, at: Point, now: Instant) -> u8 {
        let again =
            self.last.is_some_and(|(time, point)| point == at && now.saturating_duration_since(time) <= MULTI_CLICK);
        self.count = if again { self.count % 3 + 1 } else { 1 };
        self.last = Some((now, at));
        self.count
    }

    pub(crate) fn is_single(&self) -> bool {
        self.count == 1
    }

    /// Whether the pointer is no longer where it was pressed: only then does a marked word give way to a drag.
    pub(crate) fn has_left(&self, at: Point) -> bool {
        self.last.is_some_and(|(_, point)| point != at)
    }
}

/// Begins a selection: by cell, word or line; `block` for a rectangle.
pub(crate) fn start(term: &mut Term<Proxy>, at: Point, side: Side, clicks: u8, block: bool) {
    term.selection = Some(match clicks {
        2 => word(term, at),
        3 => Selection::new(SelectionType::Lines, at, side),
        _ => Selection::new(if block { SelectionType::Block } else { SelectionType::Simple }, at, side),
    });
}

/// The selected text, if there is any; what is above the size of a clipboard is cut off.
pub(crate) fn text(term: &Term<Proxy>) -> Option<String> {
    let mut text = term.selection_to_string()?;
    if text.len() > MAX_CLIPBOARD_BYTES {
        let end = (0..=MAX_CLIPBOARD_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    (!text.is_empty()).then_some(text)
}

/// The address around `at`, or else the word.
fn word(term: &Term<Proxy>, at: Point) -> Selection {
    let (start, end) = extent(term, at, is_address).filter(|range| has_scheme(term, *range)).unwrap_or_else(|| {
        // A character that belongs to no word stands for itself.
        extent(term, at, is_word).unwrap_or((at, at))
    });
    let end = last_of_address(term, start, end, at);
    let mut selection = Selection::new(SelectionType::Simple, start, Side::Left);
    selection.update(end, Side::Right);
    selection
}

/// First and last cell of the run of `wanted` characters around `at`, across rows that wrap.
fn extent(term: &Term<Proxy>, at: Point, wanted: fn(char) -> bool) -> Option<(Point, Point)> {
    if !wanted(character(term, at)) {
        return None;
    }
    let run = |next: fn(&Term<Proxy>, Point) -> Option<Point>| {
        let mut point = at;
        for _ in 0..MAX_WORD_CELLS {
            match next(term, point) {
                Some(other) if wanted(character(term, other)) => point = other,
                _ => break,
            }
        }
        point
    };
    Some((run(before), run(after)))
}

/// Without the punctuation that ends the sentence around an address.
fn last_of_address(term: &Term<Proxy>, start: Point, mut end: Point, at: Point) -> Point {
    while end > start && end > at && matches!(character(term, end), '.' | ',' | ';' | ':' | '!' | '?' | ')') {
        match before(term, end) {
            Some(point) => end = point,
            None => break,
        }
    }
    end
}

fn has_scheme(term: &Term<Proxy>, (start, end): (Point, Point)) -> bool {
    let mut text = String::new();
    let mut point = start;
    // "://" stands early: the longest schemes in use have some dozen characters.
    while text.len() < 32 {
        text.push(character(term, point));
        match after(term, point) {
            Some(next) if point != end => point = next,
            _ => break,
        }
    }
    text.find("://").is_some_and(|at| at > 0) || text.starts_with("mailto:")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '~' | '@' | '%' | '+' | '#' | '$')
}

fn is_address(c: char) -> bool {
    !c.is_whitespace()
        && !c.is_control()
        && !matches!(c, '<' | '>' | '"' | '\'' | '`' | '(' | '[' | ']' | '{' | '}' | '│' | '|')
}

/// The character shown at a place; its own for both halves of a wide one.
fn character(term: &Term<Proxy>, at: Point) -> char {
    let row = &term.grid()[at.line];
    if row[at.column].flags.contains(Flags::WIDE_CHAR_SPACER) && at.column.0 > 0 {
        return row[at.column - 1].c;
    }
    row[at.column].c
}

fn wraps(term: &Term<Proxy>, line: Line) -> bool {
    term.grid()[line][term.last_column()].flags.contains(Flags::WRAPLINE)
}

fn before(term: &Term<Proxy>, at: Point) -> Option<Point> {
    if at.column.0 > 0 {
        return Some(Point::new(at.line, at.column - 1));
    }
    let line = at.line - 1i32;
    (line >= term.topmost_line() && wraps(term, line)).then(|| Point::new(line, term.last_column()))
}

fn after(term: &Term<Proxy>, at: Point) -> Option<Point> {
    if at.column < term.last_column() {
        return Some(Point::new(at.line, at.column + 1));
    }
    let line = at.line + 1i32;
    (line <= term.bottommost_line() && wraps(term, at.line)).then(|| Point::new(line, Column(0)))
}
