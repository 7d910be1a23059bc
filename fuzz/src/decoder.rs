//! Bytes to instructions: the same as the reference finds, however the bytes are cut, within the bound of memory; and
//! what was decoded is encoded to what decodes to it.

use guac_protocol::{Decoder, InstructionWriter, MAX_INSTRUCTION_BYTES};

use crate::reference::{self, End};

/// The first bytes cut the rest into reads.
pub fn check(data: &[u8]) {
    let (reads, whole) = crate::pieces(data);
    let (expected, end) = reference::decode(whole);
    let (found, failed) = decode(&reads);
    match end {
        End::NotUtf8 => assert!(failed && expected.starts_with(&found), "instructions out of nowhere"),
        End::Open | End::Malformed => {
            assert_eq!(found, expected, "other instructions than the reference");
            assert_eq!(failed, end == End::Malformed, "another end than the reference");
        }
    }
    let written = encode(&found);
    assert_eq!(decode(&[&written]), (found, false), "what was written reads differently");
}

/// The instructions, and whether an error ended them.
fn decode(reads: &[&[u8]]) -> (Vec<Vec<String>>, bool) {
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
