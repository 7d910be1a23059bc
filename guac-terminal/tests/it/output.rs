//! What the machine sends.

use guac_terminal::TerminalEvent;
use proptest::prelude::*;

use crate::{line, sent, terminal};

#[test]
fn answers_questions_about_itself() {
    for (question, answer) in [
        ("\x1b[c", "\x1b[?6c"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b[3;4H\x1b[6n", "\x1b[3;4R"),
        ("\x1b[18t", "\x1b[8;5;20t"),
        ("\x1b[14t", "\x1b[4;95;200t"),
        ("\x1b]11;?\x07", "\x1b]11;rgb:0000/0000/0000\x07"),
        ("\x1b]4;1;?\x1b\\", "\x1b]4;1;rgb:9999/3e3e/3e3e\x1b\\"),
        ("\x1b]4;1;rgb:12/34/56\x07\x1b]4;1;?\x07", "\x1b]4;1;rgb:1212/3434/5656\x07"),
    ] {
        let mut terminal = terminal(20, 5);
        terminal.handle_output(question.as_bytes());
        assert_eq!(sent(&mut terminal), answer, "{question:?}");
    }
}

#[test]
fn never_tells_the_clipboard() {
    let mut terminal = terminal(20, 5);
    terminal.handle_clipboard("secret");
    terminal.handle_output(b"\x1b]52;c;?\x07");
    assert_eq!(sent(&mut terminal), "");
}

#[test]
fn copies_by_osc_52_up_to_the_limit() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"\x1b]52;c;aGVsbG8=\x07");
    assert_eq!(terminal.poll_event(), Some(TerminalEvent::Copied("hello".to_owned())));
    // 4 characters of base64 are 3 bytes: "AAAA" is three NULs.
    for (groups, passes) in [((256 << 10) / 3, true), ((256 << 10) / 3 + 2, false)] {
        terminal.handle_output(format!("\x1b]52;c;{}\x07", "AAAA".repeat(groups)).as_bytes());
        assert_eq!(terminal.poll_event().is_some(), passes, "{groups} groups");
    }
    terminal.handle_output(b"still here");
    assert_eq!(line(&terminal, 0), "still here");
}

#[test]
fn cuts_off_a_command_without_end() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"\x1b]0;");
    for _ in 0..64 {
        terminal.handle_output(&[b'x'; 64 << 10]);
    }
    terminal.handle_output(b"\x07after");
    assert_eq!(terminal.poll_event(), Some(TerminalEvent::Title("x".repeat(256))));
    assert_eq!(line(&terminal, 0), "after");
}

#[test]
fn tells_titles_without_controls_and_bounded() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"\x1b]2;ti\x01tle; more\x07");
    assert_eq!(terminal.poll_event(), Some(TerminalEvent::Title("title; more".to_owned())));
    terminal.handle_output(format!("\x1b]0;{}\x07", "ä".repeat(300)).as_bytes());
    assert_eq!(terminal.poll_event(), Some(TerminalEvent::Title("ä".repeat(256))));
    assert_eq!(terminal.poll_event(), None);
}

#[test]
fn tells_which_files_are_to_be_sent_and_where_dropped_ones_go() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"\x1b]482200;/home/me/a b.txt\x07\x1b]482201;/tmp\x1b\\done");
    assert_eq!(terminal.poll_event(), Some(TerminalEvent::SendFile("/home/me/a b.txt".to_owned())));
    assert_eq!(terminal.poll_event(), Some(TerminalEvent::UploadDirectory("/tmp".to_owned())));
    assert_eq!((terminal.poll_event(), line(&terminal, 0)), (None, "done".to_owned()));
    for nothing in ["\x1b]482200;\x07", "\x1b]482200;/a\x18", "\x1b]482209;/a\x07", "\x1b]48220\x07", "\x1b]482200\x07"]
    {
        terminal.handle_output(nothing.as_bytes());
        assert_eq!(terminal.poll_event(), None, "{nothing:?}");
    }
    for (len, told) in [(4096, true), (4097, false)] {
        for chunk in format!("\x1b]482200;{}\x07", "x".repeat(len)).as_bytes().chunks(100) {
            terminal.handle_output(chunk);
        }
        assert_eq!(terminal.poll_event().is_some(), told, "{len}");
    }
    terminal.handle_output("\x1b]482200;/a\x07".repeat(1000).as_bytes());
    assert_eq!(std::iter::from_fn(|| terminal.poll_event()).count(), 16);
}

#[test]
fn understands_the_palette_commands_of_the_linux_console() {
    let mut terminal = terminal(20, 5);
    // They have no terminator: an emulator that waits for one would swallow what follows.
    terminal.handle_output(b"\x1b]P1123456text\x1b]4;1;?\x07\x1b]Rmore\x1b]4;1;?\x07");
    assert_eq!(line(&terminal, 0), "textmore");
    assert_eq!(sent(&mut terminal), "\x1b]4;1;rgb:1212/3434/5656\x07\x1b]4;1;rgb:9999/3e3e/3e3e\x07");
}

#[test]
fn keeps_a_bounded_number_of_marks_on_a_cell() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(format!("a{}", "\u{301}".repeat(10_000)).as_bytes());
    assert_eq!(line(&terminal, 0).chars().count(), 9);
}

#[test]
fn bounds_answers_that_nobody_fetches() {
    let mut terminal = terminal(20, 5);
    for _ in 0..1000 {
        terminal.handle_output(&b"\x1b[c".repeat(1000));
    }
    assert!(sent(&mut terminal).len() <= 64 << 10);
}

#[test]
fn clears_above_the_cursor_from_the_second_row() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"one\r\ntwo\x1b[1J");
    assert_eq!(terminal.screen_text().trim(), "");
}

#[test]
fn reflows_wrapped_lines() {
    let mut terminal = terminal(20, 5);
    terminal.handle_output(b"abcdefghijklmnopqrstuvwxyz");
    terminal.resize(guac_display::Size::new(40 * 10 + 12, 5 * 19).unwrap());
    assert_eq!(line(&terminal, 0), "abcdefghijklmnopqrstuvwxyz");
}

#[test]
fn clamps_absurd_sizes() {
    let mut terminal = terminal(20, 5);
    for (width, height) in [(1, 1), (8192, 1), (1, 8192), (8192, 8192)] {
        terminal.set_font_size(1);
        terminal.resize(guac_display::Size::new(width, height).unwrap());
        terminal.handle_output("中文 text \x1b[999;999Hx\x1b[14t".as_bytes());
        assert!((2..=1024).contains(&terminal.columns()) && (1..=1024).contains(&terminal.rows()));
        terminal.set_font_size(u32::MAX);
        terminal.handle_output(b"\r\n\r\nabc");
    }
}

/// Bytes that mean something to a terminal, more often than noise does.
pub(crate) fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => "[ -~]{0,30}".prop_map(String::into_bytes),
        2 => Just(b"\r\n".to_vec()),
        1 => Just("中文字e\u{301}🙂│█".as_bytes().to_vec()),
        4 => ("[?>!]{0,1}", prop::collection::vec(0u32..120, 0..4), "[@-~]").prop_map(|(prefix, numbers, last)| {
            let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
            format!("\x1b[{prefix}{}{last}", numbers.join(";")).into_bytes()
        }),
        2 => prop::sample::select(vec![1, 6, 7, 25, 47, 1000, 1002, 1003, 1005, 1006, 1047, 1048, 1049, 2004, 2026])
            .prop_map(|mode| format!("\x1b[?{mode}h").into_bytes()),
        1 => "[0-9A-Za-z;:/?#]{0,20}".prop_map(|text| format!("\x1b]{text}\x07").into_bytes()),
        1 => "[0-9A-Za-z;]{0,9}".prop_map(|text| format!("\x1b]P{text}").into_bytes()),
        1 => "[()*+#78=>cDEHMNOPXZ^_\\\\]B{0,1}".prop_map(|text| format!("\x1b{text}").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(0u8..32, 0..6),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_screen_and_answers(bytes in stream(), cuts in prop::collection::vec(0usize..400, 0..12)) {
        let mut whole = terminal(24, 6);
        whole.handle_output(&bytes);
        let mut split = terminal(24, 6);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            split.handle_output(&bytes[from..cut]);
            from = cut;
        }
        prop_assert_eq!(whole.screen_text(), split.screen_text());
        prop_assert_eq!(whole.cursor(), split.cursor());
        prop_assert_eq!(sent(&mut whole), sent(&mut split));
        prop_assert_eq!(whole.poll_event(), split.poll_event());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), sides in (1u32..400, 1u32..400)) {
        let mut terminal = terminal(24, 6);
        let (first, second) = bytes.split_at(bytes.len() / 2);
        terminal.handle_output(first);
        terminal.resize(guac_display::Size::new(sides.0, sides.1).unwrap());
        terminal.handle_output(second);
    }
}
