//! Files, with a server that counts.

use std::time::Duration;

use guac_client::{ClientError, Event, FileEntry, Options, Status};
use testsuite::PATIENCE;

use crate::scripted::Scripted;

const INDEX: &str = "application/vnd.glyptodon.guacamole.stream-index+json";

fn impatient() -> Options {
    let mut options = Options::default();
    options.stall_timeout = Duration::from_millis(50);
    options
}

#[tokio::test]
async fn an_upload_sends_one_blob_for_each_answer_and_then_ends() {
    let (client, mut server) = Scripted::pair(Options::default()).await;
    let data: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
    let mut progress = Vec::new();
    let script = async {
        let opened = server.hear("file").await;
        assert_eq!(opened[1..], ["application/octet-stream", "a name.bin"]);
        let stream = opened[0].clone();
        let mut received = 0;
        loop {
            server.say("ack", &[&stream, "OK", "0"]).await;
            let (opcode, arguments) = server.next().await.unwrap();
            match opcode.as_str() {
                "blob" => received += arguments[1].len() / 4 * 3,
                "end" => break,
                _ => {}
            }
        }
        server.say("ack", &[&stream, "OK", "0"]).await;
        received
    };
    let upload = client.upload("a name.bin", &data[..], |sent| progress.push(sent));
    let (sent, received) = tokio::join!(upload, script);
    assert_eq!(sent.unwrap(), 20_000);
    assert!((20_000..20_004).contains(&received));
    assert!(progress.is_sorted() && progress.contains(&6048) && progress.last() == Some(&20_000), "{progress:?}");
}

#[tokio::test]
async fn an_upload_that_is_refused_or_never_answered_fails_and_leaves_the_session() {
    let (client, mut server) = Scripted::pair(impatient()).await;
    let script = async {
        let stream = server.hear("file").await[0].clone();
        server.say("ack", &[&stream, "No.", "771"]).await;
    };
    let (sent, ()) = tokio::join!(client.upload("x", &b"data"[..], |_| {}), script);
    let error = sent.unwrap_err();
    assert!(matches!(error, ClientError::Transfer(_)), "{error:?}");
    assert_eq!(error.status(), Status::ClientForbidden);
    let error = client.upload("y", &b"data"[..], |_| {}).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
    server.hear("file").await;
    // The stream is closed behind it.
    server.hear("end").await;
    assert!(client.ended().is_none());
}

#[tokio::test]
async fn an_upload_is_done_when_the_file_is_closed_and_fails_if_that_does() {
    for (word, expected) in [("0", None), ("515", Some(Status::UpstreamError))] {
        let (client, mut server) = Scripted::pair(Options::default()).await;
        let script = async {
            let stream = server.hear("file").await[0].clone();
            server.say("ack", &[&stream, "OK", "0"]).await;
            server.hear("blob").await;
            server.say("ack", &[&stream, "OK", "0"]).await;
            server.hear("end").await;
            server.say("ack", &[&stream, "…", word]).await;
        };
        let (sent, ()) = tokio::join!(client.upload("x", &b"data"[..], |_| {}), script);
        assert_eq!(sent.err().map(|error| error.status()), expected);
    }
    // A server that has no last word is not waited for for ever, and nothing failed.
    let (client, mut server) = Scripted::pair(impatient()).await;
    let script = async {
        let stream = server.hear("file").await[0].clone();
        for _ in 0..2 {
            server.say("ack", &[&stream, "OK", "0"]).await;
        }
        server.hear("end").await;
    };
    let (sent, ()) = tokio::join!(client.upload("x", &b"data"[..], |_| {}), script);
    assert_eq!(sent.unwrap(), 4);
}

#[tokio::test]
async fn a_file_that_is_refused_by_the_log_or_goes_with_its_object_is_not_waited_for() {
    let (client, mut server) = Scripted::pair(Options::default()).await;
    server.say("filesystem", &["0", "Home"]).await;
    let script = async {
        server.hear("get").await;
        for other in ["\"/y\" is not available: RESOURCE_NOT_FOUND (0x0204)", "\"/x\" is not available: ", "", "\"/x"] {
            server.say("log", &[other]).await;
        }
        server.say("log", &["\"/x\" is not available: CLIENT_FORBIDDEN (0x0303)"]).await;
    };
    let (got, ()) = tokio::join!(async { client.files().open("/x").await }, script);
    assert_eq!(got.unwrap_err().status(), Status::ClientForbidden);
    let script = async {
        server.hear("get").await;
        server.say("undefine", &["0"]).await;
    };
    let (got, ()) = tokio::join!(async { client.files().open("/x").await }, script);
    assert!(matches!(got, Err(ClientError::NoFilesystem)), "{got:?}");
}

#[tokio::test]
async fn a_pushed_file_is_asked_for_piece_by_piece() {
    let (client, mut server) = Scripted::pair(Options::default()).await;
    let mut events = client.events();
    server.say("file", &["2", "text/plain", "notes.txt"]).await;
    assert_eq!(events.recv().await.unwrap(), Event::File { name: "notes.txt".into() });
    let mut file = client.next_file(PATIENCE).await.unwrap();
    assert_eq!((file.name(), file.mimetype()), ("notes.txt", "text/plain"));
    for piece in ["one ", "two"] {
        let (got, answer) = tokio::join!(file.next(), async {
            let answer = server.hear("ack").await;
            server.blob(2, piece.as_bytes()).await;
            answer
        });
        assert_eq!(got.unwrap(), Some(piece.as_bytes().to_vec()));
        assert_eq!((answer[0].as_str(), answer[2].as_str()), ("2", "0"));
    }
    let (got, ()) = tokio::join!(file.next(), async {
        server.hear("ack").await;
        server.say("end", &["2"]).await;
    });
    assert_eq!(got.unwrap(), None);
}

#[tokio::test]
async fn a_file_that_nobody_wants_any_more_is_refused() {
    let (client, mut server) = Scripted::pair(Options::default()).await;
    server.say("file", &["4", "text/plain", "x"]).await;
    let file = client.next_file(PATIENCE).await.unwrap();
    drop(file);
    let answer = server.hear("ack").await;
    assert_eq!((answer[0].as_str(), answer[2].as_str()), ("4", "518"));
    // Neither is a server that ignores the pace: it may send 64 blobs ahead.
    server.say("file", &["6", "text/plain", "y"]).await;
    let file = client.next_file(PATIENCE).await.unwrap();
    for _ in 0..65 {
        server.blob(6, b"flood").await;
    }
    let answer = server.hear("ack").await;
    assert_eq!((answer[0].as_str(), answer[2].as_str()), ("6", "781"));
    drop(file);
    for number in 0..17 {
        server.say("file", &[&(8 + number * 2).to_string(), "text/plain", "z"]).await;
    }
    let answer = server.hear("ack").await;
    assert_eq!((answer[0].as_str(), answer[2].as_str()), ("40", "797"), "the 17th does not wait");
    assert!(client.ended().is_none());
}

#[tokio::test]
async fn a_file_system_is_listed_read_and_written() {
    let (client, mut server) = Scripted::pair(Options::default()).await;
    server.say("filesystem", &["0", "Home"]).await;
    let files = client.files();
    let script = async {
        assert_eq!(server.hear("get").await, ["0", "/"]);
        server.say("body", &["0", "2", INDEX, "/"]).await;
        server.hear("ack").await;
        server.blob(2, br#"{"/b.txt":"application/octet-stream","#).await;
        server.hear("ack").await;
        server.blob(2, format!(r#""/a":"{INDEX}"}}"#).as_bytes()).await;
        server.hear("ack").await;
        server.say("end", &["2"]).await;
    };
    let (listed, ()) = tokio::join!(files.list("/"), script);
    let listed = listed.unwrap();
    let names: Vec<(&str, bool)> = listed.iter().map(|entry: &FileEntry| (entry.name(), entry.is_directory)).collect();
    assert_eq!(names, [("a", true), ("b.txt", false)]);

    let mut copy = Vec::new();
    let script = async {
        assert_eq!(server.hear("get").await, ["0", "/b.txt"]);
        server.say("body", &["0", "4", "application/octet-stream", "/b.txt"]).await;
        server.hear("ack").await;
        server.blob(4, b"content").await;
        server.hear("ack").await;
        server.say("end", &["4"]).await;
    };
    let (got, ()) = tokio::join!(files.get("/b.txt", &mut copy, |_| {}), script);
    assert_eq!((got.unwrap(), copy.as_slice()), (7, &b"content"[..]));

    let script = async {
        let put = server.hear("put").await;
        assert_eq!((put[0].as_str(), put[3].as_str()), ("0", "/c"));
        server.say("ack", &[&put[1], "OK", "0"]).await;
        assert_eq!(server.hear("blob").await[1], "bmV3");
        server.say("ack", &[&put[1], "OK", "0"]).await;
        server.hear("end").await;
        server.say("ack", &[&put[1], "OK", "0"]).await;
    };
    let (put, ()) = tokio::join!(files.put("/c", &b"new"[..], |_| {}), script);
    assert_eq!(put.unwrap(), 3);
    server.say("undefine", &["0"]).await;
}

#[tokio::test]
async fn a_session_without_files_says_so_and_broken_lists_are_refused() {
    let (client, mut server) = Scripted::pair(impatient()).await;
    assert!(matches!(client.files().list("/").await, Err(ClientError::NoFilesystem)));
    server.say("filesystem", &["3", "Drive"]).await;
    let error = client.files_of("Drive").list("/gone").await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
    server.hear("get").await;
    let script = async {
        server.hear("get").await;
        server.say("body", &["3", "2", "text/plain", "/file"]).await;
    };
    let (listed, ()) = tokio::join!(async { client.files().list("/file").await }, script);
    assert!(matches!(listed, Err(ClientError::BadListing)), "{listed:?}");
}

#[tokio::test]
async fn whoever_waits_for_a_file_learns_that_the_session_is_over() {
    let (client, mut server) = Scripted::pair(Options::default()).await;
    server.say("file", &["2", "text/plain", "x"]).await;
    let mut file = client.next_file(PATIENCE).await.unwrap();
    let (next, ()) = tokio::join!(file.next(), async {
        server.hear("ack").await;
        server.say("error", &["Aborted. See logs.", "521"]).await;
    });
    assert_eq!(next.unwrap_err().status(), Status::SessionConflict);
    assert_eq!(client.wait_frame(0, PATIENCE).await.unwrap_err().status(), Status::SessionConflict);
}

#[tokio::test]
async fn frames_are_answered_once_and_parameters_notices_and_questions_are_told() {
    let (client, mut server) = Scripted::pair(Options::default()).await;
    let mut events = client.events();
    server.say("size", &["0", "4", "2"]).await;
    for timestamp in ["7", "7", "9"] {
        server.say("sync", &[timestamp, "1"]).await;
    }
    assert_eq!(server.hear("sync").await, ["7"]);
    assert_eq!(server.hear("sync").await, ["9"]);
    assert_eq!((client.frame(), client.screenshot().await.unwrap().size()), (3, (4, 2)));
    server.say("rect", &["-1", "0", "0", "2", "2"]).await;
    server.say("cfill", &["14", "-1", "255", "0", "0", "255"]).await;
    server.say("cursor", &["1", "1", "-1", "0", "0", "2", "2"]).await;
    server.say("sync", &["11", "1"]).await;
    assert_eq!(server.hear("sync").await, ["11"]);
    client.mouse_move(4, 2).await.unwrap();
    assert_eq!(client.screenshot_with_pointer().await.unwrap().pixel(3, 1), Some([255, 0, 0, 255]));
    assert_eq!(client.screenshot().await.unwrap().pixel(3, 1), Some([0, 0, 0, 255]));
    server.say("argv", &["1", "text/plain", "font-size"]).await;
    server.blob(1, b"14").await;
    server.say("end", &["1"]).await;
    server.say("required", &["password"]).await;
    server.say("msg", &["1", "@5c1f8e6e-0000-4000-8000-000000000000", "bob"]).await;
    assert_eq!(events.recv().await.unwrap(), Event::Resized { width_px: 4, height_px: 2 });
    let parameter = Event::Parameter { name: "font-size".into(), value: "14".into() };
    assert_eq!(events.recv().await.unwrap(), parameter);
    assert_eq!(client.parameter("font-size").as_deref(), Some("14"));
    assert_eq!(events.recv().await.unwrap(), Event::Required { names: vec!["password".to_owned()] });
    assert!(matches!(events.recv().await.unwrap(), Event::Message { code: 1, .. }));
    client.set_parameter("password", "secret").await.unwrap();
    assert_eq!(server.hear("argv").await[1..], ["text/plain", "password"]);
    assert_eq!(server.hear("blob").await[1], "c2VjcmV0");
    server.hear("end").await;
    let (closed, ()) = tokio::join!(client.close(), async move {
        assert!(server.hear("disconnect").await.is_empty());
    });
    closed.unwrap();
    assert_eq!(events.recv().await.unwrap(), Event::Ended);
}

#[tokio::test]
async fn nonsense_ends_the_session_and_a_dropped_client_closes_its_connection() {
    let (client, mut server) = Scripted::pair(Options::default()).await;
    server.say("img", &["1", "14", "0", "image/png", "0", "0"]).await;
    server.blob(1, b"no picture").await;
    server.say("end", &["1"]).await;
    server.say("size", &["0", "99999", "99999"]).await;
    server.say("sync", &["1"]).await;
    client.wait_frame(0, PATIENCE).await.unwrap();
    drop(client);
    while server.next().await.is_some() {}

    let (client, mut server) = Scripted::pair(Options::default()).await;
    server.say("nop", &[]).await;
    server.write(b"no instruction").await;
    let error = client.wait_for_end(PATIENCE).await.unwrap();
    assert_eq!(error.status(), Status::UpstreamError, "{error}");
}
