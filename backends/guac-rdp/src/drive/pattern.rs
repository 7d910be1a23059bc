//! Which names a server's search pattern means.

/// Longest pattern, in characters: a name's length, so that matching stays cheap.
const MAX_PATTERN_CHARS: usize = 255;

/// A pattern as Windows sends it: wildcards of the command line and the three that DOS programs get.
///
/// # Specification
/// MS-FSA 2.1.4.4 (Algorithm for Determining if a FileName Is in an Expression). Case counts, as on the host.
#[derive(Debug)]
pub(super) enum Pattern {
    /// All names.
    All,
    /// One name.
    Literal(String),
    Wild(Vec<char>),
}

impl Pattern {
    /// The pattern in a server's search path, `\a\*`; none if it is too long.
    pub(super) fn of_search(path: &str) -> Option<Self> {
        let text = path.rsplit('\\').next().unwrap_or_default();
        if text.chars().count() > MAX_PATTERN_CHARS {
            return None;
        }
        Some(match text {
            // What DOS programs call all files.
            "" | "*" | "*.*" => Self::All,
            text if text.contains(['*', '?', '<', '>', '"']) => Self::Wild(text.chars().collect()),
            text => Self::Literal(text.to_owned()),
        })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Literal(literal) => literal == name,
            Self::Wild(pattern) => matches(pattern, &name.chars().collect::<Vec<_>>()),
        }
    }
}

/// Whether the expression stands for the name. For each part of the expression from its end, `row` tells which ends of
/// the name match it: time and space are bounded by the lengths, whatever the stars.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let last_dot = name.iter().rposition(|c| *c == '.');
    // Nothing of the pattern is left: only the end of the name matches.
    let mut row: Vec<bool> = (0..=name.len()).map(|at| at == name.len()).collect();
    for wanted in pattern.iter().rev() {
        let mut before = vec![false; row.len()];
        for at in (0..=name.len()).rev() {
            let here = name.get(at);
            let rest = |at: usize| row.get(at).copied().unwrap_or_default();
            let longer = || before.get(at + 1).copied().unwrap_or_default();
            let found = match (wanted, here) {
                ('*', _) => rest(at) || longer(),
                ('?', Some(_)) => rest(at + 1),
                // Any characters up to the last dot.
                ('<', Some(_)) => rest(at) || (Some(at) != last_dot && longer()),
                // One character that is no dot, or nothing before a dot and at the end.
                ('>', Some('.') | None) | ('<' | '"', None) => rest(at),
                ('>' | '"', Some(c)) => (*wanted == '>' || *c == '.') && rest(at + 1),
                (wanted, Some(c)) => wanted == c && rest(at + 1),
                (_, None) => false,
            };
            if let Some(slot) = before.get_mut(at) {
                *slot = found;
            }
        }
        row = before;
    }
    row.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: &str, name: &str) -> bool {
        Pattern::of_search(search).unwrap().matches(name)
    }

    #[test]
    fn patterns_of_the_command_line() {
        for (search, yes, no) in [
            ("\\*", &["a", "a.b", ".x"][..], &[][..]),
            ("\\d\\*.*", &["a", "a.b"], &[]),
            ("\\", &["a"], &[]),
            ("\\a.txt", &["a.txt"], &["A.txt", "a.txt.x"]),
            ("\\*.txt", &["a.txt", ".txt", "a.b.txt"], &["a.TXT", "txt", "a.txt.gz"]),
            ("\\a?c", &["abc", "a.c", "aéc"], &["ac", "abbc"]),
            ("\\a*b*c", &["abc", "a1b2c", "abcbc"], &["acb", "ab"]),
        ] {
            for name in yes {
                assert!(found(search, name), "{search} {name}");
            }
            for name in no {
                assert!(!found(search, name), "{search} {name}");
            }
        }
    }

    #[test]
    fn patterns_of_dos_programs() {
        // *.txt as DOS has it: the star stops at the last dot.
        assert!(found("\\<.txt", "a.b.txt"));
        assert!(!found("\\<.txt", "a.txt.b"));
        // ????.b: fewer characters do.
        assert!(found("\\>>>>.b", "ab.b"));
        assert!(!found("\\>>>>.b", "abcde.b"));
        // a.: with the dot or without.
        assert!(found("\\a\"", "a"));
        assert!(found("\\a\"", "a."));
        assert!(!found("\\a\"", "ab"));
    }

    #[test]
    fn many_stars_cost_no_more_than_their_number() {
        let search = format!("\\{}b", "*a".repeat(120));
        assert!(!found(&search, &"a".repeat(255)));
    }

    #[test]
    fn a_pattern_of_255_characters_passes_and_one_more_does_not() {
        assert!(Pattern::of_search(&"*".repeat(255)).is_some());
        assert!(Pattern::of_search(&"*".repeat(256)).is_none());
    }
}
