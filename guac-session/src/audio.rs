//! Sound: what the machine plays to everyone, and what the owner says into his microphone.

use std::time::Duration;

use guac_protocol::{
    AudioFormat, Encode as _, InstructionWriter, MAX_BLOB_BYTES, MAX_STREAMS, ServerInstruction, Status, StreamIndex,
};

use crate::core::Core;
use crate::input::{Event, StreamAnswer, StreamOpen, UserKey};

/// The stream of sound in the broadcast, odd because it belongs to everyone; 1 is the images', 3 the clipboard's and 5
/// the parameters'.
const AUDIO_STREAM: StreamIndex = StreamIndex(7);

/// What the machine plays.
#[derive(Debug, Default)]
pub(crate) struct Speaker {
    format: Option<AudioFormat>,
    /// Users have been told. Not before one is there who can play it: the others would only refuse it.
    announced: bool,
}

impl Speaker {
    /// The instructions that let a newcomer hear what the others hear. Who hears it already gets a new stream of the
    /// same index, which ends the old one (P-122).
    pub(crate) fn announce(&self, out: &mut Vec<u8>) {
        if let Some(format) = self.format.filter(|_| self.announced) {
            let mimetype = format.to_string();
            ServerInstruction::Audio { stream: AUDIO_STREAM, mimetype: &mimetype }.encode(out);
        }
    }
}

impl Core {
    pub(crate) fn start_audio(&mut self, format: AudioFormat) {
        if self.speaker.format != Some(format) {
            self.stop_audio();
            self.speaker.format = Some(format);
        }
    }

    pub(crate) fn stop_audio(&mut self) {
        if std::mem::take(&mut self.speaker).announced {
            self.publish(ServerInstruction::End { stream: AUDIO_STREAM }.to_bytes());
        }
    }

    pub(crate) fn play_audio(&mut self, pcm: &[u8]) {
        let Some(format) = self.speaker.format else { return };
        if !self.members.values().any(|member| member.info.plays(format.essence())) {
            return;
        }
        if !self.speaker.announced {
            self.speaker.announced = true;
            let mut out = Vec::new();
            self.speaker.announce(&mut out);
            self.publish(out);
        }
        // A blob holds whole frames, so that one can be left out. The widest frame is 510 bytes: none is empty.
        let frame_bytes = format.frame_bytes();
        let blob_bytes = MAX_BLOB_BYTES - MAX_BLOB_BYTES % frame_bytes;
        for blob in pcm.chunks(blob_bytes) {
            let frames = blob.len() / frame_bytes;
            let Some(whole) = blob.get(..frames * frame_bytes).filter(|whole| !whole.is_empty()) else { return };
            let mut out = Vec::with_capacity(whole.len() / 3 * 4 + 32);
            InstructionWriter::new(&mut out, "blob").arg(&AUDIO_STREAM).base64(whole).end();
            self.publish_audio(out, length(format, frames));
        }
    }

    /// What the backend does with the owner's microphone from now on.
    pub(crate) fn use_microphone(&mut self, input: AudioInput) {
        if let Some(answer) = self.microphone.switch(input) {
            self.answer(self.owner, answer);
        }
    }

    /// Opens the owner's microphone.
    pub(crate) fn open_microphone(&mut self, open: &StreamOpen) {
        let answer = self.microphone.open(open);
        if let Some(answer) = answer {
            self.answer(self.owner, answer);
        }
    }

    /// The stream ends, or its index gets another meaning.
    pub(crate) fn close_microphone(&mut self, user: UserKey, stream: StreamIndex) -> Option<Event> {
        if user == self.owner { self.microphone.close(stream) } else { None }
    }
}

/// How long so many frames play.
fn length(format: AudioFormat, frames: usize) -> Duration {
    let micros = (frames as u64).saturating_mul(1_000_000) / u64::from(format.rate_hz());
    Duration::from_micros(micros)
}

/// What a backend does with the microphone of the session's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AudioInput {
    /// Nothing: whoever offers one is told that it is unsupported.
    #[default]
    Off,
    /// Nothing for now: an owner who offers one is answered once the machine listens, so that his browser does not
    /// ask him for permission before.
    Standby,
    /// It listens.
    On,
}

/// The owner's microphone.
#[derive(Debug, Default)]
pub(crate) struct Microphone {
    input: AudioInput,
    offered: Option<Offered>,
}

#[derive(Debug, Clone, Copy)]
struct Offered {
    stream: StreamIndex,
    format: AudioFormat,
    /// He was told to send.
    answered: bool,
}

impl Microphone {
    pub(crate) fn is_off(&self) -> bool {
        self.input == AudioInput::Off
    }

    /// Whether this is the microphone's stream.
    pub(crate) fn is(&self, stream: StreamIndex) -> bool {
        self.offered.is_some_and(|offered| offered.stream == stream)
    }

    fn open(&mut self, open: &StreamOpen) -> Option<StreamAnswer> {
        let stream = open.stream;
        let answer = |message, status| Some(StreamAnswer { stream, message, status });
        if stream.0 >= MAX_STREAMS {
            return answer("too many streams", Status::ClientTooMany);
        }
        let Ok(format) = open.mimetype.parse() else {
            return answer("unknown audio format", Status::ClientBadType);
        };
        if self.offered.is_some() {
            return answer("the microphone is in use", Status::ResourceConflict);
        }
        let answered = self.input == AudioInput::On;
        self.offered = Some(Offered { stream, format, answered });
        if answered { answer("OK", Status::Success) } else { None }
    }

    fn switch(&mut self, input: AudioInput) -> Option<StreamAnswer> {
        self.input = input;
        let offered = self.offered.as_mut()?;
        let stream = offered.stream;
        match input {
            AudioInput::On if offered.answered => None,
            AudioInput::On => {
                offered.answered = true;
                Some(StreamAnswer { stream, message: "OK", status: Status::Success })
            }
            // Not heard yet, it just goes on waiting.
            AudioInput::Standby if !offered.answered => None,
            // Who wants to be heard the next time opens another stream, as clients of guacd do.
            AudioInput::Standby | AudioInput::Off => {
                self.offered = None;
                Some(StreamAnswer { stream, message: "the machine does not listen", status: Status::ResourceClosed })
            }
        }
    }

    /// Sound, unless nobody asked for it.
    pub(crate) fn blob(&self, data: Vec<u8>) -> Option<Event> {
        let offered = self.offered.filter(|offered| offered.answered)?;
        Some(Event::AudioInput { format: offered.format, data })
    }

    fn close(&mut self, stream: StreamIndex) -> Option<Event> {
        let offered = self.offered.take_if(|offered| offered.stream == stream)?;
        offered.answered.then_some(Event::AudioInputEnd)
    }
}
