//! PCM from one format to another, as it comes.

use guac_protocol::AudioFormat;

/// Lowest rate that is converted, in hertz. Below that of any telephone it would only be a way to have much made of
/// little.
const MIN_RATE_HZ: u32 = 4_000;

/// Makes sound of one format of that of another: rates by linear interpolation, channels by mixing down or doubling.
///
/// Users' samples are signed; the machine's are, but for those of eight bits.
#[derive(Debug)]
pub(super) struct Converter {
    from: AudioFormat,
    to: AudioFormat,
    /// Of a frame of which the rest has not come.
    residue: Vec<u8>,
    /// The frame before, in the machine's channels.
    before: Option<Vec<i16>>,
    /// Where the next frame goes, after the one before: in parts of a frame, of which there are `to.rate_hz()`.
    phase: u64,
}

impl Converter {
    /// Nothing for a microphone that no one has.
    pub(super) fn new(from: AudioFormat, to: AudioFormat) -> Option<Self> {
        let worth_it = from.rate_hz() >= MIN_RATE_HZ;
        worth_it.then(|| Self { from, to, residue: Vec::new(), before: None, phase: 0 })
    }

    pub(super) fn is_between(&self, from: AudioFormat, to: AudioFormat) -> bool {
        (self.from, self.to) == (from, to)
    }

    /// Appends what becomes of this sound.
    pub(super) fn convert(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let mut input = std::mem::take(&mut self.residue);
        input.extend_from_slice(data);
        let frames = input.chunks_exact(self.from.frame_bytes());
        self.residue = frames.remainder().to_vec();
        let (step, whole) = (u64::from(self.from.rate_hz()), u64::from(self.to.rate_hz()));
        for frame in frames {
            let frame = self.mix(frame);
            if let Some(before) = &self.before {
                while self.phase < whole {
                    for (&a, &b) in before.iter().zip(&frame) {
                        write_sample(interpolate(a, b, self.phase, whole), self.to, out);
                    }
                    self.phase += step;
                }
                self.phase -= whole;
            }
            self.before = Some(frame);
        }
    }

    /// A frame in the machine's channels.
    fn mix(&self, frame: &[u8]) -> Vec<i16> {
        let samples: Vec<i16> = match self.from.bits() {
            8 => frame.iter().map(|&byte| i16::from(byte.cast_signed()) << 8).collect(),
            _ => frame.as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect(),
        };
        if self.to.channels() == 1 {
            let sum: i32 = samples.iter().copied().map(i32::from).sum();
            return vec![i16::try_from(sum / i32::from(self.from.channels())).unwrap_or_default()];
        }
        let last = samples.last().copied().unwrap_or_default();
        samples.into_iter().chain(std::iter::repeat(last)).take(self.to.channels().into()).collect()
    }
}

/// Between `a` and `b`, `phase` parts of `whole` along.
fn interpolate(a: i16, b: i16, phase: u64, whole: u64) -> i16 {
    let (a, b) = (i64::from(a), i64::from(b));
    let (phase, whole) = (i64::try_from(phase).unwrap_or(0), i64::try_from(whole).unwrap_or(1));
    // Between two of 16 bits there are only such.
    i16::try_from(a + (b - a) * phase / whole).unwrap_or_default()
}

fn write_sample(sample: i16, format: AudioFormat, out: &mut Vec<u8>) {
    let [low, high] = sample.to_le_bytes();
    match format.bits() {
        8 => out.push(high ^ 0x80),
        _ => out.extend([low, high]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(bits: u8, rate_hz: u32, channels: u8) -> AudioFormat {
        AudioFormat::new(bits, rate_hz, channels).unwrap()
    }

    fn convert(from: AudioFormat, to: AudioFormat, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut converter, mut out) = (Converter::new(from, to).unwrap(), Vec::new());
        pieces.iter().for_each(|piece| converter.convert(piece, &mut out));
        out
    }

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    #[test]
    fn sound_of_the_wanted_format_stays_what_it_is() {
        let cd = format(16, 44_100, 2);
        // The last frame waits for the one behind it.
        assert_eq!(convert(cd, cd, &[&bytes(&[1, -2, 3, -4, 5, -6])]), bytes(&[1, -2, 3, -4]));
    }

    #[test]
    fn twice_the_rate_puts_one_frame_between_two_and_half_of_it_leaves_one_out() {
        let (slow, fast) = (format(16, 22_050, 1), format(16, 44_100, 1));
        assert_eq!(convert(slow, fast, &[&bytes(&[0, 100, -100])]), bytes(&[0, 50, 100, 0]));
        assert_eq!(convert(fast, slow, &[&bytes(&[0, 1, 2, 3, 4])]), bytes(&[0, 2]));
    }

    #[test]
    fn channels_are_doubled_and_mixed_down_and_eight_bits_are_unsigned_for_the_machine() {
        let (mono, stereo, old) = (format(16, 8000, 1), format(16, 8000, 2), format(8, 8000, 1));
        assert_eq!(convert(mono, stereo, &[&bytes(&[7, 9])]), bytes(&[7, 7]));
        assert_eq!(convert(stereo, mono, &[&bytes(&[i16::MIN, i16::MIN, 0, 0])]), bytes(&[i16::MIN]));
        assert_eq!(convert(mono, old, &[&bytes(&[0, i16::MIN, i16::MAX, 0])]), [0x80, 0, 0xFF]);
        assert_eq!(convert(old, mono, &[&[0x80, 0x7F, 0]]), bytes(&[i16::MIN, 0x7F00]));
    }

    #[test]
    fn nothing_is_made_of_a_rate_that_no_microphone_has() {
        assert!(Converter::new(format(8, 3_999, 1), format(16, 48_000, 2)).is_none());
        assert!(Converter::new(format(8, 4_000, 1), format(16, 48_000, 2)).is_some());
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_as_the_whole_and_the_length_is_that_of_the_rates(
            data in prop::collection::vec(any::<u8>(), 0..2_000),
            cut in any::<prop::sample::Index>(),
            (from_bits, from_rate, from_channels) in (prop::sample::select(vec![8_u8, 16]), 4_000_u32..=192_000, 1_u8..=4),
            (to_bits, to_rate, to_channels) in (prop::sample::select(vec![8_u8, 16]), 8_000_u32..=48_000, 1_u8..=2),
        ) {
            let from = format(from_bits, from_rate, from_channels);
            let to = format(to_bits, to_rate, to_channels);
            let whole = convert(from, to, &[&data]);
            let (a, b) = data.split_at(cut.index(data.len() + 1));
            prop_assert_eq!(&convert(from, to, &[a, b]), &whole);
            let spans = (data.len() / from.frame_bytes()).saturating_sub(1) as u64;
            let frames = (spans * u64::from(to_rate)).div_ceil(u64::from(from_rate));
            prop_assert_eq!((whole.len() / to.frame_bytes()) as u64, frames);
        }
    }
}
