//! A Windows machine's keyboard, for tests: scancodes in, text out.

use std::collections::BTreeSet;

use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags, SynchronizeFlags};

use super::{
    LEFT_ALT, LEFT_CTRL, LEFT_SHIFT, LEFT_WINDOWS, Layout, RIGHT_ALT, RIGHT_CTRL, RIGHT_SHIFT, RIGHT_WINDOWS,
    is_modifier,
    layout::{Cell, Key, Level},
};

/// What the server's side makes of events.
#[derive(Debug)]
pub(super) struct Machine {
    layout: Layout,
    cells: Vec<Cell>,
    compositions: Vec<(char, char, char)>,
    /// The keys that are down.
    pub(super) down: BTreeSet<Key>,
    pub(super) locks: SynchronizeFlags,
    /// The accent that waits for a letter.
    accent: Option<char>,
    /// What was typed.
    pub(super) text: String,
    /// Half a character.
    surrogate: Option<u16>,
    /// Keys other than modifiers as they went down: letters of the modifiers, `x` for an extended key, the scancode.
    pub(super) strokes: Vec<String>,
    is_in_pause: bool,
    /// How many characters came as such.
    pub(super) unicode_count: usize,
}

impl Machine {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            cells: layout.cells().collect(),
            compositions: layout.compositions().collect(),
            down: BTreeSet::new(),
            locks: SynchronizeFlags::empty(),
            accent: None,
            text: String::new(),
            surrogate: None,
            strokes: Vec::new(),
            is_in_pause: false,
            unicode_count: 0,
        }
    }

    /// Takes and forgets the text.
    pub(super) fn take_text(&mut self) -> String {
        assert_eq!(self.accent, None, "an accent is left over");
        assert_eq!(self.surrogate, None, "half a character is left over");
        std::mem::take(&mut self.text)
    }

    pub(super) fn handle(&mut self, event: FastPathInputEvent) {
        match event {
            FastPathInputEvent::KeyboardEvent(flags, code) if flags.contains(KeyboardFlags::EXTENDED1) => {
                // The first half of Pause: Num Lock is the second.
                self.is_in_pause = true;
                if !flags.contains(KeyboardFlags::RELEASE) {
                    self.strokes.push(format!("y{code:02X}"));
                }
            }
            FastPathInputEvent::KeyboardEvent(..) if std::mem::take(&mut self.is_in_pause) => {}
            FastPathInputEvent::KeyboardEvent(flags, code) => {
                let key = Key { code, is_extended: flags.contains(KeyboardFlags::EXTENDED) };
                if flags.contains(KeyboardFlags::RELEASE) {
                    self.down.remove(&key);
                } else {
                    let is_repeat = !self.down.insert(key);
                    self.press(key, is_repeat);
                }
            }
            FastPathInputEvent::UnicodeKeyboardEvent(flags, unit) if !flags.contains(KeyboardFlags::RELEASE) => {
                self.unicode(unit);
            }
            FastPathInputEvent::UnicodeKeyboardEvent(..) => {}
            FastPathInputEvent::SyncEvent(locks) => {
                self.down.clear();
                self.locks = locks;
            }
            other => panic!("no key: {other:?}"),
        }
    }

    fn unicode(&mut self, unit: u16) {
        match self.surrogate.take() {
            None if (0xD800..0xDC00).contains(&unit) => self.surrogate = Some(unit),
            first => {
                let units = first.into_iter().chain([unit]);
                self.text.extend(char::decode_utf16(units).map(|character| character.expect("UTF-16")));
                self.unicode_count += 1;
            }
        }
    }

    fn press(&mut self, key: Key, is_repeat: bool) {
        if is_modifier(key) {
            return;
        }
        let is_down = |keys: [Key; 2]| keys.iter().any(|key| self.down.contains(key));
        let (ctrl, windows) = (is_down([LEFT_CTRL, RIGHT_CTRL]), is_down([LEFT_WINDOWS, RIGHT_WINDOWS]));
        let mut alt = self.down.contains(&LEFT_ALT);
        let right_alt = self.down.contains(&RIGHT_ALT);
        let alt_gr = self.layout.has_alt_gr() && right_alt;
        alt |= right_alt && !alt_gr;
        let shift = is_down([LEFT_SHIFT, RIGHT_SHIFT]);
        let names = [(shift, 'S'), (alt_gr, 'G'), (ctrl, 'C'), (alt, 'A'), (windows, 'W'), (key.is_extended, 'x')];
        let names: String = names.into_iter().filter(|&(is_on, _)| is_on).map(|(_, name)| name).collect();
        self.strokes.push(format!("{names}{:02X}", key.code));
        match key.code {
            0x3A | 0x45 | 0x46 if is_repeat || key.is_extended => {}
            0x3A => self.locks.toggle(SynchronizeFlags::CAPS_LOCK),
            0x45 => self.locks.toggle(SynchronizeFlags::NUM_LOCK),
            0x46 => self.locks.toggle(SynchronizeFlags::SCROLL_LOCK),
            _ if key.is_extended || ctrl || alt || windows => {}
            code => {
                let digit = "789-456+1230.".chars().nth(usize::from(code.wrapping_sub(0x47)));
                let is_number = self.locks.contains(SynchronizeFlags::NUM_LOCK) && !shift;
                match digit {
                    Some(digit) if is_number || matches!(digit, '+' | '-') => self.text.push(digit),
                    Some(_) => {}
                    None => self.type_at(key, Level { shift, alt_gr }),
                }
            }
        }
    }

    fn type_at(&mut self, key: Key, mut level: Level) {
        let at = |level: Level| self.cells.iter().find(|cell| cell.stroke.key == key && cell.stroke.level == level);
        let is_letter = at(Level::default()).is_some_and(|cell| cell.character.is_alphabetic());
        level.shift ^= is_letter && self.locks.contains(SynchronizeFlags::CAPS_LOCK);
        let Some(&Cell { character, is_dead, .. }) = at(level) else { return };
        match self.accent.take() {
            None if is_dead => self.accent = Some(character),
            None => self.text.push(character),
            Some(accent) if character == ' ' => self.text.push(accent),
            Some(accent) => {
                let made = self.compositions.iter().find(|&&(_, with, letter)| (with, letter) == (accent, character));
                match made {
                    Some(&(made, ..)) => self.text.push(made),
                    None => self.text.extend([accent, character]),
                }
            }
        }
    }
}
