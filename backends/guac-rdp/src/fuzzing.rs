//! What the workspace's fuzz targets reach of the decoders. No part of the crate's interface.

use std::any::TypeId;

use guac_display::{Picture as _, Size, Surface};
use ironrdp_dvc::DrdynvcClient;
use ironrdp_rdpdr::Rdpdr;
use ironrdp_session::x224;
use ironrdp_svc::StaticChannelSet;

use crate::channels::{Bounds, ClipboardProcessor, Verdict};
use crate::graphics::{Graphics, GraphicsOptions};
use crate::link::Link;

/// A picture of 96x80 pixels and a server's bytes to draw on it. The functions say whether the bytes were accepted.
pub struct Screen {
    graphics: Graphics,
    surface: Surface,
}

impl Screen {
    /// Pixels per row.
    pub const WIDTH: usize = 96;
    /// Rows.
    pub const HEIGHT: usize = 80;

    /// A black picture; none if its size were wrong.
    #[must_use]
    pub fn new() -> Option<Self> {
        let size = Size::new(u32::try_from(Self::WIDTH).ok()?, u32::try_from(Self::HEIGHT).ok()?).ok()?;
        let options = GraphicsOptions { color_depth: 32, gfx: true, remotefx: true, lossless: false };
        Some(Self { graphics: Graphics::new(options), surface: Surface::new(size) })
    }

    /// Draws a fast-path PDU.
    pub fn fast_path(&mut self, pdu: &[u8]) -> bool {
        let accepted = self.graphics.handle_fast_path(pdu, &mut None, &mut self.surface).is_ok();
        while self.graphics.poll().is_some() {}
        accepted
    }

    /// Draws an update of the slow path, or shows its pointer.
    pub fn slow_path(&mut self, update: &[u8], pointer: bool) -> bool {
        let accepted = if pointer {
            self.graphics.handle_slow_path_pointer(update).is_ok()
        } else {
            self.graphics.handle_slow_path_update(update, &mut self.surface).is_ok()
        };
        while self.graphics.poll().is_some() {}
        accepted
    }

    /// Draws a message of the graphics pipeline.
    pub fn pipeline(&mut self, message: &[u8]) -> bool {
        let accepted = self.graphics.draw_message(message, &mut self.surface).is_ok();
        while self.graphics.poll().is_some() {}
        accepted
    }

    /// The picture, row by row: `0x00RRGGBB`.
    pub fn pixels(&mut self) -> Vec<u32> {
        let mut pixels = Vec::new();
        self.surface.read(self.surface.size().rect(), &mut pixels);
        pixels
    }
}

/// Our ends of the clipboard's, the devices' and the dynamic channels.
pub struct Channels {
    link: Link,
    bounds: Bounds,
}

impl Channels {
    /// The first channel's number on the wire; the others follow.
    pub const FIRST: u16 = 1004;

    /// Nothing was said on any of them.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "fuzz targets call it, and nothing else")]
    pub fn new() -> Self {
        let mut channels = StaticChannelSet::new();
        channels.insert(ClipboardProcessor::new(1 << 18));
        channels.attach_channel_id(TypeId::of::<ClipboardProcessor>(), Self::FIRST);
        channels.insert(crate::drive::fuzzing());
        channels.attach_channel_id(TypeId::of::<Rdpdr>(), Self::FIRST + 1);
        let options = GraphicsOptions { color_depth: 32, gfx: true, remotefx: true, lossless: false };
        let mut dynamic = DrdynvcClient::new();
        if let Some(pipeline) = Graphics::new(options).pipeline() {
            dynamic.attach_dynamic_channel(pipeline);
        }
        channels.insert(dynamic);
        channels.attach_channel_id(TypeId::of::<DrdynvcClient>(), Self::FIRST + 2);
        let bounds = Bounds::new(&channels);
        Self { link: Link::new(x224::Processor::new(channels, 1007, 1003, None, 0)), bounds }
    }

    /// Takes a PDU as it comes from the socket; says whether it was accepted.
    pub fn handle(&mut self, pdu: &[u8]) -> bool {
        let accepted = match self.bounds.admit(pdu, &mut self.link) {
            Ok(Verdict::Skip) => true,
            Ok(Verdict::Process) => self.link.channels.process(pdu, &mut None, None).is_ok(),
            Err(_) => false,
        };
        self.link.unsent().clear();
        accepted
    }
}
