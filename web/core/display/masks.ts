/**
 * Channel masks: how drawn pixels meet those already there. Each bit stands for one of the four
 * regions that source and destination make, which the canvas calls by names.
 */
const OPERATIONS: ReadonlyMap<number, GlobalCompositeOperation> = new Map([
  [0x1, "destination-in"],
  [0x2, "destination-out"],
  [0x4, "source-in"],
  [0x6, "source-atop"],
  [0x8, "source-out"],
  [0x9, "destination-atop"],
  [0xa, "xor"],
  [0xb, "destination-over"],
  [0xc, "copy"],
  [0xe, "source-over"],
  [0xf, "lighter"],
]);

/** Replaces what is there. */
export const MASK_SRC = 0xc;

/** Operations that change pixels outside what is drawn, up to the clip region. */
const UNBOUNDED: ReadonlySet<GlobalCompositeOperation> = new Set<GlobalCompositeOperation>([
  "copy",
  "destination-atop",
  "destination-in",
  "source-in",
  "source-out",
]);

/** The canvas operation for `mask`; masks without a meaning draw over. */
export function operationOf(mask: number): GlobalCompositeOperation {
  return OPERATIONS.get(mask) ?? "source-over";
}

/** Whether `operation` must be kept inside the drawn shape by a clip. */
export function needsClip(operation: GlobalCompositeOperation): boolean {
  return UNBOUNDED.has(operation);
}
