//! RRE (RFC 6143 §7.7.3) and CoRRE: a background and rectangles on it.

use super::{
    super::{
        error::{Stop, check_limit},
        limits::RRE_OVERDRAW,
        pixel::Wire,
        reader::Reader,
        rect::Rect,
    },
    Context,
};

/// Sub-rectangles drawn in one step.
const BATCH: usize = 1024;

/// A rectangle of either encoding.
#[derive(Debug)]
pub(crate) struct Rre {
    rect: Rect,
    /// CoRRE: coordinates of one byte.
    compact: bool,
    /// Sub-rectangles to come; nothing before the header was read.
    left: Option<u32>,
    drawn_px: u64,
}

impl Rre {
    pub(crate) fn new(rect: Rect, compact: bool) -> Self {
        Self { rect, compact, left: None, drawn_px: 0 }
    }

    pub(crate) fn step(&mut self, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        let wire = Wire::full(context.depth);
        let Some(mut left) = self.left else {
            let count = reader.u32()?;
            let background = wire.read(reader)?;
            context.canvas.fill(self.rect, background);
            self.left = Some(count);
            return Ok(count == 0);
        };
        for _ in 0..BATCH {
            if left == 0 {
                break;
            }
            let colour = wire.read(reader)?;
            let part = self.part(reader)?;
            reader.commit();
            left -= 1;
            self.left = Some(left);
            let target = self.rect.part(part).ok_or(Stop::malformed("RRE sub-rectangle"))?;
            self.drawn_px += u64::from(target.area());
            check_limit("RRE overdraw", self.drawn_px, RRE_OVERDRAW * u64::from(self.rect.area()))?;
            context.canvas.fill(target, colour);
        }
        Ok(left == 0)
    }

    fn part(&self, reader: &mut Reader<'_>) -> Result<Rect, Stop> {
        Ok(if self.compact {
            let [x, y, width, height] = reader.array::<4>()?.map(u16::from);
            Rect::new(x, y, width, height)
        } else {
            Rect::new(reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?)
        })
    }
}
