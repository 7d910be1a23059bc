//! What a server may send to harm its client, and what becomes of it.

use guac_canvas::{Canvas, CanvasError, CanvasLimits, Image};
use guac_protocol::Status;
use proptest::prelude::*;

use crate::{image, numbers, replay, said};

fn last(canvas: &mut Canvas, bytes: &[u8]) -> Result<guac_canvas::Change, CanvasError> {
    replay(canvas, bytes).pop().unwrap()
}

#[test]
fn layers_up_to_the_limit_pass_and_beyond_it_fail() {
    let mut canvas = Canvas::default();
    assert!(last(&mut canvas, &numbers("size", &[0, 8192, 8192])).is_ok());
    let error = last(&mut canvas, &numbers("size", &[-1, 1, 1])).unwrap_err();
    assert!(matches!(error, CanvasError::LayerTooLarge { .. }), "{error}");
    assert_eq!((canvas.total_px(), error.status()), (8192 * 8192, Status::ClientOverrun));
    assert!(last(&mut canvas, &numbers("size", &[0, 100, 100])).is_ok());
    assert!(last(&mut canvas, &numbers("size", &[-1, 8192, 8190])).is_ok());
    assert!(last(&mut canvas, &numbers("size", &[0, 8193, 1])).is_err());
    assert!(last(&mut canvas, &numbers("size", &[0, 4_294_967_295, 4_294_967_295])).is_err());
    assert!(last(&mut canvas, &numbers("size", &[0, -1, 1])).is_err());
    assert_eq!(canvas.size(), (100, 100));
    assert!(last(&mut canvas, &numbers("dispose", &[-1])).is_ok());
    assert_eq!(canvas.total_px(), 10_000);
}

#[test]
fn a_buffer_grows_up_to_the_limit_only() {
    let mut canvas = Canvas::default();
    let fill = |x: i64| [numbers("rect", &[-1, x, 0, 1, 1]), numbers("cfill", &[14, -1, 1, 1, 1, 255])].concat();
    assert!(last(&mut canvas, &fill(8191)).is_ok());
    assert!(last(&mut canvas, &fill(8192)).is_err());
    assert!(last(&mut canvas, &fill(2_147_483_647)).is_err());
    assert!(last(&mut canvas, &fill(-2_147_483_648)).is_ok());
    assert_eq!(canvas.total_px(), 8192);
}

#[test]
fn layers_paths_and_images_under_way_are_counted() {
    let mut limits = CanvasLimits::default();
    (limits.max_layers, limits.max_path_rects, limits.max_open_images) = (3, 2, 2);
    (limits.max_image_bytes, limits.max_pending_bytes) = (3000, 4500);
    let mut canvas = Canvas::new(limits);
    assert!(last(&mut canvas, &numbers("size", &[-2, 1, 1])).is_ok());
    assert!(last(&mut canvas, &numbers("move", &[1, 0, 0, 0, 0])).is_ok());
    assert!(matches!(last(&mut canvas, &numbers("shade", &[2, 9])), Err(CanvasError::TooManyLayers { limit: 3 })));
    let rect = numbers("rect", &[0, 0, 0, 1, 1]);
    assert!(last(&mut canvas, &rect.repeat(2)).is_ok());
    assert!(matches!(last(&mut canvas, &rect), Err(CanvasError::PathTooLong { limit: 2 })));
    let open = |stream: &str| said("img", &[stream, "14", "0", "image/png", "0", "0"]);
    let blob = |stream: &str, len: usize| said("blob", &[stream, &"AAAA".repeat(len / 3)]);
    assert!(last(&mut canvas, &[open("1"), open("2")].concat()).is_ok());
    assert!(matches!(last(&mut canvas, &open("3")), Err(CanvasError::TooMuchPending { .. })));
    assert!(last(&mut canvas, &blob("1", 2700)).is_ok());
    assert!(last(&mut canvas, &blob("1", 600)).is_err(), "one image is too long, and forgotten");
    assert!(last(&mut canvas, &[open("1"), blob("1", 2700)].concat()).is_ok());
    assert!(last(&mut canvas, &blob("2", 2700)).is_err(), "all together are too long");
    assert!(last(&mut canvas, &blob("2", 2700)).is_ok(), "a stream that is forgotten is nobody's");
}

#[test]
fn a_decompression_bomb_is_refused_by_its_header() {
    let mut bomb = Vec::new();
    // 30000 x 30000 pixels would be 3.6 GB.
    let mut encoder = png::Encoder::new(&mut bomb, 30_000, 30_000);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0x78, 0x9C, 3, 0, 0, 0, 0, 1]).unwrap();
    drop(writer);
    let mut canvas = Canvas::default();
    let error = last(&mut canvas, &image(1, 14, 0, "image/png", (0, 0), &bomb)).unwrap_err();
    assert!(matches!(error, CanvasError::ImageTooLarge { width: 30_000, .. }), "{error}");
    let mut limits = CanvasLimits::default();
    limits.max_total_px = 99;
    let picture = Image::new(10, 10, vec![7; 400]).unwrap().to_png();
    assert!(matches!(Image::decode(&picture, &limits), Err(CanvasError::ImageTooLarge { .. })));
    limits.max_total_px = 100;
    assert!(Image::decode(&picture, &limits).is_ok());
}

#[test]
fn broken_images_and_unknown_types_are_errors_and_nothing_else() {
    let mut canvas = Canvas::default();
    replay(&mut canvas, &numbers("size", &[0, 10, 10]));
    for mimetype in ["image/png", "image/jpeg", "image/webp"] {
        let error = last(&mut canvas, &image(1, 14, 0, mimetype, (0, 0), b"RIFF\0\0\0\0WEBPVP8 nonsense")).unwrap_err();
        assert_eq!(error.status(), Status::UpstreamError, "{error}");
    }
    let error = last(&mut canvas, &said("img", &["1", "14", "0", "image/gif", "0", "0"])).unwrap_err();
    assert!(matches!(error, CanvasError::UnknownImageType));
    let mut bytes = said("img", &["1", "14", "0", "image/png", "0", "0"]);
    bytes.extend(said("blob", &["1", "!"]));
    assert!(matches!(last(&mut canvas, &bytes), Err(CanvasError::NotBase64 { .. })));
    assert!(last(&mut canvas, &said("end", &["1"])).is_ok(), "a stream that is not open ends without a word");
    assert!(matches!(last(&mut canvas, &said("copy", &["0"])), Err(CanvasError::Argument(_))));
    let error = last(&mut canvas, &numbers("cursor", &[0, 0, 0, 0, 0, 513, 1])).unwrap_err();
    assert!(matches!(error, CanvasError::CursorTooLarge { .. }));
    assert_eq!(canvas.pixels(), [0; 100]);
}

#[test]
fn layers_cannot_stand_within_themselves() {
    let mut canvas = Canvas::default();
    replay(&mut canvas, &numbers("size", &[0, 10, 10]));
    let moves = [[1, 2], [2, 1], [1, 1], [2, 3], [3, 1], [1, 0]];
    for [layer, parent] in moves {
        assert!(last(&mut canvas, &numbers("move", &[layer, parent, 1, 1, 0])).is_ok());
        assert_eq!(canvas.frame().size(), (10, 10));
    }
}

proptest! {
    #[test]
    fn any_arguments_of_any_opcode_are_carried_out_or_refused(
        steps in prop::collection::vec((
            prop::sample::select(vec![
                "blob", "cfill", "clip", "copy", "cursor", "dispose", "end", "img", "jpeg", "mouse", "move", "name", "png",
                "rect", "shade", "size", "sync", "transfer", "lfill", "cstroke",
            ]),
            prop::collection::vec(prop_oneof![
                4 => (-3..4_i64).prop_map(|n| n.to_string()),
                2 => (0..300_i64).prop_map(|n| n.to_string()),
                1 => any::<i32>().prop_map(|n| n.to_string()),
                1 => Just("image/png".to_owned()),
                1 => ".{0,4}",
            ], 0..10),
        ), 1..60),
    ) {
        let mut limits = CanvasLimits::default();
        limits.max_total_px = 1 << 20;
        let mut canvas = Canvas::new(limits);
        replay(&mut canvas, &numbers("size", &[0, 64, 64]));
        for (opcode, arguments) in &steps {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let _ = replay(&mut canvas, &said(opcode, &arguments));
            prop_assert!(canvas.total_px() <= 1 << 20);
        }
        let frame = canvas.frame_with_pointer();
        prop_assert_eq!(frame.rgba().len(), frame.width() as usize * frame.height() as usize * 4);
    }

    #[test]
    fn damaged_images_never_do_more_than_fail(
        format in 0..3_usize, at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let pixels: Vec<u8> = (0..24 * 24 * 3).map(|n| (n * 7) as u8).collect();
        let mut data = Vec::new();
        match format {
            0 => data = Image::new(24, 24, (0..24 * 24 * 4).map(|n| (n * 3) as u8).collect()).unwrap().to_png(),
            1 => jpeg_encoder::Encoder::new(&mut data, 80).encode(&pixels, 24, 24, jpeg_encoder::ColorType::Rgb).unwrap(),
            _ => image_webp::WebPEncoder::new(&mut data).encode(&pixels, 24, 24, image_webp::ColorType::Rgb8).unwrap(),
        }
        let at = at.index(data.len());
        data[at] = with;
        data.truncate(cut.index(data.len()) + 1);
        let mut limits = CanvasLimits::default();
        limits.max_total_px = 1 << 16;
        let _ = Image::decode(&data, &limits);
    }
}
