//! The 256 colours of 8-bit sessions.

use super::{broken, pixels};
use crate::RdpError;

/// Bytes before the colours: `updateType`, padding and `numberColors`.
const HEADER_BYTES: usize = 8;
const COLOURS: usize = 256;

/// Colours by index, `0x00RRGGBB` each.
pub(super) struct Palette([u32; COLOURS]);

impl Default for Palette {
    /// The static colours that Windows reserves at both ends, black between.
    fn default() -> Self {
        const FIRST: [u32; 10] = [
            0x00_0000, 0x80_0000, 0x00_8000, 0x80_8000, 0x00_0080, 0x80_0080, 0x00_8080, 0xC0_C0C0, 0xC0_DCC0,
            0xA6_CAF0,
        ];
        const LAST: [u32; 10] = [
            0xFF_FBF0, 0xA0_A0A4, 0x80_8080, 0xFF_0000, 0x00_FF00, 0xFF_FF00, 0x00_00FF, 0xFF_00FF, 0x00_FFFF,
            0xFF_FFFF,
        ];
        let mut colours = [0; COLOURS];
        for (colour, fixed) in colours.iter_mut().zip(FIRST) {
            *colour = fixed;
        }
        for (colour, fixed) in colours.iter_mut().rev().zip(LAST.into_iter().rev()) {
            *colour = fixed;
        }
        Self(colours)
    }
}

impl Palette {
    /// Takes a palette update, from its `updateType` on.
    ///
    /// # Specification
    /// MS-RDPBCGR 2.2.9.1.1.3.1.1.
    pub(super) fn update(&mut self, update: &[u8]) -> Result<(), RdpError> {
        let entries = update.get(HEADER_BYTES..HEADER_BYTES + COLOURS * 3);
        let entries = entries.ok_or_else(|| broken("palette of fewer than 256 colours"))?;
        for (colour, &[red, green, blue]) in self.0.iter_mut().zip(entries.as_chunks().0) {
            *colour = pixels::rgb(red, green, blue);
        }
        Ok(())
    }

    /// The colour at an index.
    pub(super) fn colour(&self, index: u8) -> u32 {
        self.0.get(usize::from(index)).copied().unwrap_or_default()
    }

    /// Three bytes a colour, as the pointer decoder wants them.
    pub(super) fn to_bytes(&self) -> [[u8; 3]; COLOURS] {
        self.0.map(|colour| {
            let [_, red, green, blue] = colour.to_be_bytes();
            [red, green, blue]
        })
    }
}
