//! The small grammars off the hot path: mimetypes, audio formats, versions, values of connection parameters.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, one_of, u16 as decimal_u16};
use nom::combinator::all_consuming;
use nom::multi::many0;
use nom::sequence::{preceded, separated_pair, terminated};
use nom::{IResult, Parser};

/// Longest mimetype, in bytes. guacd keeps 4096 of an `argv` stream's (P-128).
pub const MAX_MIMETYPE_BYTES: usize = 4096;

/// Most parameters of a mimetype; those in use have two.
const MAX_MIMETYPE_PARAMETERS: usize = 16;

/// Text that does not follow its grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct GrammarError {
    expected: &'static str,
}

/// A mimetype with its parameters, borrowed from its text.
///
/// Parameters may be separated by `;` as everywhere or by `,` as Guacamole writes those of audio.
///
/// # Specification
/// RFC 2045, section 5.1, without quoted values and comments.
///
/// ```
/// use guac_protocol::Mimetype;
///
/// let mimetype = Mimetype::parse("audio/L16;rate=44100,channels=2")?;
/// assert_eq!(mimetype.essence(), ("audio", "L16"));
/// assert_eq!(mimetype.parameter("Rate"), Some("44100"));
/// # Ok::<(), guac_protocol::GrammarError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mimetype<'a> {
    essence: (&'a str, &'a str),
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Mimetype<'a> {
    /// Reads a whole mimetype.
    ///
    /// # Errors
    /// Anything else, and more than [`MAX_MIMETYPE_BYTES`] or 16 parameters.
    pub fn parse(text: &'a str) -> Result<Self, GrammarError> {
        let error = GrammarError { expected: "a mimetype" };
        if text.len() > MAX_MIMETYPE_BYTES {
            return Err(error);
        }
        let (_, mimetype) = all_consuming(mimetype).parse(text).map_err(|_| error)?;
        if mimetype.parameters.len() > MAX_MIMETYPE_PARAMETERS { Err(error) } else { Ok(mimetype) }
    }

    /// Type and subtype, such as `("image", "png")`.
    #[must_use]
    pub fn essence(&self) -> (&'a str, &'a str) {
        self.essence
    }

    /// Whether type and subtype are these, in any case.
    #[must_use]
    pub fn is(&self, top: &str, sub: &str) -> bool {
        self.essence.0.eq_ignore_ascii_case(top) && self.essence.1.eq_ignore_ascii_case(sub)
    }

    /// All parameters in order.
    #[must_use]
    pub fn parameters(&self) -> &[(&'a str, &'a str)] {
        &self.parameters
    }

    /// The first parameter of this name, in any case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, value)| value)
    }
}

fn token(input: &str) -> IResult<&str, &str> {
    let special = |c: char| "()<>@,;:\\\"/[]?=".contains(c);
    take_while1(move |c: char| c.is_ascii_graphic() && !special(c)).parse(input)
}

fn mimetype(input: &str) -> IResult<&str, Mimetype<'_>> {
    let spaces = || nom::character::complete::space0;
    let parameter = separated_pair(token, char('='), token);
    let parameters = many0(preceded((one_of(";,"), spaces()), terminated(parameter, spaces())));
    let (rest, (essence, parameters)) = (separated_pair(token, char('/'), token), parameters).parse(input)?;
    Ok((rest, Mimetype { essence, parameters }))
}

/// Samples of an audio stream: signed little-endian PCM, channels interleaved (P-145, P-146).
///
/// ```
/// use guac_protocol::AudioFormat;
///
/// let format: AudioFormat = "audio/L16;rate=44100,channels=2".parse()?;
/// assert_eq!((format.bits(), format.rate_hz(), format.channels()), (16, 44_100, 2));
/// assert_eq!(format.frame_bytes(), 4);
/// assert_eq!(format.to_string(), "audio/L16;rate=44100,channels=2");
/// # Ok::<(), guac_protocol::GrammarError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    sixteen: bool,
    rate_hz: u32,
    channels: NonZeroU8,
}

impl AudioFormat {
    /// Highest sampling rate taken, in hertz: four times that of a compact disc's successor.
    pub const MAX_RATE_HZ: u32 = 192_000;

    /// The format of 8 or 16 bits per sample.
    ///
    /// # Errors
    /// Any other width, a rate of 0 or above [`Self::MAX_RATE_HZ`], no channels.
    pub fn new(bits: u8, rate_hz: u32, channels: u8) -> Result<Self, GrammarError> {
        let error = GrammarError { expected: "an audio format" };
        let channels = NonZeroU8::new(channels).ok_or(error)?;
        if !matches!(bits, 8 | 16) || !(1..=Self::MAX_RATE_HZ).contains(&rate_hz) {
            return Err(error);
        }
        Ok(Self { sixteen: bits == 16, rate_hz, channels })
    }

    /// Bits per sample: 8 or 16.
    #[must_use]
    pub fn bits(self) -> u8 {
        if self.sixteen { 16 } else { 8 }
    }

    /// Frames per second.
    #[must_use]
    pub fn rate_hz(self) -> u32 {
        self.rate_hz
    }

    /// Channels, at least 1.
    #[must_use]
    pub fn channels(self) -> u8 {
        self.channels.get()
    }

    /// Bytes of one sample of each channel.
    #[must_use]
    pub fn frame_bytes(self) -> usize {
        usize::from(self.channels.get()) * usize::from(self.bits() / 8)
    }

    /// The type without parameters, by which clients announce what they play: `audio/L8` or `audio/L16`.
    #[must_use]
    pub fn essence(self) -> &'static str {
        if self.sixteen { "audio/L16" } else { "audio/L8" }
    }
}

impl FromStr for AudioFormat {
    type Err = GrammarError;

    /// From `audio/L8;rate=R,channels=C` or `audio/L16;…`; one channel if none is told, and no other parameter.
    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let error = GrammarError { expected: "an audio format" };
        let mimetype = Mimetype::parse(text).map_err(|_| error)?;
        let bits = match mimetype.essence() {
            (top, sub) if top.eq_ignore_ascii_case("audio") && sub.eq_ignore_ascii_case("L8") => 8,
            (top, sub) if top.eq_ignore_ascii_case("audio") && sub.eq_ignore_ascii_case("L16") => 16,
            _ => return Err(error),
        };
        let (mut rate_hz, mut channels) = (None, 1);
        for &(name, value) in mimetype.parameters() {
            match name {
                "rate" => rate_hz = Some(value.parse().map_err(|_| error)?),
                "channels" => channels = value.parse().map_err(|_| error)?,
                _ => return Err(error),
            }
        }
        Self::new(bits, rate_hz.ok_or(error)?, channels)
    }
}

/// As the mimetype of a stream.
impl fmt::Display for AudioFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};rate={},channels={}", self.essence(), self.rate_hz, self.channels)
    }
}

/// The three numbers of `VERSION_x_y_z`; `None` for anything else.
pub(crate) fn version_numbers(token: &str) -> Option<(u16, u16, u16)> {
    let part = || preceded(char('_'), decimal_u16::<&str, nom::error::Error<&str>>);
    let numbers = preceded(tag("VERSION"), (part(), part(), part()));
    all_consuming(numbers).parse(token).ok().map(|(_, numbers)| numbers)
}

/// Reads a connection parameter that is a truth value: `true` or `false`, exactly; `None` if it is empty, that is,
/// unset (P-013).
///
/// # Errors
/// Anything else: warn and use the default.
pub fn parse_bool_parameter(value: &str) -> Result<Option<bool>, GrammarError> {
    match value {
        "" => Ok(None),
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(GrammarError { expected: "true or false" }),
    }
}

/// Reads a connection parameter that is a number: the whole text, decimal, in range; `None` if it is empty, that is,
/// unset (P-014). As with C's `strtol`, blanks may stand before it and a `+`.
///
/// # Errors
/// Anything else: warn and use the default.
///
/// ```
/// use guac_protocol::parse_number_parameter;
///
/// assert_eq!(parse_number_parameter::<u16>("3389"), Ok(Some(3389)));
/// assert_eq!(parse_number_parameter::<u16>(""), Ok(None));
/// assert!(parse_number_parameter::<u16>("65536").is_err());
/// ```
pub fn parse_number_parameter<T: FromStr>(value: &str) -> Result<Option<T>, GrammarError> {
    if value.is_empty() {
        return Ok(None);
    }
    value.trim_start().parse().map(Some).map_err(|_| GrammarError { expected: "a number in range" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mimetypes_have_a_type_a_subtype_and_parameters() {
        let text = Mimetype::parse("Text/Plain; charset=utf-8").unwrap();
        assert!(text.is("text", "plain"));
        assert_eq!(text.parameter("CHARSET"), Some("utf-8"));
        let index = Mimetype::parse("application/vnd.glyptodon.guacamole.stream-index+json").unwrap();
        assert_eq!((index.essence().1, index.parameters().len()), ("vnd.glyptodon.guacamole.stream-index+json", 0));
        let wrong =
            ["", "text", "/", "text/", "/plain", "text/plain;", "text/plain;a", "a/b;=1", "a/b;a=", "ä/b", "a/b c"];
        for text in wrong {
            assert!(Mimetype::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mimetype_at_its_limits_passes_and_beyond_them_is_refused() {
        let sixteen = format!("a/b{}", ";x=1".repeat(16));
        assert!(Mimetype::parse(&sixteen).is_ok() && Mimetype::parse(&format!("{sixteen};x=1")).is_err());
        let long = format!("a/{}", "b".repeat(4094));
        assert!(Mimetype::parse(&long).is_ok() && Mimetype::parse(&format!("{long}b")).is_err());
    }

    #[test]
    fn audio_formats_need_a_rate_and_nothing_unknown() {
        let format = |text: &str| text.parse::<AudioFormat>().ok().map(|f| (f.bits(), f.rate_hz(), f.channels()));
        assert_eq!(format("audio/L8;rate=8000"), Some((8, 8000, 1)));
        assert_eq!(format("audio/L16;channels=2,rate=48000"), Some((16, 48_000, 2)));
        assert_eq!(format("audio/L16;rate=192000;channels=255"), Some((16, 192_000, 255)));
        for wrong in [
            "audio/L16",
            "audio/L24;rate=44100",
            "audio/L16;channels=2",
            "audio/L16;rate=0,channels=2",
            "audio/L16;rate=192001",
            "audio/L16;rate=44100,channels=0",
            "audio/L16;rate=44100,channels=256",
            "audio/L16;rate=-1",
            "audio/L16;rate=44100,endian=big",
            "audio/ogg;rate=44100",
        ] {
            assert_eq!(format(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn versions_are_three_numbers_behind_their_word() {
        assert_eq!(version_numbers("VERSION_1_5_0"), Some((1, 5, 0)));
        for wrong in [
            "",
            "VERSION",
            "VERSION_1_5",
            "VERSION_1_5_0_0",
            "VERSION_1_5_x",
            "version_1_5_0",
            "VERSION_1_-5_0",
            "VERSION_1_70000_0",
        ] {
            assert_eq!(version_numbers(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn truth_values_are_two_words_exactly() {
        assert_eq!(parse_bool_parameter(""), Ok(None));
        assert_eq!((parse_bool_parameter("true"), parse_bool_parameter("false")), (Ok(Some(true)), Ok(Some(false))));
        for wrong in ["TRUE", "True", "1", "yes", " true", "true "] {
            assert!(parse_bool_parameter(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_parse_as_a_whole_and_in_range() {
        assert_eq!(parse_number_parameter::<u16>("65535"), Ok(Some(65_535)));
        assert_eq!(parse_number_parameter::<i32>(" -7"), Ok(Some(-7)));
        assert_eq!(parse_number_parameter::<i32>("+7"), Ok(Some(7)));
        for wrong in ["65536", "-1", "22 ", "22x", "0x16", "2.5", "١"] {
            assert!(parse_number_parameter::<u16>(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}|[a-z/;,=0-9]{0,60}") {
            let _ = text.parse::<AudioFormat>();
            let _ = version_numbers(&text);
            if let Ok(mimetype) = Mimetype::parse(&text) {
                prop_assert!(!mimetype.essence().0.is_empty());
            }
        }

        #[test]
        fn audio_formats_are_read_as_they_are_written(wide in any::<bool>(), rate in 1_u32..=192_000, channels in 1_u8..) {
            let format = AudioFormat::new(if wide { 16 } else { 8 }, rate, channels).unwrap();
            prop_assert_eq!(format.to_string().parse(), Ok(format));
        }
    }
}
