use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, stream};
use guac_protocol::{Status, TunnelUuid};
use guac_tunnel::{Ended, Incoming, Link, Outgoing, TunnelError, TunnelLimits, run_websocket};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::PollSender;

use crate::support::{decode, link, sync};

/// The browser's end of a WebSocket that holds one message per direction.
struct Browser {
    say: mpsc::Sender<Incoming>,
    hear: mpsc::Receiver<Outgoing>,
}

impl Browser {
    async fn say(&self, text: &str) {
        self.say.send(Incoming::Text(Bytes::copy_from_slice(text.as_bytes()))).await.expect("the tunnel lives");
    }

    async fn hear(&mut self) -> String {
        match self.hear.recv().await.expect("the tunnel lives") {
            Outgoing::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Outgoing::Ping => "ping".to_owned(),
            Outgoing::Close { code, reason } => format!("{code} {reason}"),
        }
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
    let (say, said) = mpsc::channel::<Incoming>(1);
    let (tell, hear) = mpsc::channel(1);
    let incoming =
        stream::unfold(said, |mut said| async move { Some((Ok::<_, std::io::Error>(said.recv().await?), said)) });
    let outgoing = PollSender::new(tell).sink_map_err(|_| std::io::Error::other("the browser is gone"));
    let uuid = TunnelUuid::from_random([9; 16]);
    let limits = TunnelLimits::default();
    let tunnel = run_websocket(Box::pin(incoming), outgoing, &uuid, link, stop, &limits);
    tokio::join!(tunnel, client(Browser { say, hear }))
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
        assert_eq!(browser.hear().await, "1000 0");
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
        let say = session.say;
        let talk = async move {
            for number in 0..40 {
                let item = if number % 3 == 0 { Bytes::from(big.clone()) } else { sync(number) };
                say.send(item).await.unwrap();
            }
        };
        let ping = {
            let say = browser.say.clone();
            async move {
                for _ in 0..20 {
                    say.send(Incoming::Text(Bytes::from_static(b"0.,4.ping,1.1;"))).await.unwrap();
                }
            }
        };
        let listen = async move {
            let mut count = 0;
            while let Some(Outgoing::Text(text)) = browser.hear.recv().await {
                count += decode(&text).iter().filter(|instruction| !instruction[0].is_empty()).count();
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
        assert_eq!(browser.hear().await, "1000 0");
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::SessionOver);
}

#[tokio::test(start_paused = true)]
async fn an_order_to_stop_closes_with_its_status() {
    let (link, session) = link();
    let (ended, ()) = run(link, ready(Status::SessionClosed), |mut browser| async move {
        assert_eq!(browser.hear().await, "1002 523");
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
    let garbage = Incoming::Text(Bytes::from_static(b"no instruction"));
    for (message, close) in [(garbage, "1002 768"), (Incoming::Binary, "1003 783")] {
        let (link, session) = link();
        run(link, pending(), |mut browser| async move {
            browser.hello().await;
            browser.say.send(message).await.unwrap();
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
        let listen = async { while browser.hear.recv().await.is_some() {} };
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
        let Browser { say, hear } = browser;
        let mut taken = 0;
        let flood = async {
            while session.say.send(Bytes::from(vec![b'x'; 64 * 1024])).await.is_ok() {
                taken += 1;
            }
        };
        let alive = async {
            while say.send(Incoming::Control).await.is_ok() {
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
            browser.say.send(Incoming::Control).await.unwrap();
        }
        drop(session);
        assert_eq!(browser.hear().await, "1000 0");
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::SessionOver);
    assert!(begin.elapsed() > Duration::from_secs(100));
}

#[test]
fn futures_of_tunnels_stay_small() {
    let (link, _session) = link();
    let uuid = TunnelUuid::from_random([9; 16]);
    let limits = TunnelLimits::default();
    let incoming = stream::empty::<Result<Incoming, Infallible>>();
    let outgoing = futures_util::sink::drain();
    let tunnel = run_websocket(incoming, outgoing, &uuid, link, pending(), &limits);
    let size = size_of_val(&tunnel);
    assert!(size < 6 * 1024, "{size} bytes for each idle tunnel");
}
