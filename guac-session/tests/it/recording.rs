//! Recordings of whole sessions, read back as a player reads them.

use std::path::Path;

use guac_display::Rect;
use guac_protocol::{KeyLog, RecordingReader, ServerInstruction, append_base64};
use guac_session::{Event, Params};
use testsuite::Canvas;

use crate::{ALL, Act, Machine, machine, modern, receive, say};

const RED: u32 = 0x00FF_0000;

fn params(directory: &Path, more: &[(&str, &str)]) -> Params {
    let path = ("recording-path", directory.to_str().unwrap());
    let exact = ("force-lossless", "true");
    [path, exact].iter().chain(more).map(|&(name, value)| (name, value)).collect()
}

fn pixel(canvas: &Canvas, x: usize, y: usize) -> u32 {
    canvas.pixels().get(y * canvas.size().0 + x).copied().unwrap_or_default()
}

/// What a player and a key log make of a recording.
struct Seen {
    canvas: Canvas,
    frames: u64,
    opcodes: Vec<String>,
    typed: String,
    clipboards: Vec<String>,
    times_grow: bool,
}

fn play(path: &Path) -> Seen {
    let mut seen = Seen {
        canvas: Canvas::new(),
        frames: 0,
        opcodes: Vec::new(),
        typed: String::new(),
        clipboards: Vec::new(),
        times_grow: true,
    };
    let (mut reader, mut log, mut last_ms) = (RecordingReader::new(), KeyLog::default(), 0);
    let (mut pasting, mut clipboard) = (None, Vec::new());
    for chunk in std::fs::read(path).unwrap().chunks(5_000) {
        reader.feed(chunk).unwrap();
        while let Some(recorded) = reader.next_instruction().unwrap() {
            let instruction = recorded.instruction;
            seen.canvas.handle(&instruction).unwrap();
            let mut stamp = |timestamp_ms: i64| {
                seen.times_grow &= timestamp_ms >= last_ms;
                last_ms = timestamp_ms;
            };
            match ServerInstruction::try_from(&instruction).unwrap() {
                ServerInstruction::Key { keysym, pressed, timestamp_ms } => {
                    stamp(timestamp_ms.unwrap());
                    log.handle_key(keysym, pressed, &mut seen.typed);
                }
                ServerInstruction::Mouse { timestamp_ms, .. } | ServerInstruction::Sync { timestamp_ms, .. } => {
                    stamp(timestamp_ms);
                }
                ServerInstruction::Clipboard { stream, .. } => pasting = Some(stream),
                ServerInstruction::Blob { stream, data } if Some(stream) == pasting => {
                    append_base64(data, &mut clipboard).unwrap();
                }
                ServerInstruction::End { stream } if Some(stream) == pasting => {
                    pasting = None;
                    seen.clipboards.push(String::from_utf8(std::mem::take(&mut clipboard)).unwrap());
                }
                _ => {}
            }
            seen.opcodes.push(instruction.opcode().to_owned());
        }
    }
    assert_eq!(reader.trailing_bytes(), 0, "the file ends with a whole instruction");
    seen.frames = reader.frames();
    seen
}

/// A session in which something is drawn, typed, pointed at, copied and pasted. Gives the picture its owner saw.
async fn run_session(params: Params) -> Canvas {
    let Machine { hub, acts, mut heard } = machine();
    let (_, mut owner) = hub.open("scripted", params, modern("Ann")).unwrap();
    let mut canvas = Canvas::new();
    acts.send(Act::Fill(ALL, 0x0012_3456)).await.unwrap();
    acts.send(Act::Noise(7)).await.unwrap();
    acts.send(Act::Fill(Rect::new(10, 10, 30, 20), RED)).await.unwrap();
    acts.send(Act::Clipboard("from the machine")).await.unwrap();
    acts.send(Act::Title("last")).await.unwrap();
    for instruction in [
        "5.mouse,2.15,2.12,1.1;",
        "3.key,3.104,1.1;3.key,3.104,1.0;3.key,3.105,1.1;3.key,5.65293,1.1;",
        "5.touch,1.3,1.1,1.2,1.4,1.5,2.45,3.0.5;",
        "9.clipboard,1.0,10.text/plain;4.blob,1.0,8.cGFzdGVk;3.end,1.0;",
    ] {
        say(&mut owner, instruction).await.unwrap();
    }
    while !matches!(heard.recv().await.unwrap(), Event::Clipboard { .. }) {}
    let (mut receiver, sender) = owner.split();
    let (mut titled, mut red) = (false, false);
    receive(&mut receiver, &mut canvas, |canvas, text| {
        titled |= text.contains("4.name,4.last;");
        red |= pixel(canvas, 15, 15) == RED;
        titled && red
    })
    .await;
    drop((receiver, sender));
    hub.shutdown().await;
    assert_eq!(hub.task_count(), 0, "the recording's task is gone, too");
    canvas
}

#[tokio::test]
async fn a_recording_plays_to_the_picture_the_owner_saw() {
    let directory = tempfile::tempdir().unwrap();
    let shown = run_session(params(directory.path(), &[])).await;
    let seen = play(&directory.path().join("recording"));
    assert!(seen.canvas.pixels() == shown.pixels(), "not the same picture");
    assert!(seen.frames >= 1 && seen.times_grow);
    for (opcode, recorded) in [("mouse", true), ("touch", true), ("key", false), ("clipboard", false)] {
        assert_eq!(seen.opcodes.iter().any(|known| known == opcode), recorded, "{opcode}");
    }
}

#[tokio::test]
async fn keys_and_clipboards_are_recorded_only_when_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let asked = [
        ("recording-name", "session-1"),
        ("recording-include-keys", "true"),
        ("recording-include-clipboard", "true"),
        ("recording-exclude-mouse", "true"),
        ("recording-exclude-touch", "true"),
        ("recording-exclude-output", "true"),
    ];
    run_session(params(directory.path(), &asked)).await;
    let mut seen = play(&directory.path().join("session-1"));
    assert_eq!(seen.typed, "hi\n");
    seen.clipboards.sort();
    assert_eq!(seen.clipboards, ["from the machine", "pasted"]);
    seen.opcodes.retain(|opcode| !matches!(opcode.as_str(), "key" | "clipboard" | "blob" | "end"));
    assert_eq!(seen.opcodes, [""; 0]);
    assert!(seen.times_grow);
}

#[tokio::test]
async fn a_session_that_cannot_be_recorded_goes_on() {
    let shown = run_session(params(Path::new("/nonexistent/recordings"), &[])).await;
    assert_eq!(pixel(&shown, 15, 15), RED);
}
