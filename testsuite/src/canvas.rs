//! What a client of a session under test would show, and what it must never be told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use guac_protocol::{Instruction, LayerIndex, ServerInstruction};

/// A client's layers and pointer after the instructions it was given. Stricter than a client has to be: what we send
/// never copies from outside a layer, and never fills without a path.
#[derive(Debug, Default)]
pub struct Canvas {
    /// Looking flattens, and tests look through shared references.
    screen: Mutex<guac_canvas::Canvas>,
    sizes: HashMap<LayerIndex, (u32, u32)>,
    paths: HashMap<LayerIndex, u32>,
    /// Types of the images begun so far.
    pub mimetypes: Vec<String>,
    /// Number of frames ended.
    pub frames: usize,
    /// Timestamp of the last frame.
    pub last_sync_ms: Option<i64>,
    /// Hotspot and size of the pointer last set.
    pub cursor: Option<(i32, i32, u32, u32)>,
    /// The title last set.
    pub title: Option<String>,
}

impl Canvas {
    /// Nothing drawn yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Width and height of the default layer.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let (width, height) = self.screen().size();
        (width as usize, height as usize)
    }

    /// Pixels of the display, row-major, `0x00RRGGBB`.
    #[must_use]
    pub fn pixels(&self) -> Vec<u32> {
        self.screen().pixels()
    }

    /// Replays one instruction; those that draw nothing are ignored.
    ///
    /// # Errors
    /// Images that do not decode, and what nobody should send.
    pub fn handle(&mut self, instruction: &Instruction<'_>) -> Result<()> {
        if let Ok(typed) = ServerInstruction::try_from(instruction) {
            self.check(&typed)?;
        }
        self.screen().handle(instruction)?;
        Ok(())
    }

    fn check(&mut self, typed: &ServerInstruction<'_>) -> Result<()> {
        match *typed {
            ServerInstruction::Size { layer, width, height } => {
                self.sizes.insert(layer, (width, height));
            }
            ServerInstruction::Img { mimetype, .. } => self.mimetypes.push(mimetype.to_owned()),
            ServerInstruction::Rect { layer, .. } => *self.paths.entry(layer).or_default() += 1,
            ServerInstruction::Cfill { layer, .. } => {
                self.paths.remove(&layer).context("cfill without rect")?;
            }
            ServerInstruction::Copy { src_layer, src_x, src_y, width, height, .. } => {
                let size = self.sizes.get(&src_layer).context("copy from a layer that is not there")?;
                let inside =
                    |at: i32, len: u32, side: u32| at >= 0 && i64::from(at) + i64::from(len) <= i64::from(side);
                ensure!(inside(src_x, width, size.0) && inside(src_y, height, size.1), "copy from outside the layer");
            }
            ServerInstruction::Cursor { hotspot_x, hotspot_y, width, height, .. } => {
                self.cursor = Some((hotspot_x, hotspot_y, width, height));
            }
            ServerInstruction::Name { name } => self.title = Some(name.to_owned()),
            ServerInstruction::Sync { timestamp_ms, .. } => {
                self.frames += 1;
                self.last_sync_ms = Some(timestamp_ms);
            }
            _ => {}
        }
        Ok(())
    }

    fn screen(&self) -> MutexGuard<'_, guac_canvas::Canvas> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
