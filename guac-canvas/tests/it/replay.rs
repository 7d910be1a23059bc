//! Whatever a server draws, the canvas shows what the model shows.

use guac_canvas::{Canvas, CanvasLimits, Change, Image, Rect};
use proptest::prelude::*;

use crate::model::{Model, Pixel};
use crate::{image, numbers, replay};

const SIDE: i64 = 24;

#[derive(Debug, Clone)]
enum Draw {
    Size(i32, i64, i64),
    Fill(u8, i32, Vec<(i64, i64, i64, i64)>, Pixel),
    Copy(i32, (i64, i64, i64, i64), (u8, bool), i32, (i64, i64)),
    Image(u8, i32, (i64, i64), usize, Vec<Pixel>),
    Place(i32, i32, (i64, i64, i64)),
    Shade(i32, u8),
    Dispose(i32),
    Look,
}

fn layer() -> impl Strategy<Value = i32> {
    prop_oneof![4 => Just(0), 3 => 1..4_i32, 3 => -3..0_i32]
}

fn rect() -> impl Strategy<Value = (i64, i64, i64, i64)> {
    (-6..SIDE + 6, -6..SIDE + 6, 0..SIDE, 0..SIDE)
}

fn mask() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0xE_u8), 2 => Just(0xC_u8), 2 => 0..16_u8]
}

fn pixel() -> impl Strategy<Value = Pixel> {
    (any::<[u8; 3]>(), prop_oneof![2 => Just(255_u8), 1 => Just(0), 1 => any::<u8>()])
        .prop_map(|([r, g, b], a)| [r, g, b, a])
}

fn picture() -> impl Strategy<Value = (usize, Vec<Pixel>)> {
    (1..9_usize, 1..9_usize)
        .prop_flat_map(|(width, height)| (Just(width), prop::collection::vec(pixel(), width * height)))
}

fn draw() -> impl Strategy<Value = Draw> {
    let transfer = prop_oneof![2 => mask().prop_map(|mask| (mask, false)), 1 => (0..16_u8).prop_map(|f| (f, true))];
    prop_oneof![
        1 => (layer(), 1..SIDE + 8, 1..SIDE + 8).prop_map(|(layer, w, h)| Draw::Size(layer, w, h)),
        4 => (mask(), layer(), prop::collection::vec(rect(), 1..4), pixel())
            .prop_map(|(mask, layer, path, colour)| Draw::Fill(mask, layer, path, colour)),
        5 => (layer(), rect(), transfer, layer(), (-6..SIDE, -6..SIDE))
            .prop_map(|(from, rect, mode, to, at)| Draw::Copy(from, rect, mode, to, at)),
        4 => (mask(), layer(), (-6..SIDE, -6..SIDE), picture())
            .prop_map(|(mask, layer, at, (width, pixels))| Draw::Image(mask, layer, at, width, pixels)),
        2 => (-1..4_i32, -1..4_i32, (-6..SIDE, -6..SIDE, -2..3_i64)).prop_map(|(l, p, at)| Draw::Place(l, p, at)),
        1 => (layer(), any::<u8>()).prop_map(|(layer, opacity)| Draw::Shade(layer, opacity)),
        1 => layer().prop_map(Draw::Dispose),
        3 => Just(Draw::Look),
    ]
}

/// Draws on both.
fn both(step: &Draw, canvas: &mut Canvas, model: &mut Model) {
    match step {
        Draw::Size(layer, width, height) => model.resize(*layer, *width, *height),
        Draw::Fill(mask, layer, path, colour) => {
            path.iter().for_each(|rect| model.rect(*layer, *rect));
            model.fill(*mask, *layer, *colour);
        }
        Draw::Copy(from, rect, mode, to, at) => model.copy(*from, *rect, *mode, *to, *at),
        Draw::Image(mask, layer, at, width, pixels) => model.draw(*mask, *layer, *at, *width, pixels),
        Draw::Place(layer, parent, place) => model.place(*layer, *parent, *place),
        Draw::Shade(layer, opacity) => model.shade(*layer, *opacity),
        Draw::Dispose(layer) => model.dispose(*layer),
        Draw::Look => {
            let frame = canvas.frame();
            assert_eq!((i64::from(frame.width()), i64::from(frame.height())), model.size());
            assert_eq!(frame.rgba().as_chunks::<4>().0, model.frame());
        }
    }
    changes_of(step, canvas);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn replaying_any_instructions_shows_what_the_model_shows(steps in prop::collection::vec(draw(), 1..40)) {
        let (mut canvas, mut model) = (Canvas::default(), Model::new());
        for step in [Draw::Size(0, SIDE, SIDE)].iter().chain(&steps).chain([&Draw::Look]) {
            both(step, &mut canvas, &mut model);
        }
    }

    #[test]
    fn what_changed_lies_within_what_was_told(steps in prop::collection::vec(draw(), 1..30)) {
        let mut canvas = Canvas::default();
        changes_of(&Draw::Size(0, SIDE, SIDE), &mut canvas);
        for step in &steps {
            let before = canvas.frame();
            let mut told = Rect::default();
            for change in changes_of(step, &mut canvas) {
                match change {
                    Change::Drawn(rect) => told = told.union(rect),
                    Change::Resized { width_px, height_px } => told = Rect::new(0, 0, width_px, height_px),
                    _ => {}
                }
            }
            let after = canvas.frame();
            for (x, y) in (0..after.height()).flat_map(|y| (0..after.width()).map(move |x| (x, y))) {
                let inside = (told.x..told.right()).contains(&x) && (told.y..told.bottom()).contains(&y);
                prop_assert!(inside || before.pixel(x, y) == after.pixel(x, y), "{x},{y} outside {told:?}");
            }
        }
    }
}

/// What the canvas says about a step.
fn changes_of(step: &Draw, canvas: &mut Canvas) -> Vec<Change> {
    replay(canvas, &bytes_of(step)).into_iter().map(Result::unwrap).collect()
}

fn bytes_of(step: &Draw) -> Vec<u8> {
    match step {
        Draw::Size(layer, width, height) => numbers("size", &[i64::from(*layer), *width, *height]),
        Draw::Fill(mask, layer, path, [r, g, b, a]) => {
            let mut bytes = Vec::new();
            for &(x, y, width, height) in path {
                bytes.extend(numbers("rect", &[i64::from(*layer), x, y, width, height]));
            }
            let colour = [*r, *g, *b, *a].map(i64::from);
            bytes.extend(numbers("cfill", &[&[i64::from(*mask), i64::from(*layer)], &colour[..]].concat()));
            bytes
        }
        Draw::Copy(from, (x, y, width, height), mode, to, at) => {
            let opcode = if mode.1 { "transfer" } else { "copy" };
            let (from, to) = (i64::from(*from), i64::from(*to));
            numbers(opcode, &[from, *x, *y, *width, *height, i64::from(mode.0), to, at.0, at.1])
        }
        Draw::Image(mask, layer, at, width, pixels) => {
            let height = (pixels.len() / width) as u32;
            let png = Image::new(*width as u32, height, pixels.as_flattened().to_vec()).unwrap().to_png();
            image(1, *mask, *layer, "image/png", (at.0 as i32, at.1 as i32), &png)
        }
        Draw::Place(layer, parent, place) => {
            numbers("move", &[i64::from(*layer), i64::from(*parent), place.0, place.1, place.2])
        }
        Draw::Shade(layer, opacity) => numbers("shade", &[i64::from(*layer), i64::from(*opacity)]),
        Draw::Dispose(layer) => numbers("dispose", &[i64::from(*layer)]),
        Draw::Look => Vec::new(),
    }
}

#[test]
fn a_clone_keeps_its_picture_when_the_original_goes_on() {
    let mut canvas = Canvas::new(CanvasLimits::default());
    let mut model = Model::new();
    both(&Draw::Size(0, 8, 8), &mut canvas, &mut model);
    both(&Draw::Fill(0xE, 0, vec![(0, 0, 8, 8)], [9, 9, 9, 255]), &mut canvas, &mut model);
    let mut kept = canvas.clone();
    let picture = canvas.frame();
    both(&Draw::Fill(0xE, 0, vec![(2, 2, 3, 3)], [1, 2, 3, 255]), &mut canvas, &mut model);
    assert_eq!(kept.frame(), picture);
    assert_eq!(canvas.frame().pixel(3, 3), Some([1, 2, 3, 255]));
    assert_eq!(picture.pixel(3, 3), Some([9, 9, 9, 255]), "a picture that was taken stays as it is");
}
