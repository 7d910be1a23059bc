//! Messages from the server (RFC 6143 §7.6 and the extensions).

use super::{
    Connection, Event, Framebuffer, RfbError,
    clipboard::Received,
    connection::Phase,
    decode::{Context, Decoder, alpha_cursor, rich_cursor, x_cursor},
    encoding::{self as number, Encoding},
    error::{Stop, check_limit},
    framebuffer::Canvas,
    message,
    reader::Reader,
    rect::Rect,
};

/// Number of rectangles that stands for "until LastRect".
const RECTS_WITHOUT_END: u16 = u16::MAX;

/// Longest payload of a fence, by its specification.
const FENCE_BYTES: u8 = 64;

/// The fence asks for an answer.
const FENCE_REQUEST: u32 = 1 << 31;

/// What answers may promise. All three come for free: messages are handled one after another.
const FENCE_SUPPORTED: u32 = 0b111;

/// Room for the framing of compressed clipboard data that hardly compresses.
const CLIPBOARD_FRAMING_BYTES: u64 = 4096;

/// Why an ExtendedDesktopSize was sent: the answer to our request.
const REASON_THIS_CLIENT: u16 = 1;

impl Connection {
    /// Reads a message, or the part of it before its rectangles.
    pub(super) fn message(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        match reader.u8()? {
            0 => {
                reader.skip(1)?;
                let count = reader.u16()?;
                if !self.continuous {
                    // Asked for while the current one is still on its way, so that the server never idles.
                    message::update_request(&mut self.out, true, self.size);
                }
                self.next_rect((count != RECTS_WITHOUT_END).then_some(count));
            }
            1 => {
                reader.skip(3)?;
                let count = reader.u16()?;
                self.phase = Phase::Skip { left: u64::from(count) * 6 };
            }
            2 => self.events.push_back(Event::Bell),
            3 => {
                reader.skip(3)?;
                let len = reader.i32()?;
                self.server_cut_text(len, reader)?;
            }
            150 => {
                if !self.continuous {
                    self.continuous = true;
                    message::enable_continuous_updates(&mut self.out, self.size);
                }
            }
            248 => self.fence(reader)?,
            kind => return Err(RfbError::UnknownMessage { kind }.into()),
        }
        Ok(())
    }

    fn server_cut_text(&mut self, len: i32, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let limit = self.config.limits.clipboard_bytes;
        let extended = len < 0;
        let len = u64::from(len.unsigned_abs());
        let framing = if extended { CLIPBOARD_FRAMING_BYTES } else { 0 };
        if check_limit("clipboard", len, limit as u64 + framing).is_err() {
            self.events.push_back(Event::ClipboardTooLarge { len_bytes: len });
            self.phase = Phase::Skip { left: len };
            return Ok(());
        }
        let bytes = reader.take(usize::try_from(len).map_err(|_| Stop::malformed("clipboard length"))?)?;
        if !extended {
            self.events.push_back(Event::CutText(bytes.to_vec()));
            return Ok(());
        }
        match self.clipboard.receive(bytes, limit, &mut self.out)? {
            Received::Nothing => {}
            Received::Text(text) => self.events.push_back(Event::Clipboard(text)),
            Received::TooLarge(len_bytes) => self.events.push_back(Event::ClipboardTooLarge { len_bytes }),
        }
        Ok(())
    }

    fn fence(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        reader.skip(3)?;
        let flags = reader.u32()?;
        let len = reader.u8()?;
        check_limit("fence", len, FENCE_BYTES)?;
        let payload = reader.take(usize::from(len))?;
        if flags & FENCE_REQUEST != 0 {
            message::fence(&mut self.out, flags & FENCE_SUPPORTED, payload);
        }
        Ok(())
    }

    fn next_rect(&mut self, left: Option<u16>) {
        if left == Some(0) {
            self.events.push_back(Event::UpdateEnd);
            self.phase = Phase::Message;
        } else {
            self.phase = Phase::Rects { left };
        }
    }

    /// Reads a rectangle's header, and all of it where it is a pseudo-encoding.
    pub(super) fn rect_header(
        &mut self,
        left: Option<u16>,
        reader: &mut Reader<'_>,
        picture: &mut dyn Framebuffer,
    ) -> Result<(), Stop> {
        let rect = Rect::new(reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?);
        let code = reader.i32()?;
        let after = left.map(|left| left.saturating_sub(1));
        if let Some(encoding) = Encoding::from_code(code) {
            let (width_px, height_px) = self.size;
            if !rect.within(width_px, height_px) {
                return Err(RfbError::RectangleOutside { rect, width_px, height_px }.into());
            }
            self.phase = Phase::Rect { left: after, decoder: Decoder::new(encoding, rect) };
            return Ok(());
        }
        self.pseudo_rect(code, rect, reader, picture)?;
        self.next_rect(if code == number::LAST_RECT { Some(0) } else { after });
        Ok(())
    }

    fn pseudo_rect(
        &mut self,
        code: i32,
        rect: Rect,
        reader: &mut Reader<'_>,
        picture: &mut dyn Framebuffer,
    ) -> Result<(), Stop> {
        let limits = &self.config.limits;
        let mut cursor = match code {
            number::RICH_CURSOR => rich_cursor(reader, rect, self.config.color_depth, limits)?,
            number::X_CURSOR => x_cursor(reader, rect, limits)?,
            number::ALPHA_CURSOR => alpha_cursor(reader, rect, limits)?,
            number::LAST_RECT => return Ok(()),
            number::DESKTOP_SIZE => return Ok(self.resized(rect.width, rect.height, picture)?),
            number::EXTENDED_DESKTOP_SIZE => return self.extended_desktop_size(rect, reader, picture),
            number::DESKTOP_NAME => {
                let len = reader.u32()?;
                check_limit("desktop name", len, limits.name_bytes)?;
                let name = reader.take(usize::try_from(len).map_err(|_| Stop::malformed("desktop name"))?)?;
                self.events.push_back(Event::Name(String::from_utf8_lossy(name).into_owned()));
                return Ok(());
            }
            encoding => return Err(RfbError::UnknownEncoding { encoding }.into()),
        };
        if self.config.swap_red_blue {
            cursor.swap_red_blue();
        }
        self.events.push_back(Event::Cursor(cursor));
        Ok(())
    }

    fn extended_desktop_size(
        &mut self,
        rect: Rect,
        reader: &mut Reader<'_>,
        picture: &mut dyn Framebuffer,
    ) -> Result<(), Stop> {
        let screens = reader.u8()?;
        reader.skip(3)?;
        let layout = reader.take(usize::from(screens) * 16)?;
        let mut layout = Reader::new(layout);
        let first = (|| {
            let id = layout.u32()?;
            layout.skip(8)?;
            Ok::<_, Stop>((id, layout.u32()?))
        })();
        // Its presence is what says that the server takes sizes; without screens, any id will do.
        self.screen = Some(first.unwrap_or((0, 0)));
        if rect.x == REASON_THIS_CLIENT && rect.y != 0 {
            self.events.push_back(Event::ResizeRefused { code: rect.y });
        } else {
            self.resized(rect.width, rect.height, picture)?;
        }
        if let Some((width_px, height_px)) = self.wanted_size.take() {
            self.set_desktop_size(width_px, height_px);
        }
        Ok(())
    }

    fn resized(&mut self, width_px: u16, height_px: u16, picture: &mut dyn Framebuffer) -> Result<(), RfbError> {
        if (width_px, height_px) == self.size {
            return Ok(());
        }
        self.check_size(width_px, height_px)?;
        self.size = (width_px, height_px);
        picture.resize(width_px, height_px);
        message::update_request(&mut self.out, false, self.size);
        if self.continuous {
            message::enable_continuous_updates(&mut self.out, self.size);
        }
        self.events.push_back(Event::Resized { width_px, height_px });
        Ok(())
    }

    /// Decodes a piece of the current rectangle.
    pub(super) fn rect_data(&mut self, reader: &mut Reader<'_>, picture: &mut dyn Framebuffer) -> Result<(), Stop> {
        let Phase::Rect { left, decoder } = &mut self.phase else { return Ok(()) };
        let left = *left;
        let mut context = Context {
            canvas: Canvas::new(picture, self.config.swap_red_blue, &mut self.drawn_px),
            streams: &mut self.streams,
            depth: self.config.color_depth,
            limits: &self.config.limits,
            size: self.size,
        };
        if decoder.step(reader, &mut context)? {
            self.next_rect(left);
        }
        Ok(())
    }
}
