//! Sound in both directions.

use guac_protocol::{AudioFormat, ClientInfo, Decoder};
use guac_session::{AudioInput, Event, Params, UserReceiver, UserSender};
use testsuite::Canvas;

use crate::{ALL, Act, Machine, filled, machine, modern, receive, say};

const CD: &str = "5.audio,1.7,31.audio/L16;rate=44100,channels=2;";

fn format(text: &str) -> AudioFormat {
    text.parse().unwrap()
}

fn cd() -> AudioFormat {
    format("audio/L16;rate=44100,channels=2")
}

fn listener(name: &str) -> ClientInfo {
    ClientInfo { audio_mimetypes: vec!["audio/L8".into(), "audio/L16".into()], ..modern(name) }
}

/// Everything about sound that a user gets, until `done`.
async fn hear(user: &mut UserReceiver, mut done: impl FnMut(&str) -> bool) -> String {
    let mut text = String::new();
    while let Some(bytes) = user.recv().await {
        let mut decoder = Decoder::new();
        for chunk in bytes.chunks(8192) {
            decoder.feed(chunk).unwrap();
            while let Some(instruction) = decoder.next_instruction().unwrap() {
                let about_sound = instruction.args().next() == Some("7");
                if matches!(instruction.opcode(), "ack" | "nop") || about_sound {
                    text.push_str(instruction.raw());
                }
            }
        }
        if done(&text) {
            break;
        }
    }
    text
}

async fn act(machine: &Machine, acts: impl IntoIterator<Item = Act>) {
    for act in acts {
        machine.acts.send(act).await.unwrap();
    }
}

#[tokio::test]
async fn two_users_and_a_joiner_hear_the_same() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), listener("Ann")).unwrap();
    let (mut owner, _speak) = owner.split();
    act(&machine, [Act::Fill(ALL, 1)]).await;
    receive(&mut owner, &mut Canvas::new(), filled(1)).await;
    let (mut second, _speak2) = machine.hub.join(&id, Params::default(), listener("Bob")).await.unwrap().split();
    receive(&mut second, &mut Canvas::new(), filled(1)).await;

    act(&machine, [Act::StartAudio(cd()), Act::Play(vec![1; 12])]).await;
    for user in [&mut owner, &mut second] {
        assert_eq!(hear(user, |text| text.contains("blob")).await, format!("{CD}4.blob,1.7,16.AQEBAQEBAQEBAQEB;"));
    }

    let (mut third, _speak3) = machine.hub.join(&id, Params::default(), listener("Cid")).await.unwrap().split();
    assert_eq!(hear(&mut third, |text| text.contains("audio")).await, CD);
    act(&machine, [Act::Play(vec![2; 12]), Act::StopAudio]).await;
    for user in [&mut owner, &mut second, &mut third] {
        assert_eq!(hear(user, |text| text.contains("end")).await, "4.blob,1.7,16.AgICAgICAgICAgIC;3.end,1.7;");
    }
    let (mut late, _speak4) = machine.hub.join(&id, Params::default(), listener("Dan")).await.unwrap().split();
    assert_eq!(receive(&mut late, &mut Canvas::new(), filled(1)).await.find("audio"), None, "nothing plays any more");
}

#[tokio::test]
async fn another_format_is_another_stream_and_the_same_one_is_not() {
    let machine = machine();
    let (_, owner) = machine.hub.open("scripted", Params::default(), listener("Ann")).unwrap();
    let (mut owner, _speak) = owner.split();
    act(&machine, [Act::StartAudio(cd()), Act::Play(vec![0; 4]), Act::StartAudio(cd()), Act::Play(vec![0; 4])]).await;
    act(&machine, [Act::StartAudio(format("audio/L8;rate=22050,channels=1")), Act::Play(vec![0; 3])]).await;
    let text = hear(&mut owner, |text| text.contains("L8") && text.ends_with("4.AAAA;")).await;
    let blob = "4.blob,1.7,8.AAAAAA==;";
    assert_eq!(
        text,
        format!("{CD}{blob}{blob}3.end,1.7;5.audio,1.7,30.audio/L8;rate=22050,channels=1;4.blob,1.7,4.AAAA;")
    );
}

#[tokio::test]
async fn sound_is_cut_into_blobs_of_whole_frames() {
    let machine = machine();
    let (_, owner) = machine.hub.open("scripted", Params::default(), listener("Ann")).unwrap();
    let (mut owner, _speak) = owner.split();
    // A frame of five channels has ten bytes: 604 of them fit into a blob of 6048.
    let odd = format("audio/L16;rate=48000,channels=5");
    act(&machine, [Act::StartAudio(odd), Act::Play(vec![0; 6049]), Act::Play(vec![0; 9]), Act::StopAudio]).await;
    let text = hear(&mut owner, |text| text.contains("3.end")).await;
    let lengths: Vec<usize> = text
        .split(';')
        .filter_map(|part| part.strip_prefix("4.blob,1.7,"))
        .map(|base64| base64_simd::STANDARD.decode_to_vec(base64.split_once('.').unwrap().1).unwrap().len())
        .collect();
    assert_eq!(lengths, [6040], "nine bytes are no frame, and neither is a rest of nine");
}

#[tokio::test]
async fn who_plays_no_sound_is_offered_none_until_somebody_does() {
    let machine = machine();
    let (id, owner) = machine.hub.open("scripted", Params::default(), modern("Ann")).unwrap();
    let (mut owner, _speak) = owner.split();
    act(&machine, [Act::StartAudio(cd()), Act::Play(vec![0; 4]), Act::Fill(ALL, 1)]).await;
    let text = receive(&mut owner, &mut Canvas::new(), filled(1)).await;
    assert!(!text.contains("audio"), "{text}");
    let eight_bits = ClientInfo { audio_mimetypes: vec!["audio/L8".into()], ..modern("Bob") };
    let (mut bob, _speak2) = machine.hub.join(&id, Params::default(), eight_bits).await.unwrap().split();
    let mut canvas = Canvas::new();
    receive(&mut bob, &mut canvas, filled(1)).await;
    act(&machine, [Act::Play(vec![0; 4]), Act::Fill(ALL, 2)]).await;
    let text = receive(&mut bob, &mut canvas, filled(2)).await;
    assert!(!text.contains("audio"), "sixteen bits are not what he plays: {text}");
    let (mut cid, _speak3) = machine.hub.join(&id, Params::default(), listener("Cid")).await.unwrap().split();
    receive(&mut cid, &mut Canvas::new(), filled(2)).await;
    act(&machine, [Act::Play(vec![0; 4])]).await;
    assert_eq!(hear(&mut cid, |text| text.contains("blob")).await, format!("{CD}4.blob,1.7,8.AAAAAA==;"));
}

#[tokio::test]
async fn a_slow_user_misses_sound_and_is_told_the_format_again_where_he_missed_that() {
    let machine = machine();
    let lossless: Params = [("force-lossless", "true")].into_iter().collect();
    let (id, owner) = machine.hub.open("scripted", lossless, listener("Ann")).unwrap();
    let (mut owner, _speak) = owner.split();
    act(&machine, [Act::Fill(ALL, 1)]).await;
    let mut first = Canvas::new();
    receive(&mut owner, &mut first, filled(1)).await;
    let (mut sleeper, _speak2) = machine.hub.join(&id, Params::default(), listener("Bob")).await.unwrap().split();
    receive(&mut sleeper, &mut Canvas::new(), filled(1)).await;

    // A second, in tenths; the owner reads each at once.
    act(&machine, [Act::StartAudio(cd())]).await;
    for _ in 0..10 {
        act(&machine, [Act::Play(vec![0; 17_640])]).await;
        let mut tenth = 0;
        while tenth < 3 {
            tenth += hear(&mut owner, |text| text.contains("blob")).await.matches("4.blob").count();
        }
    }
    act(&machine, [Act::StopAudio]).await;
    let text = hear(&mut sleeper, |text| text.contains("3.end")).await;
    assert!(text.starts_with(CD), "what says what it is, is never left out");
    let kept = text.matches("4.blob").count();
    assert!((14..=18).contains(&kept), "half a second in blobs of 6048 bytes is 14.6 of them, not {kept}");

    // Beyond the ring: each frame of noise is about 230 kB.
    act(&machine, [Act::StartAudio(cd()), Act::Play(vec![0; 4])]).await;
    let mut frames = first.frames;
    for seed in 0..40 {
        act(&machine, [Act::Noise(seed)]).await;
        receive(&mut owner, &mut first, |canvas, _| canvas.frames > frames).await;
        frames = first.frames;
    }
    act(&machine, [Act::Fill(ALL, 7)]).await;
    receive(&mut owner, &mut first, filled(7)).await;
    let mut canvas = Canvas::new();
    let text = receive(&mut sleeper, &mut canvas, filled(7)).await;
    assert!(text.contains(CD), "{text}");
    act(&machine, [Act::Play(vec![0; 4])]).await;
    assert_eq!(hear(&mut sleeper, |text| text.contains("blob")).await, "4.blob,1.7,8.AAAAAA==;");
}

const OPEN: &str = "5.audio,1.0,31.audio/L16;rate=44100,channels=2;";

#[tokio::test]
async fn a_microphone_is_refused_unless_the_backend_listens_and_always_to_joiners() {
    let machine = machine();
    let (id, mut owner) = machine.hub.open("scripted", Params::default(), listener("Ann")).unwrap();
    let mut joiner = machine.hub.join(&id, Params::default(), listener("Bob")).await.unwrap();
    say(&mut owner, OPEN).await.unwrap();
    let (mut owner_hears, _speak) = owner.split();
    assert_eq!(hear(&mut owner_hears, |text| text.contains("ack")).await, "3.ack,1.0,18.audio input is off,3.256;");
    act(&machine, [Act::Microphone(AudioInput::On), Act::Fill(ALL, 1)]).await;
    receive(&mut owner_hears, &mut Canvas::new(), filled(1)).await;
    say(&mut joiner, OPEN).await.unwrap();
    let (mut joiner_hears, _speak2) = joiner.split();
    assert_eq!(hear(&mut joiner_hears, |text| text.contains("ack")).await, "3.ack,1.0,18.audio input is off,3.256;");
}

/// Says something as the user whose half this is.
async fn speak(user: &mut UserSender, text: &str) {
    let mut decoder = Decoder::new();
    decoder.feed(text.as_bytes()).unwrap();
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        user.handle_instruction(&instruction).await.unwrap();
    }
}

/// The machine does something and has done it when this returns.
async fn done(machine: &Machine, user: &mut UserReceiver, canvas: &mut Canvas, input: AudioInput, colour: u32) {
    act(machine, [Act::Microphone(input), Act::Fill(ALL, colour)]).await;
    receive(user, canvas, filled(colour)).await;
}

#[tokio::test]
async fn the_owner_is_heard_from_when_the_machine_listens_until_he_ends_it() {
    let mut machine = machine();
    let (_, owner) = machine.hub.open("scripted", Params::default(), listener("Ann")).unwrap();
    let (mut hears, mut speaks) = owner.split();
    done(&machine, &mut hears, &mut Canvas::new(), AudioInput::Standby, 1).await;
    // Said too early: nobody listens.
    speak(&mut speaks, OPEN).await;
    speak(&mut speaks, "4.blob,1.0,4.AAAA;3.key,2.98,1.1;").await;
    assert!(matches!(machine.heard.recv().await, Some(Event::Key { keysym: 98, .. })));
    act(&machine, [Act::Microphone(AudioInput::On)]).await;
    assert_eq!(hear(&mut hears, |text| text.contains("ack")).await, "3.ack,1.0,2.OK,1.0;");
    speak(&mut speaks, "4.blob,1.0,8.AQIDBAUG;3.end,1.0;").await;
    let Some(Event::AudioInput { format, data }) = machine.heard.recv().await else { panic!("no sound") };
    assert_eq!((format, data.as_slice()), (cd(), &[1, 2, 3, 4, 5, 6][..]));
    assert!(matches!(machine.heard.recv().await, Some(Event::AudioInputEnd)));
}

#[tokio::test]
async fn one_microphone_at_a_time_of_a_known_format_until_the_machine_has_heard_enough() {
    let mut machine = machine();
    let (_, owner) = machine.hub.open("scripted", Params::default(), listener("Ann")).unwrap();
    let (mut hears, mut speaks) = owner.split();
    let mut canvas = Canvas::new();
    done(&machine, &mut hears, &mut canvas, AudioInput::On, 1).await;
    speak(&mut speaks, "5.audio,1.0,9.audio/ogg;").await;
    speak(&mut speaks, "5.audio,1.1,9.audio/L16;").await;
    speak(&mut speaks, OPEN).await;
    speak(&mut speaks, &OPEN.replace("1.0,", "1.1,")).await;
    let text = hear(&mut hears, |text| text.matches("3.ack").count() == 4).await;
    assert_eq!(
        text,
        "3.ack,1.0,20.unknown audio format,3.783;3.ack,1.1,20.unknown audio format,3.783;\
         3.ack,1.0,2.OK,1.0;3.ack,1.1,24.the microphone is in use,3.517;"
    );
    act(&machine, [Act::Microphone(AudioInput::Standby)]).await;
    let text = hear(&mut hears, |text| text.contains("3.ack")).await;
    assert_eq!(text, "3.ack,1.0,27.the machine does not listen,3.518;");
    done(&machine, &mut hears, &mut canvas, AudioInput::On, 2).await;
    // Another stream of the index ends the microphone's (P-122).
    speak(&mut speaks, OPEN).await;
    speak(&mut speaks, "9.clipboard,1.0,10.text/plain;").await;
    assert!(matches!(machine.heard.recv().await, Some(Event::AudioInputEnd)));
}
