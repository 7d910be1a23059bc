//! Looking at the history: distances, and the bar at the right edge.

use alacritty_terminal::Term;
use alacritty_terminal::grid::{Dimensions, Scroll};
use guac_display::{Rect, Size};

use crate::palette::{ColorScheme, Rgb24, mix};
use crate::render::Target;
use crate::vt::{Proxy, Vt};

/// Rows per step of the mouse wheel, as guacd.
pub(crate) const WHEEL_ROWS: i32 = 3;

/// Width kept free for the bar, in pixels.
pub(crate) const BAR_WIDTH_PX: u32 = 12;

/// Free space at each side of the handle, in pixels.
const BAR_PADDING_PX: u32 = 3;

/// Shortest handle that a pointer still hits, in pixels.
const MIN_HANDLE_PX: u32 = 24;

/// How much of the foreground is in the handle, of 255.
const HANDLE_ALPHA: u8 = 90;

/// Where the handle is; of no height while there is no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bar {
    y: u32,
    height: u32,
    colour: Rgb24,
}

impl Bar {
    pub(crate) fn new(vt: &Vt, size: Size, scheme: &ColorScheme) -> Self {
        let (history, rows, offset) = (vt.history_len(), vt.term().screen_lines(), vt.term().grid().display_offset());
        if history == 0 {
            return Self::default();
        }
        let track = u64::from(size.height());
        let part = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        let total = part(history + rows).max(1);
        let height = (track * part(rows) / total).max(u64::from(MIN_HANDLE_PX)).min(track);
        let above = part(history - offset.min(history));
        let y = (track - height) * above / part(history);
        let colour = mix(scheme.background(), scheme.foreground(), HANDLE_ALPHA);
        Self { y: u32::try_from(y).unwrap_or(0), height: u32::try_from(height).unwrap_or(0), colour }
    }

    /// All that it may be drawn on.
    pub(crate) fn area(size: Size) -> Rect {
        let width = BAR_WIDTH_PX.min(size.width());
        Rect::new(size.width() - width, 0, width, size.height())
    }

    pub(crate) fn draw(self, size: Size, target: &mut Target<'_>) {
        let area = Self::area(size);
        let width = area.width.saturating_sub(2 * BAR_PADDING_PX);
        let handle = Rect::new(area.x + BAR_PADDING_PX, self.y, width, self.height);
        target.fill(handle, self.colour);
    }

    /// Whether `y` is on the handle.
    pub(crate) fn is_hit(self, y: u32) -> bool {
        (self.y..self.y.saturating_add(self.height)).contains(&y)
    }

    /// Distance of `y` from the top of the handle.
    pub(crate) fn grip(self, y: u32) -> u32 {
        y.saturating_sub(self.y).min(self.height)
    }

    /// Half of the handle: where it is held if the track beside it is pressed.
    pub(crate) fn middle(self) -> u32 {
        self.height / 2
    }

    /// Scrolls so that the handle, held at `grip`, comes to the pointer at `y`.
    pub(crate) fn drag(self, term: &mut Term<Proxy>, size: Size, grip: u32, y: u32) {
        let free = u64::from(size.height().saturating_sub(self.height)).max(1);
        let top = u64::from(y.saturating_sub(grip)).min(free);
        let history = term.history_size();
        let above = u64::try_from(history).unwrap_or(0) * top / free;
        let wanted = history - usize::try_from(above).unwrap_or(0).min(history);
        let now = term.grid().display_offset();
        let by = i64::try_from(wanted).unwrap_or(0) - i64::try_from(now).unwrap_or(0);
        term.scroll_display(Scroll::Delta(i32::try_from(by).unwrap_or(0)));
    }
}
