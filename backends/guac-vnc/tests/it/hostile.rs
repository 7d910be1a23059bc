//! Servers that mean harm: limits hold on both sides, nothing panics, nothing grows.

use flate2::{Compress, Compression};
use guac_vnc::rfb::{Config, Event, Limits, Rect, RfbError};
use proptest::prelude::*;

use crate::{
    encode::{deflate, with_length},
    support::{Peer, opening, rect, server_init, update},
};

fn open() -> Peer {
    Peer::open(Config::default(), 100, 50)
}

fn zlib(data: &[u8]) -> Vec<u8> {
    with_length(deflate(&mut Compress::new(Compression::fast(), true), data))
}

fn limited(error: &RfbError, name: &str) -> bool {
    matches!(error, RfbError::LimitExceeded { what, .. } if *what == name)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(
        opened in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        cuts in prop::collection::vec(any::<usize>(), 0..5),
    ) {
        let mut peer = if opened { open() } else { Peer::new(Config::default()) };
        let _ = peer.feed_in_pieces(&bytes, &cuts);
    }

    #[test]
    fn random_rectangles_never_panic_and_stay_inside(
        encoding in prop_oneof![
            prop::sample::select(vec![0, 1, 2, 4, 5, 6, 7, 16, -223, -224, -239, -240, -307, -308, -314]),
        ],
        at in (0..120_u16, 0..60_u16, 0..120_u16, 0..60_u16),
        data in prop::collection::vec(prop_oneof![any::<u8>(), 0..4_u8], 0..1500),
        deflated in any::<bool>(),
        kind in any::<u8>(),
    ) {
        let mut data = if deflated { zlib(&data) } else { data };
        if encoding == 7 {
            data.insert(0, kind);
        }
        // The picture of these tests asserts that nothing is drawn outside.
        let _ = open().feed(&update(&[rect(Rect::new(at.0, at.1, at.2, at.3), encoding, &data)]));
    }
}

#[test]
fn a_rectangle_may_touch_each_edge_and_not_cross_it() {
    let fill = |at| open().feed(&update(&[rect(at, 7, &[0x80, 1, 2, 3])]));
    fill(Rect::new(0, 0, 100, 50)).unwrap();
    fill(Rect::new(99, 49, 1, 1)).unwrap();
    for at in [
        Rect::new(0, 0, 101, 1),
        Rect::new(0, 0, 1, 51),
        Rect::new(1, 0, 100, 1),
        Rect::new(0, 1, 1, 50),
        Rect::new(100, 0, 1, 1),
        Rect::new(0, 50, 1, 1),
        Rect::new(65_535, 0, 65_535, 1),
        Rect::new(0, 65_535, 1, 65_535),
        // More columns than there are, in an area that would fit.
        Rect::new(0, 0, 5000, 1),
    ] {
        assert!(matches!(fill(at), Err(RfbError::RectangleOutside { .. })), "{at:?}");
    }
}

#[test]
fn a_copy_may_not_read_outside() {
    let copy = |x: u16, y: u16| {
        let source = [x.to_be_bytes(), y.to_be_bytes()].concat();
        open().feed(&update(&[rect(Rect::new(0, 0, 10, 10), 1, &source)]))
    };
    copy(90, 40).unwrap();
    assert!(matches!(copy(91, 40), Err(RfbError::RectangleOutside { .. })));
    assert!(matches!(copy(90, 41), Err(RfbError::RectangleOutside { .. })));
}

#[test]
fn a_desktop_of_the_limits_passes_and_one_pixel_more_fails() {
    let limits = Limits { side_px: 200, area_px: 20_000, ..Limits::default() };
    let open = |width, height| {
        let mut peer = Peer::new(Config { limits, ..Config::default() });
        peer.feed(&opening(width, height)).map(|()| peer)
    };
    open(200, 100).unwrap();
    assert!(limited(&open(201, 1).err().unwrap(), "desktop width"));
    assert!(limited(&open(1, 201).err().unwrap(), "desktop height"));
    assert!(limited(&open(200, 101).err().unwrap(), "desktop area"));
    assert!(open(0, 100).is_err());
    let resize = |width, height| {
        let mut peer = open(10, 10)?;
        peer.feed(&update(&[rect(Rect::new(0, 0, width, height), -223, &[])]))
    };
    resize(200, 100).unwrap();
    assert!(limited(&resize(200, 101).err().unwrap(), "desktop area"));
}

#[test]
fn the_defaults_allow_8192_pixels_a_side_and_no_more() {
    let mut config = Config::default();
    config.limits.area_px = 1 << 20;
    let open = |width| Peer::new(config.clone()).feed(&opening(width, 1));
    open(8192).unwrap();
    assert!(limited(&open(8193).err().unwrap(), "desktop width"));
    assert_eq!(Limits::default().area_px, 8192 * 8192);
}

#[test]
fn a_name_of_the_limit_passes_and_one_byte_more_fails() {
    let limit = usize::try_from(Limits::default().name_bytes).unwrap();
    let open = |len: usize| {
        let mut bytes = b"RFB 003.008\n\x01\x01\0\0\0\0".to_vec();
        bytes.extend(server_init(10, 10, &"n".repeat(len)));
        Peer::new(Config::default()).feed(&bytes)
    };
    open(limit).unwrap();
    assert!(limited(&open(limit + 1).err().unwrap(), "desktop name"));
}

#[test]
fn a_clipboard_of_the_limit_passes_and_one_byte_more_is_skipped() {
    let limits = Limits { clipboard_bytes: 1000, ..Limits::default() };
    let mut peer = Peer::open(Config { limits, ..Config::default() }, 10, 10);
    let cut = |len: u32| [b"\x03\0\0\0".to_vec(), with_length(vec![b'x'; len as usize])].concat();
    peer.feed(&[cut(1000), cut(1001), vec![2]].concat()).unwrap();
    let expected = [Event::CutText(vec![b'x'; 1000]), Event::ClipboardTooLarge { len_bytes: 1001 }, Event::Bell];
    assert_eq!(peer.events, expected);
}

#[test]
fn a_clipboard_of_two_gigabytes_costs_no_memory() {
    let mut peer = open();
    peer.feed(b"\x03\0\0\0\x7f\xff\xff\xff").unwrap();
    for _ in 0..64 {
        peer.feed(&[0; 65536]).unwrap();
    }
    assert_eq!(peer.events, [Event::ClipboardTooLarge { len_bytes: 0x7fff_ffff }]);
}

#[test]
fn decompression_stops_at_the_rectangle() {
    let at = Rect::new(0, 0, 10, 10);
    let plain = |bytes: usize| vec![0; bytes];
    // A bomb: a hundred times the pixels of the rectangle, and one byte too many.
    for (encoding, fits) in [(6, 400), (16, 1 + 300)] {
        open().feed(&update(&[rect(at, encoding, &zlib(&plain(fits)))])).unwrap();
        for too_many in [fits + 1, fits * 100] {
            assert!(open().feed(&update(&[rect(at, encoding, &zlib(&plain(too_many)))])).is_err());
        }
        assert!(open().feed(&update(&[rect(at, encoding, &zlib(&plain(fits - 1)))])).is_err());
    }
}

#[test]
fn pointer_images_of_the_limit_pass_and_larger_ones_fail() {
    let limits = Limits { cursor_side_px: 16, ..Limits::default() };
    let cursor = |width: u16, height: u16| {
        let len = usize::from(width) * usize::from(height) * 4 + usize::from(width.div_ceil(8)) * usize::from(height);
        let mut peer = Peer::open(Config { limits, ..Config::default() }, 10, 10);
        peer.feed(&update(&[rect(Rect::new(0, 0, width, height), -239, &vec![0; len])]))
    };
    cursor(16, 16).unwrap();
    assert!(limited(&cursor(17, 16).err().unwrap(), "pointer width"));
    assert!(limited(&cursor(16, 17).err().unwrap(), "pointer height"));
}

#[test]
fn rre_may_not_paint_the_screen_over_and_over() {
    let rre = |count: u32| {
        let mut data = count.to_be_bytes().to_vec();
        data.extend([0; 4]);
        for _ in 0..count {
            data.extend([1, 2, 3, 0, 0, 0, 0, 0, 0, 100, 0, 50]);
        }
        open().feed(&update(&[rect(Rect::new(0, 0, 100, 50), 2, &data)]))
    };
    rre(8).unwrap();
    assert!(limited(&rre(9).err().unwrap(), "RRE overdraw"));
}

#[test]
fn a_turn_ends_after_much_drawing_and_goes_on_where_it_stopped() {
    let mut peer = Peer::open(Config::default(), 4000, 4000);
    let fill = rect(Rect::new(0, 0, 4000, 4000), 7, &[0x80, 1, 2, 3]);
    let input = update(&vec![fill; 20]);
    peer.connection.handle_input(&input, &mut peer.picture).unwrap();
    assert!(peer.connection.wants_turn());
    assert_eq!(peer.connection.poll_event(), None);
    peer.feed(&[]).unwrap();
    assert_eq!(peer.events, [Event::UpdateEnd]);
}

#[test]
fn a_turn_ends_after_many_events() {
    let mut peer = open();
    peer.connection.handle_input(&[2; 1000], &mut peer.picture).unwrap();
    assert!(peer.connection.wants_turn());
    assert_eq!(std::iter::from_fn(|| peer.connection.poll_event()).count(), 64);
    peer.feed(&[]).unwrap();
    assert_eq!(peer.events.len(), 1000 - 64);
}

#[test]
fn input_that_nobody_lets_through_is_bounded() {
    let mut peer = open();
    let result = (0..100).try_for_each(|_| peer.connection.handle_input(&[2; 65536], &mut peer.picture));
    assert!(limited(&result.err().unwrap(), "unprocessed input"));
}

#[test]
fn unknown_messages_and_encodings_end_the_connection() {
    assert!(matches!(open().feed(&[77]), Err(RfbError::UnknownMessage { kind: 77 })));
    let at = Rect::new(0, 0, 1, 1);
    let error = open().feed(&update(&[rect(at, 99, &[])])).err().unwrap();
    assert!(matches!(error, RfbError::UnknownEncoding { encoding: 99 }));
}

#[test]
fn nothing_is_taken_after_an_error() {
    let mut peer = open();
    assert!(peer.feed(&[77]).is_err());
    peer.feed(&[2; 100]).unwrap();
    assert!(peer.events.is_empty() && !peer.connection.is_connected());
}
