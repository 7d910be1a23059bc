//! Listings, one entry per request as the protocol has it.

use cap_std::fs::{Dir, ReadDir};
use ironrdp_rdpdr::pdu::efs::{FileInformationClass, FileInformationClassLevel, NtStatus};

use crate::drive::info::Stat;
use crate::drive::path::DrivePath;
use crate::drive::pattern::Pattern;

/// Entries every directory has. Windows expects them of all but the root, and does not mind them there.
const DOTS: [&str; 2] = [".", ".."];

/// A listing under way: entries are read from the host as they are asked for, so that no number of them costs memory.
#[derive(Debug)]
pub(super) struct Listing {
    directory: DrivePath,
    pattern: Pattern,
    dots: std::array::IntoIter<&'static str, 2>,
    entries: Option<ReadDir>,
    /// One was found already.
    found: bool,
}

impl Listing {
    /// Begins to list what `search`, the server's path with a pattern at its end, means in `directory`.
    pub(super) fn new(root: &Dir, directory: &DrivePath, search: &str) -> Result<Self, NtStatus> {
        let pattern = Pattern::of_search(search).ok_or(NtStatus::OBJECT_NAME_INVALID)?;
        let entries = match &pattern {
            Pattern::Literal(_) => None,
            Pattern::All | Pattern::Wild(_) => {
                Some(root.read_dir(directory.as_path()).map_err(|error| super::info::status(&error))?)
            }
        };
        Ok(Self { directory: directory.clone(), pattern, dots: DOTS.into_iter(), entries, found: false })
    }

    /// The next entry, or why there is none.
    pub(super) fn next(
        &mut self,
        root: &Dir,
        class: &FileInformationClassLevel,
    ) -> Result<FileInformationClass, NtStatus> {
        let none = if self.found { NtStatus::NO_MORE_FILES } else { NtStatus::NO_SUCH_FILE };
        let (name, stat) = self.find(root).ok_or(none)?;
        self.found = true;
        stat.entry(class, name).ok_or(NtStatus::NOT_SUPPORTED)
    }

    fn find(&mut self, root: &Dir) -> Option<(String, Stat)> {
        let Some(entries) = &mut self.entries else {
            let Pattern::Literal(name) = &self.pattern else { return None };
            if self.found {
                return None;
            }
            return Some((name.clone(), shown(root, &self.directory, name)?));
        };
        for dot in self.dots.by_ref() {
            if self.pattern.matches(dot) {
                let stat = Stat::new(&root.metadata(self.directory.as_path()).ok()?);
                return Some((dot.to_owned(), stat));
            }
        }
        for entry in entries {
            // Names that are no text cannot be said to Windows. One that cannot be read is left out.
            let Ok(Ok(name)) = entry.map(|entry| entry.file_name().into_string()) else { continue };
            if !self.pattern.matches(&name) {
                continue;
            }
            if let Some(stat) = shown(root, &self.directory, &name) {
                return Some((name, stat));
            }
        }
        None
    }
}

/// What an entry is, if it is a file or a directory of the drive: pipes, devices and links that lead out are not shown.
pub(super) fn shown(root: &Dir, directory: &DrivePath, name: &str) -> Option<Stat> {
    let path = directory.child(name)?;
    let stat = Stat::new(&root.metadata(path.as_path()).ok()?);
    (stat.directory || stat.regular).then_some(stat)
}
