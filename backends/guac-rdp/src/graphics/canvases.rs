//! Surfaces of the pipeline, and the picture they make.
//!
//! A surface that is all of the picture, as the desktop's is, has no pixels of its own: it is drawn where it is shown.
//! The others are put together at the end of a frame.

use std::collections::BTreeMap;

use guac_display::{Changes, CopyOp, Picture as _, Rect, Size, Surface};
use ironrdp_egfx::pdu::Point;

use super::budget::Budget;
use super::{broken, trim};
use crate::RdpError;

/// Most surfaces. Servers make one a monitor, and few besides.
const MAX_CANVASES: usize = 256;

/// Least room for surfaces with pixels of their own, in pixels: 16 MiB. With a larger picture there is room for one of
/// its size.
const MIN_OWN_PX: usize = 4 << 20;

/// Room for what the server keeps for later: 16 MiB is what our capabilities say, and servers count rows in their way.
const MAX_CACHE_PX: usize = 5 << 20;

/// Most things kept for later, as for small caches (MS-RDPEGFX 3.3.1.4).
const MAX_CACHED: usize = 4096;

/// A surface.
struct Canvas {
    size: Size,
    /// Where its left top corner is shown.
    shown_at: Option<(u32, u32)>,
    /// Its pixels; none where it is drawn on the picture itself.
    own: Option<Surface>,
}

/// Pixels kept for later.
struct Cached {
    width: u32,
    height: u32,
    pixels: Vec<u32>,
}

/// Surfaces by their id, and the cache by its slots.
#[derive(Default)]
pub(super) struct Canvases {
    canvases: BTreeMap<u16, Canvas>,
    own_px: usize,
    cache: BTreeMap<u16, Cached>,
    cached_px: usize,
    scratch: Vec<u32>,
}

impl Canvases {
    /// Forgets all surfaces. The cache stays.
    pub(super) fn reset(&mut self) {
        self.canvases.clear();
        self.own_px = 0;
    }

    /// Makes a surface. One of the same id goes.
    pub(super) fn create(&mut self, id: u16, width: u16, height: u16, picture: &Surface) -> Result<(), RdpError> {
        self.delete(id);
        let size = Size::new(u32::from(width), u32::from(height));
        let size = size.map_err(|_| broken("pipeline surface of no or too large a size"))?;
        if self.canvases.len() >= MAX_CANVASES {
            return Err(broken("more than 256 pipeline surfaces"));
        }
        self.charge(size, picture)?;
        self.canvases.insert(id, Canvas { size, shown_at: None, own: Some(Surface::new(size)) });
        Ok(())
    }

    pub(super) fn delete(&mut self, id: u16) {
        if let Some(Canvas { size, own: Some(_), .. }) = self.canvases.remove(&id) {
            self.own_px = self.own_px.saturating_sub(size.area());
        }
    }

    /// The size of a surface.
    pub(super) fn size(&self, id: u16) -> Option<Size> {
        Some(self.canvases.get(&id)?.size)
    }

    /// What to draw on for a surface.
    pub(super) fn target<'a>(&'a mut self, id: u16, picture: &'a mut Surface) -> Option<&'a mut Surface> {
        Some(self.canvases.get_mut(&id)?.own.as_mut().unwrap_or(picture))
    }

    /// Shows a surface in the picture.
    pub(super) fn show(&mut self, id: u16, (x, y): (u32, u32), picture: &mut Surface) -> Result<(), RdpError> {
        let Some(canvas) = self.canvases.get(&id) else { return Ok(()) };
        let whole = (x, y) == (0, 0) && canvas.size == picture.size();
        if whole == canvas.own.is_none() {
            // It stays as it is drawn; it may be elsewhere.
        } else if whole {
            self.hold_back(picture)?;
            self.own_px = self.own_px.saturating_sub(picture.size().area());
            if let Some(own) = self.canvases.get_mut(&id).and_then(|canvas| canvas.own.take()) {
                put(&own, own.size().rect(), (0, 0), picture);
            }
        } else {
            self.hold_back(picture)?;
        }
        if let Some(canvas) = self.canvases.get_mut(&id) {
            canvas.shown_at = Some((x, y));
            if let Some(own) = &canvas.own {
                put(own, own.size().rect(), (x, y), picture);
            }
        }
        Ok(())
    }

    /// Gives the surface that is drawn on the picture, if any, pixels of its own.
    fn hold_back(&mut self, picture: &Surface) -> Result<(), RdpError> {
        let Some((&id, &Canvas { size, .. })) = self.canvases.iter().find(|(_, canvas)| canvas.own.is_none()) else {
            return Ok(());
        };
        self.charge(size, picture)?;
        let mut own = Surface::new(size);
        put(picture, size.rect().intersection(picture.size().rect()), (0, 0), &mut own);
        own.take_changes(&mut Changes::new(size));
        if let Some(canvas) = self.canvases.get_mut(&id) {
            canvas.own = Some(own);
        }
        Ok(())
    }

    fn charge(&mut self, size: Size, picture: &Surface) -> Result<(), RdpError> {
        self.own_px += size.area();
        if self.own_px > MIN_OWN_PX.max(picture.size().area()) {
            return Err(broken("more pipeline surfaces than there is room for"));
        }
        Ok(())
    }

    /// Puts what changed in shown surfaces into the picture.
    pub(super) fn compose(&mut self, budget: &mut Budget, picture: &mut Surface) -> Result<(), RdpError> {
        for canvas in self.canvases.values_mut() {
            let Some(own) = canvas.own.as_mut().filter(|own| own.has_changes()) else { continue };
            let mut changes = Changes::new(canvas.size);
            changes.clear();
            own.take_changes(&mut changes);
            let Some(at) = canvas.shown_at else { continue };
            // Moves as what they left behind: other surfaces may lie over the pixels in the picture.
            let moved = changes.copies().iter().map(|copy| copy.dst());
            for rect in moved.chain(changes.damaged_tiles().map(|(_, _, rect)| rect)) {
                budget.spend(rect.area())?;
                put(own, rect, at, picture);
            }
        }
        Ok(())
    }

    /// Copies pixels to points of the same or another surface.
    pub(super) fn copy(
        &mut self,
        (from, to): (u16, u16),
        rect: Rect,
        points: &[Point],
        budget: &mut Budget,
        picture: &mut Surface,
    ) -> Result<(), RdpError> {
        let Some(source) = self.target(from, picture) else { return Ok(()) };
        let rect = rect.intersection(source.size().rect());
        budget.spend(rect.area().saturating_mul(points.len().max(1)))?;
        if let (true, [point]) = (from == to, points) {
            let room = source.size().rect().intersection(Rect { width: rect.width, height: rect.height, ..at(point) });
            let src = Rect { width: room.width, height: room.height, ..rect };
            source.copy(CopyOp { src, dst_x: room.x, dst_y: room.y });
            return Ok(());
        }
        let mut pixels = std::mem::take(&mut self.scratch);
        if let Some(source) = self.target(from, picture) {
            source.read(rect, &mut pixels);
        }
        if let Some(target) = self.target(to, picture) {
            for point in points {
                put_pixels(&pixels, Rect { width: rect.width, height: rect.height, ..at(point) }, target);
            }
        }
        trim(&mut pixels);
        self.scratch = pixels;
        Ok(())
    }

    /// Keeps pixels of a surface for later.
    pub(super) fn keep(
        &mut self,
        (id, slot): (u16, u16),
        rect: Rect,
        budget: &mut Budget,
        picture: &mut Surface,
    ) -> Result<(), RdpError> {
        self.evict(slot);
        let Some(source) = self.target(id, picture) else { return Ok(()) };
        let rect = rect.intersection(source.size().rect());
        if rect.is_empty() {
            return Ok(());
        }
        let area = rect.area();
        budget.spend(area)?;
        let mut pixels = Vec::new();
        if self.cached_px + area > MAX_CACHE_PX || self.cache.len() >= MAX_CACHED {
            return Err(broken("more in the pipeline's cache than was offered"));
        }
        if let Some(source) = self.target(id, picture) {
            pixels.reserve_exact(area);
            source.read(rect, &mut pixels);
        }
        self.cached_px += area;
        self.cache.insert(slot, Cached { width: rect.width, height: rect.height, pixels });
        Ok(())
    }

    /// Draws what was kept.
    pub(super) fn draw_kept(
        &mut self,
        (slot, id): (u16, u16),
        points: &[Point],
        budget: &mut Budget,
        picture: &mut Surface,
    ) -> Result<(), RdpError> {
        let (Some(kept), Some(canvas)) = (self.cache.get(&slot), self.canvases.get_mut(&id)) else { return Ok(()) };
        budget.spend(kept.pixels.len().saturating_mul(points.len()))?;
        let target = canvas.own.as_mut().unwrap_or(picture);
        for point in points {
            put_pixels(&kept.pixels, Rect { width: kept.width, height: kept.height, ..at(point) }, target);
        }
        Ok(())
    }

    /// Forgets what was kept.
    pub(super) fn evict(&mut self, slot: u16) {
        if let Some(kept) = self.cache.remove(&slot) {
            self.cached_px = self.cached_px.saturating_sub(kept.pixels.len());
        }
    }
}

fn at(point: &Point) -> Rect {
    Rect { x: u32::from(point.x), y: u32::from(point.y), ..Rect::default() }
}

fn shifted(rect: Rect, (x, y): (u32, u32)) -> Rect {
    Rect { x: rect.x.saturating_add(x), y: rect.y.saturating_add(y), ..rect }
}

/// Copies `rect` of a surface to where `origin` is its left top corner, cut at the edges.
fn put(from: &Surface, rect: Rect, origin: (u32, u32), to: &mut Surface) {
    let place = shifted(rect, origin).intersection(to.size().rect());
    for (index, out) in (0..).zip(to.rows_mut(place)) {
        let row = from.row(rect, index);
        out.iter_mut().zip(row).for_each(|(out, &pixel)| *out = pixel);
    }
}

/// Puts pixels at `rect`, cut at the edges.
fn put_pixels(pixels: &[u32], rect: Rect, to: &mut Surface) {
    let visible = rect.intersection(to.size().rect());
    for (out, row) in to.rows_mut(visible).zip(pixels.chunks_exact((rect.width as usize).max(1))) {
        out.iter_mut().zip(row).for_each(|(out, &pixel)| *out = pixel);
    }
}
