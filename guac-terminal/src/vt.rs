//! From bytes to the grid: the parser behind a guard that bounds what a hostile machine may cost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::{Dimensions, Scroll};
use alacritty_terminal::term::{Config, Osc52, Term};
use alacritty_terminal::vte::ansi::{Processor, Timeout};

use crate::handler::{Guard, Titles};
use crate::history::History;
use crate::palette::ColorScheme;

/// Longest text copied by OSC 52 or by selection, and pasted: guacd's clipboard.
pub(crate) const MAX_CLIPBOARD_BYTES: usize = 256 << 10;

/// Longest operating system command: a full clipboard in base64 and its prefix. Past it the command is cut off; the
/// parser itself would keep all of it.
const MAX_OSC_BYTES: usize = MAX_CLIPBOARD_BYTES.div_ceil(3) * 4 + 64;

/// Most bytes of answers waiting to be sent. A machine that asks faster than it reads gets no more.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Most cells of history, whatever the number of rows asked for: 48 MiB at the 24 bytes that each has while someone looks
/// at them.
const MAX_HISTORY_CELLS: usize = 2 << 20;

/// Most bytes waiting to be sent in all: a pasted clipboard and then some.
const MAX_INPUT_BYTES: usize = 2 * MAX_CLIPBOARD_BYTES;

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1A;
const ESC: u8 = 0x1B;

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GridSize {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Dimensions for GridSize {
    fn total_lines(&self) -> usize {
        self.rows
    }

    fn screen_lines(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }
}

/// What the application wants to reach the outside.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Bytes for the machine, in order.
    pub(crate) answers: Vec<u8>,
    /// The last text copied by OSC 52.
    pub(crate) clipboard: Option<String>,
    /// The last title set.
    pub(crate) title: Option<String>,
    /// What the shell's user asks of files, in order.
    pub(crate) files: VecDeque<FileWish>,
}

/// A command of `guacctl`, which is for whoever runs the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileWish {
    /// OSC 482200: send this file to the browser.
    Send(String),
    /// OSC 482201: dropped files go to this directory.
    UploadDirectory(String),
}

/// The commands of `guacctl` that are known, each with its `;`.
const SEND_FILE: &[u8] = b"482200;";
const UPLOAD_DIRECTORY: &[u8] = b"482201;";

/// Longest path of such a command, in bytes: `PATH_MAX` of Linux. Longer ones are ignored.
const MAX_PATH_BYTES: usize = 4096;

/// Commands that may wait to be asked for. What comes beyond them is dropped.
const MAX_FILE_WISHES: usize = 16;

/// The beginning of a command to the operating system, kept while it may be one of `guacctl`.
#[derive(Debug, Default)]
struct Kept(Option<Vec<u8>>);

impl Kept {
    fn begin(&mut self) {
        self.0 = Some(Vec::new());
    }

    fn add(&mut self, bytes: &[u8]) {
        let Some(kept) = &mut self.0 else { return };
        kept.extend_from_slice(bytes.get(..MAX_PATH_BYTES + SEND_FILE.len() + 1).unwrap_or(bytes));
        let may_be = |command: &[u8]| kept.iter().zip(command).all(|(a, b)| a == b);
        if !(may_be(SEND_FILE) || may_be(UPLOAD_DIRECTORY)) || kept.len() > MAX_PATH_BYTES + SEND_FILE.len() {
            self.0 = None;
        }
    }

    fn end(&mut self) -> Option<FileWish> {
        let kept = self.0.take()?;
        let path = |bytes: &[u8]| Some(String::from_utf8_lossy(bytes).into_owned()).filter(|path| !path.is_empty());
        let wish = kept.strip_prefix(SEND_FILE).and_then(path).map(FileWish::Send);
        wish.or_else(|| kept.strip_prefix(UPLOAD_DIRECTORY).and_then(path).map(FileWish::UploadDirectory))
    }
}

impl Outbox {
    /// Input of the users. Past the bound it is dropped whole: the machine has not read for long.
    pub(crate) fn input(&mut self, bytes: &[u8]) {
        if self.answers.len() + bytes.len() <= MAX_INPUT_BYTES {
            self.answers.extend_from_slice(bytes);
        }
    }

    pub(crate) fn answer(&mut self, text: &str) {
        if self.answers.len() + text.len() <= MAX_ANSWER_BYTES {
            self.answers.extend_from_slice(text.as_bytes());
        }
    }
}

/// Shares the outbox with the emulator, which reports by shared reference. The lock is never contended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxy(Arc<Mutex<Outbox>>);

impl Proxy {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventListener for Proxy {
    fn send_event(&self, event: Event) {
        match event {
            Event::PtyWrite(text) => self.lock().answer(&text),
            Event::ClipboardStore(_, text) if text.len() <= MAX_CLIPBOARD_BYTES => self.lock().clipboard = Some(text),
            _ => {}
        }
    }
}

/// Synchronized updates are not held back: frames are paced by the users, and the parser's own buffer would cost 2 MiB.
#[derive(Debug, Default)]
struct NoSync;

impl Timeout for NoSync {
    fn set_timeout(&mut self, _: Duration) {}

    fn clear_timeout(&mut self) {}

    fn pending_timeout(&self) -> bool {
        false
    }
}

/// Where the guard stands in the byte stream. It follows only what it needs: commands to the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scan {
    Ground,
    /// After an ESC, which is held back.
    Escape,
    /// After `ESC ]`, both held back.
    Osc,
    /// Within a command of which this many bytes went to the parser.
    OscText(usize),
    /// Within one that was cut off.
    OscSkip,
    /// Within the Linux console's `ESC ] P nrrggbb`, which has no terminator.
    Palette {
        digits: [u8; 7],
        count: usize,
    },
}

/// The emulator: grid, modes and history, fed with bytes.
pub(crate) struct Vt {
    parser: Processor<NoSync>,
    term: Term<Proxy>,
    proxy: Proxy,
    titles: Titles,
    scan: Scan,
    partial: Partial,
    kept: Kept,
    scrollback: usize,
    history: History,
}

impl Vt {
    pub(crate) fn new(size: GridSize, scrollback: usize) -> Self {
        let proxy = Proxy::default();
        let max_rows = history_rows(scrollback, size.columns);
        let config = Config { scrolling_history: 0, osc52: Osc52::OnlyCopy, ..Config::default() };
        let mut term = Term::new(config, &size, proxy.clone());
        let history = History::new(&mut term, max_rows);
        Self {
            parser: Processor::new(),
            term,
            proxy,
            titles: Titles::default(),
            scan: Scan::Ground,
            partial: Partial::default(),
            kept: Kept::default(),
            scrollback,
            history,
        }
    }

    pub(crate) fn term(&self) -> &Term<Proxy> {
        &self.term
    }

    pub(crate) fn term_mut(&mut self) -> &mut Term<Proxy> {
        &mut self.term
    }

    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.proxy.lock()
    }

    pub(crate) fn resize(&mut self, size: GridSize) {
        self.history.resize(&mut self.term, size, history_rows(self.scrollback, size.columns));
    }

    #[cfg(test)]
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    #[cfg(test)]
    pub(crate) fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// Rows of history.
    pub(crate) fn history_len(&self) -> usize {
        self.history.len(&self.term)
    }

    /// Has the history in the grid, to be scrolled back to and selected from, until [`rest`](Self::rest).
    pub(crate) fn open_history(&mut self) {
        self.history.open(&mut self.term);
    }

    /// Frees memory that nobody needs at present.
    pub(crate) fn rest(&mut self) {
        self.history.rest(&mut self.term);
    }

    /// Takes bytes of the machine in.
    pub(crate) fn handle_output(&mut self, bytes: &[u8], scheme: &ColorScheme, cell_px: (u32, u32)) {
        let mut rest = bytes;
        self.history.watch(&mut self.term);
        let mut feed = Feed {
            partial: &mut self.partial,
            kept: &mut self.kept,
            parser: &mut self.parser,
            guard: Guard {
                term: &mut self.term,
                history: &mut self.history,
                titles: &mut self.titles,
                proxy: &self.proxy,
                scheme,
                cell_px,
            },
        };
        while !rest.is_empty() {
            let (next, used) = scan(self.scan, rest, &mut feed);
            self.scan = next;
            rest = rest.get(used..).unwrap_or_default();
        }
        // The emulator moves a view that is scrolled back also when rows are deleted below the top, which go nowhere:
        // past the end of its history, where there is nothing to show.
        let grid = self.term.grid();
        if grid.display_offset() > grid.history_size() {
            self.term.scroll_display(Scroll::Delta(0));
        }
        self.history.unwatch(&mut self.term);
    }
}

/// Rows of history that the number of columns allows.
fn history_rows(scrollback: usize, columns: usize) -> usize {
    scrollback.min(MAX_HISTORY_CELLS / columns.max(1))
}

/// The beginning of a character whose end has not come yet. The parser would take it, but then treats some characters
/// otherwise than those that come whole.
#[derive(Debug, Default)]
struct Partial {
    bytes: [u8; 4],
    len: usize,
}

impl Partial {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

struct Feed<'a> {
    partial: &'a mut Partial,
    kept: &'a mut Kept,
    parser: &'a mut Processor<NoSync>,
    guard: Guard<'a>,
}

impl Feed<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.guard, bytes);
    }

    /// A command to the operating system is whole.
    fn end_command(&mut self) {
        if let Some(wish) = self.kept.end() {
            let mut outbox = self.guard.proxy.lock();
            if outbox.files.len() < MAX_FILE_WISHES {
                outbox.files.push_back(wish);
            }
        }
    }

    /// Text, of which whole characters go on.
    fn text(&mut self, mut bytes: &[u8]) {
        while self.partial.len > 0
            && let Some((&next, rest)) = bytes.split_first()
        {
            self.partial.bytes[self.partial.len] = next;
            self.partial.len += 1;
            match std::str::from_utf8(self.partial.bytes()) {
                Ok(_) => {
                    let whole = std::mem::take(self.partial);
                    self.put(whole.bytes());
                    bytes = rest;
                }
                Err(error) if error.error_len().is_none() => bytes = rest,
                Err(_) => self.end_text(),
            }
        }
        let tail = incomplete_tail(bytes);
        let (mut whole, tail) = bytes.split_at(bytes.len() - tail);
        // What begins a character right before another begins stays without an end, here as between two reads.
        let mut broken = 0;
        while !tail.is_empty() && incomplete_tail(whole) > 0 {
            whole = whole.get(..whole.len() - incomplete_tail(whole)).unwrap_or_default();
            broken += 1;
        }
        self.put(whole);
        for _ in 0..broken {
            self.put("\u{FFFD}".as_bytes());
        }
        for (place, byte) in self.partial.bytes.iter_mut().skip(self.partial.len).zip(tail) {
            *place = *byte;
            self.partial.len += 1;
        }
    }

    /// What was begun stays without an end: it counts as one broken character.
    fn end_text(&mut self) {
        if std::mem::take(&mut self.partial.len) > 0 {
            self.put("\u{FFFD}".as_bytes());
        }
    }
}

/// Bytes at the end that begin a character but do not end it.
fn incomplete_tail(bytes: &[u8]) -> usize {
    (1..=bytes.len().min(3))
        .find(|len| bytes.get(bytes.len() - len).is_some_and(|byte| byte & 0xC0 != 0x80))
        .filter(|len| {
            let tail = bytes.get(bytes.len() - len..).unwrap_or_default();
            std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none())
        })
        .unwrap_or(0)
}

/// One step: the state after it and how many bytes it took (0 only where the state changed).
fn scan(state: Scan, bytes: &[u8], feed: &mut Feed<'_>) -> (Scan, usize) {
    let Some(&first) = bytes.first() else { return (state, 0) };
    match state {
        Scan::Ground => {
            let plain = memchr::memchr(ESC, bytes);
            feed.text(bytes.get(..plain.unwrap_or(bytes.len())).unwrap_or_default());
            let Some(at) = plain else { return (Scan::Ground, bytes.len()) };
            feed.end_text();
            (Scan::Escape, at + 1)
        }
        Scan::Escape => match first {
            b']' => (Scan::Osc, 1),
            ESC => (Scan::Escape, 1),
            // Controls within an escape sequence act at once and do not end it.
            0x00..=0x17 | 0x19 | 0x1C..=0x1F => {
                feed.put(&[first]);
                (Scan::Escape, 1)
            }
            0x7F => (Scan::Escape, 1),
            _ => {
                feed.put(&[ESC, first]);
                (Scan::Ground, 1)
            }
        },
        Scan::Osc => match first {
            b'P' => (Scan::Palette { digits: [0; 7], count: 0 }, 1),
            b'R' => {
                feed.put(b"\x1b]104\x07");
                (Scan::Ground, 1)
            }
            BEL | CAN | SUB | ESC => {
                // An ESC ended whatever came before, so the parser has to see one.
                feed.put(b"\x1b\\");
                if first == ESC { (Scan::Escape, 1) } else { (Scan::Ground, 1) }
            }
            _ => {
                feed.put(b"\x1b]");
                feed.kept.begin();
                (Scan::OscText(0), 0)
            }
        },
        Scan::OscText(len) => {
            let end = bytes.iter().position(|b| matches!(*b, BEL | CAN | SUB | ESC)).unwrap_or(bytes.len());
            let allowed = end.min(MAX_OSC_BYTES - len);
            feed.put(bytes.get(..allowed).unwrap_or_default());
            feed.kept.add(bytes.get(..allowed).unwrap_or_default());
            if allowed < end {
                feed.put(&[CAN]);
                return (Scan::OscSkip, allowed);
            }
            match bytes.get(end) {
                None => (Scan::OscText(len + allowed), end),
                Some(&ESC) => {
                    feed.end_command();
                    (Scan::Escape, end + 1)
                }
                Some(&last) => {
                    if last == BEL {
                        feed.end_command();
                    }
                    feed.put(&[last]);
                    (Scan::Ground, end + 1)
                }
            }
        }
        Scan::OscSkip => match bytes.iter().position(|b| matches!(*b, BEL | CAN | SUB | ESC)) {
            None => (Scan::OscSkip, bytes.len()),
            Some(end) if bytes.get(end) == Some(&ESC) => (Scan::Escape, end + 1),
            Some(end) => (Scan::Ground, end + 1),
        },
        Scan::Palette { mut digits, count } => {
            if !first.is_ascii_hexdigit() {
                feed.put(b"\x1b\\");
                return (Scan::Ground, 0);
            }
            digits[count] = first;
            if count + 1 < digits.len() {
                return (Scan::Palette { digits, count: count + 1 }, 1);
            }
            let digit = |at: usize| char::from(digits[at]);
            let index = digit(0).to_digit(16).unwrap_or_default();
            let [r, s, g, h, b, c] = std::array::from_fn(|at| digit(at + 1));
            feed.put(format!("\x1b]4;{index};rgb:{r}{s}/{g}{h}/{b}{c}\x07").as_bytes());
            (Scan::Ground, 1)
        }
    }
}
