//! Text in the encodings that servers without the extended clipboard expect.

/// How bytes of a plain clipboard message become text. The specification knows Latin-1 only, servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClipboardEncoding {
    #[default]
    Latin1,
    Utf8,
    /// Little-endian.
    Utf16,
    Cp1252,
    MacRoman,
}

/// What a character without a place in the encoding becomes.
const UNKNOWN: u8 = b'?';

/// Windows-1252 from 0x80 to 0x9F; the rest is as in Latin-1.
const CP1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ";

/// Mac OS Roman from 0x80 on.
const MAC_ROMAN: &str = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u{A0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{F8FF}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";

impl ClipboardEncoding {
    /// By the parameter's value; anything unknown is Latin-1, as in guacd.
    pub(crate) fn from_name(name: Option<&str>) -> Self {
        match name {
            Some("UTF-8") => Self::Utf8,
            Some("UTF-16") => Self::Utf16,
            Some("CP1252") => Self::Cp1252,
            Some("MacRoman") => Self::MacRoman,
            None | Some("ISO8859-1") => Self::Latin1,
            Some(_) => {
                tracing::warn!(parameter = "clipboard-encoding", "Encoding is unknown, using ISO8859-1");
                Self::Latin1
            }
        }
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Latin1 => bytes.iter().copied().map(char::from).collect(),
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16 => {
                let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
                char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
            Self::Cp1252 => bytes.iter().map(|byte| from_table(*byte, CP1252)).collect(),
            Self::MacRoman => bytes.iter().map(|byte| from_table(*byte, MAC_ROMAN)).collect(),
        }
    }

    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(UNKNOWN)).collect(),
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Cp1252 => text.chars().map(|c| to_table(c, CP1252)).collect(),
            Self::MacRoman => text.chars().map(|c| to_table(c, MAC_ROMAN)).collect(),
        }
    }
}

/// A byte by a table of characters from 0x80 on; those behind its end are as in Latin-1.
fn from_table(byte: u8, table: &str) -> char {
    let place = byte.checked_sub(0x80).map(usize::from);
    place.and_then(|place| table.chars().nth(place)).unwrap_or(char::from(byte))
}

fn to_table(c: char, table: &str) -> u8 {
    if c.is_ascii() {
        return u8::try_from(c).unwrap_or(UNKNOWN);
    }
    match table.chars().position(|known| known == c) {
        Some(place) => u8::try_from(place + 0x80).unwrap_or(UNKNOWN),
        // A table that ends early goes on as Latin-1.
        None => u8::try_from(c).ok().filter(|byte| from_table(*byte, table) == c).unwrap_or(UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, ClipboardEncoding); 5] = [
        ("ISO8859-1", ClipboardEncoding::Latin1),
        ("UTF-8", ClipboardEncoding::Utf8),
        ("UTF-16", ClipboardEncoding::Utf16),
        ("CP1252", ClipboardEncoding::Cp1252),
        ("MacRoman", ClipboardEncoding::MacRoman),
    ];

    #[test]
    fn every_byte_of_a_one_byte_encoding_comes_back() {
        for (name, encoding) in [ALL[0], ALL[3], ALL[4]] {
            let bytes: Vec<u8> = (0..=255).collect();
            assert_eq!(encoding.encode(&encoding.decode(&bytes)), bytes, "{name}");
        }
    }

    #[test]
    fn names_are_guacds_and_unknown_ones_are_latin_1() {
        for (name, encoding) in ALL {
            assert_eq!(ClipboardEncoding::from_name(Some(name)), encoding);
        }
        assert_eq!(ClipboardEncoding::from_name(Some("EBCDIC")), ClipboardEncoding::Latin1);
        assert_eq!(ClipboardEncoding::from_name(None), ClipboardEncoding::Latin1);
    }

    #[test]
    fn known_bytes_are_known_characters() {
        assert_eq!(ClipboardEncoding::Cp1252.decode(&[0x80, 0x99, 0xE4, b'a']), "€™äa");
        assert_eq!(ClipboardEncoding::MacRoman.decode(&[0x80, 0xDB, 0xFF, b'a']), "Ä€ˇa");
        assert_eq!(ClipboardEncoding::Utf16.encode("a€"), [0x61, 0, 0xAC, 0x20]);
        assert_eq!(ClipboardEncoding::Latin1.encode("ä€"), [0xE4, b'?']);
        assert_eq!(ClipboardEncoding::Utf8.decode("€\n\u{1F600}".as_bytes()), "€\n\u{1F600}");
    }

    #[test]
    fn broken_text_is_repaired_not_refused() {
        assert_eq!(ClipboardEncoding::Utf8.decode(&[0xFF, b'a']), "\u{FFFD}a");
        assert_eq!(ClipboardEncoding::Utf16.decode(&[0, 0xD8, b'a', 0, 7]), "\u{FFFD}a");
    }
}
