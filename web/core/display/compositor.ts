import { IDENTITY, type Layer } from "./layer.ts";
import type { Layers } from "./layers.ts";
import { boxOf, emptyBox, include, isEmpty, type Box } from "./rect.ts";
import type { Context } from "./surface.ts";

const OPAQUE = 255;

/**
 * Knows which part of the picture changed since it was last shown, and puts the tree of layers
 * together for that part.
 */
export class Compositor {
  readonly #layers: Layers;
  #damage: Box = emptyBox();
  #everything = true;

  constructor(layers: Layers) {
    this.#layers = layers;
  }

  /** The whole picture must be shown again. */
  damageAll(): void {
    this.#everything = true;
  }

  /** Part of a layer changed. Buffers are not visible. */
  damage(layer: Layer, box: Box): void {
    if (layer.index < 0 || this.#everything || isEmpty(box)) return;
    let [dx, dy] = [0, 0];
    for (let at = layer; at.index !== 0; at = this.#layers.get(at.parent)) {
      if (at.distort !== IDENTITY || at.parent < 0) {
        this.#everything = true;
        return;
      }
      dx += at.x;
      dy += at.y;
    }
    const moved = { left: box.left + dx, top: box.top + dy, right: box.right + dx, bottom: box.bottom + dy };
    include(this.#damage, moved);
  }

  /** Draws what changed into `target`, which has the size of the root layer. */
  present(target: Context): void {
    const root = this.#layers.get(0);
    const whole = boxOf(0, 0, root.widthPx, root.heightPx);
    const box = this.#everything ? whole : clip(this.#damage, whole);
    this.#everything = false;
    this.#damage = emptyBox();
    if (isEmpty(box)) return;
    const [x, y, width, height] = [box.left, box.top, box.right - box.left, box.bottom - box.top];
    target.clearRect(x, y, width, height);
    target.drawImage(root.surface, x, y, width, height, x, y, width, height);
    if (!this.#layers.hasChildren) return;
    target.save();
    clipTo(target, x, y, width, height);
    this.#children(target, 0);
    target.restore();
  }

  /** Draws the whole picture into `target`, scaled to `widthPx` × `heightPx`. */
  snapshot(target: Context, widthPx: number, heightPx: number): void {
    const root = this.#layers.get(0);
    if (root.widthPx === 0 || root.heightPx === 0) return;
    target.save();
    target.imageSmoothingQuality = "high";
    target.scale(widthPx / root.widthPx, heightPx / root.heightPx);
    target.drawImage(root.surface, 0, 0);
    this.#children(target, 0);
    target.restore();
  }

  #children(target: Context, parent: number): void {
    for (const layer of this.#layers.childrenOf(parent)) {
      if (layer.alpha === 0 || layer.widthPx === 0 || layer.heightPx === 0) continue;
      target.save();
      target.translate(layer.x, layer.y);
      if (layer.distort !== IDENTITY) target.transform(...layer.distort);
      target.globalAlpha *= layer.alpha / OPAQUE;
      clipTo(target, 0, 0, layer.widthPx, layer.heightPx);
      target.drawImage(layer.surface, 0, 0);
      this.#children(target, layer.index);
      target.restore();
    }
  }
}

function clipTo(target: Context, x: number, y: number, width: number, height: number): void {
  target.beginPath();
  target.rect(x, y, width, height);
  target.clip();
}

/** Whole pixels of `box` inside `bounds`. */
function clip(box: Box, bounds: Box): Box {
  return {
    left: Math.max(Math.floor(box.left), bounds.left),
    top: Math.max(Math.floor(box.top), bounds.top),
    right: Math.min(Math.ceil(box.right), bounds.right),
    bottom: Math.min(Math.ceil(box.bottom), bounds.bottom),
  };
}
