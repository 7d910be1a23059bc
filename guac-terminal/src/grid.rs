//! From the emulator's cells to cells that say all about their looks.

use std::collections::HashMap;

use alacritty_terminal::Term;
use alacritty_terminal::index::{Column, Line, Point};
use alacritty_terminal::selection::SelectionRange;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell as GridCell, Flags};
use alacritty_terminal::vte::ansi::CursorShape;

use crate::palette::{ColorScheme, Rgb24, dim, mix};
use crate::vt::Proxy;

/// Most sequences of combining marks told apart on one screen; further ones are shown without marks. A page of
/// pointed Hebrew has some dozens.
const MAX_MARKS_KNOWN: usize = 1024;

/// What a selected cell is tinted with, and how much of 255.
const SELECTION: (Rgb24, u8) = (0x4C_8D_FF, 110);

pub(crate) const BOLD: u16 = 1;
pub(crate) const ITALIC: u16 = 1 << 1;
pub(crate) const UNDERLINE: u16 = 1 << 2;
pub(crate) const DOUBLE_UNDERLINE: u16 = 1 << 3;
pub(crate) const CURLY_UNDERLINE: u16 = 1 << 4;
pub(crate) const DOTTED_UNDERLINE: u16 = 1 << 5;
pub(crate) const DASHED_UNDERLINE: u16 = 1 << 6;
pub(crate) const STRIKE: u16 = 1 << 7;
/// Left half of a wide character.
pub(crate) const WIDE_LEFT: u16 = 1 << 8;
/// Right half: `c` is the character itself, so each half can be drawn alone.
pub(crate) const WIDE_RIGHT: u16 = 1 << 9;
pub(crate) const CURSOR_BAR: u16 = 1 << 10;
pub(crate) const CURSOR_LINE: u16 = 1 << 11;

/// All that decides the pixels of a cell: cells that are equal look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) c: char,
    pub(crate) fg: Rgb24,
    pub(crate) bg: Rgb24,
    pub(crate) underline: Rgb24,
    pub(crate) style: u16,
    /// Number of the combining marks in [`Marks`], 0 for none.
    pub(crate) marks: u16,
}

impl Cell {
    pub(crate) fn blank(bg: Rgb24) -> Self {
        Self { c: ' ', fg: bg, bg, underline: bg, style: 0, marks: 0 }
    }

    pub(crate) fn is(&self, style: u16) -> bool {
        self.style & style != 0
    }
}

/// Numbers for the sequences of combining marks in use.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    numbers: HashMap<Box<str>, u16>,
    texts: Vec<Box<str>>,
}

impl Marks {
    fn number(&mut self, marks: &[char]) -> u16 {
        let text: String = marks.iter().collect();
        if let Some(number) = self.numbers.get(text.as_str()) {
            return *number;
        }
        if self.texts.len() >= MAX_MARKS_KNOWN {
            return 0;
        }
        let text: Box<str> = text.into();
        self.texts.push(text.clone());
        let number = u16::try_from(self.texts.len()).unwrap_or(0);
        self.numbers.insert(text, number);
        number
    }

    pub(crate) fn text(&self, number: u16) -> &str {
        usize::from(number).checked_sub(1).and_then(|at| self.texts.get(at)).map_or("", |text| text)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.texts.len() >= MAX_MARKS_KNOWN
    }

    pub(crate) fn clear(&mut self) {
        self.numbers.clear();
        self.texts.clear();
    }
}

/// One look at the emulator: what all rows share.
pub(crate) struct View<'a> {
    term: &'a Term<Proxy>,
    scheme: &'a ColorScheme,
    selection: Option<SelectionRange>,
    cursor: Option<(Point, CursorShape)>,
}

impl<'a> View<'a> {
    pub(crate) fn new(term: &'a Term<Proxy>, scheme: &'a ColorScheme) -> Self {
        let shown = term.mode().contains(TermMode::SHOW_CURSOR);
        let shape = term.cursor_style().shape;
        let mut point = term.grid().cursor.point;
        if term.grid()[point].flags.contains(Flags::WIDE_CHAR_SPACER) {
            point.column.0 = point.column.0.saturating_sub(1);
        }
        let selection = term.selection.as_ref().and_then(|selection| selection.to_range(term));
        Self { term, scheme, selection, cursor: (shown && shape != CursorShape::Hidden).then_some((point, shape)) }
    }

    /// Colour where nothing is written.
    pub(crate) fn background(&self) -> Rgb24 {
        self.scheme.indexed(alacritty_terminal::vte::ansi::NamedColor::Background as usize, self.term.colors())
    }

    /// Replaces `out` by the cells of a row of the screen, as the user has scrolled it.
    pub(crate) fn row(&self, row: usize, marks: &mut Marks, out: &mut Vec<Cell>) {
        out.clear();
        let grid = self.term.grid();
        let line = Line(i32::try_from(row).unwrap_or(i32::MAX)) - grid.display_offset();
        let cells = &grid[line];
        let mut wide: Option<Cell> = None;
        for column in 0..cells.len() {
            let cell = &cells[Column(column)];
            let point = Point::new(line, Column(column));
            let shown = match wide.take() {
                Some(left) if cell.flags.contains(Flags::WIDE_CHAR_SPACER) => {
                    Cell { style: left.style & !(WIDE_LEFT | CURSOR_BAR) | WIDE_RIGHT, ..left }
                }
                _ => self.cell(cell, point, marks),
            };
            if shown.is(WIDE_LEFT) {
                wide = Some(shown);
            }
            out.push(shown);
        }
        // A wide character whose right half was overwritten has half a place left: it is shown as a narrow one.
        for at in 0..out.len() {
            if out[at].is(WIDE_LEFT) && !out.get(at + 1).is_some_and(|next| next.is(WIDE_RIGHT)) {
                out[at].style &= !WIDE_LEFT;
            }
        }
    }

    fn cell(&self, cell: &GridCell, point: Point, marks: &mut Marks) -> Cell {
        let flags = cell.flags;
        let changed = self.term.colors();
        let mut fg = self.scheme.resolve(cell.fg, flags.contains(Flags::BOLD), changed);
        let mut bg = self.scheme.resolve(cell.bg, false, changed);
        if flags.contains(Flags::DIM) {
            fg = dim(fg);
        }
        if flags.contains(Flags::INVERSE) {
            std::mem::swap(&mut fg, &mut bg);
        }
        if self.selection.is_some_and(|range| range.contains(point)) {
            bg = mix(bg, SELECTION.0, SELECTION.1);
        }
        let mut shown =
            Cell { c: if cell.c == '\t' { ' ' } else { cell.c }, fg, bg, underline: fg, style: 0, marks: 0 };
        if flags.contains(Flags::HIDDEN) {
            shown.c = ' ';
            shown.fg = bg;
        } else {
            shown.style = style(flags);
            if let Some(extra) = cell.zerowidth().filter(|extra| !extra.is_empty()) {
                shown.marks = marks.number(extra);
            }
            if let Some(colour) = cell.underline_color() {
                shown.underline = self.scheme.resolve(colour, false, changed);
            }
        }
        if flags.contains(Flags::WIDE_CHAR) {
            shown.style |= WIDE_LEFT;
        }
        self.add_cursor(&mut shown, point);
        // What cannot be seen must not count as a change.
        if shown.c == ' ' && shown.marks == 0 && shown.style & !(BOLD | ITALIC) == 0 {
            shown = Cell::blank(shown.bg);
        } else if shown.style & UNDERLINES == 0 {
            shown.underline = shown.fg;
        }
        shown
    }

    fn add_cursor(&self, shown: &mut Cell, point: Point) {
        match self.cursor {
            Some((at, CursorShape::Beam)) if at == point => shown.style |= CURSOR_BAR,
            Some((at, CursorShape::Underline)) if at == point => shown.style |= CURSOR_LINE,
            Some((at, _)) if at == point => {
                let cursor = self.cursor_colour(shown);
                shown.fg = if cursor == shown.fg { shown.bg } else { shown.fg };
                shown.underline = shown.fg;
                shown.bg = cursor;
            }
            _ => {}
        }
    }

    /// Of a block: the application's choice, else the colour of the text, so that it can be seen on any background.
    fn cursor_colour(&self, under: &Cell) -> Rgb24 {
        let index = alacritty_terminal::vte::ansi::NamedColor::Cursor as usize;
        match self.term.colors()[index] {
            Some(rgb) => crate::palette::from_rgb(rgb),
            None if under.fg != under.bg => under.fg,
            None => self.scheme.indexed(index, self.term.colors()),
        }
    }
}

/// Styles that are drawn in the colour of the underline.
pub(crate) const UNDERLINES: u16 = UNDERLINE | DOUBLE_UNDERLINE | CURLY_UNDERLINE | DOTTED_UNDERLINE | DASHED_UNDERLINE;

fn style(flags: Flags) -> u16 {
    [
        (Flags::BOLD, BOLD),
        (Flags::ITALIC, ITALIC),
        (Flags::UNDERLINE, UNDERLINE),
        (Flags::DOUBLE_UNDERLINE, DOUBLE_UNDERLINE),
        (Flags::UNDERCURL, CURLY_UNDERLINE),
        (Flags::DOTTED_UNDERLINE, DOTTED_UNDERLINE),
        (Flags::DASHED_UNDERLINE, DASHED_UNDERLINE),
        (Flags::STRIKEOUT, STRIKE),
    ]
    .into_iter()
    .filter(|(flag, _)| flags.contains(*flag))
    .fold(0, |style, (_, bit)| style | bit)
}
