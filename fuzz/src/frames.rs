//! WebSocket frames: what is sent arrives, however it is split into frames and reads; what is hostile ends in an error,
//! the same however it is cut, and no message passes the limit.

use guac_tunnel::{FrameDecoder, FrameEvent, FrameHeader, FrameKind, FrameSender, unmask};

/// Longest message that the decoder under test takes: small, so that it is met.
const LIMIT: usize = 300;

/// The first byte chooses, the next ones cut the rest into frames or reads.
pub fn check(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    let sender = if kind & 2 == 0 { FrameSender::Client } else { FrameSender::Server };
    if kind & 1 == 0 { hostile(sender, rest) } else { honest(sender, rest) }
}

/// What a decoder found, consecutive pieces of one message joined.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    End,
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

fn decode(sender: FrameSender, reads: &[&[u8]]) -> (Vec<Seen>, bool) {
    let (mut decoder, mut seen) = (FrameDecoder::new(sender, LIMIT), Vec::new());
    for read in reads {
        let mut copy = read.to_vec();
        let mut input = copy.as_mut_slice();
        loop {
            match decoder.next_event(&mut input) {
                Ok(Some(event)) => take(&mut seen, &event),
                Ok(None) => break,
                Err(error) => {
                    let again = decoder.next_event(&mut input).expect_err("a failed decoder stays failed");
                    assert_eq!(again, error);
                    return (seen, true);
                }
            }
        }
    }
    (seen, false)
}

fn take(seen: &mut Vec<Seen>, event: &FrameEvent<'_>) {
    match (event, seen.last_mut()) {
        (FrameEvent::Text(bytes), Some(Seen::Text(known))) | (FrameEvent::Binary(bytes), Some(Seen::Binary(known))) => {
            known.extend_from_slice(bytes);
        }
        (FrameEvent::Text(bytes), _) => seen.push(Seen::Text(bytes.to_vec())),
        (FrameEvent::Binary(bytes), _) => seen.push(Seen::Binary(bytes.to_vec())),
        (FrameEvent::MessageEnd, _) => seen.push(Seen::End),
        (FrameEvent::Ping(bytes), _) => seen.push(Seen::Ping(bytes.to_vec())),
        (FrameEvent::Pong, _) => seen.push(Seen::Pong),
        (FrameEvent::Close(code), _) => seen.push(Seen::Close(*code)),
    }
}

fn hostile(sender: FrameSender, data: &[u8]) {
    let (reads, whole) = crate::pieces(data);
    let found = decode(sender, &reads);
    assert_eq!(found, decode(sender, &[whole]), "cut elsewhere, it reads differently");
    let mut message = 0;
    for seen in &found.0 {
        match seen {
            Seen::Text(bytes) | Seen::Binary(bytes) => message += bytes.len(),
            Seen::End => message = 0,
            Seen::Ping(payload) => assert!(payload.len() <= 125, "a long ping"),
            Seen::Pong | Seen::Close(_) => {}
        }
        assert!(message <= LIMIT, "a message beyond the limit");
    }
}

/// The pieces are the frames of one text message, with a ping between any two.
fn honest(sender: FrameSender, data: &[u8]) {
    let (frames, whole) = crate::pieces(data);
    let mask = (sender == FrameSender::Client).then_some([0xA1, 0x02, 0x7F, 0x00]);
    let mut wire = Vec::new();
    let mut put = |kind, last, payload: &[u8]| {
        wire.extend_from_slice(FrameHeader::new(kind, last, payload.len(), mask).as_bytes());
        let mut copy = payload.to_vec();
        unmask(&mut copy, mask.unwrap_or_default());
        wire.extend_from_slice(&copy);
    };
    let last = frames.len().saturating_sub(1);
    for (index, payload) in frames.iter().enumerate() {
        put(if index == 0 { FrameKind::Text } else { FrameKind::Continuation }, index == last, payload);
        put(FrameKind::Ping, true, &[7]);
    }
    let (seen, failed) = decode(sender, &[&wire]);
    assert_eq!(failed, whole.len() > LIMIT, "the limit passes and one more fails");
    if !failed {
        let text = seen.iter().flat_map(|seen| if let Seen::Text(bytes) = seen { bytes.as_slice() } else { &[] });
        assert!(text.eq(whole), "what was sent arrives");
        assert_eq!(seen.iter().filter(|&seen| *seen == Seen::End).count(), 1.min(frames.len()), "as one message");
        assert_eq!(seen.iter().filter(|&seen| *seen == Seen::Ping(vec![7])).count(), frames.len(), "pings in between");
    }
}
