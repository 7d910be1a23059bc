//! What the shell's user wants of file transfer before it is there: start-up files run while it is being opened.

use guac_sftp::Files;

/// Wishes that wait.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    drop_directory: Option<String>,
    pushes: Vec<String>,
}

impl Wishes {
    /// Dropped files shall go to this directory.
    pub(crate) fn set_drop_directory(&mut self, directory: String) {
        self.drop_directory = Some(directory);
    }

    /// A file for the browser, unless others wait already.
    pub(crate) fn send(&mut self, path: String) {
        if self.pushes.len() < Files::MAX_PUSHES {
            self.pushes.push(path);
        }
    }

    /// They come true.
    pub(crate) fn grant(&mut self, files: &mut Files) {
        let Self { drop_directory, pushes } = std::mem::take(self);
        if let Some(directory) = drop_directory {
            files.set_drop_directory(directory);
        }
        for path in pushes {
            files.push(path);
        }
    }
}
