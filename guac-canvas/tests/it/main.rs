//! The canvas against a model that draws pixel by pixel, and against servers that mean no good.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "a failed step is a failed test, and test pictures are small"
)]

mod frames;
mod hostile;
mod model;
mod player;
mod replay;
mod search;

use guac_canvas::{Canvas, CanvasError, Change};
use guac_protocol::{Decoder, InstructionWriter};

/// One instruction's bytes.
fn said(opcode: &str, arguments: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    arguments.iter().fold(InstructionWriter::new(&mut out, opcode), |writer, text| writer.text(text)).end();
    out
}

/// Replays instructions; gives what each did.
fn replay(canvas: &mut Canvas, bytes: &[u8]) -> Vec<Result<Change, CanvasError>> {
    let mut decoder = Decoder::new();
    let mut changes = Vec::new();
    for chunk in bytes.chunks(4096) {
        decoder.feed(chunk).unwrap();
        while let Some(instruction) = decoder.next_instruction().unwrap() {
            changes.push(canvas.handle(&instruction));
        }
    }
    changes
}

/// Says numbers.
fn numbers(opcode: &str, arguments: &[i64]) -> Vec<u8> {
    let texts: Vec<String> = arguments.iter().map(i64::to_string).collect();
    said(opcode, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An image stream.
fn image(stream: u32, mask: u8, layer: i32, mimetype: &str, (x, y): (i32, i32), data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    InstructionWriter::new(&mut out, "img").arg(&stream).arg(&mask).arg(&layer).text(mimetype).arg(&x).arg(&y).end();
    for chunk in data.chunks(6048) {
        InstructionWriter::new(&mut out, "blob").arg(&stream).base64(chunk).end();
    }
    InstructionWriter::new(&mut out, "end").arg(&stream).end();
    out
}
