//! The examples, in front of a guacd of the test's own. The gateway has a test in a real browser (`web/tests/e2e`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt as _;
use guac_protocol::{ClientInfo, Decoder, Selection};
use guac_tunnel::{GuacdHost, OpenRequest, Opened, SessionHost as _, TunnelLimits, serve_guacd};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{ScriptedHost, Session, link, sync};

#[expect(dead_code, reason = "an example is a program, not a module")]
#[path = "../../examples/clipboard_proxy.rs"]
mod clipboard_proxy;
#[expect(dead_code, reason = "an example is a program, not a module")]
#[path = "../../examples/recording_tee.rs"]
mod recording_tee;

use clipboard_proxy::Transfer;

/// A guacd that serves one connection.
async fn guacd(tasks: &mut JoinSet<()>) -> (u16, Session, Arc<ScriptedHost>) {
    let (listener, port) = listener().await;
    let (link, session) = link();
    let host = Arc::new(ScriptedHost::with(link));
    let serving = Arc::clone(&host);
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        drop(serve_guacd(stream, &*serving, &TunnelLimits::default()).await);
    });
    (port, session, host)
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn open(port: u16) -> Opened {
    let selection = Selection::Protocol("ssh".into());
    let request = OpenRequest { selection, info: ClientInfo::default(), params: BTreeMap::new() };
    GuacdHost::new("127.0.0.1", port, TunnelLimits::default()).open(request).await.unwrap()
}

async fn say(opened: &mut Opened, text: &str) {
    let mut decoder = Decoder::new();
    decoder.feed(text.as_bytes()).unwrap();
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        std::future::poll_fn(|cx| opened.link.sink.poll_ready(cx)).await.unwrap();
        opened.link.sink.start_send(&instruction).unwrap();
    }
    std::future::poll_fn(|cx| opened.link.sink.poll_flush(cx)).await.unwrap();
}

#[tokio::test]
async fn the_recording_tee_writes_down_what_the_session_shows() {
    let mut tasks = JoinSet::new();
    let (guacd, session, host) = guacd(&mut tasks).await;
    let folder = tempfile::tempdir().unwrap();
    let tee = recording_tee::Tee {
        guacd: GuacdHost::new("127.0.0.1", guacd, TunnelLimits::default()),
        folder: folder.path().to_owned(),
        protocol: "ssh".into(),
        params: BTreeMap::from([("hostname".to_owned(), "server".to_owned())]),
    };
    let (listener, port) = listener().await;
    tasks.spawn(async move { recording_tee::serve(listener, tee).await.unwrap() });
    let mut opened = open(port).await;
    assert_eq!(host.requests.lock().unwrap()[0].params["hostname"], "server");
    for timestamp in 1..=3 {
        session.say.send(sync(timestamp)).await.unwrap();
        assert_eq!(opened.link.source.next().await.unwrap(), sync(timestamp));
    }
    let recording = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_to_string(recording).unwrap(), "4.sync,1.1;4.sync,1.2;4.sync,1.3;");
}

/// A paste, a copy and a key through the proxy. Gives what was reported, and what the session heard last.
async fn through_the_proxy(forbid: bool) -> (Vec<Transfer>, Vec<String>, String) {
    let mut tasks = JoinSet::new();
    let (guacd, mut session, _host) = guacd(&mut tasks).await;
    let (listener, port) = listener().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let report: clipboard_proxy::Report = {
        let seen = Arc::clone(&seen);
        Arc::new(move |transfer| seen.lock().unwrap().push(transfer))
    };
    tasks.spawn(async move {
        clipboard_proxy::serve(listener, ("127.0.0.1".into(), guacd), forbid, report).await.unwrap();
    });
    let mut opened = open(port).await;
    say(&mut opened, "9.clipboard,1.0,10.text/plain;4.blob,1.0,8.cGFzdGU=;3.end,1.0;3.key,2.97,1.1;").await;
    let mut heard = vec![session.hear().await];
    while heard.last().unwrap() != "3.key,2.97,1.1;" {
        heard.push(session.hear().await);
    }
    let copied = "9.clipboard,1.3,10.text/plain;4.blob,1.3,8.Y29weQ==;3.end,1.3;4.file,1.4,1.x,1.y;4.blob,1.4,4.QUJD;";
    session.say.send(Bytes::from_static(copied.as_bytes())).await.unwrap();
    let mut shown = String::new();
    while !shown.contains("QUJD") {
        let item = opened.link.source.next().await.unwrap();
        shown.push_str(std::str::from_utf8(&item).unwrap());
    }
    let seen = seen.lock().unwrap().clone();
    (seen, heard, shown)
}

#[tokio::test]
async fn the_clipboard_proxy_tells_sizes_and_types_and_changes_nothing() {
    let (seen, heard, shown) = through_the_proxy(false).await;
    let transfer = |from, len_bytes| Transfer { from, mimetype: "text/plain".into(), len_bytes, refused: false };
    assert_eq!(seen, [transfer("user", 5), transfer("machine", 4)]);
    assert_eq!(heard.len(), 4);
    assert!(shown.starts_with("9.clipboard,1.3,"), "{shown}");
}

#[tokio::test]
async fn the_clipboard_proxy_can_forbid_and_tells_the_sender() {
    let (seen, heard, shown) = through_the_proxy(true).await;
    let transfer = |from| Transfer { from, mimetype: "text/plain".into(), len_bytes: 0, refused: true };
    assert_eq!(seen, [transfer("user"), transfer("machine")]);
    assert_eq!(heard, ["3.key,2.97,1.1;"]);
    assert_eq!(shown, "3.ack,1.0,18.No clipboard here.,3.771;4.file,1.4,1.x,1.y;4.blob,1.4,4.QUJD;");
}
