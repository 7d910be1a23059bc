//! Coverage masks of characters, made once and shared by all terminals.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use swash::scale::image::Content;
use swash::scale::{Render, ScaleContext, Source};
use swash::shape::ShapeContext;
use swash::zeno::Format;
use swash::{Charmap, FontRef, GlyphId};
use unicode_width::UnicodeWidthChar;

use crate::boxes;

/// Most bytes of masks kept. A full set of Latin in four faces at 16 px is 80 KiB; past the bound all are dropped and
/// made anew as they are needed.
const MAX_MASK_BYTES: usize = 4 << 20;

/// Smallest and largest font in pixels per em: below, text is a smear; above, one cell is a hundred rows high.
const FONT_PX: (u32, u32) = (4, 96);

/// Points per inch.
const POINTS_PER_INCH: u64 = 72;

/// Sides of a cell and where the lines of a text run in it, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellMetrics {
    /// Font size: pixels per em.
    pub(crate) font_px: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Rows above the baseline.
    pub(crate) baseline: u32,
    /// First row of the underline.
    pub(crate) underline: u32,
    /// First row of the strike-out.
    pub(crate) strike: u32,
    /// Thickness of both, and of light box drawing lines.
    pub(crate) line: u32,
}

impl CellMetrics {
    /// For a font size in points at a resolution.
    pub(crate) fn new(points: u32, dpi: u32) -> Self {
        let px = (u64::from(points) * u64::from(dpi) + POINTS_PER_INCH / 2) / POINTS_PER_INCH;
        let font_px = u32::try_from(px).unwrap_or(FONT_PX.1).clamp(FONT_PX.0, FONT_PX.1);
        let font = regular_face();
        let metrics = font.metrics(&[]).scale(as_f32(font_px));
        let advance = font.glyph_metrics(&[]).scale(as_f32(font_px)).advance_width(font.charmap().map('0'));
        let line = (font_px / 14).max(1);
        let baseline = px_of(metrics.ascent.round()).max(1);
        let height = baseline + px_of(metrics.descent.round()).max(1);
        let underline = (baseline + line.max(px_of((-metrics.underline_offset).floor()))).min(height - line);
        // Through the middle of small letters: the font does not say how high they are, DejaVu's are 0.55 em.
        let strike = baseline.saturating_sub(px_of(as_f32(font_px) * 0.27));
        Self { font_px, width: px_of(advance.round()).max(1), height, baseline, underline, strike, line }
    }
}

/// The face of a glyph: bits of weight and slant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Face(u8);

impl Face {
    pub(crate) fn new(bold: bool, italic: bool) -> Self {
        Self(u8::from(bold) | u8::from(italic) << 1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    c: char,
    face: Face,
    cells: u8,
    font_px: u32,
}

struct LoadedFace {
    font: FontRef<'static>,
    charmap: Charmap<'static>,
}

/// The embedded fonts and a bounded cache of what was drawn with them.
///
/// One serves all terminals of a process: share it in an [`Arc`](std::sync::Arc).
pub struct GlyphCache(Mutex<Glyphs>);

impl std::fmt::Debug for GlyphCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GlyphCache").finish_non_exhaustive()
    }
}

impl Default for GlyphCache {
    fn default() -> Self {
        Self::new()
    }
}

impl GlyphCache {
    /// With the four embedded faces of DejaVu Sans Mono. Costs microseconds: nothing is drawn yet.
    #[must_use]
    pub fn new() -> Self {
        let faces = [
            dejavu::sans_mono::regular(),
            dejavu::sans_mono::bold(),
            dejavu::sans_mono::oblique(),
            dejavu::sans_mono::bold_oblique(),
        ]
        .map(|data| {
            let font = load(data);
            LoadedFace { font, charmap: font.charmap() }
        });
        Self(Mutex::new(Glyphs {
            faces,
            scale: ScaleContext::new(),
            shape: ShapeContext::new(),
            masks: HashMap::new(),
            clusters: HashMap::new(),
            bytes: 0,
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Glyphs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Glyphs {
    faces: [LoadedFace; 4],
    scale: ScaleContext,
    shape: ShapeContext,
    masks: HashMap<Key, Box<[u8]>>,
    clusters: HashMap<(Key, Box<str>), Box<[u8]>>,
    bytes: usize,
}

impl Glyphs {
    /// Coverage of `c` over `cells` cells, row-major, `cells * width` per row. `marks` combine with it.
    pub(crate) fn mask(&mut self, c: char, marks: &str, face: Face, cells: u8, metrics: &CellMetrics) -> &[u8] {
        let key = Key { c, face, cells, font_px: metrics.font_px };
        if marks.is_empty() {
            if !self.masks.contains_key(&key) {
                let mask = self.draw(c, marks, key, metrics);
                self.make_room(mask.len());
                self.masks.insert(key, mask);
            }
            return self.masks.get(&key).map_or(&[], |mask| mask);
        }
        let key = (key, Box::from(marks));
        if !self.clusters.contains_key(&key) {
            let mask = self.draw(c, marks, key.0, metrics);
            self.make_room(mask.len());
            self.clusters.insert(key.clone(), mask);
        }
        self.clusters.get(&key).map_or(&[], |mask| mask)
    }

    fn make_room(&mut self, bytes: usize) {
        if self.bytes + bytes > MAX_MASK_BYTES {
            self.masks.clear();
            self.clusters.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
    }

    fn draw(&mut self, c: char, marks: &str, key: Key, metrics: &CellMetrics) -> Box<[u8]> {
        let width = metrics.width * u32::from(key.cells);
        let mut canvas = Canvas::new(width, metrics.height);
        if boxes::draw(c, &mut canvas, metrics) {
            return canvas.pixels.into_boxed_slice();
        }
        let Some(face) = self.face_for(c, key.face) else {
            if c.width() != Some(0) {
                boxes::missing(&mut canvas, metrics);
            }
            return canvas.pixels.into_boxed_slice();
        };
        if marks.is_empty() {
            let glyph = self.faces[face].charmap.map(c);
            self.draw_glyph(face, glyph, 0.0, 0.0, &mut canvas, metrics);
        } else {
            for (glyph, x, y) in self.shape(face, c, marks, metrics) {
                self.draw_glyph(face, glyph, x, y, &mut canvas, metrics);
            }
        }
        canvas.pixels.into_boxed_slice()
    }

    /// The wanted face if it has the character, else the one that has. The oblique faces have fewer.
    fn face_for(&self, c: char, wanted: Face) -> Option<usize> {
        let wanted = usize::from(wanted.0);
        [wanted, wanted & 1, 0].into_iter().find(|face| self.faces[*face].charmap.map(c) != 0)
    }

    /// Places a base character and its marks: glyph and offset to the right and up.
    fn shape(&mut self, face: usize, c: char, marks: &str, metrics: &CellMetrics) -> Vec<(GlyphId, f32, f32)> {
        let mut text = String::from(c);
        text.push_str(marks);
        let mut shaper = self.shape.builder(self.faces[face].font).size(as_f32(metrics.font_px)).build();
        shaper.add_str(&text);
        let mut glyphs = Vec::new();
        let mut pen = 0.0;
        shaper.shape_with(|cluster| {
            for glyph in cluster.glyphs {
                // A mark that the font does not know is left out rather than drawn as a box over its letter.
                if glyph.id != 0 {
                    glyphs.push((glyph.id, pen + glyph.x, glyph.y));
                }
                pen += glyph.advance;
            }
        });
        glyphs
    }

    fn draw_glyph(&mut self, face: usize, glyph: GlyphId, x: f32, y: f32, canvas: &mut Canvas, metrics: &CellMetrics) {
        let mut scaler = self.scale.builder(self.faces[face].font).size(as_f32(metrics.font_px)).hint(true).build();
        let image = Render::new(&[Source::Outline]).format(Format::Alpha).render(&mut scaler, glyph);
        let Some(image) = image.filter(|image| image.content == Content::Mask && !image.data.is_empty()) else {
            return;
        };
        let width = image.placement.width as usize;
        let left = image.placement.left + offset(x);
        let top = offset(as_f32(metrics.baseline)) - image.placement.top - offset(y);
        for (row, line) in (0i32..).zip(image.data.chunks_exact(width.max(1))) {
            for (column, coverage) in (0i32..).zip(line) {
                canvas.put(left.saturating_add(column), top.saturating_add(row), *coverage);
            }
        }
    }
}

/// A mask being drawn.
pub(crate) struct Canvas {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![0; width as usize * height as usize] }
    }

    /// Adds coverage to a pixel; outside nothing happens.
    pub(crate) fn put(&mut self, x: i32, y: i32, coverage: u8) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y as usize * self.width as usize + x as usize)
        {
            *pixel = (*pixel).max(coverage);
        }
    }
}

fn regular_face() -> FontRef<'static> {
    load(dejavu::sans_mono::regular())
}

fn load(data: &'static [u8]) -> FontRef<'static> {
    FontRef::from_index(data, 0).expect("the embedded fonts are whole")
}

/// Exact: the numbers are below 2^24.
pub(crate) fn as_f32(value: u32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "sides of a cell are far below 2^24")]
    let value = value as f32;
    value
}

/// To whole pixels, 0 if negative.
pub(crate) fn px_of(value: f32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate")]
    let value = value.max(0.0) as u32;
    value
}

fn offset(value: f32) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate")]
    let value = value.round() as i32;
    value
}
