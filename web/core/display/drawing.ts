import { IDENTITY, type Layer, type Matrix } from "./layer.ts";
import type { Layers } from "./layers.ts";
import type { Compositor } from "./compositor.ts";
import { MASK_SRC, needsClip, operationOf } from "./masks.ts";
import { boxOf, type Box } from "./rect.ts";
import type { Context } from "./surface.ts";
import { TRANSFER_DEST, TRANSFER_SRC, transferPixels } from "./transfer.ts";

type Args = readonly string[];
type Operation = (args: Args) => void;

const OPAQUE = 255;
const LINE_CAPS: readonly CanvasLineCap[] = ["butt", "round", "square"];
const LINE_JOINS: readonly CanvasLineJoin[] = ["bevel", "miter", "round"];
/** A stroke covers at most this many line widths beyond its path, with the canvas' miter limit. */
const MITER_REACH = 10;

/** Number at `index`; 0 when missing or not one. */
function num(args: Args, index: number): number {
  const value = Number(args[index]);
  return Number.isFinite(value) ? value : 0;
}

function int(args: Args, index: number): number {
  return Math.trunc(num(args, index));
}

function matrix(args: Args, from: number): Matrix {
  return [0, 1, 2, 3, 4, 5].map((i) => num(args, from + i)) as unknown as Matrix;
}

/** A canvas keeps the colour text, so equal colours should be equal text. */
function colour(args: Args, from: number): string {
  const [r, g, b] = [int(args, from), int(args, from + 1), int(args, from + 2)];
  return "rgba(" + r + "," + g + "," + b + "," + num(args, from + 3) / OPAQUE + ")";
}

/** The drawing instructions, each one applied to the layers at once. */
export class Drawing {
  readonly #layers: Layers;
  readonly #compositor: Compositor;
  readonly #operations: ReadonlyMap<string, Operation>;

  constructor(layers: Layers, compositor: Compositor) {
    this.#layers = layers;
    this.#compositor = compositor;
    this.#operations = new Map<string, Operation>([
      ["arc", (a) => this.#layer(a, 0).path.arc(num(a, 1), num(a, 2), num(a, 3), num(a, 4), num(a, 5), a[6] === "1")],
      ["cfill", (a) => this.#fill(a, this.#layer(a, 1), colour(a, 2), num(a, 5) >= OPAQUE)],
      ["clip", (a) => this.#clip(this.#layer(a, 0))],
      ["close", (a) => this.#layer(a, 0).path.close()],
      ["copy", (a) => this.#copy(a)],
      ["cstroke", (a) => this.#stroke(a, this.#layer(a, 1), colour(a, 5))],
      ["curve", (a) => this.#layer(a, 0).path.curve(num(a, 1), num(a, 2), num(a, 3), num(a, 4), num(a, 5), num(a, 6))],
      ["dispose", (a) => this.#dispose(int(a, 0))],
      ["distort", (a) => this.#distort(a)],
      ["identity", (a) => this.#setTransform(this.#layer(a, 0))],
      ["lfill", (a) => this.#fill(a, this.#layer(a, 1), this.#pattern(this.#layer(a, 1), this.#layer(a, 2)), false)],
      ["line", (a) => this.#layer(a, 0).path.line(num(a, 1), num(a, 2))],
      ["lstroke", (a) => this.#stroke(a, this.#layer(a, 1), this.#pattern(this.#layer(a, 1), this.#layer(a, 5)))],
      ["move", (a) => this.#move(a)],
      ["pop", (a) => this.#layer(a, 0).pop()],
      ["push", (a) => this.#layer(a, 0).push()],
      ["rect", (a) => this.#layer(a, 0).path.rect(num(a, 1), num(a, 2), num(a, 3), num(a, 4))],
      ["reset", (a) => this.#layer(a, 0).reset()],
      ["set", (a) => this.#set(a)],
      ["shade", (a) => this.#shade(a)],
      ["size", (a) => this.#size(a)],
      ["start", (a) => this.#layer(a, 0).path.start(num(a, 1), num(a, 2))],
      ["transfer", (a) => this.#transfer(a)],
      ["transform", (a) => this.#transform(a)],
    ]);
  }

  /** Applies one instruction; others than drawing ones are ignored. */
  apply(opcode: string, args: Args): void {
    this.#operations.get(opcode)?.(args);
  }

  /** Draws a decoded image with its top left corner at `x`, `y`. */
  image(layer: Layer, mask: number, x: number, y: number, source: CanvasImageSource, widthPx: number, heightPx: number): void {
    this.#paste(layer, mask, boxOf(x, y, widthPx, heightPx), (context) => context.drawImage(source, x, y));
  }

  #layer(args: Args, index: number): Layer {
    return this.#layers.get(int(args, index));
  }

  #changed(layer: Layer, box: Box): void {
    this.#compositor.damage(
      layer,
      layer.transformed ? boxOf(0, 0, layer.widthPx, layer.heightPx) : box,
    );
  }

  /** Draws something that covers exactly `box`, with the mask's operation. */
  #paste(layer: Layer, mask: number, box: Box, draw: (context: Context) => void): void {
    this.#layers.fit(layer, box.right, box.bottom);
    const context = layer.context;
    const operation = operationOf(mask);
    if (operation === "source-over") {
      draw(context);
    } else {
      context.save();
      if (mask === MASK_SRC) {
        // Cheaper than a clip, and the same: clear the place, then draw over nothing.
        context.clearRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
      } else {
        if (needsClip(operation)) {
          const region = new Path2D();
          region.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
          context.clip(region);
        }
        context.globalCompositeOperation = operation;
      }
      draw(context);
      context.restore();
    }
    this.#changed(layer, box);
  }

  #fill(args: Args, layer: Layer, style: string | CanvasPattern | null, opaque: boolean): void {
    if (style === null || layer.path.isEmpty) {
      layer.path.clear();
      return;
    }
    const bounds = layer.path.bounds;
    this.#layers.fit(layer, bounds.right - 1, bounds.bottom - 1);
    const context = layer.context;
    const mask = int(args, 0);
    // An opaque colour replaces what is there under both of the usual masks.
    const operation = opaque && mask === MASK_SRC ? "source-over" : operationOf(mask);
    const rect = layer.path.singleRect;
    context.save();
    context.fillStyle = style;
    if (needsClip(operation)) context.clip(layer.path.path);
    context.globalCompositeOperation = operation;
    if (rect !== null) context.fillRect(rect.x, rect.y, rect.width, rect.height);
    else context.fill(layer.path.path);
    context.restore();
    this.#changed(layer, bounds);
    layer.path.clear();
  }

  #stroke(args: Args, layer: Layer, style: string | CanvasPattern | null): void {
    const thickness = Math.max(0, num(args, 4));
    if (style !== null && !layer.path.isEmpty && thickness > 0) {
      const reach = thickness * MITER_REACH;
      const { left, top, right, bottom } = layer.path.bounds;
      this.#layers.fit(layer, right + thickness, bottom + thickness);
      const context = layer.context;
      context.save();
      context.lineCap = LINE_CAPS[int(args, 2)] ?? "butt";
      context.lineJoin = LINE_JOINS[int(args, 3)] ?? "miter";
      context.lineWidth = thickness;
      context.strokeStyle = style;
      const operation = operationOf(int(args, 0));
      // A stroke has no shape to clip to: masks that reach outside it draw over instead.
      context.globalCompositeOperation = needsClip(operation) ? "source-over" : operation;
      context.stroke(layer.path.path);
      context.restore();
      this.#changed(layer, { left: left - reach, top: top - reach, right: right + reach, bottom: bottom + reach });
    }
    layer.path.clear();
  }

  #clip(layer: Layer): void {
    layer.context.clip(layer.path.path);
    layer.path.clear();
  }

  #pattern(layer: Layer, source: Layer): CanvasPattern | null {
    if (source.widthPx === 0 || source.heightPx === 0) return null;
    return layer.context.createPattern(source.surface, "repeat");
  }

  #copy(args: Args): void {
    const source = this.#layer(args, 0);
    const [sx, sy, width, height] = [int(args, 1), int(args, 2), int(args, 3), int(args, 4)];
    const target = this.#layer(args, 6);
    const [x, y] = [int(args, 7), int(args, 8)];
    if (width <= 0 || height <= 0) return;
    const mask = int(args, 5);
    if (source === target && mask !== 0xe) {
      this.#copyWithin(target, mask, sx, sy, width, height, x, y);
      return;
    }
    this.#paste(target, mask, boxOf(x, y, width, height), (context) =>
      context.drawImage(source.surface, sx, sy, width, height, x, y, width, height),
    );
  }

  /** Within one layer the source must be taken before the destination is cleared. */
  #copyWithin(layer: Layer, mask: number, sx: number, sy: number, width: number, height: number, x: number, y: number): void {
    const between = this.#layers.scratch(width, height);
    between.drawImage(layer.surface, sx, sy, width, height, 0, 0, width, height);
    this.#paste(layer, mask, boxOf(x, y, width, height), (context) =>
      context.drawImage(between.canvas, 0, 0, width, height, x, y, width, height),
    );
  }

  #transfer(args: Args): void {
    const code = int(args, 5) & 0xf;
    const source = this.#layer(args, 0);
    const [sx, sy] = [int(args, 1), int(args, 2)];
    const target = this.#layer(args, 6);
    const [x, y] = [int(args, 7), int(args, 8)];
    const width = Math.min(int(args, 3), source.widthPx - sx);
    const height = Math.min(int(args, 4), source.heightPx - sy);
    if (code === TRANSFER_DEST || width <= 0 || height <= 0 || sx < 0 || sy < 0) return;
    this.#layers.fit(target, x + width, y + height);
    const pixels = source.context.getImageData(sx, sy, width, height);
    if (code === TRANSFER_SRC) {
      target.context.putImageData(pixels, x, y);
    } else {
      const there = target.context.getImageData(x, y, width, height);
      transferPixels(code, pixels.data, there.data);
      target.context.putImageData(there, x, y);
    }
    // Pixels are put without the transform.
    this.#compositor.damage(target, boxOf(x, y, width, height));
  }

  #dispose(index: number): void {
    this.#layers.dispose(index);
    if (index > 0) this.#compositor.damageAll();
  }

  #distort(args: Args): void {
    const layer = this.#layer(args, 0);
    if (layer.index < 0) return;
    const distort = matrix(args, 1);
    layer.distort = distort.every((value, i) => value === IDENTITY[i]) ? IDENTITY : distort;
    this.#compositor.damageAll();
  }

  #move(args: Args): void {
    const index = int(args, 0);
    const parent = int(args, 1);
    if (index <= 0 || parent < 0) return;
    this.#layers.move(this.#layers.get(index), parent, int(args, 2), int(args, 3), int(args, 4));
    this.#compositor.damageAll();
  }

  #set(args: Args): void {
    if (args[1] === "miter-limit") this.#layer(args, 0).context.miterLimit = num(args, 2);
  }

  #shade(args: Args): void {
    const layer = this.#layer(args, 0);
    if (layer.index < 0) return;
    layer.alpha = Math.min(Math.max(0, int(args, 1)), OPAQUE);
    this.#compositor.damageAll();
  }

  #size(args: Args): void {
    const layer = this.#layer(args, 0);
    this.#layers.resize(layer, int(args, 1), int(args, 2));
    if (layer.index >= 0) this.#compositor.damageAll();
  }

  #transform(args: Args): void {
    const layer = this.#layer(args, 0);
    layer.context.transform(...matrix(args, 1));
    layer.transformed = true;
  }

  #setTransform(layer: Layer): void {
    layer.context.setTransform(1, 0, 0, 1, 0, 0);
    layer.transformed = false;
  }
}
