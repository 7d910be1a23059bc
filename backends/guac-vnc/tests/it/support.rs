//! A picture in memory, and a connection that is fed by hand.

use guac_vnc::rfb::{Config, Connection, Event, Framebuffer, Rect, RfbError};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) pixels: Vec<u32>,
}

impl Picture {
    pub(crate) fn part(&self, rect: Rect) -> Vec<u32> {
        let mut part = Vec::new();
        for y in rect.y..rect.y + rect.height {
            let start = usize::from(y) * usize::from(self.width) + usize::from(rect.x);
            part.extend_from_slice(&self.pixels[start..start + usize::from(rect.width)]);
        }
        part
    }
}

impl Framebuffer for Picture {
    fn resize(&mut self, width_px: u16, height_px: u16) {
        (self.width, self.height) = (width_px, height_px);
        self.pixels = vec![0; usize::from(width_px) * usize::from(height_px)];
    }

    fn put(&mut self, rect: Rect, pixels: &[u32]) {
        assert!(rect.within(self.width, self.height), "{rect:?}");
        assert_eq!(pixels.len(), usize::try_from(rect.area()).unwrap());
        for (y, row) in (rect.y..).zip(pixels.chunks_exact(usize::from(rect.width).max(1))) {
            let start = usize::from(y) * usize::from(self.width) + usize::from(rect.x);
            self.pixels[start..start + row.len()].copy_from_slice(row);
        }
    }

    fn fill(&mut self, rect: Rect, pixel: u32) {
        let row = vec![pixel; usize::from(rect.width)];
        for y in rect.y..rect.y + rect.height {
            self.put(Rect::new(rect.x, y, rect.width, 1), &row);
        }
    }

    fn copy(&mut self, source_x: u16, source_y: u16, target: Rect) {
        let pixels = self.part(Rect { x: source_x, y: source_y, ..target });
        self.put(target, &pixels);
    }
}

/// A connection, what it drew, and what came out of it.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) picture: Picture,
    pub(crate) events: Vec<Event>,
    pub(crate) sent: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(config: Config) -> Self {
        Self { connection: Connection::new(config), picture: Picture::default(), events: Vec::new(), sent: Vec::new() }
    }

    /// A connection to an open desktop of this size; nothing of the handshake is left in it.
    pub(crate) fn open(config: Config, width: u16, height: u16) -> Self {
        let mut peer = Self::new(config);
        peer.feed(&opening(width, height)).unwrap();
        peer.events.clear();
        peer.sent.clear();
        peer
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), RfbError> {
        loop {
            let result = self.connection.handle_input(bytes, &mut self.picture);
            self.drain();
            result?;
            if !self.connection.wants_turn() {
                return Ok(());
            }
            bytes = &[];
        }
    }

    /// Feeds `bytes` in pieces that end at `cuts` (each modulo the length).
    pub(crate) fn feed_in_pieces(&mut self, bytes: &[u8], cuts: &[usize]) -> Result<(), RfbError> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).try_for_each(|cut| self.feed(&bytes[cut[0]..cut[1]]))
    }

    pub(crate) fn drain(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.connection.poll_event()));
        self.sent.extend(std::iter::from_fn(|| self.connection.poll_transmit()).flatten());
    }
}

/// What a server of version 3.8 without authentication says before its first message.
pub(crate) fn opening(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"RFB 003.008\n\x01\x01\0\0\0\0".to_vec();
    bytes.extend(server_init(width, height, "desk"));
    bytes
}

pub(crate) fn server_init(width: u16, height: u16, name: &str) -> Vec<u8> {
    let mut bytes = [width.to_be_bytes(), height.to_be_bytes()].concat();
    bytes.extend([0; 16]);
    bytes.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
    bytes.extend(name.as_bytes());
    bytes
}

/// A FramebufferUpdate of these rectangles.
pub(crate) fn update(rects: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(u16::try_from(rects.len()).unwrap().to_be_bytes());
    bytes.extend(rects.concat());
    bytes
}

/// A rectangle's header and data.
pub(crate) fn rect(rect: Rect, encoding: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        [rect.x, rect.y, rect.width, rect.height].iter().flat_map(|number| number.to_be_bytes()).collect();
    bytes.extend(encoding.to_be_bytes());
    bytes.extend(data);
    bytes
}

/// Numbers that look random and are not.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % sides
    }
}
