use std::time::Duration;

use bytes::Bytes;
use guac_protocol::Status;
use guac_tunnel::{Ended, TunnelError, TunnelLimits, serve_guacd};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

use crate::support::{NAMES, ScriptedHost, decode, error, link, sync};

const HELLO: &str = "6.select,3.ssh;4.size,3.800,3.600,2.96;5.audio;5.video;5.image,9.image/png;4.name,3.Z\u{f6}\u{1f600};\
                     7.connect,13.VERSION_1_5_0,4.host,2.22,7.p\u{e4};ss,1;";

/// Serves one connection while `client` plays the other end.
async fn serve<C, F>(host: &ScriptedHost, client: C) -> (Result<Ended, TunnelError>, F::Output)
where
    C: FnOnce(DuplexStream) -> F,
    F: Future,
{
    let (theirs, ours) = duplex(8 * 1024);
    let limits = TunnelLimits::default();
    tokio::join!(serve_guacd(ours, host, &limits), client(theirs))
}

async fn read_all(mut client: DuplexStream) -> Vec<u8> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.expect("an orderly end");
    all
}

async fn read_until(client: &mut DuplexStream, end: &str) -> String {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        all.push(client.read_u8().await.expect("more to come"));
    }
    String::from_utf8(all).unwrap()
}

const READY: &str = "37.$00000000-0000-4000-8000-000000000000;";

#[tokio::test(start_paused = true)]
async fn opens_a_session_and_relays_both_ways() {
    let (link, mut session) = link();
    let host = ScriptedHost::with(link);
    let (served, ()) = serve(&host, |mut client| async move {
        client.write_all(HELLO.as_bytes()).await.unwrap();
        let greeting = read_until(&mut client, READY).await;
        assert_eq!(greeting, format!("4.args,13.VERSION_1_5_0,8.hostname,4.port,8.password;5.ready,{READY}"));
        session.say.send(sync(7)).await.unwrap();
        assert_eq!(read_until(&mut client, ";").await, "4.sync,1.7;");
        client.write_all(b"3.key,5.65293,1.1;").await.unwrap();
        assert_eq!(session.hear().await, "3.key,5.65293,1.1;");
        drop(client);
        session.left.cancelled().await;
    })
    .await;
    assert_eq!(served.unwrap(), Ended::ClientLeft);
    let request = host.requests.lock().unwrap().pop().unwrap();
    assert_eq!(request.params.keys().map(String::as_str).collect::<Vec<_>>(), ["hostname", "password", "port"]);
    assert_eq!(request.params["password"], "p\u{e4};ss,1");
    assert_eq!(request.info.name.as_deref(), Some("Z\u{f6}\u{1f600}"));
    assert!(!format!("{request:?}").contains("ss,1"), "no secrets in debug output");
}

#[tokio::test(start_paused = true)]
async fn says_no_such_connection_to_who_joins_an_unknown_one() {
    let host = ScriptedHost::default();
    let (served, said) = serve(&host, |mut client| async move {
        client.write_all(b"6.select,4.$abc;").await.unwrap();
        read_all(client).await
    })
    .await;
    assert_eq!(decode(&said), [["error", "No such connection.", "516"]]);
    assert_eq!(served.unwrap_err().status(), Status::ResourceNotFound);
}

#[tokio::test(start_paused = true)]
async fn a_joiner_is_offered_the_parameters_of_the_session() {
    let (link, session) = link();
    let host = ScriptedHost::with(link);
    let (_, said) = serve(&host, |mut client| async move {
        let hello = "6.select,6.$known;7.connect,13.VERSION_1_5_0,0.,0.,0.;10.disconnect;";
        client.write_all(hello.as_bytes()).await.unwrap();
        read_all(client).await
    })
    .await;
    let said = decode(&said);
    assert_eq!(said[0][2..], NAMES);
    assert_eq!(said[1], ["ready", "$01010101-0101-4101-8101-010101010101"]);
    assert!(session.left.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_protocol_is_refused_with_a_word_and_the_socket_closed() {
    let (_, said) = serve(&ScriptedHost::default(), |mut client| async move {
        client.write_all(b"6.select,3.x11;").await.unwrap();
        read_all(client).await
    })
    .await;
    assert_eq!(decode(&said)[0][2], "256");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_argument_count_gets_ready_and_then_a_closed_socket() {
    let (served, said) = serve(&ScriptedHost::default(), |mut client| async move {
        client.write_all(b"6.select,3.ssh;7.connect,13.VERSION_1_5_0,1.h;").await.unwrap();
        read_all(client).await
    })
    .await;
    let said = decode(&said);
    assert_eq!((said.len(), said[1][0].as_str()), (2, "ready"));
    assert!(matches!(served, Err(TunnelError::Handshake(_))));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_opened_is_an_error_with_its_status() {
    let (_, said) = serve(&ScriptedHost::default(), |mut client| async move {
        client.write_all(HELLO.as_bytes()).await.unwrap();
        read_all(client).await
    })
    .await;
    assert_eq!(decode(&said)[1], ["error", "No room.", "513"]);
}

#[tokio::test(start_paused = true)]
async fn garbage_closes_the_connection_without_an_answer() {
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xff\xfe", b"6.select,", b"99999.x", b";", b"4.size,1.1,1.1;"] {
        let (served, said) = serve(&ScriptedHost::default(), |mut client| async move {
            client.write_all(garbage).await.unwrap();
            client.shutdown().await.unwrap();
            read_all(client).await
        })
        .await;
        assert_eq!((served.is_err(), said), (true, vec![]), "{garbage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_megabytes_of_garbage_are_not_kept() {
    let (served, ()) = serve(&ScriptedHost::default(), |mut client| async move {
        let mut sent = 0;
        while sent < 10_000_000 && client.write_all(&[b'1'; 4096]).await.is_ok() {
            sent += 4096;
        }
    })
    .await;
    assert!(matches!(served, Err(TunnelError::Malformed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_half_sent_handshake_is_closed_after_the_deadline_without_a_word() {
    let begin = Instant::now();
    let (served, said) = serve(&ScriptedHost::default(), |mut client| async move {
        client.write_all(b"6.select,3.ss").await.unwrap();
        read_all(client).await
    })
    .await;
    assert!(matches!(served, Err(TunnelError::Silent { .. })));
    assert_eq!((said, begin.elapsed() >= Duration::from_secs(15)), (vec![], true));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_trickles_half_an_instruction_is_told_of_the_timeout() {
    let (link, session) = link();
    let (served, said) = serve(&ScriptedHost::with(link), |mut client| async move {
        client.write_all(HELLO.as_bytes()).await.unwrap();
        read_until(&mut client, READY).await;
        let (mut reader, mut writer) = tokio::io::split(client);
        let trickle = async {
            for byte in b"9.clipboard,1.0" {
                if writer.write_all(&[*byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_secs(2)).await;
            }
        };
        let mut said = Vec::new();
        let (_, read) = tokio::join!(trickle, reader.read_to_end(&mut said));
        read.unwrap();
        said
    })
    .await;
    assert_eq!(decode(&said), [["error", "User is not responding.", "776"]]);
    assert!(matches!(served, Err(TunnelError::Silent { .. })));
    assert!(session.left.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn the_last_words_of_a_session_arrive_and_then_the_socket_closes() {
    let (link, session) = link();
    let (served, said) = serve(&ScriptedHost::with(link), |mut client| async move {
        client.write_all(HELLO.as_bytes()).await.unwrap();
        session.say.send(sync(1)).await.unwrap();
        session.say.send(error("Gone.", Status::UpstreamError)).await.unwrap();
        session.say.send(Bytes::from_static(b"10.disconnect;")).await.unwrap();
        drop(session);
        read_all(client).await
    })
    .await;
    let said = decode(&said);
    assert_eq!(said[2..], [vec!["sync", "1"], vec!["error", "Gone.", "515"], vec!["disconnect"]]);
    assert_eq!(served.unwrap(), Ended::SessionOver);
}

#[tokio::test(start_paused = true)]
async fn garbage_after_the_handshake_ends_with_an_error_and_leaves_the_session() {
    let (link, session) = link();
    let (_, said) = serve(&ScriptedHost::with(link), |mut client| async move {
        client.write_all(HELLO.as_bytes()).await.unwrap();
        client.write_all(b"3.key,nonsense").await.unwrap();
        read_all(client).await
    })
    .await;
    assert_eq!(decode(&said)[2][2], "768");
    assert!(session.left.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_holds_nothing_up_but_himself_and_is_cut_off() {
    let (link, session) = link();
    let (served, taken) = serve(&ScriptedHost::with(link), |mut client| async move {
        client.write_all(HELLO.as_bytes()).await.unwrap();
        let mut taken = 0_usize;
        let flood = async {
            while session.say.send(Bytes::from(vec![b'0'; 64 * 1024])).await.is_ok() {
                taken += 1;
            }
        };
        let nag = async {
            while client.write_all(b"3.nop;").await.is_ok() {
                sleep(Duration::from_secs(5)).await;
            }
        };
        tokio::join!(flood, nag);
        taken
    })
    .await;
    assert!(matches!(served, Err(TunnelError::Stalled { .. })), "{served:?}");
    assert!(taken <= 3, "{taken} items of 64 KiB were taken for a client that read nothing");
}

#[tokio::test(start_paused = true)]
async fn whole_instructions_are_not_held_back_by_half_a_one_behind_them() {
    let (link, mut session) = link();
    serve(&ScriptedHost::with(link), |mut client| async move {
        client.write_all(HELLO.as_bytes()).await.unwrap();
        client.write_all(b"3.key,2.97,1.1;4.blob,1.1,2.").await.unwrap();
        assert_eq!(session.hear().await, "3.key,2.97,1.1;");
        // The rest, its emoji split within the character.
        let rest = "\u{1f600}\u{e9};".as_bytes();
        client.write_all(&rest[..2]).await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(&rest[2..]).await.unwrap();
        assert_eq!(session.hear().await, "4.blob,1.1,2.\u{1f600}\u{e9};");
    })
    .await
    .0
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_split_of_the_input_says_the_same(cuts in proptest::collection::vec(1_usize..40, 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (link, mut session) = link();
            let said = ["3.key,2.97,1.1;", "9.clipboard,1.0,10.text/plain;", "4.blob,1.0,4.\u{1f600}\u{e4}\u{6f22}x;", "3.end,1.0;"];
            let input = format!("{HELLO}{}10.disconnect;", said.concat()).into_bytes();
            let (served, _) = serve(&ScriptedHost::with(link), |mut client| async move {
                let mut rest = &input[..];
                for cut in cuts.iter().cycle() {
                    let (now, later) = rest.split_at((*cut).min(rest.len()));
                    client.write_all(now).await.unwrap();
                    tokio::task::yield_now().await;
                    rest = later;
                    if rest.is_empty() { break; }
                }
                read_all(client).await
            }).await;
            assert_eq!(served.unwrap(), Ended::ClientLeft);
            for instruction in said {
                assert_eq!(session.hear().await, instruction);
            }
            assert_eq!(session.hear().await, "10.disconnect;");
        });
    }
}
