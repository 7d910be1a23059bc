//! Small encoders that use every feature of every encoding.

use flate2::{Compress, Compression, FlushCompress, Status};
use guac_vnc::rfb::{ColorDepth, Encoding};

use crate::support::Dice;

/// Pixels as components in the range of the depth, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) depth: ColorDepth,
    pub(crate) pixels: Vec<[u8; 3]>,
}

impl Source {
    /// Runs of a few colours, or noise.
    pub(crate) fn random(dice: &mut Dice, width: u16, height: u16, depth: ColorDepth) -> Self {
        let max = maxima(depth);
        let colours = [1, 2, 3, 4, 9, 16, 17, 100, 5000][dice.roll(9) as usize];
        let longest_run = [1, 3, 40, 400][dice.roll(4) as usize];
        let palette: Vec<[u8; 3]> =
            (0..colours).map(|_| max.map(|max| u8::try_from(dice.roll(u32::from(max) + 1)).unwrap())).collect();
        let mut pixels = Vec::new();
        let area = usize::from(width) * usize::from(height);
        while pixels.len() < area {
            let colour = palette[dice.roll(colours) as usize];
            let run = 1 + dice.roll(longest_run) as usize;
            pixels.extend(std::iter::repeat_n(colour, run.min(area - pixels.len())));
        }
        Self { width, height, depth, pixels }
    }

    /// What a decoder shall draw.
    pub(crate) fn expected(&self) -> Vec<u32> {
        let max = maxima(self.depth);
        let scale = |value: u8, max: u8| (u32::from(value) * 510 + u32::from(max)) / (u32::from(max) * 2);
        self.pixels.iter().map(|p| scale(p[0], max[0]) << 16 | scale(p[1], max[1]) << 8 | scale(p[2], max[2])).collect()
    }

    fn at(&self, x: u16, y: u16) -> [u8; 3] {
        self.pixels[usize::from(y) * usize::from(self.width) + usize::from(x)]
    }

    /// The tiles in order, each with its size and pixels.
    fn tiles(&self, side: u16) -> Vec<Source> {
        let mut tiles = Vec::new();
        for top in (0..self.height).step_by(usize::from(side)) {
            for left in (0..self.width).step_by(usize::from(side)) {
                let (width, height) = ((self.width - left).min(side), (self.height - top).min(side));
                let rows = (top..top + height).flat_map(|y| (left..left + width).map(move |x| (x, y)));
                let pixels = rows.map(|(x, y)| self.at(x, y)).collect();
                tiles.push(Source { width, height, depth: self.depth, pixels });
            }
        }
        tiles
    }

    fn palette(&self) -> Vec<[u8; 3]> {
        let mut palette: Vec<[u8; 3]> = Vec::new();
        for pixel in &self.pixels {
            if !palette.contains(pixel) {
                palette.push(*pixel);
            }
        }
        palette
    }

    /// Runs as start and length.
    fn runs(&self) -> Vec<([u8; 3], usize)> {
        self.pixels.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect()
    }
}

pub(crate) fn maxima(depth: ColorDepth) -> [u8; 3] {
    match depth {
        ColorDepth::Bits8 => [7, 7, 3],
        ColorDepth::Bits16 => [31, 63, 31],
        ColorDepth::Bits24 => [255; 3],
    }
}

/// A pixel in full, of the depth's format.
fn full(depth: ColorDepth, [r, g, b]: [u8; 3]) -> Vec<u8> {
    match depth {
        ColorDepth::Bits8 => vec![r | g << 3 | b << 6],
        ColorDepth::Bits16 => (u16::from(r) << 11 | u16::from(g) << 5 | u16::from(b)).to_le_bytes().to_vec(),
        // The unused byte is whatever the server left there.
        ColorDepth::Bits24 => vec![b, g, r, 0xAA],
    }
}

fn cpixel(depth: ColorDepth, pixel: [u8; 3]) -> Vec<u8> {
    let mut bytes = full(depth, pixel);
    bytes.truncate(3);
    bytes
}

fn tpixel(depth: ColorDepth, pixel: [u8; 3]) -> Vec<u8> {
    if depth == ColorDepth::Bits24 { pixel.to_vec() } else { full(depth, pixel) }
}

/// A server's compression streams.
pub(crate) struct Encoders {
    zlib: Compress,
    zrle: Compress,
    tight: [Compress; 4],
}

impl Encoders {
    pub(crate) fn new() -> Self {
        let fresh = || Compress::new(Compression::fast(), true);
        Self { zlib: fresh(), zrle: fresh(), tight: [fresh(), fresh(), fresh(), fresh()] }
    }

    /// A rectangle's data.
    pub(crate) fn encode(&mut self, encoding: Encoding, source: &Source, dice: &mut Dice) -> Vec<u8> {
        match encoding {
            Encoding::Raw => raw(source),
            Encoding::Rre => rre(source, false),
            Encoding::CoRre => rre(source, true),
            Encoding::Hextile => hextile(source, dice),
            Encoding::Zlib => with_length(deflate(&mut self.zlib, &raw(source))),
            Encoding::Zrle => with_length(deflate(&mut self.zrle, &zrle(source, dice))),
            Encoding::Tight => self.tight(source, dice),
            Encoding::CopyRect => unreachable!("has no pixels"),
        }
    }

    fn tight(&mut self, source: &Source, dice: &mut Dice) -> Vec<u8> {
        let palette = source.palette();
        if palette.len() == 1 && dice.roll(2) == 0 {
            return [vec![0x80], tpixel(source.depth, palette[0])].concat();
        }
        let stream = dice.roll(4);
        let mut control = u8::try_from(stream << 4).unwrap();
        if dice.roll(4) == 0 {
            control |= 1 << stream;
            self.tight[stream as usize].reset();
        }
        let (mut bytes, data) = match dice.roll(3) {
            0 => (vec![control], source.pixels.iter().flat_map(|p| tpixel(source.depth, *p)).collect()),
            1 if palette.len() <= 256 => tight_palette(source, &palette, control),
            _ => (vec![control | 0x40, 2], tight_gradient(source)),
        };
        if data.len() < 12 {
            bytes.extend(data);
        } else {
            let data = deflate(&mut self.tight[stream as usize], &data);
            bytes.extend(compact_length(data.len()));
            bytes.extend(data);
        }
        bytes
    }
}

fn tight_palette(source: &Source, palette: &[[u8; 3]], control: u8) -> (Vec<u8>, Vec<u8>) {
    let mut head = vec![control | 0x40, 1, u8::try_from(palette.len() - 1).unwrap()];
    head.extend(palette.iter().flat_map(|p| tpixel(source.depth, *p)));
    let index = |pixel: &[u8; 3]| u8::try_from(palette.iter().position(|p| p == pixel).unwrap()).unwrap();
    let rows = source.pixels.chunks_exact(usize::from(source.width));
    let data = if palette.len() <= 2 {
        rows.flat_map(|row| pack_bits(&row.iter().map(index).collect::<Vec<_>>(), 1)).collect()
    } else {
        source.pixels.iter().map(index).collect()
    };
    (head, data)
}

fn tight_gradient(source: &Source) -> Vec<u8> {
    let max = maxima(source.depth);
    let mut data = Vec::new();
    for y in 0..source.height {
        for x in 0..source.width {
            let at = |dx: u16, dy: u16| if x < dx || y < dy { [0; 3] } else { source.at(x - dx, y - dy) };
            let (left, above, corner) = (at(1, 0), at(0, 1), at(1, 1));
            let mut difference = [0; 3];
            for i in 0..3 {
                let guess = i32::from(left[i]) + i32::from(above[i]) - i32::from(corner[i]);
                let guess = guess.clamp(0, i32::from(max[i]));
                difference[i] =
                    u8::try_from((i32::from(source.at(x, y)[i]) - guess).rem_euclid(i32::from(max[i]) + 1)).unwrap();
            }
            data.extend(tpixel(source.depth, difference));
        }
    }
    data
}

pub(crate) fn compact_length(len: usize) -> Vec<u8> {
    let byte = |shift: u32| u8::try_from(len >> shift & 0x7F).unwrap();
    match len {
        0..0x80 => vec![byte(0)],
        0x80..0x4000 => vec![byte(0) | 0x80, byte(7)],
        _ => vec![byte(0) | 0x80, byte(7) | 0x80, u8::try_from(len >> 14).unwrap()],
    }
}

pub(crate) fn with_length(data: Vec<u8>) -> Vec<u8> {
    [u32::try_from(data.len()).unwrap().to_be_bytes().to_vec(), data].concat()
}

/// Compresses and flushes.
pub(crate) fn deflate(stream: &mut Compress, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 1024);
    let start = stream.total_in();
    loop {
        let used = usize::try_from(stream.total_in() - start).unwrap();
        let status = stream.compress_vec(&data[used..], &mut out, FlushCompress::Sync).unwrap();
        if out.len() < out.capacity() || status == Status::BufError {
            return out;
        }
        out.reserve(1024);
    }
}

fn raw(source: &Source) -> Vec<u8> {
    source.pixels.iter().flat_map(|p| full(source.depth, *p)).collect()
}

/// One sub-rectangle a run, on a background that is the first pixel.
fn rre(source: &Source, compact: bool) -> Vec<u8> {
    let background = source.pixels[0];
    let mut count = 0_u32;
    let mut parts = Vec::new();
    for (y, row) in source.pixels.chunks_exact(usize::from(source.width)).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] != background {
                count += 1;
                parts.extend(full(source.depth, run[0]));
                for number in [x, y, run.len(), 1] {
                    let number = u16::try_from(number).unwrap().to_be_bytes();
                    parts.extend(&number[usize::from(compact)..]);
                }
            }
            x += run.len();
        }
    }
    [count.to_be_bytes().to_vec(), full(source.depth, background), parts].concat()
}

fn hextile(source: &Source, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut inherited: (Option<[u8; 3]>, Option<[u8; 3]>) = (None, None);
    for tile in source.tiles(16) {
        let palette = tile.palette();
        let background = tile.pixels[0];
        let mut parts: Vec<([u8; 3], u8, u8)> = Vec::new();
        for (y, row) in tile.pixels.chunks_exact(usize::from(tile.width)).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                if run[0] != background {
                    let size = u8::try_from(run.len() - 1).unwrap() << 4;
                    parts.push((run[0], u8::try_from(x << 4 | y).unwrap(), size));
                }
                x += run.len();
            }
        }
        if parts.len() > 255 || dice.roll(8) == 0 {
            bytes.push(1);
            bytes.extend(raw(&tile));
            // What follows a raw tile must state its colours.
            inherited = (None, None);
            continue;
        }
        let coloured = palette.len() > 2;
        let mut kind = 0;
        let mut head = Vec::new();
        if inherited.0 != Some(background) {
            kind |= 2;
            head.extend(full(tile.depth, background));
            inherited.0 = Some(background);
        }
        if palette.len() == 2 && inherited.1 != Some(palette[1]) {
            kind |= 4;
            head.extend(full(tile.depth, palette[1]));
            inherited.1 = Some(palette[1]);
        }
        if !parts.is_empty() {
            kind |= 8;
            head.push(u8::try_from(parts.len()).unwrap());
        }
        if coloured {
            kind |= 16;
            inherited.1 = None;
        }
        for (colour, position, size) in parts {
            if coloured {
                head.extend(full(tile.depth, colour));
            }
            head.extend([position, size]);
        }
        bytes.push(kind);
        bytes.extend(head);
    }
    bytes
}

fn zrle(source: &Source, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for tile in source.tiles(64) {
        let palette = tile.palette();
        let colours: Vec<u8> = palette.iter().flat_map(|p| cpixel(tile.depth, *p)).collect();
        let index = |pixel: &[u8; 3]| u8::try_from(palette.iter().position(|p| p == pixel).unwrap()).unwrap();
        let count = u8::try_from(palette.len()).unwrap_or(u8::MAX);
        match (count, dice.roll(4)) {
            (1, 1..) => {
                bytes.push(1);
                bytes.extend(colours);
            }
            (2..=16, 1) => {
                bytes.push(count);
                bytes.extend(colours);
                let bits = [1, 1, 1, 2, 2, 4][usize::from(count.min(5))];
                for row in tile.pixels.chunks_exact(usize::from(tile.width)) {
                    bytes.extend(pack_bits(&row.iter().map(index).collect::<Vec<_>>(), bits));
                }
            }
            (2..=127, 2) => {
                bytes.push(128 + count);
                bytes.extend(colours);
                for (colour, len) in tile.runs() {
                    if len == 1 {
                        bytes.push(index(&colour));
                    } else {
                        bytes.push(index(&colour) | 128);
                        bytes.extend(run_length(len));
                    }
                }
            }
            (_, 3) => {
                bytes.push(128);
                for (colour, len) in tile.runs() {
                    bytes.extend(cpixel(tile.depth, colour));
                    bytes.extend(run_length(len));
                }
            }
            _ => {
                bytes.push(0);
                bytes.extend(tile.pixels.iter().flat_map(|p| cpixel(tile.depth, *p)));
            }
        }
    }
    bytes
}

fn run_length(len: usize) -> Vec<u8> {
    let mut bytes = vec![255; (len - 1) / 255];
    bytes.push(u8::try_from((len - 1) % 255).unwrap());
    bytes
}

fn pack_bits(indices: &[u8], bits: usize) -> Vec<u8> {
    indices
        .chunks(8 / bits)
        .map(|chunk| chunk.iter().enumerate().fold(0, |byte, (place, index)| byte | index << (8 - bits * (place + 1))))
        .collect()
}
