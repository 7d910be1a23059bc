//! What a picture of a 1280x800 screen costs, as medians: `cargo run --release --example screenshot_cost`.
//!
//! A full one is flattened from three layers; an incremental one after a change of 64x64 pixels; each with and without
//! the copy that a caller pays who still holds the picture before.

#![expect(clippy::print_stdout, reason = "it is for people")]

use std::time::{Duration, Instant};

use guac_canvas::{Canvas, CanvasLimits};
use guac_protocol::{Decoder, InstructionWriter};

const ROUNDS: usize = 101;

fn say(canvas: &mut Canvas, instructions: &[(&str, &[i32])]) {
    let mut out = Vec::new();
    for (opcode, arguments) in instructions {
        arguments.iter().fold(InstructionWriter::new(&mut out, opcode), |writer, number| writer.arg(number)).end();
    }
    let mut decoder = Decoder::new();
    decoder.feed(&out).expect("it is text");
    while let Some(instruction) = decoder.next_instruction().expect("it is framed") {
        canvas.handle(&instruction).expect("it can be drawn");
    }
}

/// Median of what `frame` takes after each `change`.
#[expect(clippy::disallowed_methods, reason = "measuring is what it is for")]
fn median(canvas: &mut Canvas, change: impl Fn(&mut Canvas, i32), keep: bool) -> Duration {
    let mut held = Some(canvas.frame());
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        change(canvas, i32::try_from(round).unwrap_or_default());
        if !keep {
            drop(held.take());
        }
        let start = Instant::now();
        let image = std::hint::black_box(canvas.frame());
        times.push(start.elapsed());
        held = Some(image);
    }
    drop(held);
    times.sort();
    times[ROUNDS / 2]
}

fn main() {
    let mut canvas = Canvas::new(CanvasLimits::default());
    say(
        &mut canvas,
        &[
            ("size", &[0, 1280, 800]),
            ("rect", &[0, 0, 0, 1280, 800]),
            ("cfill", &[14, 0, 40, 80, 120, 255]),
            ("size", &[1, 400, 300]),
            ("move", &[1, 0, 100, 100, 1]),
            ("rect", &[1, 0, 0, 400, 300]),
            ("cfill", &[14, 1, 200, 80, 20, 255]),
            ("size", &[2, 400, 300]),
            ("move", &[2, 0, 600, 300, 2]),
            ("rect", &[2, 0, 0, 400, 300]),
            ("cfill", &[14, 2, 20, 80, 200, 128]),
        ],
    );
    let small = |canvas: &mut Canvas, round: i32| {
        say(canvas, &[("rect", &[0, round * 8, round * 4, 64, 64]), ("cfill", &[14, 0, round, 0, 0, 255])]);
    };
    let whole = |canvas: &mut Canvas, round: i32| {
        say(canvas, &[("rect", &[0, 0, 0, 1280, 800]), ("cfill", &[14, 0, round, 0, 0, 255])]);
    };
    for (name, keep) in [("the last picture let go", false), ("the last picture held", true)] {
        println!("all of it changed, {name}: {:?}", median(&mut canvas, whole, keep));
        println!("64x64 changed, {name}: {:?}", median(&mut canvas, small, keep));
    }
}
