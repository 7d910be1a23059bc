/** Smallest and largest side a machine is asked for, in device pixels. */
const MIN_SIDE_PX = 64;
const MAX_SIDE_PX = 8192;
/** A window being dragged is asked for once it rests. */
const QUIET_MS = 200;
/** A machine that never answers a size is asked again after this. */
const ANSWER_MS = 1000;

/** A size in device pixels. */
export interface Size {
  widthPx: number;
  heightPx: number;
}

/** A size a machine can be asked for, or `null` for one that is not on the screen. */
export function clampSize(size: Size): Size | null {
  if (!(size.widthPx >= 1 && size.heightPx >= 1)) return null;
  const side = (px: number): number => Math.min(MAX_SIDE_PX, Math.max(MIN_SIDE_PX, Math.floor(px)));
  return { widthPx: side(size.widthPx), heightPx: side(size.heightPx) };
}

/**
 * Asks the machine for the window's size: after a moment of rest, only when it differs, and one
 * question at a time.
 */
export class SizeNegotiator {
  #wanted: Size | null = null;
  #asked: Size | null = null;
  #inFlight = false;
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #answer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly send: (size: Size) => void) {}

  /** What the machine was told at connect. */
  start(size: Size): void {
    this.stop();
    this.#asked = size;
  }

  /** The window has this size now. */
  want(size: Size): void {
    const clamped = clampSize(size);
    if (!clamped) return;
    this.#wanted = clamped;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#quiet = undefined;
      this.#ask();
    }, QUIET_MS);
  }

  /** The machine answered with a size, whichever. */
  answered(): void {
    if (!this.#inFlight) return;
    this.#inFlight = false;
    clearTimeout(this.#answer);
    if (this.#quiet === undefined) this.#ask();
  }

  /** No session to ask any more. */
  stop(): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#answer);
    this.#quiet = undefined;
    this.#inFlight = false;
    this.#wanted = null;
  }

  #ask(): void {
    const wanted = this.#wanted;
    if (!wanted || this.#inFlight) return;
    if (this.#asked && this.#asked.widthPx === wanted.widthPx && this.#asked.heightPx === wanted.heightPx) return;
    this.#asked = wanted;
    this.#inFlight = true;
    this.send(wanted);
    this.#answer = setTimeout(() => this.answered(), ANSWER_MS);
  }
}
