//! The terminal through its public interface.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod display;
mod history;
mod input;
mod output;

use std::sync::{Arc, LazyLock};

use guac_display::Size;
use guac_terminal::{GlyphCache, Terminal, TerminalConfig};

static GLYPHS: LazyLock<Arc<GlyphCache>> = LazyLock::new(|| Arc::new(GlyphCache::new()));

/// 12 px beside the columns are the scroll bar's.
fn terminal(columns: u32, rows: u32) -> Terminal {
    let (width, height) = (10, 19);
    let size = Size::new(columns * width + 12, rows * height).unwrap();
    let terminal = Terminal::new(TerminalConfig::new(size), Arc::clone(&GLYPHS));
    assert_eq!((terminal.columns(), terminal.rows()), (columns as usize, rows as usize));
    terminal
}

fn sent(terminal: &mut Terminal) -> String {
    let mut bytes = Vec::new();
    terminal.poll_input(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn line(terminal: &Terminal, row: usize) -> String {
    terminal.screen_text().lines().nth(row).unwrap().to_owned()
}
