//! ZRLE (RFC 6143 §7.7.6): deflated tiles of 64 pixels with palettes and runs.

use std::iter::repeat_n;

use super::{
    super::{error::Stop, inflate::Section, pixel::Wire, reader::Reader, rect::Rect},
    Context,
};

const SIDE: u16 = 64;

/// A ZRLE rectangle.
#[derive(Debug)]
pub(crate) struct Zrle {
    rect: Rect,
    next: u32,
    section: Option<Section>,
}

/// What a tile turned out to be; the pixels of one that is not solid are in the scratch memory.
enum Tile {
    Solid(u32),
    Pixels,
}

impl Zrle {
    pub(crate) fn new(rect: Rect) -> Self {
        Self { rect, next: 0, section: None }
    }

    pub(crate) fn step(&mut self, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        let Some(section) = &mut self.section else {
            self.section = Some(Section::new(reader.len32()?));
            context.streams.window.clear();
            return Ok(false);
        };
        let streams = &mut *context.streams;
        let Some(tile) = self.rect.tile(self.next, SIDE) else {
            if !streams.window.unread().is_empty() {
                return Err(Stop::malformed("ZRLE rectangle: too much data"));
            }
            section.finish(reader, streams.zrle.get())?;
            return Ok(true);
        };
        let area = usize::from(tile.width) * usize::from(tile.height);
        let wire = Wire::compact(context.depth);
        let parsed = loop {
            let mut plain = Reader::new(streams.window.unread());
            match parse_tile(&mut plain, wire, tile, area, &mut streams.pixels) {
                Ok(parsed) => {
                    let used = plain.taken();
                    streams.window.advance(used);
                    break parsed;
                }
                Err(Stop::Need) => {
                    let need = streams.window.unread().len() + 1;
                    section.fill(reader, streams.zrle.get(), &mut streams.window, need)?;
                }
                Err(stop) => return Err(stop),
            }
        };
        match parsed {
            Tile::Solid(colour) => context.canvas.fill(tile, colour),
            Tile::Pixels => context.canvas.put(tile, &mut streams.pixels),
        }
        self.next += 1;
        Ok(false)
    }
}

fn parse_tile(
    plain: &mut Reader<'_>,
    wire: Wire,
    tile: Rect,
    area: usize,
    pixels: &mut Vec<u32>,
) -> Result<Tile, Stop> {
    pixels.clear();
    match plain.u8()? {
        0 => wire.extend(plain.take(area * wire.len())?, pixels),
        1 => return Ok(Tile::Solid(wire.read(plain)?)),
        count @ 2..=16 => {
            let palette = Palette::read(plain, wire, count)?;
            palette.packed(plain, tile, pixels)?;
        }
        128 => {
            while pixels.len() < area {
                let colour = wire.read(plain)?;
                let len = run_length(plain, area - pixels.len())?;
                pixels.extend(repeat_n(colour, len));
            }
        }
        count @ 130..=255 => {
            let palette = Palette::read(plain, wire, count - 128)?;
            while pixels.len() < area {
                let index = plain.u8()?;
                let colour = palette.colour(index & 127)?;
                let len = if index & 128 == 0 { 1 } else { run_length(plain, area - pixels.len())? };
                pixels.extend(repeat_n(colour, len));
            }
        }
        _ => return Err(Stop::malformed("ZRLE tile type")),
    }
    Ok(Tile::Pixels)
}

/// One more than the sum of bytes up to the first that is not 255, at most `left`.
fn run_length(plain: &mut Reader<'_>, left: usize) -> Result<usize, Stop> {
    let mut len = 1;
    loop {
        let byte = plain.u8()?;
        len += usize::from(byte);
        if len > left {
            return Err(Stop::malformed("ZRLE run"));
        }
        if byte != u8::MAX {
            return Ok(len);
        }
    }
}

struct Palette {
    colours: [u32; 128],
    count: u8,
}

impl Palette {
    fn read(plain: &mut Reader<'_>, wire: Wire, count: u8) -> Result<Self, Stop> {
        let mut colours = [0; 128];
        for colour in colours.iter_mut().take(usize::from(count)) {
            *colour = wire.read(plain)?;
        }
        Ok(Self { colours, count })
    }

    fn colour(&self, index: u8) -> Result<u32, Stop> {
        let colour = self.colours.get(usize::from(index)).filter(|_| index < self.count);
        colour.copied().ok_or(Stop::malformed("ZRLE palette index"))
    }

    /// Rows of indices of 1, 2 or 4 bits, each row from a new byte.
    fn packed(&self, plain: &mut Reader<'_>, tile: Rect, pixels: &mut Vec<u32>) -> Result<(), Stop> {
        let bits: u8 = match self.count {
            ..=2 => 1,
            3..=4 => 2,
            _ => 4,
        };
        let per_byte = u16::from(8 / bits);
        for _ in 0..tile.height {
            let row = plain.take(usize::from(tile.width.div_ceil(per_byte)))?;
            let mut left = tile.width;
            for byte in row {
                for place in 1..=per_byte.min(left) {
                    let shift = 8 - u32::from(place) * u32::from(bits);
                    pixels.push(self.colour(byte >> shift & ((1 << bits) - 1))?);
                }
                left = left.saturating_sub(per_byte);
            }
        }
        Ok(())
    }
}
