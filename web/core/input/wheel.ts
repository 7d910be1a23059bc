/** CSS pixels of wheel movement that make one notch: three lines of 18 pixels, but one pixel. */
export const NOTCH_PX = 53;
const LINE_PX = 18;
const PAGE_PX = 16 * LINE_PX;
/** Notches one event may make; a mad wheel must not flood the machine. */
const MAX_NOTCHES = 20;

const DELTA_LINE = 1;
const DELTA_PAGE = 2;

/** Turns wheel movement into whole notches and keeps the remainder. */
export class Wheel {
  readonly #notchPx: number;
  #restPx = 0;

  constructor(notchPx: number = NOTCH_PX) {
    this.#notchPx = notchPx;
  }

  /** Notches that `delta` completes: negative up, positive down. `mode` as in `WheelEvent`. */
  add(delta: number, mode = 0): number {
    if (!Number.isFinite(delta)) return 0;
    const px = mode === DELTA_LINE ? delta * LINE_PX : mode === DELTA_PAGE ? delta * PAGE_PX : delta;
    // What is left of one direction must not delay the other.
    if (px * this.#restPx < 0) this.#restPx = 0;
    this.#restPx += px;
    const notches = Math.trunc(this.#restPx / this.#notchPx);
    this.#restPx -= notches * this.#notchPx;
    return Math.max(-MAX_NOTCHES, Math.min(MAX_NOTCHES, notches));
  }

  reset(): void {
    this.#restPx = 0;
  }
}
