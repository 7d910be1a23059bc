//! Tight: fills, palettes, a gradient filter, four deflate streams, and JPEG.

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{
    super::{
        error::{RfbError, Stop, check_limit},
        inflate::Section,
        pixel::{ColorDepth, Wire},
        reader::Reader,
        rect::Rect,
    },
    Context,
};

/// Data shorter than this is not compressed.
const MIN_TO_COMPRESS: usize = 12;

/// A JPEG needs few scans; each costs a pass over the picture.
const JPEG_SCANS_MAX: usize = 64;

/// A Tight rectangle.
#[derive(Debug)]
pub(crate) enum Tight {
    Start { rect: Rect },
    Jpeg { rect: Rect, len: usize },
    Basic(Box<Basic>),
}

impl Tight {
    pub(crate) fn new(rect: Rect) -> Self {
        Self::Start { rect }
    }

    pub(crate) fn step(&mut self, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        match self {
            Self::Start { rect } => {
                let rect = *rect;
                self.start(rect, reader, context)
            }
            Self::Jpeg { rect, len } => {
                jpeg(*rect, reader.take(*len)?, context)?;
                Ok(true)
            }
            Self::Basic(basic) => basic.step(reader, context),
        }
    }

    /// Reads everything before the data.
    fn start(&mut self, rect: Rect, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        let control = reader.u8()?;
        let wire = Wire::rgb(context.depth);
        let mut done = false;
        match control >> 4 {
            8 => {
                let colour = wire.read(reader)?;
                context.canvas.fill(rect, colour);
                done = true;
            }
            9 => {
                check_limit("JPEG rectangle", rect.area(), context.limits.jpeg_area_px)?;
                *self = Self::Jpeg { rect, len: compact_length(reader)? };
            }
            kind @ 0..=7 => {
                let filter = Filter::read(reader, kind & 4 != 0, wire, rect)?;
                *self = Self::Basic(Box::new(Basic::read(reader, rect, filter, kind & 3, wire)?));
            }
            _ => return Err(Stop::malformed("Tight compression type")),
        }
        for (index, stream) in context.streams.tight.iter_mut().enumerate() {
            if control >> index & 1 == 1 {
                stream.reset();
            }
        }
        context.streams.window.clear();
        Ok(done)
    }
}

/// How bytes become pixels.
#[derive(Debug)]
enum Filter {
    Copy,
    Palette(Vec<u32>),
    /// Components of the row above, in the depth's own range.
    Gradient(Vec<[u8; 3]>),
}

impl Filter {
    fn read(reader: &mut Reader<'_>, explicit: bool, wire: Wire, rect: Rect) -> Result<Self, Stop> {
        match if explicit { reader.u8()? } else { 0 } {
            0 => Ok(Self::Copy),
            1 => {
                let count = usize::from(reader.u8()?) + 1;
                let bytes = reader.take(count * wire.len())?;
                let mut palette = Vec::new();
                wire.extend(bytes, &mut palette);
                Ok(Self::Palette(palette))
            }
            2 => Ok(Self::Gradient(vec![[0; 3]; usize::from(rect.width)])),
            _ => Err(Stop::malformed("Tight filter")),
        }
    }

    fn row_bytes(&self, rect: Rect, wire: Wire) -> usize {
        let width = usize::from(rect.width);
        match self {
            Self::Palette(palette) if palette.len() <= 2 => width.div_ceil(8),
            Self::Palette(_) => width,
            Self::Copy | Self::Gradient(_) => width * wire.len(),
        }
    }

    /// Appends the pixels of one row.
    fn row(&mut self, bytes: &[u8], wire: Wire, depth: ColorDepth, width: u16, out: &mut Vec<u32>) -> Result<(), Stop> {
        match self {
            Self::Copy => wire.extend(bytes, out),
            Self::Palette(palette) => {
                let colour =
                    |index: u8| palette.get(usize::from(index)).copied().ok_or(Stop::malformed("Tight palette index"));
                if palette.len() <= 2 {
                    let bits = bytes.iter().flat_map(|byte| (0..8).map(move |i| byte >> (7 - i) & 1));
                    for bit in bits.take(usize::from(width)) {
                        out.push(colour(bit)?);
                    }
                } else {
                    for index in bytes {
                        out.push(colour(*index)?);
                    }
                }
            }
            Self::Gradient(above) => {
                let maxima = depth.maxima();
                let (mut left, mut corner) = ([0; 3], [0; 3]);
                for (bytes, above) in bytes.chunks_exact(wire.len()).zip(above.iter_mut()) {
                    let value = add_gradient(wire.components(bytes), left, *above, corner, maxima);
                    corner = *above;
                    *above = value;
                    left = value;
                    out.push(depth.compose(value));
                }
            }
        }
        Ok(())
    }
}

/// The difference plus its prediction: left + above - corner, kept within the component's range.
fn add_gradient(difference: [u8; 3], left: [u8; 3], above: [u8; 3], corner: [u8; 3], maxima: [u8; 3]) -> [u8; 3] {
    let mut value = [0; 3];
    let parts = difference.into_iter().zip(left).zip(above).zip(corner).zip(maxima);
    for (out, ((((difference, left), above), corner), max)) in value.iter_mut().zip(parts) {
        let guess = (i16::from(left) + i16::from(above) - i16::from(corner)).clamp(0, i16::from(max));
        *out = u8::try_from(guess).unwrap_or(0).wrapping_add(difference) & max;
    }
    value
}

/// Rows under way.
#[derive(Debug)]
pub(crate) struct Basic {
    rect: Rect,
    next: u16,
    filter: Filter,
    row_bytes: usize,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Plain,
    Deflated { stream: u8, section: Section },
}

impl Basic {
    fn read(reader: &mut Reader<'_>, rect: Rect, filter: Filter, stream: u8, wire: Wire) -> Result<Self, Stop> {
        let row_bytes = filter.row_bytes(rect, wire);
        let total = row_bytes * usize::from(rect.height);
        let source = if total < MIN_TO_COMPRESS {
            Source::Plain
        } else {
            Source::Deflated { stream, section: Section::new(compact_length(reader)?) }
        };
        let next = if row_bytes == 0 { rect.height } else { 0 };
        Ok(Self { rect, next, filter, row_bytes, source })
    }

    fn step(&mut self, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        let full = self.next >= self.rect.height;
        match &mut self.source {
            Source::Plain if full => Ok(true),
            Source::Plain => {
                let bytes = reader.take(self.row_bytes)?;
                self.draw(bytes, 1, context)?;
                Ok(self.next >= self.rect.height)
            }
            Source::Deflated { stream, section } => {
                let streams = &mut *context.streams;
                let Some(inflater) = streams.tight.get_mut(usize::from(*stream)) else {
                    return Err(Stop::malformed("Tight stream"));
                };
                if full {
                    if !streams.window.unread().is_empty() {
                        return Err(Stop::malformed("Tight rectangle: too much data"));
                    }
                    section.finish(reader, inflater.get())?;
                    return Ok(true);
                }
                section.fill(reader, inflater.get(), &mut streams.window, self.row_bytes)?;
                let mut window = std::mem::take(&mut streams.window);
                let left = usize::from(self.rect.height.saturating_sub(self.next));
                let rows = (window.unread().len() / self.row_bytes).min(left);
                let drawn = self.draw(window.unread(), rows, context);
                window.advance(rows * self.row_bytes);
                context.streams.window = window;
                drawn.map(|()| false)
            }
        }
    }

    fn draw(&mut self, bytes: &[u8], rows: usize, context: &mut Context<'_>) -> Result<(), Stop> {
        let wire = Wire::rgb(context.depth);
        let pixels = &mut context.streams.pixels;
        pixels.clear();
        for row in bytes.chunks_exact(self.row_bytes).take(rows) {
            self.filter.row(row, wire, context.depth, self.rect.width, pixels)?;
        }
        let rows = u16::try_from(rows).map_err(|_| Stop::malformed("Tight rows"))?;
        context.canvas.put(self.rect.rows(self.next, rows), pixels);
        self.next += rows;
        Ok(())
    }
}

/// A length of up to 22 bits in one to three bytes, least significant seven bits first.
fn compact_length(reader: &mut Reader<'_>) -> Result<usize, Stop> {
    let first = reader.u8()?;
    let mut len = usize::from(first & 0x7F);
    if first & 0x80 != 0 {
        let second = reader.u8()?;
        len |= usize::from(second & 0x7F) << 7;
        if second & 0x80 != 0 {
            len |= usize::from(reader.u8()?) << 14;
        }
    }
    Ok(len)
}

fn jpeg(rect: Rect, data: &[u8], context: &mut Context<'_>) -> Result<(), Stop> {
    let failed = |source| Stop::Fail(RfbError::Jpeg { source });
    let (width, height) = (usize::from(rect.width), usize::from(rect.height));
    let options = DecoderOptions::new_fast()
        .set_max_width(width)
        .set_max_height(height)
        .jpeg_set_max_scans(JPEG_SCANS_MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
    decoder.decode_headers().map_err(failed)?;
    let same_size = decoder.dimensions() == Some((width, height));
    if !same_size || decoder.output_buffer_size() != Some(width * height * 3) {
        return Err(Stop::malformed("JPEG size"));
    }
    let rgb = decoder.decode().map_err(failed)?;
    let (rgb, _) = rgb.as_chunks::<3>();
    let pixels = &mut context.streams.pixels;
    pixels.clear();
    pixels.extend(rgb.iter().map(|[r, g, b]| u32::from_be_bytes([0, *r, *g, *b])));
    context.canvas.put(rect, pixels);
    // A JPEG may be much larger than the batches of all other decoders.
    pixels.shrink_to(1 << 14);
    Ok(())
}
