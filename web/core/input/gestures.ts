/** One finger as the recogniser sees it; CSS pixels of the page. */
interface Finger {
  readonly id: number;
  readonly startX: number;
  readonly startY: number;
  x: number;
  y: number;
}

/** What fingers mean. Positions are CSS pixels of the page. */
export type Gesture =
  /** A tap with this many fingers. */
  | { readonly type: "tap"; readonly fingers: number; readonly x: number; readonly y: number }
  /** One finger rests for long; `longRelease` follows when it lifts without having moved on. */
  | { readonly type: "long"; readonly x: number; readonly y: number }
  | { readonly type: "longRelease"; readonly x: number; readonly y: number }
  /** After a tap, a finger that touches again and moves. */
  | { readonly type: "dragStart"; readonly x: number; readonly y: number }
  | { readonly type: "dragMove"; readonly x: number; readonly y: number }
  | { readonly type: "dragEnd"; readonly x: number; readonly y: number }
  /** One finger moves. */
  | { readonly type: "move"; readonly x: number; readonly y: number; readonly dx: number; readonly dy: number }
  | { readonly type: "moveEnd" }
  /** Two fingers move together. */
  | { readonly type: "scroll"; readonly x: number; readonly y: number; readonly dy: number }
  | { readonly type: "pinch"; readonly x: number; readonly y: number; readonly factor: number }
  | { readonly type: "swipeUp" }
  | { readonly type: "edgeSwipe" };

/** A finger that rests this long is a long press. */
export const LONG_PRESS_MS = 500;
/** A second tap within this time and distance continues the first. */
export const DOUBLE_TAP_MS = 400;
export const DOUBLE_TAP_PX = 24;
/** Movement that tells a move from a tap, and a scroll from a pinch. */
const SLOP_PX = 10;
const DECIDE_PX = 24;
/** Length of swipes, and the strip at the left where an edge swipe begins. */
const SWIPE_PX = 64;
const EDGE_PX = 24;

type Mode = "none" | "pending" | "move" | "long" | "drag" | "two" | "scroll" | "pinch" | "three" | "edge" | "done";

/**
 * Recognises gestures. Knows no clock and no element: times come with the events, and
 * {@link elapsed} says that a finger rested long enough.
 */
export class Gestures {
  readonly #tell: (gesture: Gesture) => void;
  readonly #fingers = new Map<number, Finger>();
  #mode: Mode = "none";
  /** Most fingers at once since the first touched. */
  #most = 0;
  #moved = false;
  #startedAt = 0;
  #lastTap: { x: number; y: number; at: number } | null = null;
  #afterTap = false;
  #lastSpan = 0;
  #lastY = 0;

  constructor(tell: (gesture: Gesture) => void) {
    this.#tell = tell;
  }

  /** A resting finger may still become a long press. */
  get awaitsLongPress(): boolean {
    return this.#mode === "pending" && this.#fingers.size === 1;
  }

  down(id: number, x: number, y: number, at: number): void {
    this.#fingers.set(id, { id, startX: x, startY: y, x, y });
    const count = this.#fingers.size;
    if (count === 1) {
      const tap = this.#lastTap;
      this.#afterTap = tap !== null && at - tap.at <= DOUBLE_TAP_MS && Math.hypot(x - tap.x, y - tap.y) <= DOUBLE_TAP_PX;
      this.#mode = "pending";
      this.#most = 1;
      this.#moved = false;
      this.#startedAt = at;
      return;
    }
    this.#most = Math.max(this.#most, count);
    this.#leaveSingle();
    if (this.#mode === "done") return;
    this.#mode = count === 2 ? "two" : count === 3 ? "three" : "done";
    this.#rebase();
  }

  move(id: number, x: number, y: number): void {
    const finger = this.#fingers.get(id);
    if (finger === undefined) return;
    const [dx, dy] = [x - finger.x, y - finger.y];
    finger.x = x;
    finger.y = y;
    const far = Math.hypot(x - finger.startX, y - finger.startY);
    if (far > SLOP_PX) this.#moved = true;
    switch (this.#mode) {
      case "pending":
        if (far > SLOP_PX) this.#beginMove(finger);
        break;
      case "move":
        this.#tell({ type: "move", x, y, dx, dy });
        break;
      case "drag":
        this.#tell({ type: "dragMove", x, y });
        break;
      case "long":
        // A long press that moves on is a drag of what was pressed.
        if (far > SLOP_PX) this.#mode = "done";
        break;
      case "edge":
        if (x - finger.startX >= SWIPE_PX) {
          this.#mode = "done";
          this.#tell({ type: "edgeSwipe" });
        }
        break;
      case "two":
      case "scroll":
      case "pinch":
        this.#twoFingers();
        break;
      case "three":
        if (this.#centre().startY - this.#centre().y >= SWIPE_PX) {
          this.#mode = "done";
          this.#tell({ type: "swipeUp" });
        }
        break;
      case "none":
      case "done":
        break;
    }
  }

  up(id: number, at: number): void {
    const finger = this.#fingers.get(id);
    if (finger === undefined) return;
    const centre = this.#centre();
    this.#fingers.delete(id);
    if (this.#fingers.size > 0) {
      // The rest of the fingers go on with nothing new.
      if (this.#mode === "scroll" || this.#mode === "pinch") this.#mode = "done";
      return;
    }
    const mode = this.#mode;
    this.#mode = "none";
    if (mode === "drag") this.#tell({ type: "dragEnd", x: finger.x, y: finger.y });
    else if (mode === "move") this.#tell({ type: "moveEnd" });
    else if (mode === "long") this.#tell({ type: "longRelease", x: finger.startX, y: finger.startY });
    else if (!this.#moved && at - this.#startedAt < LONG_PRESS_MS) this.#tapped(mode, finger, centre, at);
  }

  /** The long press time passed since the first finger touched. */
  elapsed(): void {
    if (!this.awaitsLongPress) return;
    const [finger] = this.#fingers.values();
    if (finger === undefined) return;
    this.#mode = "long";
    this.#lastTap = null;
    this.#tell({ type: "long", x: finger.startX, y: finger.startY });
  }

  /** The browser took the fingers away. */
  cancel(): void {
    const [finger] = this.#fingers.values();
    this.#fingers.clear();
    if (this.#mode === "drag" && finger !== undefined) this.#tell({ type: "dragEnd", x: finger.x, y: finger.y });
    if (this.#mode === "move") this.#tell({ type: "moveEnd" });
    this.#mode = "none";
    this.#lastTap = null;
  }

  #tapped(mode: Mode, finger: Finger, centre: { x: number; y: number }, at: number): void {
    if (mode === "pending" || mode === "edge") {
      // A second tap lands where the first did, so that a double click is one.
      const { x, y } = this.#afterTap && this.#lastTap !== null ? this.#lastTap : { x: finger.startX, y: finger.startY };
      this.#lastTap = { x, y, at };
      this.#tell({ type: "tap", fingers: 1, x, y });
    } else if ((mode === "two" || mode === "three") && this.#most <= 3) {
      this.#lastTap = null;
      this.#tell({ type: "tap", fingers: this.#most, x: centre.x, y: centre.y });
    }
  }

  #beginMove(finger: Finger): void {
    const [dx, dy] = [finger.x - finger.startX, finger.y - finger.startY];
    if (this.#afterTap) {
      const from = this.#lastTap ?? { x: finger.startX, y: finger.startY };
      this.#mode = "drag";
      this.#lastTap = null;
      this.#tell({ type: "dragStart", x: from.x, y: from.y });
      this.#tell({ type: "dragMove", x: finger.x, y: finger.y });
    } else if (finger.startX <= EDGE_PX && dx > Math.abs(dy)) {
      this.#mode = "edge";
      if (dx >= SWIPE_PX) {
        this.#mode = "done";
        this.#tell({ type: "edgeSwipe" });
      }
    } else {
      this.#mode = "move";
      this.#lastTap = null;
      this.#tell({ type: "move", x: finger.x, y: finger.y, dx, dy });
    }
  }

  /** Another finger joined: what one finger did is over. */
  #leaveSingle(): void {
    const [finger] = this.#fingers.values();
    if (finger === undefined) return;
    if (this.#mode === "drag") {
      this.#tell({ type: "dragEnd", x: finger.x, y: finger.y });
      this.#mode = "done";
    } else if (this.#mode === "move") {
      this.#tell({ type: "moveEnd" });
    } else if (this.#mode === "long") {
      this.#mode = "done";
    }
  }

  #twoFingers(): void {
    const { x, y, startY } = this.#centre();
    const span = this.#span();
    if (this.#mode === "two") {
      // The first stretch decides, and stays decided until the fingers lift.
      if (Math.abs(span - this.#lastSpan) >= DECIDE_PX) this.#mode = "pinch";
      else if (Math.abs(y - startY) >= DECIDE_PX) this.#mode = "scroll";
      else return;
    }
    if (this.#mode === "pinch") {
      if (this.#lastSpan > 0 && span > 0) this.#tell({ type: "pinch", x, y, factor: span / this.#lastSpan });
      this.#lastSpan = span;
    } else {
      this.#tell({ type: "scroll", x, y, dy: y - this.#lastY });
      this.#lastY = y;
    }
  }

  #rebase(): void {
    for (const [id, { x, y }] of this.#fingers) this.#fingers.set(id, { id, startX: x, startY: y, x, y });
    this.#lastSpan = this.#span();
    this.#lastY = this.#centre().y;
  }

  #centre(): { x: number; y: number; startY: number } {
    let [x, y, startY] = [0, 0, 0];
    for (const finger of this.#fingers.values()) {
      x += finger.x;
      y += finger.y;
      startY += finger.startY;
    }
    const count = Math.max(1, this.#fingers.size);
    return { x: x / count, y: y / count, startY: startY / count };
  }

  #span(): number {
    const [a, b] = [...this.#fingers.values()];
    return a !== undefined && b !== undefined ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
  }
}
