//! Files, objects and streams of one user; the test itself is the backend that serves them.

use std::sync::Mutex;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use guac_display::{Size, Surface};
use guac_protocol::{Decoder, MAX_BLOB_BYTES, Status};
use guac_session::{
    Backend, Download, DownloadRequest, Event, Hub, NotOffered, Params, SessionEnd, Stage, Start, TransferGone, Upload,
    UploadRequest, UploadTarget, User,
};
use tokio::sync::{mpsc, oneshot};

use crate::{ALL, HEIGHT, WIDTH, modern, say};

type Act = Box<dyn FnOnce(&mut Stage<Surface>) + Send>;

/// Does to its stage what the test says, and hands over what users want.
struct Filer {
    acts: Mutex<Option<mpsc::Receiver<Act>>>,
    heard: mpsc::Sender<Event>,
}

impl Backend for Filer {
    fn protocol(&self) -> &'static str {
        "filer"
    }

    fn parameters(&self) -> &'static [&'static str] {
        &[]
    }

    fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>> {
        let mut acts = self.acts.lock().unwrap().take().unwrap();
        let heard = self.heard.clone();
        Box::pin(async move {
            let (_, mut stage) = start.stage(Surface::new(Size::new(WIDTH, HEIGHT).unwrap()));
            loop {
                tokio::select! {
                    event = stage.next() => match event {
                        Event::Ended => return Ok(()),
                        event => heard.send(event).await.unwrap(),
                    },
                    Some(act) = acts.recv() => act(&mut stage),
                }
            }
        })
    }
}

struct Machine {
    hub: Hub,
    acts: mpsc::Sender<Act>,
    heard: mpsc::Receiver<Event>,
}

/// A machine, and its owner, who sees object 0.
async fn machine() -> (Machine, User) {
    let (acts, receiver) = mpsc::channel(16);
    let (heard, hears) = mpsc::channel(512);
    let backend = Filer { acts: Mutex::new(Some(receiver)), heard };
    let machine = Machine { hub: Hub::new(vec![Box::new(backend)], 1), acts, heard: hears };
    let (_, mut owner) = machine.hub.open("filer", Params::default(), modern("Ann")).unwrap();
    machine.act(|stage| stage.expose_filesystem("/").unwrap()).await;
    assert_eq!(hear(&mut owner).await, "10.filesystem,1.0,1./;");
    (machine, owner)
}

impl Machine {
    async fn act<T: Send + 'static>(&self, act: impl FnOnce(&mut Stage<Surface>) -> T + Send + 'static) -> T {
        let (sender, done) = oneshot::channel();
        let act: Act = Box::new(move |stage| drop(sender.send(act(stage))));
        self.acts.send(act).await.ok().unwrap();
        done.await.unwrap()
    }

    async fn join(&self, params: Params) -> User {
        let id = self.hub.sessions()[0].connection_id.clone();
        let mut user = self.hub.join(&id, params, modern("Bob")).await.unwrap();
        self.act(|stage| stage.set_title("joined")).await;
        while !user.recv().await.unwrap().ends_with(b"6.joined;") {}
        user
    }

    async fn download(&mut self) -> DownloadRequest {
        match self.heard.recv().await {
            Some(Event::Download(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    async fn upload(&mut self) -> UploadRequest {
        match self.heard.recv().await {
            Some(Event::Upload(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the session has handled all that was said before.
    async fn settled(&self) {
        self.act(|_| ()).await;
        tokio::task::yield_now().await;
        self.act(|_| ()).await;
    }
}

/// The next message as text, but for frames, titles and notices, which tests of files do not care about.
async fn hear(user: &mut User) -> String {
    for _ in 0..20 {
        let bytes = user.recv().await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let dull = ["3.nop;", "3.msg,", "4.name,"].iter().any(|dull| text.starts_with(dull));
        if !dull {
            return text;
        }
    }
    panic!("nothing comes")
}

/// Raw bytes of the one blob in a message; `None` if it is something else.
fn blob(text: &str) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new();
    for chunk in text.as_bytes().chunks(4096) {
        decoder.feed(chunk).unwrap();
        if let Some(instruction) = decoder.next_instruction().unwrap()
            && instruction.opcode() == "blob"
        {
            return Some(base64_simd::STANDARD.decode_to_vec(instruction.arg(1).unwrap()).unwrap());
        }
    }
    None
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

async fn nothing_comes(user: &mut User) {
    tokio::select! {
        biased;
        text = hear(user) => panic!("{text}"),
        () = async { for _ in 0..50 { tokio::task::yield_now().await } } => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_flows_one_blob_per_acknowledgement_and_ends_after_the_last() {
    let (mut machine, mut owner) = machine().await;
    say(&mut owner, "3.get,1.0,6./a.txt;").await.unwrap();
    let request = machine.download().await;
    assert_eq!((request.object().0, request.name()), (0, "/a.txt"));
    let mut download = request.accept("application/octet-stream");
    assert_eq!(hear(&mut owner).await, "4.body,1.0,1.0,24.application/octet-stream,6./a.txt;");
    let data = pattern(2 * MAX_BLOB_BYTES + 100);
    download.send(Bytes::from(data.clone())).await.unwrap();
    download.finish().await.unwrap();
    machine.settled().await;
    nothing_comes(&mut owner).await;
    let mut received = Vec::new();
    for len in [MAX_BLOB_BYTES, MAX_BLOB_BYTES, 100] {
        say(&mut owner, "3.ack,1.0,2.OK,1.0;").await.unwrap();
        let part = blob(&hear(&mut owner).await).unwrap();
        assert_eq!(part.len(), len);
        received.extend(part);
        nothing_comes(&mut owner).await;
    }
    assert_eq!(received, data);
    say(&mut owner, "3.ack,1.0,2.OK,1.0;").await.unwrap();
    assert_eq!(hear(&mut owner).await, "3.end,1.0;");
    // One more is ignored, and the next stream has another index.
    say(&mut owner, "3.ack,1.0,2.OK,1.0;3.get,1.0,1./;").await.unwrap();
    drop(machine.download().await.accept("x/y"));
    assert_eq!(hear(&mut owner).await, "4.body,1.0,1.2,3.x/y,1./;");
}

#[tokio::test(start_paused = true)]
async fn data_that_comes_late_goes_out_when_it_comes() {
    let (mut machine, mut owner) = machine().await;
    say(&mut owner, "3.get,1.0,2./a;").await.unwrap();
    let mut download = machine.download().await.accept("x/y");
    hear(&mut owner).await;
    say(&mut owner, "3.ack,1.0,2.OK,1.0;").await.unwrap();
    nothing_comes(&mut owner).await;
    download.send(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(hear(&mut owner).await, "4.blob,1.0,4.YWJj;");
}

#[tokio::test(start_paused = true)]
async fn a_source_waits_for_a_user_who_does_not_and_hears_that_he_gave_up() {
    for refusal in ["3.ack,1.0,2.no,3.768;", "10.disconnect;"] {
        let (mut machine, mut owner) = machine().await;
        say(&mut owner, "3.get,1.0,2./a;").await.unwrap();
        let mut download = machine.download().await.accept("x/y");
        hear(&mut owner).await;
        say(&mut owner, "3.ack,1.0,2.OK,1.0;").await.unwrap();
        let mut sent = 0;
        let pushing = async {
            loop {
                if download.send(Bytes::from(vec![0; 50_000])).await.is_err() {
                    break;
                }
                sent += 1;
            }
        };
        let giving_up = async {
            assert!(blob(&hear(&mut owner).await).is_some());
            machine.settled().await;
            let _ = say(&mut owner, refusal).await;
        };
        tokio::join!(pushing, giving_up);
        assert!(sent <= 5, "{sent} chunks were taken of a download that nobody reads");
        download.gone().await;
        assert_eq!(download.finish().await, Err(TransferGone));
    }
}

#[tokio::test(start_paused = true)]
async fn a_get_that_is_refused_gets_no_body_and_a_line_in_the_log() {
    let (mut machine, mut owner) = machine().await;
    say(&mut owner, "3.get,1.0,5./none;").await.unwrap();
    machine.download().await.refuse(Status::ResourceNotFound);
    let text = hear(&mut owner).await;
    assert!(text.starts_with("3.log,") && text.contains("RESOURCE_NOT_FOUND"), "{text}");
    say(&mut owner, "3.get,1.7,1./;").await.unwrap();
    assert!(hear(&mut owner).await.starts_with("3.log,"), "there is no object 7");
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_answered_blob_by_blob_and_at_its_end() {
    let (mut machine, mut owner) = machine().await;
    say(&mut owner, "3.put,1.0,1.5,10.text/plain,6./b.txt;").await.unwrap();
    let request = machine.upload().await;
    let target = UploadTarget::Object { object: guac_protocol::ObjectIndex(0), name: "/b.txt".into() };
    assert_eq!((request.target(), request.mimetype(), request.is_owner()), (&target, "text/plain", true));
    nothing_comes(&mut owner).await;
    let mut upload = request.accept();
    assert_eq!(hear(&mut owner).await, "3.ack,1.5,2.OK,1.0;");
    for (base64, raw) in [("YWJj", b"abc"), ("ZGVm", b"def")] {
        say(&mut owner, &format!("4.blob,1.5,4.{base64};")).await.unwrap();
        assert_eq!(upload.next().await.unwrap().unwrap(), &raw[..]);
        nothing_comes(&mut owner).await;
        let asking = async { tokio::time::timeout(std::time::Duration::from_secs(1), upload.next()).await.is_err() };
        let (waits, answer) = tokio::join!(asking, hear(&mut owner));
        assert!(waits);
        assert_eq!(answer, "3.ack,1.5,2.OK,1.0;");
    }
    say(&mut owner, "3.end,1.5;").await.unwrap();
    assert_eq!(upload.next().await, Ok(None));
    upload.finish();
    assert_eq!(hear(&mut owner).await, "3.ack,1.5,2.OK,1.0;");
    say(&mut owner, "4.blob,1.5,4.YWJj;").await.unwrap();
    assert_eq!(hear(&mut owner).await, "3.ack,1.5,20.Invalid stream index,3.768;");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_is_over_for_both_sides() {
    let (mut machine, mut owner) = machine().await;
    say(&mut owner, "3.put,1.0,1.5,10.text/plain,2./b;").await.unwrap();
    let mut upload = machine.upload().await.accept();
    hear(&mut owner).await;
    say(&mut owner, "4.blob,1.5,4.YWJj;").await.unwrap();
    upload.next().await.unwrap();
    upload.fail(Status::ClientForbidden, "permission denied");
    assert_eq!(hear(&mut owner).await, "3.ack,1.5,17.permission denied,3.771;");
    say(&mut owner, "4.blob,1.5,4.YWJj;").await.unwrap();
    assert!(hear(&mut owner).await.contains("Invalid stream index"));
    // A backend that drops it says so, too.
    say(&mut owner, "3.put,1.0,1.5,10.text/plain,2./b;").await.unwrap();
    drop(machine.upload().await);
    assert_eq!(hear(&mut owner).await, "3.ack,1.5,22.the file was not taken,3.518;");
}

#[tokio::test(start_paused = true)]
async fn a_backend_hears_that_its_uploader_left_or_began_anew() {
    let (mut machine, mut owner) = machine().await;
    say(&mut owner, "3.put,1.0,1.5,10.text/plain,2./b;").await.unwrap();
    let mut first = machine.upload().await.accept();
    say(&mut owner, "3.put,1.0,1.5,10.text/plain,2./c;").await.unwrap();
    let mut second = machine.upload().await.accept();
    assert_eq!(first.next().await, Err(TransferGone));
    drop(first);
    assert_eq!(hear(&mut owner).await, "3.ack,1.5,2.OK,1.0;");
    nothing_comes(&mut owner).await;
    drop(owner);
    assert_eq!(second.next().await, Err(TransferGone));
    machine.hub.shutdown().await;
    assert_eq!(machine.hub.task_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn blobs_without_end_are_refused_while_nobody_takes_them() {
    let (mut machine, mut owner) = machine().await;
    say(&mut owner, "3.put,1.0,1.5,10.text/plain,2./b;").await.unwrap();
    let mut upload = machine.upload().await.accept();
    assert_eq!(hear(&mut owner).await, "3.ack,1.5,2.OK,1.0;");
    for _ in 0..17 {
        say(&mut owner, "4.blob,1.5,4.YWJj;").await.unwrap();
    }
    assert_eq!(hear(&mut owner).await, "3.ack,1.5,30.more blobs than were asked for,3.781;");
    let mut taken = 0;
    let end = loop {
        match upload.next().await {
            Ok(Some(_)) => taken += 1,
            end => break end,
        }
    };
    assert_eq!((taken, end), (16, Err(TransferGone)));
}

#[tokio::test(start_paused = true)]
async fn eight_uploads_go_on_at_once_and_the_ninth_waits_for_its_turn() {
    let (mut machine, mut owner) = machine().await;
    let mut open: Vec<Upload> = Vec::new();
    for stream in 0..9 {
        say(&mut owner, &format!("3.put,1.0,1.{stream},3.x/y,2./b;")).await.unwrap();
    }
    for _ in 0..8 {
        open.push(machine.upload().await.accept());
        assert!(hear(&mut owner).await.ends_with(",2.OK,1.0;"));
    }
    machine.settled().await;
    nothing_comes(&mut owner).await;
    assert!(machine.heard.try_recv().is_err());
    drop(open.pop());
    drop(machine.upload().await.accept());
}

#[tokio::test(start_paused = true)]
async fn so_many_uploads_may_wait_and_not_one_more() {
    let (mut machine, mut owner) = machine().await;
    for stream in 0..264 {
        let text = stream.to_string();
        say(&mut owner, &format!("3.put,1.0,{}.{text},3.x/y,2./b;", text.len())).await.unwrap();
    }
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(machine.upload().await);
    }
    machine.settled().await;
    nothing_comes(&mut owner).await;
    say(&mut owner, "3.put,1.0,3.300,3.x/y,2./b;").await.unwrap();
    assert_eq!(hear(&mut owner).await, "3.ack,3.300,16.too many streams,3.797;");
}

#[tokio::test(start_paused = true)]
async fn only_the_owner_sees_a_file_system_and_may_use_it() {
    let (mut machine, owner) = machine().await;
    let mut joiner = machine.join(Params::default()).await;
    say(&mut joiner, "3.get,1.0,1./;").await.unwrap();
    assert!(hear(&mut joiner).await.contains("RESOURCE_NOT_FOUND"));
    say(&mut joiner, "3.put,1.0,1.5,3.x/y,2./b;").await.unwrap();
    assert_eq!(hear(&mut joiner).await, "3.ack,1.5,14.no such object,3.516;");
    assert!(machine.heard.try_recv().is_err());
    drop(owner);
    machine.settled().await;
    assert_eq!(machine.act(|stage| stage.expose_filesystem("/")).await, Err(NotOffered::OwnerGone));
    assert!(machine.act(|stage| stage.send_file("x/y", "a").is_err()).await);
}

#[tokio::test(start_paused = true)]
async fn a_joiner_may_drop_a_file_where_that_is_allowed_and_a_reader_may_not() {
    let (mut machine, _owner) = machine().await;
    let mut joiner = machine.join(Params::default()).await;
    let mut reader = machine.join([("read-only", "true")].into_iter().collect()).await;
    say(&mut joiner, "4.file,1.0,3.x/y,5.a.txt;").await.unwrap();
    assert_eq!(hear(&mut joiner).await, "3.ack,1.0,20.file transfer is off,3.256;");
    machine.act(|stage| stage.accept_files(true)).await;
    say(&mut joiner, "4.file,1.0,3.x/y,5.a.txt;").await.unwrap();
    let request = machine.upload().await;
    assert_eq!(request.target(), &UploadTarget::File { filename: "a.txt".into() });
    assert!(!request.is_owner());
    request.refuse(Status::ClientForbidden, "not you");
    assert_eq!(hear(&mut joiner).await, "3.ack,1.0,7.not you,3.771;");
    say(&mut reader, "4.file,1.0,3.x/y,5.a.txt;").await.unwrap();
    assert_eq!(hear(&mut reader).await, "3.ack,1.0,9.read only,3.771;");
    assert!(machine.heard.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_file_or_a_pipe_is_pushed_to_the_owner() {
    let (machine, mut owner) = machine().await;
    let mut file: Download = machine.act(|stage| stage.send_file("x/y", "a.txt").unwrap()).await;
    assert_eq!(hear(&mut owner).await, "4.file,1.0,3.x/y,5.a.txt;");
    let pipe: Download = machine.act(|stage| stage.send_pipe("x/z", "out").unwrap()).await;
    assert_eq!(hear(&mut owner).await, "4.pipe,1.2,3.x/z,3.out;");
    file.send(Bytes::from_static(b"abc")).await.unwrap();
    file.finish().await.unwrap();
    pipe.finish().await.unwrap();
    say(&mut owner, "3.ack,1.0,2.OK,1.0;").await.unwrap();
    assert_eq!(hear(&mut owner).await, "4.blob,1.0,4.YWJj;");
    say(&mut owner, "3.ack,1.0,2.OK,1.0;3.ack,1.2,2.OK,1.0;").await.unwrap();
    // The one that did not have its turn last goes first.
    assert_eq!(hear(&mut owner).await, "3.end,1.2;");
    assert_eq!(hear(&mut owner).await, "3.end,1.0;");
}

#[tokio::test(start_paused = true)]
async fn files_that_nobody_asked_for_leave_room_for_those_that_are() {
    let (mut machine, mut owner) = machine().await;
    let mut pushed = Vec::new();
    for _ in 0..4 {
        pushed.push(machine.act(|stage| stage.send_file("x/y", "a.txt").unwrap()).await);
    }
    let fifth = machine.act(|stage| stage.send_file("x/y", "a.txt").map(drop)).await;
    assert_eq!(fifth, Err(NotOffered::TooMany));
    say(&mut owner, "3.get,1.0,1./;").await.unwrap();
    drop(machine.download().await);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_taken_away_is_told_and_knows_nothing_more() {
    let (machine, mut owner) = machine().await;
    machine.act(|stage| stage.withdraw_filesystem(guac_protocol::ObjectIndex(0))).await;
    assert_eq!(hear(&mut owner).await, "8.undefine,1.0;");
    say(&mut owner, "3.get,1.0,1./;").await.unwrap();
    assert!(hear(&mut owner).await.starts_with("3.log,"));
    let object = machine.act(|stage| stage.expose_filesystem("/srv")).await;
    assert_eq!(object, Ok(guac_protocol::ObjectIndex(1)), "the old number rests");
}

#[tokio::test(start_paused = true)]
async fn a_user_sees_64_file_systems_and_not_65() {
    let (machine, _owner) = machine().await;
    for _ in 1..60 {
        machine.act(|stage| stage.expose_filesystem("/").unwrap()).await;
    }
    let rest = machine.act(|stage| (0..5).map(|_| stage.expose_filesystem("/").is_ok()).collect::<Vec<_>>()).await;
    assert_eq!(rest, [true, true, true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn names_of_4096_bytes_pass_and_longer_ones_are_refused() {
    let (mut machine, mut owner) = machine().await;
    let (longest, longer) = ("a".repeat(4096), "a".repeat(4097));
    say(&mut owner, &format!("3.put,1.0,1.5,3.x/y,4096.{longest};3.put,1.0,1.6,3.x/y,4097.{longer};")).await.unwrap();
    assert_eq!(hear(&mut owner).await, "3.ack,1.6,16.name is too long,3.768;");
    drop(machine.upload().await);
    hear(&mut owner).await;
    say(&mut owner, &format!("3.get,1.0,4097.{longer};3.get,1.0,4096.{longest};")).await.unwrap();
    assert_eq!(machine.download().await.name().len(), 4096);
}

#[tokio::test(start_paused = true)]
async fn two_downloads_take_turns_and_frames_come_between_them() {
    let (mut machine, mut owner) = machine().await;
    say(&mut owner, "3.get,1.0,2./a;3.get,1.0,2./b;").await.unwrap();
    for _ in 0..2 {
        let mut download = machine.download().await.accept("x/y");
        hear(&mut owner).await;
        download.send(Bytes::from(pattern(3 * MAX_BLOB_BYTES))).await.unwrap();
        download.finish().await.unwrap();
    }
    machine.settled().await;
    let mut order = Vec::new();
    say(&mut owner, "3.ack,1.0,2.OK,1.0;3.ack,1.2,2.OK,1.0;").await.unwrap();
    machine.settled().await;
    machine
        .act(|stage| {
            stage.picture().fill(ALL, 7);
            stage.frame_end();
        })
        .await;
    while order.len() < 7 {
        let text = hear(&mut owner).await;
        if text.starts_with("4.blob,1.0") {
            order.push('a');
            say(&mut owner, "3.ack,1.0,2.OK,1.0;").await.unwrap();
        } else if text.starts_with("4.blob,1.2") {
            order.push('b');
            say(&mut owner, "3.ack,1.2,2.OK,1.0;").await.unwrap();
        } else if text.contains("4.sync,") {
            order.push('F');
        }
        machine.settled().await;
    }
    let order: String = order.into_iter().collect();
    assert!(["ababab", "bababa"].contains(&order.replace('F', "").as_str()), "{order}");
    assert!(order.find('F').unwrap() <= 2, "the frame waited for the files: {order}");
}
