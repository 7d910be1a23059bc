//! The one rectangle check.

/// A rectangle in framebuffer pixels, as the wire has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Rect {
    /// A rectangle of `width` by `height` pixels whose upper left corner is at `x`, `y`.
    #[must_use]
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// Pixels inside.
    #[must_use]
    pub fn area(self) -> u32 {
        u32::from(self.width) * u32::from(self.height)
    }

    /// Whether all of it lies inside a `width` by `height` area at the origin, checked side by side: a product of
    /// sides says nothing about either.
    #[must_use]
    pub fn within(self, width: u16, height: u16) -> bool {
        u32::from(self.x) + u32::from(self.width) <= u32::from(width)
            && u32::from(self.y) + u32::from(self.height) <= u32::from(height)
    }

    /// Rows `from .. from + rows` of it; the caller keeps them inside.
    pub(crate) fn rows(self, from: u16, rows: u16) -> Self {
        Self::new(self.x, self.y.saturating_add(from), self.width, rows)
    }

    /// A part of it, given relative to its corner; nothing where the part sticks out.
    pub(crate) fn part(self, part: Self) -> Option<Self> {
        part.within(self.width, self.height)
            .then(|| Self::new(self.x.saturating_add(part.x), self.y.saturating_add(part.y), part.width, part.height))
    }

    /// The tiles of at most `side` pixels that cover it, row by row, from the left.
    pub(crate) fn tile(self, index: u32, side: u16) -> Option<Self> {
        let columns = u32::from(self.width.div_ceil(side));
        let x = u16::try_from(index.checked_rem(columns)?).ok()?.checked_mul(side)?;
        let y = u16::try_from(index.checked_div(columns)?).ok()?.checked_mul(side)?;
        let width = self.width.checked_sub(x)?.min(side);
        let height = self.height.checked_sub(y)?.min(side);
        (width > 0 && height > 0).then(|| Self::new(self.x.saturating_add(x), self.y.saturating_add(y), width, height))
    }
}
