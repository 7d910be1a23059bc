//! What the users do.
#![expect(clippy::disallowed_methods, reason = "tests give the machine a time from somewhere")]

use std::time::{Duration, Instant};

use guac_terminal::{Terminal, TerminalEvent};

use crate::{line, sent, terminal};

const LEFT: u8 = 1;

fn press(terminal: &mut Terminal, keysyms: &[u32]) {
    for keysym in keysyms {
        terminal.handle_key(*keysym, true);
    }
    for keysym in keysyms.iter().rev() {
        terminal.handle_key(*keysym, false);
    }
}

/// Middle of a cell.
fn at(column: i32, row: i32) -> (i32, i32) {
    (column * 10 + 5, row * 19 + 9)
}

fn drag(terminal: &mut Terminal, from: (i32, i32), to: (i32, i32)) -> Option<TerminalEvent> {
    let now = Instant::now();
    terminal.handle_mouse(from.0, from.1, LEFT, now);
    terminal.handle_mouse(to.0, to.1, LEFT, now);
    terminal.handle_mouse(to.0, to.1, 0, now);
    terminal.poll_event()
}

fn clicks(terminal: &mut Terminal, count: u64, (x, y): (i32, i32)) -> Option<TerminalEvent> {
    let start = Instant::now();
    for click in 0..count {
        let now = start + Duration::from_millis(100 * click);
        terminal.handle_mouse(x, y, LEFT, now);
        terminal.handle_mouse(x, y, 0, now);
    }
    terminal.poll_event()
}

fn copied(text: &str) -> Option<TerminalEvent> {
    Some(TerminalEvent::Copied(text.to_owned()))
}

#[test]
fn keys_follow_the_modes_that_the_application_set() {
    let mut terminal = terminal(20, 5);
    press(&mut terminal, &[0xFF52]);
    terminal.handle_output(b"\x1b[?1h");
    press(&mut terminal, &[0xFF52]);
    press(&mut terminal, &[0xFFE3, 0x63]);
    assert_eq!(sent(&mut terminal), "\x1b[A\x1bOA\x03");
}

#[test]
fn dragging_copies_what_it_marks() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"hello world\r\nsecond line");
    assert_eq!(drag(&mut terminal, (60, 5), (149, 24)), copied("world\nsecond line"));
    assert_eq!(drag(&mut terminal, (1, 5), (49, 5)), copied("hello"));
    assert_eq!(clicks(&mut terminal, 1, at(12, 3)), None);
}

#[test]
fn dragging_with_alt_copies_a_rectangle() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"hello world\r\nsecond line");
    terminal.handle_key(0xFFE9, true);
    assert_eq!(drag(&mut terminal, (1, 5), (29, 24)), copied("hel\nsec"));
}

#[test]
fn a_double_click_copies_a_word_or_an_address() {
    let mut terminal = terminal(40, 5);
    terminal.handle_output(b"see (https://example.org/a?b=c&d=e:8), and src/lib.rs:12 - ok");
    assert_eq!(clicks(&mut terminal, 2, at(10, 0)), copied("https://example.org/a?b=c&d=e:8"));
    assert_eq!(clicks(&mut terminal, 2, at(1, 1)), copied("and"));
    assert_eq!(clicks(&mut terminal, 2, at(8, 1)), copied("src/lib.rs"));
}

#[test]
fn a_triple_click_copies_the_line() {
    let mut terminal = terminal(40, 5);
    terminal.handle_output(b"one two three\r\nfour");
    assert_eq!(clicks(&mut terminal, 3, at(5, 0)), copied("one two three\n"));
}

#[test]
fn releasing_middle_or_right_pastes() {
    let mut terminal = terminal(20, 5);
    terminal.handle_clipboard("text");
    let now = Instant::now();
    for button in [2, 4] {
        terminal.handle_mouse(5, 5, button, now);
        assert_eq!(sent(&mut terminal), "");
        terminal.handle_mouse(5, 5, 0, now);
        assert_eq!(sent(&mut terminal), "text");
    }
}

#[test]
fn pasted_text_can_not_leave_its_brackets() {
    let mut terminal = terminal(20, 5);
    terminal.handle_clipboard("a\r\nb\nc\x1b[201~\x03rm\td");
    press(&mut terminal, &[0xFFE3, 0xFFE1, 0x56]);
    assert_eq!(sent(&mut terminal), "a\rb\rc[201~rm\td");
    terminal.handle_output(b"\x1b[?2004h");
    press(&mut terminal, &[0xFFEB, 0x76]);
    assert_eq!(sent(&mut terminal), "\x1b[200~a\rb\rc[201~rm\td\x1b[201~");
}

#[test]
fn the_wheel_scrolls_three_rows_and_any_key_returns() {
    let mut terminal = terminal(20, 5);
    for line in 0..30 {
        terminal.handle_output(format!("line {line}\r\n").as_bytes());
    }
    let now = Instant::now();
    terminal.handle_mouse(5, 5, 8, now);
    terminal.handle_mouse(5, 5, 0, now);
    assert_eq!((terminal.history(), line(&terminal, 0)), ((26, 3), "line 23".to_owned()));
    press(&mut terminal, &[0xFFE1]);
    assert_eq!(terminal.history().1, 3, "a modifier is no key");
    press(&mut terminal, &[0xFFE1, 0xFF50]);
    assert_eq!(line(&terminal, 0), "line 0");
    press(&mut terminal, &[0x61]);
    assert_eq!(terminal.history().1, 0);
    for (keysym, rows) in [(0xFF52, 1), (0xFF55, 6), (0xFF54, 5), (0xFF56, 0), (0xFF50, 26), (0xFF57, 0)] {
        press(&mut terminal, &[0xFFE1, keysym]);
        assert_eq!(terminal.history().1, rows, "{keysym:#x}");
    }
    assert_eq!(sent(&mut terminal), "a");
}

#[test]
fn the_scroll_bar_can_be_dragged() {
    let mut terminal = terminal(20, 5);
    for line in 0..30 {
        terminal.handle_output(format!("line {line}\r\n").as_bytes());
    }
    let now = Instant::now();
    terminal.handle_mouse(208, 94, LEFT, now);
    terminal.handle_mouse(208, 0, LEFT, now);
    assert_eq!(terminal.history(), (26, 26));
    terminal.handle_mouse(208, 94, LEFT, now);
    terminal.handle_mouse(208, 94, 0, now);
    assert_eq!(terminal.history(), (26, 0));
    assert_eq!(terminal.poll_event(), None);
}

#[test]
fn applications_get_the_mouse_if_they_ask_unless_shift_is_held() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"text\x1b[?1000h\x1b[?1006h");
    assert_eq!(drag(&mut terminal, at(0, 0), at(3, 0)), None);
    assert_eq!(sent(&mut terminal), "\x1b[<0;1;1M\x1b[<0;4;1m");
    terminal.handle_key(0xFFE1, true);
    assert_eq!(drag(&mut terminal, (1, 5), (39, 5)), copied("text"));
    assert_eq!(sent(&mut terminal), "");
}

#[test]
fn the_wheel_is_arrow_keys_on_the_alternate_screen() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"\x1b[?1049h");
    terminal.handle_mouse(5, 5, 16, Instant::now());
    assert_eq!(sent(&mut terminal), "\x1b[B\x1b[B\x1b[B");
}
