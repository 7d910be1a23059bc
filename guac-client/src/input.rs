//! What goes to the machine: keys, the mouse, the clipboard, a size.

use std::sync::PoisonError;
use std::time::Duration;

use guac_protocol::{
    CLIPBOARD_BLOB_BYTES, ClientInstruction, Encode as _, KeyCombination, StreamError, StreamIndex, keysym_of_char,
    write_blobs,
};
use tokio::time::sleep;

use crate::{Client, ClientError};

/// Time between the two presses of a double click, and between steps of a drag: enough for a program to see each,
/// well below what it takes for two single clicks.
const BETWEEN_CLICKS: Duration = Duration::from_millis(40);

/// Steps of a drag: programs notice a drag by its movement.
const DRAG_STEPS: i32 = 8;

/// Characters after which typing waits for room, so that a long text is not held twice.
const TYPED_AT_ONCE: usize = 64;

/// A button of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Button {
    /// The left one.
    #[default]
    Left,
    /// The middle one, or the wheel pressed.
    Middle,
    /// The right one.
    Right,
}

impl Button {
    fn mask(self) -> u8 {
        match self {
            Self::Left => 1,
            Self::Middle => 2,
            Self::Right => 4,
        }
    }
}

/// The wheel, in the protocol's button mask.
const WHEEL_UP: u8 = 8;
const WHEEL_DOWN: u8 = 16;

#[derive(Debug, Default)]
pub(crate) struct Mouse {
    x: i32,
    y: i32,
    buttons: u8,
}

impl Client {
    /// Asks for another size of the display, in pixels. Not every machine follows, and none at once: see
    /// [`wait_for_size`](Self::wait_for_size).
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// Cancel safe, as are all methods that only say something: it is said, or not.
    pub async fn resize(&self, width_px: u32, height_px: u32) -> Result<(), ClientError> {
        self.say(&ClientInstruction::Size { width: width_px, height: height_px, dpi: None }).await
    }

    /// Presses or releases one key, by its X11 keysym.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn key(&self, keysym: u32, pressed: bool) -> Result<(), ClientError> {
        self.say(&ClientInstruction::Key { keysym, pressed }).await
    }

    /// Presses keys together and releases them: `"Return"`, `"Control+Alt+t"`, `"F5"`, `"é"`. Names are X11's, or what
    /// people call them, as [`KeyCombination`] reads them.
    ///
    /// # Errors
    /// [`ClientError::Key`] for keys that there are not, [`ClientError::Ended`].
    pub async fn press(&self, keys: &str) -> Result<(), ClientError> {
        let keys: KeyCombination = keys.parse()?;
        let mut out = Vec::new();
        for (keysym, pressed) in keys.events() {
            ClientInstruction::Key { keysym, pressed }.encode(&mut out);
        }
        self.shared.say(out).await
    }

    /// Types text, character by character; a line feed is Return, a tabulator is Tab.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// What was typed until then stays typed.
    pub async fn type_text(&self, text: &str) -> Result<(), ClientError> {
        let characters: Vec<char> = text.chars().collect();
        for some in characters.chunks(TYPED_AT_ONCE) {
            let mut out = Vec::new();
            some.iter().for_each(|character| type_character(*character, &mut out));
            self.shared.say(out).await?;
        }
        Ok(())
    }

    /// As [`type_text`](Self::type_text), with a pause after each character: for programs that lose keys.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// What was typed until then stays typed.
    pub async fn type_text_slowly(&self, text: &str, pause: Duration) -> Result<(), ClientError> {
        for character in text.chars() {
            let mut out = Vec::new();
            type_character(character, &mut out);
            self.shared.say(out).await?;
            sleep(pause).await;
        }
        Ok(())
    }

    /// Moves the pointer, with whatever buttons are down. Pixels of the display.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn mouse_move(&self, x: i32, y: i32) -> Result<(), ClientError> {
        self.mouse(|mouse| (mouse.x, mouse.y) = (x, y)).await
    }

    /// Presses a button where the pointer is.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn mouse_down(&self, button: Button) -> Result<(), ClientError> {
        self.mouse(|mouse| mouse.buttons |= button.mask()).await
    }

    /// Releases a button where the pointer is.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn mouse_up(&self, button: Button) -> Result<(), ClientError> {
        self.mouse(|mouse| mouse.buttons &= !button.mask()).await
    }

    /// Clicks `count` times: 1 is a click, 2 a double click.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// The button may stay down.
    pub async fn click(&self, x: i32, y: i32, button: Button, count: u32) -> Result<(), ClientError> {
        self.mouse_move(x, y).await?;
        for click in 0..count {
            if click > 0 {
                sleep(BETWEEN_CLICKS).await;
            }
            self.mouse_down(button).await?;
            self.mouse_up(button).await?;
        }
        Ok(())
    }

    /// Presses at one place, moves to another, releases there.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// The button may stay down.
    pub async fn drag(&self, from: (i32, i32), to: (i32, i32), button: Button) -> Result<(), ClientError> {
        self.mouse_move(from.0, from.1).await?;
        self.mouse_down(button).await?;
        for step in 1..=DRAG_STEPS {
            sleep(BETWEEN_CLICKS / 2).await;
            let along = |from: i32, to: i32| {
                let (from, to) = (i64::from(from), i64::from(to));
                i32::try_from(from + (to - from) * i64::from(step) / i64::from(DRAG_STEPS)).unwrap_or_default()
            };
            self.mouse_move(along(from.0, to.0), along(from.1, to.1)).await?;
        }
        self.mouse_up(button).await
    }

    /// Turns the wheel at a place: below 0 upwards, above 0 downwards, one notch each.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn scroll(&self, x: i32, y: i32, notches: i32) -> Result<(), ClientError> {
        self.mouse_move(x, y).await?;
        let wheel = if notches < 0 { WHEEL_UP } else { WHEEL_DOWN };
        for _ in 0..notches.unsigned_abs() {
            self.mouse(|mouse| mouse.buttons |= wheel).await?;
            self.mouse(|mouse| mouse.buttons &= !wheel).await?;
        }
        Ok(())
    }

    /// Sets the session's clipboard.
    ///
    /// # Errors
    /// [`ClientError::Ended`]; [`ClientError::Transfer`] while 512 streams are open.
    pub async fn set_clipboard(&self, text: &str) -> Result<(), ClientError> {
        let open = |stream| ClientInstruction::Clipboard { stream, mimetype: "text/plain" };
        self.say_at_once(open, text.as_bytes(), CLIPBOARD_BLOB_BYTES).await
    }

    /// Changes a parameter of the running session, or answers [`Event::Required`](crate::Event::Required). May be a password.
    ///
    /// # Errors
    /// [`ClientError::Ended`]; [`ClientError::Transfer`] while 512 streams are open.
    pub async fn set_parameter(&self, name: &str, value: &str) -> Result<(), ClientError> {
        let open = |stream| ClientInstruction::Argv { stream, mimetype: "text/plain", name };
        self.say_at_once(open, value.as_bytes(), guac_protocol::MAX_BLOB_BYTES).await
    }

    async fn mouse(&self, change: impl FnOnce(&mut Mouse)) -> Result<(), ClientError> {
        let instruction = {
            let mut mouse = self.mouse.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut mouse);
            // Servers tell only others of it.
            self.shared.view.send_if_modified(|view| {
                view.pointer = Some((mouse.x, mouse.y));
                false
            });
            ClientInstruction::Mouse { x: mouse.x, y: mouse.y, buttons: mouse.buttons }.to_bytes()
        };
        self.shared.say(instruction).await
    }

    /// A short stream that nobody paces, blob by blob.
    pub(crate) async fn say_at_once<'i>(
        &self,
        open: impl FnOnce(StreamIndex) -> ClientInstruction<'i>,
        data: &[u8],
        blob_bytes: usize,
    ) -> Result<(), ClientError> {
        let full = StreamError::TooManyStreams { limit: guac_protocol::MAX_STREAMS as usize };
        let (stream, _) = self.shared.streams().open().ok_or(full)?;
        let mut out = Vec::new();
        open(stream).encode(&mut out);
        write_blobs(&mut out, stream, data, blob_bytes);
        let said = self.shared.say(out).await;
        self.shared.streams().close(stream);
        said
    }
}

fn type_character(character: char, out: &mut Vec<u8>) {
    let keysym = keysym_of_char(character);
    for pressed in [true, false] {
        ClientInstruction::Key { keysym, pressed }.encode(out);
    }
}
