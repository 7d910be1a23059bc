//! Text as clipboards hold it: UTF-16 or CP1252, ended by a zero, with line ends of its own.

use guac_session::Params;
use ironrdp_cliprdr::pdu::ClipboardFormatId;

/// What a character without a place in CP1252 becomes.
const UNKNOWN: u8 = b'?';

/// CP1252 from 0x80 to 0x9F; the rest is as in Latin-1. The five bytes without a meaning stay control characters, as on
/// Windows.
const CP1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// What becomes of line ends (RDP-038). Whoever asks for one of the two gets LF in browsers, as from guacd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Newlines {
    /// They stay as they are, both ways.
    #[default]
    Preserve,
    /// LF both ways.
    Unix,
    /// CRLF on the machine.
    Windows,
}

impl Newlines {
    pub(crate) fn from_params(params: &Params) -> Self {
        match params.get("normalize-clipboard") {
            None | Some("preserve") => Self::Preserve,
            Some("unix") => Self::Unix,
            Some("windows") => Self::Windows,
            Some(_) => {
                tracing::warn!(parameter = "normalize-clipboard", "Value is unknown, using \"preserve\"");
                Self::Preserve
            }
        }
    }
}

/// The two formats of text that are understood, the better one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFormat {
    /// `CF_UNICODETEXT`: UTF-16, little-endian.
    Unicode,
    /// `CF_TEXT`.
    Cp1252,
}

/// Text that came from the machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    /// It was longer than the limit.
    pub(crate) cut: bool,
}

impl TextFormat {
    pub(crate) fn id(self) -> ClipboardFormatId {
        match self {
            Self::Unicode => ClipboardFormatId::CF_UNICODETEXT,
            Self::Cp1252 => ClipboardFormatId::CF_TEXT,
        }
    }

    pub(crate) fn from_id(id: ClipboardFormatId) -> Option<Self> {
        [Self::Unicode, Self::Cp1252].into_iter().find(|format| format.id() == id)
    }

    /// Text up to its zero, at most `limit_bytes` of UTF-8. Halves of characters become U+FFFD.
    pub(crate) fn decode(self, bytes: &[u8], newlines: Newlines, limit_bytes: usize) -> Decoded {
        match self {
            Self::Unicode => {
                let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
                let units = units.take_while(|unit| *unit != 0);
                let chars = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
                collect(chars, newlines, limit_bytes)
            }
            Self::Cp1252 => {
                let bytes = bytes.iter().copied().take_while(|byte| *byte != 0);
                collect(bytes.map(char_of), newlines, limit_bytes)
            }
        }
    }

    /// Text with a zero behind it.
    pub(crate) fn encode(self, text: &str, newlines: Newlines) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut put = |c: char| match self {
            Self::Unicode => out.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_le_bytes())),
            Self::Cp1252 => out.push(byte_of(c)),
        };
        match newlines {
            Newlines::Preserve => text.chars().for_each(&mut put),
            Newlines::Unix => with_lf(text.chars()).for_each(&mut put),
            Newlines::Windows => {
                for c in with_lf(text.chars()) {
                    if c == '\n' {
                        put('\r');
                    }
                    put(c);
                }
            }
        }
        put('\0');
        out
    }
}

fn collect(chars: impl Iterator<Item = char>, newlines: Newlines, limit_bytes: usize) -> Decoded {
    let mut out = Decoded { text: String::new(), cut: false };
    let mut take = |c: char| {
        let fits = out.text.len() + c.len_utf8() <= limit_bytes;
        if fits {
            out.text.push(c);
        } else {
            out.cut = true;
        }
        fits
    };
    if newlines == Newlines::Preserve {
        chars.take_while(|c| take(*c)).for_each(drop);
    } else {
        with_lf(chars).take_while(|c| take(*c)).for_each(drop);
    }
    out
}

/// CRLF as LF; a CR on its own stays.
pub(crate) fn with_lf(chars: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    let mut chars = chars.peekable();
    std::iter::from_fn(move || match chars.next() {
        Some('\r') => Some(chars.next_if_eq(&'\n').unwrap_or('\r')),
        other => other,
    })
}

fn char_of(byte: u8) -> char {
    let place = byte.checked_sub(0x80).map(usize::from);
    place.and_then(|place| CP1252.get(place)).copied().unwrap_or(char::from(byte))
}

fn byte_of(c: char) -> u8 {
    match u8::try_from(c) {
        Ok(byte) if char_of(byte) == c => byte,
        _ => CP1252
            .iter()
            .position(|known| *known == c)
            .and_then(|place| u8::try_from(place + 0x80).ok())
            .unwrap_or(UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NO_LIMIT: usize = usize::MAX;

    #[test]
    fn every_byte_of_cp1252_but_the_zero_comes_back() {
        let bytes: Vec<u8> = (1..=255).chain([0]).collect();
        let text = TextFormat::Cp1252.decode(&bytes, Newlines::Preserve, NO_LIMIT).text;
        assert_eq!(text.chars().count(), 255);
        assert!(text.contains("€") && text.contains("“”•–—˜™š›œ") && text.ends_with('ÿ'));
        assert_eq!(TextFormat::Cp1252.encode(&text, Newlines::Preserve), bytes);
        assert_eq!(TextFormat::Cp1252.encode("中\u{1F600}ä", Newlines::Preserve), [b'?', b'?', 0xE4, 0]);
    }

    #[test]
    fn utf_16_ends_at_its_zero_and_halves_of_characters_are_marked() {
        let decode = |units: &[u16]| {
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            TextFormat::Unicode.decode(&bytes, Newlines::Preserve, NO_LIMIT).text
        };
        assert_eq!(decode(&[0x61, 0xD83D, 0xDE00, 0, 0x62]), "a\u{1F600}");
        assert_eq!(decode(&[0xD83D, 0x61, 0xDE00]), "\u{FFFD}a\u{FFFD}");
        assert_eq!(TextFormat::Unicode.decode(&[0x61, 0, 0x62], Newlines::Preserve, NO_LIMIT).text, "a");
        assert_eq!(TextFormat::Unicode.encode("a\u{1F600}", Newlines::Preserve), [0x61, 0, 0x3D, 0xD8, 0, 0xDE, 0, 0]);
    }

    #[test]
    fn line_ends_follow_the_rule() {
        let mixed = "a\r\nb\nc\rd\r\r\n";
        let bytes = TextFormat::Cp1252.encode(mixed, Newlines::Preserve);
        for (rule, received, sent) in [
            (Newlines::Preserve, mixed, &b"a\r\nb\nc\rd\r\r\n\0"[..]),
            (Newlines::Unix, "a\nb\nc\rd\r\n", b"a\nb\nc\rd\r\n\0"),
            (Newlines::Windows, "a\nb\nc\rd\r\n", b"a\r\nb\r\nc\rd\r\r\n\0"),
        ] {
            assert_eq!(TextFormat::Cp1252.decode(&bytes, rule, NO_LIMIT).text, received, "{rule:?}");
            assert_eq!(TextFormat::Cp1252.encode(mixed, rule), sent, "{rule:?}");
        }
    }

    #[test]
    fn text_is_cut_at_the_limit_between_characters() {
        let bytes = TextFormat::Unicode.encode("aä€", Newlines::Preserve);
        for (limit, text, cut) in [(6, "aä€", false), (5, "aä", true), (3, "aä", true), (2, "a", true), (0, "", true)]
        {
            let decoded = TextFormat::Unicode.decode(&bytes, Newlines::Preserve, limit);
            assert_eq!(decoded, Decoded { text: text.to_owned(), cut }, "{limit}");
        }
    }

    #[test]
    fn rules_have_guacds_names_and_preserve_is_the_default() {
        let rule = |value: &str| Newlines::from_params(&[("normalize-clipboard", value)].into_iter().collect());
        assert_eq!(["preserve", "unix", "windows", "", "mac"].map(rule), {
            use Newlines::{Preserve, Unix, Windows};
            [Preserve, Unix, Windows, Preserve, Preserve]
        });
    }

    proptest! {
        #[test]
        fn text_without_zeros_comes_back_as_it_was(text in "[^\0]{0,200}") {
            let bytes = TextFormat::Unicode.encode(&text, Newlines::Preserve);
            let decoded = TextFormat::Unicode.decode(&bytes, Newlines::Preserve, text.len());
            prop_assert_eq!(decoded, Decoded { text, cut: false });
        }

        #[test]
        fn any_bytes_stay_within_the_limit(bytes: Vec<u8>, limit in 0_usize..64) {
            for format in [TextFormat::Unicode, TextFormat::Cp1252] {
                for newlines in [Newlines::Preserve, Newlines::Unix, Newlines::Windows] {
                    prop_assert!(format.decode(&bytes, newlines, limit).text.len() <= limit);
                }
            }
        }
    }
}
