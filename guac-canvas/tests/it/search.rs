//! Templates are found where they are.

use guac_canvas::{Image, Rect};
use proptest::prelude::*;

/// Few colours, so that wrong places are nearly right.
fn image(side: std::ops::Range<u32>) -> impl Strategy<Value = Image> {
    (side.clone(), side).prop_flat_map(|(width, height)| {
        prop::collection::vec(0..3_u8, (width * height) as usize).prop_map(move |colours| {
            Image::new(width, height, colours.iter().flat_map(|c| [c * 90, 10, 10, 255]).collect()).unwrap()
        })
    })
}

/// Place by place.
fn naive(screen: &Image, template: &Image, tolerance: u8) -> Option<Rect> {
    let (width, height) = template.size();
    let fits = |x: u32, y: u32| screen.crop(Rect::new(x, y, width, height));
    let places = (0..=screen.height().checked_sub(height)?)
        .flat_map(|y| (0..=screen.width().saturating_sub(width)).map(move |x| (x, y)));
    let found = places.into_iter().find(|&(x, y)| fits(x, y).differing_pixels(template, tolerance) == Some(0));
    found.map(|(x, y)| Rect::new(x, y, width, height))
}

proptest! {
    #[test]
    fn the_first_place_is_the_one_that_looking_everywhere_finds(
        screen in image(1..12), template in image(1..4), tolerance in prop_oneof![Just(0_u8), Just(90)],
    ) {
        prop_assert_eq!(screen.find(&template, None, tolerance), naive(&screen, &template, tolerance));
    }

    #[test]
    fn a_part_of_a_picture_is_found_in_it(screen in image(4..20), x in 0..4_u32, y in 0..4_u32, side in 1..6_u32) {
        let part = screen.crop(Rect::new(x, y, side, side));
        prop_assume!(!part.bounds().is_empty());
        let found = screen.find(&part, None, 0).unwrap();
        prop_assert_eq!(screen.crop(found), part);
    }
}

#[test]
fn a_region_bounds_the_search_and_transparent_pixels_fit_anything() {
    let mut rgba = [0, 0, 0, 255].repeat(100);
    rgba[(5 * 10 + 5) * 4] = 200;
    let screen = Image::new(10, 10, rgba).unwrap();
    let template = Image::new(3, 1, vec![0, 0, 0, 0, 200, 0, 0, 255, 7, 7, 7, 0]).unwrap();
    assert_eq!(screen.find(&template, None, 0), Some(Rect::new(4, 5, 3, 1)));
    assert_eq!(Rect::new(4, 5, 3, 1).center(), (5, 5));
    assert_eq!(screen.find(&template, Some(Rect::new(4, 5, 3, 1)), 0), Some(Rect::new(4, 5, 3, 1)));
    assert_eq!(screen.find(&template, Some(Rect::new(5, 5, 5, 5)), 0), None);
    assert_eq!(screen.find(&template, Some(Rect::new(90, 90, u32::MAX, u32::MAX)), 0), None);
    let near = Image::new(1, 1, vec![190, 0, 0, 255]).unwrap();
    assert_eq!(screen.find(&near, None, 9), None);
    assert_eq!(screen.find(&near, None, 10), Some(Rect::new(5, 5, 1, 1)));
    assert_eq!(screen.find(&Image::new(0, 0, Vec::new()).unwrap(), None, 0), None);
    assert_eq!(screen.find(&Image::new(2, 2, vec![0; 16]).unwrap(), None, 0), Some(Rect::new(0, 0, 2, 2)));
    assert_eq!(screen.find(&Image::new(11, 1, vec![0; 44]).unwrap(), None, 0), None);
    assert!(Image::new(2, 2, vec![0; 15]).is_none());
}
