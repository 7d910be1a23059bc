/**
 * Pixel functions of `transfer`. The number is a truth table: bit 3 is the result for source 0 and
 * destination 0, bit 2 for 0 and 1, bit 1 for 1 and 0, bit 0 for 1 and 1.
 */

/** Destination stays. */
export const TRANSFER_DEST = 0x5;
/** Source replaces destination. */
export const TRANSFER_SRC = 0x3;
/** Inverted source replaces destination. */
const TRANSFER_NSRC = 0xc;

const BYTES_PER_PIXEL = 4;
const RGB_MASK = 0xff;

/** `code` applied to one byte of each side, bit by bit. */
export function transferByte(code: number, source: number, destination: number): number {
  let result = 0;
  if (code & 8) result |= ~source & ~destination;
  if (code & 4) result |= ~source & destination;
  if (code & 2) result |= source & ~destination;
  if (code & 1) result |= source & destination;
  return result & RGB_MASK;
}

/**
 * Combines `source` into `destination`, both row-major RGBA of the same size. Alpha comes from the
 * source where the result does not depend on the destination, else it stays.
 */
export function transferPixels(code: number, source: Uint8ClampedArray, destination: Uint8ClampedArray): void {
  const takesAlpha = code === TRANSFER_SRC || code === TRANSFER_NSRC;
  const length = Math.min(source.length, destination.length);
  for (let at = 0; at + 3 < length; at += BYTES_PER_PIXEL) {
    for (let channel = at; channel < at + 3; channel++) {
      destination[channel] = transferByte(code, source[channel] ?? 0, destination[channel] ?? 0);
    }
    if (takesAlpha) destination[at + 3] = source[at + 3] ?? 0;
  }
}
