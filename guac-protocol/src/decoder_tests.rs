use proptest::prelude::*;

use super::*;
use crate::{InstructionWriter, MAX_ELEMENT_CODE_POINTS, MAX_ELEMENTS, MAX_INSTRUCTION_BYTES};

fn decode(chunks: &[&[u8]]) -> Result<Vec<Vec<String>>, DecodeError> {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk)?;
        while let Some(instruction) = decoder.next_instruction()? {
            let mut elements = vec![instruction.opcode().to_owned()];
            elements.extend(instruction.args().map(str::to_owned));
            all.push(elements);
        }
    }
    Ok(all)
}

fn encode(elements: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    let (opcode, arguments) = elements.split_first().expect("an opcode");
    arguments.iter().fold(InstructionWriter::new(&mut out, opcode), |w, text| w.text(text)).end();
    out
}

#[test]
fn counts_code_points_not_bytes_or_utf_16_units() {
    let decoded = decode(&["4.name,3.a😀ß,0.;0.;".as_bytes()]).unwrap();
    assert_eq!(decoded, [vec!["name".to_owned(), "a😀ß".into(), String::new()], vec![String::new()]]);
}

#[test]
fn separators_inside_values_are_data() {
    assert_eq!(decode(&[b"3.log,7.a;b,1.c;"]).unwrap(), [["log", "a;b,1.c"]]);
}

#[test]
fn accepts_8192_code_points_and_rejects_8193() {
    for filler in ["x", "é", "😀"] {
        let value = filler.repeat(MAX_ELEMENT_CODE_POINTS);
        let fits = encode(&["log".into(), value.clone()]);
        if fits.len() <= MAX_INSTRUCTION_BYTES {
            assert_eq!(decode(&[&fits]).unwrap(), [["log".to_owned(), value.clone()]]);
        }
        let error = decode(&[&encode(&["log".into(), value + filler])]).unwrap_err();
        assert!(matches!(error, DecodeError::ElementTooLong { length: 8193, .. }), "{error}");
    }
}

#[test]
fn accepts_128_elements_and_rejects_129() {
    assert_eq!(decode(&[&encode(&vec!["x".to_owned(); 128])]).unwrap()[0].len(), 128);
    assert_eq!(decode(&[&encode(&vec!["x".to_owned(); 129])]), Err(DecodeError::TooManyElements { limit: 128 }));
}

#[test]
fn accepts_32768_bytes_and_rejects_one_more() {
    let of_len = |len: usize| {
        let mut elements = vec!["log".to_owned(), "x".repeat(8190), "x".repeat(8190), "x".repeat(8190)];
        let missing = len - encode(&elements).len() - 6;
        elements.push("x".repeat(missing));
        encode(&elements)
    };
    assert_eq!(of_len(MAX_INSTRUCTION_BYTES).len(), MAX_INSTRUCTION_BYTES);
    assert!(decode(&[&of_len(MAX_INSTRUCTION_BYTES)]).is_ok());
    let too_long = DecodeError::InstructionTooLong { limit: MAX_INSTRUCTION_BYTES };
    assert_eq!(decode(&[&of_len(MAX_INSTRUCTION_BYTES + 1)]), Err(too_long));
}

#[test]
fn an_endless_partial_instruction_is_refused_within_the_limit() {
    let mut decoder = Decoder::new();
    let mut fed = 0;
    let error = loop {
        decoder.feed(b"9.123456789,").unwrap();
        fed += 12;
        match decoder.next_instruction() {
            Ok(None) => assert!(fed <= MAX_INSTRUCTION_BYTES + 12),
            Ok(Some(_)) => panic!("never whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, DecodeError::TooManyElements { limit: MAX_ELEMENTS });
    assert_eq!(decoder.feed(b"4.sync;"), Err(error), "a failed decoder stays failed");
}

#[test]
fn rejects_what_is_no_instruction() {
    assert_eq!(decode(&[b"GET / HTTP/1.1"]), Err(DecodeError::BadLength { found: b'G' }));
    assert_eq!(decode(&[b".;"]), Err(DecodeError::BadLength { found: b'.' }));
    assert_eq!(decode(&[b"-1.x;"]), Err(DecodeError::BadLength { found: b'-' }));
    assert_eq!(decode(&[b"3.keyX"]), Err(DecodeError::BadTerminator { length: 3, found: b'X' }));
    assert!(matches!(decode(&[b"123456.x"]), Err(DecodeError::ElementTooLong { .. })));
    assert_eq!(decode(&[b"3.\xff\xff\xff;"]), Err(DecodeError::NotUtf8 { offset: 2 }));
}

#[test]
fn raw_text_is_the_instruction_as_received() {
    let mut decoder = Decoder::new();
    decoder.feed("4.name,2.äö;3.nop;".as_bytes()).unwrap();
    assert_eq!(decoder.next_instruction().unwrap().unwrap().raw(), "4.name,2.äö;");
    assert_eq!(decoder.next_instruction().unwrap().unwrap().raw(), "3.nop;");
    decoder.release_if_idle();
    assert_eq!(decoder.buffered_len(), 0);
}

proptest! {
    #[test]
    fn decoding_what_was_encoded_gives_it_back_however_it_is_split(
        instructions in prop::collection::vec(prop::collection::vec(".{0,40}", 1..8), 1..6),
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes: Vec<u8> = instructions.iter().flat_map(|elements| encode(elements)).collect();
        let mut cuts: Vec<usize> = splits.iter().map(|split| split.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(decode(&chunks).unwrap(), instructions);
    }

    #[test]
    fn arbitrary_bytes_never_hold_more_than_the_limit(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let mut decoder = Decoder::new();
        for chunk in bytes.chunks(97) {
            if decoder.feed(chunk).is_err() {
                break;
            }
            while let Ok(Some(instruction)) = decoder.next_instruction() {
                prop_assert!(instruction.raw().ends_with(';'));
            }
            prop_assert!(decoder.buffered_len() <= MAX_INSTRUCTION_BYTES + 97);
        }
    }
}
