//! What users do, for the server.

use ironrdp_pdu::input::{
    MousePdu, MouseXPdu, fast_path::FastPathInputEvent, mouse::PointerFlags, mouse_x::PointerXFlags,
};

use crate::keyboard::{Keyboard, Layout};

/// The server's keyboard and mouse.
#[derive(Debug)]
pub(crate) struct Input {
    keyboard: Keyboard,
    /// Where the pointer is, once it was somewhere.
    position: Option<(u16, u16)>,
    /// The buttons that are down, as Guacamole's mask.
    buttons: u8,
}

impl Input {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { keyboard: Keyboard::new(layout), position: None, buttons: 0 }
    }

    /// A key went down (or repeats) or up.
    pub(crate) fn key(&mut self, keysym: u32, pressed: bool, out: &mut Vec<FastPathInputEvent>) {
        if pressed {
            self.keyboard.press(keysym, out);
        } else {
            self.keyboard.release(keysym, out);
        }
    }

    /// The pointer is at (`x`, `y`) pixels with these `buttons` down: 1 left, 2 middle, 4 right, 8 and 16 wheel up and
    /// down, and as X numbers them on: 32 and 64 wheel left and right, 128 back. What changed is sent.
    pub(crate) fn mouse(
        &mut self,
        x: i32,
        y: i32,
        buttons: u8,
        desktop: (u16, u16),
        out: &mut Vec<FastPathInputEvent>,
    ) {
        let at = (clamp(x, desktop.0), clamp(y, desktop.1));
        if self.position.replace(at) != Some(at) {
            out.push(mouse(PointerFlags::MOVE, 0, at));
        }
        self.buttons(buttons, at, out);
    }

    /// The server is ready for input, for the first time or again: nothing is held, and locks are as we know them.
    pub(crate) fn activated(&mut self, out: &mut Vec<FastPathInputEvent>) {
        self.keyboard.synchronize(out);
    }

    /// Lets go of all keys and buttons.
    pub(crate) fn release_all(&mut self, out: &mut Vec<FastPathInputEvent>) {
        self.keyboard.release_all(out);
        if let Some(at) = self.position {
            self.buttons(0, at, out);
        }
    }

    fn buttons(&mut self, buttons: u8, at: (u16, u16), out: &mut Vec<FastPathInputEvent>) {
        let before = std::mem::replace(&mut self.buttons, buttons);
        let changed = before ^ buttons;
        for (bit, flag) in BUTTONS.into_iter().filter(|&(bit, _)| changed & bit != 0) {
            let down = if buttons & bit == 0 { PointerFlags::empty() } else { PointerFlags::DOWN };
            out.push(mouse(flag | down, 0, at));
        }
        // A wheel turns when its button goes down.
        for (_, flag, units) in WHEELS.into_iter().filter(|&(bit, ..)| changed & buttons & bit != 0) {
            out.push(mouse(flag, units, at));
        }
        if changed & BACK != 0 {
            let down = if buttons & BACK == 0 { PointerXFlags::empty() } else { PointerXFlags::DOWN };
            let flags = PointerXFlags::BUTTON1 | down;
            out.push(FastPathInputEvent::MouseEventEx(MouseXPdu { flags, x_position: at.0, y_position: at.1 }));
        }
    }
}

fn mouse(flags: PointerFlags, units: i16, (x_position, y_position): (u16, u16)) -> FastPathInputEvent {
    FastPathInputEvent::MouseEvent(MousePdu { flags, number_of_wheel_rotation_units: units, x_position, y_position })
}

/// Keeps a coordinate on a desktop side of `side` pixels.
fn clamp(coordinate: i32, side: u16) -> u16 {
    let last = side.saturating_sub(1);
    u16::try_from(coordinate.max(0)).unwrap_or(last).min(last)
}

/// Guacamole's mask and MS-RDPBCGR's flags (2.2.8.1.1.3.1.1.3).
const BUTTONS: [(u8, PointerFlags); 3] =
    [(1, PointerFlags::LEFT_BUTTON), (2, PointerFlags::MIDDLE_BUTTON_OR_WHEEL), (4, PointerFlags::RIGHT_BUTTON)];

/// One notch of a wheel, in rotation units.
const NOTCH: i16 = 120;

const WHEELS: [(u8, PointerFlags, i16); 4] = [
    (8, PointerFlags::VERTICAL_WHEEL, NOTCH),
    (16, PointerFlags::VERTICAL_WHEEL, -NOTCH),
    (32, PointerFlags::HORIZONTAL_WHEEL, -NOTCH),
    (64, PointerFlags::HORIZONTAL_WHEEL, NOTCH),
];

/// Mask of the button that goes back in browsers.
const BACK: u8 = 128;

#[cfg(test)]
mod tests {
    use ironrdp_core::{decode, encode_vec};
    use ironrdp_pdu::input::fast_path::{KeyboardFlags, SynchronizeFlags};

    use super::*;

    const DESKTOP: (u16, u16) = (800, 600);

    fn sent(input: &mut Input, x: i32, y: i32, buttons: u8) -> Vec<FastPathInputEvent> {
        let mut out = Vec::new();
        input.mouse(x, y, buttons, DESKTOP, &mut out);
        for event in &out {
            let bytes = encode_vec(event).unwrap();
            assert_eq!(encode_vec(&decode::<FastPathInputEvent>(&bytes).unwrap()).unwrap(), bytes);
        }
        out
    }

    #[test]
    fn buttons_and_moves_are_sent_when_they_change() {
        let mut input = Input::new(Layout::default());
        let (at, left, right) = ((10, 20), PointerFlags::LEFT_BUTTON, PointerFlags::RIGHT_BUTTON);
        let down = PointerFlags::DOWN;
        assert_eq!(sent(&mut input, 10, 20, 0), [mouse(PointerFlags::MOVE, 0, at)]);
        assert_eq!(sent(&mut input, 10, 20, 0), []);
        assert_eq!(sent(&mut input, 10, 20, 1), [mouse(left | down, 0, at)]);
        assert_eq!(sent(&mut input, 10, 20, 5), [mouse(right | down, 0, at)]);
        let at = (11, 20);
        assert_eq!(sent(&mut input, 11, 20, 1), [mouse(PointerFlags::MOVE, 0, at), mouse(right, 0, at)]);
        let middle = PointerFlags::MIDDLE_BUTTON_OR_WHEEL;
        assert_eq!(sent(&mut input, 11, 20, 2), [mouse(left, 0, at), mouse(middle | down, 0, at)]);
        let back = |flags| FastPathInputEvent::MouseEventEx(MouseXPdu { flags, x_position: 11, y_position: 20 });
        let (x1, x1_down) = (PointerXFlags::BUTTON1, PointerXFlags::BUTTON1 | PointerXFlags::DOWN);
        assert_eq!(sent(&mut input, 11, 20, 128), [mouse(middle, 0, at), back(x1_down)]);
        assert_eq!(sent(&mut input, 11, 20, 0), [back(x1)]);
    }

    #[test]
    fn wheels_turn_by_a_notch_when_their_button_goes_down() {
        let mut input = Input::new(Layout::default());
        sent(&mut input, 0, 0, 0);
        let (vertical, horizontal) = (PointerFlags::VERTICAL_WHEEL, PointerFlags::HORIZONTAL_WHEEL);
        for (bit, flags, units) in
            [(8, vertical, 120), (16, vertical, -120), (32, horizontal, -120), (64, horizontal, 120)]
        {
            assert_eq!(sent(&mut input, 0, 0, bit), [mouse(flags, units, (0, 0))]);
            assert_eq!(sent(&mut input, 0, 0, bit), []);
            assert_eq!(sent(&mut input, 0, 0, 0), []);
        }
        // MS-RDPBCGR 2.2.8.1.1.3.1.1.3: nine bits, two's complement.
        let down = encode_vec(&mouse(vertical, -120, (1, 2))).unwrap();
        assert_eq!(down, [0x20, 0x88, 0x03, 1, 0, 2, 0]);
    }

    #[test]
    fn positions_stay_on_the_desktop() {
        let mut input = Input::new(Layout::default());
        let moved = |x, y| [mouse(PointerFlags::MOVE, 0, (x, y))];
        assert_eq!(sent(&mut input, -5, i32::MAX, 0), moved(0, 599));
        assert_eq!(sent(&mut input, 799, i32::MIN, 0), moved(799, 0));
        let mut out = Vec::new();
        input.mouse(5, 5, 0, (0, 0), &mut out);
        assert_eq!(out, moved(0, 0));
    }

    #[test]
    fn keys_and_buttons_are_let_go_together() {
        let mut input = Input::new(Layout::default());
        let mut out = Vec::new();
        input.activated(&mut out);
        assert_eq!(out, [FastPathInputEvent::SyncEvent(SynchronizeFlags::empty())]);
        input.key(0x61, true, &mut out);
        input.mouse(3, 4, 1, DESKTOP, &mut out);
        out.clear();
        input.release_all(&mut out);
        let a = FastPathInputEvent::KeyboardEvent(KeyboardFlags::RELEASE, 0x1E);
        assert_eq!(out, [a, mouse(PointerFlags::LEFT_BUTTON, 0, (3, 4))]);
        out.clear();
        input.release_all(&mut out);
        input.key(0x61, false, &mut out);
        assert_eq!(out, []);
    }
}
