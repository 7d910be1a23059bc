//! Replaying what the planner sends on a model canvas gives the picture it was planned from.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a failed step is a failed test, and test pictures are small"
)]

use guac_display::{CopyOp, Display, ImageSupport, Picture, Rect, Size, Surface};
use guac_protocol::Decoder;
use proptest::prelude::*;
use testsuite::Canvas;

const WIDTH: u32 = 200;
const HEIGHT: u32 = 150;

#[derive(Debug, Clone)]
enum Draw {
    Fill(Rect, u32),
    Noise(Rect, u32),
    Copy(CopyOp),
    Resize(u32, u32),
    Frame,
    Refine,
}

fn rect() -> impl Strategy<Value = Rect> {
    (0..WIDTH, 0..HEIGHT, 1..WIDTH, 1..HEIGHT).prop_map(|(x, y, w, h)| Rect::new(x, y, w, h))
}

fn draw() -> impl Strategy<Value = Draw> {
    prop_oneof![
        3 => (rect(), 0..4_u32).prop_map(|(rect, colour)| Draw::Fill(rect, colour * 0x0020_4060)),
        4 => (rect(), any::<u32>()).prop_map(|(rect, seed)| Draw::Noise(rect, seed)),
        3 => (rect(), 0..WIDTH, 0..HEIGHT).prop_map(|(src, dst_x, dst_y)| Draw::Copy(CopyOp { src, dst_x, dst_y })),
        1 => (1..WIDTH, 1..HEIGHT).prop_map(|(width, height)| Draw::Resize(width, height)),
        4 => Just(Draw::Frame),
        1 => Just(Draw::Refine),
    ]
}

fn replay(canvas: &mut Canvas, bytes: &[u8]) {
    let mut decoder = Decoder::new();
    for chunk in bytes.chunks(8192) {
        decoder.feed(chunk).unwrap();
        while let Some(instruction) = decoder.next_instruction().unwrap() {
            assert!(instruction.raw().len() <= guac_protocol::MAX_SENT_INSTRUCTION_CHARS);
            canvas.handle(&instruction).unwrap();
        }
    }
}

fn pixels(surface: &mut Surface) -> Vec<u32> {
    let mut out = Vec::new();
    let all = Picture::size(surface).rect();
    surface.read(all, &mut out);
    out
}

fn noise(rect: Rect, seed: u32) -> Vec<u32> {
    (0..rect.area() as u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed)) & 0x00FF_FFFF).collect()
}

/// Applies the steps and checks after each exact frame that the canvas shows the surface.
fn run(steps: &[Draw], support: ImageSupport, quality: Option<u8>) {
    let mut surface = Surface::new(Size::new(WIDTH, HEIGHT).unwrap());
    let (mut display, mut canvas) = (Display::new(), Canvas::new());
    display.set_quality(quality);
    for step in steps {
        match *step {
            Draw::Fill(rect, colour) => surface.fill(rect, colour),
            Draw::Noise(rect, seed) => {
                let rect = rect.intersection(surface.size().rect());
                surface.put(rect, &noise(rect, seed));
            }
            Draw::Copy(copy) => surface.copy(copy),
            Draw::Resize(width, height) => surface.resize(Size::new(width, height).unwrap()),
            Draw::Frame => replay(&mut canvas, &display.plan(&mut surface, support, false).encode_here()),
            Draw::Refine if canvas.size() != (0, 0) && !surface.has_changes() => {
                replay(&mut canvas, &display.refine(&mut surface, support).encode_here());
            }
            Draw::Refine => {}
        }
        if matches!(step, Draw::Frame) && !display.has_lossy() {
            assert_eq!(canvas.pixels(), pixels(&mut surface));
        }
    }
    replay(&mut canvas, &display.plan(&mut surface, support, false).encode_here());
    while display.has_lossy() {
        replay(&mut canvas, &display.refine(&mut surface, support).encode_here());
    }
    assert_eq!(canvas.pixels(), pixels(&mut surface));
    let mut joiner = Canvas::new();
    replay(&mut joiner, &display.snapshot(&mut surface, support).encode_here());
    assert_eq!(joiner.pixels(), pixels(&mut surface));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn replaying_the_instructions_gives_the_picture(steps in prop::collection::vec(draw(), 1..24), webp in any::<bool>()) {
        run(&steps, ImageSupport { webp }, None);
    }

    #[test]
    fn lossy_content_becomes_exact_when_refined(steps in prop::collection::vec(draw(), 1..24)) {
        run(&steps, ImageSupport { webp: true }, Some(60));
    }
}

#[test]
fn content_that_keeps_changing_like_a_film_goes_as_jpeg_and_text_does_not() {
    let mut surface = Surface::new(Size::new(128, 128).unwrap());
    let mut display = Display::new();
    display.set_quality(Some(80));
    let mut canvas = Canvas::new();
    for frame in 0..6 {
        surface.put(Rect::new(0, 0, 64, 64), &noise(Rect::new(0, 0, 64, 64), frame * 977));
        surface.fill(Rect::new(64, 0, 64, 64), 0x00FF_FFFF);
        surface.fill(Rect::new(70 + frame, 8, 2, 40), 0);
        replay(&mut canvas, &display.plan(&mut surface, ImageSupport { webp: true }, false).encode_here());
    }
    assert!(canvas.mimetypes.iter().any(|mimetype| mimetype == "image/jpeg"));
    let right_half = |pixels: Vec<u32>| pixels.chunks(128).flat_map(|row| row[64..].to_vec()).collect::<Vec<u32>>();
    assert_eq!(right_half(canvas.pixels()), right_half(pixels(&mut surface)));
}

#[test]
fn an_unchanged_redraw_sends_nothing() {
    let mut surface = Surface::new(Size::new(128, 128).unwrap());
    let mut display = Display::new();
    let support = ImageSupport::default();
    surface.put(Rect::new(0, 0, 128, 128), &noise(Rect::new(0, 0, 128, 128), 5));
    assert!(!display.plan(&mut surface, support, false).is_empty());
    surface.put(Rect::new(0, 0, 128, 128), &noise(Rect::new(0, 0, 128, 128), 5));
    assert!(display.plan(&mut surface, support, false).is_empty());
}

#[test]
fn a_scroll_is_one_copy_and_the_strip_it_uncovers() {
    let mut surface = Surface::new(Size::new(256, 256).unwrap());
    surface.put(Rect::new(0, 0, 256, 256), &noise(Rect::new(0, 0, 256, 256), 9));
    let mut display = Display::new();
    let _first = display.plan(&mut surface, ImageSupport::default(), false);
    surface.copy(CopyOp { src: Rect::new(0, 16, 256, 240), dst_x: 0, dst_y: 0 });
    surface.put(Rect::new(0, 240, 256, 16), &noise(Rect::new(0, 240, 256, 16), 11));
    let plan = display.plan(&mut surface, ImageSupport::default(), false);
    assert_eq!(plan.prefix, b"4.copy,1.0,1.0,2.16,3.256,3.240,2.14,1.0,1.0,1.0;");
    assert_eq!(plan.area(), 256 * 16);
}

#[test]
fn sizes_at_the_limit_pass_and_one_more_fails() {
    assert!(Size::new(8192, 8192).is_ok());
    assert!(Size::new(8193, 1).is_err());
    assert!(Size::new(1, 8193).is_err());
    assert!(Size::new(0, 1).is_err());
}

#[test]
fn rectangles_outside_the_surface_change_nothing() {
    let mut surface = Surface::new(Size::new(10, 10).unwrap());
    let before = pixels(&mut surface);
    surface.put(Rect::new(5, 5, 6, 1), &[1; 6]);
    surface.put(Rect::new(u32::MAX, 0, 2, 2), &[1; 4]);
    surface.copy(CopyOp { src: Rect::new(0, 0, 5, 5), dst_x: 8, dst_y: 8 });
    assert_eq!(pixels(&mut surface), before);
    surface.fill(Rect::new(8, 8, 100, 100), 7);
    assert_eq!(pixels(&mut surface)[99], 7);
}
