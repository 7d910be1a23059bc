//! `Parser` and `Decoder` against a reference that does the same thing slowly: character by character, over all of
//! the input at once, owning everything.

use guac_protocol::{
    DecodeError, Decoder, InstructionWriter, MAX_ELEMENT_CODE_POINTS, MAX_ELEMENTS, MAX_INSTRUCTION_BYTES, Parser,
};
use proptest::prelude::*;

/// Instructions, each a list of elements, and what ended them.
type Outcome = (Vec<Vec<String>>, Option<&'static str>);

fn kind(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::NotUtf8 { .. } => "utf-8",
        DecodeError::BadLength { .. } => "length",
        DecodeError::BadTerminator { .. } => "terminator",
        DecodeError::ElementTooLong { .. } => "element",
        DecodeError::TooManyElements { .. } => "elements",
        DecodeError::InstructionTooLong { .. } => "instruction",
        _ => "other",
    }
}

fn reference(bytes: &[u8]) -> Outcome {
    let (mut text, broken) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap(), error.error_len().is_some()),
    };
    let mut all = Vec::new();
    loop {
        match reference_instruction(text) {
            Ok(Some((elements, len))) => {
                all.push(elements);
                text = &text[len..];
            }
            Ok(None) if text.len() > MAX_INSTRUCTION_BYTES => return (all, Some("instruction")),
            Ok(None) => return (all, broken.then_some("utf-8")),
            Err(kind) => return (all, Some(kind)),
        }
    }
}

fn reference_instruction(text: &str) -> Result<Option<(Vec<String>, usize)>, &'static str> {
    let mut characters = text.char_indices().take_while(|&(at, c)| at + c.len_utf8() <= MAX_INSTRUCTION_BYTES);
    let mut elements = Vec::new();
    loop {
        let mut digits = String::new();
        loop {
            match characters.next() {
                None => return Ok(None),
                Some((_, digit)) if digit.is_ascii_digit() && digits.len() < 5 => digits.push(digit),
                Some((_, digit)) if digit.is_ascii_digit() => return Err("element"),
                Some((_, '.')) if !digits.is_empty() => break,
                Some(_) => return Err("length"),
            }
        }
        let length: usize = digits.parse().unwrap();
        if length > MAX_ELEMENT_CODE_POINTS {
            return Err("element");
        }
        let value: String = characters.by_ref().take(length).map(|(_, c)| c).collect();
        if value.chars().count() < length {
            return Ok(None);
        }
        let Some((at, terminator)) = characters.next() else { return Ok(None) };
        if elements.len() == MAX_ELEMENTS {
            return Err("elements");
        }
        elements.push(value);
        match terminator {
            ',' => {}
            ';' => return Ok(Some((elements, at + 1))),
            _ => return Err("terminator"),
        }
    }
}

fn by_decoder(chunks: &[&[u8]]) -> Outcome {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk).unwrap();
        loop {
            match decoder.next_instruction() {
                Ok(Some(instruction)) => {
                    let mut elements = vec![instruction.opcode().to_owned()];
                    elements.extend(instruction.args().map(str::to_owned));
                    all.push(elements);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.feed(b"3.nop;"), Err(error.clone()), "a failed decoder stays failed");
                    return (all, Some(kind(&error)));
                }
            }
        }
        assert!(decoder.buffered_len() <= MAX_INSTRUCTION_BYTES + 3, "one partial instruction at most");
        decoder.release_if_idle();
    }
    (all, None)
}

/// How the parser is used in [`by_parser`].
#[derive(Clone, Copy, Debug)]
enum Way {
    Batch,
    One,
    Offsets,
}

fn by_parser(chunks: &[&[u8]], way: Way) -> Outcome {
    let mut parser = Parser::new();
    let (mut buffer, mut all) = (Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        let (used, error) = match way {
            Way::Batch => batch(&mut parser, &buffer, &mut all),
            Way::One => one_by_one(&mut parser, &buffer, &mut all),
            Way::Offsets => offsets(&mut parser, &buffer, &mut all),
        };
        if let Some(error) = error {
            assert_eq!(parser.find(b"3.nop;"), Err(error.clone()), "a failed parser stays failed");
            return (all, Some(kind(&error)));
        }
        buffer.drain(..used);
    }
    (all, None)
}

/// With every window let go of in which no instruction ends.
fn by_pieces(chunks: &[&[u8]]) -> Outcome {
    let mut parser = Parser::new();
    let (mut window, mut past, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for chunk in chunks {
        window.extend_from_slice(chunk);
        loop {
            let rest = !past.is_empty();
            match if rest { parser.find_rest(&window) } else { parser.find(&window) } {
                Ok(Some(len)) => {
                    past.extend(window.drain(..len));
                    let mut own = Parser::new();
                    let whole = own.parse(&past).unwrap().unwrap();
                    all.push(whole.element_ranges().map(|range| whole.raw()[range].to_owned()).collect());
                    past.clear();
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(parser.find_rest(b"3.nop;"), Err(error.clone()), "a failed parser stays failed");
                    return (all, Some(kind(&error)));
                }
            }
        }
        let kept = parser.release(&window);
        assert!(kept <= 8, "{kept}");
        past.extend(window.drain(..window.len() - kept));
    }
    (all, None)
}

fn batch(parser: &mut Parser, window: &[u8], all: &mut Vec<Vec<String>>) -> (usize, Option<DecodeError>) {
    let mut batch = parser.instructions(window);
    loop {
        let from = batch.consumed();
        match batch.next_instruction() {
            Ok(Some(instruction)) => {
                let elements: Vec<&str> = std::iter::once(instruction.opcode()).chain(instruction.args()).collect();
                let ranges = instruction.element_ranges().map(|range| &instruction.raw()[range]);
                assert_eq!(ranges.collect::<Vec<_>>(), elements);
                all.push(elements.into_iter().map(str::to_owned).collect());
                let raw = instruction.raw().to_owned();
                assert_eq!(raw.as_bytes(), &window[from..batch.consumed()]);
            }
            Ok(None) => return (batch.consumed(), None),
            Err(error) => return (batch.consumed(), Some(error)),
        }
    }
}

fn one_by_one(parser: &mut Parser, window: &[u8], all: &mut Vec<Vec<String>>) -> (usize, Option<DecodeError>) {
    let mut used = 0;
    loop {
        match parser.parse(&window[used..]) {
            Ok(Some(instruction)) => {
                all.push(instruction.element_ranges().map(|range| instruction.raw()[range].to_owned()).collect());
                used += instruction.raw().len();
            }
            Ok(None) => return (used, None),
            Err(error) => return (used, Some(error)),
        }
    }
}

fn offsets(parser: &mut Parser, window: &[u8], all: &mut Vec<Vec<String>>) -> (usize, Option<DecodeError>) {
    let mut used = 0;
    loop {
        match parser.find(&window[used..]) {
            Ok(Some(len)) => {
                let text = std::str::from_utf8(&window[used..used + len]).unwrap();
                all.push(parser.element_ranges().map(|range| text[range].to_owned()).collect());
                used += len;
            }
            Ok(None) => return (used, None),
            Err(error) => return (used, Some(error)),
        }
    }
}

fn agree(bytes: &[u8], splits: &[prop::sample::Index]) -> Result<(), TestCaseError> {
    let mut cuts: Vec<usize> = splits.iter().map(|split| split.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
    let expected = reference(bytes);
    prop_assert_eq!(&by_decoder(&chunks), &expected, "decoder");
    prop_assert_eq!(&by_pieces(&chunks), &expected, "parser, by pieces");
    for way in [Way::Batch, Way::One, Way::Offsets] {
        prop_assert_eq!(&by_parser(&chunks, way), &expected, "parser, {:?}", way);
    }
    Ok(())
}

fn encode(instructions: &[Vec<String>]) -> Vec<u8> {
    let mut out = Vec::new();
    for elements in instructions {
        let (opcode, arguments) = elements.split_first().expect("an opcode");
        arguments.iter().fold(InstructionWriter::new(&mut out, opcode), |writer, text| writer.text(text)).end();
    }
    out
}

fn element() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z0-9./+-]{0,20}",
        4 => ".{0,40}",
        2 => "[a-zß中😀]{0,200}",
        1 => (prop::sample::select(vec!["x", "é", "中", "😀", "x中"]), 0_usize..8300).prop_map(|(s, n)| s.repeat(n)),
    ]
}

fn stream() -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(element(), 1..7), 1..8)
}

fn splits() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

/// A change of one byte.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    Put(u8),
    Insert(u8),
    Remove,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = || prop_oneof![any::<u8>(), prop::sample::select(b"0123456789.,;".to_vec())];
    prop_oneof![byte().prop_map(Mutation::Put), byte().prop_map(Mutation::Insert), Just(Mutation::Remove)]
}

proptest! {
    #[test]
    fn parser_and_decoder_agree_with_a_naive_reference_on_valid_input(stream in stream(), splits in splits()) {
        agree(&encode(&stream), &splits)?;
    }

    #[test]
    fn parser_and_decoder_agree_with_a_naive_reference_on_damaged_input(
        stream in stream(),
        splits in splits(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), mutation()), 1..4),
    ) {
        let mut bytes = encode(&stream);
        for (at, mutation) in mutations {
            let at = at.index(bytes.len().max(1));
            match mutation {
                _ if at >= bytes.len() => {}
                Mutation::Put(byte) => bytes[at] = byte,
                Mutation::Insert(byte) => bytes.insert(at, byte),
                Mutation::Remove => { bytes.remove(at); }
            }
        }
        agree(&bytes, &splits)?;
    }

    #[test]
    fn parser_and_decoder_agree_with_a_naive_reference_on_noise(
        bytes in prop::collection::vec(
            prop_oneof![3 => prop::sample::select(b"00123.,;x".to_vec()), 1 => any::<u8>()],
            0..200,
        ),
        splits in splits(),
    ) {
        agree(&bytes, &splits)?;
    }
}

#[test]
fn every_split_in_two_gives_the_same() {
    let texts: [&[u8]; 6] = [
        "4.name,6.Zoë 😀!;3.nop;0.,4.ping,1.7;".as_bytes(),
        b"3.nop;2.\xC3\xA9\xC3\xA9;3.nop;2.a\xC3;3.nop;",
        b"3.nop;1.\xF0\x9F\x98\x80,1.\xF0\x9F\x98;",
        b"3.nop;4.\xED\xA0\x80x;",
        b"12.aaaaaaaaaaaa,3.\xE4\xB8\xADxy,10.0123456789;3.keyX",
        b"1.\x80;",
    ];
    for bytes in texts {
        let expected = reference(bytes);
        for cut in 0..=bytes.len() {
            let chunks = [&bytes[..cut], &bytes[cut..]];
            assert_eq!(by_decoder(&chunks), expected, "{cut}");
            assert_eq!(by_pieces(&chunks), expected, "{cut} by pieces");
            for way in [Way::Batch, Way::One, Way::Offsets] {
                assert_eq!(by_parser(&chunks, way), expected, "{cut} {way:?}");
            }
        }
    }
}

#[test]
fn the_limit_of_an_instruction_is_the_same_byte_for_all_of_any_split() {
    for filler in ["x", "é", "😀"] {
        for size in MAX_INSTRUCTION_BYTES - 4..=MAX_INSTRUCTION_BYTES + 4 {
            let mut elements = vec!["log".to_owned()];
            while encode(std::slice::from_ref(&elements)).len() + 6 < size {
                let missing = size - encode(std::slice::from_ref(&elements)).len();
                elements.push(filler.repeat((missing.min(8000) - 5) / filler.len()));
            }
            let missing = size.saturating_sub(encode(std::slice::from_ref(&elements)).len());
            elements.last_mut().unwrap().push_str(&"y".repeat(missing));
            let bytes = encode(&[elements, vec!["nop".into()]]);
            let expected = reference(&bytes);
            for read in [1000, 8192, 32_768, 65_536] {
                let chunks: Vec<&[u8]> = bytes.chunks(read).collect();
                assert_eq!(by_decoder(&chunks), expected);
                assert_eq!(by_pieces(&chunks), expected);
                assert_eq!(by_parser(&chunks, Way::Batch), expected);
                assert_eq!(by_parser(&chunks, Way::Offsets), expected);
            }
        }
    }
}
