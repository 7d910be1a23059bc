//! Pictures, pointers, titles and image formats.

use guac_canvas::{Canvas, CanvasLimits, Change, Image};

use crate::{image, numbers, replay, said};

fn screen(width: i64, height: i64) -> Canvas {
    let mut canvas = Canvas::default();
    replay(&mut canvas, &numbers("size", &[0, width, height]));
    canvas
}

#[test]
fn png_jpeg_and_webp_are_drawn_also_in_one_instruction() {
    let pixels: Vec<u8> = (0..16 * 8).flat_map(|_| [200, 100, 50]).collect();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 95).encode(&pixels, 16, 8, jpeg_encoder::ColorType::Rgb).unwrap();
    let mut webp = Vec::new();
    image_webp::WebPEncoder::new(&mut webp).encode(&pixels, 16, 8, image_webp::ColorType::Rgb8).unwrap();
    let rgba = (0..16 * 8).flat_map(|_| [200, 100, 50, 255]).collect();
    let png = Image::new(16, 8, rgba).unwrap();
    let mut canvas = screen(16, 24);
    let mut bytes = image(1, 0xE, 0, "image/png", (0, 0), &png.to_png());
    bytes.extend(image(3, 0xE, 0, "image/jpeg", (0, 8), &jpeg));
    bytes.extend(image(5, 0xC, 0, "image/webp", (0, 16), &webp));
    assert!(replay(&mut canvas, &bytes).iter().all(Result::is_ok));
    let frame = canvas.frame();
    for y in 0..3 {
        assert_eq!(frame.crop(guac_canvas::Rect::new(0, y * 8, 16, 8)).differing_pixels(&png, 3), Some(0));
    }
    let counted = canvas.statistics();
    assert_eq!((counted.png_images, counted.jpeg_images, counted.webp_images), (1, 1, 1));
    for data in [png.to_png(), jpeg, webp] {
        assert_eq!(Image::decode(&data, &CanvasLimits::default()).unwrap().differing_pixels(&png, 3), Some(0));
    }

    let mut old = screen(16, 8);
    let mut bytes = Vec::new();
    guac_protocol::InstructionWriter::new(&mut bytes, "png")
        .arg(&14_i32)
        .arg(&0_i32)
        .arg(&0_i32)
        .arg(&0_i32)
        .base64(&png.to_png())
        .end();
    assert!(replay(&mut old, &bytes).iter().all(Result::is_ok));
    assert_eq!(old.frame(), png);
}

#[test]
fn the_pointer_is_drawn_only_when_asked_for() {
    let mut canvas = screen(8, 8);
    assert!(canvas.cursor().is_none() && canvas.pointer().is_none());
    let red = Image::new(2, 2, [255, 0, 0, 255].repeat(4)).unwrap();
    let mut bytes = image(1, 0xC, -1, "image/png", (0, 0), &red.to_png());
    bytes.extend(numbers("cursor", &[1, 1, -1, 0, 0, 2, 2]));
    bytes.extend(numbers("mouse", &[0, 4, 0, 1234]));
    let changes = replay(&mut canvas, &bytes);
    assert!(matches!(changes.last(), Some(Ok(Change::Pointer))));
    assert_eq!((canvas.pointer(), canvas.cursor().unwrap().hotspot()), (Some((0, 4)), (1, 1)));
    assert_eq!(canvas.cursor().unwrap().image(), &red);
    let (with, without) = (canvas.frame_with_pointer(), canvas.frame());
    assert_eq!(with.pixel(0, 3), Some([255, 0, 0, 255]), "clipped at the left edge");
    assert_eq!(with.differing_pixels(&without, 0), Some(2));
    canvas.move_pointer(5, 5);
    assert_eq!(canvas.frame_with_pointer().pixel(4, 4), Some([255, 0, 0, 255]));
    replay(&mut canvas, &numbers("cursor", &[0, 0, -1, 0, 0, 0, 0]));
    assert_eq!(canvas.frame_with_pointer(), canvas.frame(), "of no size is hidden");
}

#[test]
fn frames_titles_and_sizes_are_told() {
    let mut canvas = Canvas::default();
    let mut bytes = numbers("size", &[0, 4, 3]);
    bytes.extend(said("name", &["a title"]));
    bytes.extend(said("sync", &["77"]));
    bytes.extend(said("sync", &["88", "3"]));
    bytes.extend(said("clipboard", &["1", "text/plain"]));
    bytes.extend(said("blob", &["1", "not base64 but nobody's"]));
    bytes.extend(said("end", &["1"]));
    bytes.extend(said("arc", &["0"]));
    let changes: Vec<Change> = replay(&mut canvas, &bytes).into_iter().map(Result::unwrap).collect();
    assert_eq!(
        changes[..4],
        [
            Change::Resized { width_px: 4, height_px: 3 },
            Change::Title,
            Change::FrameEnd { timestamp_ms: 77, frames: 0 },
            Change::FrameEnd { timestamp_ms: 88, frames: 3 },
        ]
    );
    assert!(changes[4..].iter().all(|change| *change == Change::Nothing));
    assert_eq!((canvas.title(), canvas.size()), (Some("a title"), (4, 3)));
    assert_eq!((canvas.statistics().frames, canvas.statistics().last_sync_ms), (2, Some(88)));
}

#[test]
fn strokes_and_other_fills_end_the_path_without_drawing() {
    for (opcode, arguments) in
        [("clip", &[0_i64][..]), ("cstroke", &[14, 0, 0, 0, 1, 9, 9, 9, 255]), ("lfill", &[14, 0, -1])]
    {
        let mut canvas = screen(4, 4);
        let mut bytes = numbers("rect", &[0, 0, 0, 4, 4]);
        bytes.extend(numbers(opcode, arguments));
        bytes.extend(numbers("cfill", &[14, 0, 255, 255, 255, 255]));
        assert!(replay(&mut canvas, &bytes).iter().all(Result::is_ok));
        assert_eq!(canvas.pixels(), [0; 16], "{opcode}");
    }
}
