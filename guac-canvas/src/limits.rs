//! What a canvas accepts from a server that it does not trust.

use guac_protocol::{MAX_LAYER_SIDE_PX, MAX_STREAMS};

/// Most pixels over all layers: one layer of the largest size, 256 MiB.
const MAX_TOTAL_PX: u64 = 8192 * 8192;

/// Most layers and buffers. guacd uses a few dozen at most; each costs some hundred bytes even when empty.
const MAX_LAYERS: usize = 1024;

/// Most compressed bytes of one image. A noisy picture of 8192 x 2048 pixels still fits.
const MAX_IMAGE_BYTES: usize = 64 * 1024 * 1024;

/// Most compressed bytes over all images under way.
const MAX_PENDING_BYTES: usize = 64 * 1024 * 1024;

/// Most rectangles of one path. guacd fills each at once.
const MAX_PATH_RECTS: usize = 256;

/// Longest side of a pointer's picture. Browsers take no more than 128; other guacds send up to what X allows.
const MAX_CURSOR_SIDE_PX: u32 = 512;

/// Longest title, in bytes. Instructions hold no more than four times as much.
const MAX_TITLE_BYTES: usize = 8192;

/// The bounds of a [`Canvas`](crate::Canvas). The default fits everything that guacd sends.
///
/// ```
/// let mut limits = guac_canvas::CanvasLimits::default();
/// limits.max_total_px = 1920 * 1080 * 2;
/// let canvas = guac_canvas::Canvas::new(limits);
/// # assert_eq!(canvas.size(), (0, 0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CanvasLimits {
    /// Longest side of a layer or an image, in pixels. guacd's limit is 8192.
    pub max_side_px: u32,
    /// Most pixels over all layers and buffers together, and of one image. Each takes four bytes.
    pub max_total_px: u64,
    /// Most layers and buffers.
    pub max_layers: usize,
    /// Most images whose stream is open at once.
    pub max_open_images: usize,
    /// Most compressed bytes of one image.
    pub max_image_bytes: usize,
    /// Most compressed bytes of all images whose stream is open.
    pub max_pending_bytes: usize,
    /// Most rectangles of one path.
    pub max_path_rects: usize,
    /// Longest side of the pointer's picture, in pixels.
    pub max_cursor_side_px: u32,
    /// Longest title kept, in bytes; a longer one is cut.
    pub max_title_bytes: usize,
}

impl Default for CanvasLimits {
    fn default() -> Self {
        Self {
            max_side_px: MAX_LAYER_SIDE_PX,
            max_total_px: MAX_TOTAL_PX,
            max_layers: MAX_LAYERS,
            // Broadcast streams and private ones count apart.
            max_open_images: 2 * usize::try_from(MAX_STREAMS).unwrap_or_default(),
            max_image_bytes: MAX_IMAGE_BYTES,
            max_pending_bytes: MAX_PENDING_BYTES,
            max_path_rects: MAX_PATH_RECTS,
            max_cursor_side_px: MAX_CURSOR_SIDE_PX,
            max_title_bytes: MAX_TITLE_BYTES,
        }
    }
}
