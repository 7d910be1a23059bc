//! Questions asked in the terminal.

use guac_sftp::SshError;
use secrecy::SecretString;
use zeroize::Zeroize as _;

use crate::backend::{Console, Stop};

/// Longest answer in bytes; a prompt takes no more, so a cat on the keyboard fills nothing.
const MAX_ANSWER_BYTES: usize = 4096;

/// What a byte did to a line being typed.
#[derive(Debug, PartialEq, Eq)]
enum Edit {
    Nothing,
    Typed(char),
    Erased(usize),
    Done,
    Cancelled,
}

/// A line being typed, with Backspace, Ctrl-U and Ctrl-W; Ctrl-C and Ctrl-D give up.
#[derive(Default)]
struct LineEdit {
    text: String,
    partial: Vec<u8>,
    /// Within an escape sequence: what function keys send.
    escape: Option<u8>,
}

impl Drop for LineEdit {
    fn drop(&mut self) {
        self.text.zeroize();
        self.partial.zeroize();
    }
}

impl LineEdit {
    fn handle(&mut self, byte: u8) -> Edit {
        if let Some(first) = self.escape {
            self.escape = match (first, byte) {
                (0x1B, b'[' | b'O') => Some(byte),
                (b'[', 0x20..=0x3F) | (b'[', b'[') => Some(b'['),
                _ => None,
            };
            return Edit::Nothing;
        }
        match byte {
            b'\r' | b'\n' => Edit::Done,
            0x03 => Edit::Cancelled,
            0x04 if self.text.is_empty() => Edit::Cancelled,
            0x08 | 0x7F => Edit::Erased(usize::from(self.text.pop().is_some())),
            0x15 => {
                let count = self.text.chars().count();
                self.text.zeroize();
                Edit::Erased(count)
            }
            0x17 => {
                let before = self.text.chars().count();
                let kept = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(kept);
                Edit::Erased(before - self.text.chars().count())
            }
            0x1B => {
                self.escape = Some(byte);
                Edit::Nothing
            }
            0x00..=0x1F => Edit::Nothing,
            _ => self.push(byte),
        }
    }

    fn push(&mut self, byte: u8) -> Edit {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial).map(|text| text.chars().next()) {
            Ok(Some(c)) => {
                self.partial.clear();
                if self.text.len() + c.len_utf8() > MAX_ANSWER_BYTES || c.is_control() {
                    return Edit::Nothing;
                }
                self.text.push(c);
                Edit::Typed(c)
            }
            Err(error) if error.error_len().is_none() => Edit::Nothing,
            _ => {
                self.partial.clear();
                Edit::Nothing
            }
        }
    }
}

impl Console {
    /// Asks for a line. What is typed is shown, or a `*` per character if it is a secret.
    ///
    /// # Errors
    /// [`SshError::Cancelled`] if the user gives up.
    pub(crate) async fn ask(&mut self, prompt: &str, echo: bool) -> Result<SecretString, Stop> {
        self.show_message(prompt);
        let mut line = LineEdit::default();
        loop {
            let mut typed = std::mem::take(&mut self.typed);
            let mut used = 0;
            for byte in &typed {
                used += 1;
                match line.handle(*byte) {
                    Edit::Nothing => {}
                    Edit::Typed(c) if echo => self.show(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    Edit::Typed(_) => self.show(b"*"),
                    Edit::Erased(count) => self.show(&b"\x08 \x08".repeat(count)),
                    Edit::Done => {
                        self.show(b"\r\n");
                        self.stage.frame_end();
                        self.typed = typed.split_off(used);
                        typed.zeroize();
                        return Ok(SecretString::from(line.text.as_str()));
                    }
                    Edit::Cancelled => return Err(SshError::Cancelled.into()),
                }
            }
            typed.zeroize();
            self.stage.frame_end();
            let event = self.stage.next().await;
            self.handle_event(event)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> (String, Edit) {
        let mut line = LineEdit::default();
        let mut last = Edit::Nothing;
        for byte in bytes {
            last = line.handle(*byte);
        }
        (line.text.clone(), last)
    }

    #[test]
    fn a_line_can_be_edited() {
        for (bytes, text) in [
            (&b"abc"[..], "abc"),
            (b"abd\x7fc", "abc"),
            (b"\x7f\x08x", "x"),
            (b"abc\x15d", "d"),
            (b"one two \x17three", "one three"),
            ("grün\x7f\x7fou".as_bytes(), "grou"),
            (b"a\x1b[A\x1b[1;5C\x1bOP\x1b[[Bb", "ab"),
            (b"a\x01\xffb", "ab"),
        ] {
            assert_eq!(line(bytes).0, text, "{bytes:?}");
        }
    }

    #[test]
    fn enter_ends_it_and_control_c_gives_up() {
        assert_eq!(line(b"abc\r").1, Edit::Done);
        assert_eq!(line(b"abc\x03").1, Edit::Cancelled);
        assert_eq!(line(b"\x04").1, Edit::Cancelled);
        assert_eq!(line(b"a\x04").1, Edit::Nothing);
    }

    #[test]
    fn an_answer_is_bounded() {
        assert_eq!(line(&vec![b'x'; 2 * MAX_ANSWER_BYTES]).0.len(), MAX_ANSWER_BYTES);
    }
}
