//! Streams taken out of links and fed into them, over the transports that browsers use.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use guac_protocol::{Decoder, Status, StreamIndex};
use guac_tunnel::{Link, StreamError, StreamsHandle, intercept};
use tokio::task::JoinSet;

use crate::support::{Session, link, sync};

fn intercepted() -> (Link, StreamsHandle, Session) {
    let (link, session) = link();
    let (link, streams) = intercept(link);
    (link, streams, session)
}

/// Reads what the browser gets, for as long as the session lives.
fn read_on(tasks: &mut JoinSet<String>, link: Link) -> Box<dyn guac_tunnel::InstructionSink> {
    let Link { source, sink } = link;
    tasks.spawn(async move {
        let all: Vec<Bytes> = source.collect().await;
        String::from_utf8(all.concat()).unwrap()
    });
    sink
}

async fn say(sink: &mut Box<dyn guac_tunnel::InstructionSink>, text: &str) {
    let mut decoder = Decoder::new();
    decoder.feed(text.as_bytes()).unwrap();
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        std::future::poll_fn(|cx| sink.poll_ready(cx)).await.unwrap();
        sink.start_send(&instruction).unwrap();
    }
    std::future::poll_fn(|cx| sink.poll_flush(cx)).await.unwrap();
}

fn body(pieces: &[&'static [u8]]) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    stream::iter(pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_download_gets_the_data_and_the_browser_everything_else() {
    let (link, streams, mut session) = intercepted();
    let mut tasks = JoinSet::new();
    let _sink = read_on(&mut tasks, link);
    let reading = async {
        let download = streams.download(StreamIndex(4)).await.unwrap();
        let pieces: Vec<_> = download.map(Result::unwrap).collect().await;
        pieces.concat()
    };
    let talking = async {
        assert_eq!(session.hear().await, "3.ack,1.4,2.OK,1.0;");
        session.say.send(Bytes::from_static(b"3.nop;4.blob,1.4,4.b25l;")).await.unwrap();
        assert_eq!(session.hear().await, "3.ack,1.4,2.OK,1.0;");
        session.say.send(Bytes::from_static(b"4.blob,1.4,4.dHdv;3.end,1.4;")).await.unwrap();
    };
    let (data, ()) = tokio::join!(reading, talking);
    assert_eq!(data, b"onetwo");
    session.say.send(sync(5)).await.unwrap();
    drop(session);
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), "3.nop;3.end,1.4;4.sync,1.5;");
}

#[tokio::test]
async fn an_upload_needs_an_open_stream_and_follows_the_sessions_answers() {
    let (link, streams, mut session) = intercepted();
    let mut tasks = JoinSet::new();
    let mut sink = read_on(&mut tasks, link);
    let refused = streams.upload(StreamIndex(1), body(&[b"x"])).await.unwrap_err();
    assert_eq!(refused.status(), Status::ResourceNotFound);
    say(&mut sink, "4.file,1.1,10.text/plain,1.a;").await;
    session.hear().await;
    for part in ["4.b25l", "4.dHdv"] {
        let pieces: &[&'static [u8]] = if part == "4.b25l" { &[b"one"] } else { &[b"", b"two"] };
        let answering = async {
            assert_eq!(session.hear().await, format!("4.blob,1.1,{part};"));
            session.say.send(Bytes::from_static(b"3.ack,1.1,2.OK,1.0;")).await.unwrap();
        };
        let (done, ()) = tokio::join!(streams.upload(StreamIndex(1), body(pieces)), answering);
        done.unwrap();
    }
    let answering = async {
        session.hear().await;
        session.say.send(Bytes::from_static(b"3.ack,1.1,4.full,3.512;")).await.unwrap();
    };
    let (failed, ()) = tokio::join!(streams.upload(StreamIndex(1), body(&[b"x"])), answering);
    assert_eq!(failed.unwrap_err().status(), Status::ServerError);
    say(&mut sink, "3.end,1.1;").await;
    assert_eq!(session.hear().await, "3.end,1.1;", "nothing but blobs came from the uploads");
    assert!(matches!(streams.upload(StreamIndex(1), body(&[])).await, Err(StreamError::NoSuchStream)));
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_the_stream_in_the_session() {
    let (link, streams, mut session) = intercepted();
    let mut tasks = JoinSet::new();
    let mut sink = read_on(&mut tasks, link);
    say(&mut sink, "4.file,1.1,10.text/plain,1.a;").await;
    session.hear().await;
    let broken = stream::iter([Ok(Bytes::from_static(b"one")), Err(std::io::Error::other("gone"))]);
    let failed = streams.upload(StreamIndex(1), broken).await.unwrap_err();
    assert!(matches!(failed, StreamError::Body(Some(_))));
    // What had come before it broke may have gone already.
    let mut heard = session.hear().await;
    if heard.starts_with("4.blob") {
        heard = session.hear().await;
    }
    assert_eq!(heard, "3.end,1.1;");
}

#[tokio::test]
async fn the_end_of_the_tunnel_ends_what_is_attached() {
    let (link, streams, mut session) = intercepted();
    let mut tasks = JoinSet::new();
    let mut sink = read_on(&mut tasks, link);
    say(&mut sink, "4.file,1.1,10.text/plain,1.a;").await;
    session.hear().await;
    let download = streams.download(StreamIndex(4));
    let upload = streams.upload(StreamIndex(1), stream::pending::<Result<Bytes, std::io::Error>>());
    let closing = async {
        session.hear().await;
        session.say.send(Bytes::from_static(b"4.blob,1.4,4.b25l;")).await.unwrap();
        session.hear().await;
        drop(session);
    };
    let downloading = async {
        let mut download = download.await.unwrap();
        assert_eq!(download.next().await.unwrap().unwrap(), "one");
        download.next().await.unwrap().unwrap_err()
    };
    let (error, ()) = tokio::join!(downloading, closing);
    assert!(matches!(error, StreamError::Closed));
    drop(upload);
    assert!(matches!(streams.download(StreamIndex(4)).await, Err(StreamError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_there_is_not_found() {
    let (link, streams, mut session) = intercepted();
    let mut tasks = JoinSet::new();
    let _sink = read_on(&mut tasks, link);
    let begun = tokio::time::Instant::now();
    let error = streams.download(StreamIndex(4)).await.unwrap_err();
    assert_eq!(error.status(), Status::ResourceNotFound);
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
    assert_eq!(session.hear().await, "3.ack,1.4,2.OK,1.0;");
    assert_eq!(session.hear().await, "3.ack,1.4,4.FAIL,3.518;", "and the session knows that nobody reads");
}

#[tokio::test]
async fn a_dropped_link_leaves_the_session_whoever_holds_its_streams() {
    let (link, streams, session) = intercepted();
    drop(link);
    session.left.cancelled().await;
    assert!(matches!(streams.download(StreamIndex(4)).await, Err(StreamError::Closed)));
}

#[tokio::test]
async fn without_interceptions_batches_pass_uncopied() {
    let (mut link, _streams, session) = intercepted();
    let batch = sync(5);
    session.say.send(batch.clone()).await.unwrap();
    assert_eq!(link.source.next().await.unwrap().as_ptr(), batch.as_ptr());
}

/// A sink with room for `room` instructions, as a bounded mailbox is: room that was promised can be taken by another.
#[tokio::test]
async fn a_key_that_loses_its_room_to_a_blob_comes_next() {
    use guac_protocol::Instruction;
    use guac_tunnel::{InstructionSink, LinkClosed};
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Box1 {
        room: usize,
        heard: Vec<String>,
        waker: Option<Waker>,
    }
    struct Narrow(Arc<Mutex<Box1>>);
    impl InstructionSink for Narrow {
        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
            let mut inner = self.0.lock().unwrap();
            if inner.room > 0 {
                return Poll::Ready(Ok(()));
            }
            inner.waker = Some(cx.waker().clone());
            Poll::Pending
        }
        fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
            let mut inner = self.0.lock().unwrap();
            assert!(inner.room > 0, "nothing is sent without room");
            inner.room -= 1;
            inner.heard.push(instruction.raw().to_owned());
            Ok(())
        }
    }

    let inner = Arc::new(Mutex::new(Box1 { room: 1, ..Box1::default() }));
    let give = |room| {
        let waker = {
            let mut inner = inner.lock().unwrap();
            inner.room += room;
            inner.waker.take()
        };
        waker.unwrap().wake();
    };
    let (mut link, streams) =
        intercept(Link { source: stream::pending().boxed(), sink: Box::new(Narrow(Arc::clone(&inner))) });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(link.sink.poll_ready(&mut cx).is_ready(), "room is promised to the browser");
    let mut download = std::pin::pin!(streams.download(StreamIndex(4)));
    assert!(futures_util::poll!(download.as_mut()).is_pending());
    assert!(link.source.poll_next_unpin(&mut cx).is_pending(), "the interception takes it");
    let mut decoder = Decoder::new();
    decoder.feed(b"3.key,2.97,1.1;").unwrap();
    link.sink.start_send(&decoder.next_instruction().unwrap().unwrap()).unwrap();
    assert!(link.sink.poll_flush(&mut cx).is_pending());
    assert_eq!(inner.lock().unwrap().heard, ["3.ack,1.4,2.OK,1.0;"]);
    give(1);
    assert!(link.sink.poll_ready(&mut cx).is_pending(), "the key took the room");
    assert_eq!(inner.lock().unwrap().heard[1..], ["3.key,2.97,1.1;"]);
    give(1);
    let _ = link.source.poll_next_unpin(&mut cx);
    assert!(link.sink.poll_ready(&mut cx).is_ready(), "and while the browser waits nobody else takes any");
}
