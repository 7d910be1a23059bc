import { LayerPath } from "./path.ts";
import { contextOf, type Context, type Surface, type SurfaceFactory } from "./surface.ts";

/** Six numbers of an affine transform, as the canvas takes them. */
export type Matrix = readonly [number, number, number, number, number, number];

export const IDENTITY: Matrix = [1, 0, 0, 1, 0, 0];

/** Buffers that grow while drawn to grow in steps, so that not each line makes a new canvas. */
const GROWTH_STEP_PX = 64;

/**
 * One layer (index ≥ 0, part of the picture) or buffer (index < 0, off-screen). Its surface may be
 * larger than its size.
 */
export class Layer {
  readonly index: number;
  readonly path = new LayerPath();
  /** Place in the picture: parent layer, position there, order among siblings. */
  parent = 0;
  x = 0;
  y = 0;
  z = 0;
  /** 0 … 255. */
  alpha = 255;
  distort: Matrix = IDENTITY;
  /** The drawing transform may differ from the identity. */
  transformed = false;
  readonly #create: SurfaceFactory;
  #surface: Surface;
  #context: Context;
  #widthPx = 0;
  #heightPx = 0;
  #saved = 0;

  constructor(index: number, create: SurfaceFactory) {
    this.index = index;
    this.#create = create;
    this.#surface = create(1, 1);
    this.#context = this.#contextAtBase();
  }

  get surface(): Surface {
    return this.#surface;
  }

  get context(): Context {
    return this.#context;
  }

  get widthPx(): number {
    return this.#widthPx;
  }

  get heightPx(): number {
    return this.#heightPx;
  }

  /** Pixels its surface holds. */
  get areaPx(): number {
    return this.#surface.width * this.#surface.height;
  }

  /** Changes the size and keeps what is there. The drawing state starts over. */
  resize(widthPx: number, heightPx: number): void {
    if (widthPx === this.#widthPx && heightPx === this.#heightPx) return;
    this.#reallocate(Math.max(1, widthPx), Math.max(1, heightPx));
    this.#widthPx = widthPx;
    this.#heightPx = heightPx;
  }

  /** The surface size a buffer needs so that `right` and `bottom` are inside, or `null` if they are. */
  growthFor(right: number, bottom: number): { widthPx: number; heightPx: number } | null {
    const widthPx = Math.max(this.#widthPx, Math.ceil(right));
    const heightPx = Math.max(this.#heightPx, Math.ceil(bottom));
    if (widthPx === this.#widthPx && heightPx === this.#heightPx) return null;
    return { widthPx, heightPx };
  }

  /** Grows a buffer to at least this size. */
  grow(widthPx: number, heightPx: number): void {
    if (widthPx > this.#surface.width || heightPx > this.#surface.height) {
      const step = (size: number): number => Math.ceil(size / GROWTH_STEP_PX) * GROWTH_STEP_PX;
      this.#reallocate(
        Math.max(this.#surface.width, step(widthPx)),
        Math.max(this.#surface.height, step(heightPx)),
      );
    }
    this.#widthPx = widthPx;
    this.#heightPx = heightPx;
  }

  /** Saves the drawing state. */
  push(): void {
    if (this.#saved >= MAX_SAVED_STATES) return;
    this.#saved++;
    this.#context.save();
  }

  /** Goes back to the state saved last; nothing saved, nothing done. */
  pop(): void {
    if (this.#saved === 0) return;
    this.#saved--;
    this.#context.restore();
    // The state that came back may have had a transform of its own.
    this.transformed = true;
  }

  /** Forgets saved states, clip, transform and path. */
  reset(): void {
    for (; this.#saved > 0; this.#saved--) this.#context.restore();
    this.#context.restore();
    this.#context.save();
    this.transformed = false;
    this.path.clear();
  }

  /** Gives the memory back at once instead of at the next collection. */
  free(): void {
    this.#surface.width = 1;
    this.#surface.height = 1;
  }

  #reallocate(widthPx: number, heightPx: number): void {
    const before = this.#surface;
    const keep = this.#widthPx > 0 && this.#heightPx > 0;
    this.#surface = this.#create(widthPx, heightPx);
    this.#context = this.#contextAtBase();
    if (keep) this.#context.drawImage(before, 0, 0);
    before.width = 1;
    before.height = 1;
    this.#saved = 0;
    this.transformed = false;
    this.path.clear();
  }

  /** INVARIANT: below all saved states lies one untouched state, for {@link reset} to return to. */
  #contextAtBase(): Context {
    const context = contextOf(this.#surface);
    context.save();
    return context;
  }
}

/** Saved states per layer; the canvas itself has no bound. */
const MAX_SAVED_STATES = 256;
