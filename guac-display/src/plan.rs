//! From damaged tiles to images: which codec for each, and which to join.

use crate::encode::{Codec, EncodeJob, ImageSupport};
use crate::{Picture, Rect};

/// Most pixels of one image: about 1 ms of work for the slowest codec, so that the pool stays fair.
const MAX_JOB_PX: usize = 128 * 1024;

/// Widest image: a screen's width in one piece for most screens, and few rows lost where only a part changed.
const MAX_RUN_WIDTH_PX: u32 = 2048;

/// A damaged part of one tile with its pixels and how to send them.
pub(crate) struct Patch {
    pub(crate) rect: Rect,
    pub(crate) kind: PatchKind,
}

/// How a patch is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    /// All of one colour, `0x00RRGGBB`.
    Solid(u32),
    /// As an image.
    Image(Codec),
}

/// Whether all pixels are equal.
pub(crate) fn solid_colour(pixels: &[u32]) -> Option<u32> {
    let (&first, rest) = pixels.split_first()?;
    rest.iter().all(|&pixel| pixel == first).then_some(first)
}

/// Whether pixels look like a photograph: neighbours hardly ever equal. Text, lines and flat colour have long runs.
pub(crate) fn is_photographic(pixels: &[u32], width: u32) -> bool {
    let (mut equal, mut pairs) = (0_usize, 0_usize);
    for row in pixels.chunks_exact((width as usize).max(1)).step_by(4) {
        pairs += row.len().saturating_sub(1);
        equal += row.windows(2).filter(|pair| matches!(pair, [a, b] if a == b)).count();
    }
    pairs >= 64 && equal * 4 < pairs
}

/// Joins patches of one kind that lie side by side, then those that lie one above the other, so that fewer and larger
/// rectangles are sent: an image costs about 100 bytes of instructions, and compresses better the larger it is.
pub(crate) fn join(patches: &[Patch]) -> Vec<Patch> {
    let mut runs: Vec<Patch> = Vec::new();
    for patch in patches {
        if let Some(last) = runs.last_mut()
            && beside(last, patch)
        {
            last.rect = last.rect.union(patch.rect);
        } else {
            runs.push(Patch { rect: patch.rect, kind: patch.kind });
        }
    }
    let mut joined: Vec<Patch> = Vec::with_capacity(runs.len());
    for run in runs {
        // A run above ends where this one starts; it is among the last few, since runs come in rows.
        match joined.iter_mut().rev().take(64).find(|above| below(above, &run)) {
            Some(above) => above.rect = above.rect.union(run.rect),
            None => joined.push(run),
        }
    }
    joined
}

fn beside(left: &Patch, right: &Patch) -> bool {
    let (a, b) = (left.rect, right.rect);
    left.kind == right.kind
        && a.y == b.y
        && a.height == b.height
        && a.right() == b.x
        && a.width + b.width <= MAX_RUN_WIDTH_PX
        && may_grow(left.kind, a, b)
}

fn below(above: &Patch, run: &Patch) -> bool {
    let (a, b) = (above.rect, run.rect);
    above.kind == run.kind && a.x == b.x && a.width == b.width && a.bottom() == b.y && may_grow(above.kind, a, b)
}

fn may_grow(kind: PatchKind, a: Rect, b: Rect) -> bool {
    matches!(kind, PatchKind::Solid(_)) || a.area() + b.area() <= MAX_JOB_PX
}

/// Reads the pixels of an image patch.
pub(crate) fn job(picture: &mut dyn Picture, rect: Rect, codec: Codec) -> EncodeJob {
    let mut pixels = Vec::with_capacity(rect.area());
    picture.read(rect, &mut pixels);
    // A picture that gives too few pixels would break the codec; the rest is black.
    pixels.resize(rect.area(), 0);
    EncodeJob { rect, pixels, codec }
}

/// Splits the whole picture into lossless jobs.
pub(crate) fn whole_picture(picture: &mut dyn Picture, support: ImageSupport) -> Vec<EncodeJob> {
    let size = picture.size();
    let width = size.width().min(MAX_RUN_WIDTH_PX);
    let height = u32::try_from(MAX_JOB_PX).unwrap_or(u32::MAX) / width.max(1);
    let mut jobs = Vec::new();
    for y in (0..size.height()).step_by(height.max(1) as usize) {
        for x in (0..size.width()).step_by(width.max(1) as usize) {
            let rect = Rect::new(x, y, width, height).intersection(size.rect());
            jobs.push(job(picture, rect, Codec::lossless(support)));
        }
    }
    jobs
}
