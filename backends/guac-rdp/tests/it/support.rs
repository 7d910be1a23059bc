//! A user of a session, and what he sees.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use guac_protocol::{ClientInfo, Decoder, ProtocolVersion, Status};
use guac_rdp::RdpBackend;
use guac_session::{Hub, Params, User};
use testsuite::{Canvas, Desktop, PATIENCE};

/// A stream that the session opened: the instruction that did, and its data, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) opened: Vec<String>,
    pub(crate) data: Vec<u8>,
    pub(crate) ended: bool,
}

/// A user and what he sees.
pub(crate) struct Viewer {
    pub(crate) hub: Hub,
    user: User,
    pub(crate) canvas: Canvas,
    /// Instructions received, but for pictures and data.
    pub(crate) text: String,
    /// Streams other than pictures, in order of their opening.
    pub(crate) streams: Vec<Stream>,
    open: HashMap<String, usize>,
    pub(crate) ended: bool,
}

impl Viewer {
    pub(crate) fn open(params: &[(String, String)]) -> Self {
        let hub = Hub::new(vec![Box::new(RdpBackend::new())], 2);
        Self::open_on(hub, params)
    }

    pub(crate) fn open_on(hub: Hub, params: &[(String, String)]) -> Self {
        let params: Params = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let info = ClientInfo {
            width_px: 640,
            height_px: 480,
            dpi: 96,
            version: ProtocolVersion::V1_5_0,
            image_mimetypes: vec!["image/webp".into()],
            audio_mimetypes: vec!["audio/L8".into(), "audio/L16".into()],
            timezone: Some("Europe/Berlin".into()),
            ..ClientInfo::default()
        };
        let (_, user) = hub.open("rdp", params, info).unwrap();
        Self {
            hub,
            user,
            canvas: Canvas::new(),
            text: String::new(),
            streams: Vec::new(),
            open: HashMap::new(),
            ended: false,
        }
    }

    /// Receives and answers for a moment.
    pub(crate) async fn turn(&mut self) {
        let Ok(bytes) = tokio::time::timeout(Duration::from_millis(50), self.user.recv()).await else { return };
        let Some(bytes) = bytes else {
            self.ended = true;
            return;
        };
        let before = self.canvas.last_sync_ms;
        let mut decoder = Decoder::new();
        for chunk in bytes.chunks(8192) {
            decoder.feed(chunk).unwrap();
            while let Some(instruction) = decoder.next_instruction().unwrap() {
                let elements: Vec<String> =
                    std::iter::once(instruction.opcode()).chain(instruction.args()).map(str::to_owned).collect();
                self.canvas.handle(&instruction).unwrap();
                self.note(elements, instruction.raw()).await;
            }
        }
        if let Some(timestamp) = self.canvas.last_sync_ms.filter(|_| self.canvas.last_sync_ms != before) {
            self.say(&["sync", &timestamp.to_string()]).await;
        }
    }

    async fn note(&mut self, elements: Vec<String>, raw: &str) {
        match elements[0].as_str() {
            "audio" | "clipboard" | "file" | "pipe" => {
                self.text.push_str(raw);
                self.open.insert(elements[1].clone(), self.streams.len());
                self.streams.push(Stream { opened: elements, ..Stream::default() });
            }
            // The stream's number comes after the object's.
            "body" => {
                self.text.push_str(raw);
                self.open.insert(elements[2].clone(), self.streams.len());
                let stream = elements[2].clone();
                self.streams.push(Stream { opened: elements, ..Stream::default() });
                self.say(&["ack", &stream, "OK", "0"]).await;
            }
            "img" => {
                self.open.remove(&elements[1]);
            }
            "blob" => {
                if let Some(at) = self.open.get(&elements[1]) {
                    let data = base64_simd::STANDARD.decode_to_vec(&elements[2]).unwrap();
                    self.streams[*at].data.extend(data);
                    self.say(&["ack", &elements[1], "OK", "0"]).await;
                }
            }
            "end" => {
                if let Some(at) = self.open.remove(&elements[1]) {
                    self.streams[at].ended = true;
                }
            }
            "sync" | "nop" => {}
            _ => self.text.push_str(raw),
        }
    }

    pub(crate) async fn say(&mut self, elements: &[&str]) {
        let text: Vec<String> = elements.iter().map(|e| format!("{}.{e}", e.chars().count())).collect();
        let text = text.join(",") + ";";
        let mut decoder = Decoder::new();
        decoder.feed(text.as_bytes()).unwrap();
        let instruction = decoder.next_instruction().unwrap().unwrap();
        // The session may be over already; what it said last is still to be read.
        let _ = self.user.handle_instruction(&instruction).await;
    }

    /// Presses and releases a key.
    pub(crate) async fn key(&mut self, keysym: u32) {
        self.say(&["key", &keysym.to_string(), "1"]).await;
        self.say(&["key", &keysym.to_string(), "0"]).await;
    }

    /// Types characters of Latin 1 and ends the line.
    pub(crate) async fn type_line(&mut self, line: &str) {
        for character in line.chars() {
            self.key(character.into()).await;
        }
        self.key(0xFF0D).await;
    }

    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not happen: {}", self.text);
            self.turn().await;
        }
    }

    /// Waits until the picture is that of the desktop, but for a mean square error.
    pub(crate) async fn until_same_picture(&mut self, desktop: &Desktop, tolerance: u64) {
        self.until("a picture", |viewer| viewer.canvas.frames > 0).await;
        let end = Instant::now() + PATIENCE;
        loop {
            for _ in 0..5 {
                self.turn().await;
            }
            let (width, height, pixels) = desktop.screenshot();
            let ours = self.canvas.pixels();
            let same_size = self.canvas.size() == (width, height);
            let error = if same_size { mean_square(&ours, &pixels) } else { u64::MAX };
            // A blank screen proves nothing.
            if error <= tolerance && pixels.iter().any(|pixel| *pixel != pixels[0]) {
                return;
            }
            let off = (0..pixels.len()).filter(|at| ours.get(*at) != pixels.get(*at));
            let off: Vec<_> = off.map(|at| (at % width, at / width)).collect();
            let (first, last, size) = (off.first(), off.last(), self.canvas.size());
            assert!(
                Instant::now() < end && !self.ended,
                "{} pixels differ from {first:?} to {last:?}, error {error}: {size:?} and {width} x {height}: {}",
                off.len(),
                self.text
            );
        }
    }

    /// Waits until the picture has a pixel, `0x00RRGGBB`.
    pub(crate) async fn until_pixel(&mut self, x: usize, y: usize, pixel: u32) {
        let at = |viewer: &Self| {
            let (width, height) = viewer.canvas.size();
            (x < width && y < height).then(|| viewer.canvas.pixels()[y * width + x])
        };
        let end = Instant::now() + PATIENCE;
        while at(self) != Some(pixel) {
            assert!(
                Instant::now() < end && !self.ended,
                "{x}, {y} of {:?} is {:x?}: {}",
                self.canvas.size(),
                at(self),
                self.text
            );
            self.turn().await;
        }
    }

    /// Waits for the end; the session must have left nothing behind.
    pub(crate) async fn until_error(&mut self, status: Status) -> String {
        self.until("the end", |viewer| viewer.ended).await;
        let code = (status as u16).to_string();
        assert!(self.text.contains(&format!("{}.{code};", code.len())), "{status:?} in {}", self.text);
        self.hub.shutdown().await;
        assert_eq!(self.hub.task_count(), 0);
        self.text.clone()
    }

    /// The message and the number of the last error.
    pub(crate) fn error(&self) -> Option<(String, u64)> {
        let at = self.text.rfind("5.error,")?;
        let text = self.text.get(at..)?;
        let mut decoder = Decoder::new();
        decoder.feed(text.as_bytes()).ok()?;
        let error = decoder.next_instruction().ok()??;
        let mut args = error.args();
        Some((args.next()?.to_owned(), args.next()?.parse().ok()?))
    }

    /// Waits until something of these streams is true.
    pub(crate) async fn until_stream(&mut self, opcode: &str, done: impl Fn(&Stream) -> bool) -> Stream {
        let find = |viewer: &Self| viewer.streams.iter().find(|s| s.opened[0] == opcode && done(s)).cloned();
        self.until(opcode, |viewer| find(viewer).is_some()).await;
        find(self).unwrap()
    }
}

/// Mean square by which red, green and blue differ.
pub(crate) fn mean_square(one: &[u32], other: &[u32]) -> u64 {
    if one.len() != other.len() || one.is_empty() {
        return u64::MAX;
    }
    let squares = one.iter().zip(other).flat_map(|(one, other)| {
        let pairs = one.to_be_bytes().into_iter().zip(other.to_be_bytes());
        pairs.map(|(one, other)| u64::from(one.abs_diff(other)).pow(2))
    });
    squares.sum::<u64>().div_ceil(u64::try_from(one.len() * 3).unwrap())
}

/// A server of a test, in its thread.
pub(crate) type Served<T> = std::thread::JoinHandle<std::io::Result<T>>;

/// What the server's thread gives, while the session goes on.
pub(crate) async fn ended<T: Send + 'static>(served: Served<T>) -> T {
    tokio::task::spawn_blocking(move || served.join().unwrap().unwrap()).await.unwrap()
}
