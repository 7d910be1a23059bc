//! Reports of the mouse to applications that ask for them.
//!
//! # Specification
//! "XTerm Control Sequences", Mouse Tracking: modes 1000, 1002 and 1003 in the encodings 1005, 1006 and the oldest.

use alacritty_terminal::term::TermMode;

use crate::keys::Modifiers;

/// Bits of Guacamole's `mouse` instruction.
pub(crate) const LEFT: u8 = 1;
pub(crate) const MIDDLE: u8 = 1 << 1;
pub(crate) const RIGHT: u8 = 1 << 2;
pub(crate) const WHEEL_UP: u8 = 1 << 3;
pub(crate) const WHEEL_DOWN: u8 = 1 << 4;

/// Buttons in the order and with the numbers that xterm gives them.
const BUTTONS: [(u8, u8); 5] = [(LEFT, 0), (MIDDLE, 1), (RIGHT, 2), (WHEEL_UP, 64), (WHEEL_DOWN, 65)];

/// Added to the number of the button for motion.
const MOTION: u8 = 32;

/// "No button", for motion and for releases in the old encodings.
const NO_BUTTON: u8 = 3;

/// A change of the mouse: cell, and buttons before and after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MouseChange {
    pub(crate) column: usize,
    pub(crate) row: usize,
    pub(crate) moved: bool,
    pub(crate) before: u8,
    pub(crate) after: u8,
}

/// Appends what the application is told.
pub(crate) fn encode(change: MouseChange, mode: TermMode, modifiers: Modifiers, out: &mut Vec<u8>) {
    let held = BUTTONS.iter().take(3).find(|(bit, _)| change.before & change.after & bit != 0);
    let wants_motion = mode.contains(TermMode::MOUSE_MOTION) || (mode.contains(TermMode::MOUSE_DRAG) && held.is_some());
    if change.moved && wants_motion {
        report(held.map_or(NO_BUTTON, |(_, number)| *number) + MOTION, true, change, mode, modifiers, out);
    }
    for (bit, number) in BUTTONS {
        match (change.before & bit != 0, change.after & bit != 0) {
            (false, true) => report(number, true, change, mode, modifiers, out),
            // The wheel has no releases.
            (true, false) if number < 64 => report(number, false, change, mode, modifiers, out),
            _ => {}
        }
    }
}

fn report(button: u8, pressed: bool, change: MouseChange, mode: TermMode, modifiers: Modifiers, out: &mut Vec<u8>) {
    let held = u8::from(modifiers.shift) << 2 | u8::from(modifiers.alt || modifiers.meta) << 3;
    let held = held | u8::from(modifiers.ctrl) << 4;
    let (column, row) = (change.column + 1, change.row + 1);
    if mode.contains(TermMode::SGR_MOUSE) {
        let last = if pressed { 'M' } else { 'm' };
        out.extend_from_slice(format!("\x1b[<{};{column};{row}{last}", button + held).as_bytes());
        return;
    }
    let button = if pressed { button } else { NO_BUTTON } + held + 32;
    let wide = mode.contains(TermMode::UTF8_MOUSE);
    // Positions are single bytes, or characters below U+0800; what is further away cannot be told.
    let limit = if wide { 2015 } else { 223 };
    if column > limit || row > limit {
        return;
    }
    out.extend_from_slice(&[0x1B, b'[', b'M', button]);
    for position in [column, row] {
        let Ok(code) = u32::try_from(position + 32) else { return };
        match (u8::try_from(code), char::from_u32(code)) {
            (Ok(byte), _) if !wide || byte < 0x80 => out.push(byte),
            (_, Some(c)) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(mode: TermMode, before: u8, after: u8, moved: bool, column: usize) -> Vec<u8> {
        let mut out = Vec::new();
        encode(MouseChange { column, row: 4, moved, before, after }, mode, Modifiers::default(), &mut out);
        out
    }

    #[test]
    fn reports_clicks_in_each_encoding() {
        let click = TermMode::MOUSE_REPORT_CLICK;
        assert_eq!(reports(click, 0, LEFT, false, 9), b"\x1b[M \x2a\x25");
        assert_eq!(reports(click, LEFT, 0, false, 9), b"\x1b[M#\x2a\x25");
        assert_eq!(reports(click | TermMode::SGR_MOUSE, 0, RIGHT, false, 299), b"\x1b[<2;300;5M");
        assert_eq!(reports(click | TermMode::SGR_MOUSE, RIGHT, 0, false, 299), b"\x1b[<2;300;5m");
        assert_eq!(reports(click | TermMode::SGR_MOUSE, 0, WHEEL_DOWN, false, 0), b"\x1b[<65;1;5M");
        assert_eq!(reports(click, 0, LEFT, false, 223), b"");
        assert_eq!(reports(click | TermMode::UTF8_MOUSE, 0, LEFT, false, 223), "\x1b[M \u{100}%".as_bytes());
    }

    #[test]
    fn reports_motion_only_if_asked() {
        let sgr = TermMode::SGR_MOUSE;
        assert_eq!(reports(TermMode::MOUSE_REPORT_CLICK | sgr, 0, 0, true, 0), b"");
        assert_eq!(reports(TermMode::MOUSE_DRAG | sgr, 0, 0, true, 0), b"");
        assert_eq!(reports(TermMode::MOUSE_DRAG | sgr, LEFT, LEFT, true, 0), b"\x1b[<32;1;5M");
        assert_eq!(reports(TermMode::MOUSE_MOTION | sgr, 0, 0, true, 0), b"\x1b[<35;1;5M");
        assert_eq!(reports(TermMode::MOUSE_MOTION | sgr, WHEEL_UP, 0, false, 0), b"");
    }
}
