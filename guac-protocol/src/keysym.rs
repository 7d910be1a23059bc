//! X11 keysyms as far as both directions of a key need them.

/// Keysym of a character: Latin-1 by its own number, everything else by its code point above `0x0100_0000`.
#[must_use]
pub fn keysym_of_char(character: char) -> u32 {
    match u32::from(character) {
        0x0A | 0x0D => 0xFF0D,
        0x08 => 0xFF08,
        0x09 => 0xFF09,
        0x1B => 0xFF1B,
        0x7F => 0xFFFF,
        code @ (0x20..=0x7E | 0xA0..=0xFF) => code,
        code => 0x0100_0000 | code,
    }
}

/// The character a keysym stands for, if it stands for one. Keypad digits and signs count; control keys do not.
#[must_use]
pub fn char_of_keysym(keysym: u32) -> Option<char> {
    match keysym {
        0x20..=0x7E | 0xA0..=0xFF => char::from_u32(keysym),
        0x0100_0000..=0x0110_FFFF => char::from_u32(keysym & 0x00FF_FFFF),
        0xFFAA => Some('*'),
        0xFFAB => Some('+'),
        0xFFAC => Some(','),
        0xFFAD => Some('-'),
        0xFFAE => Some('.'),
        0xFFAF => Some('/'),
        0xFFB0..=0xFFB9 => char::from_u32(keysym - 0xFFB0 + 0x30),
        0xFFBD => Some('='),
        0xFF80 => Some(' '),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_keysyms_map_both_ways() {
        for character in ['a', ' ', '~', 'é', 'ÿ', '€', 'Ж', '漢', '😀'] {
            assert_eq!(char_of_keysym(keysym_of_char(character)), Some(character));
        }
        assert_eq!(keysym_of_char('€'), 0x0100_20AC);
        assert_eq!(char_of_keysym(0xFF0D), None);
        assert_eq!(char_of_keysym(0x0111_0000), None);
    }
}
