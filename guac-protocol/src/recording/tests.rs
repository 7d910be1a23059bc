use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Decoder, OwnedInstruction, append_base64};

const ALL: RecordingWriter = RecordingWriter { output: true, mouse: true, touch: true, keys: true, clipboard: true };

fn touch() -> ServerInstruction<'static> {
    ServerInstruction::Touch {
        id: 1,
        x: 2,
        y: 3,
        radius_x: 4,
        radius_y: 5,
        angle: 45.0,
        force: 0.5,
        timestamp_ms: None,
    }
}

/// Everything that can be recorded, once.
fn everything(writer: &RecordingWriter) -> String {
    let mut out = Vec::new();
    writer.output(b"4.size,1.0,1.8,1.8;4.sync,2.10,1.1;", &mut out);
    writer.mouse((7, -8), 1, 11, &mut out);
    writer.key(0xFF0D, true, 12, &mut out);
    writer.touch(&touch(), 13, &mut out);
    writer.clipboard("text/plain", b"hello", &mut out);
    String::from_utf8(out).unwrap()
}

fn instructions(bytes: &[u8]) -> Vec<OwnedInstruction> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes).unwrap();
    let mut found = Vec::new();
    while let Some(instruction) = decoder.next_instruction().unwrap() {
        found.push(OwnedInstruction::from(&instruction));
    }
    found
}

#[test]
fn output_is_recorded_as_it_is_and_input_with_its_time() {
    let expected = [
        "4.size,1.0,1.8,1.8;4.sync,2.10,1.1;",
        "5.mouse,1.7,2.-8,1.1,2.11;",
        "3.key,5.65293,1.1,2.12;",
        "5.touch,1.1,1.2,1.3,1.4,1.5,2.45,3.0.5,2.13;",
        "9.clipboard,4.1025,10.text/plain;4.blob,4.1025,8.aGVsbG8=;3.end,4.1025;",
    ];
    assert_eq!(everything(&ALL), expected.concat());
}

#[test]
fn each_kind_is_left_out_when_it_is_not_wanted() {
    for (writer, opcode) in [
        (RecordingWriter { output: false, ..ALL }, "size"),
        (RecordingWriter { mouse: false, ..ALL }, "mouse"),
        (RecordingWriter { touch: false, ..ALL }, "touch"),
        (RecordingWriter { keys: false, ..ALL }, "key"),
        (RecordingWriter { clipboard: false, ..ALL }, "clipboard"),
    ] {
        let recorded = instructions(everything(&writer).as_bytes());
        assert!(!recorded.iter().any(|instruction| instruction.opcode() == opcode), "{opcode}");
        assert!(recorded.len() >= 5, "{opcode}");
    }
    let usual = everything(&RecordingWriter::default());
    assert!(!usual.contains("3.key") && !usual.contains("clipboard") && usual.contains("touch"));
}

#[test]
fn a_long_clipboard_is_recorded_in_blobs() {
    let (mut out, mut data) = (Vec::new(), Vec::new());
    ALL.clipboard("text/plain", &vec![b'x'; 10_000], &mut out);
    let recorded = instructions(&out);
    for blob in recorded.iter().filter(|instruction| instruction.opcode() == "blob") {
        append_base64(blob.arg(1).unwrap(), &mut data).unwrap();
    }
    assert_eq!((recorded.len(), data.len()), (5, 10_000));
}

/// A recording of `frames` frames, `step_ms` apart, each of at least `bytes` bytes.
fn film(frames: usize, step_ms: usize, bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in 0..frames {
        let padding = "x".repeat(bytes);
        ServerInstruction::Log { message: &padding }.encode(&mut out);
        let timestamp_ms = i64::try_from(1_700_000_000_000 + frame * step_ms).unwrap();
        ServerInstruction::Sync { timestamp_ms, frames: None }.encode(&mut out);
    }
    out
}

fn read(reader: &mut RecordingReader, bytes: &[u8]) -> Vec<FrameEnd> {
    let mut ends = Vec::new();
    for part in bytes.chunks(10_000) {
        reader.feed(part).unwrap();
        while let Some(recorded) = reader.next_instruction().unwrap() {
            ends.extend(recorded.end);
        }
    }
    ends
}

#[test]
fn frames_end_at_syncs_and_know_their_time_and_place() {
    let bytes = b"3.nop;4.sync,3.100;3.nop;4.sync,3.150;4.sync,3.140;3.nop;4.sy";
    let mut reader = RecordingReader::new();
    let ends = read(&mut reader, bytes);
    let found: Vec<_> = ends.iter().map(|end| (end.index, end.at.as_millis(), end.end_bytes)).collect();
    assert_eq!(found, [(0, 0, 19), (1, 50, 38), (2, 50, 51)]);
    assert_eq!((reader.frames(), reader.duration().as_millis()), (3, 50));
    assert_eq!((reader.read_bytes(), reader.trailing_bytes()), (57, 4));
    assert_eq!((reader.time_of(130).as_millis(), reader.time_of(50).as_millis()), (30, 0));
}

#[test]
fn keyframes_need_16384_bytes_and_5_seconds_behind_the_last() {
    let keys = |frames, step_ms, bytes| {
        let ends = read(&mut RecordingReader::new(), &film(frames, step_ms, bytes));
        ends.iter().filter(|end| end.is_keyframe).map(|end| end.index).collect::<Vec<_>>()
    };
    assert_eq!(keys(7, 2_500, 8_192), [0, 2, 4, 6], "two frames have both");
    assert_eq!(keys(4, 5_000, 100), [0], "too few bytes");
    assert_eq!(keys(4, 100, 8_192), [0], "too little time");
    assert_eq!(keys(3, 4_999, 8_192), [0, 2]);
}

#[test]
fn a_player_finds_the_keyframe_before_a_time_and_goes_on_there() {
    let bytes = film(9, 2_500, 8_192);
    let mut reader = RecordingReader::new();
    let ends = read(&mut reader, &bytes);
    let keyframe = reader.keyframe_before(Duration::from_millis(14_999)).unwrap();
    assert_eq!((keyframe.index, keyframe.at.as_millis()), (4, 10_000));
    let mut resumed = reader.resume(&keyframe);
    let rest = bytes.get(usize::try_from(keyframe.end_bytes).unwrap()..).unwrap();
    let again = read(&mut resumed, rest);
    let places = |ends: &[FrameEnd]| ends.iter().map(|end| (end.index, end.at, end.end_bytes)).collect::<Vec<_>>();
    assert_eq!(places(&again), places(&ends[5..]));
    assert_eq!(RecordingReader::new().keyframe_before(Duration::MAX), None);
}

#[test]
fn keyframes_of_an_endless_recording_stay_within_their_bound() {
    let (mut keyframes, mut interval_ms) = (Vec::new(), 5_000);
    for index in 0..40_000 {
        let at = Duration::from_secs(5 * index);
        let end = FrameEnd { index, at, timestamp_ms: 0, end_bytes: index * 20_000, is_keyframe: true };
        reader::keep(&mut keyframes, &mut interval_ms, end);
        assert!(keyframes.len() <= MAX_KEYFRAMES);
    }
    assert!(interval_ms > 5_000 && keyframes.is_sorted_by_key(|keyframe| keyframe.at));
}

#[test]
fn a_sync_without_a_time_ends_a_frame_all_the_same() {
    let mut reader = RecordingReader::new();
    assert_eq!(read(&mut reader, b"4.sync;4.sync,1.x;4.sync,20.-9223372036854775808;").len(), 3);
    assert_eq!(reader.duration(), Duration::ZERO);
}

#[test]
fn what_the_stock_tools_look_at_is_known() {
    for opcode in [
        "blob", "img", "end", "mouse", "sync", "cursor", "copy", "transfer", "size", "rect", "cfill", "move", "shade",
        "dispose",
    ] {
        assert!(is_drawn_opcode(opcode) && !is_logged_opcode(opcode), "{opcode}");
    }
    assert!(is_logged_opcode("key"));
    for opcode in ["key", "arc", "nop", "lfill", ""] {
        assert!(!is_drawn_opcode(opcode), "{opcode}");
    }
}

#[test]
fn the_key_log_reads_like_what_was_typed() {
    let (mut log, mut text) = (KeyLog::default(), String::new());
    let mut tap = |keysym| {
        log.handle_key(keysym, true, &mut text);
        log.handle_key(keysym, false, &mut text);
    };
    [0xFFE1, 0x48, 0xE9, 0x20, 0x0100_20AC, 0x06C1, 0xFFB7, 0xFF0D, 0xFF08, 0xFF09, 0xFFC2, 0x1008_FF12, 0x1FFF_0000]
        .into_iter()
        .for_each(&mut tap);
    log.handle_key(0xFFE3, true, &mut text);
    log.handle_key(0xFFEA, true, &mut text);
    [0xFFFF, 0x63, 0x20].into_iter().for_each(|keysym| log.handle_key(keysym, true, &mut text));
    log.handle_key(0xFFE3, false, &mut text);
    log.handle_key(0xFFEA, false, &mut text);
    log.handle_key(0x21, true, &mut text);
    let expected = "Hé €а7\n<BackSpace><Tab><F5><XF86AudioMute><0x1FFF0000>\
        <Ctrl+Alt+Delete><Ctrl+Alt+c><Ctrl+Alt+space>!";
    assert_eq!(text, expected);
}

proptest! {
    #[test]
    fn any_split_of_a_recording_gives_the_same_frames(cuts in prop::collection::vec(1_usize..3_000, 1..40)) {
        let bytes = film(12, 1_700, 5_000);
        let whole = read(&mut RecordingReader::new(), &bytes);
        let (mut reader, mut ends, mut rest) = (RecordingReader::new(), Vec::new(), bytes.as_slice());
        for cut in cuts.iter().cycle() {
            let (part, more) = rest.split_at((*cut).min(rest.len()));
            reader.feed(part).unwrap();
            while let Some(recorded) = reader.next_instruction().unwrap() {
                ends.extend(recorded.end);
            }
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(ends, whole);
    }

    #[test]
    fn any_keys_give_text_of_bounded_length(keys in prop::collection::vec((any::<u32>(), any::<bool>()), 0..50)) {
        let (mut log, mut text) = (KeyLog::default(), String::new());
        for (keysym, pressed) in &keys {
            log.handle_key(*keysym, *pressed, &mut text);
        }
        prop_assert!(text.len() <= keys.len() * 80);
    }
}
