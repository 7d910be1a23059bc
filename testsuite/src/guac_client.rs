//! A small Guacamole client: opens sessions, watches them on a model canvas, types, and copies the screen's text.

use std::time::{Duration, Instant};

use guac_protocol::{ClientHandshake, ClientInfo, ClientStep, ConnectionId, Decoder, ProtocolVersion, Selection};

use crate::Canvas;
use crate::process::PATIENCE;
use crate::transport::{Received, Transport};

/// Keysym of the Enter key.
pub const ENTER: u32 = 0xFF0D;

/// How long a copy of the screen may take before it is asked for again.
const COPY_PATIENCE: Duration = Duration::from_secs(2);

/// Instructions that are not kept as text: pictures, and what comes all the time.
const NOT_KEPT: [&str; 6] = ["img", "blob", "end", "sync", "nop", "copy"];

/// One user of one session.
pub struct GuacClient {
    transport: Box<dyn Transport + Send>,
    decoder: Decoder,
    copying: Option<(String, Vec<u8>)>,
    copied: Option<String>,
    /// What a browser would show.
    pub canvas: Canvas,
    /// The id that joins the session, on the guacd port.
    pub id: Option<ConnectionId>,
    /// The session's last `error`: message and status.
    pub error: Option<(String, u32)>,
    /// Whether the session said `disconnect`.
    pub disconnected: bool,
    /// How the transport was closed, once it was.
    pub closed: Option<String>,
    /// What else it said.
    pub text: String,
}

impl GuacClient {
    /// A client whose handshake somebody else does, such as the web application for its tunnels.
    #[must_use]
    pub fn new(transport: impl Transport + Send + 'static) -> Self {
        Self {
            transport: Box::new(transport),
            decoder: Decoder::new(),
            copying: None,
            copied: None,
            canvas: Canvas::new(),
            id: None,
            error: None,
            disconnected: false,
            closed: None,
            text: String::new(),
        }
    }

    /// Opens or joins a session over the guacd port. A refusal is in `error`.
    #[must_use]
    pub fn shake_hands(
        transport: impl Transport + Send + 'static,
        selection: &Selection,
        params: &[(String, String)],
        size_px: (u32, u32),
    ) -> Self {
        let mut client = Self::new(transport);
        let mut out = Vec::new();
        let mut handshake = ClientHandshake::start(selection, &mut out);
        let info = ClientInfo {
            width_px: size_px.0,
            height_px: size_px.1,
            image_mimetypes: vec!["image/png".to_owned(), "image/webp".to_owned()],
            version: ProtocolVersion::LATEST,
            ..ClientInfo::default()
        };
        let end = Instant::now() + PATIENCE;
        loop {
            client.transport.send(&std::mem::take(&mut out));
            assert!(Instant::now() < end, "the handshake does not end");
            match client.transport.receive() {
                Received::Nothing => {}
                Received::Closed(how) => {
                    client.closed = Some(how);
                    return client;
                }
                Received::Bytes(bytes) => client.decoder.feed(&bytes).unwrap(),
            }
            while let Some(instruction) = client.decoder.next_instruction().unwrap() {
                if instruction.opcode() == "error" {
                    client.error = Some(error_of(&instruction));
                    continue;
                }
                match handshake.handle_instruction(&instruction) {
                    Ok(ClientStep::Args(_)) => {
                        let value = |name: &str| {
                            let found = params.iter().find(|(key, _)| key == name);
                            found.map_or("", |(_, value)| value.as_str())
                        };
                        handshake.connect(&info, value, &mut out).unwrap();
                    }
                    Ok(ClientStep::Ready(id)) => {
                        client.id = Some(id);
                        client.handle_waiting();
                        return client;
                    }
                    Ok(ClientStep::Continue) => {}
                    Err(error) => panic!("the handshake failed: {error}"),
                }
            }
        }
    }

    /// Says one instruction.
    pub fn say(&mut self, elements: &[&str]) {
        let elements: Vec<String> = elements.iter().map(|text| format!("{}.{text}", text.chars().count())).collect();
        self.transport.send(format!("{};", elements.join(",")).as_bytes());
    }

    /// Presses and releases a key.
    pub fn press(&mut self, keysym: u32) {
        for pressed in ["1", "0"] {
            self.say(&["key", &keysym.to_string(), pressed]);
        }
    }

    /// Types Latin-1 text; a line feed is Enter.
    pub fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.press(if c == '\n' { ENTER } else { u32::from(c) });
        }
    }

    /// Sends the clipboard.
    pub fn paste(&mut self, text: &str) {
        self.say(&["clipboard", "1", "text/plain"]);
        self.say(&["blob", "1", &base64_simd::STANDARD.encode_to_string(text)]);
        self.say(&["end", "1"]);
    }

    /// Receives and answers for a moment.
    pub fn turn(&mut self) {
        match self.transport.receive() {
            Received::Nothing => {}
            Received::Closed(how) => self.closed = Some(how),
            Received::Bytes(bytes) => {
                self.decoder.feed(&bytes).unwrap();
                self.handle_waiting();
            }
        }
    }

    fn handle_waiting(&mut self) {
        let before = self.canvas.last_sync_ms;
        while let Some(instruction) = self.decoder.next_instruction().unwrap() {
            let arg = |index: usize| instruction.arg(index).unwrap_or_default();
            match instruction.opcode() {
                "error" => self.error = Some(error_of(&instruction)),
                "disconnect" => self.disconnected = true,
                "clipboard" => self.copying = Some((arg(0).to_owned(), Vec::new())),
                "blob" => {
                    if let Some((_, data)) = self.copying.as_mut().filter(|(stream, _)| stream == arg(0)) {
                        data.extend(base64_simd::STANDARD.decode_to_vec(arg(1)).unwrap());
                    }
                }
                "end" => {
                    if let Some((_, data)) = self.copying.take_if(|(stream, _)| stream == arg(0)) {
                        self.copied = Some(String::from_utf8(data).unwrap());
                    }
                }
                _ => {}
            }
            if !NOT_KEPT.contains(&instruction.opcode()) {
                self.text.push_str(instruction.raw());
            }
            self.canvas.handle(&instruction).unwrap();
        }
        if let Some(timestamp) = self.canvas.last_sync_ms.filter(|_| self.canvas.last_sync_ms != before) {
            self.say(&["sync", &timestamp.to_string()]);
        }
    }

    /// Goes on until `done`.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not come; heard {:?} {}", self.error, self.text);
            assert!(self.closed.is_none(), "closed ({:?}, {:?}) before {what}", self.closed, self.error);
            self.turn();
        }
    }

    /// Waits for the first picture.
    pub fn sees_a_picture(&mut self) {
        self.until("a picture", |client| client.canvas.frames > 0 && client.canvas.size() != (0, 0));
    }

    /// Text of a terminal's screen: marked with the mouse, which copies it.
    pub fn screen(&mut self) -> String {
        self.sees_a_picture();
        self.copied = None;
        let (width, height) = self.canvas.size();
        let (right, bottom) = ((width - 20).to_string(), (height - 1).to_string());
        self.say(&["mouse", "0", "0", "1"]);
        self.say(&["mouse", &right, &bottom, "1"]);
        self.say(&["mouse", &right, &bottom, "0"]);
        let end = Instant::now() + COPY_PATIENCE;
        while self.copied.is_none() && self.closed.is_none() && Instant::now() < end {
            self.turn();
        }
        self.copied.clone().unwrap_or_default()
    }

    /// Reads a terminal's screen until it holds `text`; gives all of it.
    pub fn reads(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(self.closed.is_none(), "closed with {:?} before {text:?} came: {screen}", self.error);
            assert!(Instant::now() < end, "{text:?} does not come: {screen}");
        }
    }

    /// Waits until the other side has closed; gives the message and status of its `error`.
    pub fn end(&mut self) -> (String, u32) {
        let end = Instant::now() + PATIENCE;
        while self.closed.is_none() {
            assert!(Instant::now() < end, "the session does not end: {:?} {}", self.error, self.text);
            self.turn();
        }
        self.error.clone().unwrap_or_default()
    }
}

impl std::fmt::Debug for GuacClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuacClient").field("id", &self.id).field("error", &self.error).finish_non_exhaustive()
    }
}

fn error_of(instruction: &guac_protocol::Instruction<'_>) -> (String, u32) {
    let status = instruction.arg(1).and_then(|code| code.parse().ok());
    (instruction.arg(0).unwrap_or_default().to_owned(), status.expect("an error has a status"))
}
