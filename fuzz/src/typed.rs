//! Instructions to typed ones: refused, or written as something that reads as the same.

use guac_protocol::{ClientInstruction, Decoder, Encode, Instruction, MAX_INSTRUCTION_BYTES, ServerInstruction};

/// Any bytes as instructions of both directions.
pub fn check(data: &[u8]) {
    let mut decoder = Decoder::new();
    if decoder.feed(data).is_err() {
        return;
    }
    while let Ok(Some(instruction)) = decoder.next_instruction() {
        again(&instruction, |instruction| Some(ClientInstruction::try_from(instruction).ok()?.to_bytes()));
        again(&instruction, |instruction| Some(ServerInstruction::try_from(instruction).ok()?.to_bytes()));
    }
}

/// What `rewrite` writes of an instruction must read, and be written the same.
fn again(instruction: &Instruction<'_>, rewrite: impl Fn(&Instruction<'_>) -> Option<Vec<u8>>) {
    let Some(written) = rewrite(instruction) else { return };
    let mut decoder = Decoder::new();
    decoder.feed(&written).expect("what is written is UTF-8");
    let Ok(Some(instruction)) = decoder.next_instruction() else {
        // Numbers may grow when they are written in full, so that a very long instruction does not fit again.
        assert!(written.len() > MAX_INSTRUCTION_BYTES / 2, "what is written is one instruction");
        return;
    };
    let twice = rewrite(&instruction).expect("what is written has arguments of the right type");
    assert!(twice == written, "written twice, it differs");
}
