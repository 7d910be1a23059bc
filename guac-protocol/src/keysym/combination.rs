//! Keys as people write them: `Return`, `U+20AC`, `0xff0d`, `é`, `Control+Alt+Delete`.

use std::fmt;
use std::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while_m_n, take_while1};
use nom::character::complete::{anychar, char};
use nom::combinator::{all_consuming, map_opt, peek, recognize, verify};
use nom::multi::separated_list1;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::table::KEYSYMS;
use super::{keysym_name, keysym_of_char, keysym_of_name};

/// Most keys in one combination: a hand has five fingers, and so has the other.
pub const MAX_COMBINATION_KEYS: usize = 10;

/// Longest text of a combination, in bytes: ten of the longest names fit.
const MAX_TEXT_BYTES: usize = 512;

/// What people call keys that X11 calls otherwise; compared without regard to case.
const ALIASES: [(&str, u32); 34] = [
    ("alt", 0xFFE9),
    ("altgr", 0xFE03),
    ("arrowdown", 0xFF54),
    ("arrowleft", 0xFF51),
    ("arrowright", 0xFF53),
    ("arrowup", 0xFF52),
    ("back", 0xFF08),
    ("capslock", 0xFFE5),
    ("cmd", 0xFFEB),
    ("command", 0xFFEB),
    ("control", 0xFFE3),
    ("ctrl", 0xFFE3),
    ("del", 0xFFFF),
    ("enter", 0xFF0D),
    ("esc", 0xFF1B),
    ("hyper", 0xFFED),
    ("ins", 0xFF63),
    ("meta", 0xFFE7),
    ("numlock", 0xFF7F),
    ("option", 0xFFE9),
    ("pagedown", 0xFF56),
    ("pageup", 0xFF55),
    ("pgdn", 0xFF56),
    ("pgup", 0xFF55),
    ("printscreen", 0xFF61),
    ("prtsc", 0xFF61),
    ("scrolllock", 0xFF14),
    ("shift", 0xFFE1),
    ("space", 0x20),
    ("spacebar", 0x20),
    ("super", 0xFFEB),
    ("win", 0xFFEB),
    ("windows", 0xFFEB),
    ("xf86mute", 0x1008_FF12),
];

/// Text that names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyParseError {
    /// *Caller.* No key has this name.
    #[error("no key is called \"{name}\"")]
    UnknownKey {
        /// The text, cut to a sane length.
        name: String,
    },
    /// *Caller.* More keys than two hands have fingers.
    #[error("more than {limit} keys in one combination")]
    TooManyKeys {
        /// The limit in force.
        limit: usize,
    },
}

/// The keysym of one key: its X11 name, `U+20AC` or `U20AC`, `0xff0d`, a single character, or what people call it
/// (`Ctrl`, `Esc`, `PageUp`, in any case).
///
/// # Errors
/// [`KeyParseError::UnknownKey`].
///
/// ```
/// use guac_protocol::parse_keysym;
///
/// for text in ["Return", "return", "Enter", "0xff0d"] {
///     assert_eq!(parse_keysym(text), Ok(0xFF0D));
/// }
/// assert_eq!(parse_keysym("U+20AC"), parse_keysym("€"));
/// ```
pub fn parse_keysym(text: &str) -> Result<u32, KeyParseError> {
    match all_consuming(key).parse(text) {
        Ok((_, keysym)) if text.len() <= MAX_TEXT_BYTES => Ok(keysym),
        _ => Err(unknown(text)),
    }
}

/// Keys to hold together, such as `Control+Alt+Delete`.
///
/// ```
/// use guac_protocol::KeyCombination;
///
/// let copy: KeyCombination = "Ctrl+c".parse()?;
/// assert_eq!(copy.keysyms(), [0xFFE3, 0x63]);
/// let events: Vec<_> = copy.events().collect();
/// assert_eq!(events, [(0xFFE3, true), (0x63, true), (0x63, false), (0xFFE3, false)]);
/// assert_eq!(copy.to_string(), "Control_L+c");
/// # Ok::<(), guac_protocol::KeyParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyCombination(Vec<u32>);

impl KeyCombination {
    /// The keysyms in the order in which they go down; at least one.
    #[must_use]
    pub fn keysyms(&self) -> &[u32] {
        &self.0
    }

    /// What to send: each keysym and whether it goes down, all down in order and then all up in reverse.
    pub fn events(&self) -> impl Iterator<Item = (u32, bool)> + '_ {
        let down = self.0.iter().map(|&keysym| (keysym, true));
        down.chain(self.0.iter().rev().map(|&keysym| (keysym, false)))
    }
}

impl FromStr for KeyCombination {
    type Err = KeyParseError;

    /// Keys as [`parse_keysym`] reads them, with `+` between. The key `+` itself may stand last: `Control++`.
    fn from_str(text: &str) -> Result<Self, KeyParseError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(unknown(text));
        }
        let (_, keys) = all_consuming(separated_list1(char('+'), key)).parse(text).map_err(|_| unknown(text))?;
        if keys.len() > MAX_COMBINATION_KEYS {
            return Err(KeyParseError::TooManyKeys { limit: MAX_COMBINATION_KEYS });
        }
        Ok(Self(keys))
    }
}

/// Names with `+` between; a key without a name as its number.
impl fmt::Display for KeyCombination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &keysym) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            match (keysym_name(keysym), keysym) {
                (Some(name), _) => f.write_str(name)?,
                (None, 0x0100_0000..=0x0110_FFFF) => write!(f, "U+{:04X}", keysym & 0x00FF_FFFF)?,
                (None, _) => write!(f, "0x{keysym:x}")?,
            }
        }
        Ok(())
    }
}

fn unknown(text: &str) -> KeyParseError {
    KeyParseError::UnknownKey { name: text.chars().take(32).collect() }
}

/// One key; whatever follows it must be the end or a `+`.
fn key(input: &str) -> IResult<&str, u32> {
    alt((code_point, number, name, single)).parse(input)
}

fn code_point(input: &str) -> IResult<&str, u32> {
    let digits = take_while_m_n(4, 6, |c: char| c.is_ascii_hexdigit());
    let point = map_opt(preceded(alt((tag_no_case("U+"), tag_no_case("U"))), digits), |digits: &str| {
        u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).map(keysym_of_char)
    });
    ended(point).parse(input)
}

/// A keysym has 29 bits.
fn number(input: &str) -> IResult<&str, u32> {
    let digits = take_while_m_n(1, 8, |c: char| c.is_ascii_hexdigit());
    let number = map_opt(preceded(tag_no_case("0x"), digits), |digits: &str| {
        u32::from_str_radix(digits, 16).ok().filter(|keysym| (1..1 << 29).contains(keysym))
    });
    ended(number).parse(input)
}

fn name(input: &str) -> IResult<&str, u32> {
    let word = recognize(take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    ended(map_opt(word, resolve)).parse(input)
}

/// Any other character; control characters are their keys.
fn single(input: &str) -> IResult<&str, u32> {
    ended(anychar.map(keysym_of_char)).parse(input)
}

fn ended<'a, P>(parser: P) -> impl Parser<&'a str, Output = u32, Error = nom::error::Error<&'a str>>
where
    P: Parser<&'a str, Output = u32, Error = nom::error::Error<&'a str>>,
{
    let end = verify(nom::combinator::rest, |rest: &str| rest.is_empty() || rest.starts_with('+'));
    nom::sequence::terminated(parser, peek(end))
}

/// A name of X11's, one of people's, or one of X11's for a key that is no character in any case.
fn resolve(word: &str) -> Option<u32> {
    if let Some(keysym) = keysym_of_name(word) {
        return Some(keysym);
    }
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(word));
    let function_keys = || {
        let first = KEYSYMS.partition_point(|&(keysym, _, _)| keysym < 0xFD00);
        KEYSYMS.get(first..).unwrap_or_default().iter().find(|(_, _, name)| name.eq_ignore_ascii_case(word))
    };
    alias.map(|&(_, keysym)| keysym).or_else(|| function_keys().map(|&(keysym, _, _)| keysym))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str) -> Vec<u32> {
        text.parse::<KeyCombination>().unwrap_or_else(|error| panic!("{text}: {error}")).0
    }

    #[test]
    fn a_key_may_be_named_in_many_ways() {
        for (text, keysym) in [
            ("a", 0x61),
            ("A", 0x41),
            ("7", 0x37),
            ("Return", 0xFF0D),
            ("RETURN", 0xFF0D),
            ("enter", 0xFF0D),
            ("\n", 0xFF0D),
            ("U+20AC", 0x0100_20AC),
            ("U20AC", 0x0100_20AC),
            ("u+1f600", 0x0101_F600),
            ("U+0041", 0x41),
            ("€", 0x0100_20AC),
            ("😀", 0x0101_F600),
            ("0xff0d", 0xFF0D),
            ("0XFFE3", 0xFFE3),
            ("f5", 0xFFC2),
            ("Esc", 0xFF1B),
            ("altgr", 0xFE03),
            ("XF86AudioMute", 0x1008_FF12),
            ("eacute", 0xE9),
            ("plus", 0x2B),
            ("+", 0x2B),
            (" ", 0x20),
            ("U", 0x55),
            ("0", 0x30),
        ] {
            assert_eq!(parse_keysym(text), Ok(keysym), "{text}");
        }
    }

    #[test]
    fn what_names_no_key_is_refused() {
        for text in
            ["", "NoSuchKey", "U+D800", "U+110000", "U+12", "0x", "0x20000000", "0x0", "ab", "a b", "Return ", "é!"]
        {
            assert!(parse_keysym(text).is_err(), "{text}");
        }
    }

    #[test]
    fn combinations_are_held_together() {
        assert_eq!(keys("Control+Alt+Delete"), [0xFFE3, 0xFFE9, 0xFFFF]);
        assert_eq!(keys("ctrl+shift+esc"), [0xFFE3, 0xFFE1, 0xFF1B]);
        assert_eq!(keys("Control++"), [0xFFE3, 0x2B]);
        assert_eq!(keys("Alt+U+20AC"), [0xFFE9, 0x0100_20AC]);
        assert_eq!(keys("+"), [0x2B]);
        for wrong in ["", "Control+", "+Control", "Control+NoSuchKey", "Control Alt", "a++b"] {
            assert!(wrong.parse::<KeyCombination>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ten_keys_pass_and_eleven_do_not() {
        assert_eq!(keys("a+b+c+d+e+f+g+h+i+j").len(), 10);
        let eleven = "a+b+c+d+e+f+g+h+i+j+k".parse::<KeyCombination>();
        assert_eq!(eleven, Err(KeyParseError::TooManyKeys { limit: 10 }));
        assert!("Control+".repeat(10_000).parse::<KeyCombination>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_or_refused(text in ".{0,40}") {
            let _ = parse_keysym(&text);
            let _ = text.parse::<KeyCombination>();
        }

        #[test]
        fn what_is_printed_is_read_again(keys in prop::collection::vec(
            prop_oneof![0x20_u32..0x7F, 0xFE00_u32..0xFFFF, any::<char>().prop_map(keysym_of_char)], 1..10,
        )) {
            let combination = KeyCombination(keys);
            prop_assert_eq!(combination.to_string().parse(), Ok(combination));
        }
    }
}
