//! From layers to the one picture that a person would see.

use crate::composite::{Pixel, is_opaque, over_opaque};
use crate::layer::Layer;
use crate::rect::{Area, Rect, at};
use crate::{Canvas, Image};

/// A layer on its way to the display.
struct Shown<'l> {
    layer: &'l Layer,
    x: i64,
    y: i64,
    clip: Area,
    opacity: u32,
}

impl Canvas {
    /// The display as a person would see it, without the pointer: visible layers over each other, on black.
    ///
    /// Only what changed since the last call is put together again; the picture is shared with the canvas until the
    /// next call, so that keeping it costs one copy at most.
    pub fn frame(&mut self) -> Image {
        let (width, height) = self.size();
        if self.flat.size() != (width, height) {
            self.flat = Image::from_parts(width, height, vec![0; at(width) * at(height) * 4]);
            self.damage = Rect::new(0, 0, width, height);
        }
        let damage = std::mem::take(&mut self.damage).intersection(Rect::new(0, 0, width, height));
        if !damage.is_empty() {
            let mut flat = std::mem::replace(&mut self.flat, Image::empty());
            self.paint(damage, &mut flat);
            self.flat = flat;
        }
        self.flat.clone()
    }

    /// As [`frame`](Self::frame), with the pointer where it is. A pointer whose picture the server never set is not
    /// drawn.
    pub fn frame_with_pointer(&mut self) -> Image {
        let frame = self.frame();
        let Some((cursor, (x, y))) = self.cursor().zip(self.pointer()) else { return frame };
        frame.with_overlay(&cursor.image, x.saturating_sub(cursor.hotspot_x), y.saturating_sub(cursor.hotspot_y))
    }

    /// Pixels of [`frame`](Self::frame), row by row, `0x00RRGGBB`.
    pub fn pixels(&mut self) -> Vec<u32> {
        self.frame().pixels()
    }

    /// Where on the display a rectangle of a layer is seen.
    pub(crate) fn shown(&self, index: i32, rect: Rect) -> Rect {
        let (mut area, mut next) = (Area::from(rect), index);
        if index < 0 {
            return Rect::default();
        }
        // Each step goes up, and a layer is never above itself; the bound is for readers.
        for _ in 0..=self.layers.len() {
            let Some(layer) = self.layers.get(&next) else { break };
            area = area.intersection(layer.bounds().into());
            if next == 0 {
                let (width, height) = layer.size();
                return area.within(width, height);
            }
            let Some(parent) = layer.place.parent else { break };
            area = area.moved(layer.place.x.into(), layer.place.y.into());
            next = parent;
        }
        Rect::default()
    }

    fn paint(&self, damage: Rect, flat: &mut Image) {
        for (depth, shown) in self.in_order().into_iter().enumerate() {
            let area = shown.clip.intersection(damage.into());
            let rect = area.within(flat.width(), flat.height());
            let inside = |at: u32, of: i64| u32::try_from(i64::from(at) - of).unwrap_or_default();
            for y in rect.y..rect.bottom() {
                let source = shown.layer.row(inside(rect.x, shown.x), inside(y, shown.y), rect.width);
                let target = flat.row_mut(y, rect.x, rect.width);
                if source.len() != target.len() {
                    continue;
                }
                if depth == 0 {
                    // On black, whatever was there in the last frame.
                    target.copy_from_slice(source);
                    on_black(target, shown.opacity);
                } else if shown.opacity == 255 && is_opaque(source) {
                    target.copy_from_slice(source);
                } else {
                    for (target, source) in target.iter_mut().zip(source) {
                        *target = over_opaque(*target, *source, shaded(source[3], shown.opacity));
                    }
                }
            }
        }
    }

    /// Visible layers, each before those that cover it.
    fn in_order(&self) -> Vec<Shown<'_>> {
        let Some(root) = self.layers.get(&0) else { return Vec::new() };
        let (x, y, clip) = (0, 0, Area::from(root.bounds()));
        let mut order = vec![Shown { layer: root, x, y, clip, opacity: root.opacity.into() }];
        if self.layers.range(1..).next().is_none() {
            return order;
        }
        // Children of a layer are pushed in reverse, so that the lowest is taken, with all of its own, first.
        let mut waiting: Vec<(i32, i64, i64, Area, u32)> = vec![(0, 0, 0, clip, root.opacity.into())];
        while let Some((index, x, y, clip, opacity)) = waiting.pop() {
            if index != 0
                && let Some(layer) = self.layers.get(&index)
            {
                order.push(Shown { layer, x, y, clip, opacity });
            }
            let visible = self.layers.range(1..).filter(|(_, layer)| layer.place.parent == Some(index));
            let mut children: Vec<(&i32, &Layer)> = visible.collect();
            children.sort_by_key(|(index, layer)| (layer.place.z, **index));
            for (child, layer) in children.into_iter().rev() {
                let (x, y) = (x + i64::from(layer.place.x), y + i64::from(layer.place.y));
                let clip = Area::from(layer.bounds()).moved(x, y).intersection(clip);
                let opacity = shaded(layer.opacity, opacity);
                if clip.width > 0 && clip.height > 0 && opacity > 0 {
                    waiting.push((*child, x, y, clip, opacity));
                }
            }
        }
        order
    }
}

fn shaded(alpha: u8, opacity: u32) -> u32 {
    (u32::from(alpha) * opacity + 127) / 255
}

fn on_black(row: &mut [Pixel], opacity: u32) {
    if opacity == 255 && is_opaque(row) {
        return;
    }
    for pixel in row {
        *pixel = over_opaque([0, 0, 0, 255], *pixel, shaded(pixel[3], opacity));
    }
}
