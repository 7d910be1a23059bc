//! What one connection may cost, whatever the server says.

/// Bounds on everything whose size the server chooses.
///
/// A decoder compares the wire's number with its limit *before* it allocates or loops, so memory follows these
/// values and never the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest side of the framebuffer, in pixels. Wider than any screen in use, small enough that a side fits every
    /// later computation.
    pub side_px: u16,
    /// Area of the framebuffer, in pixels. 64 Mpixel is 256 MiB of picture, the most one connection may own.
    pub area_px: u32,
    /// Longest desktop name, in bytes. Titles are a line of text.
    pub name_bytes: u32,
    /// Longest reason for a refusal that is read, in bytes; a longer one is not read at all.
    pub reason_bytes: u32,
    /// Longest clipboard text accepted or sent, in bytes. A longer one is skipped and reported, the session lives.
    pub clipboard_bytes: usize,
    /// Longest side of a pointer image, in pixels. The largest accessibility pointers are 256.
    pub cursor_side_px: u16,
    /// Area of one JPEG rectangle, in pixels: it is decoded in one piece, so it costs four bytes for each of these.
    /// Encoders cut rectangles at 2048 x 2048 or far below.
    pub jpeg_area_px: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            side_px: 8192,
            area_px: 64 << 20,
            name_bytes: 16 * 1024,
            reason_bytes: 4096,
            clipboard_bytes: 256 * 1024,
            cursor_side_px: 512,
            jpeg_area_px: 4 << 20,
        }
    }
}

/// Pixels drawn before [`handle_input`](super::Connection::handle_input) gives the thread back: a rectangle of a few
/// bytes may cover the whole screen, so bytes alone do not bound the work. Sixteen full-HD screens take a few ms.
pub(crate) const PIXELS_PER_TURN: u64 = 32 << 20;

/// Events queued before the thread is given back, so that a server sending bells fills no memory.
pub(crate) const EVENTS_PER_TURN: usize = 64;

/// Bytes of input kept beyond the largest unit that is decoded in one piece: a few socket reads.
pub(crate) const INBOX_SLACK_BYTES: usize = 1 << 20;

/// Largest unit of Tight data: its lengths have 22 bits.
pub(crate) const TIGHT_LENGTH_MAX: usize = (1 << 22) - 1;

/// Capacity an empty input buffer keeps; what a large unit needed goes back when it is done.
pub(crate) const INBOX_KEEP_BYTES: usize = 64 * 1024;

/// How often the pixels of an RRE rectangle may be painted over. Encoders emit disjoint sub-rectangles; a hostile
/// server would repaint the screen with every twelve bytes.
pub(crate) const RRE_OVERDRAW: u64 = 8;
