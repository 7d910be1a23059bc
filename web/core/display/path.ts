import { emptyBox, include, type Box } from "./rect.ts";

/**
 * The path a layer collects until something fills, strokes or clips with it. Knows what it covers,
 * and whether it is nothing but one rectangle, which draws much faster.
 */
export class LayerPath {
  #path: Path2D | null = null;
  #bounds: Box = emptyBox();
  #single: { x: number; y: number; width: number; height: number } | null = null;

  /** What the path covers, control points included. */
  get bounds(): Box {
    return this.#bounds;
  }

  /** The one rectangle this path is, or `null`. */
  get singleRect(): { x: number; y: number; width: number; height: number } | null {
    return this.#path === null ? this.#single : null;
  }

  /** The path for the canvas. */
  get path(): Path2D {
    const path = (this.#path ??= new Path2D());
    const rect = this.#single;
    this.#single = null;
    if (rect !== null) path.rect(rect.x, rect.y, rect.width, rect.height);
    return path;
  }

  get isEmpty(): boolean {
    return this.#path === null && this.#single === null;
  }

  rect(x: number, y: number, width: number, height: number): void {
    if (this.isEmpty) this.#single = { x, y, width, height };
    else this.path.rect(x, y, width, height);
    this.#cover(Math.min(x, x + width), Math.min(y, y + height), Math.max(x, x + width), Math.max(y, y + height));
  }

  start(x: number, y: number): void {
    this.path.moveTo(x, y);
    this.#cover(x, y, x, y);
  }

  line(x: number, y: number): void {
    this.path.lineTo(x, y);
    this.#cover(x, y, x, y);
  }

  arc(x: number, y: number, radius: number, start: number, end: number, negative: boolean): void {
    const positive = Math.max(0, radius);
    this.path.arc(x, y, positive, start, end, negative);
    this.#cover(x - positive, y - positive, x + positive, y + positive);
  }

  curve(cp1x: number, cp1y: number, cp2x: number, cp2y: number, x: number, y: number): void {
    this.path.bezierCurveTo(cp1x, cp1y, cp2x, cp2y, x, y);
    this.#cover(Math.min(cp1x, cp2x, x), Math.min(cp1y, cp2y, y), Math.max(cp1x, cp2x, x), Math.max(cp1y, cp2y, y));
  }

  close(): void {
    this.path.closePath();
  }

  /** Starts over. */
  clear(): void {
    this.#path = null;
    this.#single = null;
    this.#bounds = emptyBox();
  }

  #cover(left: number, top: number, right: number, bottom: number): void {
    // One pixel of margin for edges between pixels; it also keeps lines from being empty.
    include(this.#bounds, { left: left - 1, top: top - 1, right: right + 1, bottom: bottom + 1 });
  }
}
