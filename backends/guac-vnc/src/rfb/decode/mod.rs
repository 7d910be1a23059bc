//! Rectangle decoders: each takes as much input as there is, draws it, and keeps only what the next piece needs.

mod cursor;
mod hextile;
mod rows;
mod rre;
mod tight;
mod zrle;

pub(crate) use self::cursor::{alpha_cursor, rich_cursor, x_cursor};
use self::{
    hextile::Hextile,
    rows::{Raw, ZlibRows},
    rre::Rre,
    tight::Tight,
    zrle::Zrle,
};
use super::{
    encoding::Encoding,
    error::{RfbError, Stop},
    framebuffer::Canvas,
    inflate::{LazyStream, Window},
    limits::Limits,
    pixel::ColorDepth,
    reader::Reader,
    rect::Rect,
};

/// What outlives a rectangle: the decompression streams, which later rectangles continue, and reusable memory.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    zlib: LazyStream,
    zrle: LazyStream,
    tight: [LazyStream; 4],
    window: Window,
    pixels: Vec<u32>,
}

/// What a decoder works with.
pub(crate) struct Context<'a> {
    pub(crate) canvas: Canvas<'a>,
    pub(crate) streams: &'a mut Streams,
    pub(crate) depth: ColorDepth,
    pub(crate) limits: &'a Limits,
    /// Size of the framebuffer, against which sources of copies are checked.
    pub(crate) size: (u16, u16),
}

/// A rectangle under way.
#[derive(Debug)]
pub(crate) enum Decoder {
    Raw(Raw),
    CopyRect(Rect),
    Rre(Rre),
    Hextile(Hextile),
    Zlib(ZlibRows),
    Tight(Tight),
    Zrle(Zrle),
}

impl Decoder {
    pub(crate) fn new(encoding: Encoding, rect: Rect) -> Self {
        match encoding {
            Encoding::Raw => Self::Raw(Raw::new(rect)),
            Encoding::CopyRect => Self::CopyRect(rect),
            Encoding::Rre => Self::Rre(Rre::new(rect, false)),
            Encoding::CoRre => Self::Rre(Rre::new(rect, true)),
            Encoding::Hextile => Self::Hextile(Hextile::new(rect)),
            Encoding::Zlib => Self::Zlib(ZlibRows::new(rect)),
            Encoding::Tight => Self::Tight(Tight::new(rect)),
            Encoding::Zrle => Self::Zrle(Zrle::new(rect)),
        }
    }

    /// Does a bounded piece of work; true when the rectangle is complete.
    pub(crate) fn step(&mut self, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        match self {
            Self::Raw(decoder) => decoder.step(reader, context),
            Self::CopyRect(target) => copy_rect(*target, reader, context),
            Self::Rre(decoder) => decoder.step(reader, context),
            Self::Hextile(decoder) => decoder.step(reader, context),
            Self::Zlib(decoder) => decoder.step(reader, context),
            Self::Tight(decoder) => decoder.step(reader, context),
            Self::Zrle(decoder) => decoder.step(reader, context),
        }
    }
}

fn copy_rect(target: Rect, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
    let source = Rect { x: reader.u16()?, y: reader.u16()?, ..target };
    let (width_px, height_px) = context.size;
    if !source.within(width_px, height_px) {
        return Err(RfbError::RectangleOutside { rect: source, width_px, height_px }.into());
    }
    context.canvas.copy(source.x, source.y, target);
    Ok(true)
}
