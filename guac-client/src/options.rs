//! What a client says about itself, and what it accepts.

use std::time::Duration;

use guac_canvas::{CanvasLimits, ImageFormat};
use guac_protocol::{ClientInfo, ProtocolVersion};

/// Time to connect and shake hands. Machines behind may be asleep, but not for longer than a person waits.
const CONNECT: Duration = Duration::from_secs(30);

/// Silence after which the other side is taken for gone: guacd says something every five seconds.
const SILENCE: Duration = Duration::from_secs(20);

/// Time one answer to a transfer may take: disks behind the machine may have to wake up.
const STALL: Duration = Duration::from_secs(30);

/// Largest clipboard kept: guacd's own largest by default is 256 KiB, and parameters raise it.
const MAX_CLIPBOARD_BYTES: usize = 4 * 1024 * 1024;

/// Settings of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Wanted width of the display, in pixels.
    pub width_px: u32,
    /// Wanted height of the display, in pixels.
    pub height_px: u32,
    /// Resolution, in dots per inch.
    pub dpi: u32,
    /// IANA name of the time zone to tell.
    pub timezone: Option<String>,
    /// Name to tell other users of a session (guacd only; a gateway tells its own).
    pub name: Option<String>,
    /// Most time for connecting, login and handshake.
    pub connect_timeout: Duration,
    /// Silence after which the session counts as lost.
    pub silence_timeout: Duration,
    /// Most time that one answer to an up- or download, or to a question about files, may take.
    pub stall_timeout: Duration,
    /// Most bytes of a clipboard kept; longer ones are dropped.
    pub max_clipboard_bytes: usize,
    /// Bounds of the screen.
    pub canvas: CanvasLimits,
}

impl Default for Options {
    /// 1024x768 at 96 dpi.
    fn default() -> Self {
        Self {
            width_px: 1024,
            height_px: 768,
            dpi: 96,
            timezone: None,
            name: None,
            connect_timeout: CONNECT,
            silence_timeout: SILENCE,
            stall_timeout: STALL,
            max_clipboard_bytes: MAX_CLIPBOARD_BYTES,
            canvas: CanvasLimits::default(),
        }
    }
}

impl Options {
    /// The default with another size of the display, in pixels.
    #[must_use]
    pub fn with_size(width_px: u32, height_px: u32) -> Self {
        Self { width_px, height_px, ..Self::default() }
    }

    pub(crate) fn info(&self) -> ClientInfo {
        ClientInfo {
            width_px: self.width_px,
            height_px: self.height_px,
            dpi: self.dpi,
            image_mimetypes: ImageFormat::MIMETYPES.map(str::to_owned).to_vec(),
            timezone: self.timezone.clone(),
            name: self.name.clone(),
            version: ProtocolVersion::LATEST,
            ..ClientInfo::default()
        }
    }
}
