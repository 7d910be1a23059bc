//! Instructions to pixels: within the limits, and the picture does not depend on how often somebody looked.

use guac_canvas::{Canvas, CanvasLimits};
use guac_protocol::Decoder;

/// Any bytes as instructions of a server.
pub fn check(data: &[u8]) {
    let mut limits = CanvasLimits::default();
    // Small, so that they are met.
    limits.max_side_px = 128;
    limits.max_total_px = 64 * 1024;
    limits.max_layers = 8;
    limits.max_image_bytes = 4096;
    let (mut watched, mut alone) = (Canvas::new(limits.clone()), Canvas::new(limits));
    let mut decoder = Decoder::new();
    if decoder.feed(data).is_err() {
        return;
    }
    while let Ok(Some(instruction)) = decoder.next_instruction() {
        let first = watched.handle(&instruction);
        let second = alone.handle(&instruction);
        assert_eq!(first.is_ok(), second.is_ok(), "looking changes what is accepted");
        assert!(watched.total_px() <= 64 * 1024, "more pixels than allowed");
        let image = watched.frame();
        assert_eq!(image.size(), watched.size(), "the picture has the display's size");
    }
    assert!(watched.frame().rgba() == alone.frame().rgba(), "looking in between changes the picture");
}
