//! Characters that must meet across cells, drawn by rule instead of by font: box drawing, blocks, braille and the
//! separators of prompts.
//!
//! # Specification
//! Unicode charts U+2500 (box drawing), U+2580 (block elements), U+2800 (braille patterns).

use crate::glyph::{Canvas, CellMetrics, as_f32, px_of};

/// Arms of U+2500 to U+257F: left, right, up, down; 0 none, 1 light, 2 heavy, 3 double. `....` is drawn otherwise.
const ARMS: &str = "\
1100220000110022................................010102010102020210012001100220020110021001200220\
101020101020202001110211012101120122022102120222101120111021101210222021201220221101210112012201\
110221021202220211102110121022101120212012202220111121111211221111211112112221211221211212122221\
2212212212222222................3300003303010103030330011003300303100130033030101030303003110133\
0333301110333033330111033303331011303330331111333333............................1000001001000001\
20000020020000021200001221000021";

/// The arms of `c`, if it is drawn by them.
fn arms(c: u32) -> Option<[u8; 4]> {
    let at = usize::try_from(c.checked_sub(0x2500)?).ok()?.checked_mul(4)?;
    let digits = ARMS.as_bytes().get(at..at + 4)?;
    (digits[0] != b'.').then(|| [digits[0] - b'0', digits[1] - b'0', digits[2] - b'0', digits[3] - b'0'])
}

/// Draws `c` if it is one of ours.
pub(crate) fn draw(c: char, canvas: &mut Canvas, metrics: &CellMetrics) -> bool {
    let code = u32::from(c);
    let mut pen = Pen { line: metrics.line, canvas };
    match code {
        0x2504..=0x250B | 0x254C..=0x254F => pen.dashes(code),
        0x256D..=0x2570 => pen.arc(code),
        0x2571..=0x2573 => pen.diagonals(code),
        0x2500..=0x257F => match arms(code) {
            Some(arms) => pen.arms(arms),
            None => return false,
        },
        0x2580..=0x259F => pen.block(code),
        0x2800..=0x28FF => pen.braille(code - 0x2800),
        0xE0B0..=0xE0B3 => pen.separator(code),
        _ => return false,
    }
    true
}

/// An outline for a character that the font lacks.
pub(crate) fn missing(canvas: &mut Canvas, metrics: &CellMetrics) {
    let mut pen = Pen { line: metrics.line, canvas };
    let (width, height) = (pen.canvas.width, pen.canvas.height);
    let (left, right) = (1.min(width - 1), width.saturating_sub(1).max(1));
    let top = metrics.baseline.saturating_sub(px_of(as_f32(metrics.font_px) * 0.73));
    let bottom = metrics.baseline.min(height);
    let line = metrics.line;
    pen.fill(left, top, right, top + line);
    pen.fill(left, bottom.saturating_sub(line), right, bottom);
    pen.fill(left, top, left + line, bottom);
    pen.fill(right.saturating_sub(line), top, right, bottom);
}

struct Pen<'a> {
    line: u32,
    canvas: &'a mut Canvas,
}

impl Pen<'_> {
    fn fill_with(&mut self, left: u32, top: u32, right: u32, bottom: u32, coverage: u8) {
        let width = self.canvas.width;
        for y in top..bottom.min(self.canvas.height) {
            let row = y as usize * width as usize;
            if let Some(pixels) =
                self.canvas.pixels.get_mut(row + left.min(width) as usize..row + right.min(width) as usize)
            {
                pixels.fill(coverage);
            }
        }
    }

    fn fill(&mut self, left: u32, top: u32, right: u32, bottom: u32) {
        if left < right {
            self.fill_with(left, top, right, bottom, 255);
        }
    }

    /// Start of a line of `thickness` that runs along the middle of `side`. Light and heavy lines share their middle.
    fn middle(&self, side: u32, thickness: u32) -> u32 {
        (side.saturating_sub(self.line) / 2).saturating_sub((thickness - self.line) / 2)
    }

    fn thickness(&self, weight: u8) -> u32 {
        if weight == 2 { self.line * 2 + 1 } else { self.line }
    }

    fn arms(&mut self, [left, right, up, down]: [u8; 4]) {
        let (width, height) = (self.canvas.width, self.canvas.height);
        self.half(
            Half { near: left, far: right, before: up, after: down, length: width, across: height },
            false,
            false,
        );
        self.half(Half { near: right, far: left, before: up, after: down, length: width, across: height }, false, true);
        self.half(Half { near: up, far: down, before: left, after: right, length: height, across: width }, true, false);
        self.half(Half { near: down, far: up, before: left, after: right, length: height, across: width }, true, true);
    }

    /// One arm, from its edge to where it meets the others. Seen as if it came from the left.
    fn half(&mut self, half: Half, vertical: bool, mirrored: bool) {
        let Half { near, far, before, after, length, across } = half;
        if near == 0 {
            return;
        }
        let t = self.line;
        let gap = 2 * t;
        let centre = self.middle(length, t);
        // The two lines of a double arm that crosses ours, and the first row behind each, seen from our edge.
        let mirror = |at: u32| if mirrored { length.saturating_sub(at + t) } else { at };
        let (mut first, mut second) = (mirror(centre.saturating_sub(gap)), mirror(centre + gap));
        if first > second {
            std::mem::swap(&mut first, &mut second);
        }
        let centre_end = mirror(centre) + t;
        let crossing = self.thickness(before).max(self.thickness(after));
        let corner = mirror(centre) + t + (crossing - t) / 2;
        let mut bar = |at: u32, thickness: u32, end: u32| {
            let end = end.min(length);
            let (from, to) = if mirrored { (length - end, length) } else { (0, end) };
            if vertical { self.fill(at, from, at + thickness, to) } else { self.fill(from, at, to, at + thickness) }
        };
        let middle = across.saturating_sub(t) / 2;
        if near == 3 {
            // Each line ends where the crossing arm on its own side stands.
            for (own, other, at) in [(before, after, middle.saturating_sub(gap)), (after, before, middle + gap)] {
                let end = match (own, other) {
                    (3, _) => first + t,
                    (0, 3) if far == 0 => second + t,
                    (0, 0) => centre_end,
                    _ if far == 0 => corner,
                    _ => centre_end,
                };
                bar(at, t, end);
            }
            return;
        }
        let thickness = if near == 2 { 2 * t + 1 } else { t };
        let at = middle.saturating_sub((thickness - t) / 2);
        let end = match (before == 3, after == 3) {
            (true, true) if far == 0 => first + t,
            (false, false) => corner,
            _ if far == 0 => second + t,
            _ => centre_end,
        };
        bar(at, thickness, end);
    }

    fn dashes(&mut self, code: u32) {
        let (count, vertical, heavy) = match code {
            0x2504..=0x2507 => (3, code & 2 != 0, code & 1 != 0),
            0x2508..=0x250B => (4, code & 2 != 0, code & 1 != 0),
            _ => (2, code & 2 != 0, code & 1 != 0),
        };
        let thickness = self.thickness(if heavy { 2 } else { 1 });
        let (length, across) =
            if vertical { (self.canvas.height, self.canvas.width) } else { (self.canvas.width, self.canvas.height) };
        let at = self.middle(across, thickness);
        for dash in 0..count {
            let (from, next) = (length * dash / count, length * (dash + 1) / count);
            let to = next.saturating_sub(((next - from) / 3).max(1)).max(from + 1);
            if vertical {
                self.fill(at, from, at + thickness, to);
            } else {
                self.fill(from, at, to, at + thickness);
            }
        }
    }

    /// Calls `distance` with the middle of each pixel and covers those within half a line of 0.
    fn stroke(&mut self, distance: impl Fn(f32, f32) -> f32) {
        let half = as_f32(self.line) / 2.0;
        let width = self.canvas.width;
        for (index, pixel) in (0u32..).zip(self.canvas.pixels.iter_mut()) {
            let (x, y) = (as_f32(index % width) + 0.5, as_f32(index / width) + 0.5);
            let coverage = px_of(((half + 0.5 - distance(x, y).abs()).clamp(0.0, 1.0) * 255.0).round());
            *pixel = (*pixel).max(u8::try_from(coverage).unwrap_or(u8::MAX));
        }
    }

    /// A rounded corner. Its straight ends lie exactly where those of the light lines do.
    fn arc(&mut self, code: u32) {
        let (width, height) = (self.canvas.width, self.canvas.height);
        let half = as_f32(self.line) / 2.0;
        let (cx, cy) = (as_f32(self.middle(width, self.line)) + half, as_f32(self.middle(height, self.line)) + half);
        let (to_right, to_bottom) = (matches!(code, 0x256D | 0x2570), matches!(code, 0x256D | 0x256E));
        let reach_x = if to_right { as_f32(width) - cx } else { cx };
        let reach_y = if to_bottom { as_f32(height) - cy } else { cy };
        let radius = reach_x.min(reach_y);
        self.stroke(|x, y| {
            let dx = if to_right { x - cx } else { cx - x };
            let dy = if to_bottom { y - cy } else { cy - y };
            if dx > radius {
                dy
            } else if dy > radius {
                dx
            } else {
                (radius - dx).hypot(radius - dy) - radius
            }
        });
    }

    fn diagonals(&mut self, code: u32) {
        let (width, height) = (as_f32(self.canvas.width), as_f32(self.canvas.height));
        let length = width.hypot(height);
        if code != 0x2572 {
            self.stroke(|x, y| (height * x + width * y - width * height) / length);
        }
        if code != 0x2571 {
            self.stroke(|x, y| (height * x - width * y) / length);
        }
    }

    fn block(&mut self, code: u32) {
        let (width, height) = (self.canvas.width, self.canvas.height);
        let eighths = |side: u32, count: u32| (side * count + 4) / 8;
        match code {
            0x2580 => self.fill(0, 0, width, eighths(height, 4)),
            // INVARIANT: what lies below starts where its counterpart above ends.
            0x2581..=0x2588 => self.fill(0, eighths(height, 0x2588 - code), width, height),
            0x2589..=0x258F => self.fill(0, 0, eighths(width, 0x2590 - code), height),
            0x2590 => self.fill(eighths(width, 4), 0, width, height),
            0x2591 => self.fill_with(0, 0, width, height, 64),
            0x2592 => self.fill_with(0, 0, width, height, 128),
            0x2593 => self.fill_with(0, 0, width, height, 191),
            0x2594 => self.fill(0, 0, width, eighths(height, 1)),
            0x2595 => self.fill(eighths(width, 7), 0, width, height),
            _ => {
                // Quadrants: upper left 1, upper right 2, lower left 4, lower right 8.
                const QUADRANTS: [u8; 10] = [4, 8, 1, 13, 9, 7, 11, 2, 6, 14];
                let set = usize::try_from(code - 0x2596).ok().and_then(|at| QUADRANTS.get(at)).copied().unwrap_or(0);
                // INVARIANT: the halves meet where U+2580 and U+258C end.
                let (x, y) = (eighths(width, 4), eighths(height, 4));
                for (bit, left, top, right, bottom) in
                    [(1, 0, 0, x, y), (2, x, 0, width, y), (4, 0, y, x, height), (8, x, y, width, height)]
                {
                    if set & bit != 0 {
                        self.fill(left, top, right, bottom);
                    }
                }
            }
        }
    }

    fn braille(&mut self, dots: u32) {
        let (width, height) = (self.canvas.width, self.canvas.height);
        let dot = (width / 5).max(1);
        for bit in 0..8 {
            if dots >> bit & 1 == 0 {
                continue;
            }
            let (column, row) = match bit {
                0..3 => (0, bit),
                3..6 => (1, bit - 3),
                _ => (bit - 6, 3),
            };
            let x = (width * (2 * column + 1) / 4).saturating_sub(dot / 2);
            let y = (height * (2 * row + 1) / 8).saturating_sub(dot / 2);
            self.fill(x, y, x + dot, y + dot);
        }
    }

    /// Solid and thin triangles of prompts, in the private use area.
    fn separator(&mut self, code: u32) {
        let (width, height) = (as_f32(self.canvas.width), as_f32(self.canvas.height));
        let to_left = code >= 0xE0B2;
        let slope = width.hypot(height / 2.0);
        // Distance to the slanted sides, positive within the triangle.
        let inside = move |x: f32, y: f32| {
            let x = if to_left { width - x } else { x };
            let y = if y > height / 2.0 { height - y } else { y };
            (width * y - x * height / 2.0) / slope
        };
        if code & 1 == 1 {
            self.stroke(inside);
            return;
        }
        let columns = self.canvas.width;
        for (index, pixel) in (0u32..).zip(self.canvas.pixels.iter_mut()) {
            let (x, y) = (as_f32(index % columns) + 0.5, as_f32(index / columns) + 0.5);
            let coverage = px_of(((inside(x, y) + 0.5).clamp(0.0, 1.0) * 255.0).round());
            *pixel = u8::try_from(coverage).unwrap_or(u8::MAX);
        }
    }
}

/// An arm and its neighbours: `far` opposite, `before` and `after` across (up and down, or left and right).
#[derive(Clone, Copy)]
struct Half {
    near: u8,
    far: u8,
    before: u8,
    after: u8,
    /// Side of the cell along the arm.
    length: u32,
    /// Side of the cell across it.
    across: u32,
}
