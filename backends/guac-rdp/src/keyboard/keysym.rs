//! What keysyms stand for.

use super::layout::Key;

/// What a keysym asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    /// Text.
    Character(char),
    /// The dead key of an accent.
    Dead(char),
    /// A key that is the same on all layouts.
    Key(Key),
    /// A key of the keypad that means one thing with Num Lock and another without.
    Keypad(Key, NumLock),
    Lock(Key, Lock),
    AltGr,
    Pause,
}

/// The state of Num Lock that a key of the keypad needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumLock {
    On,
    Off,
}

/// A key that switches something on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    Caps,
    Num,
    Scroll,
}

impl Symbol {
    /// The meaning of a keysym (X11's `keysymdef.h`), nothing where it has none that RDP could carry.
    pub(super) fn of(keysym: u32) -> Option<Self> {
        let low = u8::try_from(keysym & 0xFF).unwrap_or_default();
        match keysym {
            0x20..=0x7E | 0xA0..=0xFF => char::from_u32(keysym).map(Self::Character),
            0x0100_0000..=0x0110_FFFF => char::from_u32(keysym - 0x0100_0000).and_then(Self::of_unicode),
            0xFE50..=0xFE5F => ACCENTS.get(usize::from(low) - 0x50).copied().map(Self::Dead),
            // F1 to F10, F11 and F12, F13 to F23, F24.
            0xFFBE..=0xFFC7 => Some(Self::Key(Key::plain(0x3B + (low - 0xBE)))),
            0xFFC8..=0xFFC9 => Some(Self::Key(Key::plain(0x57 + (low - 0xC8)))),
            0xFFCA..=0xFFD4 => Some(Self::Key(Key::plain(0x64 + (low - 0xCA)))),
            // The keypad's own F1 to F4.
            0xFF91..=0xFF94 => Some(Self::Key(Key::plain(0x3B + (low - 0x91)))),
            _ => special(keysym).or_else(|| legacy(keysym).map(Self::Character)),
        }
    }

    /// Control characters are keys: a line break typed as text is Return.
    fn of_unicode(character: char) -> Option<Self> {
        let code = match character {
            '\u{8}' => 0x0E,
            '\t' => 0x0F,
            '\n' | '\r' => 0x1C,
            '\u{1B}' => 0x01,
            _ if character.is_control() => return None,
            _ => return Some(Self::Character(character)),
        };
        Some(Self::Key(Key::plain(code)))
    }
}

fn special(keysym: u32) -> Option<Symbol> {
    if let Some(&(_, code)) = KEYPAD_DIGITS.iter().find(|&&(other, _)| other == keysym) {
        return Some(Symbol::Keypad(Key::plain(code), NumLock::On));
    }
    if let Some(&(_, code)) = KEYPAD_ARROWS.iter().find(|&&(other, _)| other == keysym) {
        return Some(Symbol::Keypad(Key::plain(code), NumLock::Off));
    }
    if let Some(&(_, code)) = PLAIN.iter().find(|&&(other, _)| other == keysym) {
        return Some(Symbol::Key(Key::plain(code)));
    }
    if let Some(&(_, code)) = EXTENDED.iter().find(|&&(other, _)| other == keysym) {
        return Some(Symbol::Key(Key::extended(code)));
    }
    match keysym {
        0xFE03 | 0xFF7E => Some(Symbol::AltGr),
        0xFF13 => Some(Symbol::Pause),
        0xFF14 => Some(Symbol::Lock(Key::plain(0x46), Lock::Scroll)),
        0xFF7F => Some(Symbol::Lock(Key::plain(0x45), Lock::Num)),
        // Japanese keyboards' Eisu is where others have Caps Lock.
        0xFFE5 | 0xFFE6 | 0xFF2F | 0xFF30 => Some(Symbol::Lock(Key::plain(0x3A), Lock::Caps)),
        _ => None,
    }
}

fn legacy(keysym: u32) -> Option<char> {
    let at = LEGACY.binary_search_by_key(&keysym, |&(other, _)| other).ok()?;
    LEGACY.get(at).map(|&(_, character)| character)
}

/// The accents of the dead keysyms from FE50 on.
const ACCENTS: [char; 16] = ['`', '´', '^', '~', '¯', '˘', '˙', '¨', '°', '˝', 'ˇ', '¸', '˛', 'ͅ', '゛', '゜'];

/// Digits and the decimal key.
const KEYPAD_DIGITS: [(u32, u8); 12] = [
    (0xFFB0, 0x52),
    (0xFFB1, 0x4F),
    (0xFFB2, 0x50),
    (0xFFB3, 0x51),
    (0xFFB4, 0x4B),
    (0xFFB5, 0x4C),
    (0xFFB6, 0x4D),
    (0xFFB7, 0x47),
    (0xFFB8, 0x48),
    (0xFFB9, 0x49),
    // Comma or full stop: the layout knows.
    (0xFFAC, 0x53),
    (0xFFAE, 0x53),
];

/// The same keys without Num Lock: Home, arrows, pages, End, Begin, Insert, Delete, Clear.
const KEYPAD_ARROWS: [(u32, u8); 12] = [
    (0xFF95, 0x47),
    (0xFF96, 0x4B),
    (0xFF97, 0x48),
    (0xFF98, 0x4D),
    (0xFF99, 0x50),
    (0xFF9A, 0x49),
    (0xFF9B, 0x51),
    (0xFF9C, 0x4F),
    (0xFF9D, 0x4C),
    (0xFF9E, 0x52),
    (0xFF9F, 0x53),
    (0xFF0B, 0x4C),
];

/// Keys without a prefix.
const PLAIN: [(u32, u8); 32] = [
    (0xFF08, 0x0E), // BackSpace
    (0xFF09, 0x0F), // Tab
    (0xFE20, 0x0F), // ISO_Left_Tab
    (0xFF0A, 0x1C), // Linefeed
    (0xFF0D, 0x1C), // Return
    (0xFF15, 0x54), // Sys_Req
    (0xFF1B, 0x01), // Escape
    (0xFF21, 0x79), // Kanji
    (0xFF22, 0x7B), // Muhenkan
    (0xFF23, 0x79), // Henkan
    (0xFF24, 0x70), // Romaji
    (0xFF25, 0x70), // Hiragana
    (0xFF26, 0x70), // Katakana
    (0xFF27, 0x70), // Hiragana_Katakana
    (0xFF28, 0x29), // Zenkaku
    (0xFF29, 0x29), // Hankaku
    (0xFF2A, 0x29), // Zenkaku_Hankaku
    (0xFF2D, 0x70), // Kana_Lock
    (0xFF2E, 0x70), // Kana_Shift
    (0xFF31, 0x72), // Hangul
    (0xFF34, 0x71), // Hangul_Hanja
    (0xFF80, 0x39), // KP_Space
    (0xFF89, 0x0F), // KP_Tab
    (0xFFAA, 0x37), // KP_Multiply
    (0xFFAB, 0x4E), // KP_Add
    (0xFFAD, 0x4A), // KP_Subtract
    (0xFFBD, 0x59), // KP_Equal
    (0xFFD5, 0x76), // F24
    (0xFFE1, 0x2A), // Shift_L
    (0xFFE2, 0x36), // Shift_R
    (0xFFE3, 0x1D), // Control_L
    (0xFFE9, 0x38), // Alt_L
];

/// Keys with the prefix E0.
const EXTENDED: [(u32, u8); 40] = [
    (0xFF50, 0x47),      // Home
    (0xFF51, 0x4B),      // Left
    (0xFF52, 0x48),      // Up
    (0xFF53, 0x4D),      // Right
    (0xFF54, 0x50),      // Down
    (0xFF55, 0x49),      // Prior
    (0xFF56, 0x51),      // Next
    (0xFF57, 0x4F),      // End
    (0xFF61, 0x37),      // Print
    (0xFF63, 0x52),      // Insert
    (0xFF67, 0x5D),      // Menu
    (0xFF6A, 0x3B),      // Help
    (0xFF6B, 0x46),      // Break
    (0xFF8D, 0x1C),      // KP_Enter
    (0xFFAF, 0x35),      // KP_Divide
    (0xFFE4, 0x1D),      // Control_R
    (0xFFEA, 0x38),      // Alt_R
    (0xFFE7, 0x5B),      // Meta_L
    (0xFFE8, 0x5C),      // Meta_R
    (0xFFEB, 0x5B),      // Super_L
    (0xFFEC, 0x5C),      // Super_R
    (0xFFED, 0x5B),      // Hyper_L
    (0xFFEE, 0x5C),      // Hyper_R
    (0xFFFF, 0x53),      // Delete
    (0x1008_FF11, 0x2E), // XF86AudioLowerVolume
    (0x1008_FF12, 0x20), // XF86AudioMute
    (0x1008_FF13, 0x30), // XF86AudioRaiseVolume
    (0x1008_FF14, 0x22), // XF86AudioPlay
    (0x1008_FF15, 0x24), // XF86AudioStop
    (0x1008_FF16, 0x10), // XF86AudioPrev
    (0x1008_FF17, 0x19), // XF86AudioNext
    (0x1008_FF18, 0x32), // XF86HomePage
    (0x1008_FF19, 0x6C), // XF86Mail
    (0x1008_FF1B, 0x65), // XF86Search
    (0x1008_FF1D, 0x21), // XF86Calculator
    (0x1008_FF26, 0x6A), // XF86Back
    (0x1008_FF27, 0x69), // XF86Forward
    (0x1008_FF28, 0x68), // XF86Stop
    (0x1008_FF29, 0x67), // XF86Refresh
    (0x1008_FF30, 0x66), // XF86Favorites
];

/// Characters of X11's older numbers, sorted. Browsers' own keysyms do not use them, keyboards on screen may.
#[rustfmt::skip]
const LEGACY: [(u32, char); 128] = [
    (0x1a1, 'Ą'), (0x1a2, '˘'), (0x1a3, 'Ł'), (0x1a5, 'Ľ'), (0x1a6, 'Ś'), (0x1a9, 'Š'), (0x1aa, 'Ş'), (0x1ab,
    'Ť'), (0x1ac, 'Ź'), (0x1ae, 'Ž'), (0x1af, 'Ż'), (0x1b1, 'ą'), (0x1b2, '˛'), (0x1b3, 'ł'), (0x1b5, 'ľ'),
    (0x1b6, 'ś'), (0x1b7, 'ˇ'), (0x1b9, 'š'), (0x1ba, 'ş'), (0x1bb, 'ť'), (0x1bc, 'ź'), (0x1bd, '˝'), (0x1be,
    'ž'), (0x1bf, 'ż'), (0x1c0, 'Ŕ'), (0x1c3, 'Ă'), (0x1c5, 'Ĺ'), (0x1c6, 'Ć'), (0x1c8, 'Č'), (0x1ca, 'Ę'),
    (0x1cc, 'Ě'), (0x1cf, 'Ď'), (0x1d0, 'Đ'), (0x1d1, 'Ń'), (0x1d2, 'Ň'), (0x1d5, 'Ő'), (0x1d8, 'Ř'), (0x1d9,
    'Ů'), (0x1db, 'Ű'), (0x1de, 'Ţ'), (0x1e0, 'ŕ'), (0x1e3, 'ă'), (0x1e5, 'ĺ'), (0x1e6, 'ć'), (0x1e8, 'č'),
    (0x1ea, 'ę'), (0x1ec, 'ě'), (0x1ef, 'ď'), (0x1f0, 'đ'), (0x1f1, 'ń'), (0x1f2, 'ň'), (0x1f5, 'ő'), (0x1f8,
    'ř'), (0x1f9, 'ů'), (0x1fb, 'ű'), (0x1fe, 'ţ'), (0x1ff, '˙'), (0x2a1, 'Ħ'), (0x2a6, 'Ĥ'), (0x2a9, 'İ'),
    (0x2ab, 'Ğ'), (0x2ac, 'Ĵ'), (0x2b1, 'ħ'), (0x2b6, 'ĥ'), (0x2b9, 'ı'), (0x2bb, 'ğ'), (0x2bc, 'ĵ'), (0x2c5,
    'Ċ'), (0x2c6, 'Ĉ'), (0x2d5, 'Ġ'), (0x2d8, 'Ĝ'), (0x2dd, 'Ŭ'), (0x2de, 'Ŝ'), (0x2e5, 'ċ'), (0x2e6, 'ĉ'),
    (0x2f5, 'ġ'), (0x2f8, 'ĝ'), (0x2fd, 'ŭ'), (0x2fe, 'ŝ'), (0x3a2, 'ĸ'), (0x3a3, 'Ŗ'), (0x3a5, 'Ĩ'), (0x3a6,
    'Ļ'), (0x3aa, 'Ē'), (0x3ab, 'Ģ'), (0x3ac, 'Ŧ'), (0x3b3, 'ŗ'), (0x3b5, 'ĩ'), (0x3b6, 'ļ'), (0x3ba, 'ē'),
    (0x3bb, 'ģ'), (0x3bc, 'ŧ'), (0x3bd, 'Ŋ'), (0x3bf, 'ŋ'), (0x3c0, 'Ā'), (0x3c7, 'Į'), (0x3cc, 'Ė'), (0x3cf,
    'Ī'), (0x3d1, 'Ņ'), (0x3d2, 'Ō'), (0x3d3, 'Ķ'), (0x3d9, 'Ų'), (0x3dd, 'Ũ'), (0x3de, 'Ū'), (0x3e0, 'ā'),
    (0x3e7, 'į'), (0x3ec, 'ė'), (0x3ef, 'ī'), (0x3f1, 'ņ'), (0x3f2, 'ō'), (0x3f3, 'ķ'), (0x3f9, 'ų'), (0x3fd,
    'ũ'), (0x3fe, 'ū'), (0xaa9, '—'), (0xaaa, '–'), (0xaae, '…'), (0xad0, '‘'), (0xad1, '’'), (0xad2, '“'),
    (0xad3, '”'), (0xae6, '•'), (0xafd, '‚'), (0xafe, '„'), (0x13bc, 'Œ'), (0x13bd, 'œ'), (0x13be, 'Ÿ'), (0x20ac,
    '€'),
];

#[cfg(test)]
pub(super) fn is_sorted() -> bool {
    LEGACY.is_sorted_by_key(|&(keysym, _)| keysym)
}
