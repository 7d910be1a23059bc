//! Rectangles of pixels.

/// A rectangle within a picture: whole pixels, counted from the top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rect {
    /// Left edge, in pixels.
    pub x: u32,
    /// Top edge, in pixels.
    pub y: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl Rect {
    /// From its corner and size.
    #[must_use]
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// Whether there is no pixel in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// First column behind it.
    #[must_use]
    pub const fn right(self) -> u32 {
        self.x.saturating_add(self.width)
    }

    /// First row below it.
    #[must_use]
    pub const fn bottom(self) -> u32 {
        self.y.saturating_add(self.height)
    }

    /// Its middle, rounded down: where one clicks.
    #[must_use]
    pub const fn center(self) -> (u32, u32) {
        (self.x.saturating_add(self.width / 2), self.y.saturating_add(self.height / 2))
    }

    /// What both cover; empty where they do not touch.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = self.right().min(other.right()).saturating_sub(x);
        let height = self.bottom().min(other.bottom()).saturating_sub(y);
        if width == 0 || height == 0 { Self::default() } else { Self { x, y, width, height } }
    }

    /// The smallest rectangle around both. An empty one adds nothing.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let width = self.right().max(other.right()) - x;
        let height = self.bottom().max(other.bottom()) - y;
        Self { x, y, width, height }
    }
}

/// A rectangle as it stands on the wire or in another layer's coordinates: anywhere, of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) width: i64,
    pub(crate) height: i64,
}

impl Area {
    pub(crate) fn new(x: i32, y: i32, width: u32, height: u32) -> Self {
        Self { x: x.into(), y: y.into(), width: width.into(), height: height.into() }
    }

    pub(crate) fn moved(self, x: i64, y: i64) -> Self {
        Self { x: self.x + x, y: self.y + y, ..self }
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = (self.x + self.width).min(other.x + other.width) - x;
        let height = (self.y + self.height).min(other.y + other.height) - y;
        Self { x, y, width: width.max(0), height: height.max(0) }
    }

    /// The part of it within a picture of this size.
    pub(crate) fn within(self, width: u32, height: u32) -> Rect {
        let inside = self.intersection(Self::new(0, 0, width, height));
        let number = |value: i64| u32::try_from(value).unwrap_or_default();
        if inside.width == 0 || inside.height == 0 {
            return Rect::default();
        }
        Rect::new(number(inside.x), number(inside.y), number(inside.width), number(inside.height))
    }
}

impl From<Rect> for Area {
    fn from(rect: Rect) -> Self {
        Self { x: rect.x.into(), y: rect.y.into(), width: rect.width.into(), height: rect.height.into() }
    }
}

/// Index of a pixel or a count of pixels: sides are bounded far below what overflows.
pub(crate) fn at(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
