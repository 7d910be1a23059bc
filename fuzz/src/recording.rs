//! Recordings: the same frames at the same times however the file is read, times that never go back, and a player that
//! shows after a jump what it shows on the way.

use guac_canvas::{CanvasLimits, Player};
use guac_protocol::{FrameEnd, RecordingReader};

/// The first bytes cut the rest into reads.
pub fn check(data: &[u8]) {
    let (reads, whole) = crate::pieces(data);
    let (cut, cut_failed) = frames(&reads);
    let (expected, failed) = frames(&[whole]);
    if failed || cut_failed {
        // How much of a read is seen before bytes that are no UTF-8 depends on the read.
        let shorter = cut.len().min(expected.len());
        assert_eq!(cut.get(..shorter), expected.get(..shorter), "cut elsewhere, it has other frames");
    } else {
        assert_eq!(cut, expected, "cut elsewhere, it has other frames");
    }
    assert!(expected.iter().zip(expected.iter().skip(1)).all(|(a, b)| a.at <= b.at), "time goes back");
    play(whole);
}

fn frames(reads: &[&[u8]]) -> (Vec<FrameEnd>, bool) {
    let (mut reader, mut ends) = (RecordingReader::new(), Vec::new());
    for read in reads {
        if reader.feed(read).is_err() {
            return (ends, true);
        }
        loop {
            match reader.next_instruction() {
                Ok(Some(recorded)) => ends.extend(recorded.end),
                Ok(None) => break,
                Err(_) => return (ends, true),
            }
        }
    }
    (ends, false)
}

fn play(data: &[u8]) {
    let mut limits = CanvasLimits::default();
    limits.max_side_px = 64;
    limits.max_total_px = 16 * 1024;
    let mut player = Player::new(data.to_vec(), limits);
    let mut pictures = Vec::new();
    while player.step().is_some() && pictures.len() < 20 {
        pictures.push(player.image());
    }
    for (index, picture) in pictures.iter().enumerate().rev() {
        player.seek_frame(index + 1);
        assert!(player.image().rgba() == picture.rgba(), "after a jump the picture differs");
    }
}
