//! What scrolled off the screen.
#![expect(clippy::disallowed_methods, reason = "tests give the machine a time from somewhere")]

use std::time::Instant;

use guac_display::{Changes, Picture, Size};
use guac_terminal::{Terminal, TerminalEvent};

use crate::{line, terminal};

const SHIFT: u32 = 0xFFE1;
const HOME: u32 = 0xFF50;
const PAGE_UP: u32 = 0xFF55;
const END: u32 = 0xFF57;

fn scroll(terminal: &mut Terminal, keysym: u32) {
    terminal.handle_key(SHIFT, true);
    terminal.handle_key(keysym, true);
    terminal.handle_key(SHIFT, false);
}

fn show(terminal: &mut Terminal) {
    terminal.take_changes(&mut Changes::new(terminal.size()));
}

fn lines(terminal: &mut Terminal, numbers: std::ops::Range<u32>) {
    for number in numbers {
        terminal.handle_output(format!("line {number}\r\n").as_bytes());
        show(terminal);
    }
}

fn drag(terminal: &mut Terminal, from: (i32, i32), to: (i32, i32)) -> Option<TerminalEvent> {
    let now = Instant::now();
    for ((x, y), buttons) in [(from, 1), (to, 1), (to, 0)] {
        terminal.handle_mouse(x, y, buttons, now);
        show(terminal);
    }
    terminal.poll_event()
}

#[test]
fn scrolling_back_shows_the_rows_as_they_were() {
    let mut terminal = terminal(20, 5);
    lines(&mut terminal, 0..1100);
    assert_eq!(terminal.history(), (1000, 0));
    scroll(&mut terminal, PAGE_UP);
    show(&mut terminal);
    assert_eq!((line(&terminal, 0), line(&terminal, 4)), ("line 1091".to_owned(), "line 1095".to_owned()));
    scroll(&mut terminal, HOME);
    show(&mut terminal);
    assert_eq!((line(&terminal, 0), terminal.history()), ("line 96".to_owned(), (1000, 1000)));
    // What arrives meanwhile pushes the oldest rows out, and the view stays at the top.
    lines(&mut terminal, 1100..1110);
    assert_eq!((line(&terminal, 0), terminal.history()), ("line 106".to_owned(), (1000, 1000)));
    scroll(&mut terminal, END);
    show(&mut terminal);
    lines(&mut terminal, 1110..1120);
    scroll(&mut terminal, HOME);
    assert_eq!(line(&terminal, 0), "line 116");
}

#[test]
fn the_history_keeps_colours_and_wide_characters() {
    let mut terminal = terminal(20, 5);
    let text = "\x1b[?25l\x1b[1;31mred\x1b[m \x1b[48;2;1;2;3m中文\x1b[m e\u{301}\x1b[4;58;5;2mx\x1b[m\r\n";
    terminal.handle_output(text.as_bytes());
    show(&mut terminal);
    let row = |terminal: &mut Terminal| {
        let mut pixels = Vec::new();
        terminal.read(guac_display::Rect::new(0, 0, 200, 19), &mut pixels);
        pixels
    };
    let before = row(&mut terminal);
    lines(&mut terminal, 0..30);
    assert!(row(&mut terminal) != before);
    scroll(&mut terminal, HOME);
    show(&mut terminal);
    assert!(row(&mut terminal) == before);
}

#[test]
fn a_selection_across_history_and_screen_copies_its_text() {
    let mut terminal = terminal(20, 5);
    lines(&mut terminal, 0..30);
    let now = Instant::now();
    terminal.handle_mouse(5, 5, 8, now);
    terminal.handle_mouse(5, 5, 0, now);
    // Rows 23 to 27 are shown: 26 rows are history, so the drag ends on the screen.
    assert_eq!(terminal.history(), (26, 3));
    let copied = drag(&mut terminal, (51, 5), (69, 4 * 19 + 5));
    assert_eq!(copied, Some(TerminalEvent::Copied("23\nline 24\nline 25\nline 26\nline 27".to_owned())));
}

#[test]
fn what_is_selected_on_the_screen_can_be_copied_after_it_scrolled_off() {
    let mut terminal = terminal(20, 5);
    lines(&mut terminal, 0..30);
    assert_eq!(drag(&mut terminal, (1, 5), (69, 24)), Some(TerminalEvent::Copied("line 26\nline 27".to_owned())));
    lines(&mut terminal, 30..200);
    for keysym in [0xFFE3, SHIFT, 0x63] {
        terminal.handle_key(keysym, true);
    }
    assert_eq!(terminal.poll_event(), Some(TerminalEvent::Copied("line 26\nline 27".to_owned())));
}

#[test]
fn a_full_screen_application_leaves_the_history_as_it_was() {
    let mut terminal = terminal(20, 5);
    lines(&mut terminal, 0..30);
    terminal.handle_output(b"\x1b[?1049h");
    lines(&mut terminal, 100..150);
    assert_eq!(terminal.history(), (0, 0));
    terminal.resize(Size::new(40 * 10 + 12, 7 * 19).unwrap());
    assert_eq!(line(&terminal, 0), "line 146");
    terminal.handle_output(b"\x1b[?1049l");
    show(&mut terminal);
    assert_eq!((terminal.history(), line(&terminal, 0)), ((24, 0), "line 24".to_owned()));
    scroll(&mut terminal, HOME);
    assert_eq!(line(&terminal, 0), "line 0");
}

#[test]
fn reflows_lines_that_wrap_into_the_history() {
    let mut terminal = terminal(20, 5);
    let text: String = ('a'..='z').collect();
    for _ in 0..10 {
        terminal.handle_output(format!("{text}\r\n").as_bytes());
    }
    assert_eq!(terminal.history(), (16, 0));
    terminal.resize(Size::new(40 * 10 + 12, 5 * 19).unwrap());
    show(&mut terminal);
    assert_eq!(terminal.history(), (6, 0));
    scroll(&mut terminal, HOME);
    assert!((0..5).all(|row| line(&terminal, row) == text));
}

#[test]
fn a_view_scrolled_back_survives_rows_deleted_below_the_top() {
    let mut terminal = terminal(20, 5);
    lines(&mut terminal, 0..8);
    scroll(&mut terminal, HOME);
    show(&mut terminal);
    assert_eq!(terminal.history(), (4, 4));
    // The second row of the screen, thrice: nothing of that becomes history.
    terminal.handle_output(b"\x1b[2;1H\x1b[3M");
    show(&mut terminal);
    assert_eq!((line(&terminal, 0), terminal.history()), ("line 0".to_owned(), (4, 4)));
}
