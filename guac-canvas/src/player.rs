//! Recordings: frames by time.

use std::time::Duration;

use guac_protocol::{DecodeError, Decoder};

use crate::{Canvas, CanvasError, CanvasLimits, Change, Image};

/// Bytes given to the decoder at once.
const FEED_BYTES: usize = 32 * 1024;

/// Time and bytes between two pictures that are kept for seeking: what the stock player uses (P-155).
const KEYFRAME_MS: u64 = 5000;
const KEYFRAME_BYTES: usize = 16 * 1024;

/// Most bytes that the kept pictures take; beyond, every other one is given up. 64 of a usual desktop.
const MAX_KEYFRAME_BYTES: u64 = 256 * 1024 * 1024;

/// A frame of the recording: where it ends and when it was shown.
#[derive(Debug, Clone, Copy)]
struct Mark {
    end: usize,
    /// Since the first frame. INVARIANT: never less than that of the frame before.
    at_ms: u64,
}

#[derive(Debug, Clone)]
struct Keyframe {
    /// Frames shown when it was made.
    frames: usize,
    canvas: Canvas,
    bytes: u64,
}

/// Plays a recorded session, frame by frame, forwards and backwards.
///
/// ```
/// use std::time::Duration;
/// use guac_canvas::{CanvasLimits, Player};
///
/// let recording = b"4.size,1.0,1.2,1.1;4.sync,4.1000;4.rect,1.0,1.0,1.0,1.1,1.1;\
///                   5.cfill,2.14,1.0,1.0,3.255,1.0,3.255;4.sync,4.3500;";
/// let mut player = Player::new(recording.to_vec(), CanvasLimits::default());
/// assert_eq!((player.frames(), player.duration()), (2, Duration::from_millis(2500)));
/// player.seek(Duration::from_secs(2));
/// assert_eq!(player.image().pixel(0, 0), Some([0, 0, 0, 255]));
/// player.step();
/// assert_eq!(player.image().pixel(0, 0), Some([0, 255, 0, 255]));
/// ```
#[derive(Debug)]
pub struct Player {
    data: Vec<u8>,
    limits: CanvasLimits,
    marks: Vec<Mark>,
    damaged: Option<DecodeError>,
    keyframes: Vec<Keyframe>,
    keyframe_bytes: u64,
    canvas: Canvas,
    shown: usize,
    skipped: u64,
}

impl Player {
    /// From the bytes of a recording: instructions without a handshake. Looks through them once for the frames; what
    /// follows the last whole frame, or damage, is not played.
    #[must_use]
    pub fn new(data: Vec<u8>, limits: CanvasLimits) -> Self {
        let (marks, damaged) = marks_of(&data);
        let canvas = Canvas::new(limits.clone());
        Self { data, limits, marks, damaged, keyframes: Vec::new(), keyframe_bytes: 0, canvas, shown: 0, skipped: 0 }
    }

    /// Number of frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.marks.len()
    }

    /// Time from the first frame to the last.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.marks.last().map_or(0, |mark| mark.at_ms))
    }

    /// When a frame was shown, counted from the first one (number 0).
    #[must_use]
    pub fn time_of(&self, frame: usize) -> Option<Duration> {
        self.marks.get(frame).map(|mark| Duration::from_millis(mark.at_ms))
    }

    /// Frames shown so far: 0 at first, [`frames`](Self::frames) at the end.
    #[must_use]
    pub fn position(&self) -> usize {
        self.shown
    }

    /// Why the recording ends where it does, if it is damaged there.
    #[must_use]
    pub fn damaged(&self) -> Option<&DecodeError> {
        self.damaged.as_ref()
    }

    /// Instructions that could not be carried out while playing.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The screen at this moment.
    #[must_use]
    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// The picture at this moment, without the pointer.
    pub fn image(&mut self) -> Image {
        self.canvas.frame()
    }

    /// The picture at this moment, with the pointer.
    pub fn image_with_pointer(&mut self) -> Image {
        self.canvas.frame_with_pointer()
    }

    /// Shows the next frame; gives its time, or `None` at the end.
    pub fn step(&mut self) -> Option<Duration> {
        let start = self.shown.checked_sub(1).and_then(|last| self.marks.get(last)).map_or(0, |mark| mark.end);
        let mark = *self.marks.get(self.shown)?;
        let mut decoder = Decoder::new();
        for chunk in self.data.get(start..mark.end).unwrap_or_default().chunks(FEED_BYTES) {
            // Framing was checked when the recording was opened.
            let mut fed = decoder.feed(chunk).is_ok();
            while fed {
                match decoder.next_instruction() {
                    Ok(Some(instruction)) => self.skipped += u64::from(self.canvas.handle(&instruction).is_err()),
                    Ok(None) | Err(_) => fed = false,
                }
            }
        }
        self.shown += 1;
        self.keep(mark);
        Some(Duration::from_millis(mark.at_ms))
    }

    /// Shows the last frame that is not after this time.
    pub fn seek(&mut self, time: Duration) {
        let frames = self.marks.partition_point(|mark| u128::from(mark.at_ms) <= time.as_millis());
        self.seek_frame(frames);
    }

    /// Goes to where this many frames are shown (at most all). Backwards, or far forwards, it starts from the nearest
    /// picture kept.
    pub fn seek_frame(&mut self, frames: usize) {
        let frames = frames.min(self.marks.len());
        let kept = self.keyframes.iter().rfind(|kept| kept.frames <= frames);
        match kept {
            Some(kept) if frames < self.shown || kept.frames > self.shown => {
                self.canvas = kept.canvas.clone();
                self.shown = kept.frames;
            }
            None if frames < self.shown => {
                self.canvas = Canvas::new(self.limits.clone());
                self.shown = 0;
            }
            _ => {}
        }
        while self.shown < frames && self.step().is_some() {}
    }

    /// Keeps the picture if the last one kept is long ago.
    fn keep(&mut self, now: Mark) {
        let last = self.keyframes.last();
        if last.is_some_and(|last| last.frames >= self.shown) {
            return;
        }
        let before = last.and_then(|last| self.marks.get(last.frames.saturating_sub(1)));
        let (at_ms, end) = before.map_or((0, 0), |mark| (mark.at_ms, mark.end));
        if now.at_ms.saturating_sub(at_ms) < KEYFRAME_MS || now.end.saturating_sub(end) < KEYFRAME_BYTES {
            return;
        }
        let bytes = self.canvas.total_px() * 4;
        self.keyframes.push(Keyframe { frames: self.shown, canvas: self.canvas.bare(), bytes });
        self.keyframe_bytes += bytes;
        while self.keyframe_bytes > MAX_KEYFRAME_BYTES {
            let mut number = 0;
            self.keyframes.retain(|_| {
                number += 1;
                number % 2 == 0
            });
            self.keyframe_bytes = self.keyframes.iter().map(|kept| kept.bytes).sum();
        }
    }
}

/// Finds the frames.
fn marks_of(data: &[u8]) -> (Vec<Mark>, Option<DecodeError>) {
    let mut marks: Vec<Mark> = Vec::new();
    let (mut decoder, mut end, mut first) = (Decoder::new(), 0, None);
    let mut probe = Canvas::default();
    for chunk in data.chunks(FEED_BYTES) {
        if let Err(error) = decoder.feed(chunk) {
            return (marks, Some(error));
        }
        loop {
            let instruction = match decoder.next_instruction() {
                Ok(Some(instruction)) => instruction,
                Ok(None) => break,
                Err(error) => return (marks, Some(error)),
            };
            end += instruction.raw().len();
            if instruction.opcode() != "sync" {
                continue;
            }
            let change: Result<Change, CanvasError> = probe.handle(&instruction);
            if let Ok(Change::FrameEnd { timestamp_ms, .. }) = change {
                let since = timestamp_ms.saturating_sub(*first.get_or_insert(timestamp_ms));
                let before = marks.last().map_or(0, |mark| mark.at_ms);
                marks.push(Mark { end, at_ms: u64::try_from(since).unwrap_or_default().max(before) });
            }
        }
    }
    (marks, None)
}
