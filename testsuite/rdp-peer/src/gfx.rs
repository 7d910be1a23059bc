//! The graphics pipeline (MS-RDPEGFX), from the server.

use std::io;

use ironrdp_core::{Decode as _, ReadCursor, encode_vec};
use ironrdp_egfx::pdu::{
    CapabilitiesConfirmPdu, CapabilitiesV8Flags, CapabilitySet, Codec1Type, CreateSurfacePdu, EndFramePdu, GfxPdu,
    MapSurfaceToOutputPdu, PixelFormat, ResetGraphicsPdu, StartFramePdu, Timestamp, WireToSurface1Pdu,
};
use ironrdp_graphics::zgfx::wrap_uncompressed;
use ironrdp_pdu::geometry::ExclusiveRectangle;

use crate::peer::Peer;

/// An open pipeline.
#[derive(Debug)]
pub struct Gfx {
    /// Number of its dynamic channel.
    pub channel: u32,
    /// What the client says that it can do, as it said it.
    pub advertised: Vec<u8>,
    frame: u32,
}

impl Gfx {
    /// Opens it with version 8. `None` if the client does not want it.
    ///
    /// # Errors
    /// The client is gone or says something else.
    pub fn open(peer: &mut Peer) -> io::Result<Option<Self>> {
        let Some(channel) = peer.open_dynamic(ironrdp_egfx::CHANNEL_NAME)? else { return Ok(None) };
        let advertised = peer.expect_dynamic(channel, |data| {
            matches!(GfxPdu::decode(&mut ReadCursor::new(data)), Ok(GfxPdu::CapabilitiesAdvertise(_)))
                .then(|| data.to_vec())
        })?;
        let mut gfx = Self { channel, advertised, frame: 0 };
        let version = CapabilitySet::V8 { flags: CapabilitiesV8Flags::empty() };
        gfx.send(peer, &[GfxPdu::CapabilitiesConfirm(CapabilitiesConfirmPdu::from_typed(&version))])?;
        Ok(Some(gfx))
    }

    /// Sends PDUs in one message, wrapped as bulk data that is not compressed.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send(&mut self, peer: &mut Peer, pdus: &[GfxPdu]) -> io::Result<()> {
        let data: Vec<u8> = pdus.iter().flat_map(|pdu| encode_vec(pdu).unwrap()).collect();
        peer.send_dynamic(self.channel, &wrap_uncompressed(&data))
    }

    /// Makes a surface of the whole desktop's size and shows it.
    ///
    /// # Errors
    /// The client is gone.
    pub fn desktop(&mut self, peer: &mut Peer, surface_id: u16, width: u16, height: u16) -> io::Result<()> {
        let pixel_format = PixelFormat::XRgb;
        self.send(
            peer,
            &[
                GfxPdu::ResetGraphics(ResetGraphicsPdu {
                    width: width.into(),
                    height: height.into(),
                    monitors: Vec::new(),
                }),
                GfxPdu::CreateSurface(CreateSurfacePdu { surface_id, width, height, pixel_format }),
                GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu {
                    surface_id,
                    output_origin_x: 0,
                    output_origin_y: 0,
                }),
            ],
        )
    }

    /// Sends PDUs as one frame and waits until the client says that it has shown it.
    ///
    /// # Errors
    /// The client is gone.
    pub fn frame(&mut self, peer: &mut Peer, pdus: Vec<GfxPdu>) -> io::Result<()> {
        self.frame += 1;
        let frame_id = self.frame;
        let timestamp = Timestamp { milliseconds: 0, seconds: 0, minutes: 0, hours: 0 };
        let mut all = vec![GfxPdu::StartFrame(StartFramePdu { timestamp, frame_id })];
        all.extend(pdus);
        all.push(GfxPdu::EndFrame(EndFramePdu { frame_id }));
        self.send(peer, &all)?;
        peer.expect_dynamic(self.channel, |data| match GfxPdu::decode(&mut ReadCursor::new(data)) {
            Ok(GfxPdu::FrameAcknowledge(ack)) if ack.frame_id == frame_id => Some(()),
            _ => None,
        })
    }

    /// A picture for a part of a surface.
    #[must_use]
    pub fn picture(surface_id: u16, codec_id: Codec1Type, at: ExclusiveRectangle, bitmap_data: Vec<u8>) -> GfxPdu {
        GfxPdu::WireToSurface1(WireToSurface1Pdu {
            surface_id,
            codec_id,
            pixel_format: PixelFormat::XRgb,
            destination_rectangle: at,
            bitmap_data,
        })
    }
}
