//! Servers of a few PDUs, and what is to be seen of them.

mod codecs;
mod pipeline;
mod pointers;
mod updates;

use guac_display::{Picture as _, Rect, Size, Surface};
use ironrdp_core::{Encode, encode_vec};
use ironrdp_graphics::rdp6::{BgrAChannels, BitmapStreamEncoder};
use ironrdp_pdu::fast_path::{EncryptionFlags, FastPathHeader, FastPathUpdatePdu, Fragmentation, UpdateCode};

use super::{Graphics, GraphicsEvent, GraphicsOptions};

fn graphics() -> Graphics {
    Graphics::new(GraphicsOptions { color_depth: 32, gfx: true, remotefx: true, lossless: false })
}

fn picture(width: u32, height: u32) -> Surface {
    Surface::new(Size::new(width, height).unwrap())
}

fn all(surface: &mut Surface) -> Vec<u32> {
    part(surface, surface.size().rect())
}

fn part(surface: &mut Surface, rect: Rect) -> Vec<u32> {
    let mut pixels = Vec::new();
    surface.read(rect, &mut pixels);
    pixels
}

/// Pixels with runs, repeated rows and noise.
fn scene(width: usize, height: usize, seed: u32) -> Vec<u32> {
    let mut state = seed | 1;
    (0..width * height)
        .map(|index| {
            let (x, y) = (index % width, index / width);
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match (x / 9 + y / 7) % 4 {
                0 => 0x20_3040,
                1 => (u32::try_from(x).unwrap() * 0x01_0203) & 0xFF_FFFF,
                2 => state >> 8,
                _ => 0xFF_FFFF,
            }
        })
        .collect()
}

/// A smooth picture, as codecs that lose detail want it.
fn smooth(width: usize, height: usize) -> Vec<u32> {
    (0..width * height)
        .map(|index| {
            let (x, y) = (index % width, index / width);
            u32::try_from((x * 2 % 256) << 16 | (y * 2 % 256) << 8 | ((x + y) % 256)).unwrap()
        })
        .collect()
}

/// Peak signal to noise, in dB.
fn psnr(left: &[u32], right: &[u32]) -> f64 {
    assert_eq!(left.len(), right.len());
    let errors: f64 = left
        .iter()
        .zip(right)
        .flat_map(|(left, right)| left.to_le_bytes().into_iter().zip(right.to_le_bytes()).take(3))
        .map(|(left, right)| f64::from(left.abs_diff(right)).powi(2))
        .sum();
    let mean = errors / f64::from(u32::try_from(left.len() * 3).unwrap());
    if mean == 0.0 { f64::INFINITY } else { 10.0 * (255.0 * 255.0 / mean).log10() }
}

/// The pixels as bytes: blue, green, red, 255.
fn bgrx(pixels: &[u32]) -> Vec<u8> {
    pixels.iter().flat_map(|&pixel| (pixel | 0xFF00_0000).to_le_bytes()).collect()
}

/// The pixels as bytes: red, green, blue, 255.
fn rgba(pixels: &[u32]) -> Vec<u8> {
    pixels.iter().flat_map(|&pixel| (pixel << 8 | 0xFF).to_be_bytes()).collect()
}

/// The upper row last.
fn flip(pixels: &[u32], width: usize) -> Vec<u32> {
    pixels.rchunks(width).flatten().copied().collect()
}

fn planar(pixels: &[u32], width: usize, encoded: bool) -> Vec<u8> {
    let mut out = vec![0; pixels.len() * 5 + 64];
    let mut encoder = BitmapStreamEncoder::new(width, pixels.len() / width);
    let len = encoder.encode_bitmap::<BgrAChannels>(&bgrx(pixels), &mut out, encoded).unwrap();
    out.truncate(len);
    out
}

/// A PDU of one part.
fn fast_path_part(code: UpdateCode, fragmentation: Fragmentation, data: &[u8]) -> Vec<u8> {
    let part =
        FastPathUpdatePdu { fragmentation, update_code: code, compression_flags: None, compression_type: None, data };
    fast_path_pdu(&encode_vec(&part).unwrap())
}

fn fast_path_pdu(parts: &[u8]) -> Vec<u8> {
    let mut pdu = encode_vec(&FastPathHeader::new(EncryptionFlags::empty(), parts.len())).unwrap();
    pdu.extend_from_slice(parts);
    pdu
}

/// Hands an update over in pieces that fit PDUs.
fn send(graphics: &mut Graphics, surface: &mut Surface, code: UpdateCode, data: &[u8]) {
    let pieces: Vec<_> = if data.is_empty() { vec![data] } else { data.chunks(16_000).collect() };
    for (index, piece) in pieces.iter().enumerate() {
        let fragmentation = match (index, pieces.len() - index) {
            (0, 1) => Fragmentation::Single,
            (0, _) => Fragmentation::First,
            (_, 1) => Fragmentation::Last,
            _ => Fragmentation::Next,
        };
        let pdu = fast_path_part(code, fragmentation, piece);
        graphics.handle_fast_path(&pdu, &mut None, surface).unwrap();
    }
}

fn send_encoded(graphics: &mut Graphics, surface: &mut Surface, code: UpdateCode, update: &impl Encode) {
    send(graphics, surface, code, &encode_vec(update).unwrap());
}

fn events(graphics: &mut Graphics) -> Vec<GraphicsEvent> {
    std::iter::from_fn(|| graphics.poll()).collect()
}
