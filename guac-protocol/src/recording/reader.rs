//! Reading recordings: instructions, frames, and where to continue after a jump.

use std::time::Duration;

use crate::{DecodeError, Decoder, Instruction};

/// Shortest way between two keyframes, in bytes of recording and in time of playing: the web client's, so that both
/// keep about as many (P-155).
const KEYFRAME_BYTES: u64 = 16_384;
const KEYFRAME_INTERVAL_MS: u64 = 5_000;

/// Keyframes that a reader remembers: a day at one in five seconds. Beyond that every other one is dropped
/// and the distance doubles.
pub const MAX_KEYFRAMES: usize = 16_384;

/// The end of a frame: one `sync` of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameEnd {
    /// Which frame, counted from 0.
    pub index: u64,
    /// When, counted from the first frame. It never goes back, even where a recording's timestamps do.
    pub at: Duration,
    /// The recording's own timestamp, in milliseconds.
    pub timestamp_ms: i64,
    /// Bytes of the recording up to and with this frame: where the next one begins.
    pub end_bytes: u64,
    /// Whether a player does well to keep the picture after this frame, to jump back to it.
    pub is_keyframe: bool,
}

/// One instruction of a recording and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// The instruction.
    pub instruction: Instruction<'a>,
    /// The frame it belongs to, counted from 0.
    pub frame: u64,
    /// If it ends that frame.
    pub end: Option<FrameEnd>,
}

/// Reads a recording as it comes, split anywhere.
///
/// To jump, find the [keyframe before](Self::keyframe_before) the time, put the picture kept there back, and continue
/// with a reader [resumed](Self::resume) there on the bytes from [`FrameEnd::end_bytes`] on.
///
/// ```
/// use guac_protocol::RecordingReader;
///
/// let mut reader = RecordingReader::new();
/// reader.feed(b"4.size,1.0,1.8,1.8;4.sync,4.1000;3.nop;4.sync,4.1500;")?;
/// let mut opcodes = Vec::new();
/// while let Some(recorded) = reader.next_instruction()? {
///     opcodes.push((recorded.frame, recorded.instruction.opcode().to_owned()));
/// }
/// assert_eq!(opcodes.last(), Some(&(1, "sync".to_owned())));
/// assert_eq!((reader.frames(), reader.duration().as_millis()), (2, 500));
/// # Ok::<(), guac_protocol::DecodeError>(())
/// ```
#[derive(Debug, Default)]
pub struct RecordingReader {
    decoder: Decoder,
    read_bytes: u64,
    frames: u64,
    first_ms: Option<i64>,
    duration: Duration,
    keyframes: Vec<FrameEnd>,
    /// Least distance of keyframes; doubles as they become too many.
    interval_ms: u64,
}

impl RecordingReader {
    /// A reader at the start of a recording.
    #[must_use]
    pub fn new() -> Self {
        Self { interval_ms: KEYFRAME_INTERVAL_MS, ..Self::default() }
    }

    /// A reader that goes on behind this frame, which `self` has read. It remembers the same keyframes.
    #[must_use]
    pub fn resume(&self, end: &FrameEnd) -> Self {
        Self {
            decoder: Decoder::new(),
            read_bytes: end.end_bytes,
            frames: end.index.saturating_add(1),
            first_ms: self.first_ms,
            duration: end.at,
            keyframes: self.keyframes.clone(),
            interval_ms: self.interval_ms,
        }
    }

    /// Whole frames read.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Time from the first frame to the last one read.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Bytes of whole instructions read, from the recording's start.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Bytes fed that are no whole instruction: what a session that was cut off left behind.
    #[must_use]
    pub fn trailing_bytes(&self) -> usize {
        self.decoder.buffered_len()
    }

    /// Keyframes found so far, in order.
    #[must_use]
    pub fn keyframes(&self) -> &[FrameEnd] {
        &self.keyframes
    }

    /// The last keyframe at or before a time; `None` before the first frame.
    #[must_use]
    pub fn keyframe_before(&self, at: Duration) -> Option<FrameEnd> {
        let after = self.keyframes.partition_point(|keyframe| keyframe.at <= at);
        self.keyframes.get(after.checked_sub(1)?).copied()
    }

    /// Where a timestamp of the recording lies in it. Times before the first frame are its start.
    #[must_use]
    pub fn time_of(&self, timestamp_ms: i64) -> Duration {
        let since = timestamp_ms.saturating_sub(self.first_ms.unwrap_or(timestamp_ms));
        Duration::from_millis(u64::try_from(since).unwrap_or(0))
    }

    /// Adds bytes. Take every instruction before feeding again.
    ///
    /// # Errors
    /// As [`Decoder::feed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.decoder.feed(bytes)
    }

    /// The next whole instruction, or `None` until more is fed.
    ///
    /// # Errors
    /// As [`Decoder::next_instruction`].
    pub fn next_instruction(&mut self) -> Result<Option<Recorded<'_>>, DecodeError> {
        let Some(instruction) = self.decoder.next_instruction()? else { return Ok(None) };
        let frame = self.frames;
        self.read_bytes = self.read_bytes.saturating_add(u64::try_from(instruction.raw().len()).unwrap_or(u64::MAX));
        // A `sync` without a readable time ends a frame all the same.
        let end = (instruction.opcode() == "sync").then(|| {
            let timestamp_ms = instruction.arg(0).and_then(|text| text.parse().ok());
            let first_ms = *self.first_ms.get_or_insert(timestamp_ms.unwrap_or(0));
            let since = timestamp_ms.map_or(0, |now: i64| now.saturating_sub(first_ms));
            self.duration = self.duration.max(Duration::from_millis(u64::try_from(since).unwrap_or(0)));
            FrameEnd {
                index: frame,
                at: self.duration,
                timestamp_ms: timestamp_ms.unwrap_or(first_ms),
                end_bytes: self.read_bytes,
                is_keyframe: is_keyframe(self.keyframes.last(), self.read_bytes, self.duration, self.interval_ms),
            }
        });
        if let Some(end) = end {
            self.frames = frame.saturating_add(1);
            if end.is_keyframe {
                keep(&mut self.keyframes, &mut self.interval_ms, end);
            }
        }
        Ok(Some(Recorded { instruction, frame, end }))
    }
}

/// The first frame is one; a later one when both enough bytes and enough time lie behind the last.
fn is_keyframe(last: Option<&FrameEnd>, read_bytes: u64, at: Duration, interval_ms: u64) -> bool {
    last.is_none_or(|last| {
        read_bytes.saturating_sub(last.end_bytes) >= KEYFRAME_BYTES
            && at.saturating_sub(last.at) >= Duration::from_millis(interval_ms)
    })
}

pub(super) fn keep(keyframes: &mut Vec<FrameEnd>, interval_ms: &mut u64, end: FrameEnd) {
    if keyframes.len() >= MAX_KEYFRAMES {
        let mut place = 0_usize;
        keyframes.retain(|_| {
            place += 1;
            place % 2 == 1
        });
        *interval_ms = interval_ms.saturating_mul(2);
    }
    keyframes.push(end);
}
