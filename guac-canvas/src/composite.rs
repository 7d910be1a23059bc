//! How drawn pixels combine with those that are there: composite modes and transfer functions.
//!
//! Pixels are red, green, blue, alpha, one byte each, the colours not multiplied by alpha. All modes work within the
//! drawn rectangle only.

use guac_protocol::Mask;

/// Red, green, blue, alpha; colours not premultiplied.
pub(crate) type Pixel = [u8; 4];

/// Draws a row over another of the same length.
pub(crate) fn blend_row(target: &mut [Pixel], source: &[Pixel], mask: Mask) {
    match mask {
        Mask::SRC => target.copy_from_slice(source),
        Mask::OVER if is_opaque(source) => target.copy_from_slice(source),
        _ => {
            for (target, source) in target.iter_mut().zip(source) {
                *target = blend(*target, *source, mask);
            }
        }
    }
}

/// Fills a row with a colour.
pub(crate) fn fill_row(target: &mut [Pixel], colour: Pixel, mask: Mask) {
    if mask == Mask::SRC || (mask == Mask::OVER && colour[3] == 255) {
        target.fill(colour);
        return;
    }
    for target in target {
        *target = blend(*target, colour, mask);
    }
}

pub(crate) fn is_opaque(row: &[Pixel]) -> bool {
    row.iter().all(|pixel| pixel[3] == 255)
}

/// Combines one pixel after Porter and Duff. Modes without a meaning are read as OVER, as guacenc does.
pub(crate) fn blend(target: Pixel, source: Pixel, mask: Mask) -> Pixel {
    if mask == Mask::SRC {
        return source;
    }
    let (a, b) = (u32::from(source[3]), u32::from(target[3]));
    let (of_source, of_target) = match mask.0 {
        0x1 => (0, a),
        0x2 => (0, 255 - a),
        0x4 => (b, 0),
        0x6 => (b, 255 - a),
        0x8 => (255 - b, 0),
        0x9 => (255 - b, a),
        0xA => (255 - b, 255 - a),
        0xB => (255 - b, 255),
        0xF => (255, 255),
        _ => (255, 255 - a),
    };
    let (wa, wb) = (a * of_source, b * of_target);
    // Only PLUS goes beyond full.
    let alpha = (wa + wb).min(255 * 255);
    if alpha == 0 {
        return [0; 4];
    }
    let colour = |at: usize| {
        let (source, target) = (source.get(at).copied(), target.get(at).copied());
        let sum = wa * u32::from(source.unwrap_or_default()) + wb * u32::from(target.unwrap_or_default());
        byte((sum + alpha / 2) / alpha)
    };
    [colour(0), colour(1), colour(2), byte((alpha + 127) / 255)]
}

/// Draws over an opaque pixel, whose alpha stays full. `alpha` is the source's, with its layer's opacity.
pub(crate) fn over_opaque(target: Pixel, source: Pixel, alpha: u32) -> Pixel {
    let mix =
        |source: u8, target: u8| byte((u32::from(source) * alpha + u32::from(target) * (255 - alpha) + 127) / 255);
    let ([r, g, b, _], [tr, tg, tb, _]) = (source, target);
    [mix(r, tr), mix(g, tg), mix(b, tb), 255]
}

/// One of the sixteen functions of two bits: bit 0 of the number says what becomes of 1 and 1, bit 1 of source 1 and
/// target 0, bit 2 of source 0 and target 1, bit 3 of 0 and 0 (P-116).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transfer(pub(crate) u8);

impl Transfer {
    const SRC: u8 = 0x3;
    const NSRC: u8 = 0xC;
    const DEST: u8 = 0x5;

    pub(crate) fn changes_nothing(self) -> bool {
        self.0 == Self::DEST
    }

    pub(crate) fn row(self, target: &mut [Pixel], source: &[Pixel]) {
        if self.0 == Self::SRC {
            target.copy_from_slice(source);
            return;
        }
        for (target, source) in target.iter_mut().zip(source) {
            *target = self.apply(*target, *source);
        }
    }

    pub(crate) fn apply(self, target: Pixel, source: Pixel) -> Pixel {
        let when = |bit: u8| if self.0 & bit == 0 { 0 } else { 0xFF };
        let bits = |s: u8, t: u8| (when(1) & s & t) | (when(2) & s & !t) | (when(4) & !s & t) | (when(8) & !s & !t);
        let ([r, g, b, a], [tr, tg, tb, ta]) = (source, target);
        let alpha = if self.0 == Self::SRC || self.0 == Self::NSRC { a } else { ta };
        [bits(r, tr), bits(g, tg), bits(b, tb), alpha]
    }
}

fn byte(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_with_half_alpha_mixes_both_and_keeps_full_alpha() {
        assert_eq!(blend([0, 100, 200, 255], [255, 100, 0, 128], Mask::OVER), [128, 100, 100, 255]);
        assert_eq!(over_opaque([0, 100, 200, 255], [255, 100, 0, 128], 128), [128, 100, 100, 255]);
        assert_eq!(blend([9, 9, 9, 0], [1, 2, 3, 77], Mask::OVER), [1, 2, 3, 77]);
    }

    #[test]
    fn every_mode_gives_its_own_on_opaque_and_on_nothing() {
        let (red, blue, nothing) = ([255, 0, 0, 255], [0, 0, 255, 255], [0; 4]);
        // Mode, source on target, source on nothing, nothing on target.
        let table = [
            (0x1, blue, nothing, nothing),
            (0x2, nothing, nothing, blue),
            (0x4, red, nothing, nothing),
            (0x6, red, nothing, blue),
            (0x8, nothing, red, nothing),
            (0x9, blue, red, nothing),
            (0xA, nothing, red, blue),
            (0xB, blue, red, blue),
            (0xC, red, red, nothing),
            (0xE, red, red, blue),
            (0xF, [255, 0, 255, 255], red, blue),
        ];
        for (mode, both, alone, none) in table {
            assert_eq!(blend(blue, red, Mask(mode)), both, "mode {mode:x}");
            assert_eq!(blend(nothing, red, Mask(mode)), alone, "mode {mode:x} on nothing");
            assert_eq!(blend(blue, nothing, Mask(mode)), none, "mode {mode:x} of nothing");
        }
    }

    #[test]
    fn every_transfer_function_combines_the_colours_bit_by_bit() {
        let (s, t) = (0b1100_u8, 0b1010_u8);
        let expected: [u8; 16] =
            [0, s & t, s & !t, s, !s & t, t, s ^ t, s | t, !(s | t), !(s ^ t), !t, s | !t, !s, !s | t, !(s & t), 0xFF];
        for (code, expected) in (0_u8..).zip(expected) {
            let [r, g, b, alpha] = Transfer(code).apply([t, t, t, 7], [s, s, s, 9]);
            assert_eq!([r, g, b], [expected; 3], "function {code:x}");
            assert_eq!(alpha, if code == 0x3 || code == 0xC { 9 } else { 7 }, "function {code:x}");
        }
    }
}
