//! Keys, mouse and what else is typed.

use std::time::Instant;

use guac_session::Event;

use crate::backend::Console;

/// Most bytes typed ahead of a prompt or of a machine that does not read.
const MAX_TYPED_BYTES: usize = 1 << 20;

impl Console {
    pub(crate) fn handle_input(&mut self, event: Event) {
        let terminal = self.stage.picture();
        match event {
            Event::Key { keysym, pressed, .. } => terminal.handle_key(keysym, pressed),
            Event::Mouse { x, y, buttons, .. } => terminal.handle_mouse(x, y, buttons, Instant::now()),
            // Typed as it comes (TERM-014): whoever opened the pipe may send any key.
            Event::Pipe { data, .. } => self.type_bytes(&data),
            _ => {}
        }
        self.collect_typed();
    }

    /// Moves what the terminal wants to send to the other bytes typed.
    pub(crate) fn collect_typed(&mut self) {
        let mut bytes = Vec::new();
        self.stage.picture().poll_input(&mut bytes);
        self.type_bytes(&bytes);
    }

    fn type_bytes(&mut self, bytes: &[u8]) {
        if self.typed.len() + bytes.len() > MAX_TYPED_BYTES {
            tracing::debug!(len_bytes = bytes.len(), "Input dropped: the machine does not read");
            return;
        }
        self.typed.extend_from_slice(bytes);
    }
}
