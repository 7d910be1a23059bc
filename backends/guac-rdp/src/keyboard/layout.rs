//! Which keys type a character on the server's layout.

use super::layouts::{ALL, ENGLISH_US, ROWS};

/// A keyboard layout of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    spec: &'static Spec,
    /// Whether text goes as characters, whatever layout the server has.
    is_failsafe: bool,
}

/// A layout as written down. See `layouts` for how.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// Windows' number for it.
    pub(super) locale: u32,
    /// Whether the right Alt key is AltGr.
    pub(super) alt_gr: bool,
    pub(super) rows: [&'static str; 4],
    /// Keys that other keyboards do not have or that differ from those of all.
    pub(super) more: &'static [(u8, &'static str)],
    /// What the dead keys make.
    pub(super) accents: &'static [&'static str],
}

/// A key by its place: the scancode of set 1, and whether it has the prefix E0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) code: u8,
    pub(super) is_extended: bool,
}

/// A key with the modifiers that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stroke {
    pub(super) key: Key,
    pub(super) level: Level,
}

/// What a key's character depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level {
    pub(super) alt_gr: bool,
    pub(super) shift: bool,
}

/// What one cell of a layout says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) character: char,
    pub(super) is_dead: bool,
    pub(super) stroke: Stroke,
}

/// A layout's characters, sorted for look-ups.
#[derive(Debug)]
pub(super) struct Table {
    /// What single keys type, the easiest stroke of a character first.
    direct: Vec<(char, Stroke)>,
    /// Dead keys by their accent.
    dead: Vec<(char, Stroke)>,
    /// What dead keys make: character, accent, letter.
    composed: Vec<(char, char, char)>,
}

impl Layout {
    /// The layout of a name of the `server-layout` parameter.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        if name == FAILSAFE {
            return Some(Self { spec: &ENGLISH_US, is_failsafe: true });
        }
        ALL.iter().find(|spec| spec.name == name).map(|spec| Self { spec, is_failsafe: false })
    }

    /// The names of all layouts, in order.
    #[cfg(test)]
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|spec| spec.name).chain([FAILSAFE])
    }

    /// The input locale identifier for `keyboardLayout` (MS-RDPBCGR 2.2.1.3.2).
    pub(crate) const fn input_locale(self) -> u32 {
        self.spec.locale
    }

    /// `keyboardType`: 4 is the 101- or 102-key keyboard, 7 the Japanese one.
    pub(crate) const fn keyboard_type(self) -> u32 {
        if self.is_japanese() { 7 } else { 4 }
    }

    /// `keyboardSubType`: 2 is the 106-key keyboard among Japanese ones.
    pub(crate) const fn keyboard_subtype(self) -> u32 {
        if self.is_japanese() { 2 } else { 0 }
    }

    pub(super) const fn is_failsafe(self) -> bool {
        self.is_failsafe
    }

    pub(super) const fn has_alt_gr(self) -> bool {
        self.spec.alt_gr
    }

    /// Everything the keys type, row by row.
    pub(super) fn cells(self) -> impl Iterator<Item = Cell> {
        let rows = self.spec.rows.into_iter().zip(ROWS);
        let rows = rows.flat_map(|(row, codes)| codes.iter().copied().zip(row.split(' ')));
        let space = [(SPACE, "  ")];
        rows.chain(self.spec.more.iter().copied()).chain(space).flat_map(|(code, text)| cells_of(code, text))
    }

    /// What dead keys make: character, accent, letter.
    pub(super) fn compositions(self) -> impl Iterator<Item = (char, char, char)> {
        self.spec.accents.iter().flat_map(|accents| {
            let mut characters = accents.chars();
            let accent = characters.next();
            std::iter::from_fn(move || {
                let letter = characters.next()?;
                Some((characters.next()?, accent?, letter))
            })
        })
    }

    const fn is_japanese(self) -> bool {
        self.spec.locale == JAPANESE
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self { spec: &ENGLISH_US, is_failsafe: false }
    }
}

impl Key {
    pub(super) const fn plain(code: u8) -> Self {
        Self { code, is_extended: false }
    }

    pub(super) const fn extended(code: u8) -> Self {
        Self { code, is_extended: true }
    }
}

impl Table {
    pub(super) fn new(layout: Layout) -> Self {
        let (mut direct, mut dead) = (Vec::new(), Vec::new());
        for cell in layout.cells() {
            let strokes = if cell.is_dead { &mut dead } else { &mut direct };
            strokes.push((cell.character, cell.stroke));
        }
        // Both sorts are stable: among equals the upper rows win.
        direct.sort_by_key(|&(character, stroke): &(char, Stroke)| (character, stroke.level));
        dead.sort_by_key(|&(accent, stroke): &(char, Stroke)| (accent, stroke.level));
        let mut composed: Vec<_> = layout.compositions().collect();
        composed.sort_unstable();
        Self { direct, dead, composed }
    }

    /// The keys that type `character` at once, the easiest first.
    pub(super) fn direct(&self, character: char) -> impl Iterator<Item = Stroke> + Clone {
        of(&self.direct, character, |&(other, _)| other).iter().map(|&(_, stroke)| stroke)
    }

    /// The dead key of an accent.
    pub(super) fn dead(&self, accent: char) -> Option<Stroke> {
        of(&self.dead, accent, |&(other, _)| other).first().map(|&(_, stroke)| stroke)
    }

    /// The dead key and the key after it that make `character`.
    pub(super) fn composed(&self, character: char) -> Option<(Stroke, Stroke)> {
        let made = of(&self.composed, character, |&(other, ..)| other);
        // An accent by itself is its dead key and the space bar. Windows and X agree on that for those of ASCII only.
        let alone = character.is_ascii().then_some((character, ' '));
        let mut ways = made.iter().map(|&(_, accent, letter)| (accent, letter)).chain(alone);
        ways.find_map(|(accent, letter)| Some((self.dead(accent)?, self.direct(letter).next()?)))
    }
}

/// The part of sorted `entries` that belongs to `character`.
fn of<T>(entries: &[T], character: char, key: impl Fn(&T) -> char) -> &[T] {
    let start = entries.partition_point(|entry| key(entry) < character);
    let entries = entries.get(start..).unwrap_or_default();
    let end = entries.partition_point(|entry| key(entry) == character);
    entries.get(..end).unwrap_or_default()
}

/// What a cell's text says about the key of scancode `code`.
fn cells_of(code: u8, text: &'static str) -> impl Iterator<Item = Cell> {
    let mut characters = text.chars();
    let levels = [(false, false), (false, true), (true, false), (true, true)];
    levels.into_iter().filter_map(move |(alt_gr, shift)| {
        let mut character = characters.next()?;
        let is_dead = character == DEAD;
        if is_dead {
            character = characters.next()?;
        }
        let stroke = Stroke { key: Key::plain(code), level: Level { alt_gr, shift } };
        (character != NOTHING).then_some(Cell { character, is_dead, stroke })
    })
}

const FAILSAFE: &str = "failsafe";
const JAPANESE: u32 = 0x0411;
const SPACE: u8 = 0x39;
/// Before the character of a dead key.
const DEAD: char = '◌';
/// In the place of a character that is not there.
const NOTHING: char = '∅';
