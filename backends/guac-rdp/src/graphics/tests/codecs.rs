//! Our decoders beside those of IronRDP.

use guac_display::Rect;
use ironrdp_core::encode_vec;
use ironrdp_graphics::color_conversion::to_64x64_ycbcr_tile;
use ironrdp_graphics::image_processing::PixelFormat;
use ironrdp_graphics::rdp6::BitmapStreamDecoder;
use ironrdp_graphics::zgfx::{CompressionMode, Compressor, compress_and_wrap_egfx};
use ironrdp_graphics::{rfx_encode_component, rle};
use ironrdp_pdu::codecs::rfx::{
    Block, ChannelsPdu, CodecChannel, CodecVersionsPdu, ContextPdu, EntropyAlgorithm, FrameBeginPdu, FrameEndPdu,
    OperatingMode, Quant, RegionPdu, RfxChannel, RfxRectangle, SyncPdu, Tile, TileSetPdu,
};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::{all, part, picture, psnr, rgba, scene, smooth};
use crate::graphics::budget::Budget;
use crate::graphics::pixels::Format;
use crate::graphics::planar::Planar;
use crate::graphics::remotefx::RemoteFx;
use crate::graphics::rle::Rle;
use crate::graphics::zgfx::Zgfx;

const QUANT: Quant = Quant { ll3: 6, lh3: 6, hl3: 6, hh3: 6, lh2: 6, hl2: 6, hh2: 6, lh1: 6, hl1: 6, hh1: 6 };

/// A RemoteFX message of whole tiles, row by row, with headers, shown where `region` says.
pub(super) fn remotefx(pixels: &[u32], width: usize, region: &[(u16, u16, u16, u16)]) -> Vec<u8> {
    let entropy_algorithm = EntropyAlgorithm::Rlgr3;
    let mut parts = Vec::new();
    for (y, rows) in pixels.chunks(width * 64).enumerate() {
        for x in 0..width / 64 {
            let tile: Vec<u32> = rows.chunks(width).flat_map(|row| &row[x * 64..][..64]).copied().collect();
            let (mut luma, mut blue, mut red) = ([0; 4096], [0; 4096], [0; 4096]);
            let bytes = rgba(&tile);
            to_64x64_ycbcr_tile(&bytes, 64, 64, 256, PixelFormat::RgbA32, &mut luma, &mut blue, &mut red).unwrap();
            let coded = [luma, blue, red].map(|mut plane| {
                let mut out = vec![0; 20_000];
                let len = rfx_encode_component(&mut plane, &mut out, &QUANT, entropy_algorithm).unwrap();
                out.truncate(len);
                out
            });
            parts.push((u16::try_from(x).unwrap(), u16::try_from(y).unwrap(), coded));
        }
    }
    let tile = |(x, y, [y_data, cb_data, cr_data]): &'_ (u16, u16, [Vec<u8>; 3])| Tile {
        y_quant_index: 0,
        cb_quant_index: 0,
        cr_quant_index: 0,
        x: *x,
        y: *y,
        y_data: Box::leak(y_data.clone().into_boxed_slice()),
        cb_data: Box::leak(cb_data.clone().into_boxed_slice()),
        cr_data: Box::leak(cr_data.clone().into_boxed_slice()),
    };
    let rectangles = region.iter().map(|&(x, y, width, height)| RfxRectangle { x, y, width, height }).collect();
    let (flags, tiles) = (OperatingMode::empty(), parts.iter().map(tile).collect());
    let channel = RfxChannel { width: 640, height: 480 };
    [
        Block::Sync(SyncPdu),
        Block::CodecVersions(CodecVersionsPdu),
        Block::Channels(ChannelsPdu(vec![channel])),
        Block::CodecChannel(CodecChannel::Context(ContextPdu { flags, entropy_algorithm })),
        Block::CodecChannel(CodecChannel::FrameBegin(FrameBeginPdu { index: 0, number_of_regions: 1 })),
        Block::CodecChannel(CodecChannel::Region(RegionPdu { rectangles })),
        Block::CodecChannel(CodecChannel::TileSet(TileSetPdu { entropy_algorithm, quants: vec![QUANT], tiles })),
        Block::CodecChannel(CodecChannel::FrameEnd(FrameEndPdu)),
    ]
    .iter()
    .flat_map(|block| encode_vec(block).unwrap())
    .collect()
}

#[test]
fn remotefx_looks_like_what_was_encoded() {
    let source = smooth(192, 128);
    let message = remotefx(&source, 192, &[]);
    let (mut decoder, mut surface) = (RemoteFx::default(), picture(200, 140));
    decoder.draw(&message, Rect::new(5, 6, 192, 128), &mut Budget::of(&surface), &mut surface).unwrap();
    let quality = psnr(&part(&mut surface, Rect::new(5, 6, 192, 128)), &source);
    assert!(quality > 35.0, "{quality} dB");
    assert!(part(&mut surface, Rect::new(0, 0, 200, 6)).iter().all(|&pixel| pixel == 0));
}

#[test]
fn remotefx_shows_nothing_outside_of_its_region_and_place() {
    let message = remotefx(&[0xFF_FFFF; 128 * 64], 128, &[(10, 10, 20, 20), (60, 0, 10, 64)]);
    let (mut decoder, mut surface) = (RemoteFx::default(), picture(128, 64));
    decoder.draw(&message, Rect::new(0, 0, 100, 40), &mut Budget::of(&surface), &mut surface).unwrap();
    for (index, pixel) in all(&mut surface).into_iter().enumerate() {
        let (x, y) = (index % 128, index / 128);
        let shown = (10..30).contains(&x) && (10..30).contains(&y) || (60..70).contains(&x) && y < 40;
        assert_eq!(pixel != 0, shown, "{x} {y}");
    }
}

#[test]
fn remotefx_headers_may_come_before_the_first_frame() {
    let headers = [Block::Sync(SyncPdu), Block::CodecVersions(CodecVersionsPdu)];
    let headers: Vec<u8> = headers.iter().flat_map(|block| encode_vec(block).unwrap()).collect();
    let (mut decoder, mut surface) = (RemoteFx::default(), picture(64, 64));
    decoder.draw(&headers, surface.size().rect(), &mut Budget::of(&surface), &mut surface).unwrap();
    decoder.draw(&[1, 2, 3], surface.size().rect(), &mut Budget::of(&surface), &mut surface).unwrap_err();
}

fn compressed(data: &[u8], server: &mut Compressor) -> Vec<u8> {
    compress_and_wrap_egfx(data, server, CompressionMode::Auto).unwrap()
}

#[test]
fn compressed_messages_refer_to_those_before_even_when_the_history_is_full() {
    let (mut server, mut client) = (Compressor::new(), Zgfx::default());
    for seed in 0..40 {
        // 100 kB a message: the history of 2.5 MB is passed after 25.
        let data: Vec<u8> = scene(250, 100, seed % 7).iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
        let (message, mut out) = (compressed(&data, &mut server), Vec::new());
        client.decompress(&message, &mut out).unwrap();
        assert!(out == data, "{seed}");
    }
}

#[test]
fn a_message_that_would_grow_above_its_limit_is_refused() {
    // Each segment of a few bytes is 64 KiB of zeros.
    let zeros = vec![0; 1 << 24];
    let (mut server, mut out) = (Compressor::new(), Vec::new());
    Zgfx::default().decompress(&compressed(&zeros, &mut server), &mut out).unwrap();
    assert_eq!(out.len(), zeros.len());
    let (mut server, mut out) = (Compressor::new(), Vec::new());
    let more = vec![0; (1 << 24) + 1];
    Zgfx::default().decompress(&compressed(&more, &mut server), &mut out).unwrap_err();
    assert!(out.capacity() <= 1 << 25);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn planar_bitmaps_decode_as_in_another_decoder(
        format in 0_u8..64,
        (width, height) in (1_u16..20, 1_u16..12),
        data in proptest::collection::vec(proptest::prop_oneof![any::<u8>(), 0x01_u8..0x40], 0..1200),
    ) {
        let data = [&[format], &data[..]].concat();
        let (mut theirs, mut ours) = (Vec::new(), picture(u32::from(width), u32::from(height)));
        let size = (usize::from(width), usize::from(height));
        let decoded = BitmapStreamDecoder::default().decode_bitmap_stream_to_rgb24(&data, &mut theirs, size.0, size.1);
        let rect = ours.size().rect();
        let drawn = Planar::default().draw(&data, (width, height), false, rect, &mut ours);
        if decoded.is_ok() {
            prop_assert!(drawn.is_ok());
            let theirs: Vec<u32> =
                theirs.chunks(3).map(|rgb| u32::from_be_bytes([0, rgb[0], rgb[1], rgb[2]])).collect();
            prop_assert_eq!(all(&mut ours), theirs);
        }
    }

    #[test]
    fn run_length_encoded_bitmaps_decode_as_in_another_decoder(
        depth in proptest::sample::select(vec![8_u16, 15, 16, 24]),
        (width, height) in (1_usize..40, 1_usize..20),
        data in proptest::collection::vec(proptest::prop_oneof![
            any::<u8>(), 0x00_u8..0x08, 0x20_u8..0x28, 0x41_u8..0x43, 0x61_u8..0x68, 0x81_u8..0x83, 0xF9_u8..0xFF
        ], 0..60),
    ) {
        let mut theirs = Vec::new();
        let decoded = rle::decompress(&data, &mut theirs, width, height, usize::from(depth));
        let mut decoder = Rle::default();
        let format = Format::of_depth(depth).unwrap();
        let ours = decoder.decode(&data, format, (width, height));
        prop_assert_eq!(ours.is_ok(), decoded.is_ok());
        if let Ok(ours) = ours {
            let ours: Vec<u8> =
                ours.iter().flat_map(|number| number.to_le_bytes().into_iter().take(format.len_bytes())).collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn compressed_messages_decompress_to_what_was_sent(
        messages in proptest::collection::vec(
            proptest::collection::vec(proptest::prop_oneof![any::<u8>(), 0_u8..3], 0..400),
            1..6
        ),
    ) {
        let (mut server, mut client) = (Compressor::new(), Zgfx::default());
        for data in messages {
            let (message, mut out) = (compressed(&data, &mut server), Vec::new());
            client.decompress(&message, &mut out).unwrap();
            prop_assert_eq!(out, data);
        }
    }

    #[test]
    fn any_message_decompresses_as_in_another_decompressor(
        data in proptest::collection::vec(any::<u8>(), 1..80),
        compressed in any::<bool>(),
    ) {
        let message = [&[0xE0, if compressed { 0x24 } else { 0x04 }], &data[..]].concat();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let client = Zgfx::default().decompress(&message, &mut ours);
        let other = ironrdp_graphics::zgfx::Decompressor::new().decompress(&message, &mut theirs);
        if client.is_ok() && other.is_ok() {
            prop_assert_eq!(ours, theirs);
        }
    }
}
