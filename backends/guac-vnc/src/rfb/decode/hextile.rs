//! Hextile (RFC 6143 §7.7.4): tiles of 16 pixels, each plain or a background with rectangles.

use super::{
    super::{error::Stop, pixel::Wire, reader::Reader, rect::Rect},
    Context,
};

const SIDE: u16 = 16;

const RAW: u8 = 1;
const BACKGROUND: u8 = 2;
const FOREGROUND: u8 = 4;
const SUBRECTS: u8 = 8;
const COLOURED: u8 = 16;

/// A Hextile rectangle.
#[derive(Debug)]
pub(crate) struct Hextile {
    rect: Rect,
    next: u32,
    background: u32,
    foreground: u32,
}

impl Hextile {
    pub(crate) fn new(rect: Rect) -> Self {
        Self { rect, next: 0, background: 0, foreground: 0 }
    }

    pub(crate) fn step(&mut self, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        let Some(tile) = self.rect.tile(self.next, SIDE) else { return Ok(true) };
        let wire = Wire::full(context.depth);
        let kind = reader.u8()?;
        if kind & RAW != 0 {
            let len = usize::from(tile.width) * usize::from(tile.height) * wire.len();
            let bytes = reader.take(len)?;
            let pixels = &mut context.streams.pixels;
            pixels.clear();
            wire.extend(bytes, pixels);
            context.canvas.put(tile, pixels);
        } else {
            self.coloured_tile(kind, tile, reader, context)?;
        }
        self.next += 1;
        Ok(self.rect.tile(self.next, SIDE).is_none())
    }

    fn coloured_tile(
        &mut self,
        kind: u8,
        tile: Rect,
        reader: &mut Reader<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let wire = Wire::full(context.depth);
        let background = if kind & BACKGROUND != 0 { wire.read(reader)? } else { self.background };
        let mut foreground = if kind & FOREGROUND != 0 { wire.read(reader)? } else { self.foreground };
        let count = if kind & SUBRECTS != 0 { reader.u8()? } else { 0 };
        let pixels = &mut context.streams.pixels;
        pixels.clear();
        pixels.resize(usize::from(tile.width) * usize::from(tile.height), background);
        for _ in 0..count {
            if kind & COLOURED != 0 {
                foreground = wire.read(reader)?;
            }
            let [position, size] = reader.array()?;
            let part = Rect::new(
                u16::from(position >> 4),
                u16::from(position & 15),
                u16::from(size >> 4) + 1,
                u16::from(size & 15) + 1,
            );
            if !part.within(tile.width, tile.height) {
                return Err(Stop::malformed("Hextile sub-rectangle"));
            }
            paint(pixels, tile.width, part, foreground);
        }
        // The unit is complete: now the colours that later tiles inherit may change.
        self.background = background;
        if kind & COLOURED == 0 {
            self.foreground = foreground;
        }
        if count == 0 {
            context.canvas.fill(tile, background);
        } else {
            context.canvas.put(tile, &mut context.streams.pixels);
        }
        Ok(())
    }
}

/// Paints `part` of a tile that is `width` pixels wide.
fn paint(pixels: &mut [u32], width: u16, part: Rect, colour: u32) {
    let rows = pixels.chunks_exact_mut(usize::from(width)).skip(usize::from(part.y)).take(usize::from(part.height));
    for row in rows {
        for pixel in row.iter_mut().skip(usize::from(part.x)).take(usize::from(part.width)) {
            *pixel = colour;
        }
    }
}
