//! A model of a client's screen: replays instructions, pixel by pixel, without any cleverness.

use std::collections::HashMap;
use std::io::Cursor;

use anyhow::{Context as _, Result, bail};
use guac_protocol::{Instruction, LayerIndex, ServerInstruction, StreamIndex};

/// Pixels of one layer, `0xAARRGGBB`.
#[derive(Debug, Clone, Default)]
struct Layer {
    width: usize,
    height: usize,
    pixels: Vec<u32>,
}

impl Layer {
    fn resize(&mut self, width: usize, height: usize) {
        let mut pixels = vec![0; width * height];
        for y in 0..height.min(self.height) {
            for x in 0..width.min(self.width) {
                pixels[y * width + x] = self.pixels[y * self.width + x];
            }
        }
        *self = Self { width, height, pixels };
    }

    fn set(&mut self, x: i64, y: i64, pixel: u32) {
        let inside = (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y);
        if inside {
            let index = usize::try_from(y).unwrap_or_default() * self.width + usize::try_from(x).unwrap_or_default();
            self.pixels[index] = pixel;
        }
    }
}

#[derive(Debug)]
struct Image {
    layer: LayerIndex,
    mimetype: String,
    x: i32,
    y: i32,
    data: Vec<u8>,
}

/// A client's layers and pointer after the instructions it was given.
#[derive(Debug, Default)]
pub struct Canvas {
    layers: HashMap<LayerIndex, Layer>,
    images: HashMap<StreamIndex, Image>,
    path: HashMap<LayerIndex, (i32, i32, u32, u32)>,
    /// Types of the images drawn so far.
    pub mimetypes: Vec<String>,
    /// Number of frames ended.
    pub frames: usize,
    /// Timestamp of the last frame.
    pub last_sync_ms: Option<i64>,
    /// Hotspot and size of the pointer last set.
    pub cursor: Option<(i32, i32, u32, u32)>,
    /// The title last set.
    pub title: Option<String>,
}

impl Canvas {
    /// Nothing drawn yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Width and height of the default layer.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.layers.get(&LayerIndex::DEFAULT).map_or((0, 0), |layer| (layer.width, layer.height))
    }

    /// Pixels of the default layer, row-major, `0x00RRGGBB`.
    #[must_use]
    pub fn pixels(&self) -> Vec<u32> {
        let layer = self.layers.get(&LayerIndex::DEFAULT);
        layer.map(|layer| layer.pixels.iter().map(|pixel| pixel & 0x00FF_FFFF).collect()).unwrap_or_default()
    }

    /// Replays one instruction; those that draw nothing are ignored.
    ///
    /// # Errors
    /// Images that do not decode, streams never opened.
    pub fn handle(&mut self, instruction: &Instruction<'_>) -> Result<()> {
        let Ok(typed) = ServerInstruction::try_from(instruction) else { return Ok(()) };
        match typed {
            ServerInstruction::Size { layer, width, height } => {
                self.layers.entry(layer).or_default().resize(width as usize, height as usize);
            }
            ServerInstruction::Img { stream, layer, mimetype, x, y, .. } => {
                let image = Image { layer, mimetype: mimetype.to_owned(), x, y, data: Vec::new() };
                self.images.insert(stream, image);
            }
            ServerInstruction::Blob { stream, data } => {
                if let Some(image) = self.images.get_mut(&stream) {
                    image.data.extend(base64_simd::STANDARD.decode_to_vec(data).context("a blob is not base64")?);
                }
            }
            ServerInstruction::End { stream } => {
                if let Some(image) = self.images.remove(&stream) {
                    self.draw(&image)?;
                }
            }
            ServerInstruction::Rect { layer, x, y, width, height } => {
                self.path.insert(layer, (x, y, width, height));
            }
            ServerInstruction::Cfill { layer, r, g, b, a, .. } => {
                let path = self.path.remove(&layer).context("cfill without rect")?;
                self.fill(layer, path, u32::from_be_bytes([a, r, g, b]));
            }
            ServerInstruction::Copy { src_layer, src_x, src_y, width, height, dst_layer, dst_x, dst_y, .. } => {
                let source = self.layers.get(&src_layer).cloned().context("copy from a layer that is not there")?;
                let target = self.layers.entry(dst_layer).or_default();
                for y in 0..i64::from(height) {
                    for x in 0..i64::from(width) {
                        let (sx, sy) = (i64::from(src_x) + x, i64::from(src_y) + y);
                        let index = usize::try_from(sy)? * source.width + usize::try_from(sx)?;
                        let pixel = *source.pixels.get(index).context("copy from outside the layer")?;
                        target.set(i64::from(dst_x) + x, i64::from(dst_y) + y, pixel);
                    }
                }
            }
            ServerInstruction::Cursor { hotspot_x, hotspot_y, width, height, .. } => {
                self.cursor = Some((hotspot_x, hotspot_y, width, height));
            }
            ServerInstruction::Name { name } => self.title = Some(name.to_owned()),
            ServerInstruction::Sync { timestamp_ms, .. } => {
                self.frames += 1;
                self.last_sync_ms = Some(timestamp_ms);
            }
            _ => {}
        }
        Ok(())
    }

    fn fill(&mut self, layer: LayerIndex, (x, y, width, height): (i32, i32, u32, u32), pixel: u32) {
        let layer = self.layers.entry(layer).or_default();
        for dy in 0..i64::from(height) {
            for dx in 0..i64::from(width) {
                layer.set(i64::from(x) + dx, i64::from(y) + dy, pixel);
            }
        }
    }

    fn draw(&mut self, image: &Image) -> Result<()> {
        let (width, rgba) = decode(&image.mimetype, &image.data)?;
        self.mimetypes.push(image.mimetype.clone());
        let layer = self.layers.entry(image.layer).or_default();
        for (index, pixel) in rgba.iter().enumerate() {
            let (x, y) = (i64::from(image.x) + (index % width) as i64, i64::from(image.y) + (index / width) as i64);
            layer.set(x, y, *pixel);
        }
        Ok(())
    }
}

/// Width and `0xAARRGGBB` pixels of an image.
fn decode(mimetype: &str, data: &[u8]) -> Result<(usize, Vec<u32>)> {
    let (width, channels, bytes) = match mimetype {
        "image/png" => {
            let mut reader = png::Decoder::new(Cursor::new(data)).read_info()?;
            let mut bytes = vec![0; reader.output_buffer_size().context("a PNG too large")?];
            let info = reader.next_frame(&mut bytes)?;
            (info.width as usize, info.color_type.samples(), bytes)
        }
        "image/webp" => {
            let mut decoder = image_webp::WebPDecoder::new(Cursor::new(data))?;
            let mut bytes = vec![0; decoder.output_buffer_size().context("a WebP too large")?];
            decoder.read_image(&mut bytes)?;
            let channels = if decoder.has_alpha() { 4 } else { 3 };
            (decoder.dimensions().0 as usize, channels, bytes)
        }
        "image/jpeg" => {
            let mut decoder = zune_jpeg::JpegDecoder::new(Cursor::new(data));
            let bytes = decoder.decode()?;
            let (width, _) = decoder.dimensions().context("a JPEG without size")?;
            (width, 3, bytes)
        }
        other => bail!("image of unknown type {other}"),
    };
    let pixels = bytes.chunks_exact(channels).map(|pixel| match *pixel {
        [r, g, b, a] => u32::from_be_bytes([a, r, g, b]),
        [r, g, b] => u32::from_be_bytes([0xFF, r, g, b]),
        _ => 0,
    });
    Ok((width, pixels.collect()))
}
