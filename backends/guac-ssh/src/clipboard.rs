//! The clipboard, both ways, and what else leaves the terminal the same way: the title and wishes about files.

use guac_terminal::TerminalEvent;

use crate::backend::Console;

impl Console {
    /// A user's clipboard: kept for the next paste. `disable-paste` was honoured before it came here.
    pub(crate) fn handle_clipboard(&mut self, mimetype: &str, data: &[u8]) {
        if mimetype.starts_with("text/") {
            self.stage.picture().handle_clipboard(&String::from_utf8_lossy(data));
        } else {
            tracing::debug!(mimetype, "Clipboard that is no text ignored");
        }
    }

    /// Passes on what the terminal has to tell.
    pub(crate) fn tell_users(&mut self) {
        while let Some(event) = self.stage.picture().poll_event() {
            match event {
                // Both of them stay here: what is copied may be pasted into the same terminal.
                TerminalEvent::Copied(text) => {
                    self.stage.send_clipboard(&text);
                    self.stage.picture().handle_clipboard(&text);
                }
                TerminalEvent::Title(title) => self.stage.set_title(&title),
                TerminalEvent::SendFile(path) => match &mut self.files {
                    Some(files) => files.push(path),
                    None => self.wishes.send(path),
                },
                TerminalEvent::UploadDirectory(path) => match &self.files {
                    Some(files) => files.set_drop_directory(path),
                    None => self.wishes.set_drop_directory(path),
                },
                _ => {}
            }
        }
    }
}
