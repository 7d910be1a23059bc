//! What users do, for the server.

use guac_session::Event;

use crate::{
    clipboard::ClipboardEncoding,
    rfb::{Connection, Limits},
};

/// Carries input to the connection.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) clipboard: ClipboardEncoding,
    /// Whether the owner's window sets the size of the desktop.
    pub(crate) resize: bool,
}

impl Input {
    /// Applies one event of the session. Read-only users, blocked pastes and the like were sorted out before.
    pub(crate) fn apply(&self, event: Event, connection: &mut Connection) {
        match event {
            Event::Key { keysym, pressed, .. } => connection.key(keysym, pressed),
            // Both protocols number the buttons alike.
            Event::Mouse { x, y, buttons, .. } => connection.pointer(clamp(x), clamp(y), buttons),
            Event::Size { is_owner: true, width_px, height_px, .. } => self.size(width_px, height_px, connection),
            Event::Clipboard { mimetype, data, .. } => self.paste(&mimetype, &data, connection),
            _ => {}
        }
    }

    /// Asks for a desktop of the owner's size, unless that is switched off.
    pub(crate) fn size(&self, width_px: u32, height_px: u32, connection: &mut Connection) {
        if self.resize {
            let most = u32::from(Limits::default().side_px);
            let side = |px: u32| u16::try_from(px.clamp(1, most)).unwrap_or(u16::MAX);
            connection.set_desktop_size(side(width_px), side(height_px));
        }
    }

    fn paste(&self, mimetype: &str, data: &[u8], connection: &mut Connection) {
        // RFB carries text only.
        if mimetype.split(';').next().is_none_or(|kind| kind.trim() != "text/plain") {
            tracing::debug!("Clipboard of a type that VNC does not carry");
            return;
        }
        let text = String::from_utf8_lossy(data);
        if connection.has_extended_clipboard() {
            connection.offer_clipboard(&text);
        } else {
            connection.cut_text(&self.clipboard.encode(&text));
        }
    }
}

fn clamp(coordinate: i32) -> u16 {
    u16::try_from(coordinate.max(0)).unwrap_or(u16::MAX)
}
