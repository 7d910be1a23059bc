//! That nothing is lost, and little kept.

use alacritty_terminal::index::Column;
use proptest::prelude::*;

use super::*;
use crate::palette::ColorScheme;
use crate::vt::{GridSize, Vt};

fn feed(vt: &mut Vt, bytes: impl AsRef<[u8]>) {
    vt.handle_output(bytes.as_ref(), &ColorScheme::default(), (10, 19));
}

fn vt(columns: usize, rows: usize, scrollback: usize) -> Vt {
    Vt::new(GridSize { columns, rows }, scrollback)
}

/// All that is in the grid, from the top of the history, and the cursor.
fn content(vt: &mut Vt) -> (Vec<String>, usize) {
    vt.open_history();
    let grid = vt.term().grid();
    let cell = |cell: &Cell| {
        let marks: String = cell.zerowidth().into_iter().flatten().collect();
        let look = format!("<{:?} {:?} {:?} {:?}>", cell.fg, cell.bg, cell.flags, cell.underline_color());
        let plain = "<Named(Foreground) Named(Background) Flags(0x0) None>";
        format!("{}{marks}{}", cell.c, if look == plain { "" } else { &look })
    };
    let lines = (grid.topmost_line().0..=grid.bottommost_line().0).map(Line);
    let rows = lines.map(|line| grid[line][..].iter().map(cell).collect()).collect();
    (rows, vt.term().history_size())
}

fn first_row(vt: &mut Vt) -> String {
    vt.open_history();
    let row = &vt.term().grid()[vt.term().topmost_line()];
    (0..row.len()).map(|column| row[Column(column)].c).collect::<String>().trim_end().to_owned()
}

#[test]
fn keeps_as_many_rows_as_asked_for_and_drops_the_oldest_of_one_more() {
    let mut vt = vt(20, 5, 100);
    for number in 0..104 {
        feed(&mut vt, format!("line {number}\r\n"));
    }
    assert_eq!(vt.history_len(), 100);
    assert_eq!(first_row(&mut vt), "line 0");
    vt.rest();
    feed(&mut vt, "one more\r\n");
    assert_eq!(vt.history_len(), 100);
    assert_eq!(first_row(&mut vt), "line 1");
}

#[test]
fn a_thousand_rows_of_text_take_little_more_than_their_text() {
    for columns in [101, 200] {
        let mut vt = vt(columns, 40, 1000);
        let text = "x".repeat(columns - 21);
        for number in 0..2000 {
            feed(&mut vt, format!("\x1b[1;34m{number:10}\x1b[m {text}\r\n"));
        }
        assert_eq!(vt.history_len(), 1000);
        assert!(vt.history().len_bytes() < 1000 * (columns + 60), "{}", vt.history().len_bytes());
    }
}

#[test]
fn drops_the_oldest_rows_of_a_screen_that_is_all_colours() {
    let mut vt = vt(200, 5, 1000);
    let row: String = (0..200).map(|at| format!("\x1b[38;2;200;0;{at}m\x1b[48;2;0;200;{at}mx\u{301}")).collect();
    for _ in 0..1100 {
        feed(&mut vt, &row);
    }
    let (len, max) = (vt.history().len_bytes(), vt.history().max_bytes());
    assert!(len <= max && len > max / 2, "{len} of {max}");
    assert!((100..1000).contains(&vt.history_len()));
}

#[test]
fn the_widest_row_of_the_dearest_cells_is_kept() {
    let mut vt = vt(1024, 2, 1);
    let marks = "\u{1D165}".repeat(8);
    for at in 0..3 * 1024 {
        let (r, g) = (255 - at % 2, 254 + at % 2);
        let colours = [38, 48, 58].map(|which| format!("\x1b[{which};2;{r};{g};255m")).concat();
        feed(&mut vt, format!("{colours}\x1b[1;2;3;4;7;8;9m\u{10FFFD}{marks}"));
    }
    assert_eq!(vt.history_len(), 1);
    assert!(vt.history().len_bytes() <= vt.history().max_bytes());
}

#[test]
fn the_grid_has_the_history_only_while_someone_looks() {
    let mut vt = vt(20, 5, 1000);
    let total = |vt: &Vt| vt.term().total_lines();
    assert_eq!(total(&vt), 5 + 6);
    feed(&mut vt, "line\r\n".repeat(1100));
    assert_eq!((total(&vt), vt.history_len()), (5 + 6, 1000));
    vt.open_history();
    assert_eq!((total(&vt), vt.history_len()), (5 + 1000, 1000));
    vt.rest();
    assert_eq!((total(&vt), vt.history_len()), (5 + 6, 1000));
    vt.resize(GridSize { columns: 30, rows: 7 });
    assert_eq!((total(&vt), vt.history_len()), (7 + 8, 998));
    feed(&mut vt, "\x1b[3J");
    assert_eq!((total(&vt), vt.history_len()), (7 + 8, 0));
    feed(&mut vt, "\x1bc");
    assert_eq!((total(&vt), vt.history_len()), (7 + 8, 0));
}

#[test]
fn without_scrollback_there_is_no_history() {
    let mut vt = vt(20, 5, 0);
    feed(&mut vt, "line\r\n".repeat(50));
    assert_eq!((vt.history_len(), vt.term().history_size()), (0, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Output(String),
    Size(usize, usize),
    Rest,
    Look,
}

/// Blanks are never cleared alone: the emulator makes a row of history of them, if there is none. Nor do they have
/// colours: the emulator forgets to clear some that reflowed.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let control = prop::sample::select(vec![
        "x\x1b[2J",
        "\x1b[3J",
        "\x1b[J",
        "\x1bc",
        "\x1b[?1049h",
        "\x1b[?1049l",
        "\x1b[?7l",
        "\x1b[?7h",
        "\x1b[2;4r",
        "\x1b[1;3r",
        "\x1b[r",
        "\x1bM",
        "\x1bD",
        "\x1b[7m",
        "\x1b[m",
        "\x1b[38;2;1;200;3m",
        "\x1b[4;58;5;9m",
        "\x1b[91m",
        "\t",
        "\x1b[4h",
        "\x1b[4l",
    ]);
    let output = prop_oneof![
        4 => "[ -~]{0,30}",
        4 => Just("\r\n".to_owned()),
        2 => "[a-z]{20}中文字e\u{301}[a-z]{0,4}한\u{301}",
        4 => control.prop_map(str::to_owned),
        2 => (0u32..12, "[STLMABEF]").prop_map(|(number, last)| format!("\x1b[{number}{last}")),
    ];
    let step = prop_oneof![
        20 => output.prop_map(Step::Output),
        1 => (2usize..30, 1usize..9).prop_map(|(columns, rows)| Step::Size(columns, rows)),
        2 => Just(Step::Rest),
        1 => Just(Step::Look),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn opening_gives_what_the_emulator_alone_would_have(steps in steps()) {
        let mut compact = vt(12, 5, 25);
        let mut plain = vt(12, 5, 25);
        plain.history_mut().stays_open = true;
        plain.open_history();
        for step in steps {
            match step {
                Step::Output(text) => {
                    feed(&mut compact, &text);
                    feed(&mut plain, &text);
                }
                Step::Size(columns, rows) => {
                    compact.resize(GridSize { columns, rows });
                    plain.resize(GridSize { columns, rows });
                }
                Step::Rest => compact.rest(),
                Step::Look => prop_assert_eq!(content(&mut compact), content(&mut plain)),
            }
            prop_assert_eq!(compact.history_len(), plain.history_len());
            prop_assert_eq!(compact.term().grid().cursor.point, plain.term().grid().cursor.point);
        }
        feed(&mut compact, "\x1b[?1049l");
        feed(&mut plain, "\x1b[?1049l");
        prop_assert_eq!(content(&mut compact), content(&mut plain));
    }
}
