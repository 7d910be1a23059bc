//! Rows that left the screen, in few bytes: a cell of the emulator has 24, a character of plain text here one.
//!
//! A row is a string: its characters without the blanks at the end, and between them marks below U+0020, which no cell
//! holds, for what is not plain.

use std::collections::VecDeque;
use std::str::Chars;

use alacritty_terminal::grid::Row;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor, Rgb};

/// Bytes of history per row asked for. A row of 200 plain cells takes a quarter of it; only a screen on which nearly
/// every cell has colours of its own takes more, and then the oldest rows go earlier.
const BYTES_PER_ROW: usize = 1 << 10;

/// Least and most bytes of history: one row of the widest terminal, with all that cells can have, fits in the one, and
/// 8000 rows of any kind in the other.
const MIN_BYTES: usize = 128 << 10;
const MAX_BYTES: usize = 8 << 20;

/// What a row takes beside its text: pointer, length and the allocator's share.
const ROW_OVERHEAD_BYTES: usize = 32;

/// From here on cells are plain.
const PLAIN: char = '\u{1}';
/// From here on cells look as the [`Style`] that follows says.
const STYLE: char = '\u{2}';
/// The character that follows is a wide one, with its spacer.
const WIDE: char = '\u{3}';
/// The character that follows combines with the one before.
const MARK: char = '\u{4}';
/// At the end: the row goes on in the next.
const WRAPS: char = '\u{5}';

/// The newest rows that left the screen, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: VecDeque<Box<str>>,
    len_bytes: usize,
    max_rows: usize,
    /// Whether the newest row ends with a place that was too narrow for the wide character that follows.
    leads: bool,
    buffer: Vec<u8>,
}

impl Rows {
    pub(crate) fn new(max_rows: usize) -> Self {
        Self { max_rows, ..Self::default() }
    }

    pub(crate) fn max_rows(&self) -> usize {
        self.max_rows
    }

    pub(crate) fn set_max_rows(&mut self, max_rows: usize) {
        self.max_rows = max_rows;
        self.drop_oldest();
    }

    /// Most bytes that [`len_bytes`](Self::len_bytes) comes to.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_rows.saturating_mul(BYTES_PER_ROW).clamp(MIN_BYTES, MAX_BYTES)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Memory of all rows, in bytes.
    #[cfg(test)]
    pub(crate) fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Adds the row below all others. What is above the bounds in rows or bytes is dropped, from the top.
    pub(crate) fn push(&mut self, row: &Row<Cell>) {
        self.leads = leads(row);
        self.buffer.clear();
        encode(&row[..], &mut self.buffer);
        self.len_bytes += self.buffer.len() + ROW_OVERHEAD_BYTES;
        // All that is written there comes from characters.
        self.rows.push_back(std::str::from_utf8(&self.buffer).unwrap_or_default().into());
        self.drop_oldest();
    }

    /// Takes the newest row anew, if the character that did not fit there was overwritten in the row below: the only
    /// change that the emulator makes to a row above the screen.
    pub(crate) fn refresh(&mut self, row: &Row<Cell>) {
        if self.leads
            && !leads(row)
            && let Some(old) = self.rows.pop_back()
        {
            self.len_bytes -= old.len() + ROW_OVERHEAD_BYTES;
            self.push(row);
        }
    }

    /// Writes all rows, oldest first, over those given.
    pub(crate) fn write<'a>(&self, rows: impl Iterator<Item = &'a mut Row<Cell>>) {
        for (text, row) in self.rows.iter().zip(rows) {
            decode(text, &mut row[..]);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.leads = false;
        self.len_bytes = 0;
    }

    fn drop_oldest(&mut self) {
        while self.rows.len() > self.max_rows || self.len_bytes > self.max_bytes() {
            let Some(row) = self.rows.pop_front() else { return };
            self.len_bytes -= row.len() + ROW_OVERHEAD_BYTES;
        }
    }
}

fn leads(row: &Row<Cell>) -> bool {
    row.last().is_some_and(|cell| cell.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER))
}

/// What cells next to each other have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    fg: Color,
    bg: Color,
    flags: Flags,
    underline: Option<Color>,
}

const DEFAULT_STYLE: Style = Style {
    fg: Color::Named(NamedColor::Foreground),
    bg: Color::Named(NamedColor::Background),
    flags: Flags::empty(),
    underline: None,
};

impl Style {
    fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, flags: cell.flags, underline: cell.underline_color() }
    }

    /// Whether a cell has this style and but a letter of ASCII in it.
    #[inline]
    fn is_simple(&self, cell: &Cell) -> bool {
        (' '..='~').contains(&cell.c)
            && cell.flags == self.flags
            && cell.extra.is_none()
            && cell.fg == self.fg
            && cell.bg == self.bg
            && self.underline.is_none()
    }

    fn encode(self, out: &mut Vec<u8>) {
        if self == DEFAULT_STYLE {
            return put(PLAIN, out);
        }
        put(STYLE, out);
        // There are 15 flags, so this is a character.
        put(number(usize::from(self.flags.bits())), out);
        for colour in [Some(self.fg), Some(self.bg), self.underline] {
            encode_colour(colour, out);
        }
    }

    fn decode(chars: &mut Chars<'_>) -> Option<Self> {
        let flags = Flags::from_bits_truncate(u16::try_from(u32::from(chars.next()?)).ok()?);
        let mut colour = || decode_colour(chars);
        let (fg, bg, underline) = (colour()?, colour()?, colour()?);
        Some(Self { fg: fg?, bg: bg?, flags, underline })
    }

    fn cell(self) -> Cell {
        let mut cell = Cell { fg: self.fg, bg: self.bg, flags: self.flags, ..Cell::default() };
        if self.underline.is_some() {
            cell.set_underline_color(self.underline);
        }
        cell
    }
}

fn encode(cells: &[Cell], out: &mut Vec<u8>) {
    let Some(last) = cells.len().checked_sub(1) else { return };
    let wraps = cells[last].flags.contains(Flags::WRAPLINE);
    let end = if wraps { cells.len() } else { cells.iter().rposition(|cell| !is_blank(cell)).map_or(0, |at| at + 1) };
    // That a row goes on is said at its end and not with the style of its last cell.
    let style_at = |at: usize| {
        let style = Style::of(&cells[at]);
        if at == last { Style { flags: style.flags - Flags::WRAPLINE, ..style } } else { style }
    };
    let mut style = DEFAULT_STYLE;
    let mut at = 0;
    while at < end {
        // Nearly all cells are simple ones like the one before.
        let run = cells[at..end].iter().take_while(|cell| style.is_simple(cell)).count();
        out.extend(cells[at..at + run].iter().map(|cell| u8::try_from(cell.c).unwrap_or(b' ')));
        at += run;
        if at == end {
            break;
        }
        let cell = &cells[at];
        let mut own = style_at(at);
        let is_wide = own.flags.contains(Flags::WIDE_CHAR) && at < last && {
            let spacer = (own.flags - Flags::WIDE_CHAR) | Flags::WIDE_CHAR_SPACER;
            let next = &cells[at + 1];
            let has_marks = next.zerowidth().is_some_and(|marks| !marks.is_empty());
            next.c == ' ' && style_at(at + 1) == Style { flags: spacer, ..own } && !has_marks
        };
        if is_wide {
            own.flags.remove(Flags::WIDE_CHAR);
        }
        if own != style {
            own.encode(out);
            style = own;
        }
        if is_wide {
            put(WIDE, out);
        }
        put(if cell.c < ' ' && cell.c != '\t' { ' ' } else { cell.c }, out);
        for mark in cell.zerowidth().into_iter().flatten() {
            put(MARK, out);
            put(*mark, out);
        }
        at += 1 + usize::from(is_wide);
    }
    if wraps {
        put(WRAPS, out);
    }
}

fn put(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn decode(text: &str, cells: &mut [Cell]) {
    cells.fill(Cell::default());
    let (text, wraps) = text.strip_suffix(WRAPS).map_or((text, false), |text| (text, true));
    let mut pen = Cell::default();
    let mut put = |at: usize, cell: Cell| {
        if let Some(place) = cells.get_mut(at) {
            *place = cell;
        }
    };
    let (mut at, mut marks) = (0, Vec::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            PLAIN => pen = Cell::default(),
            STYLE => pen = Style::decode(&mut chars).unwrap_or(DEFAULT_STYLE).cell(),
            MARK => marks.extend(chars.next().map(|mark| (at, mark))),
            WIDE => {
                let c = chars.next().unwrap_or(' ');
                put(at, Cell { c, flags: pen.flags | Flags::WIDE_CHAR, ..pen.clone() });
                put(at + 1, Cell { c: ' ', flags: pen.flags | Flags::WIDE_CHAR_SPACER, ..pen.clone() });
                at += 2;
            }
            c => {
                put(at, Cell { c, ..pen.clone() });
                at += 1;
            }
        }
    }
    // A mark belongs to the character before; that of a wide one is kept by its left half.
    for (end, mark) in marks {
        let Some(mut column) = usize::checked_sub(end, 1) else { continue };
        let is_spacer = |cell: &Cell| cell.flags.contains(Flags::WIDE_CHAR_SPACER);
        let left = column.checked_sub(1).and_then(|left| cells.get(left));
        if cells.get(column).is_some_and(is_spacer) && left.is_some_and(|cell| cell.flags.contains(Flags::WIDE_CHAR)) {
            column -= 1;
        }
        if let Some(cell) = cells.get_mut(column) {
            cell.push_zerowidth(mark);
        }
    }
    if let Some(last) = cells.last_mut().filter(|_| wraps) {
        last.flags.insert(Flags::WRAPLINE);
    }
}

fn is_blank(cell: &Cell) -> bool {
    cell.c == ' '
        && cell.flags.is_empty()
        && cell.extra.is_none()
        && cell.bg == DEFAULT_STYLE.bg
        && cell.fg == DEFAULT_STYLE.fg
}

/// A number below 0xD800 as a character.
fn number(number: usize) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or_default()
}

/// The sixteen basic colours, then those that the emulator counts from 256.
const NAMED: [NamedColor; 29] = {
    use NamedColor as N;
    [
        N::Black,
        N::Red,
        N::Green,
        N::Yellow,
        N::Blue,
        N::Magenta,
        N::Cyan,
        N::White,
        N::BrightBlack,
        N::BrightRed,
        N::BrightGreen,
        N::BrightYellow,
        N::BrightBlue,
        N::BrightMagenta,
        N::BrightCyan,
        N::BrightWhite,
        N::Foreground,
        N::Background,
        N::Cursor,
        N::DimBlack,
        N::DimRed,
        N::DimGreen,
        N::DimYellow,
        N::DimBlue,
        N::DimMagenta,
        N::DimCyan,
        N::DimWhite,
        N::BrightForeground,
        N::DimForeground,
    ]
};

/// First characters of a colour: none, then the numbers of [`NAMED`], then these.
const NO_COLOUR: char = '\0';
const INDEXED: char = '\u{40}';
const DIRECT: char = '\u{41}';

fn encode_colour(colour: Option<Color>, out: &mut Vec<u8>) {
    match colour {
        None => put(NO_COLOUR, out),
        Some(Color::Named(name)) => {
            let at = NAMED.iter().position(|known| *known == name).unwrap_or(0);
            put(number(at + 1), out);
        }
        Some(Color::Indexed(index)) => {
            put(INDEXED, out);
            put(char::from(index), out);
        }
        Some(Color::Spec(Rgb { r, g, b })) => {
            put(DIRECT, out);
            [r, g, b].into_iter().for_each(|level| put(char::from(level), out));
        }
    }
}

/// The outer `None` is for a text that is no colour.
fn decode_colour(chars: &mut Chars<'_>) -> Option<Option<Color>> {
    let first = chars.next()?;
    let mut byte = || u8::try_from(chars.next()?).ok();
    Some(match first {
        NO_COLOUR => None,
        INDEXED => Some(Color::Indexed(byte()?)),
        DIRECT => Some(Color::Spec(Rgb { r: byte()?, g: byte()?, b: byte()? })),
        name => {
            let at = usize::try_from(u32::from(name)).ok()?.checked_sub(1)?;
            Some(Color::Named(*NAMED.get(at)?))
        }
    })
}
