//! Codecs of the pipeline, each drawing on a surface.

use guac_display::{Rect, Size, Surface};
use ironrdp_graphics::clearcodec::ClearCodecDecoder;
use tracing::debug;

use super::budget::Budget;
use super::planar::Planar;
use super::progressive::Progressive;
use super::remotefx::RemoteFx;
use super::{broken, draw_rows, pixels};
use crate::RdpError;

/// Codecs by their number (MS-RDPEGFX 2.2.2.1).
const UNCOMPRESSED: u16 = 0x0000;
const REMOTE_FX: u16 = 0x0003;
const CLEAR: u16 = 0x0008;
const PLANAR: u16 = 0x000A;
const ALPHA: u16 = 0x000C;

/// Bitmaps that may fail to decode before the session ends. Servers rely on what clients keep, and a client that lost
/// some of it shows stale pixels until they are drawn again; one that gets nothing right is not worth more work.
const MAX_FAILURES: u32 = 100;

/// Decoders and what they keep.
#[derive(Default)]
pub(super) struct Codecs {
    planar: Planar,
    remotefx: RemoteFx,
    /// 1.4 MiB, and up to 25 MiB with what servers make it keep.
    clear: Option<Box<ClearCodecDecoder>>,
    progressive: Progressive,
    failures: u32,
}

impl Codecs {
    /// Draws a bitmap into `rect`; says whether it could.
    pub(super) fn draw(
        &mut self,
        codec: u16,
        data: &[u8],
        rect: Rect,
        budget: &mut Budget,
        target: &mut Surface,
    ) -> Result<bool, RdpError> {
        if rect.area() > target.size().area() {
            return Err(broken("bitmap larger than its surface"));
        }
        let (Ok(width), Ok(height)) = (u16::try_from(rect.width), u16::try_from(rect.height)) else {
            return Err(broken("bitmap larger than its surface"));
        };
        if rect.is_empty() {
            return Ok(true);
        }
        budget.spend(rect.area())?;
        match codec {
            UNCOMPRESSED => {
                if data.len() / 4 < rect.area() {
                    return Err(broken("bitmap of fewer pixels than it says"));
                }
                draw_bgrx(data, rect, target);
            }
            PLANAR => self.planar.draw(data, (width, height), false, rect, target)?,
            REMOTE_FX => self.remotefx.draw(data, rect, budget, target)?,
            CLEAR => {
                let decoder = self.clear.get_or_insert_with(|| Box::new(ClearCodecDecoder::new()));
                match decoder.decode(data, width, height) {
                    Ok(bgra) => draw_bgrx(&bgra, rect, target),
                    Err(error) => return self.failed(&error),
                }
            }
            // The picture is opaque.
            ALPHA => {}
            _ => {
                debug!(codec, "Bitmap of a codec that was not offered ignored");
                return self.failed(&"codec that was not offered");
            }
        }
        Ok(true)
    }

    /// Draws tiles of the progressive codec on the surface `id`; says whether it could.
    pub(super) fn draw_progressive(
        &mut self,
        ids: (u16, u32),
        size: Size,
        data: &[u8],
        budget: &mut Budget,
        target: &mut Surface,
    ) -> Result<bool, RdpError> {
        match self.progressive.draw(ids, size, data, budget, target)? {
            None => Ok(true),
            Some(error) => self.failed(&error),
        }
    }

    pub(super) fn begin_frame(&mut self) {
        self.progressive.begin_frame();
    }

    pub(super) fn end_frame(&mut self) {
        self.progressive.end_frame();
    }

    /// Forgets what belongs to a surface.
    pub(super) fn forget(&mut self, id: u16) {
        self.progressive.forget(id);
    }

    /// Forgets what belongs to any surface.
    pub(super) fn forget_all(&mut self) {
        self.progressive.forget_all();
    }

    fn failed(&mut self, error: &dyn std::fmt::Display) -> Result<bool, RdpError> {
        debug!(%error, "Pipeline bitmap not drawn");
        self.failures += 1;
        if self.failures > MAX_FAILURES { Err(broken("pipeline bitmaps that do not decode")) } else { Ok(false) }
    }
}

/// Draws blue, green, red and something, the upper row first.
fn draw_bgrx(data: &[u8], rect: Rect, target: &mut Surface) {
    let stride = rect.width as usize * 4;
    draw_rows(target, rect, |index, out| pixels::expand_bgrx(data.get(index * stride..).unwrap_or_default(), out));
}
