//! Names that users and machines choose, made into paths that stay where they belong.

/// Why a name is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadPath {
    /// It leads above the root.
    Escapes,
    /// It holds what no path can.
    Malformed,
}

/// The name of an object's stream as the path below the root that it means: `/` or `/a/b`, without `.` and `..`.
pub(crate) fn normalize(name: &str) -> Result<String, BadPath> {
    if name.contains('\0') {
        return Err(BadPath::Malformed);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or(BadPath::Escapes)?),
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

/// A normalized path on the machine, below the root.
pub(crate) fn below(root: &str, normalized: &str) -> String {
    match (root.trim_end_matches('/'), normalized) {
        ("", path) => path.to_owned(),
        (root, "/") => root.to_owned(),
        (root, path) => format!("{root}{path}"),
    }
}

/// A directory's path with the name of something in it; `None` if that is not the name of one thing.
pub(crate) fn child(directory: &str, name: &str) -> Option<String> {
    let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
    plain.then(|| format!("{}/{name}", directory.trim_end_matches('/')))
}

/// The last part of a path, for a file's name on another machine: no separators of any system, no controls.
pub(crate) fn file_name(path: &str) -> String {
    let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("file");
    let safe = |c: char| if c == '\\' || c.is_control() { '_' } else { c };
    name.chars().take(MAX_FILE_NAME_CHARS).map(safe).collect()
}

/// Longest name told to a browser: as long as file systems take.
const MAX_FILE_NAME_CHARS: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_root() {
        for (name, path) in [
            ("/", "/"),
            ("", "/"),
            ("/a/b", "/a/b"),
            ("a//b/", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/../..", "/"),
            ("/..a/.b", "/..a/.b"),
            ("/a\\..\\b", "/a\\..\\b"),
        ] {
            assert_eq!(normalize(name).as_deref(), Ok(path), "{name}");
        }
        for name in ["..", "/..", "/a/../..", "/../etc/passwd", "a/../../b"] {
            assert_eq!(normalize(name), Err(BadPath::Escapes), "{name}");
        }
        assert_eq!(normalize("/a\0b"), Err(BadPath::Malformed));
    }

    #[test]
    fn a_root_is_put_before_the_path() {
        assert_eq!(below("/", "/"), "/");
        assert_eq!(below("/", "/a"), "/a");
        assert_eq!(below("/srv/", "/a"), "/srv/a");
        assert_eq!(below("/srv", "/"), "/srv");
    }

    #[test]
    fn only_plain_names_are_children() {
        assert_eq!(child("/", "a").as_deref(), Some("/a"));
        assert_eq!(child(".", "a b").as_deref(), Some("./a b"));
        for name in ["", ".", "..", "a/b", "/", "a\0"] {
            assert_eq!(child("/d", name), None, "{name:?}");
        }
    }

    #[test]
    fn a_browser_gets_a_name_without_directories_and_controls() {
        assert_eq!(file_name("/home/me/a.txt"), "a.txt");
        assert_eq!(file_name("/home/me/"), "me");
        assert_eq!(file_name("/"), "file");
        assert_eq!(file_name("..\\x\u{1b}[y"), ".._x_[y");
        assert_eq!(file_name(&"x".repeat(300)).len(), 255);
    }
}
