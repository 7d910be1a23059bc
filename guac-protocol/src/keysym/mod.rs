//! X11 keysyms: characters, names, and combinations of keys as people write them.

mod combination;
mod table;

pub use combination::{KeyCombination, KeyParseError, MAX_COMBINATION_KEYS, parse_keysym};

use table::{BY_NAME, KEYSYMS};

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

/// The character a keysym stands for, if it stands for one. Keypad digits and signs count, and so do the keysyms that
/// alphabets had before Unicode (`Cyrillic_a`, `EuroSign`); control keys do not.
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
        0x0100..=0x20FF => {
            let (_, character, _) = named(keysym)?;
            char::from_u32(u32::from(*character)).filter(|&character| character != '\0')
        }
        _ => None,
    }
}

/// The name X11 gives a keysym, such as `Page_Up`'s older and preferred `Prior`, or `XF86AudioMute`.
#[must_use]
pub fn keysym_name(keysym: u32) -> Option<&'static str> {
    named(keysym).map(|&(_, _, name)| name)
}

/// The keysym of this X11 name, spelt exactly so. [`parse_keysym`] reads more than names.
#[must_use]
pub fn keysym_of_name(name: &str) -> Option<u32> {
    let entry = |place: u16| KEYSYMS.get(usize::from(place));
    let found = BY_NAME.binary_search_by(|&place| entry(place).map_or("", |&(_, _, known)| known).cmp(name)).ok()?;
    BY_NAME.get(found).and_then(|&place| entry(place)).map(|&(keysym, _, _)| keysym)
}

/// Whether a keysym is a modifier: shift, control, caps lock, meta, alt, super, hyper, or a level or group shift.
#[must_use]
pub fn is_modifier(keysym: u32) -> bool {
    matches!(keysym, 0xFFE1..=0xFFEE | 0xFE01..=0xFE13 | 0xFF7E | 0xFF7F)
}

/// The first, that is preferred, entry of a keysym.
fn named(keysym: u32) -> Option<&'static (u32, u16, &'static str)> {
    KEYSYMS.get(KEYSYMS.partition_point(|&(known, _, _)| known < keysym)).filter(|&&(known, _, _)| known == keysym)
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

    #[test]
    fn keysyms_from_before_unicode_stand_for_their_characters() {
        for (keysym, character) in
            [(0x06C1, 'а'), (0x20AC, '€'), (0x07E1, 'α'), (0x01B1, 'ą'), (0x05C7, 'ا'), (0x0CE0, 'א'), (0x0DA1, 'ก')]
        {
            assert_eq!(char_of_keysym(keysym), Some(character), "{keysym:#x}");
        }
        assert_eq!(char_of_keysym(0x0300), None);
    }

    #[test]
    fn the_table_is_sorted_both_ways_and_every_name_is_found() {
        assert!(KEYSYMS.is_sorted_by_key(|&(keysym, _, _)| keysym));
        for &(keysym, _, name) in &KEYSYMS {
            assert_eq!(keysym_of_name(name), Some(keysym), "{name}");
            let preferred = keysym_name(keysym).unwrap();
            assert_eq!(keysym_of_name(preferred), Some(keysym));
        }
        assert_eq!(BY_NAME.len(), KEYSYMS.len());
    }

    #[test]
    fn names_are_those_of_x11() {
        for (keysym, name) in [
            (0xFF0D, "Return"),
            (0xFFE3, "Control_L"),
            (0xFFC9, "F12"),
            (0xFE03, "ISO_Level3_Shift"),
            (0xFE51, "dead_acute"),
            (0xFFB5, "KP_5"),
            (0x1008_FF12, "XF86AudioMute"),
            (0x61, "a"),
            (0xE9, "eacute"),
        ] {
            assert_eq!((keysym_name(keysym), keysym_of_name(name)), (Some(name), Some(keysym)));
        }
        assert_eq!((keysym_of_name("Page_Up"), keysym_of_name("Prior")), (Some(0xFF55), Some(0xFF55)));
        assert_eq!((keysym_of_name(""), keysym_of_name("NoSuchKey"), keysym_name(0x0100_20AD)), (None, None, None));
    }
}
