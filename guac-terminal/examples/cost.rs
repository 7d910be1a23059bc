//! What terminals cost: memory of idle ones by what has scrolled, and the time a flood takes.
//!
//! `cargo run --release -p guac-terminal --example cost` (Linux: it reads its own counters).
#![expect(clippy::print_stdout, reason = "an example shows its figures")]

use std::sync::Arc;

use guac_display::{Changes, Picture, Size};
use guac_terminal::{GlyphCache, Terminal, TerminalConfig};

/// Terminals per figure, so that pages and the allocator's steps even out.
const TERMINALS: usize = 10;

/// Bytes of text in the flood, in pieces as a connection reads them.
const FLOOD_BYTES: usize = 20 << 20;
const READ_BYTES: usize = 32 << 10;

fn text(lines: usize) -> Vec<u8> {
    let line = |number: usize| {
        format!(
            "\x1b[32mdrwxr-xr-x\x1b[m {number:5} user group 4096 Nov 23 18:25 \x1b[1;34msrc/some/file-{number}\x1b[m of some length\r\n"
        )
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

fn plain() -> Vec<u8> {
    let line =
        |number: usize| format!("{number:6}: the quick brown fox jumps over the lazy dog, and over the next one\r\n");
    (0..).map(line).flat_map(String::into_bytes).take(FLOOD_BYTES).collect()
}

fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0) / 1_000_000
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

fn show(terminal: &mut Terminal) {
    let mut changes = Changes::new(terminal.size());
    terminal.take_changes(&mut changes);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let glyphs = Arc::new(GlyphCache::new());
    let plain = plain();
    let mut terminal = Terminal::new(TerminalConfig::new(Size::new(1022, 768)?), Arc::clone(&glyphs));
    for frames in [false, true] {
        let start = cpu_ms();
        for piece in plain.chunks(READ_BYTES) {
            terminal.handle_output(piece);
            if frames {
                show(&mut terminal);
            }
        }
        println!("flood of 20 MiB, a frame per read {frames}: {} ms of CPU", cpu_ms() - start);
    }
    drop((terminal, plain));
    for columns in [101, 200] {
        for lines in [0, 1, 100, 1000, 5000] {
            let text = text(lines + if lines > 0 { 40 } else { 0 });
            let before = resident_kib();
            let mut terminals = Vec::new();
            for _ in 0..TERMINALS {
                let mut terminal = Terminal::new(TerminalConfig::new(Size::new(812, 480)?), Arc::clone(&glyphs));
                show(&mut terminal);
                // As a browser's window does soon after it connected.
                terminal.resize(Size::new(columns * 10 + 12, 768)?);
                show(&mut terminal);
                terminal.handle_output(&text);
                show(&mut terminal);
                terminal.handle_output(b"$ ");
                show(&mut terminal);
                terminals.push(terminal);
            }
            let each = resident_kib().saturating_sub(before) / u64::try_from(TERMINALS)?;
            println!("{columns} columns, {lines} lines scrolled: {each} KiB each");
            // Kept, so that the next figure starts on fresh pages.
            std::mem::forget(terminals);
        }
    }
    Ok(())
}
