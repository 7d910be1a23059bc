//! Bytes to instructions: the same as the reference finds, however the bytes are cut, within the bound of memory; and
//! what was decoded is encoded to what decodes to it.

use guac_protocol::{Decoder, InstructionWriter, MAX_INSTRUCTION_BYTES, Parser};

use crate::reference::{self, End};

/// Whole instructions, opcode first, and whether an error ended them.
type Found = (Vec<Vec<String>>, bool);

/// The first bytes cut the rest into reads.
pub fn check(data: &[u8]) {
    let (reads, whole) = crate::pieces(data);
    let (expected, end) = reference::decode(whole);
    let expected = (expected, end != End::Open);
    let found = decode(&reads);
    assert_eq!(found, expected, "the decoder finds something else than the reference");
    assert_eq!(parse(&reads), expected, "the parser finds something else than the reference");
    assert_eq!(by_pieces(&reads), expected, "letting go of windows changes what is found");
    let written = encode(&found.0);
    assert_eq!(decode(&[&written]), (found.0, false), "what was written reads differently");
}

/// By a parser, in a buffer of the caller's.
fn parse(reads: &[&[u8]]) -> Found {
    let (mut parser, mut window, mut all) = (Parser::new(), Vec::new(), Vec::new());
    for read in reads {
        window.extend_from_slice(read);
        let mut batch = parser.instructions(&window);
        loop {
            match batch.next_instruction() {
                Ok(Some(instruction)) => {
                    let elements = std::iter::once(instruction.opcode()).chain(instruction.args());
                    all.push(elements.map(str::to_owned).collect());
                }
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
        let used = batch.consumed();
        window.drain(..used);
    }
    (all, false)
}

/// By a parser that lets go of every window in which no instruction ends.
fn by_pieces(reads: &[&[u8]]) -> Found {
    let mut parser = Parser::new();
    let (mut window, mut past, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for read in reads {
        window.extend_from_slice(read);
        loop {
            match if past.is_empty() { parser.find(&window) } else { parser.find_rest(&window) } {
                Ok(Some(len)) => {
                    past.extend(window.drain(..len));
                    all.extend(decode(&[&past]).0);
                    past.clear();
                }
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
        let kept = parser.release(&window);
        past.extend(window.drain(..window.len() - kept));
    }
    (all, false)
}

/// By a decoder, which owns its buffer.
fn decode(reads: &[&[u8]]) -> Found {
    let (mut decoder, mut all) = (Decoder::new(), Vec::new());
    for read in reads {
        if decoder.feed(read).is_err() {
            return (all, true);
        }
        loop {
            match decoder.next_instruction() {
                Ok(Some(instruction)) => {
                    let elements = std::iter::once(instruction.opcode()).chain(instruction.args());
                    all.push(elements.map(str::to_owned).collect());
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next_instruction().err(), Some(error), "a failed decoder stays failed");
                    return (all, true);
                }
            }
        }
        assert!(decoder.buffered_len() <= MAX_INSTRUCTION_BYTES + 3, "more than one instruction and half a character");
    }
    (all, false)
}

/// Instructions in the canonical form: no superfluous zeros in lengths.
pub(crate) fn encode(instructions: &[Vec<String>]) -> Vec<u8> {
    let mut out = Vec::new();
    for elements in instructions {
        let (opcode, arguments) = elements.split_first().expect("an instruction has an opcode");
        arguments.iter().fold(InstructionWriter::new(&mut out, opcode), |writer, text| writer.text(text)).end();
    }
    out
}
