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
