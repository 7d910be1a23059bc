use proptest::prelude::*;

use super::download::{MAX_QUEUED_BYTES, WINDOW_BLOBS};
use super::*;
use guac_protocol::{InstructionWriter, MAX_BLOB_BYTES, ServerInstruction};

fn blob(stream: u32, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    InstructionWriter::new(&mut out, "blob").arg(&StreamIndex(stream)).base64(data).end();
    out
}

fn ack(stream: u32, status: Status) -> Bytes {
    ServerInstruction::Ack { stream: StreamIndex(stream), message: "said", status }.to_bytes().into()
}

fn end(stream: u32) -> Vec<u8> {
    ServerInstruction::End { stream: StreamIndex(stream) }.to_bytes()
}

fn sync() -> Vec<u8> {
    ServerInstruction::Sync { timestamp_ms: 7, frames: None }.to_bytes()
}

fn batch(pieces: &[&[u8]]) -> Bytes {
    pieces.concat().into()
}

/// All that goes to the session now, instruction by instruction.
fn to_session(mux: &mut Mux) -> Vec<String> {
    std::iter::from_fn(|| {
        let mut out = Vec::new();
        mux.poll_session(&mut out).then(|| String::from_utf8(out).unwrap())
    })
    .collect()
}

fn to_browser(mux: &mut Mux) -> String {
    let all: Vec<u8> = std::iter::from_fn(|| mux.poll_browser()).flatten().collect();
    String::from_utf8(all).unwrap()
}

fn hear(mux: &mut Mux, text: &str) {
    let mut decoder = Decoder::new();
    decoder.feed(text.as_bytes()).unwrap();
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        mux.handle_browser(&instruction);
    }
}

fn data(mux: &mut Mux, id: InterceptId) -> Option<Bytes> {
    match mux.take_download(id) {
        Poll::Ready(Some(Ok(data))) => Some(data),
        Poll::Pending => None,
        Poll::Ready(other) => panic!("over: {other:?}"),
    }
}

#[test]
fn a_download_asks_takes_its_blobs_and_ends_with_the_stream() {
    let mut mux = Mux::default();
    let id = mux.attach_download(StreamIndex(4)).unwrap();
    assert_eq!(to_session(&mut mux), ["3.ack,1.4,2.OK,1.0;"]);
    assert!(mux.begin_download(id).is_pending());
    mux.handle_session(batch(&[b"4.name,1.x;", &blob(4, b"one"), b"3.nop;", &blob(6, b"other")]));
    assert!(mux.begin_download(id).is_ready());
    assert_eq!(to_browser(&mut mux), "4.name,1.x;3.nop;4.blob,1.6,8.b3RoZXI=;");
    assert_eq!(to_session(&mut mux), ["3.ack,1.4,2.OK,1.0;"]);
    assert_eq!(data(&mut mux, id).unwrap(), "one");
    mux.handle_session(batch(&[&blob(4, b"two"), &end(4)]));
    assert_eq!(to_browser(&mut mux), "3.end,1.4;", "the browser hears the end");
    assert_eq!(data(&mut mux, id).unwrap(), "two");
    assert!(matches!(mux.take_download(id), Poll::Ready(None)));
    mux.detach(id);
    to_session(&mut mux);
    assert!(mux.is_idle());
}

#[test]
fn after_each_sync_one_empty_blob_is_left_to_the_browser_to_answer() {
    let mut mux = Mux::default();
    let id = mux.attach_download(StreamIndex(4)).unwrap();
    to_session(&mut mux);
    mux.handle_session(sync().into());
    mux.handle_session(blob(4, b"one").into());
    assert_eq!(to_browser(&mut mux), "4.sync,1.7;4.blob,1.4,0.;");
    assert!(to_session(&mut mux).is_empty(), "its ack is the browser's");
    mux.handle_session(blob(4, b"two").into());
    assert_eq!(to_browser(&mut mux), "");
    assert_eq!(to_session(&mut mux), ["3.ack,1.4,2.OK,1.0;"]);
    mux.handle_session(batch(&[&sync(), &blob(4, b"three"), &sync(), &blob(4, b"four")]));
    assert_eq!(to_browser(&mut mux), "4.sync,1.7;4.blob,1.4,0.;4.sync,1.7;4.blob,1.4,0.;");
    let all: Vec<_> = std::iter::from_fn(|| data(&mut mux, id)).collect();
    assert_eq!(all, ["one", "two", "three", "four"]);
}

#[test]
fn a_reader_who_does_not_read_gets_no_more_than_the_window() {
    let mut mux = Mux::default();
    let id = mux.attach_download(StreamIndex(4)).unwrap();
    let mut allowed = to_session(&mut mux).len();
    let mut sent = 0;
    while allowed > 0 {
        mux.handle_session(blob(4, &[sent; MAX_BLOB_BYTES]).into());
        sent += 1;
        allowed += to_session(&mut mux).len();
        allowed -= 1;
        assert!(usize::from(sent) <= WINDOW_BLOBS, "the session is told to go on for ever");
    }
    assert_eq!(usize::from(sent), WINDOW_BLOBS);
    assert_eq!(data(&mut mux, id).unwrap(), vec![0; MAX_BLOB_BYTES]);
    assert_eq!(to_session(&mut mux).len(), 1, "room for one, and one is asked for");
}

#[test]
fn a_session_that_does_not_wait_for_acks_fails_its_download_at_the_limit() {
    let mut mux = Mux::default();
    let id = mux.attach_download(StreamIndex(4)).unwrap();
    to_session(&mut mux);
    let whole = MAX_QUEUED_BYTES / MAX_BLOB_BYTES;
    for _ in 0..whole {
        mux.handle_session(blob(4, &[0; MAX_BLOB_BYTES]).into());
    }
    mux.handle_session(blob(4, &vec![0; MAX_QUEUED_BYTES % MAX_BLOB_BYTES]).into());
    assert!(to_session(&mut mux).iter().all(|ack| ack.ends_with("1.0;")), "the limit itself is fine");
    mux.handle_session(blob(4, b"x").into());
    assert_eq!(to_session(&mut mux), ["3.ack,1.4,4.FAIL,3.512;"]);
    let mut taken = 0;
    while let Poll::Ready(Some(Ok(data))) = mux.take_download(id) {
        taken += data.len();
    }
    assert_eq!(taken, MAX_QUEUED_BYTES);
    mux.handle_session(blob(4, b"late").into());
    assert_eq!(to_browser(&mut mux), "4.blob,1.4,8.bGF0ZQ==;", "what is over is the browser's again");
}

#[test]
fn malformed_data_and_refusals_end_a_download_with_an_error() {
    let mut mux = Mux::default();
    let id = mux.attach_download(StreamIndex(4)).unwrap();
    mux.handle_session(Bytes::from_static(b"4.blob,1.4,3.***;"));
    assert!(matches!(mux.take_download(id), Poll::Ready(Some(Err(StreamError::Malformed)))));
    assert!(matches!(mux.take_download(id), Poll::Ready(None)), "told once");
    let id = mux.attach_download(StreamIndex(6)).unwrap();
    hear(&mut mux, "3.ack,1.6,4.nope,3.771;");
    let Poll::Ready(Err(error)) = mux.begin_download(id) else { panic!("the browser refused") };
    assert_eq!((error.status(), error.message()), (Status::ClientForbidden, "nope"));
}

#[test]
fn a_reader_who_leaves_tells_the_session() {
    let mut mux = Mux::default();
    let id = mux.attach_download(StreamIndex(4)).unwrap();
    to_session(&mut mux);
    mux.detach(id);
    assert_eq!(to_session(&mut mux), ["3.ack,1.4,4.FAIL,3.518;"]);
    assert!(mux.is_idle());
}

#[test]
fn an_upload_goes_blob_by_blob_and_leaves_the_stream_open() {
    let mut mux = Mux::default();
    let id = mux.attach_upload(StreamIndex(1)).unwrap();
    let mut body = Bytes::from(vec![7; MAX_BLOB_BYTES + 1]);
    assert!(mux.push_upload(id, &mut body).unwrap());
    assert_eq!(body.len(), 1);
    assert!(!mux.push_upload(id, &mut body).unwrap(), "one blob at a time");
    assert_eq!(to_session(&mut mux), [String::from_utf8(blob(1, &[7; MAX_BLOB_BYTES])).unwrap()]);
    assert!(mux.push_upload(id, &mut body).unwrap(), "the next one fills up meanwhile");
    assert!(!mux.finish_upload(id).unwrap());
    assert!(to_session(&mut mux).is_empty(), "not before the answer");
    mux.handle_session(batch(&[b"3.nop;", &ack(1, Status::Success), &ack(2, Status::Success)]));
    assert_eq!(to_browser(&mut mux), "3.nop;3.ack,1.2,4.said,1.0;", "answers to our blobs are ours");
    assert_eq!(to_session(&mut mux), ["4.blob,1.1,4.Bw==;"]);
    assert!(!mux.finish_upload(id).unwrap());
    mux.handle_session(ack(1, Status::Success));
    assert!(mux.finish_upload(id).unwrap());
    mux.detach(id);
    assert!(to_session(&mut mux).is_empty() && mux.is_idle(), "no end: another part may follow");
}

#[test]
fn an_empty_body_is_done_at_once() {
    let mut mux = Mux::default();
    let id = mux.attach_upload(StreamIndex(1)).unwrap();
    assert!(mux.finish_upload(id).unwrap());
    mux.detach(id);
    assert!(mux.is_idle() && !mux.has_session_output());
}

#[test]
fn an_ack_with_an_error_ends_the_upload_and_reaches_the_browser() {
    let mut mux = Mux::default();
    let id = mux.attach_upload(StreamIndex(1)).unwrap();
    mux.push_upload(id, &mut Bytes::from_static(b"x")).unwrap();
    to_session(&mut mux);
    mux.handle_session(ack(1, Status::ClientForbidden));
    assert_eq!(to_browser(&mut mux), "3.ack,1.1,4.said,3.771;");
    let error = mux.finish_upload(id).unwrap_err();
    assert_eq!((error.status(), error.message()), (Status::ClientForbidden, "said"));
    mux.detach(id);
    assert!(to_session(&mut mux).is_empty());
}

#[test]
fn a_body_that_breaks_off_ends_the_stream() {
    let mut mux = Mux::default();
    let id = mux.attach_upload(StreamIndex(1)).unwrap();
    mux.push_upload(id, &mut Bytes::from_static(b"x")).unwrap();
    mux.detach(id);
    assert_eq!(to_session(&mut mux), ["3.end,1.1;"]);
}

#[test]
fn the_browser_may_end_a_stream_that_is_being_fed() {
    let mut mux = Mux::default();
    let id = mux.attach_upload(StreamIndex(1)).unwrap();
    hear(&mut mux, "3.end,1.1;");
    assert!(matches!(mux.push_upload(id, &mut Bytes::from_static(b"x")), Err(StreamError::Closed)));
}

/// A session that takes one instruction a tick, a browser that presses a key every second tick, and transfers that
/// could fill the line alone.
#[test]
fn transfers_starve_neither_the_keyboard_nor_each_other_nor_the_picture() {
    const TICKS: usize = 900;
    let mut mux = Mux::default();
    let uploads: Vec<_> = (0..3).map(|n| mux.attach_upload(StreamIndex(n)).unwrap()).collect();
    let download = mux.attach_download(StreamIndex(4)).unwrap();
    let frame = batch(&[b"4.rect,1.0,1.0,1.0,1.9,1.9;", &sync()]);
    let (mut keys, mut frames) = (0, 0);
    let mut blobs = [0_usize; 3];
    for tick in 0..TICKS {
        for &id in &uploads {
            mux.push_upload(id, &mut Bytes::from(vec![0; MAX_BLOB_BYTES])).unwrap();
        }
        if tick % 2 == 0 {
            // The browser's input does not go through the machine: the line is its own in this tick.
            keys += 1;
        } else {
            let mut out = Vec::new();
            assert!(mux.poll_session(&mut out), "the line is never idle");
            assert!(out.len() <= 8192, "no more than one blob between two keys");
            if out.starts_with(b"4.blob,1.") {
                let stream = usize::from(out[9] - b'0');
                blobs[stream] += 1;
                mux.handle_session(ack(u32::try_from(stream).unwrap(), Status::Success));
            }
        }
        // Nobody reads the download, and the picture passes in the same moment all the same.
        mux.handle_session(batch(&[&blob(4, &[1; 1000]), &frame, &blob(4, &[])]));
        frames += to_browser(&mut mux).matches("4.rect").count();
        while mux.poll_changed().is_some() {}
    }
    assert_eq!((keys, frames), (TICKS / 2, TICKS));
    let (most, least) = (blobs.iter().max().unwrap(), blobs.iter().min().unwrap());
    assert!(most - least <= 1, "uploads take turns: {blobs:?}");
    assert!(blobs.iter().sum::<usize>() > TICKS / 4, "uploads go on, too: {blobs:?}");
    assert!(matches!(mux.begin_download(download), Poll::Ready(Ok(()))));
}

#[test]
fn as_many_as_the_limit_may_be_attached_and_no_stream_twice() {
    let mut mux = Mux::default();
    assert!(matches!(mux.attach_download(StreamIndex(1024)), Err(StreamError::NoSuchStream)));
    let first = mux.attach_download(StreamIndex(1023)).unwrap();
    assert!(matches!(mux.attach_download(StreamIndex(1023)), Err(StreamError::InUse)));
    for n in 1..MAX_INTERCEPTIONS {
        mux.attach_upload(StreamIndex(u32::try_from(n).unwrap())).unwrap();
    }
    assert!(matches!(mux.attach_upload(StreamIndex(200)), Err(StreamError::TooMany { .. })));
    mux.detach(first);
    mux.attach_upload(StreamIndex(200)).unwrap();
    assert!(matches!(mux.attach_upload(StreamIndex(1)), Err(StreamError::InUse)));
}

#[test]
fn those_who_come_and_go_make_no_queue_for_a_session_that_takes_nothing() {
    let mut mux = Mux::default();
    let mut refused = false;
    for _ in 0..1000 {
        match mux.attach_download(StreamIndex(4)) {
            Ok(id) => mux.detach(id),
            Err(error) => refused = matches!(error, StreamError::TooMany { .. }),
        }
    }
    assert!(refused && mux.control.len() <= MAX_CONTROL + 1);
}

#[test]
fn the_end_of_the_tunnel_releases_everything() {
    let mut mux = Mux::default();
    let upload = mux.attach_upload(StreamIndex(1)).unwrap();
    let download = mux.attach_download(StreamIndex(4)).unwrap();
    mux.handle_session(blob(4, b"held").into());
    while mux.poll_changed().is_some() {}
    mux.close();
    assert_eq!(std::iter::from_fn(|| mux.poll_changed()).count(), 2, "both are told");
    assert!(matches!(mux.finish_upload(upload), Err(StreamError::Closed)));
    assert_eq!(data(&mut mux, download).unwrap(), "held");
    assert!(matches!(mux.take_download(download), Poll::Ready(Some(Err(StreamError::Closed)))));
    assert!(matches!(mux.attach_upload(StreamIndex(2)), Err(StreamError::Closed)));
    assert!(to_session(&mut mux).is_empty());
}

#[test]
fn what_concerns_nobody_passes_uncopied() {
    let mut mux = Mux::default();
    mux.attach_download(StreamIndex(4)).unwrap();
    let picture = batch(&[&blob(6, &[5; 600]), &sync()]);
    mux.handle_session(picture.clone());
    let passed = mux.poll_browser().unwrap();
    assert_eq!((passed.as_ptr(), passed.len()), (picture.as_ptr(), picture.len()));
    let mixed = batch(&[b"3.nop;", &blob(4, b"x"), b"4.size,1.0,1.9,1.9;"]);
    mux.handle_session(mixed.clone());
    assert_eq!(mux.poll_browser().unwrap().as_ptr(), mixed.as_ptr(), "a slice of what came");
}

#[test]
fn a_session_that_breaks_the_protocol_is_passed_on_as_it_is() {
    let mut mux = Mux::default();
    let id = mux.attach_download(StreamIndex(4)).unwrap();
    let broken = batch(&[&blob(4, b"x"), b"garbage"]);
    mux.handle_session(broken);
    assert!(to_browser(&mut mux).ends_with("garbage"));
    assert_eq!(data(&mut mux, id).unwrap(), "x");
    mux.handle_session(batch(&[&blob(4, b"y")]));
    assert_eq!(data(&mut mux, id).unwrap(), "y", "and the next batch is looked at afresh");
}

#[test]
fn only_the_browsers_own_streams_are_open() {
    let mut open = OpenStreams::default();
    let mut say = |text: &str| {
        let mut decoder = Decoder::new();
        decoder.feed(text.as_bytes()).unwrap();
        while let Some(instruction) = decoder.next_instruction().unwrap() {
            open.note(&instruction);
        }
        [0, 3, 511, 512].map(|n| open.contains(StreamIndex(n)))
    };
    assert_eq!(say("4.file,1.3,1.a,1.b;"), [false, true, false, false]);
    assert_eq!(say("3.put,1.0,3.511,1.a,1.b;"), [false, true, true, false]);
    assert_eq!(say("4.file,3.512,1.a,1.b;4.file,1.x,1.a,1.b;4.file;"), [false, true, true, false]);
    assert_eq!(say("3.end,1.3;4.blob,1.0,0.;"), [false, false, true, false]);
}

proptest! {
    /// However the stream is mixed with others and split over batches: the reader gets his bytes in order, the
    /// browser everything else in order, and acks and blobs keep the balance.
    #[test]
    fn a_download_takes_its_own_and_nothing_else(
        items in prop::collection::vec((0_u8..4, prop::collection::vec(any::<u8>(), 0..40)), 0..60),
        splits in prop::collection::vec(1_usize..5, 1..60),
    ) {
        let mut mux = Mux::default();
        let id = mux.attach_download(StreamIndex(4)).unwrap();
        to_session(&mut mux);
        let (mut expected, mut others) = (Vec::new(), Vec::new());
        let pieces: Vec<Vec<u8>> = items.iter().map(|(kind, bytes)| match kind {
            0 | 1 => { expected.extend_from_slice(bytes); blob(4, bytes) }
            2 => { let other = blob(44, bytes); others.extend_from_slice(&other); other }
            _ => { let name = ServerInstruction::Name { name: "é4.blob,1.4,0.;" }.to_bytes(); others.extend_from_slice(&name); name }
        }).collect();
        let mut rest = &pieces[..];
        let mut acks = 0;
        let (mut got, mut passed) = (Vec::new(), Vec::new());
        for count in splits.into_iter().chain(std::iter::repeat(1)).take_while(|_| true) {
            if rest.is_empty() { break; }
            let (now, later) = rest.split_at(count.min(rest.len()));
            rest = later;
            mux.handle_session(now.concat().into());
            while let Some(bytes) = mux.poll_browser() { passed.extend_from_slice(&bytes); }
            while let Poll::Ready(Some(Ok(data))) = mux.take_download(id) { got.extend_from_slice(&data); }
            acks += to_session(&mut mux).len();
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(passed, others);
        prop_assert_eq!(acks, items.iter().filter(|(kind, _)| *kind < 2).count());
    }
}
