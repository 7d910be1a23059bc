//! What the default layer shows.

use crate::{Changes, Rect, Size};

/// The one owner of a session's pixels, or of what makes them.
///
/// The planner asks for changes once per frame and for pixels only where they are sent: a terminal keeps no
/// framebuffer at all.
pub trait Picture: Send + 'static {
    /// Current size.
    fn size(&self) -> Size;

    /// Whether anything may look different than at the last [`take_changes`](Self::take_changes).
    fn has_changes(&self) -> bool;

    /// Moves what changed since the last call into `changes`, in the order it happened.
    fn take_changes(&mut self, changes: &mut Changes);

    /// Appends the pixels of `rect` to `out`: row-major, `rect.width` per row, each `0x00RRGGBB`.
    ///
    /// `rect` lies within [`size`](Self::size).
    fn read(&mut self, rect: Rect, out: &mut Vec<u32>);
}
