//! Positions and sizes, in pixels.

/// Longest side of a picture in pixels, as guacd bounds a layer.
pub(crate) const MAX_SIDE_PX: u32 = guac_protocol::MAX_LAYER_SIDE_PX;

/// Most pixels of a picture: 64 Mpixel are 256 MiB, the largest framebuffer one connection may cost.
pub(crate) const MAX_AREA_PX: u64 = 64 << 20;

/// A size that a remote machine asked for and may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a picture of {width}x{height} pixels is empty or above the limit of 8192x8192 and 64 Mpixel")]
pub struct SizeError {
    width: u32,
    height: u32,
}

/// Width and height of a picture, checked: 1 to 8192 pixels a side, at most 64 Mpixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    width: u32,
    height: u32,
}

impl Size {
    /// Checks a size.
    ///
    /// # Errors
    /// [`SizeError`] if a side is 0 or above 8192, or the area is above 64 Mpixel.
    pub fn new(width: u32, height: u32) -> Result<Self, SizeError> {
        let sound = |side: u32| (1..=MAX_SIDE_PX).contains(&side);
        if sound(width) && sound(height) && u64::from(width) * u64::from(height) <= MAX_AREA_PX {
            Ok(Self { width, height })
        } else {
            Err(SizeError { width, height })
        }
    }

    /// Pixels per row.
    #[must_use]
    pub fn width(self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(self) -> u32 {
        self.height
    }

    /// Number of pixels.
    #[must_use]
    pub fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The rectangle from the origin that covers it all.
    #[must_use]
    pub fn rect(self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }
}

/// A rectangle of pixels. An empty one covers nothing wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// From the left top corner and the two sides.
    #[must_use]
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// Column behind the last.
    #[must_use]
    pub fn right(self) -> u32 {
        self.x.saturating_add(self.width)
    }

    /// Row behind the last.
    #[must_use]
    pub fn bottom(self) -> u32 {
        self.y.saturating_add(self.height)
    }

    /// Whether it covers no pixel.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Number of pixels.
    #[must_use]
    pub fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// What both cover; empty if nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        Self { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) }
    }

    /// The smallest rectangle that covers both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self { x, y, width: right - x, height: bottom - y }
    }

    /// Whether `other` lies within, each side checked for itself.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        let (Some(right), Some(bottom)) = (other.x.checked_add(other.width), other.y.checked_add(other.height)) else {
            return false;
        };
        self.x <= other.x && self.y <= other.y && right <= self.right() && bottom <= self.bottom()
    }
}
