//! Which streams the browser has open: all that is kept of a tunnel that intercepts nothing.

use guac_protocol::{Instruction, MAX_STREAMS, StreamIndex};

/// A bit for each stream that a client may have. Small enough to be kept always; an upload must find its stream here
/// although it comes by another way than what opened it.
#[derive(Debug, Default)]
pub(crate) struct OpenStreams([u64; MAX_STREAMS as usize / 64]);

impl OpenStreams {
    /// Looks at an instruction of the browser's.
    pub(crate) fn note(&mut self, instruction: &Instruction<'_>) {
        let (argument, open) = match instruction.opcode() {
            "file" | "pipe" | "clipboard" | "argv" | "audio" => (0, true),
            "put" => (1, true),
            "end" => (0, false),
            _ => return,
        };
        let index = instruction.arg(argument).and_then(|text| text.parse().ok()).map(StreamIndex);
        let Some((word, bit)) = index.and_then(place) else {
            return;
        };
        if let Some(word) = self.0.get_mut(word) {
            *word = if open { *word | bit } else { *word & !bit };
        }
    }

    pub(crate) fn contains(&self, stream: StreamIndex) -> bool {
        place(stream).is_some_and(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }
}

fn place(stream: StreamIndex) -> Option<(usize, u64)> {
    let word = usize::try_from(stream.0 / 64).ok()?;
    Some((word, 1 << (stream.0 % 64)))
}
