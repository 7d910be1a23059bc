//! The terminal as the rest of the program sees it.

use std::sync::Arc;
use std::time::Instant;

use alacritty_terminal::grid::{Dimensions, Scroll};
use alacritty_terminal::index::{Column, Line, Point, Side};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;
use guac_display::{Changes, Picture, Rect, Size};

use crate::glyph::{CellMetrics, GlyphCache};
use crate::grid::{Marks, View};
use crate::keys::{self, KeyContext, KeyStyle, Modifiers};
use crate::mouse::{self, LEFT, MIDDLE, MouseChange, RIGHT, WHEEL_DOWN, WHEEL_UP};
use crate::palette::ColorScheme;
use crate::render::{Target, draw_cell};
use crate::scrollback::{BAR_WIDTH_PX, Bar, WHEEL_ROWS};
use crate::selection::{self, Clicks};
use crate::shown::Shown;
use crate::vt::{FileWish, GridSize, MAX_CLIPBOARD_BYTES, Vt};

/// Most columns and rows, as guacd's.
const MAX_SIDE_CELLS: u32 = 1024;

/// Fewest columns: a wide character has to fit.
const MIN_COLUMNS: u32 = 2;

/// What a terminal is made with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TerminalConfig {
    /// Size of the picture in pixels.
    pub size: Size,
    /// Resolution in dots per inch.
    pub dpi: u32,
    /// Font size in points.
    pub font_size_pt: u32,
    /// Colours.
    pub color_scheme: ColorScheme,
    /// Rows of history, bounded further for very wide terminals, and to 1 KiB a row and 8 MiB in all.
    pub scrollback_rows: usize,
    /// What Backspace sends: 127 or 8.
    pub backspace: u8,
    /// How function keys are encoded.
    pub key_style: KeyStyle,
}

impl TerminalConfig {
    /// The defaults of guacd: 96 dpi, 12 points, `gray-black`, 1000 rows, backspace 127.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self {
            size,
            dpi: 96,
            font_size_pt: 12,
            color_scheme: ColorScheme::default(),
            scrollback_rows: 1000,
            backspace: 127,
            key_style: KeyStyle::default(),
        }
    }
}

/// What happened that the world outside the terminal should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminalEvent {
    /// The application named its window: at most 256 characters, none of them a control.
    Title(String),
    /// Text was copied, by selection or by the application: at most 256 KiB.
    Copied(String),
    /// The shell's user wants this file of the machine in his browser (`guacctl -d`, OSC 482200): a path of at most
    /// 4096 bytes. As everything else, the machine itself may have said it.
    SendFile(String),
    /// He wants files that are dropped to go to this directory (`guacctl -s`, OSC 482201): a path of at most 4096
    /// bytes.
    UploadDirectory(String),
}

/// A terminal emulator. It has no I/O and no clock: bytes, input and time are given to it, and it is asked for what
/// comes of them.
///
/// Its pixels exist only while they are read ([`Picture::read`]); what it keeps is the grid, a compact copy of the cells
/// as last shown, and the history: about a byte per character, but 24 per cell while someone has scrolled back to it or
/// selected from it.
pub struct Terminal {
    vt: Vt,
    glyphs: Arc<GlyphCache>,
    scheme: ColorScheme,
    size: Size,
    dpi: u32,
    font_size_pt: u32,
    metrics: CellMetrics,
    backspace: u8,
    key_style: KeyStyle,
    modifiers: Modifiers,
    clicks: Clicks,
    buttons: u8,
    pointer: Option<Point>,
    /// Where the handle of the scroll bar is held.
    grip: Option<u32>,
    selecting: bool,
    clipboard: String,
    copied: Option<String>,
    marks: Marks,
    shown: Shown,
    is_new: bool,
    dirty: bool,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing of what is on the screen: it may be a secret.
        f.debug_struct("Terminal").field("columns", &self.columns()).field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl Terminal {
    /// An empty terminal that draws with `glyphs`, which any number of terminals may share.
    #[must_use]
    pub fn new(config: TerminalConfig, glyphs: Arc<GlyphCache>) -> Self {
        let metrics = CellMetrics::new(config.font_size_pt, config.dpi);
        let grid = grid_size(config.size, &metrics);
        let background = config.color_scheme.background();
        Self {
            vt: Vt::new(grid, config.scrollback_rows),
            glyphs,
            size: config.size,
            dpi: config.dpi,
            font_size_pt: config.font_size_pt,
            metrics,
            backspace: config.backspace,
            key_style: config.key_style,
            modifiers: Modifiers::default(),
            clicks: Clicks::default(),
            buttons: 0,
            pointer: None,
            grip: None,
            selecting: false,
            clipboard: String::new(),
            copied: None,
            marks: Marks::default(),
            shown: Shown::new(config.size, metrics, (grid.columns, grid.rows), background),
            scheme: config.color_scheme,
            is_new: true,
            dirty: true,
        }
    }

    /// Cells per row.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.vt.term().columns()
    }

    /// Rows of the screen.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.vt.term().screen_lines()
    }

    /// Width and height of a cell in pixels.
    #[must_use]
    pub fn cell_size_px(&self) -> (u32, u32) {
        (self.metrics.width, self.metrics.height)
    }

    /// Column and row of the cursor, from 0.
    #[must_use]
    pub fn cursor(&self) -> (usize, usize) {
        let point = self.vt.term().grid().cursor.point;
        (point.column.0, usize::try_from(point.line.0).unwrap_or(0))
    }

    /// The text on the screen as the user has scrolled it, a line per row, without blanks at the ends.
    #[must_use]
    pub fn screen_text(&self) -> String {
        let grid = self.vt.term().grid();
        let mut text = String::new();
        for row in 0..self.rows() {
            let line = Line(i32::try_from(row).unwrap_or(i32::MAX)) - grid.display_offset();
            let cells = &grid[line];
            let mut written = String::new();
            for column in 0..cells.len() {
                let cell = &cells[Column(column)];
                if !cell.flags.intersects(Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER) {
                    written.push(cell.c);
                    written.extend(cell.zerowidth().into_iter().flatten());
                }
            }
            text.push_str(written.trim_end());
            text.push('\n');
        }
        text
    }

    /// Rows of history above the screen, and how many of them the user has scrolled back by.
    #[must_use]
    pub fn history(&self) -> (usize, usize) {
        (self.vt.history_len(), self.vt.term().grid().display_offset())
    }

    /// Takes in what the machine sent. However it is split, the result is the same.
    pub fn handle_output(&mut self, bytes: &[u8]) {
        self.dirty = true;
        self.vt.handle_output(bytes, &self.scheme, (self.metrics.width, self.metrics.height));
    }

    /// Takes in a key by its X11 keysym.
    pub fn handle_key(&mut self, keysym: u32, pressed: bool) {
        if self.modifiers.handle_key(keysym, pressed) || !pressed {
            return;
        }
        let modifiers = self.modifiers;
        let (shift_only, ctrl_shift) =
            (modifiers == Modifiers { shift: true, ..Modifiers::default() }, modifiers.ctrl && modifiers.shift);
        match keysym {
            0x56 | 0x76 if ctrl_shift || (modifiers.meta && !modifiers.ctrl) => return self.paste(),
            0x43 | 0x63 if ctrl_shift || (modifiers.meta && !modifiers.ctrl) => return self.copy(),
            0xFF63 if shift_only => return self.paste(),
            _ => {}
        }
        if shift_only && self.scroll_by_key(keysym) {
            return;
        }
        let mode = *self.vt.term().mode();
        let context = KeyContext { modifiers, mode, style: self.key_style, backspace: self.backspace };
        let mut bytes = Vec::new();
        keys::encode(keysym, context, &mut bytes);
        if !bytes.is_empty() {
            self.scroll(Scroll::Bottom);
            self.vt.outbox().input(&bytes);
        }
    }

    /// Forgets which modifier keys are held: the keyboard changed hands.
    pub fn release_modifiers(&mut self) {
        self.modifiers = Modifiers::default();
    }

    /// Takes in the pointer: position in pixels and Guacamole's button mask (1 left, 2 middle, 4 right, 8 and 16 the
    /// wheel).
    pub fn handle_mouse(&mut self, x: i32, y: i32, buttons: u8, now: Instant) {
        let x = u32::try_from(x).unwrap_or(0).min(self.size.width() - 1);
        let y = u32::try_from(y).unwrap_or(0).min(self.size.height() - 1);
        let before = std::mem::replace(&mut self.buttons, buttons);
        if self.drag_bar(x, y, before) {
            return;
        }
        let (at, side) = self.cell_at(x, y);
        let moved = self.pointer.replace(at).is_some_and(|last| last != at);
        let mode = *self.vt.term().mode();
        if mode.intersects(TermMode::MOUSE_MODE) && !self.modifiers.shift && !self.selecting {
            let row = usize::try_from((at.line + self.vt.term().grid().display_offset()).0).unwrap_or(0);
            let change = MouseChange { column: at.column.0, row, moved, before, after: buttons };
            let mut report = Vec::new();
            mouse::encode(change, mode, self.modifiers, &mut report);
            self.vt.outbox().input(&report);
            return;
        }
        let pressed = buttons & !before;
        let released = before & !buttons;
        if pressed & WHEEL_UP != 0 {
            self.wheel(WHEEL_ROWS, mode);
        }
        if pressed & WHEEL_DOWN != 0 {
            self.wheel(-WHEEL_ROWS, mode);
        }
        self.select(at, side, pressed, released, now);
        if released & (MIDDLE | RIGHT) != 0 {
            self.paste();
        }
    }

    /// Takes in the user's clipboard, to be pasted on request. What is above 256 KiB is cut off.
    pub fn handle_clipboard(&mut self, text: &str) {
        let end = (0..=text.len().min(MAX_CLIPBOARD_BYTES)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.get(..end).unwrap_or_default().clone_into(&mut self.clipboard);
    }

    /// Types text as if it had been pasted, but not the clipboard's.
    pub fn type_text(&mut self, text: &str) {
        let bracketed = self.vt.term().mode().contains(TermMode::BRACKETED_PASTE);
        let mut bytes = Vec::with_capacity(text.len() + 12);
        if bracketed {
            bytes.extend_from_slice(b"\x1b[200~");
        }
        let mut last = ' ';
        for c in text.chars() {
            match c {
                '\n' if last == '\r' => {}
                '\n' | '\r' => bytes.push(b'\r'),
                // A pasted control could end the bracket, or be a key that nobody pressed.
                c if c.is_control() && c != '\t' => {}
                c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            last = c;
        }
        if bracketed {
            bytes.extend_from_slice(b"\x1b[201~");
        }
        self.scroll(Scroll::Bottom);
        self.vt.outbox().input(&bytes);
    }

    /// Changes the size of the picture, and with it columns and rows; wrapped lines flow anew.
    pub fn resize(&mut self, size: Size) {
        if size != self.size {
            self.size = size;
            self.lay_out();
        }
    }

    /// Changes the font size, in points, and with it columns and rows.
    pub fn set_font_size(&mut self, points: u32) {
        self.font_size_pt = points;
        self.metrics = CellMetrics::new(points, self.dpi);
        self.lay_out();
    }

    /// Font size in points.
    #[must_use]
    pub fn font_size_pt(&self) -> u32 {
        self.font_size_pt
    }

    /// Changes the colours of everything on the screen.
    pub fn set_color_scheme(&mut self, scheme: ColorScheme) {
        self.scheme = scheme;
        self.dirty = true;
    }

    /// Moves the bytes to be sent to the machine to the end of `out`: keys, pastes and answers, in order.
    pub fn poll_input(&mut self, out: &mut Vec<u8>) {
        let answers = &mut self.vt.outbox().answers;
        out.append(answers);
        // A paste may have made it large, and it is empty nearly always.
        answers.shrink_to(64);
    }

    /// The next thing that happened; of several titles or copies only the last.
    pub fn poll_event(&mut self) -> Option<TerminalEvent> {
        if let Some(text) = self.copied.take() {
            return Some(TerminalEvent::Copied(text));
        }
        let mut outbox = self.vt.outbox();
        if let Some(title) = outbox.title.take() {
            return Some(TerminalEvent::Title(title));
        }
        if let Some(wish) = outbox.files.pop_front() {
            return Some(match wish {
                FileWish::Send(path) => TerminalEvent::SendFile(path),
                FileWish::UploadDirectory(path) => TerminalEvent::UploadDirectory(path),
            });
        }
        outbox.clipboard.take().map(TerminalEvent::Copied)
    }

    fn lay_out(&mut self) {
        self.vt.resize(grid_size(self.size, &self.metrics));
        self.pointer = None;
        self.selecting = false;
        self.is_new = true;
        self.dirty = true;
    }

    fn scroll(&mut self, by: Scroll) {
        let before = self.vt.term().grid().display_offset();
        if !matches!(by, Scroll::PageDown | Scroll::Bottom | Scroll::Delta(..=0)) {
            if self.vt.history_len() == 0 {
                return;
            }
            self.vt.open_history();
        }
        self.vt.term_mut().scroll_display(by);
        self.dirty |= before != self.vt.term().grid().display_offset();
    }

    fn scroll_by_key(&mut self, keysym: u32) -> bool {
        self.scroll(match keysym {
            0xFF52 | 0xFF97 => Scroll::Delta(1),
            0xFF54 | 0xFF99 => Scroll::Delta(-1),
            0xFF55 | 0xFF9A => Scroll::PageUp,
            0xFF56 | 0xFF9B => Scroll::PageDown,
            0xFF50 | 0xFF95 => Scroll::Top,
            0xFF57 | 0xFF9C => Scroll::Bottom,
            _ => return false,
        });
        true
    }

    /// Scrolls the history; where there is none, full-screen applications get arrow keys.
    fn wheel(&mut self, rows: i32, mode: TermMode) {
        if !mode.contains(TermMode::ALT_SCREEN | TermMode::ALTERNATE_SCROLL) {
            return self.scroll(Scroll::Delta(rows));
        }
        let modifiers = Modifiers::default();
        let context = KeyContext { modifiers, mode, style: self.key_style, backspace: self.backspace };
        let mut bytes = Vec::new();
        for _ in 0..rows.abs() {
            keys::encode(if rows > 0 { 0xFF52 } else { 0xFF54 }, context, &mut bytes);
        }
        self.vt.outbox().input(&bytes);
    }

    /// The cell under a pixel, and the half of it.
    fn cell_at(&self, x: u32, y: u32) -> (Point, Side) {
        let term = self.vt.term();
        let column = (x / self.metrics.width) as usize;
        let row = ((y / self.metrics.height) as usize).min(term.screen_lines() - 1);
        let left = column < term.columns() && x % self.metrics.width < self.metrics.width / 2;
        let line = Line(i32::try_from(row).unwrap_or(0)) - term.grid().display_offset();
        let point = Point::new(line, Column(column.min(term.columns() - 1)));
        (point, if left { Side::Left } else { Side::Right })
    }

    fn select(&mut self, at: Point, side: Side, pressed: u8, released: u8, now: Instant) {
        if pressed & LEFT != 0 {
            let clicks = self.clicks.press(at, now);
            self.vt.open_history();
            selection::start(self.vt.term_mut(), at, side, clicks, self.modifiers.alt);
            self.selecting = true;
            self.dirty = true;
        } else if self.selecting
            && self.buttons & LEFT != 0
            && let Some(selection) = self.vt.term_mut().selection.as_mut()
        {
            if self.clicks.is_single() || self.clicks.has_left(at) {
                selection.update(at, side);
            }
            self.dirty = true;
        }
        if released & LEFT != 0 && std::mem::take(&mut self.selecting) {
            self.copy();
            self.vt.rest();
        }
    }

    fn drag_bar(&mut self, x: u32, y: u32, before: u8) -> bool {
        let (down, was_down) = (self.buttons & LEFT != 0, before & LEFT != 0);
        let bar = Bar::new(&self.vt, self.size, &self.scheme);
        if down && !was_down && x >= Bar::area(self.size).x && self.vt.history_len() > 0 {
            self.grip = Some(if bar.is_hit(y) { bar.grip(y) } else { bar.middle() });
        }
        let Some(grip) = self.grip else { return false };
        if !down {
            self.grip = None;
            self.vt.rest();
            return true;
        }
        self.vt.open_history();
        bar.drag(self.vt.term_mut(), self.size, grip, y);
        self.dirty = true;
        true
    }

    fn copy(&mut self) {
        if let Some(text) = selection::text(self.vt.term()) {
            self.copied = Some(text);
        }
    }

    fn paste(&mut self) {
        if !self.clipboard.is_empty() {
            let text = std::mem::take(&mut self.clipboard);
            self.type_text(&text);
            self.clipboard = text;
        }
    }
}

impl Picture for Terminal {
    fn size(&self) -> Size {
        self.size
    }

    fn has_changes(&self) -> bool {
        self.dirty
    }

    fn take_changes(&mut self, changes: &mut Changes) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        if !self.selecting && self.grip.is_none() {
            self.vt.rest();
        }
        let view = View::new(self.vt.term(), &self.scheme);
        let grid = (self.vt.term().columns(), self.vt.term().screen_lines());
        if self.is_new || self.marks.is_full() {
            self.marks.clear();
            self.shown = Shown::new(self.size, self.metrics, grid, view.background());
            changes.resize(self.size);
            self.is_new = false;
        }
        self.shown.update(&view, &mut self.marks, changes);
        let bar = Bar::new(&self.vt, self.size, &self.scheme);
        // In a very narrow picture the cells are below the bar, and may have been moved with it.
        let area = Bar::area(self.size);
        let is_above_cells = changes.copies().iter().any(|copy| copy.dst().right() > area.x);
        if bar != self.shown.bar || is_above_cells {
            self.shown.bar = bar;
            changes.damage(area);
        }
    }

    fn read(&mut self, rect: Rect, out: &mut Vec<u32>) {
        let start = out.len();
        let shown = &self.shown;
        out.resize(start + rect.area(), shown.background);
        let Some(pixels) = out.get_mut(start..) else { return };
        let mut target = Target { rect, pixels };
        let (width, height) = (shown.metrics.width, shown.metrics.height);
        let mut glyphs = self.glyphs.lock();
        let cells = |from: u32, to: u32, side: u32, count: usize| {
            (from / side) as usize..(to.div_ceil(side) as usize).min(count)
        };
        for row in cells(rect.y, rect.bottom(), height, shown.rows()) {
            let line = &shown.cells[row * shown.columns..(row + 1) * shown.columns];
            for column in cells(rect.x, rect.right(), width, shown.columns) {
                let px = |cells: usize, side: u32| u32::try_from(cells).unwrap_or(u32::MAX).saturating_mul(side);
                let corner = (px(column, width), px(row, height));
                draw_cell(&line[column], corner, &shown.metrics, &mut glyphs, &self.marks, &mut target);
            }
        }
        shown.bar.draw(shown.size, &mut target);
    }
}

/// Columns and rows that fit beside the scroll bar.
fn grid_size(size: Size, metrics: &CellMetrics) -> GridSize {
    let columns = (size.width().saturating_sub(BAR_WIDTH_PX) / metrics.width).clamp(MIN_COLUMNS, MAX_SIDE_CELLS);
    let rows = (size.height() / metrics.height).clamp(1, MAX_SIDE_CELLS);
    GridSize { columns: columns as usize, rows: rows as usize }
}
