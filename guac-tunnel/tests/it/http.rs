use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use guac_protocol::{Status, TunnelUuid};
use guac_tunnel::{Ended, HttpTunnels, TunnelError, TunnelLimits};
use tokio::time::{Instant, advance, sleep};

use crate::support::{Session, link, sync};

fn open() -> (HttpTunnels, String, guac_tunnel::HttpTunnelLife, Session) {
    let tunnels = HttpTunnels::new(TunnelLimits::default());
    let (link, session) = link();
    let (token, life) = tunnels.open(TunnelUuid::from_random([9; 16]), link);
    (tunnels, token.expose().to_owned(), life, session)
}

fn body(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
    stream::iter(parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect::<Vec<_>>())
}

async fn text(read: &mut (impl Stream<Item = Bytes> + Unpin)) -> Option<String> {
    Some(String::from_utf8(read.next().await?.to_vec()).unwrap())
}

#[test]
fn tokens_are_33_random_bytes_in_base64() {
    let (_, first, _life, _) = open();
    let (_, second, _life, _) = open();
    assert_eq!(first.len(), 44);
    assert_ne!(first, second);
}

#[tokio::test(start_paused = true)]
async fn the_next_read_takes_over_once_the_first_has_sent_something() {
    let (tunnels, token, _life, session) = open();
    let mut first = Box::pin(tunnels.read(&token).unwrap());
    session.say.send(sync(1)).await.unwrap();
    assert_eq!(text(&mut first).await.unwrap(), "4.sync,1.1;");
    let mut second = Box::pin(tunnels.read(&token).unwrap());
    assert!(second.next().now_or_never().is_none(), "waits for its turn");
    assert_eq!(text(&mut first).await.unwrap(), "0.;");
    session.say.send(sync(2)).await.unwrap();
    assert_eq!(text(&mut second).await.unwrap(), "4.sync,1.2;");
    assert_eq!(text(&mut first).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_not_overtaken_goes_on_reading() {
    let (tunnels, token, _life, session) = open();
    let mut read = Box::pin(tunnels.read(&token).unwrap());
    for number in 0..5 {
        session.say.send(sync(number)).await.unwrap();
        assert_eq!(text(&mut read).await.unwrap(), format!("4.sync,1.{number};"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_read_does_not_end_the_one_before_it_until_there_is_data() {
    let (tunnels, token, _life, session) = open();
    let mut first = Box::pin(tunnels.read(&token).unwrap());
    assert!(first.next().now_or_never().is_none());
    let mut second = Box::pin(tunnels.read(&token).unwrap());
    assert!(second.next().now_or_never().is_none());
    assert!(first.next().now_or_never().is_none(), "no busy loop of empty responses");
    session.say.send(sync(1)).await.unwrap();
    assert_eq!(text(&mut first).await.unwrap(), "4.sync,1.1;");
    assert_eq!(text(&mut first).await.unwrap(), "0.;");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_read_gives_its_turn_to_the_next() {
    let (tunnels, token, _life, session) = open();
    let mut first = Box::pin(tunnels.read(&token).unwrap());
    assert!(first.next().now_or_never().is_none());
    let mut second = Box::pin(tunnels.read(&token).unwrap());
    assert!(second.next().now_or_never().is_none());
    drop(first);
    session.say.send(sync(3)).await.unwrap();
    assert_eq!(text(&mut second).await.unwrap(), "4.sync,1.3;");
}

#[tokio::test(start_paused = true)]
async fn more_waiting_reads_than_a_client_needs_are_refused() {
    let (tunnels, token, _life, _session) = open();
    let mut reads = Vec::new();
    let refused = loop {
        match tunnels.read(&token) {
            Ok(read) => reads.push(Box::pin(read)),
            Err(error) => break error,
        }
        assert!(reads.len() < 10);
    };
    assert_eq!(refused.status(), Status::ClientTooMany);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_session_ends_the_read_and_then_there_is_no_tunnel() {
    let (tunnels, token, life, session) = open();
    let mut read = Box::pin(tunnels.read(&token).unwrap());
    let client = async {
        session.say.send(Bytes::from_static(b"10.disconnect;")).await.unwrap();
        drop(session);
        assert_eq!(text(&mut read).await.unwrap(), "10.disconnect;");
        assert_eq!(text(&mut read).await.unwrap(), "0.;");
    };
    let (ended, ()) = tokio::join!(life.run(pending()), client);
    assert_eq!(ended.unwrap(), Ended::SessionOver);
    assert_eq!(tunnels.read(&token).err().unwrap().status(), Status::ResourceNotFound);
    assert_eq!(tunnels.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn writes_reach_the_session_in_order_split_anywhere() {
    let (tunnels, token, _life, mut session) = open();
    tunnels.write(&token, body(&["3.key,2.9", "7,1.1;3.no", "p;0.,4.ping,1.1;"])).await.unwrap();
    tunnels.write(&token, body(&["5.mouse,1.1,1.1,1.0;"])).await.unwrap();
    for whole in ["3.key,2.97,1.1;", "3.nop;", "5.mouse,1.1,1.1,1.0;"] {
        assert_eq!(session.hear().await, whole);
    }
}

#[tokio::test(start_paused = true)]
async fn half_an_instruction_at_the_end_of_a_write_is_refused_and_forgotten() {
    let (tunnels, token, _life, mut session) = open();
    let error = tunnels.write(&token, body(&["3.nop;3.ke"])).await.unwrap_err();
    assert!(matches!(error, TunnelError::Incomplete));
    tunnels.write(&token, body(&["4.sync,1.1;"])).await.unwrap();
    assert_eq!((session.hear().await, session.hear().await), ("3.nop;".into(), "4.sync,1.1;".into()));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_stops_midway_does_not_hold_the_tunnel_for_ever() {
    let (tunnels, token, _life, _session) = open();
    let endless = stream::pending::<Result<Bytes, Infallible>>();
    let error = tunnels.write(&token, endless).await.unwrap_err();
    assert!(matches!(error, TunnelError::Silent { .. }));
    tunnels.write(&token, body(&["3.nop;"])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_missing_and_an_unknown_token_are_told_apart() {
    let (tunnels, _, _life, _session) = open();
    assert_eq!(tunnels.uuid("").unwrap_err().status(), Status::ClientBadRequest);
    assert_eq!(tunnels.uuid("guess").unwrap_err().status(), Status::ResourceNotFound);
}

#[tokio::test(start_paused = true)]
async fn an_untouched_tunnel_is_closed_after_15_seconds_and_a_touched_one_lives() {
    let (tunnels, token, life, session) = open();
    let begin = Instant::now();
    let touch = async {
        for _ in 0..6 {
            sleep(Duration::from_secs(10)).await;
            tunnels.write(&token, body(&["3.nop;"])).await.unwrap();
        }
    };
    let (ended, ()) = tokio::join!(life.run(pending()), touch);
    assert!(matches!(ended, Err(TunnelError::Silent { .. })));
    assert_eq!(begin.elapsed().as_secs(), 75);
    assert!(session.say.is_closed(), "the session was left");
}

#[tokio::test(start_paused = true)]
async fn a_response_stuck_at_the_transport_does_not_keep_a_dead_tunnel_at_its_session() {
    let (tunnels, token, life, session) = open();
    let mut stuck = Box::pin(tunnels.read(&token).unwrap());
    session.say.send(sync(1)).await.unwrap();
    stuck.next().await.unwrap();
    advance(Duration::from_secs(1)).await;
    life.run(pending()).await.unwrap_err();
    assert!(session.say.is_closed());
    assert_eq!(text(&mut stuck).await.unwrap(), "0.;");
}

#[tokio::test(start_paused = true)]
async fn an_order_to_stop_and_a_disconnect_end_the_tunnel() {
    let (_tunnels, _, life, _session) = open();
    let stop = async { Status::SessionClosed };
    assert_eq!(life.run(stop).await.unwrap(), Ended::Stopped(Status::SessionClosed));

    let (tunnels, token, life, mut session) = open();
    tunnels.write(&token, body(&["10.disconnect;"])).await.unwrap();
    assert_eq!(life.run(pending()).await.unwrap(), Ended::ClientLeft);
    assert_eq!(session.hear().await, "10.disconnect;");
    session.left.cancelled().now_or_never().expect("the link is dropped");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_for_a_tunnel_nobody_reads() {
    let (_tunnels, _, _life, session) = open();
    session.say.send(sync(1)).await.unwrap();
    assert!(session.say.try_send(sync(2)).is_err(), "the one place is still taken");
}
