use std::future::{Future, pending, ready};
use std::time::Duration;

use bytes::Bytes;
use guac_protocol::{Status, TunnelUuid};
use guac_tunnel::{
    BATCH_BYTES, Ended, FrameDecoder, FrameError, FrameEvent, FrameHeader, FrameKind, FrameSender, Link,
    MAX_MESSAGE_BYTES, TunnelError, TunnelLimits, close_websocket, serve_websocket, unmask,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::time::{Instant, sleep};

use crate::support::{decode, link, sync};

/// Room for bytes on the way, in each direction.
const PIPE_BYTES: usize = 1024;

/// The browser's end of a WebSocket.
struct Browser {
    say: Say,
    hear: Hear,
}

struct Say(WriteHalf<DuplexStream>);

struct Hear {
    io: ReadHalf<DuplexStream>,
    frames: FrameDecoder,
    text: Vec<u8>,
    heard: std::collections::VecDeque<String>,
}

impl Say {
    /// `false`: the tunnel does not listen any more.
    async fn frame(&mut self, kind: FrameKind, last: bool, payload: &[u8]) -> bool {
        const MASK: [u8; 4] = [1, 2, 3, 4];
        let header = FrameHeader::new(kind, last, payload.len(), Some(MASK));
        let mut payload = payload.to_vec();
        unmask(&mut payload, MASK);
        self.0.write_all(&[header.as_bytes(), &payload].concat()).await.is_ok()
    }
}

impl Hear {
    /// The next message; a ping or pong as its name and payload, a close as its code and reason. `None`: the end.
    async fn next(&mut self) -> Option<String> {
        let mut buffer = [0; 700];
        while self.heard.is_empty() {
            let read = self.io.read(&mut buffer).await.unwrap();
            if read == 0 {
                return None;
            }
            let mut bytes = &mut buffer[..read];
            while let Some(event) = self.frames.next_event(&mut bytes).unwrap() {
                match event {
                    FrameEvent::Text(text) => self.text.extend_from_slice(text),
                    FrameEvent::Binary(_) => self.heard.push_back("binary".to_owned()),
                    FrameEvent::MessageEnd => {
                        self.heard.push_back(String::from_utf8(std::mem::take(&mut self.text)).unwrap());
                    }
                    FrameEvent::Ping(_) => self.heard.push_back("ping".to_owned()),
                    FrameEvent::Pong => self.heard.push_back("pong".to_owned()),
                    FrameEvent::Close(code) => self.heard.push_back(format!("close {}", code.unwrap())),
                }
            }
        }
        self.heard.pop_front()
    }
}

impl Browser {
    fn new(io: DuplexStream) -> Self {
        let (read, write) = split(io);
        let frames = FrameDecoder::new(FrameSender::Server, 1 << 20);
        Self { say: Say(write), hear: Hear { io: read, frames, text: Vec::new(), heard: Default::default() } }
    }

    async fn say(&mut self, text: &str) {
        assert!(self.say.frame(FrameKind::Text, true, text.as_bytes()).await, "the tunnel lives");
    }

    async fn hear(&mut self) -> String {
        self.hear.next().await.expect("the tunnel lives")
    }

    async fn hello(&mut self) {
        assert_eq!(self.hear().await, "0.,36.09090909-0909-4909-8909-090909090909;");
    }
}

async fn run<C, F>(link: Link, stop: impl Future<Output = Status>, client: C) -> (Result<Ended, TunnelError>, F::Output)
where
    C: FnOnce(Browser) -> F,
    F: Future,
{
    let (ours, theirs) = duplex(PIPE_BYTES);
    let uuid = TunnelUuid::from_random([9; 16]);
    let limits = TunnelLimits::default();
    let tunnel = serve_websocket(ours, &uuid, link, stop, &limits);
    tokio::join!(tunnel, client(Browser::new(theirs)))
}

#[tokio::test(start_paused = true)]
async fn names_itself_first_then_relays_both_ways() {
    let (link, mut session) = link();
    let (ended, ()) = run(link, pending(), |mut browser| async move {
        browser.hello().await;
        session.say.send(sync(5)).await.unwrap();
        assert_eq!(browser.hear().await, "4.sync,1.5;");
        browser.say("5.mouse,1.1,1.2,1.0;").await;
        assert_eq!(session.hear().await, "5.mouse,1.1,1.2,1.0;");
        drop(browser);
        session.left.cancelled().await;
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::ClientLeft);
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_echoed_and_no_empty_opcode_reaches_the_session() {
    let (link, mut session) = link();
    run(link, pending(), |mut browser| async move {
        browser.hello().await;
        browser.say("0.,4.ping,13.1700000000000;0.,5.other;3.nop;").await;
        assert_eq!(browser.hear().await, "0.,4.ping,13.1700000000000;");
        assert_eq!(session.hear().await, "3.nop;");
        browser.say("10.disconnect;").await;
        assert_eq!(session.hear().await, "10.disconnect;");
        assert_eq!(browser.hear().await, "close 1000");
    })
    .await
    .0
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_oversized_ping_is_not_an_echo_service() {
    let (link, mut session) = link();
    run(link, pending(), |mut browser| async move {
        browser.hello().await;
        browser.say(&format!("0.,4.ping,200.{};3.nop;", "9".repeat(200))).await;
        session.hear().await;
        session.say.send(sync(1)).await.unwrap();
        assert_eq!(browser.hear().await, "4.sync,1.1;");
    })
    .await
    .0
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn instructions_may_be_split_over_messages() {
    let (link, mut session) = link();
    run(link, pending(), |mut browser| async move {
        browser.hello().await;
        for part in ["3.k", "ey,2.97", ",1.1;3.nop;5.mou", "se,1.1,1.1,1.0;"] {
            browser.say(part).await;
        }
        for whole in ["3.key,2.97,1.1;", "3.nop;", "5.mouse,1.1,1.1,1.0;"] {
            assert_eq!(session.hear().await, whole);
        }
    })
    .await
    .0
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_ping_never_lands_within_an_instruction_and_every_message_is_whole() {
    let (link, session) = link();
    run(link, pending(), |mut browser| async move {
        browser.hello().await;
        let big = format!("4.blob,1.1,8064.{};", "A".repeat(8064));
        let source = session.say;
        let talk = async move {
            for number in 0..40 {
                let item = if number % 3 == 0 { Bytes::from(big.clone()) } else { sync(number) };
                source.send(item).await.unwrap();
            }
        };
        let Browser { mut say, mut hear } = browser;
        let ping = async {
            for _ in 0..20 {
                say.frame(FrameKind::Text, true, b"0.,4.ping,1.1;").await;
            }
        };
        let listen = async {
            let mut count = 0;
            while let Some(text) = hear.next().await.filter(|text| text != "close 1000") {
                count += decode(text.as_bytes()).iter().filter(|instruction| !instruction[0].is_empty()).count();
            }
            count
        };
        let ((), (), count) = tokio::join!(talk, ping, listen);
        assert_eq!(count, 40);
    })
    .await
    .0
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_session_closes_normally_after_its_last_words() {
    let (link, session) = link();
    let (ended, ()) = run(link, pending(), |mut browser| async move {
        browser.hello().await;
        session.say.send(Bytes::from_static(b"5.error,5.Gone.,3.515;")).await.unwrap();
        drop(session);
        assert_eq!(browser.hear().await, "5.error,5.Gone.,3.515;");
        assert_eq!(browser.hear().await, "close 1000");
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::SessionOver);
}

#[tokio::test(start_paused = true)]
async fn an_order_to_stop_closes_with_its_status() {
    let (link, session) = link();
    let (ended, ()) = run(link, ready(Status::SessionClosed), |mut browser| async move {
        assert_eq!(browser.hear().await, "close 1002");
        session.left.cancelled().await;
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::Stopped(Status::SessionClosed));
}

#[tokio::test(start_paused = true)]
async fn an_order_to_stop_reaches_a_tunnel_whose_browser_does_not_read() {
    let (link, session) = link();
    let stop = async {
        sleep(Duration::from_secs(3)).await;
        Status::SessionClosed
    };
    let (ended, ()) = run(link, stop, |browser| async move {
        while session.say.send(sync(1)).await.is_ok() {}
        drop(browser);
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::Stopped(Status::SessionClosed));
}

#[tokio::test(start_paused = true)]
async fn garbage_and_binary_messages_close_with_the_reason() {
    for (kind, payload, close) in [
        (FrameKind::Text, "no instruction", "close 1002"),
        (FrameKind::Binary, "3.nop;", "close 1003"),
        (FrameKind::Continuation, "3.nop;", "close 1002"),
    ] {
        let (link, session) = link();
        run(link, pending(), |mut browser| async move {
            browser.hello().await;
            browser.say.frame(kind, true, payload.as_bytes()).await;
            assert_eq!(browser.hear().await, close);
            session.left.cancelled().await;
        })
        .await
        .0
        .unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_vanishes_is_noticed_by_its_silence() {
    let (link, session) = link();
    let begin = Instant::now();
    let (ended, ()) = run(link, pending(), |mut browser| async move {
        browser.hello().await;
        let say = session.say;
        let nop = async move {
            while say.send(Bytes::from_static(b"3.nop;")).await.is_ok() {
                sleep(Duration::from_secs(5)).await
            }
        };
        let listen = async { while browser.hear.next().await.is_some() {} };
        tokio::join!(nop, listen, session.left.cancelled());
    })
    .await;
    assert!(matches!(ended, Err(TunnelError::Silent { .. })));
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_does_not_read_is_cut_off_and_nothing_is_gathered_for_it() {
    let (link, session) = link();
    let (ended, taken) = run(link, pending(), |browser| async move {
        let Browser { mut say, hear } = browser;
        let mut taken = 0;
        let flood = async {
            while session.say.send(Bytes::from(vec![b'x'; 64 * 1024])).await.is_ok() {
                taken += 1;
            }
        };
        let alive = async {
            while say.frame(FrameKind::Pong, true, b"").await {
                sleep(Duration::from_secs(5)).await
            }
        };
        tokio::join!(flood, alive);
        drop(hear);
        taken
    })
    .await;
    assert!(matches!(ended, Err(TunnelError::Stalled { .. })), "{ended:?}");
    assert!(taken <= 4, "{taken} items of 64 KiB were taken for a browser that reads nothing");
}

#[tokio::test(start_paused = true)]
async fn a_hidden_page_whose_browser_answers_pings_keeps_its_tunnel() {
    let (link, session) = link();
    let begin = Instant::now();
    let (ended, ()) = run(link, pending(), |mut browser| async move {
        browser.hello().await;
        for _ in 0..20 {
            assert_eq!(browser.hear().await, "ping");
            browser.say.frame(FrameKind::Pong, true, b"").await;
        }
        drop(session);
        assert_eq!(browser.hear().await, "close 1000");
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::SessionOver);
    assert!(begin.elapsed() > Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_stops_reading_stops_the_reading_from_its_session() {
    const ITEM: &str =
        "4.blob,1.1,80.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA;";
    let (link, session) = link();
    let (_, taken) = run(link, pending(), |browser| async move {
        let mut taken = 0;
        while session.say.send(Bytes::from_static(ITEM.as_bytes())).await.is_ok() {
            taken += ITEM.len();
        }
        drop(browser);
        taken
    })
    .await;
    // One batch that waits, what the pipe holds, and the one item of the test's own channel.
    let bound = BATCH_BYTES + PIPE_BYTES + 3 * ITEM.len();
    assert!(taken <= bound, "{taken} of at most {bound} bytes taken for a browser that reads nothing");
}

#[tokio::test(start_paused = true)]
async fn a_message_cut_off_by_the_end_is_finished_before_the_close_frame() {
    let (link, session) = link();
    let stop = async {
        sleep(Duration::from_secs(1)).await;
        Status::SessionClosed
    };
    let long = format!("4.blob,1.1,4000.{};", "A".repeat(4000));
    let (ended, ()) = run(link, stop, |mut browser| async move {
        browser.hello().await;
        session.say.send(Bytes::from(long.clone())).await.unwrap();
        session.left.cancelled().await;
        assert_eq!(browser.hear().await, long);
        assert_eq!(browser.hear().await, "close 1002");
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::Stopped(Status::SessionClosed));
}

#[tokio::test(start_paused = true)]
async fn fragments_pings_and_the_closing_handshake_follow_the_rfc() {
    let (link, mut session) = link();
    let (ended, ()) = run(link, pending(), |mut browser| async move {
        browser.hello().await;
        browser.say.frame(FrameKind::Text, false, b"3.n").await;
        browser.say.frame(FrameKind::Ping, true, b"there?").await;
        assert_eq!(browser.hear().await, "pong");
        browser.say.frame(FrameKind::Continuation, true, b"op;").await;
        assert_eq!(session.hear().await, "3.nop;");
        browser.say.frame(FrameKind::Close, true, &1000_u16.to_be_bytes()).await;
        assert_eq!(browser.hear().await, "close 1000");
        assert_eq!(browser.hear.next().await, None, "whoever serves closes the connection");
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::ClientLeft);
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_limit_closes_before_it_is_sent() {
    let (link, _session) = link();
    let (ended, ()) = run(link, pending(), |mut browser| async move {
        browser.hello().await;
        let header = FrameHeader::new(FrameKind::Text, true, MAX_MESSAGE_BYTES + 1, Some([0; 4]));
        browser.say.0.write_all(header.as_bytes()).await.unwrap();
        assert_eq!(browser.hear().await, "close 1009");
    })
    .await;
    assert!(matches!(ended, Err(TunnelError::Frame(FrameError::TooLong { limit: MAX_MESSAGE_BYTES }))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn the_close_frame_says_the_status_in_decimal() {
    let (ours, mut theirs) = duplex(PIPE_BYTES);
    let limits = TunnelLimits::default();
    let listen = async move {
        let mut heard = [0; 7];
        theirs.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, *b"\x88\x05\x03\xf3519");
    };
    tokio::join!(close_websocket(ours, Status::UpstreamNotFound, &limits), listen);
}

#[test]
fn futures_of_tunnels_stay_small() {
    let (link, _session) = link();
    let uuid = TunnelUuid::from_random([9; 16]);
    let limits = TunnelLimits::default();
    let (ours, _theirs) = duplex(PIPE_BYTES);
    let size = size_of_val(&serve_websocket(ours, &uuid, link, pending(), &limits));
    assert!(size < 4 * 1024, "{size} bytes for each idle tunnel");
}
