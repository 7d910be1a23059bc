//! What a server may get wrong. The canvas stays usable after each of these.

use guac_protocol::{ArgumentError, LayerIndex, Status, StreamIndex};

use crate::ImageFormat;

/// An error of another library, whatever its type.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why an instruction was not carried out. All of it is the *peer's* fault: the server's, or whoever recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CanvasError {
    /// An argument is missing or does not parse.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A layer would be too large, alone or together with the others.
    #[error("layer {} of {width}x{height} pixels is beyond the limits", layer.0)]
    LayerTooLarge {
        /// Which one.
        layer: LayerIndex,
        /// Pixels.
        width: u64,
        /// Pixels.
        height: u64,
    },
    /// There are too many layers and buffers.
    #[error("more than {limit} layers")]
    TooManyLayers {
        /// The limit in force.
        limit: usize,
    },
    /// A path has too many rectangles.
    #[error("a path of more than {limit} rectangles")]
    PathTooLong {
        /// The limit in force.
        limit: usize,
    },
    /// There are too many images under way, or they are too long.
    #[error("images under way are beyond the limits (stream {})", stream.0)]
    TooMuchPending {
        /// The stream that was refused.
        stream: StreamIndex,
    },
    /// The image is of a type that no client shows.
    #[error("an image of unknown type")]
    UnknownImageType,
    /// An image's data is not base64.
    #[error("image data is not base64 (stream {})", stream.0)]
    NotBase64 {
        /// The stream, which is forgotten.
        stream: StreamIndex,
    },
    /// The image has more pixels than a layer may have.
    #[error("{format} image of {width}x{height} pixels is beyond the limits")]
    ImageTooLarge {
        /// What it is.
        format: ImageFormat,
        /// Pixels.
        width: u64,
        /// Pixels.
        height: u64,
    },
    /// The image is broken.
    #[error("{format} image does not decode")]
    BadImage {
        /// What it should be.
        format: ImageFormat,
        /// What its decoder says.
        #[source]
        source: BoxError,
    },
    /// The pointer's picture is too large.
    #[error("a pointer of {width}x{height} pixels is beyond the limits")]
    CursorTooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

impl CanvasError {
    /// The status to report: whoever drew broke the protocol or asked for too much.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Argument(_) | Self::UnknownImageType | Self::NotBase64 { .. } | Self::BadImage { .. } => {
                Status::UpstreamError
            }
            Self::LayerTooLarge { .. }
            | Self::TooManyLayers { .. }
            | Self::PathTooLong { .. }
            | Self::TooMuchPending { .. }
            | Self::ImageTooLarge { .. }
            | Self::CursorTooLarge { .. } => Status::ClientOverrun,
        }
    }
}
