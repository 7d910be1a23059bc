//! What stands between the parser and the grid: everything passes, but for what a hostile machine could grow.

use alacritty_terminal::Term;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::Line;
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorShape, CursorStyle, Handler, LineClearMode, Mode, NamedPrivateMode,
    PrivateMode, Rgb, StandardCharset, TabulationClearMode,
};
use unicode_width::UnicodeWidthChar;

use crate::history::History;
use crate::palette::ColorScheme;
use crate::vt::{MAX_CLIPBOARD_BYTES, Proxy};

/// Most combining marks kept on one cell: the longest sequences of living scripts have fewer. The grid would take any
/// number.
const MAX_MARKS: usize = 8;

/// Longest title kept, in characters.
const MAX_TITLE_CHARS: usize = 256;

/// Most titles an application may save. Editors nested in editors need three.
const MAX_SAVED_TITLES: usize = 16;

/// The mode that shows the alternate screen while it is set.
const OTHER_SCREEN: PrivateMode = PrivateMode::Named(NamedPrivateMode::SwapScreenAndSetRestoreCursor);

/// The title and those saved by `CSI 22 t`.
#[derive(Debug, Default)]
pub(crate) struct Titles {
    current: String,
    saved: Vec<String>,
}

/// Passes the parser's calls on to the grid.
pub(crate) struct Guard<'a> {
    pub(crate) term: &'a mut Term<Proxy>,
    pub(crate) history: &'a mut History,
    pub(crate) titles: &'a mut Titles,
    pub(crate) proxy: &'a Proxy,
    pub(crate) scheme: &'a ColorScheme,
    /// Width and height of a cell in pixels.
    pub(crate) cell_px: (u32, u32),
}

impl Guard<'_> {
    fn answer(&self, text: &str) {
        self.proxy.lock().answer(text);
    }

    /// Whether the cell that a combining mark would join has room for it.
    fn takes_mark(&self) -> bool {
        let grid = self.term.grid();
        let point = grid.cursor.point;
        let column = if grid.cursor.input_needs_wrap { point.column.0 } else { point.column.0.saturating_sub(1) };
        let row = &grid[point.line];
        let cell = |column: usize| &row[alacritty_terminal::index::Column(column)];
        let column =
            if cell(column).flags.contains(Flags::WIDE_CHAR_SPACER) { column.saturating_sub(1) } else { column };
        cell(column).zerowidth().is_none_or(|marks| marks.len() < MAX_MARKS)
    }

    /// What the history has to know of a mode that was set or unset.
    fn after_mode(&mut self, mode: PrivateMode) {
        if mode == OTHER_SCREEN {
            self.history.watch(self.term);
        } else if mode == PrivateMode::Named(NamedPrivateMode::ColumnMode) {
            // It makes the whole screen scroll.
            self.history.set_region(self.term, 1, None);
        }
    }
}

/// Methods that the grid handles as they come.
macro_rules! pass {
    ($($name:ident($($arg:ident: $kind:ty),*);)*) => {
        $(#[inline] fn $name(&mut self $(, $arg: $kind)*) { self.term.$name($($arg),*) })*
    };
}

/// Methods that scroll by one row at most.
macro_rules! pass_scrolling_row {
    ($($name:ident($($arg:ident: $kind:ty),*);)*) => {
        $(#[inline] fn $name(&mut self $(, $arg: $kind)*) {
            self.term.$name($($arg),*);
            self.history.collect_full(self.term);
        })*
    };
}

/// Methods that scroll by up to a screen.
macro_rules! pass_scrolling {
    ($($name:ident($($arg:ident: $kind:ty),*);)*) => {
        $(fn $name(&mut self $(, $arg: $kind)*) {
            self.history.collect(self.term);
            self.term.$name($($arg),*);
            self.history.collect_full(self.term);
        })*
    };
}

impl Handler for Guard<'_> {
    pass_scrolling_row! {
        put_tab(count: u16);
        linefeed();
        newline();
    }

    pass_scrolling! {
        scroll_up(count: usize);
    }

    pass! {
        set_cursor_style(style: Option<CursorStyle>);
        set_cursor_shape(shape: CursorShape);
        goto(line: i32, column: usize);
        goto_line(line: i32);
        goto_col(column: usize);
        insert_blank(count: usize);
        move_up(count: usize);
        move_down(count: usize);
        identify_terminal(intermediate: Option<char>);
        device_status(what: usize);
        move_forward(count: usize);
        move_backward(count: usize);
        move_down_and_cr(count: usize);
        move_up_and_cr(count: usize);
        backspace();
        carriage_return();
        substitute();
        set_horizontal_tabstop();
        scroll_down(count: usize);
        insert_blank_lines(count: usize);
        erase_chars(count: usize);
        delete_chars(count: usize);
        move_backward_tabs(count: u16);
        move_forward_tabs(count: u16);
        save_cursor_position();
        restore_cursor_position();
        clear_line(mode: LineClearMode);
        clear_tabs(mode: TabulationClearMode);
        set_tabs(interval: u16);
        reverse_index();
        terminal_attribute(attribute: Attr);
        set_mode(mode: Mode);
        unset_mode(mode: Mode);
        report_mode(mode: Mode);
        report_private_mode(mode: PrivateMode);
        set_keypad_application_mode();
        unset_keypad_application_mode();
        set_active_charset(index: CharsetIndex);
        configure_charset(index: CharsetIndex, charset: StandardCharset);
        set_color(index: usize, colour: Rgb);
        reset_color(index: usize);
        decaln();
        text_area_size_chars();
    }

    #[inline]
    fn input(&mut self, c: char) {
        // Below U+0300 nothing combines.
        if c >= '\u{300}' && c.width() == Some(0) && !self.takes_mark() {
            return;
        }
        self.term.input(c);
        self.history.collect_full(self.term);
    }

    fn delete_lines(&mut self, count: usize) {
        self.history.unwatch(self.term);
        // From the first row on they are kept, as when they scroll off.
        if self.term.grid().cursor.point.line == 0 {
            self.history.watch(self.term);
        }
        self.term.delete_lines(count);
        self.history.unwatch(self.term);
        self.history.watch(self.term);
    }

    fn set_scrolling_region(&mut self, top: usize, bottom: Option<usize>) {
        self.term.set_scrolling_region(top, bottom);
        self.history.set_region(self.term, top, bottom);
    }

    fn set_private_mode(&mut self, mode: PrivateMode) {
        if mode == OTHER_SCREEN {
            self.history.before_swap(self.term);
        }
        self.term.set_private_mode(mode);
        self.after_mode(mode);
    }

    fn unset_private_mode(&mut self, mode: PrivateMode) {
        self.term.unset_private_mode(mode);
        self.after_mode(mode);
    }

    fn clear_screen(&mut self, mode: ClearMode) {
        // The grid leaves row 0 alone if the cursor is on row 1.
        if matches!(mode, ClearMode::Above) && self.term.grid().cursor.point.line == 1 {
            self.term.grid_mut().reset_region(..Line(1));
        }
        self.history.unwatch(self.term);
        match mode {
            ClearMode::Saved if self.history.forget(self.term) => {}
            _ => {
                // What is cleared as a whole goes to the history, even from a region.
                self.history.watch_screen(self.term);
                self.term.clear_screen(mode);
                self.history.unwatch(self.term);
            }
        }
        self.history.watch(self.term);
    }

    fn reset_state(&mut self) {
        for index in 0..alacritty_terminal::term::color::COUNT {
            self.term.reset_color(index);
        }
        self.titles.saved.clear();
        self.history.unwatch(self.term);
        self.term.reset_state();
        self.history.reset(self.term);
        self.history.watch(self.term);
    }

    fn set_title(&mut self, title: Option<String>) {
        let title: String =
            title.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_TITLE_CHARS).collect();
        self.titles.current.clone_from(&title);
        self.proxy.lock().title = Some(title);
    }

    fn push_title(&mut self) {
        if self.titles.saved.len() == MAX_SAVED_TITLES {
            self.titles.saved.remove(0);
        }
        self.titles.saved.push(self.titles.current.clone());
    }

    fn pop_title(&mut self) {
        if let Some(title) = self.titles.saved.pop() {
            self.set_title(Some(title));
        }
    }

    fn clipboard_store(&mut self, clipboard: u8, base64: &[u8]) {
        if base64.len() <= MAX_CLIPBOARD_BYTES.div_ceil(3) * 4 {
            self.term.clipboard_store(clipboard, base64);
        }
    }

    fn dynamic_color_sequence(&mut self, prefix: String, index: usize, terminator: &str) {
        let colour = self.scheme.indexed(index, self.term.colors());
        let [_, red, green, blue] = colour.to_be_bytes();
        self.answer(&format!(
            "\x1b]{prefix};rgb:{red:02x}{red:02x}/{green:02x}{green:02x}/{blue:02x}{blue:02x}{terminator}"
        ));
    }

    fn text_area_size_pixels(&mut self) {
        let (width, height) = self.cell_px;
        let side = |cells: usize, px: u32| cells.saturating_mul(px as usize);
        self.answer(&format!(
            "\x1b[4;{};{}t",
            side(self.term.screen_lines(), height),
            side(self.term.columns(), width)
        ));
    }

    // Links (OSC 8) are not shown, so they are not kept either: each could be a kilobyte in a single cell. The
    // application may not read the clipboard (OSC 52 `?`), and the bell has nothing to ring.
}
