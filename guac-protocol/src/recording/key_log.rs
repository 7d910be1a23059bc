//! What was typed, as text to read: the idea of `guaclog`.

use std::fmt::Write as _;

use crate::{char_of_keysym, is_modifier, keysym_name};

/// Modifiers that make a command of a key, with the keysyms of both sides and the name to print. Shift and level shifts
/// only choose the character, which is printed already chosen.
const COMMANDS: [(&str, [u32; 2]); 5] = [
    ("Ctrl", [0xFFE3, 0xFFE4]),
    ("Alt", [0xFFE9, 0xFFEA]),
    ("Meta", [0xFFE7, 0xFFE8]),
    ("Super", [0xFFEB, 0xFFEC]),
    ("Hyper", [0xFFED, 0xFFEE]),
];

/// Turns the keys of a recording into text: characters as they are, Return as a new line, any other key as its name in
/// angle brackets, commands with their modifiers.
///
/// ```
/// use guac_protocol::KeyLog;
///
/// let (mut log, mut text) = (KeyLog::default(), String::new());
/// for (keysym, pressed) in [(0x6C, true), (0x6C, false), (0x73, true), (0xFF0D, true), (0xFFE3, true), (0x63, true)] {
///     log.handle_key(keysym, pressed, &mut text);
/// }
/// assert_eq!(text, "ls\n<Ctrl+c>");
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeyLog {
    held: [[bool; 2]; COMMANDS.len()],
}

impl KeyLog {
    /// Takes one recorded `key` and appends what it adds to the text, if anything.
    pub fn handle_key(&mut self, keysym: u32, pressed: bool, out: &mut String) {
        for ((_, sides), held) in COMMANDS.iter().zip(&mut self.held) {
            for (side, held) in sides.iter().zip(held) {
                if *side == keysym {
                    *held = pressed;
                }
            }
        }
        if !pressed || is_modifier(keysym) {
            return;
        }
        let commands = COMMANDS.iter().zip(&self.held).filter(|(_, held)| held.contains(&true));
        let modifiers: Vec<&str> = commands.map(|((name, _), _)| *name).collect();
        match (modifiers.as_slice(), char_of_keysym(keysym), keysym) {
            ([], Some(character), _) => out.push(character),
            ([], _, 0xFF0D | 0xFF8D) => out.push('\n'),
            (modifiers, character, _) => {
                out.push('<');
                for modifier in modifiers {
                    out.push_str(modifier);
                    out.push('+');
                }
                // Writing to a String cannot fail.
                let _ = match (character.filter(|character| *character != ' '), keysym_name(keysym)) {
                    (Some(character), _) => write!(out, "{character}>"),
                    (None, Some(name)) => write!(out, "{name}>"),
                    (None, None) => write!(out, "0x{keysym:X}>"),
                };
            }
        }
    }
}
