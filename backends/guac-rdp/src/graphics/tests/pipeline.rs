//! The graphics pipeline from its messages to the picture.

use guac_display::{Changes, Picture as _, Rect, Surface};
use ironrdp_core::{decode, encode_vec};
use ironrdp_dvc::DvcProcessor as _;
use ironrdp_egfx::pdu::{
    CacheToSurfacePdu, CapabilitySet, Codec1Type, Codec2Type, Color, CreateSurfacePdu, DeleteSurfacePdu, EndFramePdu,
    EvictCacheEntryPdu, GfxPdu, MapSurfaceToOutputPdu, PixelFormat, Point, ResetGraphicsPdu, SolidFillPdu,
    StartFramePdu, SurfaceToCachePdu, SurfaceToSurfacePdu, Timestamp, WireToSurface1Pdu, WireToSurface2Pdu,
};
use ironrdp_graphics::clearcodec::ClearCodecEncoder;
use ironrdp_graphics::progressive::{encode_first_pass, rgba_to_ycbcr};
use ironrdp_graphics::zgfx::wrap_uncompressed;
use ironrdp_pdu::codecs::rfx::RfxRectangle;
use ironrdp_pdu::codecs::rfx::progressive::{
    ComponentCodecQuant, ProgressiveBlock, ProgressiveContextPdu, ProgressiveFrameBeginPdu, ProgressiveFrameEndPdu,
    ProgressiveRegion, ProgressiveSyncPdu, ProgressiveTile, TileSimple, encode_progressive_stream,
};
use ironrdp_pdu::geometry::ExclusiveRectangle;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::codecs::remotefx;
use super::{all, bgrx, events, graphics, part, picture, planar, psnr, rgba, scene, smooth};
use crate::RdpError;
use crate::graphics::pipeline::{Drawn, Pipeline, Renderer};
use crate::graphics::{Graphics, GraphicsEvent, GraphicsOptions};

const BLUE: Color = Color { b: 255, g: 0, r: 0, xa: 255 };

/// A picture of 64x48 with a renderer.
struct Client {
    renderer: Renderer,
    surface: Surface,
}

impl Client {
    fn new() -> Self {
        Self { renderer: Renderer::default(), surface: picture(64, 48) }
    }

    /// With the desktop's surface, 1.
    fn with_desktop() -> Self {
        let mut client = Self::new();
        client.send(&[reset(64, 48), create(1, 64, 48), map(1, 0, 0)]);
        client
    }

    fn try_send(&mut self, pdus: &[GfxPdu]) -> Result<Drawn, RdpError> {
        let plain: Vec<u8> = pdus.iter().flat_map(|pdu| encode_vec(pdu).unwrap()).collect();
        self.renderer.handle(&wrap_uncompressed(&plain), 0, &mut self.surface)
    }

    fn send(&mut self, pdus: &[GfxPdu]) -> Drawn {
        self.try_send(pdus).unwrap()
    }

    fn all(&mut self) -> Vec<u32> {
        all(&mut self.surface)
    }

    fn part(&mut self, x: u32, y: u32, width: u32, height: u32) -> Vec<u32> {
        part(&mut self.surface, Rect::new(x, y, width, height))
    }
}

fn reset(width: u32, height: u32) -> GfxPdu {
    GfxPdu::ResetGraphics(ResetGraphicsPdu { width, height, monitors: Vec::new() })
}

fn create(surface_id: u16, width: u16, height: u16) -> GfxPdu {
    GfxPdu::CreateSurface(CreateSurfacePdu { surface_id, width, height, pixel_format: PixelFormat::XRgb })
}

fn map(surface_id: u16, output_origin_x: u32, output_origin_y: u32) -> GfxPdu {
    GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu { surface_id, output_origin_x, output_origin_y })
}

fn rect(left: u16, top: u16, width: u16, height: u16) -> ExclusiveRectangle {
    ExclusiveRectangle { left, top, right: left.saturating_add(width), bottom: top.saturating_add(height) }
}

fn fill(surface_id: u16, fill_pixel: Color, rectangle: ExclusiveRectangle) -> GfxPdu {
    GfxPdu::SolidFill(SolidFillPdu { surface_id, fill_pixel, rectangles: vec![rectangle] })
}

fn start(frame_id: u32) -> GfxPdu {
    let timestamp = Timestamp { milliseconds: 0, seconds: 0, minutes: 0, hours: 0 };
    GfxPdu::StartFrame(StartFramePdu { timestamp, frame_id })
}

fn end(frame_id: u32) -> GfxPdu {
    GfxPdu::EndFrame(EndFramePdu { frame_id })
}

fn wire(surface_id: u16, codec_id: Codec1Type, place: ExclusiveRectangle, bitmap_data: Vec<u8>) -> GfxPdu {
    GfxPdu::WireToSurface1(WireToSurface1Pdu {
        surface_id,
        codec_id,
        pixel_format: PixelFormat::XRgb,
        destination_rectangle: place,
        bitmap_data,
    })
}

fn copy(from: u16, to: u16, source_rectangle: ExclusiveRectangle, points: &[(u16, u16)]) -> GfxPdu {
    GfxPdu::SurfaceToSurface(SurfaceToSurfacePdu {
        source_surface_id: from,
        destination_surface_id: to,
        source_rectangle,
        destination_points: points.iter().map(|&(x, y)| Point { x, y }).collect(),
    })
}

fn keep(surface_id: u16, cache_slot: u16, source_rectangle: ExclusiveRectangle) -> GfxPdu {
    GfxPdu::SurfaceToCache(SurfaceToCachePdu { surface_id, cache_key: 1, cache_slot, source_rectangle })
}

fn kept(cache_slot: u16, surface_id: u16, points: &[(u16, u16)]) -> GfxPdu {
    let destination_points = points.iter().map(|&(x, y)| Point { x, y }).collect();
    GfxPdu::CacheToSurface(CacheToSurfacePdu { cache_slot, surface_id, destination_points })
}

/// A progressive bitmap of one tile, the regions repeated.
fn progressive(pixels: &[u32], context: bool, regions: u16) -> Vec<u8> {
    const NONE: ComponentCodecQuant =
        ComponentCodecQuant { ll3: 0, hl3: 0, lh3: 0, hh3: 0, hl2: 0, lh2: 0, hh2: 0, hl1: 0, lh1: 0, hh1: 0 };
    const FINE: ComponentCodecQuant =
        ComponentCodecQuant { ll3: 6, hl3: 6, lh3: 6, hh3: 6, hl2: 6, lh2: 6, hh2: 6, hl1: 6, lh1: 6, hh1: 6 };
    let (mut luma, mut blue, mut red) = (vec![0; 4096], vec![0; 4096], vec![0; 4096]);
    rgba_to_ycbcr(&rgba(pixels), &mut luma, &mut blue, &mut red);
    let [y_data, cb_data, cr_data] = [luma, blue, red].map(|mut plane| {
        let mut out = vec![0; 20_000];
        let len = encode_first_pass(&mut plane, &mut out, &FINE, &NONE, false).unwrap();
        out.truncate(len);
        out
    });
    let region = |_| {
        ProgressiveBlock::Region(ProgressiveRegion {
            tile_size: 64,
            rects: vec![RfxRectangle { x: 0, y: 0, width: 64, height: 64 }],
            quant_vals: vec![FINE],
            quant_prog_vals: Vec::new(),
            flags: 0,
            tiles: vec![ProgressiveTile::Simple(TileSimple {
                quant_idx_y: 0,
                quant_idx_cb: 0,
                quant_idx_cr: 0,
                x_idx: 0,
                y_idx: 0,
                flags: 0,
                y_data: &y_data,
                cb_data: &cb_data,
                cr_data: &cr_data,
                tail_data: &[],
            })],
        })
    };
    let mut blocks = vec![ProgressiveBlock::Sync(ProgressiveSyncPdu)];
    if context {
        let context = ProgressiveContextPdu { context_id: 0, tile_size: 64, flags: 0 };
        blocks.push(ProgressiveBlock::Context(context));
    }
    let begin = ProgressiveFrameBeginPdu { frame_index: 0, region_count: regions };
    blocks.push(ProgressiveBlock::FrameBegin(begin));
    blocks.extend((0..regions).map(region));
    blocks.push(ProgressiveBlock::FrameEnd(ProgressiveFrameEndPdu));
    encode_progressive_stream(&blocks).unwrap()
}

fn wire_progressive(surface_id: u16, bitmap_data: Vec<u8>) -> GfxPdu {
    GfxPdu::WireToSurface2(WireToSurface2Pdu {
        surface_id,
        codec_id: Codec2Type::RemoteFxProgressive,
        codec_context_id: 7,
        pixel_format: PixelFormat::XRgb,
        bitmap_data,
    })
}

#[test]
fn every_lossless_codec_arrives_pixel_by_pixel() {
    let source = scene(30, 20, 8);
    let clear = ClearCodecEncoder::new().encode(&bgrx(&source), 30, 20);
    for (codec, data) in [
        (Codec1Type::Uncompressed, bgrx(&source)),
        (Codec1Type::Planar, planar(&source, 30, true)),
        (Codec1Type::Planar, planar(&source, 30, false)),
        (Codec1Type::ClearCodec, clear),
    ] {
        let mut client = Client::with_desktop();
        client.send(&[start(1), wire(1, codec, rect(11, 12, 30, 20), data), end(1)]);
        assert_eq!(client.part(11, 12, 30, 20), source, "{codec:?}");
        assert!(client.part(0, 0, 64, 12).iter().all(|&pixel| pixel == 0));
    }
}

#[test]
fn remotefx_and_progressive_tiles_look_like_what_was_encoded() {
    let source = smooth(64, 64);
    let shown = &source[..64 * 48];
    for pdu in [
        wire(1, Codec1Type::RemoteFx, rect(0, 0, 64, 48), remotefx(&source, 64, &[])),
        wire_progressive(1, progressive(&source, true, 1)),
        wire_progressive(1, progressive(&source, true, 3)),
    ] {
        let mut client = Client::with_desktop();
        client.send(&[start(1), pdu, end(1)]);
        let quality = psnr(&client.all(), shown);
        assert!(quality > 35.0, "{quality} dB");
    }
}

#[test]
fn a_progressive_context_holds_for_surfaces_made_later() {
    let source = smooth(64, 64);
    let mut client = Client::with_desktop();
    client.send(&[wire_progressive(1, progressive(&[0; 4096], true, 1))]);
    client.send(&[reset(64, 48), create(2, 64, 48), map(2, 0, 0)]);
    let drawn = client.send(&[wire_progressive(2, progressive(&source, false, 1))]);
    assert!(!drawn.incomplete);
    assert!(psnr(&client.all(), &source[..64 * 48]) > 35.0);
}

#[test]
fn bitmaps_that_do_not_decode_are_left_out_until_they_are_too_many() {
    let mut client = Client::with_desktop();
    let pdus = [wire(1, Codec1Type::ClearCodec, rect(0, 0, 8, 8), vec![0x02, 0, 9, 0])];
    for _ in 0..100 {
        assert!(client.send(&pdus).incomplete);
    }
    assert!(client.try_send(&pdus).is_err());
}

#[test]
fn a_frame_is_acknowledged_and_told_to_have_ended() {
    let mut client = Client::with_desktop();
    assert!(!client.send(&[start(41)]).frame_ended);
    let drawn = client.send(&[end(41)]);
    assert!(drawn.frame_ended);
    let answers: Vec<GfxPdu> =
        drawn.answers.iter().map(|answer| decode(&encode_vec(answer.as_ref()).unwrap()).unwrap()).collect();
    let [GfxPdu::FrameAcknowledge(acknowledged)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((acknowledged.frame_id, acknowledged.total_frames_decoded), (41, 1));
}

#[test]
fn fills_are_drawn_and_cut() {
    let mut client = Client::with_desktop();
    client.send(&[fill(1, BLUE, rect(60, 40, 1000, 1000))]);
    assert_eq!(client.part(60, 40, 4, 8), [0xFF; 32]);
    assert_eq!(client.all().iter().filter(|&&pixel| pixel == 0xFF).count(), 32);
}

#[test]
fn a_scroll_of_the_desktop_is_a_move_and_no_damage() {
    let mut client = Client::with_desktop();
    let source = scene(64, 48, 9);
    client.send(&[wire(1, Codec1Type::Uncompressed, rect(0, 0, 64, 48), bgrx(&source))]);
    client.surface.take_changes(&mut Changes::new(client.surface.size()));
    client.send(&[copy(1, 1, rect(0, 16, 64, 32), &[(0, 0)])]);
    assert_eq!(client.part(0, 0, 64, 32), source[64 * 16..]);
    let mut changes = Changes::new(client.surface.size());
    changes.clear();
    client.surface.take_changes(&mut changes);
    assert_eq!((changes.copies().len(), changes.damaged_tiles().count()), (1, 0));
}

#[test]
fn copies_within_a_surface_read_before_they_write_and_are_cut() {
    let source = scene(64, 48, 10);
    let mut client = Client::with_desktop();
    client.send(&[wire(1, Codec1Type::Uncompressed, rect(0, 0, 64, 48), bgrx(&source))]);
    client.send(&[copy(1, 1, rect(0, 0, 10, 10), &[(5, 5), (20, 20), (60, 44)])]);
    let piece: Vec<u32> = source.chunks(64).take(10).flat_map(|row| &row[..10]).copied().collect();
    assert_eq!(client.part(20, 20, 10, 10), piece);
    let cut: Vec<u32> = source.chunks(64).take(4).flat_map(|row| &row[..4]).copied().collect();
    assert_eq!(client.part(60, 44, 4, 4), cut);
    client.send(&[copy(1, 1, rect(20, 20, 10, 10), &[(58, 0)])]);
    let cut: Vec<u32> = piece.chunks(10).flat_map(|row| &row[..6]).copied().collect();
    assert_eq!(client.part(58, 0, 6, 10), cut);
}

#[test]
fn surfaces_are_seen_once_mapped_and_after_each_frame() {
    let mut client = Client::with_desktop();
    client.send(&[create(2, 10, 10), fill(2, BLUE, rect(0, 0, 10, 10)), end(1)]);
    assert!(client.all().iter().all(|&pixel| pixel == 0));
    client.send(&[map(2, 30, 20), end(2)]);
    assert_eq!(client.part(30, 20, 10, 10), [0xFF; 100]);
    let white = Color { b: 255, g: 255, r: 255, xa: 0 };
    client.send(&[start(3), fill(2, white, rect(0, 0, 5, 10)), copy(2, 2, rect(0, 0, 3, 3), &[(7, 7)]), end(3)]);
    assert_eq!(client.part(30, 20, 5, 10), [0xFF_FFFF; 50]);
    assert_eq!(client.part(37, 27, 3, 3), [0xFF_FFFF; 9]);
    client.send(&[GfxPdu::DeleteSurface(DeleteSurfacePdu { surface_id: 2 }), fill(2, BLUE, rect(0, 0, 9, 9)), end(4)]);
    assert_eq!(client.part(30, 20, 5, 5), [0xFF_FFFF; 25]);
}

#[test]
fn a_surface_outside_of_the_picture_is_cut() {
    let mut client = Client::with_desktop();
    let places = [(60, 44), (64, 0), (u32::MAX, u32::MAX)];
    for (id, (x, y)) in (2..).zip(places) {
        client.send(&[create(id, 10, 10), map(id, x, y), fill(id, BLUE, rect(0, 0, 10, 10)), end(1)]);
    }
    assert_eq!(client.part(60, 44, 4, 4), [0xFF; 16]);
    assert_eq!(client.all().iter().filter(|&&pixel| pixel == 0xFF).count(), 16);
}

#[test]
fn a_second_surface_as_large_as_the_picture_takes_over() {
    let mut client = Client::with_desktop();
    let source = scene(64, 48, 11);
    client.send(&[wire(1, Codec1Type::Uncompressed, rect(0, 0, 64, 48), bgrx(&source))]);
    client.send(&[create(2, 64, 48), fill(2, BLUE, rect(0, 0, 64, 48)), map(2, 0, 0), end(1)]);
    assert!(client.all().iter().all(|&pixel| pixel == 0xFF));
    // The first one has its pixels still.
    client.send(&[copy(1, 2, rect(0, 0, 64, 48), &[(0, 0)]), end(2)]);
    assert_eq!(client.all(), source);
    // And it may be moved away.
    client.send(&[map(2, 32, 0), end(3)]);
    assert_eq!(client.part(32, 0, 32, 48), source.chunks(64).flat_map(|row| &row[..32]).copied().collect::<Vec<_>>());
}

#[test]
fn what_is_kept_is_drawn_from_the_cache_until_it_is_evicted() {
    let mut client = Client::with_desktop();
    let source = scene(8, 8, 12);
    client.send(&[wire(1, Codec1Type::Uncompressed, rect(0, 0, 8, 8), bgrx(&source)), keep(1, 5, rect(0, 0, 8, 8))]);
    client.send(&[fill(1, BLUE, rect(0, 0, 64, 48)), kept(5, 1, &[(20, 20), (40, 30)])]);
    assert_eq!(client.part(20, 20, 8, 8), source);
    assert_eq!(client.part(40, 30, 8, 8), source);
    client.send(&[GfxPdu::EvictCacheEntry(EvictCacheEntryPdu { cache_slot: 5 }), kept(5, 1, &[(0, 0)])]);
    assert_eq!(client.part(0, 0, 8, 8), [0xFF; 64]);
}

#[test]
fn a_reset_resizes_the_picture_and_keeps_the_cache() {
    let mut client = Client::with_desktop();
    client.send(&[fill(1, BLUE, rect(0, 0, 8, 8)), keep(1, 1, rect(0, 0, 8, 8))]);
    assert!(!client.send(&[reset(64, 48)]).resized);
    assert!(client.send(&[reset(100, 70)]).resized);
    assert_eq!((client.surface.size().width(), client.surface.size().height()), (100, 70));
    client.send(&[create(1, 100, 70), map(1, 0, 0), kept(1, 1, &[(90, 60)])]);
    assert_eq!(client.part(90, 60, 8, 8), [0xFF; 64]);
}

#[test]
fn a_picture_of_four_thousand_columns_is_allowed_and_a_larger_one_refused() {
    for (width, height, fits) in [(4096, 2048, true), (4096, 2049, false), (8193, 1, false), (0, 5, false)] {
        assert_eq!(Client::new().try_send(&[reset(width, height)]).is_ok(), fits, "{width}x{height}");
    }
}

#[test]
fn surfaces_are_bounded_in_number_and_in_size() {
    let mut client = Client::with_desktop();
    for id in 2..=256 {
        client.send(&[create(id, 1, 1)]);
    }
    assert!(client.try_send(&[create(257, 1, 1)]).is_err());

    let mut client = Client::with_desktop();
    client.send(&[create(2, 2048, 2048)]);
    // The same again, and after it was deleted.
    client.send(&[create(2, 2048, 2048), GfxPdu::DeleteSurface(DeleteSurfacePdu { surface_id: 2 })]);
    client.send(&[create(3, 2048, 2048)]);
    assert!(client.try_send(&[create(4, 1, 1)]).is_err());
    assert!(Client::new().try_send(&[create(1, 0, 4)]).is_err());
}

#[test]
fn the_cache_is_bounded() {
    let mut client = Client::with_desktop();
    client.send(&[create(2, 1024, 1024)]);
    for slot in 1..=5 {
        client.send(&[keep(2, slot, rect(0, 0, 1024, 1024))]);
    }
    client.send(&[keep(2, 5, rect(0, 0, 1024, 1024))]);
    assert!(client.try_send(&[keep(2, 6, rect(0, 0, 1, 1))]).is_err());
}

#[test]
fn bitmaps_for_nothing_or_larger_than_their_surface_are_refused() {
    let mut client = Client::with_desktop();
    assert!(client.try_send(&[wire(9, Codec1Type::Planar, rect(0, 0, 4, 4), vec![0])]).is_err());
    assert!(client.try_send(&[wire(1, Codec1Type::Planar, rect(0, 0, 4000, 4000), vec![0x30; 90])]).is_err());
    assert!(client.try_send(&[wire(1, Codec1Type::Uncompressed, rect(0, 0, 4, 4), vec![0; 63])]).is_err());
    assert!(client.try_send(&[wire_progressive(9, progressive(&[0; 4096], true, 1))]).is_err());
}

#[test]
fn commands_cut_short_end_the_session() {
    let pdu = encode_vec(&create(1, 4, 4)).unwrap();
    for len in 1..pdu.len() {
        let mut client = Client::new();
        assert!(client.renderer.handle(&wrap_uncompressed(&pdu[..len]), 0, &mut client.surface).is_err(), "{len}");
    }
}

#[test]
fn the_channel_offers_every_version_without_h264() {
    let mut pipeline = Pipeline::default();
    let offer = pipeline.start(3).unwrap();
    let GfxPdu::CapabilitiesAdvertise(sets) = decode(&encode_vec(offer[0].as_ref()).unwrap()).unwrap() else {
        panic!("no offer")
    };
    let sets: Vec<CapabilitySet> = sets.0.iter().map(|set| set.parsed().unwrap().unwrap()).collect();
    assert_eq!(sets.len(), 9);
    assert!(!sets.contains(&CapabilitySet::V10_1));
    pipeline.process(3, &[1, 2]).unwrap();
    assert_eq!(pipeline.take(), (true, vec![vec![1, 2]]));
    assert_eq!(pipeline.take(), (false, Vec::new()));
}

#[test]
fn the_pipeline_is_offered_where_it_may_be() {
    let offered = |color_depth, gfx, lossless| {
        let options = GraphicsOptions { color_depth, gfx, remotefx: true, lossless };
        let graphics = Graphics::new(options);
        (graphics.pipeline().is_some(), graphics.settings().codecs.0.len())
    };
    assert_eq!(offered(32, true, false), (true, 1));
    assert_eq!(offered(32, false, false), (false, 1));
    assert_eq!(offered(32, true, true), (false, 0));
    assert_eq!(offered(16, true, false), (false, 0));
}

#[test]
fn sessions_hear_of_resizes_and_frames() {
    let (mut graphics, mut surface) = (graphics(), picture(64, 48));
    let plain: Vec<u8> = [reset(80, 50), start(1), end(1)].iter().flat_map(|pdu| encode_vec(pdu).unwrap()).collect();
    let answers = graphics.draw_message(&wrap_uncompressed(&plain), &mut surface).unwrap();
    assert_eq!(answers.len(), 1);
    assert!(matches!(events(&mut graphics)[..], [GraphicsEvent::Resized, GraphicsEvent::FrameEnd]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_commands_never_panic(
        commands in proptest::collection::vec(
            (0_u8..12, 0_u16..4, any::<(u16, u16, u16, u16)>(), proptest::collection::vec(any::<u8>(), 0..60)),
            0..20
        ),
    ) {
        let mut client = Client::with_desktop();
        for (kind, id, (a, b, c, d), data) in commands {
            let small = rect(a % 80, b % 80, c % 80, d % 80);
            let pdu = match kind {
                0 => create(id, a % 100, b % 100),
                1 => map(id, u32::from(a % 100), u32::from(b % 100)),
                2 => fill(id, BLUE, small),
                3 => copy(id, c % 4, small, &[(a % 90, b % 90), (c, d)]),
                4 => keep(id, a % 4, small),
                5 => kept(a % 4, id, &[(b % 90, c % 90), (d, a)]),
                6 => wire(id, Codec1Type::Planar, small, data),
                7 => wire(id, Codec1Type::ClearCodec, small, data),
                8 => wire(id, Codec1Type::RemoteFx, small, data),
                9 => wire_progressive(id, data),
                10 => reset(u32::from(a % 200), u32::from(b % 200)),
                _ => end(u32::from(a)),
            };
            let _ = client.try_send(&[pdu]);
            let _ = client.try_send(&[end(1)]);
        }
    }

    #[test]
    fn any_bytes_never_panic(
        command in 0_u16..0x19,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut client = Client::with_desktop();
        let len = u32::try_from(body.len() + 8).unwrap().to_le_bytes();
        let pdu = [&command.to_le_bytes()[..], &[0, 0], &len, &body].concat();
        let _ = client.renderer.handle(&wrap_uncompressed(&pdu), 0, &mut client.surface);
        let _ = client.renderer.handle(&body, 0, &mut client.surface);
    }
}
