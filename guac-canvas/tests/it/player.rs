//! Recordings.

use std::time::Duration;

use guac_canvas::{CanvasLimits, Player};

use crate::{image, numbers, said};

/// Frame `n` fills a screen with colour `n`, one second after the one before, and brings a clipboard along.
fn recording(frames: i64) -> Vec<u8> {
    let mut bytes = numbers("size", &[0, 32, 32]);
    for frame in 0..frames {
        bytes.extend(numbers("rect", &[0, 0, 0, 32, 32]));
        bytes.extend(numbers("cfill", &[14, 0, frame % 256, 1, 2, 255]));
        bytes.extend(said("clipboard", &["1", "text/plain"]));
        bytes.extend(said("blob", &["1", &"QUJD".repeat(1500)]));
        bytes.extend(said("end", &["1"]));
        bytes.extend(numbers("sync", &[5000 + frame * 1000, 0]));
    }
    bytes
}

fn colour(player: &mut Player) -> u8 {
    player.image().pixel(9, 9).unwrap()[0]
}

#[test]
fn any_frame_can_be_sought_forwards_and_backwards() {
    let mut player = Player::new(recording(60), CanvasLimits::default());
    assert_eq!((player.frames(), player.duration()), (60, Duration::from_secs(59)));
    assert!(player.damaged().is_none());
    for second in [59, 3, 30, 31, 30, 0, 58, 12, 100] {
        player.seek(Duration::from_secs(second));
        let frame = second.min(59);
        assert_eq!((player.position() as u64, u64::from(colour(&mut player))), (frame + 1, frame));
    }
    player.seek_frame(0);
    assert_eq!(player.image().size(), (0, 0), "before the first frame there is nothing");
    assert_eq!((player.step(), player.step()), (Some(Duration::ZERO), Some(Duration::from_secs(1))));
    assert_eq!(player.time_of(59), Some(Duration::from_secs(59)));
    player.seek_frame(usize::MAX);
    assert_eq!((player.step(), player.skipped()), (None, 0));
}

#[test]
fn a_recording_that_breaks_off_or_is_damaged_plays_up_to_there() {
    let whole = recording(5);
    let mut player = Player::new(whole[..whole.len() - 3].to_vec(), CanvasLimits::default());
    assert_eq!((player.frames(), player.damaged().is_some()), (4, false));
    player.seek(Duration::MAX);
    assert_eq!(colour(&mut player), 3);
    let damaged = [recording(2), b"damage".to_vec(), recording(2)].concat();
    let player = Player::new(damaged, CanvasLimits::default());
    assert_eq!((player.frames(), player.damaged().is_some()), (2, true));
    let mut bytes = image(1, 14, 0, "image/png", (0, 0), b"no picture");
    bytes.extend(numbers("sync", &[1]));
    bytes.extend(numbers("sync", &[-9_000_000_000]));
    let mut player = Player::new(bytes, CanvasLimits::default());
    player.seek(Duration::from_secs(1));
    assert_eq!((player.position(), player.skipped(), player.duration()), (2, 1, Duration::ZERO));
    assert_eq!(Player::new(Vec::new(), CanvasLimits::default()).frames(), 0);
}
