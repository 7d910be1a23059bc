use proptest::prelude::*;

use super::*;

/// What a decoder says, in a form that does not depend on where the input was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    Message(FrameKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// Feeds `bytes` in the pieces that `cuts` give, over and over, and puts messages together.
fn decode(sender: FrameSender, limit: usize, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Heard>, FrameError> {
    let mut decoder = FrameDecoder::new(sender, limit);
    let (mut heard, mut message) = (Vec::new(), (FrameKind::Text, Vec::new()));
    let mut bytes = bytes.to_vec();
    let mut rest = bytes.as_mut_slice();
    for &cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut piece, later) = rest.split_at_mut(cut.clamp(1, rest.len()));
        rest = later;
        while let Some(event) = decoder.next_event(&mut piece)? {
            match event {
                FrameEvent::Text(part) => message.1.extend_from_slice(part),
                FrameEvent::Binary(part) => {
                    message.0 = FrameKind::Binary;
                    message.1.extend_from_slice(part);
                }
                FrameEvent::MessageEnd => {
                    let (kind, whole) = std::mem::replace(&mut message, (FrameKind::Text, Vec::new()));
                    heard.push(Heard::Message(kind, whole));
                }
                FrameEvent::Ping(payload) => heard.push(Heard::Ping(payload.to_vec())),
                FrameEvent::Pong => heard.push(Heard::Pong),
                FrameEvent::Close(code) => heard.push(Heard::Close(code)),
            }
        }
    }
    Ok(heard)
}

fn frame(kind: FrameKind, last: bool, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = FrameHeader::new(kind, last, payload.len(), mask).as_bytes().to_vec();
    let mut payload = payload.to_vec();
    unmask(&mut payload, mask.unwrap_or_default());
    out.extend_from_slice(&payload);
    out
}

fn decode_one(bytes: &[u8]) -> Result<Vec<Heard>, FrameError> {
    decode(FrameSender::Client, 1024, bytes, &[usize::MAX])
}

const MASK: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

#[test]
fn reads_the_examples_of_the_rfc() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(decode_one(&hello), Ok(vec![Heard::Message(FrameKind::Text, b"Hello".to_vec())]));
    assert_eq!(frame(FrameKind::Text, true, b"Hello", MASK), hello);
    let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    let heard = decode(FrameSender::Server, 5, &fragments, &[usize::MAX]);
    assert_eq!(heard, Ok(vec![Heard::Message(FrameKind::Text, b"Hello".to_vec())]));
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(decode_one(&pong), Ok(vec![Heard::Pong]));
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_fails_before_it_is_sent() {
    let payload = vec![b'x'; 1024];
    assert!(decode_one(&frame(FrameKind::Text, true, &payload, MASK)).is_ok());
    let header = FrameHeader::new(FrameKind::Text, true, 1025, MASK);
    assert_eq!(decode_one(header.as_bytes()), Err(FrameError::TooLong { limit: 1024 }));
    let mut fragments = frame(FrameKind::Text, false, &payload, MASK);
    fragments.extend(frame(FrameKind::Continuation, true, b"x", MASK));
    assert_eq!(decode_one(&fragments), Err(FrameError::TooLong { limit: 1024 }));
}

#[test]
fn lengths_around_the_steps_of_the_header_arrive() {
    for length in [1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let payload = vec![b'y'; length];
        let bytes = frame(FrameKind::Binary, true, &payload, MASK);
        let heard = decode(FrameSender::Client, 70_000, &bytes, &[1000]);
        assert_eq!(heard, Ok(vec![Heard::Message(FrameKind::Binary, payload)]), "{length}");
    }
}

#[test]
fn breaches_of_the_rfc_are_refused() {
    let mask = [1, 2, 3, 4];
    let long_control = frame(FrameKind::Ping, true, &[0; 126], MASK);
    let mut nested = frame(FrameKind::Text, false, b"a", MASK);
    nested.extend(frame(FrameKind::Text, true, b"b", MASK));
    let wasteful: Vec<u8> = [0x81, 0xfe, 0, 5].into_iter().chain(mask).chain(*b"Hello").collect();
    let negative: Vec<u8> = [0x81, 0xff, 0x80].into_iter().chain([0; 7]).chain(mask).collect();
    for (bytes, error) in [
        (frame(FrameKind::Text, true, b"x", None), FrameError::Masking),
        (frame(FrameKind::Continuation, true, b"x", MASK), FrameError::Interleaved),
        (nested, FrameError::Interleaved),
        (frame(FrameKind::Ping, false, b"x", MASK), FrameError::BadControl),
        (long_control, FrameError::BadControl),
        (wasteful, FrameError::BadLength),
        (negative, FrameError::BadLength),
        (vec![0xc1, 0x80, 1, 2, 3, 4], FrameError::ReservedBits),
        (vec![0x83, 0x80, 1, 2, 3, 4], FrameError::UnknownKind { kind: 3 }),
        (frame(FrameKind::Close, true, &[3], MASK), FrameError::BadClose),
        (frame(FrameKind::Close, true, &1005_u16.to_be_bytes(), MASK), FrameError::BadClose),
        (frame(FrameKind::Close, true, &[3, 232, 0xff], MASK), FrameError::BadClose),
    ] {
        assert_eq!(decode_one(&bytes), Err(error), "{bytes:?}");
    }
    let masked = frame(FrameKind::Text, true, b"x", MASK);
    assert_eq!(decode(FrameSender::Server, 9, &masked, &[9]), Err(FrameError::Masking));
}

#[test]
fn a_failed_decoder_stays_failed() {
    let mut decoder = FrameDecoder::new(FrameSender::Client, 9);
    let mut bytes = frame(FrameKind::Text, true, b"x", None);
    assert_eq!(decoder.next_event(&mut bytes.as_mut_slice()), Err(FrameError::Masking));
    let mut good = frame(FrameKind::Text, true, b"x", MASK);
    assert_eq!(decoder.next_event(&mut good.as_mut_slice()), Err(FrameError::Masking));
}

#[test]
fn control_frames_may_come_within_a_message() {
    let mut bytes = frame(FrameKind::Text, false, b"3.n", MASK);
    bytes.extend(frame(FrameKind::Ping, true, b"there?", MASK));
    bytes.extend(frame(FrameKind::Continuation, true, b"op;", MASK));
    bytes.extend(frame(FrameKind::Close, true, &1000_u16.to_be_bytes(), MASK));
    let expected = vec![
        Heard::Ping(b"there?".to_vec()),
        Heard::Message(FrameKind::Text, b"3.nop;".to_vec()),
        Heard::Close(Some(1000)),
    ];
    assert_eq!(decode_one(&bytes), Ok(expected));
}

#[derive(Debug, Clone)]
struct Said {
    kind: FrameKind,
    fragments: Vec<Vec<u8>>,
    mask: [u8; 4],
    ping: Option<Vec<u8>>,
}

fn said() -> impl Strategy<Value = Said> {
    let kind = prop_oneof![Just(FrameKind::Text), Just(FrameKind::Binary)];
    let fragment = proptest::collection::vec(any::<u8>(), 0..300);
    let ping = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..=MAX_CONTROL_BYTES));
    (kind, proptest::collection::vec(fragment, 1..4), any::<[u8; 4]>(), ping)
        .prop_map(|(kind, fragments, mask, ping)| Said { kind, fragments, mask, ping })
}

proptest! {
    #[test]
    fn decode_after_encode_is_identity_however_the_bytes_are_split(
        all in proptest::collection::vec(said(), 1..5),
        cuts in proptest::collection::vec(1_usize..40, 1..8),
        client in any::<bool>(),
    ) {
        let sender = if client { FrameSender::Client } else { FrameSender::Server };
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for message in &all {
            let mask = client.then_some(message.mask);
            for (index, fragment) in message.fragments.iter().enumerate() {
                let kind = if index == 0 { message.kind } else { FrameKind::Continuation };
                let last = index + 1 == message.fragments.len();
                if last && let Some(ping) = &message.ping {
                    bytes.extend(frame(FrameKind::Ping, true, ping, mask));
                    expected.push(Heard::Ping(ping.clone()));
                }
                bytes.extend(frame(kind, last, fragment, mask));
            }
            let whole = message.fragments.concat();
            // An empty message has no bytes to tell its kind by, and none that matter.
            let kind = if whole.is_empty() { FrameKind::Text } else { message.kind };
            expected.push(Heard::Message(kind, whole));
        }
        prop_assert_eq!(decode(sender, 900, &bytes, &cuts), Ok(expected));
    }

    #[test]
    fn any_bytes_and_any_split_give_the_same_end(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        cuts in proptest::collection::vec(1_usize..20, 1..6),
        client in any::<bool>(),
    ) {
        let sender = if client { FrameSender::Client } else { FrameSender::Server };
        let whole = decode(sender, 200, &bytes, &[usize::MAX]);
        prop_assert_eq!(decode(sender, 200, &bytes, &cuts), whole);
    }
}
