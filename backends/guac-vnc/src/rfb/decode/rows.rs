//! Raw and Zlib: rows of plain pixels, as they are or deflated.

use super::{
    super::{error::Stop, inflate::Section, pixel::Wire, reader::Reader, rect::Rect},
    Context,
};

/// Pixels converted at once: enough to make rows cheap, little enough to stay in the cache.
const BATCH_PX: usize = 16 * 1024;

/// A rectangle filled row by row.
#[derive(Debug)]
struct Rows {
    rect: Rect,
    next: u16,
}

impl Rows {
    fn new(rect: Rect) -> Self {
        // Without columns there is nothing to wait for.
        Self { rect, next: if rect.width == 0 { rect.height } else { 0 } }
    }

    fn is_full(&self) -> bool {
        self.next >= self.rect.height
    }

    fn row_bytes(&self, wire: Wire) -> usize {
        usize::from(self.rect.width) * wire.len()
    }

    /// Draws as many whole rows as `bytes` holds, up to a batch; returns the bytes used.
    fn draw(&mut self, bytes: &[u8], wire: Wire, context: &mut Context<'_>) -> usize {
        let row_bytes = self.row_bytes(wire).max(1);
        let batch = (BATCH_PX / usize::from(self.rect.width).max(1)).max(1);
        let left = usize::from(self.rect.height.saturating_sub(self.next));
        let rows = (bytes.len() / row_bytes).min(batch).min(left);
        let used = rows * row_bytes;
        let (Ok(rows), Some(bytes)) = (u16::try_from(rows), bytes.get(..used)) else { return 0 };
        if rows > 0 {
            let mut pixels = std::mem::take(&mut context.streams.pixels);
            pixels.clear();
            wire.extend(bytes, &mut pixels);
            context.canvas.put(self.rect.rows(self.next, rows), &mut pixels);
            context.streams.pixels = pixels;
            self.next += rows;
        }
        used
    }
}

/// Raw (RFC 6143 §7.7.1).
#[derive(Debug)]
pub(crate) struct Raw(Rows);

impl Raw {
    pub(crate) fn new(rect: Rect) -> Self {
        Self(Rows::new(rect))
    }

    pub(crate) fn step(&mut self, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        if self.0.is_full() {
            return Ok(true);
        }
        let used = self.0.draw(reader.rest(), Wire::full(context.depth), context);
        if used == 0 {
            return Err(Stop::Need);
        }
        reader.skip(used)?;
        Ok(self.0.is_full())
    }
}

/// Zlib: the pixels of a Raw rectangle in a stream that lasts as long as the connection.
#[derive(Debug)]
pub(crate) struct ZlibRows {
    rows: Rows,
    section: Option<Section>,
}

impl ZlibRows {
    pub(crate) fn new(rect: Rect) -> Self {
        Self { rows: Rows::new(rect), section: None }
    }

    pub(crate) fn step(&mut self, reader: &mut Reader<'_>, context: &mut Context<'_>) -> Result<bool, Stop> {
        let Some(section) = &mut self.section else {
            self.section = Some(Section::new(reader.len32()?));
            context.streams.window.clear();
            return Ok(false);
        };
        let wire = Wire::full(context.depth);
        if self.rows.is_full() {
            section.finish(reader, context.streams.zlib.get())?;
            return Ok(true);
        }
        let streams = &mut *context.streams;
        section.fill(reader, streams.zlib.get(), &mut streams.window, self.rows.row_bytes(wire))?;
        let mut window = std::mem::take(&mut streams.window);
        let used = self.rows.draw(window.unread(), wire, context);
        window.advance(used);
        if self.rows.is_full() && !window.unread().is_empty() {
            return Err(Stop::malformed("Zlib rectangle: too much data"));
        }
        context.streams.window = window;
        Ok(false)
    }
}
