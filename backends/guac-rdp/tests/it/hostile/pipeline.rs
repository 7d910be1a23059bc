//! Hostile in the graphics pipeline.

use std::io;

use ironrdp_core::encode_vec;
use ironrdp_egfx::pdu::{
    CacheToSurfacePdu, Codec1Type, Color, CreateSurfacePdu, GfxPdu, MapSurfaceToOutputPdu, PixelFormat, Point,
    ResetGraphicsPdu, SolidFillPdu, SurfaceToCachePdu, SurfaceToSurfacePdu,
};
use ironrdp_graphics::zgfx::{Compressor, wrap_compressed};
use ironrdp_pdu::geometry::ExclusiveRectangle;
use rdp_peer::{Gfx, Peer};

use super::{Case, Dice, endure};

fn gfx(name: &str, attack: impl FnOnce(&mut Peer, &mut Gfx) -> io::Result<()> + Send + 'static) -> Case {
    Case::new(&format!("pipeline: {name}"), move |peer| {
        let Some(mut gfx) = Gfx::open(peer)? else { return Ok(()) };
        gfx.desktop(peer, 1, 640, 480)?;
        attack(peer, &mut gfx)
    })
}

fn sends(name: &str, pdus: Vec<GfxPdu>) -> Case {
    gfx(name, move |peer, gfx| gfx.send(peer, &pdus))
}

/// Bytes as the content of a message that is not compressed.
fn raw(name: &str, data: Vec<u8>) -> Case {
    gfx(name, move |peer, gfx| peer.send_dynamic(gfx.channel, &data))
}

fn create(surface_id: u16, width: u16, height: u16) -> GfxPdu {
    GfxPdu::CreateSurface(CreateSurfacePdu { surface_id, width, height, pixel_format: PixelFormat::XRgb })
}

fn rect(left: u16, top: u16, right: u16, bottom: u16) -> ExclusiveRectangle {
    ExclusiveRectangle { left, top, right, bottom }
}

#[test]
fn surfaces_may_be_too_many_or_too_large() {
    let fill = |surface_id, rectangles: Vec<ExclusiveRectangle>| {
        GfxPdu::SolidFill(SolidFillPdu { surface_id, fill_pixel: Color { b: 1, g: 2, r: 3, xa: 0 }, rectangles })
    };
    let reset = |width, height| GfxPdu::ResetGraphics(ResetGraphicsPdu { width, height, monitors: Vec::new() });
    let map = |surface_id, x, y| {
        GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu { surface_id, output_origin_x: x, output_origin_y: y })
    };
    let keep = |cache_slot, source_rectangle| {
        GfxPdu::SurfaceToCache(SurfaceToCachePdu { surface_id: 1, cache_key: 7, cache_slot, source_rectangle })
    };
    let points = |count: usize| vec![Point { x: 0, y: 0 }; count];
    let copy = |source_rectangle, destination_points| {
        let (source_surface_id, destination_surface_id) = (1, 1);
        GfxPdu::SurfaceToSurface(SurfaceToSurfacePdu {
            source_surface_id,
            destination_surface_id,
            source_rectangle,
            destination_points,
        })
    };
    endure(vec![
        sends("a surface of all", vec![create(2, 65_535, 65_535), fill(2, vec![rect(0, 0, 65_535, 65_535)])]),
        sends("a surface of nothing", vec![create(2, 0, 0), fill(2, vec![rect(0, 0, 0, 0)])]),
        sends("surfaces by the thousand", (2..10_000).map(|id| create(id, 1000, 1000)).collect()),
        gfx("surfaces by the thousand, drawn on", move |peer, gfx| {
            (2..2000)
                .try_for_each(|id| gfx.send(peer, &[create(id, 1024, 1024), fill(id, vec![rect(0, 0, 1024, 1024)])]))
        }),
        sends("the same surface again", vec![create(1, 640, 480); 1000]),
        sends("a surface that is none", vec![fill(77, vec![rect(0, 0, 10, 10)]), map(78, 0, 0)]),
        sends("a desktop of all", vec![reset(u32::MAX, u32::MAX)]),
        sends("a desktop of 32766", vec![reset(32_766, 32_766)]),
        sends("a desktop of nothing", vec![reset(0, 0)]),
        sends("desktops by the hundred", (0..200).map(|at| reset(640 + at % 7 * 100, 480)).collect()),
        sends("mapped outside", vec![map(1, u32::MAX, u32::MAX), fill(1, vec![rect(0, 0, 640, 480)])]),
        sends("filled outside", vec![fill(1, vec![rect(0, 0, 65_535, 65_535)])]),
        sends("filled inside out", vec![fill(1, vec![rect(100, 100, 0, 0)])]),
        sends("filled over and over", vec![fill(1, vec![rect(0, 0, 640, 480); 7000])]),
        sends("copied over and over", vec![copy(rect(0, 0, 640, 480), points(10_000))]),
        sends("copied from outside", vec![copy(rect(600, 400, 65_535, 65_535), points(1))]),
        sends("copied to outside", vec![copy(rect(0, 0, 640, 480), vec![Point { x: 65_535, y: 65_535 }])]),
        sends("kept in no slot", vec![keep(0, rect(0, 0, 64, 64)), keep(65_535, rect(0, 0, 64, 64))]),
        sends("kept from outside", vec![keep(1, rect(0, 0, 65_535, 65_535))]),
        gfx("kept in all slots", move |peer, gfx| {
            (0..25_600_u16).try_for_each(|slot| gfx.send(peer, &[keep(slot, rect(0, 0, 640, 480))]))
        }),
        sends(
            "shown from an empty slot",
            vec![GfxPdu::CacheToSurface(CacheToSurfacePdu {
                cache_slot: 99,
                surface_id: 1,
                destination_points: points(5),
            })],
        ),
        sends(
            "shown over and over",
            vec![
                keep(1, rect(0, 0, 640, 480)),
                GfxPdu::CacheToSurface(CacheToSurfacePdu {
                    cache_slot: 1,
                    surface_id: 1,
                    destination_points: points(10_000),
                }),
            ],
        ),
    ]);
}

#[test]
fn pictures_of_the_pipeline_may_be_bombs() {
    let mut cases = Vec::new();
    for codec in [
        Codec1Type::Uncompressed,
        Codec1Type::RemoteFx,
        Codec1Type::ClearCodec,
        Codec1Type::Planar,
        Codec1Type::Avc420,
        Codec1Type::Alpha,
        Codec1Type::Avc444,
        Codec1Type::Avc444v2,
    ] {
        let mut case = |name: &str, at: ExclusiveRectangle, data: Vec<u8>| {
            cases.push(sends(&format!("{codec:?} {name}"), vec![Gfx::picture(1, codec, at, data)]));
        };
        case("of nothing", rect(0, 0, 640, 480), vec![]);
        case("of a byte", rect(0, 0, 640, 480), vec![0]);
        case("of ones", rect(0, 0, 640, 480), vec![0xFF; 10_000]);
        case("of zeros", rect(0, 0, 640, 480), vec![0; 10_000]);
        case("of noise", rect(0, 0, 640, 480), Dice(1).bytes(50_000));
        case("of noise, outside", rect(65_000, 65_000, 65_535, 65_535), Dice(2).bytes(5000));
        case("of noise, everywhere", rect(0, 0, 65_535, 65_535), Dice(3).bytes(5000));
        case("of noise, inside out", rect(9, 9, 0, 0), Dice(4).bytes(5000));
        cases.push(gfx(&format!("{codec:?} again and again"), move |peer, gfx| {
            let mut dice = Dice(9);
            (0..200).try_for_each(|_| gfx.send(peer, &[Gfx::picture(1, codec, rect(0, 0, 640, 480), dice.bytes(500))]))
        }));
    }
    // ClearCodec: flags, sequence, then lengths of residual, bands and subcodecs.
    for (name, lengths) in
        [("residual", [u32::MAX, 0, 0]), ("bands", [0, u32::MAX, 0]), ("subcodecs", [0, 0, u32::MAX])]
    {
        let data = [vec![0, 0], lengths.map(u32::to_le_bytes).concat(), vec![0xFF; 100]].concat();
        cases.push(sends(
            &format!("ClearCodec {name} of 4 GB"),
            vec![Gfx::picture(1, Codec1Type::ClearCodec, rect(0, 0, 640, 480), data)],
        ));
    }
    // ClearCodec residual: a run of 2^32 of one colour.
    let run = [&[1, 2, 3, 0xFF, 0xFF, 0xFF], &u32::MAX.to_le_bytes()[..]].concat();
    let data = [vec![0, 0], [10_u32, 0, 0].map(u32::to_le_bytes).concat(), run].concat();
    cases.push(sends(
        "ClearCodec run of 4 G",
        vec![Gfx::picture(1, Codec1Type::ClearCodec, rect(0, 0, 640, 480), data)],
    ));
    // Progressive: sync, then lengths of all.
    for kind in 0xCCC0..=0xCCC7_u16 {
        let block = [&kind.to_le_bytes()[..], &u32::MAX.to_le_bytes(), &[0xFF; 100]].concat();
        // WireToSurface2, RemoteFX Progressive, context 0, XRGB.
        let body =
            [&[1, 0, 9, 0, 0, 0, 0, 0, 0x20][..], &u32::try_from(block.len()).unwrap().to_le_bytes(), &block].concat();
        let pdu = [&[2, 0, 0, 0], &u32::try_from(body.len() + 8).unwrap().to_le_bytes()[..], &body].concat();
        cases.push(raw(&format!("progressive {kind:#x}"), [vec![0xE0, 4], pdu].concat()));
    }
    endure(cases);
}

#[test]
fn messages_of_the_pipeline_may_be_bombs() {
    // Descriptor: 0xE0 for one segment, 0xE1 for more; 4 is RDP8 without compression, 0x24 with it.
    let several = |count: u16, length: u32, rest: &[u8]| {
        [&[0xE1][..], &count.to_le_bytes(), &length.to_le_bytes(), rest].concat()
    };
    let mut cases = vec![
        raw("nothing", vec![]),
        raw("no segment", vec![0xE0]),
        raw("an unknown descriptor", vec![0xFF; 100]),
        raw("many segments on paper", several(0xFFFF, u32::MAX, &[0xFF; 100])),
        raw("no segments of 4 GB", several(0, u32::MAX, &[])),
        raw("segments of nothing", several(0xFFFF, 100, &[0; 40_000])),
        raw("compressed noise", [vec![0xE0, 0x24], Dice(1).bytes(60_000)].concat()),
        raw("compressed ones", [vec![0xE0, 0x24], vec![0xFF; 60_000]].concat()),
        raw("compressed zeros", [vec![0xE0, 0x24], vec![0; 60_000]].concat()),
        gfx("compressed noise again and again", |peer, gfx| {
            let mut dice = Dice(4);
            (0..500).try_for_each(|_| peer.send_dynamic(gfx.channel, &[vec![0xE0, 0x24], dice.bytes(1000)].concat()))
        }),
        gfx("60 MB of zeros in a few bytes", |peer, gfx| {
            let mut compressor = Compressor::new();
            let segment = compressor.compress(&[0; 65_000]).unwrap();
            let again = compressor.compress(&[0; 65_000]).unwrap();
            peer.send_dynamic(gfx.channel, &wrap_compressed(&segment))?;
            (0..1000).try_for_each(|_| peer.send_dynamic(gfx.channel, &wrap_compressed(&again)))
        }),
        gfx("60 MB of zeros in one message", |peer, gfx| {
            let mut compressor = Compressor::new();
            let segment = [vec![0x24], compressor.compress(&[0; 65_000]).unwrap()].concat();
            let length = u32::try_from(segment.len()).unwrap().to_le_bytes();
            let parts = [&length[..], &segment].concat().repeat(1000);
            peer.send_dynamic(gfx.channel, &[&[0xE1, 0xE8, 3][..], &65_000_000_u32.to_le_bytes(), &parts].concat())
        }),
    ];
    for kind in 0..=0x18_u16 {
        let pdu = |length: u32, rest: &[u8]| {
            [&[0xE0, 4][..], &kind.to_le_bytes(), &[0, 0], &length.to_le_bytes(), rest].concat()
        };
        cases.push(raw(&format!("PDU {kind:#x} of no length"), pdu(0, &[])));
        cases.push(raw(&format!("PDU {kind:#x} of 4 GB"), pdu(u32::MAX, &[0xFF; 100])));
        cases.push(raw(&format!("PDU {kind:#x} of nothing"), pdu(8, &[])));
        cases.push(raw(&format!("PDU {kind:#x} of ones"), pdu(108, &[0xFF; 100])));
        cases.push(raw(&format!("PDU {kind:#x} of zeros"), pdu(108, &[0; 100])));
    }
    let end = ironrdp_egfx::pdu::EndFramePdu { frame_id: 7 };
    let end = encode_vec(&GfxPdu::EndFrame(end)).unwrap();
    cases.push(gfx("ends of frames by the ten thousand", move |peer, gfx| {
        let message = [&[0xE0, 4][..], &end.repeat(3000)].concat();
        (0..10).try_for_each(|_| peer.send_dynamic(gfx.channel, &message))
    }));
    endure(cases);
}
