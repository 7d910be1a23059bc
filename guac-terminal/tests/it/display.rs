//! What the users see.
#![expect(clippy::disallowed_methods, reason = "tests give the machine a time from somewhere")]

use std::sync::Arc;
use std::time::Instant;

use guac_display::{Changes, Picture, Rect, Size};
use guac_terminal::{ColorScheme, Terminal, TerminalConfig};
use proptest::prelude::*;

use crate::output::stream;
use crate::{GLYPHS, terminal};

/// A user's picture, kept up to date by nothing but what is reported.
struct Follower {
    size: Size,
    pixels: Vec<u32>,
    changes: Changes,
}

impl Follower {
    fn new(terminal: &Terminal) -> Self {
        let size = terminal.size();
        Self { size, pixels: vec![0xDE_AD00; size.area()], changes: Changes::new(size) }
    }

    fn follow(&mut self, terminal: &mut Terminal) {
        terminal.take_changes(&mut self.changes);
        if self.changes.is_resized() {
            self.size = self.changes.size();
            self.pixels = vec![0xDE_AD00; self.size.area()];
        }
        let width = self.size.width() as usize;
        for copy in self.changes.copies() {
            let before = self.pixels.clone();
            for row in 0..copy.src.height {
                let at = |x: u32, y: u32| (y + row) as usize * width + x as usize;
                let (from, to) = (at(copy.src.x, copy.src.y), at(copy.dst_x, copy.dst_y));
                let len = copy.src.width as usize;
                self.pixels[to..to + len].copy_from_slice(&before[from..from + len]);
            }
        }
        for (_, _, rect) in self.changes.damaged_tiles() {
            let mut part = Vec::new();
            terminal.read(rect, &mut part);
            for (row, line) in (rect.y..).zip(part.chunks(rect.width as usize)) {
                let at = row as usize * width + rect.x as usize;
                self.pixels[at..at + line.len()].copy_from_slice(line);
            }
        }
        self.changes.clear();
    }
}

fn picture(terminal: &mut Terminal) -> Vec<u32> {
    let mut pixels = Vec::new();
    terminal.read(terminal.size().rect(), &mut pixels);
    pixels
}

/// Pixels of a cell after everything was shown.
fn cell(terminal: &mut Terminal, column: u32, row: u32) -> Vec<u32> {
    terminal.take_changes(&mut Changes::new(terminal.size()));
    let (width, height) = terminal.cell_size_px();
    let mut pixels = Vec::new();
    terminal.read(Rect::new(column * width, row * height, width, height), &mut pixels);
    pixels
}

#[test]
fn a_12_point_font_at_96_dpi_has_cells_of_10_by_19() {
    assert_eq!(terminal(20, 5).cell_size_px(), (10, 19));
}

#[test]
fn a_letter_has_ink_within_its_cell_and_a_blank_has_none() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"\x1b[?25l A B");
    let ink = |pixels: Vec<u32>| pixels.iter().filter(|pixel| **pixel != 0).count();
    assert_eq!(ink(cell(&mut terminal, 0, 0)), 0);
    assert!(ink(cell(&mut terminal, 1, 0)) > 20);
    assert_eq!(ink(cell(&mut terminal, 2, 0)), 0);
    assert_eq!(ink(cell(&mut terminal, 1, 1)), 0);
    assert!(cell(&mut terminal, 1, 0).contains(&0x99_9999), "strokes reach the full colour");
}

#[test]
fn box_drawing_joins_across_cells() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output("\x1b[?25l┌──┐\r\n│  │\r\n└──┘\r\n╔╦╗\r\n╚╩╝".as_bytes());
    let (top, middle) = (cell(&mut terminal, 0, 0), cell(&mut terminal, 0, 1));
    assert_eq!(top[18 * 10..], middle[..10], "down from the corner into the vertical line");
    let column = |pixels: &[u32], x: usize| -> Vec<u32> { (0..19).map(|y| pixels[y * 10 + x]).collect() };
    assert_eq!(column(&top, 9), column(&cell(&mut terminal, 1, 0), 0), "right from the corner");
    let bottom = cell(&mut terminal, 0, 2);
    assert_eq!(middle[18 * 10..], bottom[..10]);
    let (double_top, double_bottom) = (cell(&mut terminal, 1, 3), cell(&mut terminal, 1, 4));
    assert_eq!(double_top[18 * 10..], double_bottom[..10]);
    assert_eq!(double_top[18 * 10..].iter().filter(|pixel| **pixel != 0).count(), 2);
}

#[test]
fn blocks_cover_their_halves_without_gap_or_overlap() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output("\x1b[?25l█▀▄▌▐▘▝▖▗".as_bytes());
    let cells: Vec<Vec<u32>> = (0..9).map(|column| cell(&mut terminal, column, 0)).collect();
    assert!(cells[0].iter().all(|pixel| *pixel == 0x99_9999));
    for halves in [&cells[1..3], &cells[3..5], &cells[5..9]] {
        for at in 0..190 {
            assert_eq!(halves.iter().filter(|half| half[at] == 0x99_9999).count(), 1, "pixel {at}");
        }
    }
}

#[test]
fn wide_characters_take_two_cells_and_a_box_if_the_font_lacks_them() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output("\x1b[?25l中x".as_bytes());
    for column in 0..3 {
        assert!(cell(&mut terminal, column, 0).iter().any(|pixel| *pixel != 0), "column {column}");
    }
}

#[test]
fn shows_colours_and_attributes() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(
        b"\x1b[?25l\x1b[48;2;1;2;3m \x1b[m\x1b[48;5;196m \x1b[m\x1b[7m \x1b[m\x1b[8mx\x1b[m\x1b[4m \x1b[m",
    );
    assert!(cell(&mut terminal, 0, 0).iter().all(|pixel| *pixel == 0x01_0203));
    assert!(cell(&mut terminal, 1, 0).iter().all(|pixel| *pixel == 0xFF_0000));
    assert!(cell(&mut terminal, 2, 0).iter().all(|pixel| *pixel == 0x99_9999));
    assert!(cell(&mut terminal, 3, 0).iter().all(|pixel| *pixel == 0));
    assert_eq!(cell(&mut terminal, 4, 0).iter().filter(|pixel| **pixel == 0x99_9999).count(), 10);
}

#[test]
fn the_cursor_is_a_block_that_can_be_hidden() {
    let mut terminal = terminal(20, 5);
    assert!(cell(&mut terminal, 0, 0).iter().all(|pixel| *pixel == 0x99_9999));
    terminal.handle_output(b"\x1b[?25l");
    assert!(cell(&mut terminal, 0, 0).iter().all(|pixel| *pixel == 0));
}

#[test]
fn a_scrolled_screen_is_moved_instead_of_redrawn() {
    let mut terminal = terminal(40, 20);
    for line in 0..20 {
        terminal.handle_output(format!("\r\nthis is line {line}").as_bytes());
    }
    let mut follower = Follower::new(&terminal);
    follower.follow(&mut terminal);
    terminal.handle_output(b"\r\none more");
    let mut changes = Changes::new(terminal.size());
    changes.clear();
    terminal.take_changes(&mut changes);
    assert_eq!(changes.copies().len(), 1);
    let damaged: usize = changes.damaged_tiles().map(|(_, _, rect)| rect.area()).sum();
    assert!(damaged < terminal.size().area() / 8, "{damaged} pixels redrawn");
}

#[test]
fn moved_cells_leave_the_bar_of_a_narrow_picture_alone() {
    let mut config = TerminalConfig::new(Size::new(20, 190).unwrap());
    config.scrollback_rows = 30;
    let mut terminal = Terminal::new(config, Arc::clone(&GLYPHS));
    let mut follower = Follower::new(&terminal);
    for letter in ('a'..='z').cycle().take(100) {
        terminal.handle_output(format!("{letter}\r\n").as_bytes());
        follower.follow(&mut terminal);
        assert!(follower.pixels == picture(&mut terminal));
    }
}

#[test]
fn typing_a_letter_damages_two_cells() {
    let mut terminal = terminal(40, 20);
    let mut changes = Changes::new(terminal.size());
    terminal.take_changes(&mut changes);
    changes.clear();
    terminal.handle_output(b"x");
    terminal.take_changes(&mut changes);
    let damaged: usize = changes.damaged_tiles().map(|(_, _, rect)| rect.area()).sum();
    assert_eq!(damaged, 2 * 10 * 19);
    assert!(!terminal.has_changes());
}

#[test]
fn colours_and_font_change_while_it_runs() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"\x1b[?25ltext");
    let mut follower = Follower::new(&terminal);
    follower.follow(&mut terminal);
    terminal.set_color_scheme(ColorScheme::parse("black-white").0);
    follower.follow(&mut terminal);
    assert_eq!(follower.pixels, picture(&mut terminal));
    assert_eq!(follower.pixels[0], 0xFF_FFFF);
    terminal.set_font_size(24);
    follower.follow(&mut terminal);
    assert_eq!(follower.pixels, picture(&mut terminal));
    assert!(terminal.columns() < 20);
}

#[derive(Debug, Clone)]
enum Step {
    Output(Vec<u8>),
    Size(u32, u32),
    Mouse(i32, i32, u8),
    Key(u32),
    Scheme(&'static str),
    Font(u32),
    Frame,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => stream().prop_map(Step::Output),
        1 => (1u32..500, 1u32..300).prop_map(|(width, height)| Step::Size(width, height)),
        3 => (-10i32..300, -10i32..200, 0u8..32).prop_map(|(x, y, buttons)| Step::Mouse(x, y, buttons)),
        2 => prop::sample::select(vec![0xFFE1, 0xFF55, 0xFF56, 0x61, 0xFF50]).prop_map(Step::Key),
        1 => prop::sample::select(vec!["black-white", "green-black", ""]).prop_map(Step::Scheme),
        1 => (4u32..20).prop_map(Step::Font),
        6 => Just(Step::Frame),
    ];
    prop::collection::vec(step, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn following_the_changes_gives_the_picture(steps in steps()) {
        let mut config = TerminalConfig::new(Size::new(24 * 10 + 12, 6 * 19 + 3).unwrap());
        config.scrollback_rows = 30;
        let mut terminal = Terminal::new(config, Arc::clone(&GLYPHS));
        let mut follower = Follower::new(&terminal);
        let now = Instant::now();
        for step in steps.into_iter().chain([Step::Frame]) {
            match step {
                Step::Output(bytes) => terminal.handle_output(&bytes),
                Step::Size(width, height) => terminal.resize(Size::new(width, height).unwrap()),
                Step::Mouse(x, y, buttons) => terminal.handle_mouse(x, y, buttons, now),
                Step::Key(keysym) => terminal.handle_key(keysym, true),
                Step::Scheme(name) => terminal.set_color_scheme(ColorScheme::parse(name).0),
                Step::Font(points) => terminal.set_font_size(points),
                Step::Frame => {
                    follower.follow(&mut terminal);
                    prop_assert_eq!(follower.size, terminal.size());
                    prop_assert!(follower.pixels == picture(&mut terminal));
                }
            }
            terminal.poll_input(&mut Vec::new());
        }
    }
}
