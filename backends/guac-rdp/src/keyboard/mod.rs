//! Keysyms to what an RDP server is sent: scancodes with the modifiers they need, dead keys, or characters.
//!
//! Users have one keyboard layout and the server another: what arrives is *what was typed* (a keysym), what goes out
//! is *which keys type that over there*. Modifiers go as they come; where they do not fit, they are let go or pressed
//! around the key.

#[cfg(test)]
mod golden;
mod keysym;
mod layout;
mod layouts;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags, SynchronizeFlags};

pub(crate) use self::layout::Layout;
use self::{
    keysym::{Lock, NumLock, Symbol},
    layout::{Key, Level, Stroke, Table},
};

/// The server's keyboard, and which of its keys are down.
#[derive(Debug)]
pub(crate) struct Keyboard {
    layout: Layout,
    table: Table,
    /// INVARIANT: at most [`MAX_HELD`], each with a keysym and a key that no other has.
    held: Vec<Held>,
    /// What the server is believed to have switched on.
    locks: SynchronizeFlags,
}

/// A keysym that a user holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    keysym: u32,
    key: Key,
    /// Whether the server knows. It is not told of AltGr on a layout without, where it would be an Alt.
    is_down: bool,
}

/// The modifiers that users hold.
#[derive(Clone, Copy, Debug, Default)]
struct Modifiers {
    level: Level,
    ctrl: bool,
    alt: bool,
    /// Whether it is the right Alt, which for some older browsers is AltGr.
    right_alt: bool,
    windows: bool,
}

impl Keyboard {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, table: Table::new(layout), held: Vec::new(), locks: SynchronizeFlags::empty() }
    }

    /// A key went down, or repeats.
    pub(crate) fn press(&mut self, keysym: u32, out: &mut Vec<FastPathInputEvent>) {
        match Symbol::of(keysym) {
            Some(Symbol::Character(character)) => self.character(keysym, character, out),
            Some(Symbol::Dead(accent)) => self.dead(keysym, accent, out),
            Some(Symbol::Key(key)) => {
                if !is_modifier(key) {
                    self.press_postponed(out);
                }
                // Where the right Alt key is AltGr, an Alt is the left one.
                let is_alt = key == RIGHT_ALT && self.layout.has_alt_gr();
                self.press_key(keysym, if is_alt { LEFT_ALT } else { key }, out);
            }
            Some(Symbol::Keypad(key, num_lock)) => self.keypad(keysym, key, num_lock, out),
            // A repeat would switch back, where synchronising has let the key go.
            Some(Symbol::Lock(..)) if self.held.iter().any(|held| held.keysym == keysym) => {}
            Some(Symbol::Lock(key, lock)) => {
                self.locks.toggle(flag_of(lock));
                self.press_key(keysym, key, out);
            }
            Some(Symbol::AltGr) if self.layout.has_alt_gr() => self.press_key(keysym, RIGHT_ALT, out),
            Some(Symbol::AltGr) => self.postpone(keysym, out),
            Some(Symbol::Pause) if self.modifiers().ctrl => self.press_key(keysym, BREAK, out),
            Some(Symbol::Pause) => pause(out),
            None => tracing::trace!("Key without a meaning"),
        }
    }

    /// A key went up.
    pub(crate) fn release(&mut self, keysym: u32, out: &mut Vec<FastPathInputEvent>) {
        let exact = self.held.iter().position(|held| held.keysym == keysym);
        // Shift let go first may make another character of the same key.
        let at = exact.or_else(|| {
            let Some(Symbol::Character(character)) = Symbol::of(keysym) else { return None };
            let mut strokes = self.table.direct(character);
            strokes.find_map(|stroke| self.held.iter().position(|held| held.key == stroke.key))
        });
        if let Some(at) = at {
            self.drop_held(at, out);
        }
    }

    /// Lets go of everything.
    pub(crate) fn release_all(&mut self, out: &mut Vec<FastPathInputEvent>) {
        // Modifiers last: what they modify is not to change its meaning.
        let (modifiers, others): (Vec<_>, Vec<_>) = self.held.drain(..).partition(|held| is_modifier(held.key));
        for held in others.into_iter().chain(modifiers) {
            if held.is_down {
                out.push(up(held.key));
            }
        }
    }

    /// Tells the server what is switched on, and that nothing is held.
    pub(crate) fn synchronize(&mut self, out: &mut Vec<FastPathInputEvent>) {
        self.release_all(out);
        out.push(FastPathInputEvent::SyncEvent(self.locks));
    }

    fn character(&mut self, keysym: u32, character: char, out: &mut Vec<FastPathInputEvent>) {
        let held = self.modifiers();
        if held.is_command() && !self.is_alt_gr_in_disguise(character, held) {
            self.command(keysym, character, held, out);
        } else if self.layout.is_failsafe() {
            self.unicode(character, out);
        } else if let Some(stroke) = self.pick(character, held.level) {
            self.strike(keysym, stroke, out);
        } else if let Some((dead, letter)) = self.table.composed(character) {
            self.tap(dead, out);
            self.tap(letter, out);
        } else {
            self.unicode(character, out);
        }
    }

    /// A character with Ctrl, Alt or the Windows key: the key matters, and what is held stays held. Alt, Ctrl and Shift
    /// without a key between would switch the server's layout.
    fn command(&mut self, keysym: u32, character: char, held: Modifiers, out: &mut Vec<FastPathInputEvent>) {
        let small = character.to_lowercase().next().unwrap_or(character);
        let stroke = self.pick(character, held.level).or_else(|| self.pick(small, held.level));
        let Some(stroke) = stroke.or_else(|| self.table.dead(character)) else { return self.unicode(character, out) };
        let mut level = held.level;
        level.alt_gr |= stroke.level.alt_gr;
        // A capital with Ctrl is a matter of Shift or of Caps Lock, and held already if it matters.
        level.shift |= stroke.level.shift && !character.is_alphabetic();
        let undo = self.press_missing(level, out);
        self.press_key(keysym, stroke.key, out);
        out.extend(undo);
    }

    fn dead(&mut self, keysym: u32, accent: char, out: &mut Vec<FastPathInputEvent>) {
        match self.table.dead(accent) {
            Some(stroke) if self.modifiers().is_command() => self.press_key(keysym, stroke.key, out),
            Some(stroke) => self.strike(keysym, stroke, out),
            None => self.character(keysym, accent, out),
        }
    }

    fn keypad(&mut self, keysym: u32, key: Key, num_lock: NumLock, out: &mut Vec<FastPathInputEvent>) {
        self.press_postponed(out);
        if self.modifiers().is_command() {
            return self.press_key(keysym, key, out);
        }
        self.require(SynchronizeFlags::NUM_LOCK, num_lock == NumLock::On, out);
        if num_lock == NumLock::On {
            // Shift would make arrows of digits.
            let undo = self.enter(Level::default(), out);
            self.press_key(keysym, key, out);
            out.extend(undo);
        } else {
            self.press_key(keysym, key, out);
        }
    }

    /// Presses a key at its level, as text.
    fn strike(&mut self, keysym: u32, stroke: Stroke, out: &mut Vec<FastPathInputEvent>) {
        self.require(SynchronizeFlags::CAPS_LOCK, false, out);
        let undo = self.enter(stroke.level, out);
        self.press_key(keysym, stroke.key, out);
        out.extend(undo);
    }

    /// Presses a key at its level and lets it go.
    fn tap(&mut self, stroke: Stroke, out: &mut Vec<FastPathInputEvent>) {
        self.require(SynchronizeFlags::CAPS_LOCK, false, out);
        if let Some(at) = self.held.iter().position(|held| held.key == stroke.key) {
            self.drop_held(at, out);
        }
        let undo = self.enter(stroke.level, out);
        out.extend([down(stroke.key), up(stroke.key)]);
        out.extend(undo);
    }

    /// Sends a character as such.
    fn unicode(&self, character: char, out: &mut Vec<FastPathInputEvent>) {
        let held = self.modifiers();
        let is_text = !held.is_command() || self.is_alt_gr_in_disguise(character, held);
        let level = Level { shift: held.level.shift, alt_gr: false };
        let undo = if is_text { self.enter(level, out) } else { Vec::new() };
        for &mut unit in character.encode_utf16(&mut [0; 2]) {
            out.push(FastPathInputEvent::UnicodeKeyboardEvent(KeyboardFlags::empty(), unit));
            out.push(FastPathInputEvent::UnicodeKeyboardEvent(KeyboardFlags::RELEASE, unit));
        }
        out.extend(undo);
    }

    /// Whether Ctrl and Alt (or the right Alt) are what a browser made of AltGr, rather than the start of a command.
    fn is_alt_gr_in_disguise(&self, character: char, held: Modifiers) -> bool {
        if held.windows || character.is_ascii_alphanumeric() {
            return false;
        }
        // Ctrl with AltGr, or what may be AltGr where the character needs it here too.
        let may_be = held.alt && (held.ctrl || held.right_alt);
        held.ctrl && held.level.alt_gr || may_be && self.table.direct(character).all(|stroke| stroke.level.alt_gr)
    }

    /// The key for a character, best one that needs no other modifiers than those held.
    fn pick(&self, character: char, held: Level) -> Option<Stroke> {
        let mut strokes = self.table.direct(character);
        let first = strokes.clone().next();
        strokes.find(|stroke| stroke.level == held).or(first)
    }

    /// Makes text of `level` come out of the keys. Gives what undoes it.
    #[must_use]
    fn enter(&self, level: Level, out: &mut Vec<FastPathInputEvent>) -> Vec<FastPathInputEvent> {
        // Alt goes up while Ctrl is down: alone it would open a menu.
        let unwanted = |&key: &Key| match key {
            LEFT_SHIFT | RIGHT_SHIFT => !level.shift,
            RIGHT_ALT => !(level.alt_gr && self.layout.has_alt_gr()),
            _ => true,
        };
        let mut undo = Vec::new();
        for key in TEXT_MODIFIERS.into_iter().filter(unwanted).filter(|&key| self.is_down(key)) {
            out.push(up(key));
            undo.push(down(key));
        }
        undo.reverse();
        let mut all = self.press_missing(level, out);
        all.extend(undo);
        all
    }

    /// Presses what `level` needs and is not held. Gives what undoes it.
    #[must_use]
    fn press_missing(&self, level: Level, out: &mut Vec<FastPathInputEvent>) -> Vec<FastPathInputEvent> {
        let mut undo = Vec::new();
        if level.shift && !self.is_down(LEFT_SHIFT) && !self.is_down(RIGHT_SHIFT) {
            out.push(down(LEFT_SHIFT));
            undo.push(up(LEFT_SHIFT));
        }
        if level.alt_gr && self.layout.has_alt_gr() && !self.is_down(RIGHT_ALT) {
            out.push(down(RIGHT_ALT));
            undo.insert(0, up(RIGHT_ALT));
        }
        undo
    }

    /// Switches a lock, unless it is as required.
    fn require(&mut self, lock: SynchronizeFlags, is_on: bool, out: &mut Vec<FastPathInputEvent>) {
        if self.locks.contains(lock) == is_on {
            return;
        }
        self.locks.set(lock, is_on);
        out.push(FastPathInputEvent::SyncEvent(self.locks));
        // To the server this also let go of all keys (MS-RDPBCGR 2.2.8.1.1.3.1.1.5). Other keys would type again.
        let modifiers = self.held.iter().filter(|held| held.is_down && is_modifier(held.key));
        out.extend(modifiers.map(|held| down(held.key)));
    }

    /// Presses a key and remembers for which keysym.
    fn press_key(&mut self, keysym: u32, key: Key, out: &mut Vec<FastPathInputEvent>) {
        let is_same = |held: &Held| held.keysym == keysym && held.key == key;
        while let Some(at) = self.held.iter().position(|h| !is_same(h) && (h.keysym == keysym || h.key == key)) {
            self.drop_held(at, out);
        }
        if !self.held.iter().any(is_same) {
            self.make_room(out);
            self.held.push(Held { keysym, key, is_down: true });
        }
        out.push(down(key));
    }

    /// Remembers AltGr without sending it, on a layout that has none.
    fn postpone(&mut self, keysym: u32, out: &mut Vec<FastPathInputEvent>) {
        if !self.held.iter().any(|held| held.keysym == keysym || held.key == RIGHT_ALT) {
            self.make_room(out);
            self.held.push(Held { keysym, key: RIGHT_ALT, is_down: false });
        }
    }

    /// Sends the AltGr that was postponed: with keys other than text it is the right Alt.
    fn press_postponed(&mut self, out: &mut Vec<FastPathInputEvent>) {
        for held in self.held.iter_mut().filter(|held| !held.is_down) {
            held.is_down = true;
            out.push(down(held.key));
        }
    }

    /// Lets go of the oldest key if too many are held.
    fn make_room(&mut self, out: &mut Vec<FastPathInputEvent>) {
        if self.held.len() >= MAX_HELD {
            let oldest = self.held.iter().position(|held| !is_modifier(held.key)).unwrap_or(0);
            self.drop_held(oldest, out);
        }
    }

    fn drop_held(&mut self, at: usize, out: &mut Vec<FastPathInputEvent>) {
        let held = self.held.remove(at);
        if held.is_down {
            out.push(up(held.key));
        }
    }

    fn is_down(&self, key: Key) -> bool {
        self.held.iter().any(|held| held.is_down && held.key == key)
    }

    fn modifiers(&self) -> Modifiers {
        let mut modifiers = Modifiers::default();
        for held in &self.held {
            modifiers.right_alt |= held.keysym == ALT_R;
            match held.key {
                LEFT_SHIFT | RIGHT_SHIFT => modifiers.level.shift = true,
                LEFT_CTRL | RIGHT_CTRL => modifiers.ctrl = true,
                LEFT_ALT => modifiers.alt = true,
                LEFT_WINDOWS | RIGHT_WINDOWS => modifiers.windows = true,
                RIGHT_ALT if held.keysym == ALT_R => modifiers.alt = true,
                RIGHT_ALT => modifiers.level.alt_gr = true,
                _ => {}
            }
        }
        modifiers
    }
}

impl Modifiers {
    /// Whether a character is to do something, rather than to be typed.
    const fn is_command(self) -> bool {
        self.ctrl || self.alt || self.windows
    }
}

fn down(key: Key) -> FastPathInputEvent {
    let flags = if key.is_extended { KeyboardFlags::EXTENDED } else { KeyboardFlags::empty() };
    FastPathInputEvent::KeyboardEvent(flags, key.code)
}

fn up(key: Key) -> FastPathInputEvent {
    let flags = if key.is_extended { KeyboardFlags::EXTENDED } else { KeyboardFlags::empty() };
    FastPathInputEvent::KeyboardEvent(flags | KeyboardFlags::RELEASE, key.code)
}

/// Pause has no release of its own: it is a Ctrl of its own kind with Num Lock (MS-RDPBCGR 2.2.8.1.2.2.1).
fn pause(out: &mut Vec<FastPathInputEvent>) {
    for release in [KeyboardFlags::empty(), KeyboardFlags::RELEASE] {
        out.push(FastPathInputEvent::KeyboardEvent(KeyboardFlags::EXTENDED1 | release, LEFT_CTRL.code));
        out.push(FastPathInputEvent::KeyboardEvent(release, NUM_LOCK.code));
    }
}

fn is_modifier(key: Key) -> bool {
    TEXT_MODIFIERS.contains(&key) || matches!(key, LEFT_WINDOWS | RIGHT_WINDOWS)
}

const fn flag_of(lock: Lock) -> SynchronizeFlags {
    match lock {
        Lock::Caps => SynchronizeFlags::CAPS_LOCK,
        Lock::Num => SynchronizeFlags::NUM_LOCK,
        Lock::Scroll => SynchronizeFlags::SCROLL_LOCK,
    }
}

/// Keys down at once: more than fingers, so that only a broken or hostile browser gets there.
const MAX_HELD: usize = 32;

const LEFT_SHIFT: Key = Key::plain(0x2A);
const RIGHT_SHIFT: Key = Key::plain(0x36);
const LEFT_CTRL: Key = Key::plain(0x1D);
const RIGHT_CTRL: Key = Key::extended(0x1D);
const LEFT_ALT: Key = Key::plain(0x38);
/// AltGr, where the layout has one.
const RIGHT_ALT: Key = Key::extended(0x38);
const LEFT_WINDOWS: Key = Key::extended(0x5B);
const RIGHT_WINDOWS: Key = Key::extended(0x5C);
const NUM_LOCK: Key = Key::plain(0x45);
const BREAK: Key = Key::extended(0x46);
/// What may be in the way of text, in the order in which it is let go.
const TEXT_MODIFIERS: [Key; 6] = [RIGHT_ALT, LEFT_ALT, RIGHT_CTRL, LEFT_CTRL, LEFT_SHIFT, RIGHT_SHIFT];
/// The keysym of a right Alt that is not AltGr.
const ALT_R: u32 = 0xFFEA;
