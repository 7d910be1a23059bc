//! Finding a picture within another.

use std::collections::HashMap;

use crate::rect::at;
use crate::{Image, Rect};

impl Image {
    /// The first place, from the top, where `template` shows within `region` (the whole picture if `None`).
    ///
    /// Red, green and blue may each differ by `tolerance` (0 is exact; a lossily compressed picture needs about 16).
    /// Pixels of the template that are fully transparent fit anything; other alpha is not looked at. An empty
    /// template is nowhere.
    ///
    /// The rarest colour of the template is looked for first, and only where it stands the rest is compared: a
    /// template with a distinctive pixel costs one pass over the region.
    #[must_use]
    pub fn find(&self, template: &Self, region: Option<Rect>, tolerance: u8) -> Option<Rect> {
        let region = region.unwrap_or(self.bounds()).intersection(self.bounds());
        let (width, height) = template.size();
        if template.bounds().is_empty() || width > region.width || height > region.height {
            return None;
        }
        let Some((colour, (left, top))) = rarest(template) else {
            return Some(Rect::new(region.x, region.y, width, height));
        };
        let columns = region.width - width + 1;
        for y in region.y..=region.bottom() - height {
            // Where the rare pixel can stand when the template's corner is in this row.
            let start = at(region.x) + at(left);
            let row = self.row(y + top).get(start..start + at(columns)).unwrap_or_default();
            for (x, pixel) in (region.x..).zip(row) {
                if alike(*pixel, colour, tolerance) && self.shows_at(template, x, y, tolerance) {
                    return Some(Rect::new(x, y, width, height));
                }
            }
        }
        None
    }

    /// How many pixels differ by more than `tolerance` in a colour. `None` if the sizes differ.
    #[must_use]
    pub fn differing_pixels(&self, other: &Self, tolerance: u8) -> Option<usize> {
        let pairs = self.rgba().as_chunks::<4>().0.iter().zip(other.rgba().as_chunks::<4>().0);
        (self.size() == other.size()).then(|| pairs.filter(|&(a, b)| !alike(*a, *b, tolerance)).count())
    }

    fn shows_at(&self, template: &Self, x: u32, y: u32, tolerance: u8) -> bool {
        (0..template.height()).all(|row| {
            let wanted = template.row(row);
            let found = self.row(y + row).get(at(x)..at(x) + wanted.len()).unwrap_or_default();
            let mut pairs = found.iter().zip(wanted);
            found.len() == wanted.len()
                && pairs.all(|(found, wanted)| wanted[3] == 0 || alike(*found, *wanted, tolerance))
        })
    }
}

fn alike([r, g, b, _]: [u8; 4], [or, og, ob, _]: [u8; 4], tolerance: u8) -> bool {
    r.abs_diff(or) <= tolerance && g.abs_diff(og) <= tolerance && b.abs_diff(ob) <= tolerance
}

/// The colour that fewest pixels have, and the first place it stands at. `None` if all of it is transparent.
fn rarest(template: &Image) -> Option<([u8; 4], (u32, u32))> {
    let mut seen: HashMap<[u8; 4], (u32, (u32, u32))> = HashMap::new();
    for y in 0..template.height() {
        for (x, &[r, g, b, alpha]) in (0..).zip(template.row(y)) {
            if alpha > 0 {
                seen.entry([r, g, b, 255]).or_insert((0, (x, y))).0 += 1;
            }
        }
    }
    // Ties are broken by place, for the same result each time.
    let (colour, (_, place)) = seen.into_iter().min_by_key(|(_, (count, (x, y)))| (*count, *y, *x))?;
    Some((colour, place))
}
