//! The graphics pipeline: surfaces and codecs of its own, over a dynamic channel.
//!
//! The channel's end ([`Pipeline`]) only keeps what arrives until [`Renderer`] draws it, which has the session's picture
//! at hand: what is shown is drawn once, where it is shown.
//!
//! # Specification
//! MS-RDPEGFX.

use guac_display::{Rect, Size, Surface};
use ironrdp_core::{Encode as _, ReadCursor, decode, impl_as_any};
use ironrdp_dvc::{DvcClientProcessor, DvcMessage, DvcProcessor};
use ironrdp_egfx::CHANNEL_NAME;
use ironrdp_egfx::pdu::{
    CapabilitiesAdvertisePdu, CapabilitiesV8Flags, CapabilitiesV10Flags, CapabilitiesV81Flags, CapabilitiesV103Flags,
    CapabilitiesV104Flags, CapabilitiesV107Flags, CapabilitySet, FrameAcknowledgePdu, GfxPdu, QueueDepth,
};
use ironrdp_pdu::PduResult;
use tracing::debug;

use super::budget::Budget;
use super::canvases::Canvases;
use super::codecs::Codecs;
use super::zgfx::Zgfx;
use super::{MAX_UNASKED_PX, broken, exclusive, malformed, pixels, trim};
use crate::RdpError;

/// Bytes of a PDU's header: command, flags and length.
const HEADER_BYTES: usize = 8;

/// Commands that carry pixels, which are read where they lie.
const WIRE_TO_SURFACE_1: u16 = 0x0001;
const WIRE_TO_SURFACE_2: u16 = 0x0002;

/// The channel's end.
#[derive(Default)]
pub(crate) struct Pipeline {
    /// The channel was opened, maybe again.
    opened: bool,
    arrived: Vec<Vec<u8>>,
}

impl Pipeline {
    /// Whether the channel was opened since the last call, and what arrived.
    pub(super) fn take(&mut self) -> (bool, Vec<Vec<u8>>) {
        (std::mem::take(&mut self.opened), std::mem::take(&mut self.arrived))
    }
}

impl_as_any!(Pipeline);

impl DvcProcessor for Pipeline {
    fn channel_name(&self) -> &str {
        CHANNEL_NAME
    }

    fn start(&mut self, _channel_id: u32) -> PduResult<Vec<DvcMessage>> {
        self.opened = true;
        self.arrived.clear();
        let sets = CapabilitiesAdvertisePdu::from_typed(&capabilities());
        Ok(vec![Box::new(GfxPdu::CapabilitiesAdvertise(sets))])
    }

    fn process(&mut self, _channel_id: u32, payload: &[u8]) -> PduResult<Vec<DvcMessage>> {
        self.arrived.push(payload.to_vec());
        Ok(Vec::new())
    }

    fn close(&mut self, _channel_id: u32) {
        self.arrived.clear();
    }
}

impl DvcClientProcessor for Pipeline {}

/// Every version without H.264, which is not decoded; all with the small cache. Version 10.1 always has H.264.
fn capabilities() -> [CapabilitySet; 9] {
    let v10 = CapabilitiesV10Flags::SMALL_CACHE | CapabilitiesV10Flags::AVC_DISABLED;
    let v104 = CapabilitiesV104Flags::SMALL_CACHE | CapabilitiesV104Flags::AVC_DISABLED;
    let v107 = CapabilitiesV107Flags::SMALL_CACHE
        | CapabilitiesV107Flags::AVC_DISABLED
        | CapabilitiesV107Flags::SCALEDMAP_DISABLE;
    [
        CapabilitySet::V8 { flags: CapabilitiesV8Flags::SMALL_CACHE },
        CapabilitySet::V8_1 { flags: CapabilitiesV81Flags::SMALL_CACHE },
        CapabilitySet::V10 { flags: v10 },
        CapabilitySet::V10_2 { flags: v10 },
        CapabilitySet::V10_3 { flags: CapabilitiesV103Flags::AVC_DISABLED },
        CapabilitySet::V10_4 { flags: v104 },
        CapabilitySet::V10_5 { flags: v104 },
        CapabilitySet::V10_6 { flags: v104 },
        CapabilitySet::V10_7 { flags: v107 },
    ]
}

/// What drawing a message led to.
#[derive(Default)]
pub(super) struct Drawn {
    /// What to tell the server.
    pub(super) answers: Vec<DvcMessage>,
    pub(super) frame_ended: bool,
    pub(super) resized: bool,
    /// Something could not be drawn.
    pub(super) incomplete: bool,
}

/// State of one opening of the channel.
#[derive(Default)]
pub(super) struct Renderer {
    zgfx: Zgfx,
    message: Vec<u8>,
    canvases: Canvases,
    codecs: Codecs,
    /// Of the present message.
    budget: Budget,
    /// Pixels of the largest desktop that the user has asked for.
    asked_px: usize,
    frames: u32,
}

impl Renderer {
    /// Draws a message of the channel.
    pub(super) fn handle(&mut self, message: &[u8], asked_px: usize, picture: &mut Surface) -> Result<Drawn, RdpError> {
        self.asked_px = asked_px;
        let mut plain = std::mem::take(&mut self.message);
        let drawn = self.zgfx.decompress(message, &mut plain).and_then(|()| self.draw_all(&plain, picture));
        trim(&mut plain);
        self.message = plain;
        drawn
    }

    fn draw_all(&mut self, mut pdus: &[u8], picture: &mut Surface) -> Result<Drawn, RdpError> {
        let mut drawn = Drawn::default();
        self.budget = Budget::of(picture);
        while let Some(&[low, high, _, _, a, b, c, d]) = pdus.first_chunk::<HEADER_BYTES>() {
            let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            let split = pdus.split_at_checked(len.max(HEADER_BYTES));
            let (pdu, rest) = split.ok_or_else(|| broken("pipeline command cut short"))?;
            let body = pdu.get(HEADER_BYTES..).unwrap_or_default();
            match u16::from_le_bytes([low, high]) {
                WIRE_TO_SURFACE_1 => self.draw_bitmap(body, picture, &mut drawn)?,
                WIRE_TO_SURFACE_2 => self.draw_progressive(body, picture, &mut drawn)?,
                _ => {
                    let command = decode::<GfxPdu>(pdu).map_err(malformed)?;
                    self.follow(command, picture, &mut drawn)?;
                }
            }
            pdus = rest;
        }
        if pdus.is_empty() { Ok(drawn) } else { Err(broken("pipeline command cut short")) }
    }

    /// Draws pixels of one of the codecs.
    fn draw_bitmap(&mut self, body: &[u8], picture: &mut Surface, drawn: &mut Drawn) -> Result<(), RdpError> {
        let bitmap = Bitmap::read(body).ok_or_else(|| broken("pipeline bitmap cut short"))?;
        let Some(target) = self.canvases.target(bitmap.surface, picture) else {
            return Err(broken("bitmap for a surface that is not there"));
        };
        drawn.incomplete |= !self.codecs.draw(bitmap.codec, bitmap.data, bitmap.rect, &mut self.budget, target)?;
        Ok(())
    }

    /// Draws tiles of the progressive codec.
    fn draw_progressive(&mut self, body: &[u8], picture: &mut Surface, drawn: &mut Drawn) -> Result<(), RdpError> {
        // Surface, codec, context, pixel format, length.
        let (header, data) = body.split_first_chunk::<13>().ok_or_else(|| broken("progressive bitmap cut short"))?;
        let [s0, s1, _, _, c0, c1, c2, c3, _, l0, l1, l2, l3] = *header;
        let (surface, context) = (u16::from_le_bytes([s0, s1]), u32::from_le_bytes([c0, c1, c2, c3]));
        let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let data = data.get(..len).ok_or_else(|| broken("progressive bitmap cut short"))?;
        let Some(size) = self.canvases.size(surface) else {
            return Err(broken("progressive bitmap for a surface that is not there"));
        };
        if let Some(target) = self.canvases.target(surface, picture) {
            drawn.incomplete |=
                !self.codecs.draw_progressive((surface, context), size, data, &mut self.budget, target)?;
        }
        Ok(())
    }

    /// Follows a command without pixels.
    fn follow(&mut self, command: GfxPdu, picture: &mut Surface, drawn: &mut Drawn) -> Result<(), RdpError> {
        match command {
            GfxPdu::CapabilitiesConfirm(set) => debug!(version = set.0.version.0, "Graphics pipeline agreed on"),
            GfxPdu::ResetGraphics(reset) => self.reset((reset.width, reset.height), picture, drawn)?,
            GfxPdu::CreateSurface(new) => {
                self.codecs.forget(new.surface_id);
                self.canvases.create(new.surface_id, new.width, new.height, picture)?;
            }
            GfxPdu::DeleteSurface(old) => {
                self.codecs.forget(old.surface_id);
                self.canvases.delete(old.surface_id);
            }
            GfxPdu::MapSurfaceToOutput(map) => {
                self.canvases.show(map.surface_id, (map.output_origin_x, map.output_origin_y), picture)?;
            }
            GfxPdu::MapSurfaceToScaledOutput(map) => {
                // Scaling is not offered: sizes are the same.
                self.canvases.show(map.surface_id, (map.output_origin_x, map.output_origin_y), picture)?;
            }
            GfxPdu::StartFrame(_) => {
                self.codecs.begin_frame();
            }
            GfxPdu::EndFrame(end) => self.end_frame(end.frame_id, picture, drawn)?,
            GfxPdu::SolidFill(fill) => {
                if let Some(target) = self.canvases.target(fill.surface_id, picture) {
                    let colour = pixels::rgb(fill.fill_pixel.r, fill.fill_pixel.g, fill.fill_pixel.b);
                    for rect in &fill.rectangles {
                        let rect = exclusive(rect).intersection(target.size().rect());
                        self.budget.spend(rect.area())?;
                        target.fill(rect, colour);
                    }
                }
            }
            GfxPdu::SurfaceToSurface(copy) => {
                let ids = (copy.source_surface_id, copy.destination_surface_id);
                let rect = exclusive(&copy.source_rectangle);
                self.canvases.copy(ids, rect, &copy.destination_points, &mut self.budget, picture)?;
            }
            GfxPdu::SurfaceToCache(keep) => {
                let ids = (keep.surface_id, keep.cache_slot);
                self.canvases.keep(ids, exclusive(&keep.source_rectangle), &mut self.budget, picture)?;
            }
            GfxPdu::CacheToSurface(kept) => {
                let ids = (kept.cache_slot, kept.surface_id);
                self.canvases.draw_kept(ids, &kept.destination_points, &mut self.budget, picture)?;
            }
            GfxPdu::EvictCacheEntry(kept) => self.canvases.evict(kept.cache_slot),
            // Contexts go with their surface; windows and caches from earlier sessions are not offered.
            other => debug!(command = other.name(), "Pipeline command ignored"),
        }
        Ok(())
    }

    /// The picture has another size and all surfaces are gone.
    fn reset(&mut self, (width, height): (u32, u32), picture: &mut Surface, drawn: &mut Drawn) -> Result<(), RdpError> {
        let size = Size::new(width, height).map_err(|_| broken("picture of no or too large a size"))?;
        if size.area() > MAX_UNASKED_PX.max(self.asked_px).max(picture.size().area()) {
            return Err(broken("picture above 8 Mpixel, which was not asked for"));
        }
        self.canvases.reset();
        self.codecs.forget_all();
        if size != picture.size() {
            picture.resize(size);
            self.budget.grow(picture);
            self.budget.spend(size.area())?;
            drawn.resized = true;
        }
        Ok(())
    }

    fn end_frame(&mut self, id: u32, picture: &mut Surface, drawn: &mut Drawn) -> Result<(), RdpError> {
        self.codecs.end_frame();
        self.canvases.compose(&mut self.budget, picture)?;
        self.frames = self.frames.wrapping_add(1);
        let done = FrameAcknowledgePdu {
            // What is still to be drawn is never known: it is in the socket.
            queue_depth: QueueDepth::Unavailable,
            frame_id: id,
            total_frames_decoded: self.frames,
        };
        drawn.answers.push(Box::new(GfxPdu::FrameAcknowledge(done)));
        drawn.frame_ended = true;
        Ok(())
    }
}

/// Pixels for a surface.
struct Bitmap<'a> {
    surface: u16,
    codec: u16,
    rect: Rect,
    data: &'a [u8],
}

impl<'a> Bitmap<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let mut body = ReadCursor::new(body);
        let surface = body.try_read_u16().ok()?;
        let codec = body.try_read_u16().ok()?;
        let _format = body.try_read_u8().ok()?;
        let mut edge = || body.try_read_u16().ok().map(u32::from);
        let (left, top, right, bottom) = (edge()?, edge()?, edge()?, edge()?);
        let rect = Rect::new(left, top, right.checked_sub(left)?, bottom.checked_sub(top)?);
        let len = usize::try_from(body.try_read_u32().ok()?).ok()?;
        let data = body.remaining().get(..len)?;
        Some(Self { surface, codec, rect, data })
    }
}
