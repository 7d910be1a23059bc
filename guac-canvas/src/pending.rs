//! Images whose streams are open.

use std::collections::BTreeMap;

use guac_protocol::{LayerIndex, Mask, StreamIndex};

use crate::{CanvasError, CanvasLimits, ImageFormat};

/// An image that is still arriving.
#[derive(Debug, Clone)]
pub(crate) struct PendingImage {
    pub(crate) mask: Mask,
    pub(crate) layer: LayerIndex,
    pub(crate) format: ImageFormat,
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) data: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct PendingImages {
    open: BTreeMap<StreamIndex, PendingImage>,
    /// INVARIANT: sum of the lengths of all `data`.
    bytes: usize,
}

impl PendingImages {
    /// A stream that is open already is replaced, as peers do.
    pub(crate) fn begin(
        &mut self,
        stream: StreamIndex,
        image: PendingImage,
        limits: &CanvasLimits,
    ) -> Result<(), CanvasError> {
        self.finish(stream);
        if self.open.len() >= limits.max_open_images {
            return Err(CanvasError::TooMuchPending { stream });
        }
        self.open.insert(stream, image);
        Ok(())
    }

    /// Adds data; streams that carry no image are somebody else's.
    pub(crate) fn add(&mut self, stream: StreamIndex, base64: &str, limits: &CanvasLimits) -> Result<(), CanvasError> {
        let Some(image) = self.open.get_mut(&stream) else { return Ok(()) };
        let before = image.data.len();
        let most = base64.len() / 4 * 3 + 3;
        let refused = if before + most > limits.max_image_bytes || self.bytes + most > limits.max_pending_bytes {
            CanvasError::TooMuchPending { stream }
        } else if base64_simd::STANDARD.decode_append(base64.as_bytes(), &mut image.data).is_ok() {
            self.bytes += image.data.len() - before;
            return Ok(());
        } else {
            image.data.truncate(before);
            CanvasError::NotBase64 { stream }
        };
        self.finish(stream);
        Err(refused)
    }

    /// Takes a stream's image out.
    pub(crate) fn finish(&mut self, stream: StreamIndex) -> Option<PendingImage> {
        let image = self.open.remove(&stream)?;
        self.bytes = self.bytes.saturating_sub(image.data.len());
        Some(image)
    }
}
