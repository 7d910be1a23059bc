//! The canvas: what each instruction does.

use std::collections::BTreeMap;

use guac_protocol::{Arg, ArgumentError, Instruction, LayerIndex, Mask, StreamIndex};

use crate::composite::Transfer;
use crate::cursor::Cursor;
use crate::decode::ImageDecoder;
use crate::layer::{How, Layer};
use crate::pending::{PendingImage, PendingImages};
use crate::rect::{Area, Rect, at};
use crate::{CanvasError, CanvasLimits, Image, ImageFormat};

/// What an instruction changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing that shows: it drew off screen, or does not draw at all.
    Nothing,
    /// Pixels within this rectangle of the display may differ.
    Drawn(Rect),
    /// The display has another size.
    Resized {
        /// Pixels.
        width_px: u32,
        /// Pixels.
        height_px: u32,
    },
    /// The pointer has another place or picture.
    Pointer,
    /// The session has another title.
    Title,
    /// The frame is whole. A client answers with `sync` and the same timestamp.
    FrameEnd {
        /// Milliseconds, of the server's clock.
        timestamp_ms: i64,
        /// Frames of the remote side that were merged into it; 0 if unknown.
        frames: u32,
    },
}

/// What a canvas was given so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Frames ended.
    pub frames: u64,
    /// Timestamp of the last frame, in milliseconds of the server's clock.
    pub last_sync_ms: Option<i64>,
    /// PNG images drawn.
    pub png_images: u64,
    /// JPEG images drawn.
    pub jpeg_images: u64,
    /// WebP images drawn.
    pub webp_images: u64,
}

/// A client's screen: give it what the server says, and look.
///
/// A clone shares all pixels with its original until one of them draws.
///
/// ```
/// use guac_canvas::{Canvas, Change};
/// use guac_protocol::Decoder;
///
/// let mut canvas = Canvas::default();
/// let mut decoder = Decoder::new();
/// decoder.feed(b"4.size,1.0,1.8,1.4;4.rect,1.0,1.2,1.0,1.2,1.2;")?;
/// decoder.feed(b"5.cfill,2.14,1.0,3.255,1.0,1.0,3.255;4.sync,4.1234,1.1;")?;
/// while let Some(instruction) = decoder.next_instruction()? {
///     if let Change::FrameEnd { timestamp_ms, .. } = canvas.handle(&instruction)? {
///         assert_eq!(timestamp_ms, 1234);
///     }
/// }
/// assert_eq!(canvas.size(), (8, 4));
/// assert_eq!(canvas.frame().pixel(3, 1), Some([255, 0, 0, 255]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Canvas {
    limits: CanvasLimits,
    /// INVARIANT: holds layer 0.
    pub(crate) layers: BTreeMap<i32, Layer>,
    /// INVARIANT: the sum of all layers' pixels.
    total_px: u64,
    pending: PendingImages,
    decoder: ImageDecoder,
    cursor: Option<Cursor>,
    pointer: Option<(i32, i32)>,
    title: Option<String>,
    statistics: Statistics,
    /// The display as it was when last looked at, and what has changed since.
    pub(crate) flat: Image,
    pub(crate) damage: Rect,
}

impl Default for Canvas {
    fn default() -> Self {
        Self::new(CanvasLimits::default())
    }
}

impl Canvas {
    /// Nothing drawn yet, and a display of no size.
    #[must_use]
    pub fn new(limits: CanvasLimits) -> Self {
        Self {
            limits,
            layers: BTreeMap::from([(0, Layer::new())]),
            total_px: 0,
            pending: PendingImages::default(),
            decoder: ImageDecoder::default(),
            cursor: None,
            pointer: None,
            title: None,
            statistics: Statistics::default(),
            flat: Image::empty(),
            damage: Rect::default(),
        }
    }

    /// Width and height of the display (the default layer), in pixels; 0 and 0 until the server has told.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        self.layers.get(&0).map_or((0, 0), Layer::size)
    }

    /// The title last set.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The pointer's picture; `None` until the server has set one.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// Where the pointer is, in pixels of the display: as the server told, or [`move_pointer`](Self::move_pointer).
    #[must_use]
    pub fn pointer(&self) -> Option<(i32, i32)> {
        self.pointer
    }

    /// What it was given so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Pixels held by all layers and buffers, four bytes each.
    #[must_use]
    pub fn total_px(&self) -> u64 {
        self.total_px
    }

    /// Carries out one instruction of a server. Those that draw nothing, and those that no server of today sends
    /// (see the crate's page), change nothing.
    ///
    /// # Errors
    /// [`CanvasError`] for what cannot be carried out. The canvas is as before, and goes on with the next one; where
    /// it refused to draw, the picture differs from the server's.
    pub fn handle(&mut self, instruction: &Instruction<'_>) -> Result<Change, CanvasError> {
        let args = |opcode| Arguments { instruction, opcode, next: 0 };
        match instruction.opcode() {
            "blob" => self.blob(args("blob")),
            "cfill" => self.cfill(args("cfill")),
            "clip" | "cstroke" => self.drop_path(args("cstroke"), usize::from(instruction.opcode() == "cstroke")),
            "lfill" | "lstroke" => self.drop_path(args("lfill"), 1),
            "copy" => self.copy(args("copy"), false),
            "cursor" => self.set_cursor(args("cursor")),
            "dispose" => self.dispose(args("dispose")),
            "end" => self.end(args("end")),
            "img" => self.img(args("img")),
            "jpeg" => self.single_shot(args("jpeg"), ImageFormat::Jpeg),
            "mouse" => self.mouse(args("mouse")),
            "move" => self.place(args("move")),
            "name" => self.name(args("name")),
            "png" => self.single_shot(args("png"), ImageFormat::Png),
            "rect" => self.rect(args("rect")),
            "shade" => self.shade(args("shade")),
            "size" => self.resize(args("size")),
            "sync" => self.sync(args("sync")),
            "transfer" => self.copy(args("transfer"), true),
            _ => Ok(Change::Nothing),
        }
    }

    /// Says where the pointer is, when this client moves it: servers tell only others of it.
    pub fn move_pointer(&mut self, x: i32, y: i32) {
        self.pointer = Some((x, y));
    }

    /// A clone that holds no flattened picture, for keeping many of them.
    pub(crate) fn bare(&self) -> Self {
        Self { flat: Image::empty(), ..self.clone() }
    }

    fn blob(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let stream = args.next("stream")?;
        self.pending.add(stream, args.next("data")?, &self.limits)?;
        Ok(Change::Nothing)
    }

    fn img(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let stream: StreamIndex = args.next("stream")?;
        let (mask, layer) = (args.next("mask")?, args.next("layer")?);
        let mimetype: &str = args.next("mimetype")?;
        let (x, y) = (args.next("x")?, args.next("y")?);
        self.pending.finish(stream);
        let format = ImageFormat::from_mimetype(mimetype).ok_or(CanvasError::UnknownImageType)?;
        let image = PendingImage { mask, layer, format, x, y, data: Vec::new() };
        self.pending.begin(stream, image, &self.limits)?;
        Ok(Change::Nothing)
    }

    fn end(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        match self.pending.finish(args.next("stream")?) {
            Some(image) => self.draw(&image),
            None => Ok(Change::Nothing),
        }
    }

    /// `png` and `jpeg` of before 1.0.0: the whole image in one argument.
    fn single_shot(&mut self, mut args: Arguments<'_, '_>, format: ImageFormat) -> Result<Change, CanvasError> {
        let (mask, layer) = (args.next("mask")?, args.next("layer")?);
        let (x, y) = (args.next("x")?, args.next("y")?);
        let data: &str = args.next("data")?;
        let not_base64 = |_| CanvasError::NotBase64 { stream: StreamIndex::default() };
        let data = base64_simd::STANDARD.decode_to_vec(data).map_err(not_base64)?;
        self.draw(&PendingImage { mask, layer, format, x, y, data })
    }

    fn draw(&mut self, image: &PendingImage) -> Result<Change, CanvasError> {
        let mut decoder = std::mem::take(&mut self.decoder);
        let limits = self.limits.clone();
        let drawn = decoder.decode(image.format, &image.data, &limits, |width, height, pixels| {
            let layer = self.target(image.layer, Area::new(image.x, image.y, width, height))?;
            Ok::<_, CanvasError>(layer.draw(image.x, image.y, width, pixels, image.mask))
        });
        self.decoder = decoder;
        let rect = drawn??;
        let count = match image.format {
            ImageFormat::Png => &mut self.statistics.png_images,
            ImageFormat::Jpeg => &mut self.statistics.jpeg_images,
            ImageFormat::Webp => &mut self.statistics.webp_images,
        };
        *count += 1;
        Ok(self.drawn(image.layer, rect))
    }

    fn rect(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let layer: LayerIndex = args.next("layer")?;
        let area = Area::new(args.next("x")?, args.next("y")?, args.next("width")?, args.next("height")?);
        let limit = self.limits.max_path_rects;
        let path = &mut self.layer(layer)?.path;
        if path.len() >= limit {
            return Err(CanvasError::PathTooLong { limit });
        }
        path.push(area);
        Ok(Change::Nothing)
    }

    fn cfill(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let mask: Mask = args.next("mask")?;
        let layer: LayerIndex = args.next("layer")?;
        let colour = [args.next("r")?, args.next("g")?, args.next("b")?, args.next("a")?];
        let mut path = std::mem::take(&mut self.layer(layer)?.path);
        if path.len() > 1 {
            path = disjoint(&path);
        }
        let mut changed = Rect::default();
        for area in path {
            changed = changed.union(self.target(layer, area)?.fill(area, colour, mask));
        }
        Ok(self.drawn(layer, changed))
    }

    /// Drawing that is not done here ends the path all the same.
    fn drop_path(&mut self, mut args: Arguments<'_, '_>, before: usize) -> Result<Change, CanvasError> {
        args.next += before;
        let index: LayerIndex = args.next("layer")?;
        if let Some(layer) = self.layers.get_mut(&index.0) {
            layer.path.clear();
        }
        Ok(Change::Nothing)
    }

    fn copy(&mut self, mut args: Arguments<'_, '_>, transfer: bool) -> Result<Change, CanvasError> {
        let source: LayerIndex = args.next("src_layer")?;
        let from = Area::new(args.next("src_x")?, args.next("src_y")?, args.next("width")?, args.next("height")?);
        // Functions have the range of masks.
        let mode: Mask = args.next("mode")?;
        let how = if transfer { How::Transfer(Transfer(mode.0)) } else { How::Mask(mode) };
        let target: LayerIndex = args.next("dst_layer")?;
        let (x, y): (i32, i32) = (args.next("dst_x")?, args.next("dst_y")?);
        if matches!(how, How::Transfer(function) if function.changes_nothing()) {
            return Ok(Change::Nothing);
        }
        let Some(original) = self.layers.get(&source.0) else { return Ok(Change::Nothing) };
        let inside = from.intersection(original.bounds().into());
        if inside.width == 0 || inside.height == 0 {
            return Ok(Change::Nothing);
        }
        let onto = inside.moved(i64::from(x) - from.x, i64::from(y) - from.y);
        let rect = if source == target {
            self.target(target, onto)?.copy_within(from, x, y, how)
        } else {
            let original = original.snapshot();
            self.target(target, onto)?.copy_from(&original, from, x, y, how)
        };
        Ok(self.drawn(target, rect))
    }

    fn resize(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let index: LayerIndex = args.next("layer")?;
        let (width, height): (u32, u32) = (args.next("width")?, args.next("height")?);
        self.layer(index)?;
        let before = self.layers.get(&index.0).map(Layer::size);
        self.set_size(index, width.into(), height.into())?;
        if before == Some((width, height)) || index.0 < 0 {
            return Ok(Change::Nothing);
        }
        let changed = self.all_changed();
        Ok(if index == LayerIndex::DEFAULT { Change::Resized { width_px: width, height_px: height } } else { changed })
    }

    /// `move`: anything but a visible layer into a visible layer is ignored (P-059), and so is a layer into itself.
    fn place(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let (index, parent): (LayerIndex, LayerIndex) = (args.next("layer")?, args.next("parent")?);
        let (x, y, z) = (args.next("x")?, args.next("y")?, args.next("z")?);
        if index.0 <= 0 || parent.0 < 0 {
            return Ok(Change::Nothing);
        }
        self.layer(parent)?;
        self.layer(index)?;
        let mut above = Some(parent.0);
        while let Some(ancestor) = above {
            if ancestor == index.0 {
                return Ok(Change::Nothing);
            }
            above = if ancestor == 0 { None } else { self.layers.get(&ancestor).and_then(|layer| layer.place.parent) };
        }
        let place = &mut self.layer(index)?.place;
        (place.parent, place.x, place.y, place.z) = (Some(parent.0), x, y, z);
        Ok(self.all_changed())
    }

    fn shade(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let index: LayerIndex = args.next("layer")?;
        let opacity = args.next("opacity")?;
        if index.0 < 0 {
            return Ok(Change::Nothing);
        }
        self.layer(index)?.opacity = opacity;
        Ok(self.all_changed())
    }

    fn dispose(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let index: LayerIndex = args.next("layer")?;
        if index == LayerIndex::DEFAULT {
            return Ok(Change::Nothing);
        }
        let Some(gone) = self.layers.remove(&index.0) else { return Ok(Change::Nothing) };
        self.total_px = self.total_px.saturating_sub(gone.area_px());
        if index.0 < 0 {
            return Ok(Change::Nothing);
        }
        for layer in self.layers.values_mut().filter(|layer| layer.place.parent == Some(index.0)) {
            layer.place.parent = None;
        }
        Ok(self.all_changed())
    }

    fn set_cursor(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let (hotspot_x, hotspot_y) = (args.next("hotspot_x")?, args.next("hotspot_y")?);
        let layer: LayerIndex = args.next("src_layer")?;
        let (x, y): (i32, i32) = (args.next("src_x")?, args.next("src_y")?);
        let (width, height): (u32, u32) = (args.next("width")?, args.next("height")?);
        if width.max(height) > self.limits.max_cursor_side_px {
            return Err(CanvasError::CursorTooLarge { width, height });
        }
        let mut picture = Layer::new();
        picture.resize(width, height);
        if let Some(source) = self.layers.get(&layer.0) {
            picture.copy_from(source, Area::new(x, y, width, height), 0, 0, How::Mask(Mask::SRC));
        }
        let mut rgba = Vec::with_capacity(at(width) * at(height) * 4);
        (0..height).for_each(|y| rgba.extend_from_slice(picture.row(0, y, width).as_flattened()));
        self.cursor = Some(Cursor { hotspot_x, hotspot_y, image: Image::from_parts(width, height, rgba) });
        Ok(Change::Pointer)
    }

    /// Older recordings know no more than the position.
    fn mouse(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        self.pointer = Some((args.next("x")?, args.next("y")?));
        Ok(Change::Pointer)
    }

    fn name(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let name: &str = args.next("name")?;
        let cut = name.floor_char_boundary(self.limits.max_title_bytes);
        self.title = name.get(..cut).map(str::to_owned);
        Ok(Change::Title)
    }

    fn sync(&mut self, mut args: Arguments<'_, '_>) -> Result<Change, CanvasError> {
        let timestamp_ms = args.next("timestamp")?;
        let frames: Option<u32> = if args.instruction.args_len() > 1 { args.next("frames")? } else { None };
        self.statistics.frames += 1;
        self.statistics.last_sync_ms = Some(timestamp_ms);
        Ok(Change::FrameEnd { timestamp_ms, frames: frames.unwrap_or_default() })
    }

    /// The layer, made if it is new. A new visible layer has the display's size (as in browsers), a buffer none.
    fn layer(&mut self, index: LayerIndex) -> Result<&mut Layer, CanvasError> {
        if !self.layers.contains_key(&index.0) {
            let limit = self.limits.max_layers;
            if self.layers.len() >= limit {
                return Err(CanvasError::TooManyLayers { limit });
            }
            let (width, height) = if index.0 > 0 { self.size() } else { (0, 0) };
            self.check_size(index, 0, width.into(), height.into())?;
            let mut layer = Layer::new();
            layer.resize(width, height);
            self.total_px += layer.area_px();
            self.layers.insert(index.0, layer);
        }
        Ok(self.layers.entry(index.0).or_insert_with(Layer::new))
    }

    /// The layer to draw on: a buffer grows so that it holds the area.
    fn target(&mut self, index: LayerIndex, area: Area) -> Result<&mut Layer, CanvasError> {
        let (width, height) = self.layer(index)?.size();
        if index.0 < 0 && area.width > 0 && area.height > 0 {
            let reach = |end: i64| u64::try_from(end).unwrap_or_default();
            let (right, bottom) = (reach(area.x + area.width), reach(area.y + area.height));
            if right > u64::from(width) || bottom > u64::from(height) {
                self.set_size(index, right.max(width.into()), bottom.max(height.into()))?;
            }
        }
        self.layer(index)
    }

    fn set_size(&mut self, index: LayerIndex, width: u64, height: u64) -> Result<(), CanvasError> {
        let before = self.layer(index)?.area_px();
        let (width_px, height_px) = self.check_size(index, before, width, height)?;
        self.layer(index)?.resize(width_px, height_px);
        self.total_px = self.total_px - before + width * height;
        Ok(())
    }

    /// The sides, if a layer that had `before` pixels may have them.
    fn check_size(&self, layer: LayerIndex, before: u64, width: u64, height: u64) -> Result<(u32, u32), CanvasError> {
        let error = CanvasError::LayerTooLarge { layer, width, height };
        let side = u64::from(self.limits.max_side_px);
        if width > side || height > side || self.total_px - before + width * height > self.limits.max_total_px {
            return Err(error);
        }
        u32::try_from(width).ok().zip(u32::try_from(height).ok()).ok_or(error)
    }

    fn drawn(&mut self, layer: LayerIndex, rect: Rect) -> Change {
        let shown = self.shown(layer.0, rect);
        if shown.is_empty() {
            return Change::Nothing;
        }
        self.damage = self.damage.union(shown);
        Change::Drawn(shown)
    }

    fn all_changed(&mut self) -> Change {
        let (width, height) = self.size();
        self.drawn(LayerIndex::DEFAULT, Rect::new(0, 0, width, height))
    }
}

/// Arguments in order.
struct Arguments<'i, 'a> {
    instruction: &'i Instruction<'a>,
    opcode: &'static str,
    next: usize,
}

impl<'a> Arguments<'_, 'a> {
    fn next<A: Arg<'a>>(&mut self, name: &'static str) -> Result<A, ArgumentError> {
        let opcode = self.opcode;
        let text = self.instruction.arg(self.next).ok_or(ArgumentError::Missing { opcode, name })?;
        self.next += 1;
        A::parse(text).ok_or(ArgumentError::Invalid { opcode, name, expected: A::EXPECTED })
    }
}

/// The union of rectangles as rectangles that do not overlap, so that translucent colours are mixed in once only.
fn disjoint(path: &[Area]) -> Vec<Area> {
    let mut whole: Vec<Area> = Vec::with_capacity(path.len());
    for area in path.iter().filter(|area| area.width > 0 && area.height > 0) {
        let mut parts = vec![*area];
        for taken in &whole {
            parts = parts.into_iter().flat_map(|part| without(part, *taken)).collect();
        }
        whole.append(&mut parts);
    }
    whole
}

/// What is left of `part` when `taken` is cut out.
fn without(part: Area, taken: Area) -> Vec<Area> {
    let cut = part.intersection(taken);
    if cut.width == 0 || cut.height == 0 {
        return vec![part];
    }
    let below = cut.y + cut.height;
    let behind = cut.x + cut.width;
    let pieces = [
        Area { height: cut.y - part.y, ..part },
        Area { y: below, height: part.y + part.height - below, ..part },
        Area { width: cut.x - part.x, y: cut.y, height: cut.height, ..part },
        Area { x: behind, width: part.x + part.width - behind, y: cut.y, height: cut.height },
    ];
    pieces.into_iter().filter(|piece| piece.width > 0 && piece.height > 0).collect()
}
