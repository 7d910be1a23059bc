//! A user of a session, and what he sees.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use guac_protocol::{ClientInfo, Decoder, Instruction, ProtocolVersion, Status};
use guac_session::{Hub, Params, User};
use guac_vnc::VncBackend;
use testsuite::Canvas;

use crate::xvnc::{PATIENCE, Xvnc, elsewhere};

/// A file that the session sends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) data: Vec<u8>,
    pub(crate) ended: bool,
}

/// A user and what he sees.
pub(crate) struct Viewer {
    pub(crate) hub: Hub,
    user: User,
    pub(crate) canvas: Canvas,
    /// Instructions received, but for pictures.
    pub(crate) text: String,
    /// Streams of files, in order of their opening.
    pub(crate) streams: Vec<Stream>,
    open: HashMap<String, usize>,
    pub(crate) ended: bool,
}

impl Viewer {
    pub(crate) fn open(port: u16, more: &[(&str, &str)]) -> Self {
        let port = port.to_string();
        let mut params: Params = [("hostname", "127.0.0.1"), ("port", port.as_str())].into_iter().collect();
        for (name, value) in more {
            params.set(name, *value);
        }
        Self::open_with(params)
    }

    pub(crate) fn open_with(params: Params) -> Self {
        Self::open_on(Hub::new(vec![Box::new(VncBackend::new())], 2), params)
    }

    pub(crate) fn open_on(hub: Hub, params: Params) -> Self {
        let info = ClientInfo {
            width_px: 640,
            height_px: 480,
            version: ProtocolVersion::V1_5_0,
            image_mimetypes: vec!["image/webp".into()],
            ..ClientInfo::default()
        };
        let (_, user) = hub.open("vnc", params, info).unwrap();
        Self::new(hub, user)
    }

    pub(crate) fn new(hub: Hub, user: User) -> Self {
        let (canvas, text, streams, open) = (Canvas::new(), String::new(), Vec::new(), HashMap::new());
        Self { hub, user, canvas, text, streams, open, ended: false }
    }

    /// Receives and answers for a moment.
    pub(crate) async fn turn(&mut self) {
        let Ok(bytes) = tokio::time::timeout(Duration::from_millis(50), self.user.recv()).await else { return };
        let Some(bytes) = bytes else {
            self.ended = true;
            return;
        };
        let before = self.canvas.last_sync_ms;
        let (mut decoder, mut taken) = (Decoder::new(), Vec::new());
        for chunk in bytes.chunks(8192) {
            decoder.feed(chunk).unwrap();
            while let Some(instruction) = decoder.next_instruction().unwrap() {
                self.canvas.handle(&instruction).unwrap();
                taken.extend(self.hear(&instruction));
            }
        }
        for stream in taken {
            self.say(&["ack", &stream, "OK", "0"]).await;
        }
        if let Some(timestamp) = self.canvas.last_sync_ms.filter(|_| self.canvas.last_sync_ms != before) {
            self.say(&["sync", &timestamp.to_string()]).await;
        }
    }

    /// Keeps what is said but for pictures; gives a stream of a file that has to be answered.
    fn hear(&mut self, heard: &Instruction<'_>) -> Option<String> {
        let arg = |index: usize| heard.arg(index).unwrap_or_default().to_owned();
        // The stream's number comes after the object's.
        let opened = match heard.opcode() {
            "img" | "sync" | "nop" => return None,
            "file" => Some(arg(0)),
            "body" => Some(arg(1)),
            _ => None,
        };
        if let Some(stream) = opened {
            self.open.insert(stream.clone(), self.streams.len());
            self.streams.push(Stream::default());
            self.text.push_str(heard.raw());
            return Some(stream);
        }
        match (heard.opcode(), self.open.get(&arg(0)).and_then(|at| self.streams.get_mut(*at))) {
            ("blob", Some(stream)) => {
                stream.data.extend(base64_simd::STANDARD.decode_to_vec(arg(1)).unwrap());
                Some(arg(0))
            }
            ("end", Some(stream)) => {
                stream.ended = true;
                self.open.remove(&arg(0));
                None
            }
            _ => {
                self.text.push_str(heard.raw());
                None
            }
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

    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not happen: {}", self.text);
            self.turn().await;
        }
    }

    pub(crate) async fn until_same_picture(&mut self, xvnc: &Xvnc) {
        self.until("a picture", |viewer| viewer.canvas.frames > 0).await;
        self.say(&["mouse", &elsewhere().to_string(), "3", "0"]).await;
        let end = Instant::now() + PATIENCE;
        loop {
            for _ in 0..5 {
                self.turn().await;
            }
            let (width, height, pixels) = xvnc.screenshot();
            let same = self.canvas.size() == (width.into(), height.into()) && self.canvas.pixels() == pixels;
            if same && pixels.iter().any(|pixel| *pixel != pixels[0]) {
                return;
            }
            let ours = self.canvas.pixels();
            let off = (0..pixels.len()).filter(|at| ours.get(*at) != pixels.get(*at));
            let places: Vec<_> = off.map(|at| (at % usize::from(width), at / usize::from(width))).collect();
            let (first, size) = (places.first(), self.canvas.size());
            assert!(
                Instant::now() < end,
                "{} pixels differ from {first:?} on: {size:?} and {width} x {height}",
                places.len()
            );
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
}
