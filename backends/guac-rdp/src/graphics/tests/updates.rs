//! Bitmap updates, surface commands, palettes, fragments.

use guac_display::{Rect, Surface};
use ironrdp_bulk::{BulkCompressor, CompressionType};
use ironrdp_core::encode_vec;
use ironrdp_pdu::bitmap::{BitmapData, BitmapUpdateData, Compression};
use ironrdp_pdu::fast_path::{FastPathUpdatePdu, Fragmentation, UpdateCode};
use ironrdp_pdu::geometry::{ExclusiveRectangle, InclusiveRectangle};
use ironrdp_pdu::rdp::client_info;
use ironrdp_pdu::rdp::headers::CompressionFlags;
use ironrdp_pdu::surface_commands::{
    ExtendedBitmapDataPdu, FrameAction, FrameMarkerPdu, SurfaceBitsPdu, SurfaceCommand,
};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::{
    all, bgrx, events, fast_path_part, fast_path_pdu, flip, graphics, part, picture, planar, scene, send, send_encoded,
};
use crate::graphics::GraphicsEvent;
use crate::graphics::fast_path::MAX_UPDATE_BYTES;

/// Where a bitmap goes: left, top, right and bottom, the last two within.
type Place = (u16, u16, u16, u16);

fn bitmap(place: Place, size: (u16, u16), depth: u16, flags: Compression, data: &[u8]) -> BitmapUpdateData<'_> {
    let (left, top, right, bottom) = place;
    BitmapUpdateData {
        rectangles: vec![BitmapData {
            rectangle: InclusiveRectangle { left, top, right, bottom },
            width: size.0,
            height: size.1,
            bits_per_pixel: depth,
            compression_flags: flags,
            compressed_data_header: None,
            bitmap_data: data,
        }],
    }
}

const PACKED: Compression = Compression::BITMAP_COMPRESSION.union(Compression::NO_BITMAP_COMPRESSION_HDR);

#[test]
fn a_planar_bitmap_arrives_pixel_by_pixel() {
    for encoded in [false, true] {
        let source = scene(52, 40, 1);
        let data = planar(&flip(&source, 52), 52, encoded);
        let (mut graphics, mut surface) = (graphics(), picture(100, 80));
        let update = bitmap((10, 20, 61, 59), (52, 40), 32, PACKED, &data);
        send_encoded(&mut graphics, &mut surface, UpdateCode::Bitmap, &update);
        assert_eq!(part(&mut surface, Rect::new(10, 20, 52, 40)), source);
        assert!(part(&mut surface, Rect::new(0, 0, 100, 20)).iter().all(|&pixel| pixel == 0));
        assert!(events(&mut graphics).is_empty());
    }
}

#[test]
fn a_bitmap_that_reaches_out_of_the_picture_is_cut() {
    let source = scene(64, 64, 2);
    let data = planar(&flip(&source, 64), 64, true);
    let (mut graphics, mut surface) = (graphics(), picture(50, 40));
    let update = bitmap((30, 30, 93, 93), (64, 64), 32, PACKED, &data);
    send_encoded(&mut graphics, &mut surface, UpdateCode::Bitmap, &update);
    let expected: Vec<u32> = source.chunks(64).take(10).flat_map(|row| &row[..20]).copied().collect();
    assert_eq!(part(&mut surface, Rect::new(30, 30, 20, 10)), expected);

    let update = bitmap((50, 0, 113, 63), (64, 64), 32, PACKED, &data);
    let before = all(&mut surface);
    send_encoded(&mut graphics, &mut surface, UpdateCode::Bitmap, &update);
    assert_eq!(all(&mut surface), before);
}

#[test]
fn a_padded_bitmap_covers_only_its_place() {
    let source = scene(8, 4, 3);
    let data = planar(&flip(&source, 8), 8, true);
    let (mut graphics, mut surface) = (graphics(), picture(16, 8));
    // The place is narrower and lower than the bitmap; rows count from above.
    let update = bitmap((2, 1, 6, 3), (8, 4), 32, PACKED, &data);
    send_encoded(&mut graphics, &mut surface, UpdateCode::Bitmap, &update);
    let expected: Vec<u32> = source.chunks(8).take(3).flat_map(|row| &row[..5]).copied().collect();
    assert_eq!(part(&mut surface, Rect::new(2, 1, 5, 3)), expected);
    assert_eq!(part(&mut surface, Rect::new(7, 0, 9, 8)), [0; 72]);
}

#[test]
fn plain_bitmaps_of_every_depth_are_drawn_from_below() {
    // 3 pixels a row: padding to 4 bytes for all depths but 32.
    let cases: [(u16, Vec<u8>); 5] = [
        (8, vec![249, 250, 252, 0, 255, 0, 249, 0]),
        (15, [0x7C00, 0x03E0, 0x001F, 0, 0x7FFF, 0, 0x7C00, 0].into_iter().flat_map(u16::to_le_bytes).collect()),
        (16, [0xF800, 0x07E0, 0x001F, 0, 0xFFFF, 0, 0xF800, 0].into_iter().flat_map(u16::to_le_bytes).collect()),
        (24, vec![0, 0, 255, 0, 255, 0, 255, 0, 0, 9, 9, 9, 255, 255, 255, 0, 0, 0, 0, 0, 255, 9, 9, 9]),
        (32, bgrx(&[0xFF_0000, 0x00_FF00, 0x00_00FF, 0xFF_FFFF, 0, 0xFF_0000])),
    ];
    for (depth, data) in cases {
        let (mut graphics, mut surface) = (graphics(), picture(3, 2));
        let update = bitmap((0, 0, 2, 1), (3, 2), depth, Compression::empty(), &data);
        send_encoded(&mut graphics, &mut surface, UpdateCode::Bitmap, &update);
        assert_eq!(all(&mut surface), [0xFF_FFFF, 0, 0xFF_0000, 0xFF_0000, 0x00_FF00, 0x00_00FF], "{depth}");
    }
}

#[test]
fn a_run_length_encoded_bitmap_is_drawn_from_below() {
    // A red row, below a row that is its inverse.
    let data = [0xF3, 4, 0, 0x00, 0xF8, 0xF6, 4, 0, 0xFF, 0xFF];
    let (mut graphics, mut surface) = (graphics(), picture(4, 2));
    let update = bitmap((0, 0, 3, 1), (4, 2), 16, PACKED, &data);
    send_encoded(&mut graphics, &mut surface, UpdateCode::Bitmap, &update);
    assert_eq!(all(&mut surface), [[0x00_FFFF; 4], [0xFF_0000; 4]].concat());
}

#[test]
fn a_new_palette_colours_what_is_drawn_then() {
    let mut palette = vec![2, 0, 0, 0, 0, 1, 0, 0];
    palette.extend((0..=255).flat_map(|index: u8| [index, 255 - index, 7]));
    let (mut graphics, mut surface) = (graphics(), picture(4, 1));
    send(&mut graphics, &mut surface, UpdateCode::Palette, &palette);
    let update = bitmap((0, 0, 3, 0), (4, 1), 8, Compression::empty(), &[0, 1, 128, 255]);
    send_encoded(&mut graphics, &mut surface, UpdateCode::Bitmap, &update);
    assert_eq!(all(&mut surface), [0x00_FF07, 0x01_FE07, 0x80_7F07, 0xFF_0007]);
    let short = fast_path_part(UpdateCode::Palette, Fragmentation::Single, &palette[..palette.len() - 1]);
    graphics.handle_fast_path(&short, &mut None, &mut surface).unwrap_err();
}

#[test]
fn the_slow_path_draws_the_same() {
    let source = scene(16, 16, 4);
    let data = planar(&flip(&source, 16), 16, true);
    let update = encode_vec(&bitmap((0, 0, 15, 15), (16, 16), 32, PACKED, &data)).unwrap();
    let (mut graphics, mut surface) = (graphics(), picture(16, 16));
    graphics.handle_slow_path_update(&update, &mut surface).unwrap();
    assert_eq!(all(&mut surface), source);
    graphics.handle_slow_path_update(&[3, 0, 0, 0], &mut surface).unwrap();
    graphics.handle_slow_path_update(&[4, 0], &mut surface).unwrap_err();
}

#[test]
fn orders_lead_to_one_refresh() {
    let (mut graphics, mut surface) = (graphics(), picture(4, 4));
    for _ in 0..3 {
        send(&mut graphics, &mut surface, UpdateCode::Orders, &[1, 2, 3]);
    }
    assert!(matches!(events(&mut graphics)[..], [GraphicsEvent::Refresh]));
}

#[test]
fn bulk_compressed_updates_are_drawn() {
    let source = vec![0x12_3456; 40 * 40];
    let data = bgrx(&source);
    let update = encode_vec(&bitmap((0, 0, 39, 39), (40, 40), 32, Compression::empty(), &data)).unwrap();
    for (kind, name) in [
        (CompressionType::Rdp4, client_info::CompressionType::K8),
        (CompressionType::Rdp5, client_info::CompressionType::K64),
        (CompressionType::Rdp6, client_info::CompressionType::Rdp6),
    ] {
        let mut server = BulkCompressor::new(kind);
        let (len, flags) = server.compress(&update).unwrap();
        assert!(flags & 0x20 != 0 && len < update.len());
        let part = FastPathUpdatePdu {
            fragmentation: Fragmentation::Single,
            update_code: UpdateCode::Bitmap,
            compression_flags: Some(CompressionFlags::from_bits_retain(u8::try_from(flags & 0xF0).unwrap())),
            compression_type: Some(name),
            data: server.compressed_data(len),
        };
        let pdu = fast_path_pdu(&encode_vec(&part).unwrap());
        let (mut graphics, mut surface) = (graphics(), picture(40, 40));
        graphics.handle_fast_path(&pdu, &mut Some(BulkCompressor::new(kind)), &mut surface).unwrap();
        assert_eq!(all(&mut surface), source);
        graphics.handle_fast_path(&pdu, &mut None, &mut surface).unwrap_err();
    }
}

#[test]
fn surface_bits_and_frames_are_followed_in_order() {
    let source = scene(20, 10, 5);
    let data = bgrx(&flip(&source, 20));
    let bits = SurfaceBitsPdu {
        destination: ExclusiveRectangle { left: 3, top: 4, right: 23, bottom: 14 },
        extended_bitmap_data: ExtendedBitmapDataPdu {
            bpp: 32,
            codec_id: 0,
            width: 20,
            height: 10,
            header: None,
            data: &data,
        },
    };
    let marker = |frame_action| FrameMarkerPdu { frame_action, frame_id: Some(77) };
    let mut update = encode_vec(&SurfaceCommand::FrameMarker(marker(FrameAction::Begin))).unwrap();
    update.extend(encode_vec(&SurfaceCommand::SetSurfaceBits(bits.clone())).unwrap());
    update.extend(encode_vec(&SurfaceCommand::FrameMarker(marker(FrameAction::End))).unwrap());
    let (mut graphics, mut surface) = (graphics(), picture(30, 20));
    send(&mut graphics, &mut surface, UpdateCode::SurfaceCommands, &update);
    assert_eq!(part(&mut surface, Rect::new(3, 4, 20, 10)), source);
    assert!(matches!(events(&mut graphics)[..], [GraphicsEvent::FrameEnd, GraphicsEvent::AcknowledgeFrame(77)]));

    let short = ExtendedBitmapDataPdu { data: &data[..700], ..bits.extended_bitmap_data };
    let bits = SurfaceBitsPdu { extended_bitmap_data: short, ..bits };
    let update = encode_vec(&SurfaceCommand::StreamSurfaceBits(bits)).unwrap();
    let pdu = fast_path_part(UpdateCode::SurfaceCommands, Fragmentation::Single, &update);
    graphics.handle_fast_path(&pdu, &mut None, &mut surface).unwrap_err();
}

#[test]
fn fragments_up_to_the_limit_are_put_together_and_one_byte_more_ends_the_session() {
    let chunk = vec![0; 1 << 14];
    for (extra, fits) in [(0, true), (1, false)] {
        let (mut graphics, mut surface) = (graphics(), picture(4, 4));
        let mut send = |fragmentation, data: &[u8]| {
            let pdu = fast_path_part(UpdateCode::Orders, fragmentation, data);
            graphics.handle_fast_path(&pdu, &mut None, &mut surface)
        };
        send(Fragmentation::First, &chunk).unwrap();
        for _ in 1..MAX_UPDATE_BYTES / chunk.len() {
            send(Fragmentation::Next, &chunk).unwrap();
        }
        assert_eq!(send(Fragmentation::Last, &chunk[..extra]).is_ok(), fits);
    }
}

#[test]
fn fragments_without_a_beginning_are_ignored_and_mixed_ones_refused() {
    let (mut graphics, mut surface) = (graphics(), picture(4, 4));
    let mut send = |code, fragmentation| {
        graphics.handle_fast_path(&fast_path_part(code, fragmentation, &[1]), &mut None, &mut surface)
    };
    send(UpdateCode::Orders, Fragmentation::Last).unwrap();
    send(UpdateCode::Orders, Fragmentation::First).unwrap();
    send(UpdateCode::Bitmap, Fragmentation::Last).unwrap_err();
}

#[test]
fn a_bitmap_is_refused_above_the_limit_of_its_area() {
    // A background run paints both; the larger one is not even looked at.
    for (height, fits) in [(1024, true), (1025, false)] {
        let (mut graphics, mut surface) = (graphics(), picture(8, 8));
        let update = bitmap((0, 0, 7, 7), (4096, height), 16, PACKED, &[0x01]);
        let pdu = fast_path_part(UpdateCode::Bitmap, Fragmentation::Single, &encode_vec(&update).unwrap());
        assert_eq!(graphics.handle_fast_path(&pdu, &mut None, &mut surface).is_ok(), fits);
    }
}

fn draw_in_fragments(update: &[u8], cuts: &[usize]) -> Surface {
    let (mut graphics, mut surface) = (graphics(), picture(40, 40));
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % update.len()).collect();
    cuts.sort_unstable();
    let mut from = 0;
    let mut fragmentation = Fragmentation::First;
    for cut in cuts {
        let pdu = fast_path_part(UpdateCode::Bitmap, fragmentation, &update[from..cut]);
        graphics.handle_fast_path(&pdu, &mut None, &mut surface).unwrap();
        (from, fragmentation) = (cut, Fragmentation::Next);
    }
    if fragmentation == Fragmentation::First {
        send(&mut graphics, &mut surface, UpdateCode::Bitmap, update);
    } else {
        let pdu = fast_path_part(UpdateCode::Bitmap, Fragmentation::Last, &update[from..]);
        graphics.handle_fast_path(&pdu, &mut None, &mut surface).unwrap();
    }
    surface
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_into_fragments_draws_the_same(cuts in proptest::collection::vec(any::<usize>(), 0..6)) {
        let data = planar(&scene(40, 40, 6), 40, true);
        let update = encode_vec(&bitmap((0, 0, 39, 39), (40, 40), 32, PACKED, &data)).unwrap();
        prop_assert_eq!(all(&mut draw_in_fragments(&update, &cuts)), all(&mut draw_in_fragments(&update, &[])));
    }

    #[test]
    fn any_update_leaves_what_is_not_its_place_alone(
        (left, top, right, bottom) in any::<Place>(),
        (x, y) in (0_u16..80, 0_u16..80),
        size in (0_u16..100, 0_u16..100),
        depth in proptest::sample::select(vec![0_u16, 8, 15, 16, 24, 32]),
        packed in any::<bool>(),
        data in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let place = (left % 80, top % 80, right % 100, bottom % 100);
        let place = if packed { place } else { (x, y, x.saturating_add(size.0), y) };
        let flags = if packed { PACKED } else { Compression::empty() };
        let update = encode_vec(&bitmap(place, size, depth, flags, &data)).unwrap();
        let (mut graphics, mut surface) = (graphics(), picture(70, 60));
        let pdu = fast_path_part(UpdateCode::Bitmap, Fragmentation::Single, &update);
        let _ = graphics.handle_fast_path(&pdu, &mut None, &mut surface);
        for (index, pixel) in all(&mut surface).into_iter().enumerate() {
            let (column, row) = (u16::try_from(index % 70).unwrap(), u16::try_from(index / 70).unwrap());
            let inside = (place.0..=place.2).contains(&column) && (place.1..=place.3).contains(&row);
            assert!(inside || pixel == 0, "{column} {row}");
        }
    }

    #[test]
    fn any_bytes_of_any_path_never_panic(
        code in 0_u8..16,
        data in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let (mut graphics, mut surface) = (graphics(), picture(70, 60));
        let mut parts = vec![code, u8::try_from(data.len() % 256).unwrap(), u8::try_from(data.len() / 256).unwrap()];
        parts.extend_from_slice(&data);
        let _ = graphics.handle_fast_path(&fast_path_pdu(&parts), &mut None, &mut surface);
        let _ = graphics.handle_fast_path(&data, &mut None, &mut surface);
        let _ = graphics.handle_slow_path_update(&data, &mut surface);
        let _ = graphics.handle_slow_path_pointer(&data);
    }
}
