//! Pointer updates.

use guac_display::Cursor;
use ironrdp_core::encode_vec;
use ironrdp_pdu::fast_path::UpdateCode;
use ironrdp_pdu::pointer::{
    CachedPointerAttribute, ColorPointerAttribute, LargePointerAttribute, Point16, PointerAttribute,
};

use super::{events, graphics, picture, send, send_encoded};
use crate::graphics::{Graphics, GraphicsEvent};

fn cursor(graphics: &mut Graphics) -> Cursor {
    match events(graphics).pop() {
        Some(GraphicsEvent::Cursor(cursor)) => cursor,
        other => panic!("{other:?}"),
    }
}

fn shape<'a>(index: u16, side: u16, xor_mask: &'a [u8], and_mask: &'a [u8]) -> ColorPointerAttribute<'a> {
    let hot_spot = Point16 { x: 1, y: 0 };
    ColorPointerAttribute { cache_index: index, hot_spot, width: side, height: side, xor_mask, and_mask }
}

#[test]
fn pictures_are_shown_kept_and_shown_again() {
    let (mut graphics, mut surface) = (graphics(), picture(4, 4));
    // Two rows of blue, green, red, alpha; the lower one first.
    let xor = [1, 2, 3, 255, 4, 5, 6, 128, 7, 8, 9, 255, 0, 0, 0, 0];
    let shown = Cursor::new(2, 2, (1, 0), vec![0xFF09_0807, 0, 0xFF03_0201, 0x8006_0504]).unwrap();
    let update = PointerAttribute { xor_bpp: 32, color_pointer: shape(3, 2, &xor, &[0; 4]) };
    send_encoded(&mut graphics, &mut surface, UpdateCode::NewPointer, &update);
    assert_eq!(cursor(&mut graphics), shown);
    send(&mut graphics, &mut surface, UpdateCode::HiddenPointer, &[]);
    assert_eq!(cursor(&mut graphics), Cursor::hidden());
    send_encoded(&mut graphics, &mut surface, UpdateCode::CachedPointer, &CachedPointerAttribute { cache_index: 3 });
    assert_eq!(cursor(&mut graphics), shown);
    for cache_index in [2, 4, u16::MAX] {
        send_encoded(&mut graphics, &mut surface, UpdateCode::CachedPointer, &CachedPointerAttribute { cache_index });
        assert!(events(&mut graphics).is_empty());
    }
}

#[test]
fn a_picture_for_a_slot_outside_of_the_cache_is_shown_once() {
    let (mut graphics, mut surface) = (graphics(), picture(4, 4));
    let xor = [0x40; 4 * 4 * 3];
    send_encoded(&mut graphics, &mut surface, UpdateCode::ColorPointer, &shape(u16::MAX, 4, &xor, &[0; 8]));
    assert_ne!(cursor(&mut graphics), Cursor::hidden());
    let again = CachedPointerAttribute { cache_index: u16::MAX };
    send_encoded(&mut graphics, &mut surface, UpdateCode::CachedPointer, &again);
    assert!(events(&mut graphics).is_empty());
}

#[test]
fn a_picture_too_large_for_browsers_is_shrunk() {
    let (mut graphics, mut surface) = (graphics(), picture(4, 4));
    let (xor_mask, and_mask) = (vec![0xFF; 384 * 384 * 4], vec![0; 384 / 8 * 384]);
    let update = LargePointerAttribute {
        xor_bpp: 32,
        cache_index: 0,
        hot_spot: Point16 { x: 300, y: 30 },
        width: 384,
        height: 384,
        xor_mask: &xor_mask,
        and_mask: &and_mask,
    };
    send_encoded(&mut graphics, &mut surface, UpdateCode::LargePointer, &update);
    let expected = Cursor::new(128, 128, (100, 10), vec![0xFFFF_FFFF; 128 * 128]).unwrap();
    assert_eq!(cursor(&mut graphics), expected);
}

#[test]
fn the_default_pointer_is_an_arrow_as_is_one_that_cannot_be_decoded() {
    let (mut graphics, mut surface) = (graphics(), picture(4, 4));
    send(&mut graphics, &mut surface, UpdateCode::DefaultPointer, &[]);
    let arrow = cursor(&mut graphics);
    assert_ne!(arrow, Cursor::hidden());
    let update = PointerAttribute { xor_bpp: 7, color_pointer: shape(0, 2, &[0; 4], &[0; 4]) };
    send_encoded(&mut graphics, &mut surface, UpdateCode::NewPointer, &update);
    assert_eq!(cursor(&mut graphics), arrow);
}

#[test]
fn the_slow_path_hides_the_pointer_and_leaves_it_where_it_is() {
    let mut graphics = graphics();
    graphics.handle_slow_path_pointer(&[1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(cursor(&mut graphics), Cursor::hidden());
    graphics.handle_slow_path_pointer(&[3, 0, 0, 0, 5, 0, 6, 0]).unwrap();
    assert!(events(&mut graphics).is_empty());
    graphics.handle_slow_path_pointer(&[9, 9, 0, 0]).unwrap_err();
    let cut = encode_vec(&shape(0, 2, &[0; 12], &[0; 4])).unwrap();
    graphics.handle_slow_path_pointer(&[&[6, 0, 0, 0], &cut[..cut.len() - 1]].concat()).unwrap_err();
}
