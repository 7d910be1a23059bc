//! What the server draws, decoded straight into the display's surface.
//!
//! Every path ends in rows of `0x00RRGGBB` pixels within [`Surface`]: bitmap updates ([`bitmap`]), surface commands
//! ([`surface_bits`], [`remotefx`]) and the graphics pipeline ([`pipeline`]). Between frames nothing is kept but small
//! scratch buffers, the pointer cache and what the pipeline's protocol makes clients keep.
//!
//! The server is not trusted: what is malformed ends the session, what lies outside the picture is cut, and nothing
//! grows beyond a named limit.

mod bitmap;
mod budget;
mod canvases;
mod codecs;
mod fast_path;
mod palette;
mod pipeline;
mod pixels;
mod planar;
mod pointer;
mod progressive;
mod remotefx;
mod rle;
mod surface_bits;
mod zgfx;

use std::collections::VecDeque;

use guac_display::{Cursor, Rect, Surface};
use ironrdp_bulk::BulkCompressor;
use ironrdp_core::{DecodeError, ReadCursor};
use ironrdp_dvc::DvcMessage;
use ironrdp_pdu::fast_path::UpdateCode;
use ironrdp_pdu::geometry::ExclusiveRectangle;
use ironrdp_pdu::rdp::capability_sets::{BitmapCodecs, client_codecs_capabilities};
use ironrdp_pdu::slow_path::decode_slow_path_pointer;
use ironrdp_session::{SessionError, SessionErrorExt as _};
use tracing::debug;

use self::bitmap::Bitmaps;
use self::budget::Budget;
use self::fast_path::Fragments;
use self::palette::Palette;
use self::pipeline::{Pipeline, Renderer};
use self::pointer::Pointers;
use self::remotefx::RemoteFx;
use crate::RdpError;
use crate::connector::PictureSettings;
use crate::link::Link;

/// Most pixels of a desktop that nobody asked for: a 4K screen, which costs 33 MB as it is. A larger one must have been
/// asked for, and then its price is what the user wants.
pub(crate) const MAX_UNASKED_PX: usize = 1 << 23;

/// Scratch kept from one update to the next, in bytes. More than that is given back: it is needed once in a while, and
/// there are many sessions.
const KEPT_SCRATCH_BYTES: usize = 256 << 10;

/// What is asked of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphicsOptions {
    /// Bits a pixel: 8, 16, 24 or 32.
    pub(crate) color_depth: u8,
    /// Offer the graphics pipeline.
    pub(crate) gfx: bool,
    /// Offer RemoteFX outside of the pipeline.
    pub(crate) remotefx: bool,
    /// Offer nothing that loses detail.
    pub(crate) lossless: bool,
}

/// What the session has to do besides showing the surface.
#[derive(Debug)]
pub(crate) enum GraphicsEvent {
    /// The server says that the picture is complete. Servers without frames never do.
    FrameEnd,
    /// The pointer looks different.
    Cursor(Cursor),
    /// Tell the server that this frame was drawn.
    AcknowledgeFrame(u32),
    /// Ask the server for all of the picture.
    Refresh,
    /// The surface has another size.
    Resized,
}

/// Decoders and their state.
pub(crate) struct Graphics {
    options: GraphicsOptions,
    events: VecDeque<GraphicsEvent>,
    fragments: Fragments,
    palette: Palette,
    bitmaps: Bitmaps,
    remotefx: RemoteFx,
    pointers: Pointers,
    renderer: Option<Box<Renderer>>,
    refreshed: bool,
    /// Of the present PDU.
    budget: Budget,
    /// Pixels of the largest desktop that the user has asked for.
    asked_px: usize,
}

impl Graphics {
    pub(crate) fn new(options: GraphicsOptions) -> Self {
        Self {
            options,
            events: VecDeque::new(),
            fragments: Fragments::default(),
            palette: Palette::default(),
            bitmaps: Bitmaps::default(),
            remotefx: RemoteFx::default(),
            pointers: Pointers::default(),
            renderer: None,
            refreshed: false,
            budget: Budget::default(),
            asked_px: 0,
        }
    }

    /// How large a picture the server may make, if that is more than [`MAX_UNASKED_PX`].
    pub(crate) fn set_asked_px(&mut self, asked_px: usize) {
        self.asked_px = asked_px;
    }

    /// What is offered to the server.
    pub(crate) fn settings(&self) -> PictureSettings {
        let remotefx = self.options.remotefx && !self.options.lossless && self.options.color_depth == 32;
        let codecs =
            if remotefx { client_codecs_capabilities(&[]).unwrap_or_default() } else { BitmapCodecs::default() };
        PictureSettings {
            color_depth: self.options.color_depth,
            codecs,
            pipeline: self.pipeline().is_some(),
            max_update_bytes: fast_path::ANNOUNCED_UPDATE_BYTES,
        }
    }

    /// Takes a fast-path PDU, all of it.
    ///
    /// # Errors
    /// [`RdpError::Protocol`] if it is malformed.
    pub(crate) fn handle_fast_path(
        &mut self,
        pdu: &[u8],
        bulk: &mut Option<BulkCompressor>,
        surface: &mut Surface,
    ) -> Result<(), RdpError> {
        self.budget = Budget::of(surface);
        let mut rest = ReadCursor::new(pdu);
        fast_path::read_header(&mut rest)?;
        while !rest.is_empty() {
            let part = fast_path::read_part(&mut rest, bulk)?;
            if part.is_whole() {
                self.fragments.clear();
                self.draw(part.code, &part.data, surface)?;
            } else if let Some((code, data)) = self.fragments.add(&part)? {
                let drawn = self.draw(code, &data, surface);
                self.fragments.reuse(data);
                drawn?;
            }
        }
        Ok(())
    }

    /// Takes an update of the slow path, from its `updateType` on.
    ///
    /// # Errors
    /// [`RdpError::Protocol`] if it is malformed.
    pub(crate) fn handle_slow_path_update(&mut self, update: &[u8], surface: &mut Surface) -> Result<(), RdpError> {
        self.budget = Budget::of(surface);
        let code = match update {
            [0, 0, ..] => UpdateCode::Orders,
            [1, 0, ..] => UpdateCode::Bitmap,
            [2, 0, ..] => UpdateCode::Palette,
            [3, 0, ..] => UpdateCode::Synchronize,
            _ => return Err(broken("slow-path update of an unknown type")),
        };
        self.draw(code, update, surface)
    }

    /// Takes a pointer update of the slow path, from its `messageType` on.
    ///
    /// # Errors
    /// [`RdpError::Protocol`] if it is malformed.
    pub(crate) fn handle_slow_path_pointer(&mut self, update: &[u8]) -> Result<(), RdpError> {
        let update = decode_slow_path_pointer(&mut ReadCursor::new(update)).map_err(malformed)?;
        self.events.extend(self.pointers.handle(&update, &self.palette));
        Ok(())
    }

    /// The channel of the graphics pipeline, to attach before connecting; none where it is not offered.
    pub(crate) fn pipeline(&self) -> Option<Pipeline> {
        // Servers only have true colour in it, and most codecs of it lose detail.
        (self.options.gfx && !self.options.lossless && self.options.color_depth == 32).then(Pipeline::default)
    }

    /// Draws what arrived on the channel of the pipeline. To be called after each PDU of the channels.
    ///
    /// # Errors
    /// [`RdpError::Protocol`] if it is malformed.
    pub(crate) fn handle_pipeline(&mut self, link: &mut Link, surface: &mut Surface) -> Result<(), RdpError> {
        let Some(mut channel) = link.channels.get_dvc_mut::<Pipeline>() else { return Ok(()) };
        let (opened, messages) = channel.processor_mut().take();
        if opened {
            self.renderer = None;
        }
        let mut answers = Vec::new();
        for message in messages {
            answers.extend(self.draw_message(&message, surface)?);
        }
        link.send_dynamic::<Pipeline>(answers)
    }

    /// Draws one message of the pipeline and gives the answers to it.
    pub(crate) fn draw_message(&mut self, message: &[u8], surface: &mut Surface) -> Result<Vec<DvcMessage>, RdpError> {
        let drawn = self.renderer.get_or_insert_default().handle(message, self.asked_px, surface)?;
        if drawn.resized {
            self.events.push_back(GraphicsEvent::Resized);
        }
        if drawn.incomplete {
            self.refresh();
        }
        if drawn.frame_ended {
            self.end_frame();
        }
        Ok(drawn.answers)
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self) -> Option<GraphicsEvent> {
        self.events.pop_front()
    }

    /// Decodes one update into the surface.
    fn draw(&mut self, code: UpdateCode, data: &[u8], surface: &mut Surface) -> Result<(), RdpError> {
        match code {
            UpdateCode::Bitmap => self.bitmaps.draw_update(data, &self.palette, &mut self.budget, surface),
            UpdateCode::SurfaceCommands => self.draw_surface_commands(data, surface),
            UpdateCode::Palette => self.palette.update(data),
            UpdateCode::Synchronize => Ok(()),
            UpdateCode::Orders => {
                // None is in our capabilities.
                debug!(len_bytes = data.len(), "Drawing orders ignored");
                self.refresh();
                Ok(())
            }
            _ => {
                let update = pointer::read(code, data)?;
                self.events.extend(self.pointers.handle(&update, &self.palette));
                Ok(())
            }
        }
    }

    /// Asks for the picture, once: something in it could not be drawn, and would not be the second time either.
    fn refresh(&mut self) {
        if !self.refreshed {
            self.refreshed = true;
            self.events.push_back(GraphicsEvent::Refresh);
        }
    }

    /// Says that a frame ended, unless that was just said.
    fn end_frame(&mut self) {
        if !matches!(self.events.back(), Some(GraphicsEvent::FrameEnd)) {
            self.events.push_back(GraphicsEvent::FrameEnd);
        }
    }
}

/// A mistake of the server's in what it draws.
#[track_caller]
fn broken(what: &'static str) -> RdpError {
    RdpError::Protocol { source: SessionError::general(what) }
}

fn malformed(source: DecodeError) -> RdpError {
    RdpError::decode(source)
}

/// A rectangle whose right and bottom edges are behind the last pixel; nothing if they are before the first.
fn exclusive(rect: &ExclusiveRectangle) -> Rect {
    Rect::new(
        u32::from(rect.left),
        u32::from(rect.top),
        u32::from(rect.right.saturating_sub(rect.left)),
        u32::from(rect.bottom.saturating_sub(rect.top)),
    )
}

/// Lets `row` write each visible row of `rect`: the number of the row within `rect`, and its pixels, which are fewer
/// than `rect` has where it reaches out of the surface.
fn draw_rows(surface: &mut Surface, rect: Rect, mut row: impl FnMut(usize, &mut [u32])) {
    let visible = rect.intersection(surface.size().rect());
    for (index, pixels) in surface.rows_mut(visible).enumerate() {
        row(index, pixels);
    }
}

/// Empties a scratch buffer and gives back what is more than usual.
fn trim<T>(scratch: &mut Vec<T>) {
    scratch.clear();
    scratch.shrink_to(KEPT_SCRATCH_BYTES / size_of::<T>());
}

#[cfg(test)]
mod tests;
