//! Everything after the handshake that is not pixels.

use std::io::Write;

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use guac_vnc::rfb::{Config, CursorShape, Encoding, Event, Rect};

use crate::support::{Peer, opening, rect, update};

fn open() -> Peer {
    Peer::open(Config::default(), 100, 50)
}

/// An ExtendedDesktopSize rectangle with one screen.
fn screen(reason: u16, status: u16, width: u16, height: u16) -> Vec<u8> {
    let mut data = vec![1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
    data.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
    data.extend([0, 0, 0, 5]);
    rect(Rect::new(reason, status, width, height), -308, &data)
}

#[test]
fn asks_for_its_pixel_format_its_encodings_and_the_picture() {
    let config = Config {
        encodings: Encoding::parse_list("tight ultra  ZRLE tight"),
        quality_level: Some(7),
        compress_level: Some(12),
        ..Config::default()
    };
    let mut peer = Peer::new(config);
    peer.feed(&opening(100, 50)).unwrap();
    let sent = &peer.sent[14..];
    assert_eq!(sent[..20], [0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
    let count = usize::from(u16::from_be_bytes([sent[22], sent[23]]));
    let (codes, request) = sent[24..].split_at(count * 4);
    let codes: Vec<i32> = codes.as_chunks().0.iter().map(|code| i32::from_be_bytes(*code)).collect();
    assert_eq!(codes[..2], [7, 16]);
    for code in [-223, -308, -224, -307, -312, -313, -239, -314, -240, -25, -247, 0xC0A1_E5CE_u32.cast_signed()] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    assert_eq!(request, [3, 0, 0, 0, 0, 0, 0, 100, 0, 50]);
}

#[test]
fn a_remote_pointer_is_left_to_the_server() {
    let mut peer = Peer::new(Config { local_cursor: false, ..Config::default() });
    peer.feed(&opening(100, 50)).unwrap();
    assert!(!peer.sent.windows(4).any(|bytes| bytes == (-239_i32).to_be_bytes()));
}

#[test]
fn an_unknown_list_of_encodings_means_the_default() {
    assert_eq!(Encoding::parse_list("ultra zlibhex"), Encoding::DEFAULT);
    assert_eq!(Encoding::parse_list(""), Encoding::DEFAULT);
}

#[test]
fn asks_for_the_next_update_as_soon_as_one_begins() {
    let mut peer = open();
    peer.feed(&[0, 0, 0, 1]).unwrap();
    assert_eq!(peer.sent, [3, 1, 0, 0, 0, 0, 0, 100, 0, 50]);
}

#[test]
fn continuous_updates_are_switched_on_and_end_the_asking() {
    let mut peer = open();
    peer.feed(&[150]).unwrap();
    assert_eq!(peer.sent, [150, 1, 0, 0, 0, 0, 0, 100, 0, 50]);
    peer.sent.clear();
    peer.feed(&[150]).unwrap();
    peer.feed(&update(&[])).unwrap();
    assert!(peer.sent.is_empty());
    // The area follows the desktop.
    peer.feed(&update(&[rect(Rect::new(0, 0, 60, 40), -223, &[])])).unwrap();
    assert_eq!(peer.sent, [3, 0, 0, 0, 0, 0, 0, 60, 0, 40, 150, 1, 0, 0, 0, 0, 0, 60, 0, 40]);
}

#[test]
fn fences_are_answered_with_what_we_promise() {
    let mut peer = open();
    peer.feed(b"\xf8\0\0\0\x80\0\xff\x03\x03abc").unwrap();
    assert_eq!(peer.sent, b"\xf8\0\0\0\0\0\0\x03\x03abc");
    // An answer is not answered.
    peer.sent.clear();
    peer.feed(b"\xf8\0\0\0\0\0\0\x03\0").unwrap();
    assert!(peer.sent.is_empty());
    assert!(open().feed(b"\xf8\0\0\0\x80\0\0\0\x41").is_err());
}

#[test]
fn resizes_wait_until_the_server_takes_sizes() {
    let mut peer = open();
    peer.connection.set_desktop_size(640, 480);
    peer.drain();
    assert!(peer.sent.is_empty() && !peer.connection.can_resize());
    peer.feed(&update(&[screen(0, 0, 100, 50)])).unwrap();
    let request = &peer.sent[10..];
    assert_eq!(request[..10], [251, 0, 2, 128, 1, 224, 1, 0, 0, 0]);
    assert_eq!(request[10..], [0, 9, 0, 0, 0, 0, 2, 128, 1, 224, 0, 0, 0, 5]);
    peer.sent.clear();
    peer.feed(&update(&[screen(1, 0, 640, 480)])).unwrap();
    assert_eq!(peer.events[1..], [Event::Resized { width_px: 640, height_px: 480 }, Event::UpdateEnd]);
    assert_eq!((peer.picture.width, peer.picture.height), (640, 480));
    // The same size again asks for nothing.
    peer.sent.clear();
    peer.connection.set_desktop_size(640, 480);
    peer.connection.set_desktop_size(0, 480);
    peer.connection.set_desktop_size(9000, 480);
    peer.drain();
    assert!(peer.sent.is_empty());
}

#[test]
fn a_refused_size_changes_nothing() {
    let mut peer = open();
    peer.feed(&update(&[screen(1, 3, 640, 480)])).unwrap();
    assert_eq!(peer.events, [Event::ResizeRefused { code: 3 }, Event::UpdateEnd]);
    assert_eq!(peer.connection.size(), (100, 50));
}

#[test]
fn keys_and_pointer_go_out_and_the_pointer_stays_inside() {
    let mut peer = open();
    peer.connection.key(0xFF0D, true);
    peer.connection.pointer(5000, 20, 1);
    peer.drain();
    assert_eq!(peer.sent, [4, 1, 0, 0, 0, 0, 0xFF, 0x0D, 5, 1, 0, 99, 0, 20]);
}

#[test]
fn a_rich_pointer_has_its_mask_as_alpha() {
    let mut peer = open();
    let data = [3, 2, 1, 9, 6, 5, 4, 9, 0b0100_0000];
    peer.feed(&update(&[rect(Rect::new(1, 0, 2, 1), -239, &data)])).unwrap();
    let shape = CursorShape { hotspot_x: 1, hotspot_y: 0, width_px: 2, height_px: 1, pixels: vec![0, 0xFF04_0506] };
    assert_eq!(peer.events[0], Event::Cursor(shape));
}

#[test]
fn a_two_colour_pointer_is_composed() {
    let mut peer = open();
    let data = [1, 2, 3, 4, 5, 6, 0b1000_0000, 0b1100_0000];
    peer.feed(&update(&[rect(Rect::new(0, 0, 3, 1), -240, &data), rect(Rect::default(), -240, &[])])).unwrap();
    let pixels = vec![0xFF01_0203, 0xFF04_0506, 0];
    let shape = CursorShape { width_px: 3, height_px: 1, pixels, ..CursorShape::default() };
    assert_eq!(peer.events, [Event::Cursor(shape), Event::Cursor(CursorShape::default()), Event::UpdateEnd]);
}

#[test]
fn a_translucent_pointer_loses_its_premultiplication() {
    let mut peer = open();
    let data = [0, 0, 0, 0, 64, 32, 0, 128, 0, 0, 0, 0];
    peer.feed(&update(&[rect(Rect::new(0, 0, 2, 1), -314, &data)])).unwrap();
    let pixels = vec![0x8080_4000, 0];
    let shape = CursorShape { width_px: 2, height_px: 1, pixels, ..CursorShape::default() };
    assert_eq!(peer.events[0], Event::Cursor(shape));
}

#[test]
fn a_new_name_is_told() {
    let mut peer = open();
    peer.feed(&update(&[rect(Rect::default(), -307, b"\0\0\0\x03new")])).unwrap();
    assert_eq!(peer.events, [Event::Name("new".into()), Event::UpdateEnd]);
}

const TEXT: u32 = 1;
const CAPS: u32 = 1 << 24;
const REQUEST: u32 = 1 << 25;
const PEEK: u32 = 1 << 26;
const NOTIFY: u32 = 1 << 27;
const PROVIDE: u32 = 1 << 28;

/// An extended clipboard message, of server (3) or client (6).
fn clipboard(from: u8, flags: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![from, 0, 0, 0];
    bytes.extend((-i32::try_from(data.len() + 4).unwrap()).to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    bytes.extend(data);
    bytes
}

fn provided(text: &[u8]) -> Vec<u8> {
    let mut deflater = ZlibEncoder::new(Vec::new(), Compression::best());
    deflater.write_all(&u32::try_from(text.len()).unwrap().to_be_bytes()).unwrap();
    deflater.write_all(text).unwrap();
    deflater.finish().unwrap()
}

fn open_clipboard() -> Peer {
    let mut peer = open();
    assert!(!peer.connection.has_extended_clipboard());
    peer.feed(&clipboard(3, CAPS | REQUEST | PEEK | NOTIFY | PROVIDE | TEXT, &[0, 0, 0, 0])).unwrap();
    assert!(peer.connection.has_extended_clipboard());
    let limit = 262_144_u32.to_be_bytes();
    assert_eq!(peer.sent, clipboard(6, CAPS | REQUEST | PEEK | NOTIFY | PROVIDE | TEXT, &limit));
    peer.sent.clear();
    peer
}

#[test]
fn text_offered_by_the_server_is_fetched() {
    let mut peer = open_clipboard();
    peer.feed(&clipboard(3, NOTIFY | TEXT, &[])).unwrap();
    assert_eq!(peer.sent, clipboard(6, REQUEST | TEXT, &[]));
    peer.feed(&clipboard(3, PROVIDE | TEXT, &provided("zwei\r\nZeilen \u{1F600}\0".as_bytes()))).unwrap();
    assert_eq!(peer.events, [Event::Clipboard("zwei\nZeilen \u{1F600}".into())]);
}

#[test]
fn text_offered_to_the_server_is_given_on_request() {
    let mut peer = open_clipboard();
    peer.connection.offer_clipboard("a\nb\u{20AC}");
    peer.drain();
    assert_eq!(peer.sent, clipboard(6, NOTIFY | TEXT, &[]));
    peer.sent.clear();
    peer.feed(&clipboard(3, REQUEST | TEXT, &[])).unwrap();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut ZlibDecoder::new(&peer.sent[12..]), &mut plain).unwrap();
    assert_eq!(plain, [&[0, 0, 0, 8][..], "a\r\nb\u{20AC}\0".as_bytes()].concat());
    peer.sent.clear();
    peer.feed(&clipboard(3, PEEK, &[])).unwrap();
    assert_eq!(peer.sent, clipboard(6, NOTIFY | TEXT, &[]));
}

#[test]
fn a_clipboard_bomb_is_left_out() {
    let limit = 262_144;
    let mut peer = open_clipboard();
    peer.feed(&clipboard(3, PROVIDE | TEXT, &provided(&vec![b'x'; limit]))).unwrap();
    assert_eq!(peer.events.pop(), Some(Event::Clipboard("x".repeat(limit))));
    peer.feed(&clipboard(3, PROVIDE | TEXT, &provided(&vec![b'x'; limit * 100]))).unwrap();
    assert_eq!(peer.events, [Event::ClipboardTooLarge { len_bytes: 26_214_400 }]);
}
