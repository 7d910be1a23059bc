//! How much a server may have drawn at once: a few bytes can stand for the whole picture.

use guac_display::Surface;

use super::broken;
use crate::RdpError;

/// How often one message may draw the whole picture. Honest ones do it once, or a few times where it gets better.
const OVERDRAW: usize = 16;

/// Least size of a picture that this counts with.
const MIN_PICTURE_PX: usize = 1 << 20;

/// Pixels that a message may still draw.
#[derive(Debug, Default)]
pub(super) struct Budget {
    given_px: usize,
    left_px: usize,
}

impl Budget {
    /// That of a message for this picture.
    pub(super) fn of(picture: &Surface) -> Self {
        let mut budget = Self::default();
        budget.grow(picture);
        budget
    }

    /// Gives what is missing where a message makes the picture larger. It is never more than the largest one gets.
    pub(super) fn grow(&mut self, picture: &Surface) {
        let given_px = picture.size().area().max(MIN_PICTURE_PX).saturating_mul(OVERDRAW);
        let more_px = given_px.saturating_sub(self.given_px);
        self.given_px += more_px;
        self.left_px += more_px;
    }

    /// Takes what is about to be drawn, visible or not.
    pub(super) fn spend(&mut self, area_px: usize) -> Result<(), RdpError> {
        let left = self.left_px.checked_sub(area_px);
        self.left_px = left.ok_or_else(|| broken("message that draws the picture over and over"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use guac_display::Size;

    use super::*;

    #[test]
    fn the_picture_may_be_drawn_sixteen_times_and_not_a_pixel_more() {
        for (size, area_px) in [((2000, 1000), 2_000_000), ((10, 10), 1 << 20)] {
            let mut budget = Budget::of(&Surface::new(Size::new(size.0, size.1).unwrap()));
            (0..OVERDRAW).try_for_each(|_| budget.spend(area_px)).unwrap();
            assert!(budget.spend(1).is_err());
            assert!(budget.spend(0).is_ok());
        }
    }

    #[test]
    fn a_message_that_makes_the_picture_larger_may_draw_as_much_as_that_gets() {
        let [small, large] = [1000, 4000].map(|side| Surface::new(Size::new(side, 1000).unwrap()));
        let mut budget = Budget::of(&small);
        budget.spend(1_000_000).unwrap();
        for picture in [&large, &small, &large] {
            budget.grow(picture);
        }
        budget.spend(OVERDRAW * 4_000_000 - 1_000_000).unwrap();
        assert!(budget.spend(1).is_err());
    }
}
