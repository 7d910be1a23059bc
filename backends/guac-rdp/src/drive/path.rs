//! Names that a server or a browser chose, made into paths that stay below the drive's directory.

use std::path::Path;

/// Longest path, in bytes of UTF-8 (RDP-044).
const MAX_PATH_BYTES: usize = 4096;

/// Longest component, in bytes of UTF-8: what Linux file systems hold.
const MAX_NAME_BYTES: usize = 255;

/// Why a name is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadPath {
    /// It has a `..` in it, which no server and no browser of ours sends.
    Escapes,
    /// It holds what no component can, or is too long.
    Malformed,
}

/// A path below the drive's directory: `a/b`, empty for the directory itself.
///
/// Symbolic links below may still lead elsewhere; that they do not lead out is seen to when the path is opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct DrivePath(String);

impl DrivePath {
    /// A server's path, parted by backslashes, or a browser's, parted by slashes. Absolute or not is the same.
    pub(super) fn parse(text: &str) -> Result<Self, BadPath> {
        if text.len() > MAX_PATH_BYTES {
            return Err(BadPath::Malformed);
        }
        let mut path = Self::default();
        for part in text.split(['/', '\\']) {
            match part {
                "" | "." => {}
                ".." => return Err(BadPath::Escapes),
                part => path = path.child(part).ok_or(BadPath::Malformed)?,
            }
        }
        Ok(path)
    }

    /// What `name` means in this directory; none if it is not the name of an entry.
    pub(super) fn child(&self, name: &str) -> Option<Self> {
        if !is_name(name) || self.0.len() + 1 + name.len() > MAX_PATH_BYTES {
            return None;
        }
        Some(Self(if self.0.is_empty() { name.to_owned() } else { format!("{}/{name}", self.0) }))
    }

    /// As the file system wants it: relative, and never empty.
    pub(super) fn as_path(&self) -> &Path {
        Path::new(if self.0.is_empty() { "." } else { &self.0 })
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component; none for the root.
    pub(super) fn name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    pub(super) fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned()))
    }

    /// The rest of the path below `directory`, which begins with a slash; empty for `directory` itself.
    fn rest_below(&self, directory: &Self) -> Option<&str> {
        let rest = self.0.strip_prefix(&directory.0)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Whether it is an entry of `directory` or of one below.
    pub(super) fn is_below(&self, directory: &Self) -> bool {
        self.rest_below(directory).is_some_and(|rest| !rest.is_empty())
    }

    /// The same after `from` became `to`; none if that does not concern it.
    pub(super) fn renamed(&self, from: &Self, to: &Self) -> Option<Self> {
        self.rest_below(from).map(|rest| Self(format!("{}{rest}", to.0)))
    }

    /// As browsers see it: `/a/b`.
    pub(super) fn stream_name(&self) -> String {
        format!("/{}", self.0)
    }
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME_BYTES && !name.contains(['/', '\\', ':', '\0'])
}

/// The name under which a dropped file is kept: characters that Windows has in no name become `_`.
pub(super) fn upload_name(filename: &str) -> Option<DrivePath> {
    let plain = |c: char| !c.is_control() && !r#"/\:*?"<>|"#.contains(c);
    let name: String = filename.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    DrivePath::default().child(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<String, BadPath> {
        DrivePath::parse(text).map(|path| path.stream_name())
    }

    #[test]
    fn both_kinds_of_separators_part_components() {
        for (text, path) in [
            ("", "/"),
            ("\\", "/"),
            ("\\a\\b", "/a/b"),
            ("/a//b/", "/a/b"),
            (".\\a\\.\\b c", "/a/b c"),
            ("\\Ünï\\€", "/Ünï/€"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(path), "{text:?}");
        }
    }

    #[test]
    fn a_path_does_not_climb_even_within_the_drive() {
        for text in ["..", "\\..", "\\a\\..\\b", "..\\..\\etc\\passwd", "/../x", "a/.."] {
            assert_eq!(parsed(text), Err(BadPath::Escapes), "{text:?}");
        }
    }

    #[test]
    fn streams_devices_and_terminators_are_no_names() {
        for text in ["a:b", "C:\\x", "\\a\0b", "\\a::$DATA"] {
            assert_eq!(parsed(text), Err(BadPath::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_component_of_255_bytes_passes_and_one_more_does_not() {
        assert!(parsed(&"x".repeat(255)).is_ok());
        assert_eq!(parsed(&"x".repeat(256)), Err(BadPath::Malformed));
    }

    #[test]
    fn a_path_of_4096_bytes_passes_and_one_more_does_not() {
        let path = "\\".to_owned() + &vec!["x".repeat(62); 65].join("\\");
        assert_eq!(path.len(), 4095);
        assert!(parsed(&format!("\\{path}")).is_ok());
        assert_eq!(parsed(&format!("\\\\{path}")), Err(BadPath::Malformed));
    }

    #[test]
    fn what_is_below_a_directory_follows_its_new_name() {
        let path = |text| DrivePath::parse(text).unwrap();
        assert_eq!(path("/a/b").renamed(&path("/a"), &path("/c/d")), Some(path("/c/d/b")));
        assert_eq!(path("/a").renamed(&path("/a"), &path("/b")), Some(path("/b")));
        assert_eq!(path("/ab").renamed(&path("/a"), &path("/b")), None);
        assert!(path("/Download/x").is_below(&path("/Download")));
        assert!(!path("/Download").is_below(&path("/Download")));
        assert!(!path("/Downloads").is_below(&path("/Download")));
    }

    #[test]
    fn dropped_files_get_names_that_windows_can_show() {
        let name = |text| upload_name(text).map(|path| path.stream_name());
        assert_eq!(name("a b.txt").as_deref(), Some("/a b.txt"));
        assert_eq!(name("../C:\\x?\u{1b}").as_deref(), Some("/.._C__x__"));
        for text in ["", ".", ".."] {
            assert_eq!(name(text), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_stays_below(text in "\\PC{0,40}|[.\\\\/:a]{0,20}") {
            if let Ok(path) = DrivePath::parse(&text) {
                prop_assert!(path.as_path().is_relative());
                for component in path.as_path().components() {
                    prop_assert!(matches!(
                        component,
                        std::path::Component::Normal(_) | std::path::Component::CurDir
                    ));
                }
            }
        }
    }
}
