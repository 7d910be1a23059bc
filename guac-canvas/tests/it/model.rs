//! A client's screen without any cleverness: one pixel after the other, in floating point.

use std::collections::BTreeMap;

/// Red, green, blue, alpha; not premultiplied.
pub(crate) type Pixel = [u8; 4];

#[derive(Debug, Clone)]
pub(crate) struct Layer {
    width: i64,
    height: i64,
    pixels: BTreeMap<(i64, i64), Pixel>,
    parent: Option<i32>,
    place: (i64, i64, i64),
    opacity: u8,
    path: Vec<(i64, i64, i64, i64)>,
}

impl Layer {
    fn new(width: i64, height: i64) -> Self {
        let pixels = BTreeMap::new();
        Self { width, height, pixels, parent: Some(0), place: (0, 0, 0), opacity: 255, path: Vec::new() }
    }

    fn has(&self, x: i64, y: i64) -> bool {
        (0..self.width).contains(&x) && (0..self.height).contains(&y)
    }

    fn get(&self, x: i64, y: i64) -> Pixel {
        self.pixels.get(&(x, y)).copied().unwrap_or_default()
    }

    fn set(&mut self, x: i64, y: i64, pixel: Pixel) {
        if self.has(x, y) {
            self.pixels.insert((x, y), pixel);
        }
    }

    fn resize(&mut self, width: i64, height: i64) {
        (self.width, self.height) = (width, height);
        self.pixels.retain(|&(x, y), _| x < width && y < height);
    }
}

/// What canvases are compared with.
#[derive(Debug)]
pub(crate) struct Model {
    layers: BTreeMap<i32, Layer>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { layers: BTreeMap::from([(0, Layer::new(0, 0))]) }
    }

    fn layer(&mut self, index: i32) -> &mut Layer {
        let (width, height) = self.size();
        let (width, height) = if index > 0 { (width, height) } else { (0, 0) };
        self.layers.entry(index).or_insert_with(|| Layer::new(width, height))
    }

    pub(crate) fn size(&self) -> (i64, i64) {
        (self.layers[&0].width, self.layers[&0].height)
    }

    pub(crate) fn resize(&mut self, index: i32, width: i64, height: i64) {
        self.layer(index).resize(width, height);
    }

    fn grow(&mut self, index: i32, right: i64, bottom: i64) {
        let layer = self.layer(index);
        if index < 0 {
            let (width, height) = (layer.width.max(right), layer.height.max(bottom));
            layer.resize(width, height);
        }
    }

    pub(crate) fn rect(&mut self, index: i32, rect: (i64, i64, i64, i64)) {
        self.layer(index).path.push(rect);
    }

    pub(crate) fn fill(&mut self, mask: u8, index: i32, colour: Pixel) {
        let path = std::mem::take(&mut self.layer(index).path);
        for &(x, y, width, height) in &path {
            if width > 0 && height > 0 {
                self.grow(index, x + width, y + height);
            }
        }
        let layer = self.layer(index);
        for y in 0..layer.height {
            for x in 0..layer.width {
                let inside = |&(left, top, width, height): &(i64, i64, i64, i64)| {
                    (left..left + width).contains(&x) && (top..top + height).contains(&y)
                };
                if path.iter().any(inside) {
                    let pixel = blend(layer.get(x, y), colour, mask);
                    layer.set(x, y, pixel);
                }
            }
        }
    }

    /// `mode` is a mask, or a transfer function.
    pub(crate) fn copy(&mut self, from: i32, rect: (i64, i64, i64, i64), mode: (u8, bool), to: i32, at: (i64, i64)) {
        let (x, y, width, height) = rect;
        if mode == (0x5, true) {
            return;
        }
        let Some(source) = self.layers.get(&from).cloned() else { return };
        let within: Vec<(i64, i64)> = (0..height)
            .flat_map(|dy| (0..width).map(move |dx| (dx, dy)))
            .filter(|(dx, dy)| source.has(x + dx, y + dy))
            .collect();
        let Some(right) = within.iter().map(|(dx, _)| at.0 + dx + 1).max() else { return };
        let bottom = within.iter().map(|(_, dy)| at.1 + dy + 1).max().unwrap_or_default();
        self.grow(to, right, bottom);
        let target = self.layer(to);
        for (dx, dy) in within {
            let (tx, ty) = (at.0 + dx, at.1 + dy);
            let (source, old) = (source.get(x + dx, y + dy), target.get(tx, ty));
            let new = if mode.1 { transfer(old, source, mode.0) } else { blend(old, source, mode.0) };
            target.set(tx, ty, new);
        }
    }

    pub(crate) fn draw(&mut self, mask: u8, index: i32, at: (i64, i64), width: usize, pixels: &[Pixel]) {
        let height = pixels.len() / width;
        self.grow(index, at.0 + width as i64, at.1 + height as i64);
        let layer = self.layer(index);
        for (number, pixel) in pixels.iter().enumerate() {
            let (x, y) = (at.0 + (number % width) as i64, at.1 + (number / width) as i64);
            let pixel = blend(layer.get(x, y), *pixel, mask);
            layer.set(x, y, pixel);
        }
    }

    pub(crate) fn place(&mut self, index: i32, parent: i32, place: (i64, i64, i64)) {
        if index <= 0 || parent < 0 {
            return;
        }
        self.layer(parent);
        self.layer(index);
        let mut above = Some(parent);
        while let Some(ancestor) = above {
            if ancestor == index {
                return;
            }
            above = if ancestor == 0 { None } else { self.layers.get(&ancestor).and_then(|layer| layer.parent) };
        }
        let layer = self.layer(index);
        (layer.parent, layer.place) = (Some(parent), place);
    }

    pub(crate) fn shade(&mut self, index: i32, opacity: u8) {
        if index >= 0 {
            self.layer(index).opacity = opacity;
        }
    }

    pub(crate) fn dispose(&mut self, index: i32) {
        if index != 0 && self.layers.remove(&index).is_some() && index > 0 {
            for layer in self.layers.values_mut().filter(|layer| layer.parent == Some(index)) {
                layer.parent = None;
            }
        }
    }

    /// The display, row by row.
    pub(crate) fn frame(&self) -> Vec<Pixel> {
        let (width, height) = self.size();
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| self.seen(x, y)).collect()
    }

    fn seen(&self, x: i64, y: i64) -> Pixel {
        let mut colour = [0, 0, 0, 255];
        self.paint(0, (x, y), 255, &mut colour);
        colour
    }

    fn paint(&self, index: i32, (x, y): (i64, i64), opacity: u32, colour: &mut Pixel) {
        let layer = &self.layers[&index];
        let opacity = round(f64::from(opacity) * f64::from(layer.opacity) / 255.0);
        if !layer.has(x, y) {
            return;
        }
        let pixel = layer.get(x, y);
        let alpha = round(f64::from(pixel[3]) * f64::from(opacity) / 255.0);
        for channel in 0..3 {
            let mixed =
                f64::from(pixel[channel]) * f64::from(alpha) + f64::from(colour[channel]) * f64::from(255 - alpha);
            colour[channel] = round(mixed / 255.0) as u8;
        }
        let mut children: Vec<(i64, i32)> = self
            .layers
            .iter()
            .filter(|(child, layer)| **child > 0 && layer.parent == Some(index))
            .map(|(child, layer)| (layer.place.2, *child))
            .collect();
        children.sort_unstable();
        for (_, child) in children {
            let place = self.layers[&child].place;
            self.paint(child, (x - place.0, y - place.1), opacity, colour);
        }
    }
}

fn round(value: f64) -> u32 {
    (value + 0.5).floor() as u32
}

/// Porter and Duff, as the books have it.
pub(crate) fn blend(target: Pixel, source: Pixel, mask: u8) -> Pixel {
    let (a, b) = (f64::from(source[3]) / 255.0, f64::from(target[3]) / 255.0);
    let (fa, fb) = match mask {
        0x1 => (0.0, a),
        0x2 => (0.0, 1.0 - a),
        0x4 => (b, 0.0),
        0x6 => (b, 1.0 - a),
        0x8 => (1.0 - b, 0.0),
        0x9 => (1.0 - b, a),
        0xA => (1.0 - b, 1.0 - a),
        0xB => (1.0 - b, 1.0),
        0xC => return source,
        0xF => (1.0, 1.0),
        _ => (1.0, 1.0 - a),
    };
    let alpha = (a * fa + b * fb).min(1.0);
    if alpha < 1e-9 {
        return [0; 4];
    }
    let mut out = [0, 0, 0, round(alpha * 255.0) as u8];
    for channel in 0..3 {
        let sum = a * fa * f64::from(source[channel]) + b * fb * f64::from(target[channel]);
        // What is exactly between two numbers is rounded up, whatever floating point makes of it.
        out[channel] = round((sum / alpha + 1e-7).min(255.0)) as u8;
    }
    out
}

fn transfer(target: Pixel, source: Pixel, function: u8) -> Pixel {
    let mut out = target;
    for channel in 0..3 {
        out[channel] = (0..8).fold(0, |byte, bit| {
            let (s, t) = (source[channel] >> bit & 1, target[channel] >> bit & 1);
            let which = match (s, t) {
                (1, 1) => 0,
                (1, 0) => 1,
                (0, 1) => 2,
                _ => 3,
            };
            byte | (function >> which & 1) << bit
        });
    }
    if function == 0x3 || function == 0xC {
        out[3] = source[3];
    }
    out
}
