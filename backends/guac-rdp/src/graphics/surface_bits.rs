//! Surface commands: pixels with a codec, and where frames begin and end.
//!
//! # Specification
//! MS-RDPBCGR 2.2.9.2.

use guac_display::Surface;
use ironrdp_core::{ReadCursor, decode_cursor};
use ironrdp_pdu::rdp::capability_sets::{CODEC_ID_NONE, CODEC_ID_REMOTEFX, CodecId};
use ironrdp_pdu::surface_commands::{FrameAction, SURFACE_COMMAND_HEADER_SIZE, SurfaceBitsPdu, SurfaceCommand};
use tracing::debug;

use super::bitmap::draw_plain;
use super::pixels::Format;
use super::{Graphics, GraphicsEvent, broken, exclusive, malformed};
use crate::RdpError;

impl Graphics {
    /// Follows the surface commands of an update.
    pub(super) fn draw_surface_commands(&mut self, update: &[u8], surface: &mut Surface) -> Result<(), RdpError> {
        let mut rest = ReadCursor::new(update);
        while rest.len() >= SURFACE_COMMAND_HEADER_SIZE {
            match decode_cursor(&mut rest).map_err(malformed)? {
                SurfaceCommand::SetSurfaceBits(bits) | SurfaceCommand::StreamSurfaceBits(bits) => {
                    self.draw_surface_bits(&bits, surface)?;
                }
                SurfaceCommand::FrameMarker(marker) if marker.frame_action == FrameAction::End => {
                    self.end_frame();
                    self.events.push_back(GraphicsEvent::AcknowledgeFrame(marker.frame_id.unwrap_or_default()));
                }
                SurfaceCommand::FrameMarker(_) => {}
            }
        }
        Ok(())
    }

    fn draw_surface_bits(&mut self, bits: &SurfaceBitsPdu<'_>, surface: &mut Surface) -> Result<(), RdpError> {
        let bitmap = &bits.extended_bitmap_data;
        let rect = exclusive(&bits.destination);
        self.budget.spend(rect.intersection(surface.size().rect()).area())?;
        let codec = CodecId::from_u8(bitmap.codec_id);
        if codec == Some(CODEC_ID_NONE) {
            let format =
                Format::of_depth(u16::from(bitmap.bpp)).ok_or_else(|| broken("surface bits of an unknown depth"))?;
            let (width, height) = (usize::from(bitmap.width), usize::from(bitmap.height));
            let rect = guac_display::Rect {
                width: rect.width.min(u32::from(bitmap.width)),
                height: rect.height.min(u32::from(bitmap.height)),
                ..rect
            };
            let stride = width * format.len_bytes();
            return draw_plain(bitmap.data, format, stride, height, rect, &self.palette, surface);
        }
        if codec == Some(CODEC_ID_REMOTEFX) {
            return self.remotefx.draw(bitmap.data, rect, &mut self.budget, surface);
        }
        debug!(codec = bitmap.codec_id, "Surface bits of a codec that was not offered ignored");
        self.refresh();
        Ok(())
    }
}
