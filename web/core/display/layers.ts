import { MAX_LAYERS, MAX_SIDE_PX, MAX_TOTAL_PX } from "../protocol/limits.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";
import { Layer } from "./layer.ts";
import { contextOf, type Context, type SurfaceFactory } from "./surface.ts";

/** All layers and buffers of a picture, made on first use, bounded in number and pixels. */
export class Layers {
  readonly #create: SurfaceFactory;
  readonly #layers = new Map<number, Layer>();
  #children: Map<number, Layer[]> | null = null;
  #scratch: Context | null = null;

  constructor(create: SurfaceFactory) {
    this.#create = create;
  }

  /** The layer with that index. */
  get(index: number): Layer {
    const known = this.#layers.get(index);
    if (known !== undefined) return known;
    if (this.#layers.size >= MAX_LAYERS) throw overrun("too many layers");
    const layer = new Layer(index, this.#create);
    this.#layers.set(index, layer);
    this.#children = null;
    return layer;
  }

  /** Visible layers inside layer `index`, lowest first. */
  childrenOf(index: number): readonly Layer[] {
    return (this.#children ??= this.#arrange()).get(index) ?? [];
  }

  /** Whether anything but the root is visible. */
  get hasChildren(): boolean {
    this.#children ??= this.#arrange();
    return this.#children.size > 0;
  }

  resize(layer: Layer, widthPx: number, heightPx: number): void {
    const [width, height] = [clampSide(widthPx), clampSide(heightPx)];
    this.#reserve(layer, width * height);
    layer.resize(width, height);
  }

  /** Grows a buffer that is about to be drawn to; layers keep the size they were given. */
  fit(layer: Layer, right: number, bottom: number): void {
    if (layer.index >= 0) return;
    const size = layer.growthFor(Math.min(right, MAX_SIDE_PX), Math.min(bottom, MAX_SIDE_PX));
    if (size === null) return;
    this.#reserve(layer, size.widthPx * size.heightPx);
    layer.grow(size.widthPx, size.heightPx);
  }

  /** Puts `layer` into `parent`. Ignored where it would lie inside itself. */
  move(layer: Layer, parent: number, x: number, y: number, z: number): void {
    for (let above = parent; above > 0; above = this.#layers.get(above)?.parent ?? 0) {
      if (above === layer.index) return;
    }
    if (parent > 0) this.get(parent);
    layer.parent = parent;
    layer.x = x;
    layer.y = y;
    layer.z = z;
    this.#children = null;
  }

  /** Removes a layer or buffer; the root stays. */
  dispose(index: number): void {
    const layer = this.#layers.get(index);
    if (layer === undefined || index === 0) return;
    layer.free();
    this.#layers.delete(index);
    // What lay inside must not come back when the index is used again.
    for (const child of this.#layers.values()) {
      if (child.index > 0 && child.parent === index) child.parent = ORPHANED;
    }
    this.#children = null;
  }

  /** A cleared place to put pixels for a moment; the next call gives the same one. */
  scratch(widthPx: number, heightPx: number): Context {
    let context = this.#scratch;
    const [width, height] = [clampSide(widthPx), clampSide(heightPx)];
    if (context === null || context.canvas.width < width || context.canvas.height < height) {
      const before = context?.canvas;
      context = contextOf(this.#create(Math.max(width, before?.width ?? 1), Math.max(height, before?.height ?? 1)));
      this.#scratch = context;
    } else {
      context.clearRect(0, 0, width, height);
    }
    return context;
  }

  clear(): void {
    this.#scratch = null;
    for (const layer of this.#layers.values()) layer.free();
    this.#layers.clear();
    this.#children = null;
  }

  #arrange(): Map<number, Layer[]> {
    const children = new Map<number, Layer[]>();
    for (const layer of this.#layers.values()) {
      if (layer.index <= 0) continue;
      const siblings = children.get(layer.parent);
      if (siblings === undefined) children.set(layer.parent, [layer]);
      else siblings.push(layer);
    }
    for (const siblings of children.values()) siblings.sort((a, b) => a.z - b.z || a.index - b.index);
    return children;
  }

  #reserve(layer: Layer, areaPx: number): void {
    let total = areaPx;
    for (const other of this.#layers.values()) if (other !== layer) total += other.areaPx;
    if (total > MAX_TOTAL_PX) throw overrun("the picture is too large");
  }
}

/** Parent of layers whose parent is gone: a buffer, so nothing shows them. */
const ORPHANED = -1;

function clampSide(sizePx: number): number {
  return Math.min(Math.max(0, Math.trunc(sizePx)), MAX_SIDE_PX);
}

function overrun(message: string): GuacamoleError {
  return new GuacamoleError(Status.CLIENT_OVERRUN, message, "server");
}
