//! Pictures by the graphics pipeline and by fast-path updates, from a server that draws what a test says.

use ironrdp_egfx::pdu::{
    CacheToSurfacePdu, Codec1Type, Color, CreateSurfacePdu, GfxPdu, MapSurfaceToOutputPdu, PixelFormat, Point,
    SolidFillPdu, SurfaceToCachePdu, SurfaceToSurfacePdu,
};
use ironrdp_pdu::geometry::ExclusiveRectangle;
use rdp_peer::{Gfx, Peer, RdpServer, Setup};

use crate::support::{Served, Viewer, ended};

fn rectangle(left: u16, top: u16, right: u16, bottom: u16) -> ExclusiveRectangle {
    ExclusiveRectangle { left, top, right, bottom }
}

fn fill(surface_id: u16, [r, g, b]: [u8; 3], at: ExclusiveRectangle) -> GfxPdu {
    GfxPdu::SolidFill(SolidFillPdu { surface_id, fill_pixel: Color { b, g, r, xa: 0 }, rectangles: vec![at] })
}

fn with_pipeline(draw: impl FnOnce(&mut Peer, &mut Gfx) + Send + 'static) -> (Viewer, Served<()>) {
    let server = RdpServer::start();
    let params = server.params(&[]);
    let served = server.serve(Setup::default(), move |mut peer| {
        let mut gfx = Gfx::open(&mut peer).unwrap().unwrap();
        gfx.desktop(&mut peer, 1, 640, 480).unwrap();
        draw(&mut peer, &mut gfx);
        peer.until_closed();
    });
    (Viewer::open(&params), served)
}

#[tokio::test]
async fn the_pipeline_fills_and_copies_and_caches() {
    let (mut viewer, served) = with_pipeline(|peer, gfx| {
        let copy = GfxPdu::SurfaceToSurface(SurfaceToSurfacePdu {
            source_surface_id: 1,
            destination_surface_id: 1,
            source_rectangle: rectangle(10, 10, 20, 20),
            destination_points: vec![Point { x: 100, y: 100 }, Point { x: 630, y: 470 }],
        });
        let keep = GfxPdu::SurfaceToCache(SurfaceToCachePdu {
            surface_id: 1,
            cache_key: 7,
            cache_slot: 3,
            source_rectangle: rectangle(0, 0, 20, 20),
        });
        let show = GfxPdu::CacheToSurface(CacheToSurfacePdu {
            cache_slot: 3,
            surface_id: 1,
            destination_points: vec![Point { x: 300, y: 200 }],
        });
        let whole = rectangle(0, 0, 640, 480);
        let pdus = vec![
            fill(1, [0x20, 0x40, 0x60], whole),
            fill(1, [0xFF, 0x80, 0x01], rectangle(10, 10, 20, 20)),
            copy,
            keep,
            show,
        ];
        gfx.frame(peer, pdus).unwrap();
    });
    for (x, y) in [(15, 15), (105, 105), (635, 475), (310, 210), (319, 219)] {
        viewer.until_pixel(x, y, 0xFF_8001).await;
    }
    for (x, y) in [(9, 9), (20, 20), (110, 110), (300, 200), (309, 209), (320, 220), (639, 0)] {
        viewer.until_pixel(x, y, 0x20_4060).await;
    }
    drop(viewer);
    ended(served).await;
}

#[tokio::test]
async fn the_pipeline_shows_plain_pictures_where_surfaces_are_mapped() {
    let (mut viewer, served) = with_pipeline(|peer, gfx| {
        let picture: Vec<u8> =
            (0_u8..64).flat_map(|y| (0_u8..64).flat_map(move |x| [x * 4, y * 4, x ^ y, 0xFF])).collect();
        let (width, height, pixel_format) = (64, 64, PixelFormat::XRgb);
        let pdus = vec![
            GfxPdu::CreateSurface(CreateSurfacePdu { surface_id: 2, width, height, pixel_format }),
            GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu {
                surface_id: 2,
                output_origin_x: 500,
                output_origin_y: 400,
            }),
            Gfx::picture(2, Codec1Type::Uncompressed, rectangle(0, 0, 64, 64), picture),
        ];
        gfx.frame(peer, pdus).unwrap();
    });
    for (x, y) in [(0_u8, 0_u8), (1, 0), (0, 1), (63, 63), (63, 0), (17, 42)] {
        let pixel = u32::from_be_bytes([0, x ^ y, y * 4, x * 4]);
        viewer.until_pixel(500 + usize::from(x), 400 + usize::from(y), pixel).await;
    }
    drop(viewer);
    ended(served).await;
}

#[tokio::test]
async fn the_pipeline_takes_the_desktop_to_another_size() {
    let (mut viewer, served) = with_pipeline(|peer, gfx| {
        gfx.frame(peer, vec![fill(1, [1, 2, 3], rectangle(0, 0, 640, 480))]).unwrap();
        gfx.desktop(peer, 2, 800, 600).unwrap();
        gfx.frame(peer, vec![fill(2, [9, 8, 7], rectangle(0, 0, 800, 600))]).unwrap();
    });
    viewer.until("the size", |viewer| viewer.canvas.size() == (800, 600)).await;
    viewer.until_pixel(799, 599, 0x09_0807).await;
    drop(viewer);
    ended(served).await;
}

#[tokio::test]
async fn deactivation_and_reactivation_take_the_desktop_to_another_size() {
    let server = RdpServer::start();
    let params = server.params(&[("disable-gfx", "true")]);
    let served = server.serve(Setup::default(), |mut peer| {
        peer.resize(800, 600).unwrap();
        // Bitmap update: one rectangle of one pixel row, 32 bits, without compression.
        let numbers = [1_u16, 1, 700, 500, 703, 500, 4, 1, 32, 0, 16].map(u16::to_le_bytes).concat();
        peer.send_update(1, &[numbers, [3, 2, 1, 0].repeat(4)].concat()).unwrap();
        peer.until_closed();
    });
    let mut viewer = Viewer::open(&params);
    viewer.until("the size", |viewer| viewer.canvas.size() == (800, 600)).await;
    viewer.until_pixel(702, 500, 0x01_0203).await;
    drop(viewer);
    ended(served).await;
}

#[tokio::test]
async fn an_update_in_fragments_is_put_together() {
    let server = RdpServer::start();
    let params = server.params(&[("disable-gfx", "true")]);
    let served = server.serve(Setup::default(), |mut peer| {
        // Set Surface Bits: the whole desktop, 32 bits, no codec.
        let (width, height) = (640_u16, 480_u16);
        // From the bottom up.
        let pixels: Vec<u8> = (0..height)
            .rev()
            .flat_map(|y| (0..width).flat_map(move |x| [x.to_le_bytes()[0], y.to_le_bytes()[0], 7, 0]))
            .collect();
        let mut command = [1_u16, 0, 0, width, height].map(u16::to_le_bytes).concat();
        command.extend([32, 0, 0, 0]);
        command.extend([width, height].map(u16::to_le_bytes).concat());
        command.extend(u32::try_from(pixels.len()).unwrap().to_le_bytes());
        command.extend(pixels);
        peer.send_update(4, &command).unwrap();
        peer.until_closed();
    });
    let mut viewer = Viewer::open(&params);
    for (x, y) in [(0, 0), (255, 255), (3, 200)] {
        viewer.until_pixel(x, y, u32::try_from((7 << 16) | (y << 8) | x).unwrap()).await;
    }
    viewer.until_pixel(639, 479, 0x07_DF7F).await;
    drop(viewer);
    ended(served).await;
}
