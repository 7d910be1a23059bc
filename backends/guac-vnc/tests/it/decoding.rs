//! Rectangles of every encoding, whole and in pieces.

use guac_vnc::rfb::{ColorDepth, Config, Encoding, Event, Rect};
use proptest::prelude::*;

use crate::{
    encode::{Encoders, Source, compact_length},
    support::{Dice, Peer, opening, rect, update},
};

const WITH_PIXELS: [Encoding; 7] =
    [Encoding::Raw, Encoding::Rre, Encoding::CoRre, Encoding::Hextile, Encoding::Zlib, Encoding::Tight, Encoding::Zrle];

fn depth() -> impl Strategy<Value = ColorDepth> {
    prop_oneof![Just(ColorDepth::Bits8), Just(ColorDepth::Bits16), Just(ColorDepth::Bits24)]
}

fn config(color_depth: ColorDepth) -> Config {
    Config { color_depth, ..Config::default() }
}

/// A rectangle somewhere on a desktop of 200 x 150 pixels.
fn random_rect(dice: &mut Dice) -> Rect {
    let mut side = |limit: u32| u16::try_from(1 + dice.roll(limit)).unwrap();
    let (width, height) = (side(140), side(100));
    Rect::new(side(60) - 1, side(50) - 1, width, height)
}

proptest! {
    #[test]
    fn every_encoding_gives_back_the_pixels(seed in any::<u64>(), depth in depth(), encoding in 0..WITH_PIXELS.len()) {
        let encoding = WITH_PIXELS[encoding];
        let dice = &mut Dice(seed);
        let mut server = Encoders::new();
        let mut peer = Peer::open(config(depth), 200, 150);
        // Several in a row, as later ones continue the streams and colours of earlier ones.
        for _ in 0..4 {
            let at = random_rect(dice);
            let source = Source::random(dice, at.width, at.height, depth);
            let data = server.encode(encoding, &source, dice);
            peer.feed(&update(&[rect(at, encoding.code(), &data)])).unwrap();
            prop_assert!(peer.picture.part(at) == source.expected(), "{encoding:?} {at:?}");
        }
    }

    #[test]
    fn any_split_of_the_input_gives_the_same_picture_and_events(
        seed in any::<u64>(),
        depth in depth(),
        cuts in prop::collection::vec(any::<usize>(), 1..40),
    ) {
        let dice = &mut Dice(seed);
        let mut server = Encoders::new();
        let mut bytes = opening(200, 150);
        for _ in 0..4 {
            let mut rects = Vec::new();
            for _ in 0..3 {
                let at = random_rect(dice);
                let source = Source::random(dice, at.width, at.height, depth);
                let encoding = WITH_PIXELS[dice.roll(7) as usize];
                rects.push(rect(at, encoding.code(), &server.encode(encoding, &source, dice)));
                rects.push(rect(Rect::new(3, 4, 60, 60), 1, &[0, 9, 0, 7]));
            }
            bytes.extend(update(&rects));
            // Bell, a clipboard, a fence that wants an answer, a palette nobody asked for.
            bytes.extend(b"\x02\x03\0\0\0\0\0\0\x02hi\xf8\0\0\0\x80\0\0\x01\x02ab\x01\0\0\0\0\x01rrggbb");
        }
        let mut whole = Peer::new(config(depth));
        whole.feed(&bytes).unwrap();
        let mut pieces = Peer::new(config(depth));
        pieces.feed_in_pieces(&bytes, &cuts).unwrap();
        prop_assert!(whole.picture == pieces.picture);
        prop_assert_eq!(whole.events, pieces.events);
        prop_assert_eq!(whole.sent, pieces.sent);
    }
}

#[test]
fn single_bytes_give_the_same_as_one_piece() {
    let dice = &mut Dice(7);
    let mut server = Encoders::new();
    let mut bytes = opening(200, 150);
    for encoding in WITH_PIXELS {
        let at = random_rect(dice);
        let source = Source::random(dice, at.width, at.height, ColorDepth::Bits24);
        bytes.extend(update(&[rect(at, encoding.code(), &server.encode(encoding, &source, dice))]));
    }
    let mut whole = Peer::new(Config::default());
    whole.feed(&bytes).unwrap();
    let mut bytewise = Peer::new(Config::default());
    bytes.iter().for_each(|byte| bytewise.feed(&[*byte]).unwrap());
    assert!(whole.picture == bytewise.picture);
    assert_eq!(whole.events, bytewise.events);
}

#[test]
fn copy_rect_moves_pixels_that_overlap() {
    let mut peer = Peer::open(Config::default(), 8, 1);
    let row: Vec<u8> = (1..=8).flat_map(|blue| [blue, 0, 0, 0]).collect();
    let all = Rect::new(0, 0, 8, 1);
    peer.feed(&update(&[rect(all, 0, &row), rect(Rect::new(2, 0, 6, 1), 1, &[0, 0, 0, 0])])).unwrap();
    assert_eq!(peer.picture.pixels, [1, 2, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn tight_jpeg_is_close_to_the_original() {
    let (width, height) = (40_u16, 24_u16);
    let rgb: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| [x * 6, y * 10, 128].map(|part| part.to_le_bytes()[0])))
        .collect();
    let mut data = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut data, 95);
    encoder.encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    let mut peer = Peer::open(Config::default(), 64, 64);
    let at = Rect::new(10, 20, width, height);
    let body = [vec![0x90], compact_length(data.len()), data].concat();
    peer.feed(&update(&[rect(at, 7, &body)])).unwrap();
    for (got, want) in peer.picture.part(at).iter().zip(rgb.chunks_exact(3)) {
        for (got, want) in got.to_be_bytes()[1..].iter().zip(want) {
            assert!(got.abs_diff(*want) <= 12, "{got} {want}");
        }
    }
}

#[test]
fn a_jpeg_of_another_size_than_its_rectangle_is_refused() {
    let mut data = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut data, 95);
    encoder.encode(&[0; 16 * 16 * 3], 16, 16, jpeg_encoder::ColorType::Rgb).unwrap();
    for (width, height) in [(15, 16), (16, 15), (17, 16), (16, 17)] {
        let mut peer = Peer::open(Config::default(), 64, 64);
        let body = [vec![0x90], compact_length(data.len()), data.clone()].concat();
        assert!(peer.feed(&update(&[rect(Rect::new(0, 0, width, height), 7, &body)])).is_err());
    }
}

#[test]
fn red_and_blue_are_swapped_on_request() {
    let mut peer = Peer::open(Config { swap_red_blue: true, ..Config::default() }, 2, 1);
    let fill = rect(Rect::new(1, 0, 1, 1), 7, &[0x80, 1, 2, 3]);
    peer.feed(&update(&[rect(Rect::new(0, 0, 1, 1), 0, &[3, 2, 1, 0]), fill])).unwrap();
    assert_eq!(peer.picture.pixels, [0x03_02_01, 0x03_02_01]);
}

#[test]
fn last_rect_ends_an_update_of_unknown_length() {
    let mut peer = Peer::open(Config::default(), 4, 4);
    let last = rect(Rect::default(), -224, &[]);
    let fill = rect(Rect::new(0, 0, 4, 4), 7, &[0x80, 1, 2, 3]);
    peer.feed(&[vec![0, 0, 0xFF, 0xFF], fill, last, vec![2]].concat()).unwrap();
    assert_eq!(peer.events, [Event::UpdateEnd, Event::Bell]);
}

#[test]
fn rectangles_without_area_draw_nothing_and_break_nothing() {
    let mut peer = Peer::open(Config::default(), 4, 4);
    let at = [Rect::new(4, 0, 0, 4), Rect::new(0, 4, 4, 0), Rect::new(4, 4, 0, 0)];
    for at in at {
        peer.feed(&update(&[rect(at, 0, &[]), rect(at, 5, &[]), rect(at, 1, &[0, 0, 0, 0])])).unwrap();
        // A Zlib or ZRLE rectangle still has a length.
        peer.feed(&update(&[rect(at, 6, &[0; 4]), rect(at, 16, &[0; 4]), rect(at, 7, &[0])])).unwrap();
    }
    assert_eq!(peer.events.len(), 6);
    assert_eq!(peer.picture.pixels, [0; 16]);
}
