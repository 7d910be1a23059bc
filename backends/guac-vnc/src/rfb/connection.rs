//! The connection as a whole: input in, events and output out.

use std::{collections::VecDeque, fmt, mem};

use super::{
    Credentials, Encoding, Event, Framebuffer, Limits, RfbError, Security,
    clipboard::ExtendedClipboard,
    decode::{Decoder, Streams},
    error::{Stop, check_limit},
    handshake::{Handshake, Outcome, ServerInit},
    limits::{EVENTS_PER_TURN, INBOX_KEEP_BYTES, INBOX_SLACK_BYTES, PIXELS_PER_TURN, TIGHT_LENGTH_MAX},
    message,
    pixel::ColorDepth,
    reader::Reader,
};

/// What to ask of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to authenticate.
    pub security: Security,
    /// Encodings, most wanted first.
    pub encodings: Vec<Encoding>,
    /// Bits spent on a pixel.
    pub color_depth: ColorDepth,
    /// Exchange red and blue in everything received.
    pub swap_red_blue: bool,
    /// Ask for pointer shapes; else the server draws the pointer into the picture.
    pub local_cursor: bool,
    /// Ask for the extended clipboard.
    pub clipboard: bool,
    /// Compression effort, 0 to 9, as a hint.
    pub compress_level: Option<u8>,
    /// JPEG quality, 0 to 9; without it a server sends no JPEG.
    pub quality_level: Option<u8>,
    /// Bounds on what the server may cost.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            security: Security::default(),
            encodings: Encoding::DEFAULT.to_vec(),
            color_depth: ColorDepth::default(),
            swap_red_blue: false,
            local_cursor: true,
            clipboard: true,
            compress_level: None,
            quality_level: None,
            limits: Limits::default(),
        }
    }
}

/// One RFB connection, from the greeting on.
///
/// After each call of [`handle_input`](Self::handle_input) and of a command, drain [`poll_event`](Self::poll_event)
/// and [`poll_transmit`](Self::poll_transmit). While [`wants_turn`](Self::wants_turn), call `handle_input` again (an
/// empty slice will do) before reading more from the server, and let others run in between.
pub struct Connection {
    pub(super) config: Config,
    pub(super) phase: Phase,
    pub(super) size: (u16, u16),
    pub(super) streams: Streams,
    pub(super) events: VecDeque<Event>,
    pub(super) out: Vec<u8>,
    pub(super) clipboard: ExtendedClipboard,
    /// The first screen's id and flags, once the server has said that it takes sizes.
    pub(super) screen: Option<(u32, u32)>,
    /// A size asked for before that.
    pub(super) wanted_size: Option<(u16, u16)>,
    /// Updates come without being asked for.
    pub(super) continuous: bool,
    pub(super) drawn_px: u64,
    /// Received and not used yet: less than one unit, unless a turn ended early.
    inbox: Vec<u8>,
    wants_turn: bool,
}

/// What the next byte belongs to.
#[derive(Debug)]
pub(super) enum Phase {
    Handshake(Box<Handshake>),
    /// A message.
    Message,
    /// A rectangle's header; `left` rectangles follow, without end where there is no number.
    Rects {
        left: Option<u16>,
    },
    /// A rectangle's data.
    Rect {
        left: Option<u16>,
        decoder: Decoder,
    },
    /// Bytes of no interest.
    Skip {
        left: u64,
    },
    /// An error was returned; nothing more is taken.
    Failed,
}

/// Without what was or will be sent: clipboards and passwords are among it.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("connected", &self.is_connected())
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection that waits for the server's greeting.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let handshake = Handshake::new(config.security.clone());
        Self {
            config,
            phase: Phase::Handshake(Box::new(handshake)),
            size: (0, 0),
            streams: Streams::default(),
            events: VecDeque::new(),
            out: Vec::new(),
            clipboard: ExtendedClipboard::default(),
            screen: None,
            wanted_size: None,
            continuous: false,
            drawn_px: 0,
            inbox: Vec::new(),
            wants_turn: false,
        }
    }

    /// Whether the desktop is open.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !matches!(self.phase, Phase::Handshake(_) | Phase::Failed)
    }

    /// Width and height of the desktop in pixels; zero before it is open.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// Whether the server said that it can be resized.
    #[must_use]
    pub fn can_resize(&self) -> bool {
        self.screen.is_some()
    }

    /// Whether clipboards go as Unicode text ([`offer_clipboard`](Self::offer_clipboard)).
    #[must_use]
    pub fn has_extended_clipboard(&self) -> bool {
        self.clipboard.is_active()
    }

    /// Whether updates come without being asked for.
    #[must_use]
    pub fn has_continuous_updates(&self) -> bool {
        self.continuous
    }

    /// Whether `handle_input` stopped with work left, because it had drawn or queued much.
    #[must_use]
    pub fn wants_turn(&self) -> bool {
        self.wants_turn
    }

    /// Takes bytes from the server, all of them, and draws what they say on `picture`.
    ///
    /// # Errors
    /// [`RfbError`], after which the connection is of no further use: later calls take nothing.
    pub fn handle_input(&mut self, bytes: &[u8], picture: &mut dyn Framebuffer) -> Result<(), RfbError> {
        self.drawn_px = 0;
        self.wants_turn = false;
        let result = if self.inbox.is_empty() {
            self.run(bytes, picture).map(|used| self.inbox.extend_from_slice(bytes.get(used..).unwrap_or_default()))
        } else {
            let mut inbox = mem::take(&mut self.inbox);
            inbox.extend_from_slice(bytes);
            let used = self.run(&inbox, picture);
            self.inbox = inbox;
            used.map(|used| drop(self.inbox.drain(..used)))
        };
        let result = result.and_then(|()| self.check_inbox());
        if result.is_err() {
            self.phase = Phase::Failed;
            self.inbox = Vec::new();
        }
        if self.inbox.is_empty() {
            self.inbox.shrink_to(INBOX_KEEP_BYTES);
        }
        result
    }

    /// The server closed the stream: says what that means.
    #[must_use]
    pub fn handle_end(&self) -> RfbError {
        match &self.phase {
            Phase::Handshake(handshake) => handshake.end(),
            Phase::Message => RfbError::Closed { during: "the session" },
            _ => RfbError::Closed { during: "a message" },
        }
    }

    /// Answers [`Event::CredentialsNeeded`].
    pub fn provide_credentials(&mut self, credentials: &Credentials) {
        if let Phase::Handshake(handshake) = &mut self.phase {
            handshake.provide(credentials, &mut self.out);
            self.wants_turn |= !self.inbox.is_empty();
        }
    }

    /// Answers [`Event::StartTls`]: input and output are those inside the TLS session from here on.
    pub fn tls_established(&mut self) {
        // Bytes that came in the clear must not count as protected ones.
        self.inbox.clear();
        if let Phase::Handshake(handshake) = &mut self.phase {
            self.events.extend(handshake.tls_established());
        }
    }

    /// A key went down or up; `keysym` as in X11.
    pub fn key(&mut self, keysym: u32, pressed: bool) {
        if self.is_connected() {
            message::key(&mut self.out, keysym, pressed);
        }
    }

    /// The pointer is at `x`, `y` (kept within the desktop) with `buttons` down: bit 0 left, 1 middle, 2 right, 3 and
    /// 4 the wheel up and down, 5 and 6 the wheel left and right.
    pub fn pointer(&mut self, x: u16, y: u16, buttons: u8) {
        if self.is_connected() {
            let (width, height) = self.size;
            message::pointer(&mut self.out, x.min(width.saturating_sub(1)), y.min(height.saturating_sub(1)), buttons);
        }
    }

    /// Offers `text` as the clipboard; nothing happens unless the server has the extended clipboard, or where the text
    /// is over the limit.
    pub fn offer_clipboard(&mut self, text: &str) {
        if text.len() <= self.config.limits.clipboard_bytes && self.is_connected() {
            self.clipboard.offer(text, &mut self.out);
        }
    }

    /// Sends `text` as the clipboard of a server without the extension, in the encoding it expects; not over the limit.
    pub fn cut_text(&mut self, text: &[u8]) {
        if text.len() <= self.config.limits.clipboard_bytes && self.is_connected() {
            message::cut_text(&mut self.out, text);
        }
    }

    /// Asks for a desktop of this size, now or when the server turns out to take sizes. Sides of zero or over the
    /// limits are ignored.
    pub fn set_desktop_size(&mut self, width_px: u16, height_px: u16) {
        if self.check_size(width_px, height_px).is_err() {
            return;
        }
        match self.screen {
            Some(_) if (width_px, height_px) == self.size => {}
            Some((id, flags)) => message::set_desktop_size(&mut self.out, width_px, height_px, id, flags),
            None => self.wanted_size = Some((width_px, height_px)),
        }
    }

    /// The next event, in the order of the server's bytes.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes for the server, all there are.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        (!self.out.is_empty()).then(|| mem::take(&mut self.out))
    }

    /// Works through `input` while it can; returns the bytes used.
    fn run(&mut self, input: &[u8], picture: &mut dyn Framebuffer) -> Result<usize, RfbError> {
        let mut used = 0;
        loop {
            let bulky = self.events.back().is_some_and(Event::is_bulky);
            if bulky || self.events.len() >= EVENTS_PER_TURN || self.drawn_px >= PIXELS_PER_TURN {
                self.wants_turn = true;
                return Ok(used);
            }
            let mut reader = Reader::new(input.get(used..).unwrap_or_default());
            match self.step(&mut reader, picture) {
                Ok(()) => used += reader.taken(),
                Err(Stop::Need) => return Ok(used + reader.committed()),
                Err(Stop::Fail(error)) => return Err(error),
            }
        }
    }

    fn step(&mut self, reader: &mut Reader<'_>, picture: &mut dyn Framebuffer) -> Result<(), Stop> {
        match &mut self.phase {
            Phase::Handshake(handshake) => {
                match handshake.step(reader, &self.config.limits, &mut self.out)? {
                    Outcome::Continue => {}
                    Outcome::Tell(event) => self.events.push_back(event),
                    Outcome::Done(init) => self.open(init, picture)?,
                }
                Ok(())
            }
            Phase::Message => self.message(reader),
            Phase::Rects { left } => {
                let left = *left;
                self.rect_header(left, reader, picture)
            }
            Phase::Rect { .. } => self.rect_data(reader, picture),
            Phase::Skip { left } => {
                let take = reader.rest().len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                if take == 0 && *left > 0 {
                    return Err(Stop::Need);
                }
                reader.skip(take)?;
                *left -= take as u64;
                if *left == 0 {
                    self.phase = Phase::Message;
                }
                Ok(())
            }
            Phase::Failed => Ok(reader.skip(reader.rest().len())?).and(Err(Stop::Need)),
        }
    }

    /// The desktop is known: asks for it.
    fn open(&mut self, init: ServerInit, picture: &mut dyn Framebuffer) -> Result<(), RfbError> {
        self.check_size(init.width_px, init.height_px)?;
        self.size = (init.width_px, init.height_px);
        self.phase = Phase::Message;
        picture.resize(init.width_px, init.height_px);
        message::set_pixel_format(&mut self.out, self.config.color_depth);
        message::set_encodings(&mut self.out, &self.config);
        message::update_request(&mut self.out, false, self.size);
        self.events.push_back(Event::Connected { name: init.name });
        Ok(())
    }

    pub(super) fn check_size(&self, width_px: u16, height_px: u16) -> Result<(), RfbError> {
        let limits = &self.config.limits;
        if width_px == 0 || height_px == 0 {
            return Err(RfbError::Malformed { what: "desktop size" });
        }
        check_limit("desktop width", width_px, limits.side_px)?;
        check_limit("desktop height", height_px, limits.side_px)?;
        check_limit("desktop area", u32::from(width_px) * u32::from(height_px), limits.area_px)
    }

    /// An embedder that keeps reading while it was asked to wait must not fill memory either.
    fn check_inbox(&self) -> Result<(), RfbError> {
        let waiting = matches!(&self.phase, Phase::Handshake(handshake) if handshake.is_waiting());
        let unit = if waiting { 0 } else { TIGHT_LENGTH_MAX.max(self.config.limits.clipboard_bytes) };
        check_limit("unprocessed input", self.inbox.len() as u64, unit.saturating_add(INBOX_SLACK_BYTES) as u64)
    }
}
