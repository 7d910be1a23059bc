//! What comes out of keys.

use proptest::prelude::*;

use super::{layout::Level, model::Machine, *};

/// A user at a browser and the machine at the other end.
pub(super) struct Pair {
    pub(super) keyboard: Keyboard,
    pub(super) machine: Machine,
}

impl Pair {
    pub(super) fn new(name: &str) -> Self {
        let layout = Layout::from_name(name).unwrap();
        let mut pair = Self { keyboard: Keyboard::new(layout), machine: Machine::new(layout) };
        pair.send(|keyboard, out| keyboard.synchronize(out));
        pair
    }

    fn send(&mut self, act: impl FnOnce(&mut Keyboard, &mut Vec<FastPathInputEvent>)) {
        let mut out = Vec::new();
        act(&mut self.keyboard, &mut out);
        out.into_iter().for_each(|event| self.machine.handle(event));
        assert!(self.keyboard.held.len() <= MAX_HELD);
    }

    fn press(&mut self, keysym: u32) {
        self.send(|keyboard, out| keyboard.press(keysym, out));
    }

    fn release(&mut self, keysym: u32) {
        self.send(|keyboard, out| keyboard.release(keysym, out));
    }

    fn strike(&mut self, keysym: u32) {
        self.press(keysym);
        self.release(keysym);
    }

    /// The keys that went down while the keysyms of `keys` are pressed in order and let go in reverse.
    pub(super) fn strokes(&mut self, keys: &[u32]) -> String {
        keys.iter().for_each(|&keysym| self.press(keysym));
        keys.iter().rev().for_each(|&keysym| self.release(keysym));
        assert!(self.machine.down.is_empty(), "{:?} stay down", self.machine.down);
        std::mem::take(&mut self.machine.strokes).join(" ")
    }
}

pub(super) fn keysym_of(character: char) -> u32 {
    match u32::from(character) {
        code @ (0x20..=0x7E | 0xA0..=0xFF) => code,
        code => 0x0100_0000 | code,
    }
}

/// What a layout types with single keys, and with dead keys.
fn characters(name: &str) -> (Vec<(char, Level)>, Vec<char>) {
    let layout = Layout::from_name(name).unwrap();
    let (dead, live): (Vec<_>, Vec<_>) = layout.cells().partition(|cell| cell.is_dead);
    let accents = dead.iter().map(|cell| cell.character).filter(char::is_ascii);
    let accents = accents.filter(|&accent| !live.iter().any(|cell| cell.character == accent));
    let made = layout.compositions().filter(|&(_, accent, _)| dead.iter().any(|cell| cell.character == accent));
    let made = made.map(|(character, ..)| character).chain(accents).collect();
    (live.into_iter().map(|cell| (cell.character, cell.stroke.level)).collect(), made)
}

const SHIFT: u32 = 0xFFE1;
const CTRL: u32 = 0xFFE3;
const CAPS: u32 = 0xFFE5;
const ALT: u32 = 0xFFE9;
const WINDOWS: u32 = 0xFFEB;
const DELETE: u32 = 0xFFFF;
const ALT_GR: u32 = 0xFE03;

#[test]
fn every_layout_of_guacd_is_there_by_name() {
    assert_eq!(Layout::names().count(), 23);
    for name in Layout::names() {
        assert!(Layout::from_name(name).is_some(), "{name}");
    }
    assert!(Layout::from_name("xx-xx-qwerty").is_none());
    assert_eq!(Layout::default().input_locale(), 0x0409);
}

#[test]
fn rows_have_as_many_cells_as_keys() {
    for spec in layouts::ALL {
        for (row, codes) in spec.rows.iter().zip(layouts::ROWS) {
            assert_eq!(row.split(' ').count(), codes.len(), "{}: {row}", spec.name);
            assert!(row.split(' ').all(|cell| (1..=4).contains(&cell.replace('◌', "").chars().count())), "{row}");
        }
    }
}

#[test]
fn servers_are_told_the_numbers_of_windows() {
    let locale = |name: &str| Layout::from_name(name).unwrap().input_locale();
    let expected = [
        ("cs-cz-qwertz", 0x405),
        ("da-dk-qwerty", 0x406),
        ("de-ch-qwertz", 0x807),
        ("de-de-qwertz", 0x407),
        ("en-gb-qwerty", 0x809),
        ("en-us-qwerty", 0x409),
        ("es-es-qwerty", 0x40A),
        ("es-latam-qwerty", 0x80A),
        ("failsafe", 0x409),
        ("fr-be-azerty", 0x80C),
        ("fr-ca-qwerty", 0x1009),
        ("fr-ch-qwertz", 0x100C),
        ("fr-fr-azerty", 0x40C),
        ("hu-hu-qwertz", 0x40E),
        ("it-it-qwerty", 0x410),
        ("ja-jp-qwerty", 0x411),
        ("no-no-qwerty", 0x414),
        ("pl-pl-qwerty", 0x415),
        ("pt-br-qwerty", 0x416),
        ("pt-pt-qwerty", 0x816),
        ("ro-ro-qwerty", 0x1_0418),
        ("sv-se-qwerty", 0x41D),
        ("tr-tr-qwerty", 0x41F),
    ];
    for (name, number) in expected {
        assert_eq!(locale(name), number, "{name}");
    }
    let japanese = Layout::from_name("ja-jp-qwerty").unwrap();
    assert_eq!((japanese.keyboard_type(), japanese.keyboard_subtype()), (7, 2));
    assert_eq!((Layout::default().keyboard_type(), Layout::default().keyboard_subtype()), (4, 0));
}

#[test]
fn every_character_of_every_layout_comes_out_whatever_is_held() {
    let contexts: [&[u32]; 8] =
        [&[], &[SHIFT], &[0xFFE2], &[ALT_GR], &[SHIFT, ALT_GR], &[0xFF7E], &[SHIFT, 0xFFE2], &[CAPS]];
    for name in Layout::names().filter(|&name| name != "failsafe") {
        let (direct, made) = characters(name);
        assert!(direct.len() >= 94, "{name}");
        for context in contexts {
            for character in direct.iter().map(|&(character, _)| character).chain(made.iter().copied()) {
                let mut pair = Pair::new(name);
                context.iter().for_each(|&modifier| pair.press(modifier));
                let held = pair.machine.down.clone();
                pair.strike(keysym_of(character));
                let told = format!("{name}: {character} with {context:X?}: {:?}", pair.machine.strokes);
                assert_eq!(pair.machine.take_text(), character.to_string(), "{told}");
                // Caps Lock itself is up after it was switched off.
                assert!(pair.machine.down == held || context == [CAPS], "{told}");
                assert_eq!(pair.machine.unicode_count, 0, "{told}");
                context.iter().for_each(|&modifier| pair.release(modifier));
                assert!(pair.machine.down.is_empty(), "{told}");
            }
        }
    }
}

#[test]
fn alt_gr_may_arrive_as_ctrl_and_alt_or_as_the_right_alt() {
    for name in Layout::names().filter(|&name| name != "failsafe") {
        let (direct, made) = characters(name);
        let only_alt_gr =
            |&(character, _): &(char, Level)| !direct.iter().any(|&(other, level)| other == character && !level.alt_gr);
        let needing = direct.iter().copied().filter(only_alt_gr).map(|(character, _)| character);
        let needing_dead = made.iter().copied().filter(|made| direct.iter().all(|(direct, _)| direct != made));
        for character in needing.chain(needing_dead).filter(|c| !c.is_ascii_alphanumeric()) {
            for halves in [&[CTRL, ALT][..], &[CTRL, ALT_GR], &[ALT, CTRL], &[CTRL, ALT_R], &[ALT_R]] {
                let mut pair = Pair::new(name);
                halves.iter().for_each(|&half| pair.press(half));
                let held = pair.machine.down.clone();
                pair.strike(keysym_of(character));
                assert_eq!(pair.machine.take_text(), character.to_string(), "{name}: {character}");
                assert_eq!(pair.machine.down, held, "{name}: {character}");
            }
        }
    }
}

#[test]
fn what_a_layout_lacks_comes_as_unicode() {
    for name in Layout::names() {
        let mut pair = Pair::new(name);
        for character in ['ж', '漢', '𝄞', '🦀', '\u{301}'] {
            pair.strike(keysym_of(character));
        }
        assert_eq!(pair.machine.take_text(), "ж漢𝄞🦀\u{301}", "{name}");
        assert_eq!(pair.machine.strokes, [""; 0], "{name}");
        // AltGr would make a command of it, and stays held afterwards.
        pair.press(ALT_GR);
        let held = pair.machine.down.clone();
        pair.strike(keysym_of('→'));
        assert_eq!((pair.machine.take_text().as_str(), &pair.machine.down), ("→", &held), "{name}");
    }
    let mut pair = Pair::new("en-us-qwerty");
    pair.strike(keysym_of('é'));
    assert_eq!((pair.machine.take_text().as_str(), pair.machine.unicode_count), ("é", 1));
}

#[test]
fn failsafe_types_all_text_as_unicode_and_commands_as_keys() {
    let mut pair = Pair::new("failsafe");
    for character in "Zoë: 5 €".chars() {
        pair.strike(keysym_of(character));
    }
    assert_eq!(pair.machine.take_text(), "Zoë: 5 €");
    assert_eq!((pair.machine.unicode_count, pair.machine.strokes.len()), (8, 0));
    assert_eq!(pair.strokes(&[CTRL, keysym_of('c')]), "C2E");
    assert_eq!(pair.strokes(&[0xFF0D]), "1C");
}

#[test]
fn older_keysyms_and_unicode_ones_mean_the_same() {
    assert_eq!(Symbol::of(0x20AC), Symbol::of(keysym_of('€')));
    assert_eq!(Symbol::of(0x01B1), Symbol::of(keysym_of('ą')));
    assert_eq!(Symbol::of(0x0100_00E9), Symbol::of(0xE9));
    assert_eq!(Symbol::of(0x13BD), Symbol::of(keysym_of('œ')));
    assert_eq!(Symbol::of(0x0100_000A), Symbol::of(0xFF0D));
    assert_eq!(Symbol::of(0x0100_001B), Symbol::of(0xFF1B));
    assert!(keysym::is_sorted());
    for none in [0, 0x7F, 0x0100_0003, 0x0100_D800, 0x0111_0000, u32::MAX] {
        assert_eq!(Symbol::of(none), None, "{none:X}");
    }
}

#[test]
fn commands_are_sent_as_they_are() {
    let mut pair = Pair::new("de-de-qwertz");
    assert_eq!(pair.strokes(&[CTRL, keysym_of('c')]), "C2E");
    assert_eq!(pair.strokes(&[CTRL, SHIFT, keysym_of('T')]), "SC14");
    // Caps Lock at the browser.
    assert_eq!(pair.strokes(&[CTRL, keysym_of('T')]), "C14");
    assert_eq!(pair.strokes(&[CTRL, ALT, DELETE]), "CAx53");
    assert_eq!(pair.strokes(&[ALT, 0xFF09]), "A0F");
    assert_eq!(pair.strokes(&[ALT, 0xFFC1]), "A3E");
    assert_eq!(pair.strokes(&[WINDOWS, keysym_of('r')]), "W13");
    assert_eq!(pair.strokes(&[0xFFE7, keysym_of('e')]), "W12");
    assert_eq!(pair.strokes(&[ALT_R, keysym_of('f')]), "A21");
    // Ctrl+Alt with a letter is a command, not AltGr.
    assert_eq!(pair.strokes(&[CTRL, ALT, keysym_of('q')]), "CA10");
    // What a command's key needs to be that key is added.
    assert_eq!(pair.strokes(&[CTRL, keysym_of('[')]), "GC09");
    assert_eq!(pair.strokes(&[CTRL, keysym_of('/')]), "SC08");
    // A dead key with Ctrl is a key.
    assert_eq!(pair.strokes(&[CTRL, keysym_of('^')]), "C29");
    assert_eq!(pair.strokes(&[CTRL, 0xFE52]), "C29");
    // Shift is never let go in a command: that would switch layouts.
    assert_eq!(pair.strokes(&[CTRL, SHIFT, keysym_of('+')]), "SC1B");
    assert_eq!(pair.machine.take_text(), "");
}

#[test]
fn alt_gr_where_there_is_none_is_an_alt_for_keys_and_nothing_for_text() {
    let mut pair = Pair::new("en-us-qwerty");
    pair.press(ALT_GR);
    assert!(pair.machine.down.is_empty());
    pair.strike(keysym_of('@'));
    pair.release(ALT_GR);
    assert_eq!(pair.machine.take_text(), "@");
    pair.machine.strokes.clear();
    assert_eq!(pair.strokes(&[ALT_GR, 0xFFC1]), "A3E");
    assert_eq!(pair.strokes(&[0xFFEA, keysym_of('f')]), "A21");
}

#[test]
fn keys_that_all_layouts_share_have_their_scancodes() {
    let mut pair = Pair::new("fr-fr-azerty");
    let expected = [
        (0xFF08, "0E"),
        (0xFF09, "0F"),
        (0xFF0D, "1C"),
        (0xFF1B, "01"),
        (0xFFFF, "x53"),
        (0xFF50, "x47"),
        (0xFF51, "x4B"),
        (0xFF52, "x48"),
        (0xFF53, "x4D"),
        (0xFF54, "x50"),
        (0xFF55, "x49"),
        (0xFF56, "x51"),
        (0xFF57, "x4F"),
        (0xFF63, "x52"),
        (0xFF61, "x37"),
        (0xFF67, "x5D"),
        (0xFFBE, "3B"),
        (0xFFC7, "44"),
        (0xFFC8, "57"),
        (0xFFC9, "58"),
        (0xFFCA, "64"),
        (0xFFD4, "6E"),
        (0xFFD5, "76"),
        (0xFF8D, "x1C"),
        (0xFFAF, "x35"),
        (0xFF13, "y1D"),
        (0xFF23, "79"),
        (0xFF22, "7B"),
        (0xFF27, "70"),
        (0xFF2A, "29"),
    ];
    for (keysym, strokes) in expected {
        assert_eq!(pair.strokes(&[keysym]), strokes, "{keysym:X}");
    }
    assert_eq!(pair.strokes(&[CTRL, 0xFF13]), "Cx46");
}

#[test]
fn a_key_that_repeats_is_pressed_again_and_let_go_once() {
    let mut keyboard = Keyboard::new(Layout::default());
    let mut out = Vec::new();
    for _ in 0..3 {
        keyboard.press(keysym_of('x'), &mut out);
    }
    keyboard.release(keysym_of('x'), &mut out);
    keyboard.release(keysym_of('x'), &mut out);
    let x = Key::plain(0x2D);
    assert_eq!(out, [down(x), down(x), down(x), up(x)]);
}

#[test]
fn the_key_that_was_pressed_is_let_go_when_shift_went_first() {
    for (pressed, released) in [('A', 'A'), ('A', 'a'), ('!', '1')] {
        let mut pair = Pair::new("en-us-qwerty");
        pair.press(SHIFT);
        pair.press(keysym_of(pressed));
        pair.release(SHIFT);
        pair.release(keysym_of(released));
        assert!(pair.machine.down.is_empty());
        assert_eq!(pair.machine.take_text(), pressed.to_string());
    }
}

#[test]
fn caps_lock_switches_over_there_and_does_not_change_text() {
    let mut pair = Pair::new("en-us-qwerty");
    pair.press(CAPS);
    pair.press(CAPS);
    pair.release(CAPS);
    assert!(pair.machine.locks.contains(SynchronizeFlags::CAPS_LOCK));
    pair.press(SHIFT);
    for character in "aB".chars() {
        pair.strike(keysym_of(character));
    }
    assert_eq!(pair.machine.take_text(), "aB");
    assert!(!pair.machine.locks.contains(SynchronizeFlags::CAPS_LOCK));
    // Synchronising let go of Shift, which is held still.
    assert_eq!(pair.machine.down.len(), 1);
    pair.release(SHIFT);
    assert!(pair.machine.down.is_empty());
}

#[test]
fn the_keypad_types_digits_or_moves_as_the_keysym_says() {
    let mut pair = Pair::new("en-us-qwerty");
    for keysym in [0xFFB0, 0xFFB7, 0xFFB9, 0xFFAE] {
        pair.strike(keysym);
    }
    assert_eq!(pair.machine.take_text(), "079.");
    pair.strike(0xFF95);
    assert_eq!(pair.machine.take_text(), "");
    assert!(!pair.machine.locks.contains(SynchronizeFlags::NUM_LOCK));
    pair.press(SHIFT);
    pair.strike(0xFFB5);
    assert_eq!(pair.machine.take_text(), "5");
    pair.strike(0xFF7F);
    assert!(!pair.machine.locks.contains(SynchronizeFlags::NUM_LOCK));
    pair.strike(0xFFB1);
    pair.strike(0xFF14);
    assert_eq!(pair.machine.locks, SynchronizeFlags::NUM_LOCK | SynchronizeFlags::SCROLL_LOCK);
    assert_eq!(pair.machine.take_text(), "1");
}

#[test]
fn a_server_that_is_ready_again_is_told_the_locks_and_that_nothing_is_held() {
    let mut keyboard = Keyboard::new(Layout::default());
    let mut out = Vec::new();
    keyboard.press(CAPS, &mut out);
    keyboard.press(SHIFT, &mut out);
    keyboard.press(0xFF51, &mut out);
    out.clear();
    keyboard.synchronize(&mut out);
    let expected =
        [up(Key::extended(0x4B)), up(LEFT_SHIFT), FastPathInputEvent::SyncEvent(SynchronizeFlags::CAPS_LOCK)];
    assert_eq!((out.len(), &out[1..]), (4, &expected[..]));
    out.clear();
    keyboard.release_all(&mut out);
    assert_eq!(out, []);
}

#[test]
fn a_browser_that_never_lets_go_holds_few_keys() {
    let mut pair = Pair::new("de-de-qwertz");
    pair.press(SHIFT);
    for keysym in (0x20..0x7F).chain(0xFF00..=0xFFFF).chain(0xFE00..0xFE80) {
        pair.press(keysym);
        assert!(pair.machine.down.len() <= MAX_HELD);
    }
    pair.send(|keyboard, out| keyboard.release_all(out));
    assert!(pair.machine.down.is_empty());
}

/// Keysyms that do something.
fn any_keysym() -> impl Strategy<Value = u32> {
    let modifiers = prop::sample::select(vec![SHIFT, 0xFFE2, CTRL, 0xFFE4, ALT, 0xFFEA, ALT_GR, WINDOWS, CAPS, 0xFF7F]);
    let letters = prop::sample::select("aAéÊ@€^~'7/ñŁ漢 ".chars().map(keysym_of).collect::<Vec<_>>());
    prop_oneof![3 => modifiers, 4 => letters, 1 => 0x20..0x100_u32, 1 => 0xFE50..0xFE60_u32, 2 => 0xFF00..=0xFFFF_u32]
}

proptest! {
    #[test]
    fn after_any_keys_nothing_stays_down(
        name in prop::sample::select(Layout::names().collect::<Vec<_>>()),
        keys in prop::collection::vec((any_keysym(), any::<bool>()), 0..80),
        lets_go_one_by_one in any::<bool>(),
    ) {
        let mut pair = Pair::new(name);
        for &(keysym, pressed) in &keys {
            if pressed { pair.press(keysym) } else { pair.release(keysym) }
        }
        if lets_go_one_by_one {
            keys.iter().for_each(|&(keysym, _)| pair.release(keysym));
        } else {
            pair.send(|keyboard, out| keyboard.release_all(out));
        }
        prop_assert!(pair.machine.down.is_empty(), "{:?}", pair.machine.down);
        prop_assert!(pair.keyboard.held.is_empty());
        prop_assert_eq!(pair.machine.locks, pair.keyboard.locks);
    }

    #[test]
    fn text_is_text_after_any_keys_were_let_go(
        name in prop::sample::select(Layout::names().filter(|&name| name != "failsafe").collect::<Vec<_>>()),
        keys in prop::collection::vec((any_keysym(), any::<bool>()), 0..40),
        at in any::<prop::sample::Index>(),
    ) {
        let mut pair = Pair::new(name);
        for &(keysym, pressed) in &keys {
            if pressed { pair.press(keysym) } else { pair.release(keysym) }
        }
        pair.send(|keyboard, out| keyboard.release_all(out));
        // An accent that waits is the user's doing.
        pair.strike(keysym_of(' '));
        pair.machine.text.clear();
        let (direct, made) = characters(name);
        let all: Vec<_> = direct.iter().map(|&(character, _)| character).chain(made).collect();
        let character = *at.get(&all);
        pair.strike(keysym_of(character));
        prop_assert_eq!(pair.machine.take_text(), character.to_string());
    }
}
