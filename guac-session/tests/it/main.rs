//! Whole sessions with a scripted backend.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

mod audio;
mod files;
mod recording;

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use guac_display::{Cursor, Rect, Size, Surface};
use guac_protocol::{AudioFormat, ClientInfo, Decoder, ProtocolVersion, Status};
use guac_session::{
    AudioInput, Backend, Event, Hub, OpenError, Params, SessionEnd, Start, User, UserGone, UserReceiver,
};
use testsuite::Canvas;
use tokio::sync::mpsc;

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;

/// What a test tells the scripted machine to do.
#[derive(Debug)]
enum Act {
    Fill(Rect, u32),
    Noise(u32),
    Clipboard(&'static str),
    Title(&'static str),
    Setting(&'static str),
    Dot,
    Require,
    StartAudio(AudioFormat),
    Play(Vec<u8>),
    StopAudio,
    Microphone(AudioInput),
    Fail,
    Panic,
}

/// A machine that does what the test says and reports what it hears.
struct Scripted {
    acts: Mutex<Option<mpsc::Receiver<Act>>>,
    heard: mpsc::Sender<Event>,
}

impl Backend for Scripted {
    fn protocol(&self) -> &'static str {
        "scripted"
    }

    fn parameters(&self) -> &'static [&'static str] {
        &["password", "read-only"]
    }

    fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>> {
        let mut acts = self.acts.lock().unwrap().take().unwrap();
        let heard = self.heard.clone();
        Box::pin(async move {
            let (_, mut stage) = start.stage(Surface::new(Size::new(WIDTH, HEIGHT).unwrap()));
            stage.accept_argv(&["password"]);
            stage.accept_pipe(&["STDIN"]);
            loop {
                tokio::select! {
                    event = stage.next() => match event {
                        Event::Ended => return Ok(()),
                        event => heard.send(event).await.unwrap(),
                    },
                    Some(act) = acts.recv() => match act {
                        Act::Fill(rect, colour) => {
                            stage.picture().fill(rect, colour);
                            stage.frame_end();
                        }
                        Act::Noise(seed) => {
                            let pixels: Vec<u32> = (0..WIDTH * HEIGHT)
                                .map(|i| noise(i ^ (seed << 20)))
                                .collect();
                            stage.picture().put(Rect::new(0, 0, WIDTH, HEIGHT), &pixels);
                            stage.frame_end();
                        }
                        Act::Clipboard(text) => stage.send_clipboard(text),
                        Act::Title(title) => stage.set_title(title),
                        Act::Dot => stage.set_cursor(&Cursor::dot()),
                        Act::Setting(value) => stage.publish_argv("font-size", value),
                        Act::Require => drop(stage.require(&["password"])),
                        Act::StartAudio(format) => stage.start_audio(format),
                        Act::Play(pcm) => stage.play_audio(&pcm),
                        Act::StopAudio => stage.stop_audio(),
                        Act::Microphone(input) => stage.use_microphone(input),
                        Act::Fail => return Err(SessionEnd::new(Status::UpstreamError, "the machine broke off")),
                        Act::Panic => panic!("scripted panic"),
                    },
                }
            }
        })
    }
}

/// A colour that nothing predicts (the finaliser of MurmurHash3).
fn noise(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
    x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
    (x ^ (x >> 16)) & 0x00FF_FFFF
}

struct Machine {
    hub: Hub,
    acts: mpsc::Sender<Act>,
    heard: mpsc::Receiver<Event>,
}

fn machine() -> Machine {
    let (acts, receiver) = mpsc::channel(16);
    let (heard, hears) = mpsc::channel(64);
    let backend = Scripted { acts: Mutex::new(Some(receiver)), heard };
    Machine { hub: Hub::new(vec![Box::new(backend)], 2), acts, heard: hears }
}

fn modern(name: &str) -> ClientInfo {
    ClientInfo {
        name: Some(name.to_owned()),
        version: ProtocolVersion::V1_5_0,
        image_mimetypes: vec!["image/webp".into()],
        ..ClientInfo::default()
    }
}

/// Receives until `done` says so, replaying everything; gives all text received.
async fn receive(user: &mut UserReceiver, canvas: &mut Canvas, mut done: impl FnMut(&Canvas, &str) -> bool) -> String {
    let mut text = String::new();
    while let Some(bytes) = user.recv().await {
        let mut decoder = Decoder::new();
        for chunk in bytes.chunks(8192) {
            decoder.feed(chunk).unwrap();
            while let Some(instruction) = decoder.next_instruction().unwrap() {
                canvas.handle(&instruction).unwrap();
                if !matches!(instruction.opcode(), "blob" | "img") {
                    text.push_str(instruction.raw());
                }
            }
        }
        if done(canvas, &text) {
            break;
        }
    }
    text
}

async fn say(user: &mut User, text: &str) -> Result<(), UserGone> {
    let mut decoder = Decoder::new();
    decoder.feed(text.as_bytes()).unwrap();
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        user.handle_instruction(&instruction).await?;
    }
    Ok(())
}

fn filled(colour: u32) -> impl Fn(&Canvas, &str) -> bool {
    move |canvas, _| canvas.pixels().iter().all(|&pixel| pixel == colour) && canvas.size().0 > 0
}

const ALL: Rect = Rect::new(0, 0, WIDTH, HEIGHT);

#[tokio::test]
async fn a_joiner_gets_the_whole_picture_and_then_every_change() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut owner, _speak) = owner.split();
    machine.acts.send(Act::Noise(1)).await.unwrap();
    machine.acts.send(Act::Title("desk")).await.unwrap();
    let mut first = Canvas::new();
    receive(&mut owner, &mut first, |canvas, text| canvas.frames > 0 && text.contains("4.name,4.desk;")).await;

    let (mut joiner, _speak) = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap().split();
    let mut second = Canvas::new();
    let text = receive(&mut joiner, &mut second, |canvas, _| canvas.frames > 0).await;
    assert_eq!(second.pixels(), first.pixels());
    assert!(text.contains("4.name,4.desk;"), "the title is part of what a joiner gets");

    machine.acts.send(Act::Fill(ALL, 0x0000_FF00)).await.unwrap();
    receive(&mut owner, &mut first, filled(0x0000_FF00)).await;
    receive(&mut joiner, &mut second, filled(0x0000_FF00)).await;
}

#[tokio::test]
async fn a_joiner_before_the_first_picture_hears_what_the_owner_hears() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut owner, _speak) = owner.split();
    machine.acts.send(Act::Title("first")).await.unwrap();
    receive(&mut owner, &mut Canvas::new(), |_, text| text.contains("4.name,5.first;")).await;
    let (mut joiner, _speak) = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap().split();
    let mut canvas = Canvas::new();
    receive(&mut joiner, &mut canvas, |_, text| text.contains("4.name,5.first;")).await;
    machine.acts.send(Act::Title("second")).await.unwrap();
    receive(&mut joiner, &mut canvas, |_, text| text.contains("4.name,6.second;")).await;
    machine.acts.send(Act::Fill(ALL, 5)).await.unwrap();
    receive(&mut joiner, &mut canvas, filled(5)).await;
}

#[tokio::test]
async fn a_user_who_does_not_read_is_resynced_and_the_others_do_not_wait() {
    let machine = machine();
    let lossless: Params = [("force-lossless", "true")].into_iter().collect();
    let (id, owner) = machine.hub.open("scripted", lossless, modern("Ann")).unwrap();
    let (mut owner, _speak) = owner.split();
    machine.acts.send(Act::Fill(ALL, 1)).await.unwrap();
    let mut first = Canvas::new();
    receive(&mut owner, &mut first, filled(1)).await;
    let (mut sleeper, _speak) = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap().split();
    let mut second = Canvas::new();
    receive(&mut sleeper, &mut second, filled(1)).await;

    // Each frame of noise is about 230 kB, so 40 of them are beyond the ring.
    let (mut received, mut frames) = (0, first.frames);
    for seed in 0..40 {
        machine.acts.send(Act::Noise(seed)).await.unwrap();
        received += receive(&mut owner, &mut first, |canvas, _| canvas.frames > frames).await.len();
        frames = first.frames;
    }
    assert!(received > 0);
    machine.acts.send(Act::Fill(ALL, 7)).await.unwrap();
    receive(&mut owner, &mut first, filled(7)).await;
    receive(&mut sleeper, &mut second, filled(7)).await;
    assert!(second.frames < first.frames, "the sleeper got a snapshot instead of {} frames", first.frames);
}

#[tokio::test]
async fn frames_wait_for_a_user_who_paints_slowly_and_merge() {
    let machine = machine();
    let (_, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut listen, _speak) = owner.split();
    let mut canvas = Canvas::new();
    for colour in 0..30 {
        machine.acts.send(Act::Fill(ALL, colour)).await.unwrap();
    }
    receive(&mut listen, &mut canvas, filled(29)).await;
    assert!(canvas.frames < 15, "{} frames were sent to a user who acknowledged none", canvas.frames);
}

#[tokio::test]
async fn input_arrives_typed_and_that_of_a_read_only_user_does_not() {
    let mut machine = machine();
    let (id, mut owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let read_only: Params = [("read-only", "true")].into_iter().collect();
    let mut watcher = machine.hub.join(&id, read_only, modern("Bob")).await.unwrap();
    say(&mut watcher, "3.key,2.98,1.1;5.mouse,1.1,1.2,1.0;4.size,3.100,3.100;").await.unwrap();
    say(&mut owner, "3.key,2.97,1.1;5.mouse,2.10,2.20,1.1;4.size,3.800,3.600;7.unknown,1.x;").await.unwrap();
    assert!(matches!(machine.heard.recv().await, Some(Event::Key { keysym: 97, pressed: true, .. })));
    assert!(matches!(machine.heard.recv().await, Some(Event::Mouse { x: 10, y: 20, buttons: 1, .. })));
    let size = machine.heard.recv().await;
    assert!(matches!(size, Some(Event::Size { is_owner: true, width_px: 800, height_px: 600, .. })), "{size:?}");
}

#[tokio::test]
async fn the_clipboard_travels_both_ways() {
    let mut machine = machine();
    let (_, mut owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    say(
        &mut owner,
        "9.clipboard,1.0,10.text/plain;4.blob,1.0,8.w6TigqzwnZ+Y;3.end,1.0;"
            .replace("w6TigqzwnZ+Y", "w6TigqwK")
            .as_str(),
    )
    .await
    .unwrap();
    let Some(Event::Clipboard { data, mimetype, .. }) = machine.heard.recv().await else { panic!("no clipboard") };
    assert_eq!((String::from_utf8(data).unwrap().as_str(), mimetype.as_str()), ("ä€\n", "text/plain"));
    machine.acts.send(Act::Clipboard("out")).await.unwrap();
    let (mut listen, _speak) = owner.split();
    let text = receive(&mut listen, &mut Canvas::new(), |_, text| text.contains("3.end,1.3;")).await;
    assert!(text.contains("3.ack,1.0,2.OK,1.0;") && text.contains("9.clipboard,1.3,10.text/plain;"), "{text}");
}

#[tokio::test]
async fn a_prompt_reaches_the_owner_and_its_answer_the_backend() {
    let mut machine = machine();
    let (_, mut owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    machine.acts.send(Act::Require).await.unwrap();
    assert_eq!(owner.recv().await.unwrap(), "8.required,8.password;");
    say(&mut owner, "4.argv,1.0,10.text/plain,8.password;4.blob,1.0,4.c2Vj;3.end,1.0;").await.unwrap();
    let Some(Event::Argv { name, value, is_owner: true, .. }) = machine.heard.recv().await else { panic!("no answer") };
    assert_eq!((name.as_str(), value.as_str()), ("password", "sec"));
    say(&mut owner, "4.argv,1.1,10.text/plain,8.hostname;").await.unwrap();
    let (mut listen, _speak) = owner.split();
    receive(&mut listen, &mut Canvas::new(), |_, text| {
        text.contains("3.ack,1.1,27.parameter cannot be changed,3.256;")
    })
    .await;
}

#[tokio::test]
async fn the_owner_hears_who_joins_and_leaves() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let joiner = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap();
    let (mut listen, _speak) = owner.split();
    let user = joiner.id().to_string();
    let joined = format!("3.msg,1.1,37.{user},3.Bob;");
    receive(&mut listen, &mut Canvas::new(), |_, text| text.contains(&joined)).await;
    drop(joiner);
    let left = format!("3.msg,1.2,37.{user},3.Bob;");
    receive(&mut listen, &mut Canvas::new(), |_, text| text.contains(&left)).await;
}

#[tokio::test]
async fn the_session_outlives_its_owner_and_ends_with_its_last_user() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut joiner, speak) = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap().split();
    drop(owner);
    machine.acts.send(Act::Fill(ALL, 3)).await.unwrap();
    receive(&mut joiner, &mut Canvas::new(), filled(3)).await;
    assert_eq!(machine.hub.sessions().len(), 1);
    drop((joiner, speak));
    machine.acts.closed().await;
    machine.hub.shutdown().await;
    assert_eq!((machine.hub.task_count(), machine.hub.sessions().len()), (0, 0));
    assert_eq!(machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap_err(), OpenError::NoSuchConnection);
}

#[tokio::test]
async fn nonsense_ends_the_one_who_said_it_and_nobody_else() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    for (nonsense, status) in [("3.key,1.x,1.1;", "768"), ("4.sync,4.9999;", "768"), ("4.blob,1.0,3.%%%;", "768")] {
        let mut fool = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap();
        let _ = say(&mut fool, nonsense).await;
        let (mut listen, _speak) = fool.split();
        let text = receive(&mut listen, &mut Canvas::new(), |_, _| false).await;
        assert!(text.contains(&format!(",3.{status};10.disconnect;")), "{nonsense}: {text}");
    }
    machine.acts.send(Act::Fill(ALL, 3)).await.unwrap();
    let (mut listen, _speak) = owner.split();
    receive(&mut listen, &mut Canvas::new(), filled(3)).await;
}

#[tokio::test]
async fn every_end_reaches_the_users_with_its_status_and_leaves_no_task() {
    for (act, ending) in [
        (Some(Act::Fail), "5.error,21.the machine broke off,3.515;10.disconnect;"),
        (Some(Act::Panic), "5.error,48.internal error of the gateway; its log says more,3.512;10.disconnect;"),
        (None, "5.error,41.the session was ended by an administrator,3.523;10.disconnect;"),
    ] {
        let machine = machine();
        let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
        let (mut listen, speak) = owner.split();
        match act {
            Some(act) => machine.acts.send(act).await.unwrap(),
            None => assert!(machine.hub.close(&id, SessionEnd::killed())),
        }
        let text = receive(&mut listen, &mut Canvas::new(), |_, _| false).await;
        assert!(text.ends_with(ending), "{text}");
        drop((listen, speak));
        machine.hub.shutdown().await;
        assert_eq!(machine.hub.task_count(), 0);
    }
}

#[tokio::test]
async fn a_user_who_says_disconnect_gets_one_back() {
    let machine = machine();
    let (_, mut owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    assert_eq!(say(&mut owner, "10.disconnect;").await, Err(UserGone));
    assert_eq!(owner.recv().await.unwrap(), "10.disconnect;");
    assert_eq!(owner.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_session_says_nop_every_five_seconds() {
    let machine = machine();
    let (_, mut owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(owner.recv().await.unwrap(), "3.nop;");
    }
    assert_eq!(start.elapsed().as_secs(), 15);
    let _keep = Arc::new(machine);
}

#[tokio::test]
async fn others_see_where_a_users_pointer_is() {
    let mut machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut listen, _speak) = owner.split();
    // Who joins gets nothing before there is a picture.
    machine.acts.send(Act::Fill(ALL, 3)).await.unwrap();
    let mut joiner = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap();
    say(&mut joiner, "5.mouse,2.10,2.20,1.1;").await.unwrap();
    assert!(matches!(machine.heard.recv().await, Some(Event::Mouse { x: 10, y: 20, buttons: 1, .. })));
    receive(&mut listen, &mut Canvas::new(), |_, text| text.contains("5.mouse,2.10,2.20,1.1,")).await;
    machine.acts.send(Act::Title("last")).await.unwrap();
    let (mut listen, _speak) = joiner.split();
    let text = receive(&mut listen, &mut Canvas::new(), |_, text| text.contains("4.last;")).await;
    assert!(!text.contains("5.mouse"), "one's own pointer is known: {text}");
}

#[tokio::test]
async fn an_old_client_gets_no_prompt_and_no_notices() {
    let machine = machine();
    let old = ClientInfo { version: ProtocolVersion::V1_1_0, ..modern("Ann") };
    let (id, owner) = machine.hub.open("scripted", Params::default(), old).unwrap();
    let (mut listen, _speak) = owner.split();
    machine.acts.send(Act::Require).await.unwrap();
    let mut joiner = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap();
    machine.acts.send(Act::Fill(ALL, 3)).await.unwrap();
    while !joiner.recv().await.unwrap().ends_with(b";") {}
    drop(joiner);
    machine.acts.send(Act::Title("last")).await.unwrap();
    let text = receive(&mut listen, &mut Canvas::new(), |_, text| text.contains("4.last;")).await;
    assert!(!text.contains("required") && !text.contains("3.msg"), "{text}");
}

#[tokio::test]
async fn webp_goes_out_only_while_every_user_shows_it() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut listen, _speak) = owner.split();
    let mut first = Canvas::new();
    machine.acts.send(Act::Noise(1)).await.unwrap();
    receive(&mut listen, &mut first, |canvas, _| canvas.frames > 0).await;
    assert!(first.mimetypes.iter().any(|mimetype| mimetype == "image/webp"), "{:?}", first.mimetypes);

    let plain = ClientInfo { image_mimetypes: vec!["image/png".into()], ..modern("Bob") };
    let (mut joiner, _speak) = machine.hub.join(&id, Params::default(), plain).await.unwrap().split();
    let mut second = Canvas::new();
    receive(&mut joiner, &mut second, |canvas, _| canvas.frames > 0).await;
    machine.acts.send(Act::Noise(2)).await.unwrap();
    let frames = second.frames;
    receive(&mut joiner, &mut second, |canvas, _| canvas.frames > frames).await;
    assert!(second.mimetypes.iter().all(|mimetype| mimetype != "image/webp"), "{:?}", second.mimetypes);
}

#[tokio::test]
async fn copying_and_pasting_can_be_switched_off() {
    let machine = machine();
    let off: Params = [("disable-copy", "true"), ("disable-paste", "true")].into_iter().collect();
    let (_, mut owner) = machine.hub.open("scripted", off, modern("Ann")).unwrap();
    say(&mut owner, "9.clipboard,1.0,10.text/plain;").await.unwrap();
    machine.acts.send(Act::Clipboard("secret")).await.unwrap();
    let (mut listen, speak) = owner.split();
    let mut text =
        receive(&mut listen, &mut Canvas::new(), |_, text| text.contains("3.ack,1.0,16.clipboard is off,3.256;")).await;
    machine.acts.send(Act::Title("last")).await.unwrap();
    text += &receive(&mut listen, &mut Canvas::new(), |_, text| text.contains("4.last;")).await;
    assert!(!text.contains("9.clipboard"), "{text}");
    drop(speak);
}

#[tokio::test]
async fn a_joiner_is_told_the_settings_in_force() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut listen, _speak) = owner.split();
    machine.acts.send(Act::Setting("24")).await.unwrap();
    machine.acts.send(Act::Fill(ALL, 3)).await.unwrap();
    let told = "4.argv,1.5,10.text/plain,9.font-size;";
    receive(&mut listen, &mut Canvas::new(), |canvas, text| canvas.frames > 0 && text.contains(told)).await;
    let (mut joiner, _speak) = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap().split();
    let text = receive(&mut joiner, &mut Canvas::new(), |canvas, _| canvas.frames > 0).await;
    assert!(text.contains(told), "{text}");
}

#[tokio::test]
async fn answers_to_what_is_sent_to_all_are_ignored() {
    let mut machine = machine();
    let (_, mut owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    say(&mut owner, "3.ack,1.1,2.OK,1.0;3.ack,1.3,2.no,3.768;3.key,2.97,1.1;").await.unwrap();
    assert!(matches!(machine.heard.recv().await, Some(Event::Key { keysym: 97, .. })));
}

#[tokio::test]
async fn a_joiner_gets_the_pointers_image() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut listen, _speak) = owner.split();
    machine.acts.send(Act::Dot).await.unwrap();
    machine.acts.send(Act::Fill(ALL, 3)).await.unwrap();
    let mut first = Canvas::new();
    receive(&mut listen, &mut first, |canvas, _| canvas.frames > 0).await;
    let (mut joiner, _speak) = machine.hub.join(&id, Params::default(), modern("Bob")).await.unwrap().split();
    let mut second = Canvas::new();
    receive(&mut joiner, &mut second, |canvas, _| canvas.frames > 0).await;
    assert!(first.cursor.is_some());
    assert_eq!(second.cursor, first.cursor);
}

#[tokio::test]
async fn timestamps_only_grow() {
    let machine = machine();
    let (_, mut owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let mut last = None;
    for colour in 1..20 {
        machine.acts.send(Act::Fill(ALL, colour)).await.unwrap();
        let mut canvas = Canvas::new();
        while canvas.last_sync_ms.is_none() {
            let bytes = owner.recv().await.unwrap();
            let mut decoder = Decoder::new();
            decoder.feed(&bytes).unwrap();
            while let Some(instruction) = decoder.next_instruction().unwrap() {
                canvas.handle(&instruction).unwrap();
            }
        }
        assert!(canvas.last_sync_ms > last, "{:?} after {last:?}", canvas.last_sync_ms);
        last = canvas.last_sync_ms;
        say(&mut owner, &format!("4.sync,{}.{};", last.unwrap().to_string().len(), last.unwrap())).await.unwrap();
    }
}

#[tokio::test]
async fn a_long_clipboard_goes_out_in_blobs_of_4096_bytes() {
    const TEXT: &str = match std::str::from_utf8(&[b'x'; 10_000]) {
        Ok(text) => text,
        Err(_) => "",
    };
    let machine = machine();
    let (_, mut owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    machine.acts.send(Act::Clipboard(TEXT)).await.unwrap();
    let bytes = owner.recv().await.unwrap();
    let mut decoder = Decoder::new();
    let mut sizes = Vec::new();
    for chunk in bytes.chunks(4096) {
        decoder.feed(chunk).unwrap();
        while let Some(instruction) = decoder.next_instruction().unwrap() {
            if instruction.opcode() == "blob" {
                sizes.push(base64_simd::STANDARD.decode_to_vec(instruction.arg(1).unwrap()).unwrap().len());
            }
        }
    }
    assert_eq!(sizes, [4096, 4096, 1808]);
}
