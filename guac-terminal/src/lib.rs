//! A terminal emulator that shows its grid as a Guacamole display.
//!
//! [`Terminal`] takes the bytes of a machine and the keys and mouse of its users, and is a
//! [`Picture`](guac_display::Picture): it reports what changed as moves and damage, and makes pixels only where they
//! are asked for. There is no I/O, no clock and no thread in it; what it wants to send or to tell is asked for with
//! [`Terminal::poll_input`] and [`Terminal::poll_event`].
//!
//! Emulation is that of `alacritty_terminal`, behind a guard against what a hostile machine could make it keep. Text is
//! drawn with the embedded DejaVu Sans Mono; box drawing, blocks and braille are drawn by rule, so that they join.
//!
//! ```
//! use std::sync::Arc;
//! use guac_display::{Picture, Size};
//! use guac_terminal::{GlyphCache, Terminal, TerminalConfig};
//!
//! let mut terminal = Terminal::new(TerminalConfig::new(Size::new(640, 480)?), Arc::new(GlyphCache::new()));
//! terminal.handle_output(b"\x1b[1mhello\x1b[m");
//! assert!(terminal.screen_text().starts_with("hello\n"));
//! let mut pixels = Vec::new();
//! terminal.read(terminal.size().rect(), &mut pixels);
//! assert_eq!(pixels.len(), 640 * 480);
//! # Ok::<(), guac_display::SizeError>(())
//! ```
#![forbid(unsafe_code)]

mod boxes;
mod compact;
mod error;
mod glyph;
mod grid;
mod handler;
mod history;
mod keys;
mod mouse;
mod palette;
mod render;
mod scrollback;
mod selection;
mod shown;
mod terminal;
mod vt;

pub use error::SchemeError;
pub use glyph::GlyphCache;
pub use keys::KeyStyle;
pub use palette::ColorScheme;
pub use terminal::{Terminal, TerminalConfig, TerminalEvent};
