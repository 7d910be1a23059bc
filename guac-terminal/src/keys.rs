//! From keysyms to the bytes an application reads.
//!
//! # Specification
//! X11's `keysymdef.h` for the numbers; "XTerm Control Sequences" (PC-style function keys) and the terminfo entries
//! `linux` and `xterm` for the sequences.

use alacritty_terminal::term::TermMode;

/// Which of two traditions Home, End and the function keys follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyStyle {
    /// As the Linux console: terminal types that begin with `linux`.
    #[default]
    Linux,
    /// As xterm and all that followed it.
    Xterm,
}

impl KeyStyle {
    /// For what the machine is told as `TERM`.
    #[must_use]
    pub fn for_terminal_type(name: &str) -> Self {
        if name.starts_with("linux") { Self::Linux } else { Self::Xterm }
    }
}

/// Modifier keys held down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Modifiers {
    pub(crate) shift: bool,
    pub(crate) alt: bool,
    pub(crate) ctrl: bool,
    /// Meta, Super, Hyper or Command.
    pub(crate) meta: bool,
}

impl Modifiers {
    /// Takes a modifier key in; false if the keysym is none.
    pub(crate) fn handle_key(&mut self, keysym: u32, pressed: bool) -> bool {
        match keysym {
            0xFFE1 | 0xFFE2 => self.shift = pressed,
            0xFFE3 | 0xFFE4 => self.ctrl = pressed,
            0xFFE9 | 0xFFEA => self.alt = pressed,
            0xFFE7 | 0xFFE8 | 0xFFEB..=0xFFEE => self.meta = pressed,
            // Locks, level and group switches: what they do is in the keysyms that follow.
            0xFFE5 | 0xFFE6 | 0xFF7E | 0xFF7F | 0xFE01..=0xFE0F | 0xFF14 => {}
            _ => return false,
        }
        true
    }

    /// xterm's parameter, absent without modifiers.
    fn parameter(self) -> Option<u8> {
        let bits = u8::from(self.shift) | u8::from(self.alt) << 1 | u8::from(self.ctrl) << 2 | u8::from(self.meta) << 3;
        (bits != 0).then_some(bits + 1)
    }
}

/// What key presses depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyContext {
    pub(crate) modifiers: Modifiers,
    pub(crate) mode: TermMode,
    pub(crate) style: KeyStyle,
    /// What Backspace sends: 127 or 8.
    pub(crate) backspace: u8,
}

/// Appends what pressing a key sends; nothing if it sends nothing.
pub(crate) fn encode(keysym: u32, context: KeyContext, out: &mut Vec<u8>) {
    let keysym = match keysym {
        // The keypad without Num Lock: Home to Delete, in the order of their places.
        0xFF95 => 0xFF50,
        0xFF96..=0xFF99 => keysym - 0xFF96 + 0xFF51,
        0xFF9A..=0xFF9C => keysym - 0xFF9A + 0xFF55,
        0xFF9E => 0xFF63,
        0xFF9F => 0xFFFF,
        0xFF91..=0xFF94 => keysym - 0xFF91 + 0xFFBE,
        0xFF89 => 0xFF09,
        other => other,
    };
    if special(keysym, context, out) || keypad(keysym, context, out) {
        return;
    }
    if let Some(c) = character(keysym) {
        text(c, context, out);
    }
}

/// Keys that are no characters.
fn special(keysym: u32, context: KeyContext, out: &mut Vec<u8>) -> bool {
    let modifiers = context.modifiers;
    let linux = context.style == KeyStyle::Linux;
    let single = |byte: u8, out: &mut Vec<u8>| {
        if modifiers.alt {
            out.push(0x1B);
        }
        out.push(byte);
    };
    match keysym {
        0xFF08 => {
            // Control swaps the two traditional codes.
            let other = if context.backspace == 8 { 127 } else { 8 };
            single(if modifiers.ctrl { other } else { context.backspace }, out);
        }
        0xFF09 if modifiers.shift => out.extend_from_slice(b"\x1b[Z"),
        // What X keyboards send for Shift+Tab.
        0xFE20 => out.extend_from_slice(b"\x1b[Z"),
        0xFF09 => single(b'\t', out),
        0xFF0A => single(b'\n', out),
        0xFF0D => {
            single(b'\r', out);
            if context.mode.contains(TermMode::LINE_FEED_NEW_LINE) {
                out.push(b'\n');
            }
        }
        0xFF1B => single(0x1B, out),
        0xFF51 => letter(b'D', true, context, out),
        0xFF52 => letter(b'A', true, context, out),
        0xFF53 => letter(b'C', true, context, out),
        0xFF54 => letter(b'B', true, context, out),
        0xFF9D => letter(b'E', true, context, out),
        0xFF50 if linux => tilde(1, modifiers, out),
        0xFF57 if linux => tilde(4, modifiers, out),
        0xFF50 => letter(b'H', true, context, out),
        0xFF57 => letter(b'F', true, context, out),
        0xFF63 => tilde(2, modifiers, out),
        0xFFFF => tilde(3, modifiers, out),
        0xFF55 => tilde(5, modifiers, out),
        0xFF56 => tilde(6, modifiers, out),
        0xFFBE..=0xFFD5 => function(keysym - 0xFFBE + 1, context, out),
        _ => return false,
    }
    true
}

/// `CSI X`, `CSI 1 ; m X`, or `SS3 X` where the application asked for it.
fn letter(final_byte: u8, cursor_key: bool, context: KeyContext, out: &mut Vec<u8>) {
    match context.modifiers.parameter() {
        Some(parameter) => out.extend_from_slice(format!("\x1b[1;{parameter}").as_bytes()),
        None if !cursor_key || context.mode.contains(TermMode::APP_CURSOR) => out.extend_from_slice(b"\x1bO"),
        None => out.extend_from_slice(b"\x1b["),
    }
    out.push(final_byte);
}

/// `CSI n ~` or `CSI n ; m ~`.
fn tilde(number: u8, modifiers: Modifiers, out: &mut Vec<u8>) {
    let text = match modifiers.parameter() {
        Some(parameter) => format!("\x1b[{number};{parameter}~"),
        None => format!("\x1b[{number}~"),
    };
    out.extend_from_slice(text.as_bytes());
}

/// F1 to F24.
fn function(number: u32, context: KeyContext, out: &mut Vec<u8>) {
    /// The numbers of F5 to F20, and of F21 to F24 as rxvt counts on.
    const TILDES: [u8; 20] = [15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 28, 29, 31, 32, 33, 34, 42, 43, 44, 45];
    let Some(offset) = number.checked_sub(1).and_then(|n| u8::try_from(n).ok()) else { return };
    match (context.style, offset) {
        (KeyStyle::Linux, 0..=4) if context.modifiers.parameter().is_none() => {
            out.extend_from_slice(b"\x1b[[");
            out.push(b'A' + offset);
        }
        (_, 0..=3) => letter(b'P' + offset, false, context, out),
        (KeyStyle::Xterm, 12..=23) => {
            // xterm knows F13 and up as the shifted keys.
            let modifiers = Modifiers { shift: true, ..context.modifiers };
            function(number - 12, KeyContext { modifiers, ..context }, out);
        }
        _ => {
            if let Some(tilde_number) = TILDES.get(usize::from(offset - 4)) {
                tilde(*tilde_number, context.modifiers, out);
            }
        }
    }
}

/// The keypad with Num Lock: characters, unless the application wants to tell them apart.
fn keypad(keysym: u32, context: KeyContext, out: &mut Vec<u8>) -> bool {
    let application = context.mode.contains(TermMode::APP_KEYPAD);
    let (plain, code) = match keysym {
        0xFF8D => (b'\r', b'M'),
        0xFFBD => (b'=', b'X'),
        0xFF80 => (b' ', b' '),
        0xFFAA..=0xFFB9 => {
            let Ok(offset) = u8::try_from(keysym - 0xFFAA) else { return false };
            (b'*' + offset, b'j' + offset)
        }
        _ => return false,
    };
    if application && code != b' ' {
        out.extend_from_slice(&[0x1B, b'O', code]);
    } else {
        if context.modifiers.alt {
            out.push(0x1B);
        }
        out.push(plain);
    }
    true
}

/// The character of a keysym: Latin-1 as it is, Unicode behind 0x01000000, and a few older ones.
fn character(keysym: u32) -> Option<char> {
    match keysym {
        0x20..=0x7E | 0xA0..=0xFF => char::from_u32(keysym),
        0x0100_0000..=0x0110_FFFF => char::from_u32(keysym - 0x0100_0000).filter(|c| !c.is_control()),
        0x20AC => Some('€'),
        _ => None,
    }
}

fn text(c: char, context: KeyContext, out: &mut Vec<u8>) {
    let modifiers = context.modifiers;
    if modifiers.alt || modifiers.meta {
        out.push(0x1B);
    }
    if modifiers.ctrl
        && let Some(code) = control(c)
    {
        out.push(code);
        return;
    }
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What Control makes of a character.
fn control(c: char) -> Option<u8> {
    let byte = u8::try_from(c).ok()?;
    Some(match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'['..=b'_' => byte & 0x1F,
        b' ' | b'2' | b'`' => 0,
        b'3'..=b'7' => byte - b'3' + 0x1B,
        b'/' => 0x1F,
        b'8' | b'?' => 0x7F,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keysym: u32, setup: impl FnOnce(&mut KeyContext)) -> String {
        let mut context = KeyContext {
            modifiers: Modifiers::default(),
            mode: TermMode::default(),
            style: KeyStyle::Xterm,
            backspace: 127,
        };
        setup(&mut context);
        let mut out = Vec::new();
        encode(keysym, context, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Keysym, state of the terminal, bytes.
    type Row<'a> = (u32, &'a dyn Fn(&mut KeyContext), &'a str);

    #[test]
    fn sends_what_the_key_table_says() {
        let none = |_: &mut KeyContext| {};
        let shift = |c: &mut KeyContext| c.modifiers.shift = true;
        let ctrl = |c: &mut KeyContext| c.modifiers.ctrl = true;
        let alt = |c: &mut KeyContext| c.modifiers.alt = true;
        let linux = |c: &mut KeyContext| c.style = KeyStyle::Linux;
        let app = |c: &mut KeyContext| c.mode.insert(TermMode::APP_CURSOR | TermMode::APP_KEYPAD);
        let table: &[Row<'_>] = &[
            (0x61, &none, "a"),
            (0xE9, &none, "é"),
            (0x0100_4E2D, &none, "中"),
            (0x61, &ctrl, "\x01"),
            (0x41, &ctrl, "\x01"),
            (0x20, &ctrl, "\0"),
            (0x5C, &ctrl, "\x1c"),
            (0x2F, &ctrl, "\x1f"),
            (0x61, &alt, "\x1ba"),
            (0xFF08, &none, "\x7f"),
            (0xFF08, &ctrl, "\x08"),
            (0xFF08, &|c| c.backspace = 8, "\x08"),
            (0xFF09, &none, "\t"),
            (0xFF09, &shift, "\x1b[Z"),
            (0xFE20, &shift, "\x1b[Z"),
            (0xFF0D, &none, "\r"),
            (0xFF8D, &none, "\r"),
            (0xFF8D, &app, "\x1bOM"),
            (0xFF1B, &none, "\x1b"),
            (0xFF52, &none, "\x1b[A"),
            (0xFF97, &none, "\x1b[A"),
            (0xFF52, &app, "\x1bOA"),
            (0xFF52, &shift, "\x1b[1;2A"),
            (0xFF53, &ctrl, "\x1b[1;5C"),
            (0xFF54, &none, "\x1b[B"),
            (0xFF51, &alt, "\x1b[1;3D"),
            (0xFF50, &none, "\x1b[H"),
            (0xFF50, &linux, "\x1b[1~"),
            (0xFF57, &none, "\x1b[F"),
            (0xFF57, &linux, "\x1b[4~"),
            (0xFF63, &none, "\x1b[2~"),
            (0xFFFF, &none, "\x1b[3~"),
            (0xFFFF, &ctrl, "\x1b[3;5~"),
            (0xFF55, &none, "\x1b[5~"),
            (0xFF56, &none, "\x1b[6~"),
            (0xFFBE, &none, "\x1bOP"),
            (0xFFBE, &linux, "\x1b[[A"),
            (0xFFBE, &shift, "\x1b[1;2P"),
            (0xFFC2, &none, "\x1b[15~"),
            (0xFFC2, &linux, "\x1b[[E"),
            (0xFFC3, &linux, "\x1b[17~"),
            (0xFFC9, &none, "\x1b[24~"),
            (0xFFC9, &ctrl, "\x1b[24;5~"),
            (0xFFCA, &none, "\x1b[1;2P"),
            (0xFFCA, &linux, "\x1b[25~"),
            (0xFFD1, &linux, "\x1b[34~"),
            (0xFFD5, &linux, "\x1b[45~"),
            (0xFFB5, &none, "5"),
            (0xFFB5, &app, "\x1bOu"),
            (0xFFAB, &none, "+"),
            (0xFFAB, &app, "\x1bOk"),
            (0xFF7F, &none, ""),
            (0x0100_0007, &none, ""),
            (0x0111_FFFF, &none, ""),
        ];
        for (keysym, setup, wanted) in table {
            assert_eq!(press(*keysym, |c| setup(c)), *wanted, "keysym {keysym:#x}");
        }
    }

    #[test]
    fn knows_each_modifier_and_lock() {
        let mut modifiers = Modifiers::default();
        for keysym in [0xFFE1, 0xFFE3, 0xFFE9, 0xFFEB] {
            assert!(modifiers.handle_key(keysym, true));
        }
        assert_eq!(modifiers, Modifiers { shift: true, alt: true, ctrl: true, meta: true });
        for keysym in [0xFFE2, 0xFFE4, 0xFFEA, 0xFFE7] {
            assert!(modifiers.handle_key(keysym, false));
        }
        assert_eq!(modifiers, Modifiers::default());
        assert!(modifiers.handle_key(0xFFE5, true) && !modifiers.handle_key(0x61, true));
    }
}
