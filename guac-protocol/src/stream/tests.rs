use proptest::prelude::*;

use super::*;
use crate::Decoder;

fn blobs(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes).unwrap();
    let mut found = Vec::new();
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        if instruction.opcode() == "blob" {
            let mut data = Vec::new();
            append_base64(instruction.arg(1).unwrap(), &mut data).unwrap();
            found.push(data);
        }
    }
    found
}

#[test]
fn each_side_counts_its_own_512_indices() {
    for (mut indices, first, last) in [
        (StreamAllocator::client(), 0, 511),
        (StreamAllocator::user(), 0, 1022),
        (StreamAllocator::broadcast(), 1, 1023),
    ] {
        let all: Vec<u32> = std::iter::from_fn(|| indices.allocate()).map(|stream| stream.0).collect();
        assert_eq!((all.len(), all[0], all[511]), (512, first, last));
        assert_eq!((indices.allocate(), indices.open_len()), (None, 512));
        assert!(indices.free(StreamIndex(last)) && !indices.free(StreamIndex(last)));
        assert_eq!(indices.allocate(), Some(StreamIndex(last)));
    }
}

#[test]
fn a_freed_index_rests_until_every_other_was_used() {
    let mut indices = StreamAllocator::client();
    let first = indices.allocate().unwrap();
    assert!(indices.free(first) && !indices.is_open(first));
    for expected in 1..512 {
        let stream = indices.allocate().unwrap();
        assert_eq!(stream, StreamIndex(expected));
        assert!(indices.free(stream));
    }
    assert_eq!(indices.allocate(), Some(first));
    assert_eq!(indices.allocate(), Some(StreamIndex(1)));
}

#[test]
fn broadcast_indices_are_odd_and_a_users_even() {
    let (mut user, mut all) = (StreamAllocator::user(), StreamAllocator::broadcast());
    for _ in 0..512 {
        assert_eq!(user.allocate().unwrap().0 % 2, 0);
        assert_eq!(all.allocate().unwrap().0 % 2, 1);
    }
    assert!(!user.free(StreamIndex(1)) && !all.free(StreamIndex(0)) && !all.free(StreamIndex(2)));
}

#[test]
fn a_user_sees_64_objects_and_not_65() {
    let mut objects = ObjectAllocator::default();
    assert_eq!(std::iter::from_fn(|| objects.allocate()).count(), 64);
    assert!(objects.free(ObjectIndex(5)) && !objects.free(ObjectIndex(5)));
    assert_eq!((objects.allocate(), objects.allocate()), (Some(ObjectIndex(5)), None));
}

#[test]
fn opening_an_open_index_ends_the_old_stream() {
    let mut table = StreamTable::new(2);
    assert_eq!(table.open(StreamIndex(0), "old"), Ok(None));
    assert_eq!(table.open(StreamIndex(7), "other"), Ok(None));
    assert_eq!(table.open(StreamIndex(0), "new"), Ok(Some("old")));
    assert_eq!(table.open(StreamIndex(1), "third"), Err(StreamError::TooManyStreams { limit: 2 }));
    assert_eq!(table.open(StreamIndex(1024), "beyond"), Err(StreamError::BadIndex { index: 1024 }));
    assert_eq!((table.close(StreamIndex(7)), table.close(StreamIndex(7)), table.len()), (Some("other"), None, 1));
}

#[test]
fn nothing_flows_before_the_first_answer_and_one_blob_per_answer_after_it() {
    let (mut stream, mut out) = (OutgoingStream::new(StreamIndex(2)), Vec::new());
    let data = vec![7; 2 * MAX_BLOB_BYTES + 10];
    assert_eq!((stream.room_bytes(), stream.send(&data, &mut out), stream.end(&mut out)), (0, Ok(0), Ok(false)));
    assert!(out.is_empty());
    let mut left = data.as_slice();
    for expected in [MAX_BLOB_BYTES, MAX_BLOB_BYTES, 10] {
        stream.handle_ack(Status::Success).unwrap();
        let taken = stream.send(left, &mut out).unwrap();
        assert_eq!((taken, stream.send(left, &mut out)), (expected, Ok(0)));
        left = &left[taken..];
    }
    assert_eq!(stream.end(&mut out), Ok(false), "the last blob is not answered");
    stream.handle_ack(Status::Success).unwrap();
    assert_eq!((stream.end(&mut out), stream.is_over()), (Ok(true), true));
    assert_eq!(blobs(&out).concat(), data);
    assert!(out.ends_with(b"3.end,1.2;"));
    assert_eq!((stream.send(b"x", &mut out), stream.sent_bytes()), (Err(StreamError::Closed), data.len() as u64));
}

#[test]
fn a_window_lets_that_many_blobs_be_under_way() {
    let window = NonZeroU32::new(3).unwrap();
    let (mut stream, mut out) = (OutgoingStream::with_window(StreamIndex(0), window), Vec::new());
    let data = vec![1; 10 * MAX_BLOB_BYTES];
    stream.handle_ack(Status::Success).unwrap();
    assert_eq!(stream.send(&data, &mut out), Ok(3 * MAX_BLOB_BYTES));
    stream.handle_ack(Status::Success).unwrap();
    assert_eq!(stream.send(&data, &mut out), Ok(MAX_BLOB_BYTES));
    assert_eq!(blobs(&out).len(), 4);
}

#[test]
fn answers_to_nothing_earn_no_credit() {
    let (mut stream, mut out) = (OutgoingStream::new(StreamIndex(0)), Vec::new());
    for _ in 0..5 {
        stream.handle_ack(Status::Success).unwrap();
    }
    assert_eq!(stream.send(&[0; 3 * MAX_BLOB_BYTES], &mut out), Ok(MAX_BLOB_BYTES));
}

#[test]
fn an_answer_that_is_no_success_ends_the_stream_for_good() {
    for before in [0, 1, 2] {
        let (mut stream, mut out) = (OutgoingStream::new(StreamIndex(0)), Vec::new());
        for _ in 0..before {
            stream.handle_ack(Status::Success).unwrap();
        }
        let aborted = StreamError::Aborted { status: Status::ClientForbidden };
        assert_eq!(stream.handle_ack(Status::ClientForbidden), Err(aborted.clone()));
        assert_eq!(stream.handle_ack(Status::Success), Err(aborted.clone()));
        assert_eq!((stream.send(b"x", &mut out), stream.end(&mut out)), (Err(aborted.clone()), Err(aborted.clone())));
        assert_eq!((out.len(), aborted.status()), (0, Status::ClientForbidden));
    }
}

#[test]
fn a_stream_at_its_limit_passes_and_one_byte_more_is_refused() {
    let mut data = Vec::new();
    let mut stream = IncomingStream::new(StreamIndex(1), 6);
    assert_eq!(stream.handle_blob("AAAA", &mut data), Ok(3));
    assert_eq!(stream.clone().handle_blob("AAAA", &mut data.clone()), Ok(3));
    assert_eq!(stream.handle_blob("AAAAAA==", &mut data), Err(StreamError::TooMuchData { limit: 6 }));
    assert_eq!((data.len(), stream.received_bytes()), (3, 3));
}

#[test]
fn who_sends_ahead_of_the_answers_is_refused_where_there_is_a_window() {
    let (mut data, mut out) = (Vec::new(), Vec::new());
    let mut paced = IncomingStream::new(StreamIndex(0), 100).with_window(NonZeroU32::MIN);
    assert_eq!(paced.handle_blob("AAAA", &mut data), Err(StreamError::TooManyBlobs { window: 1 }));
    paced.accept(&mut out);
    assert_eq!(paced.handle_blob("AAAA", &mut data), Ok(3));
    assert_eq!(paced.handle_blob("AAAA", &mut data), Err(StreamError::TooManyBlobs { window: 1 }));
    let mut free = IncomingStream::new(StreamIndex(0), 100);
    assert!((0..30).all(|_| free.handle_blob("AAAA", &mut data) == Ok(3)));
    assert_eq!(free.unanswered(), 31);
}

#[test]
fn what_is_not_base64_is_refused_and_leaves_nothing() {
    let mut data = b"kept".to_vec();
    for wrong in ["A", "A===", "ää==", "AA=A", "====", "AAAA\n"] {
        let refused = IncomingStream::new(StreamIndex(0), 100).handle_blob(wrong, &mut data);
        assert_eq!((refused, data.as_slice()), (Err(StreamError::NotBase64), &b"kept"[..]), "{wrong}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_arrives_with_any_window(len in 0_usize..60_000, window in 1_u32..9, given in 1_usize..20_000) {
        let data: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let window = NonZeroU32::new(window).unwrap();
        let mut sender = OutgoingStream::with_window(StreamIndex(4), window);
        let mut receiver = IncomingStream::new(StreamIndex(4), 60_000).with_window(window);
        let (mut received, mut left, mut ended) = (Vec::new(), data.as_slice(), false);
        let mut answers = Vec::new();
        receiver.accept(&mut answers);
        let mut rounds = 1_u32;
        while !ended {
            for _ in 0..rounds {
                sender.handle_ack(Status::Success).unwrap();
            }
            let mut out = Vec::new();
            while !left.is_empty() && sender.room_bytes() > 0 {
                let taken = sender.send(&left[..given.min(left.len())], &mut out).unwrap();
                left = &left[taken..];
            }
            if left.is_empty() {
                ended = sender.end(&mut out).unwrap();
            }
            rounds = 0;
            let mut decoder = Decoder::new();
            decoder.feed(&out).unwrap();
            while let Some(instruction) = decoder.next_instruction().unwrap() {
                if instruction.opcode() == "blob" {
                    let took = receiver.handle_blob(instruction.arg(1).unwrap(), &mut received).unwrap();
                    prop_assert!(took <= MAX_BLOB_BYTES);
                    receiver.accept(&mut answers);
                    rounds += 1;
                }
            }
            prop_assert!(rounds <= window.get());
        }
        prop_assert_eq!(received, data);
    }
}

#[test]
fn a_blob_carries_6048_bytes_and_not_one_more() {
    let mut stream = OutgoingStream::new(StreamIndex(0));
    stream.handle_ack(Status::Success).unwrap();
    let mut out = Vec::new();
    assert_eq!(stream.send(&[0; 6049], &mut out), Ok(6048));
    assert_eq!(out, format!("4.blob,1.0,8064.{};", "A".repeat(8064)).into_bytes());
}
