//! A decoder of instructions written for clarity only: one character after the other, everything owned.

use guac_protocol::{MAX_ELEMENT_CODE_POINTS, MAX_ELEMENTS, MAX_INSTRUCTION_BYTES};

/// How a stream of bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Behind or within an instruction that may still become whole.
    Open,
    /// Where no instruction can be any more.
    Malformed,
    /// At bytes that are no UTF-8.
    NotUtf8,
}

/// All whole instructions, opcode first, and the end.
#[must_use]
pub fn decode(bytes: &[u8]) -> (Vec<Vec<String>>, End) {
    let (text, mut end) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, End::Open),
        Err(error) => {
            let end = if error.error_len().is_some() { End::NotUtf8 } else { End::Open };
            let (valid, _) = bytes.split_at(error.valid_up_to());
            (std::str::from_utf8(valid).unwrap_or_default(), end)
        }
    };
    let mut instructions = Vec::new();
    let mut rest = text;
    loop {
        match instruction(rest) {
            Ok(Some((elements, used))) => {
                instructions.push(elements);
                rest = rest.get(used..).unwrap_or_default();
            }
            Ok(None) => {
                // A tail that is longer than any instruction can never become one, whatever follows.
                if rest.len() > MAX_INSTRUCTION_BYTES {
                    end = End::Malformed;
                }
                return (instructions, end);
            }
            Err(()) => return (instructions, if end == End::NotUtf8 { end } else { End::Malformed }),
        }
    }
}

/// The first instruction and its length in bytes, if it is whole.
fn instruction(text: &str) -> Result<Option<(Vec<String>, usize)>, ()> {
    let mut elements = Vec::new();
    let mut used = 0;
    let mut characters = text.chars().peekable();
    loop {
        let mut digits = String::new();
        loop {
            let Some(character) = characters.next() else { return Ok(None) };
            used += character.len_utf8();
            match character {
                '0'..='9' if digits.len() < 5 => digits.push(character),
                '.' if !digits.is_empty() => break,
                _ => return Err(()),
            }
        }
        let length: usize = digits.parse().map_err(|_| ())?;
        if length > MAX_ELEMENT_CODE_POINTS {
            return Err(());
        }
        let value: String = characters.by_ref().take(length).collect();
        used += value.len();
        let Some(terminator) = characters.next() else { return Ok(None) };
        used += 1;
        if elements.len() == MAX_ELEMENTS {
            return Err(());
        }
        elements.push(value);
        match terminator {
            ',' if used <= MAX_INSTRUCTION_BYTES => {}
            ';' if used <= MAX_INSTRUCTION_BYTES => return Ok(Some((elements, used))),
            _ => return Err(()),
        }
    }
}
