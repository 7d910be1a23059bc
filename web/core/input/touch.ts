import type { Display } from "../display/display.ts";
import { Emitter } from "../emitter.ts";
import { MouseButton, type MouseState, type TouchState } from "../session/events.ts";
import { Gestures, LONG_PRESS_MS, type Gesture } from "./gestures.ts";
import { Touchpad } from "./touchpad.ts";
import { Wheel } from "./wheel.ts";

/**
 * `direct`: fingers act where they touch. `touchpad`: they move a pointer. `native`: the machine
 * gets the touches themselves.
 */
export type TouchMode = "direct" | "touchpad" | "native";

/** Events of a {@link Touch}. */
export interface TouchEvents {
  mouse: MouseState;
  touch: TouchState;
  /** Pan the zoomed picture by CSS pixels. */
  pan: { dx: number; dy: number };
  /** Pinch: multiply the zoom, keep this page point in place. */
  zoom: { factor: number; clientX: number; clientY: number };
  /** Three fingers up: the on-screen keyboard. */
  keyboard: Record<never, never>;
  /** Swipe from the left edge: the panel. */
  panel: Record<never, never>;
  /** A long press took effect. */
  buzz: Record<never, never>;
}

/** Settings of a {@link Touch}. */
export interface TouchOptions {
  /** Default `direct`. */
  mode?: TouchMode;
  /** Whether the picture is larger than its place, so that one finger pans. */
  zoomed?: () => boolean;
}

/** CSS pixels two fingers move for one notch of the wheel. */
const SCROLL_NOTCH_PX = 20;
const BUTTON_OF_FINGERS: readonly number[] = [0, MouseButton.LEFT, MouseButton.RIGHT, MouseButton.MIDDLE];

/** Fingers on the picture. */
export class Touch extends Emitter<TouchEvents> {
  readonly #element: HTMLElement;
  readonly #display: Display;
  readonly #zoomed: () => boolean;
  readonly #abort = new AbortController();
  readonly #gestures = new Gestures((gesture) => this.#gesture(gesture));
  readonly #wheel = new Wheel(SCROLL_NOTCH_PX);
  readonly #touchpad: Touchpad;
  #mode: TouchMode;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the newest finger touched, on the clock of events. */
  #restingSince = 0;
  #buttons = 0;
  #last = { x: 0, y: 0 };
  /** Native touches down, by pointer id, with the last position sent. */
  readonly #native = new Map<number, { x: number; y: number }>();

  constructor(element: HTMLElement, display: Display, options: TouchOptions = {}) {
    super();
    this.#element = element;
    this.#display = display;
    this.#mode = options.mode ?? "direct";
    this.#zoomed = options.zoomed ?? (() => false);
    this.#touchpad = new Touchpad(display, {
      mouse: (state) => this.emit("mouse", state),
      pan: (dx, dy) => this.emit("pan", { dx, dy }),
      zoomed: this.#zoomed,
    });
    element.style.touchAction = "none";
    const signal = this.#abort.signal;
    element.addEventListener("pointerdown", (event) => this.#pointer(event), { signal });
    element.addEventListener("pointermove", (event) => this.#pointer(event), { signal });
    element.addEventListener("pointerup", (event) => this.#pointer(event), { signal });
    element.addEventListener("pointercancel", (event) => this.#pointer(event), { signal });
  }

  get mode(): TouchMode {
    return this.#mode;
  }

  set mode(mode: TouchMode) {
    this.releaseAll();
    this.#mode = mode;
  }

  /** Lifts all fingers and buttons. */
  releaseAll(): void {
    clearTimeout(this.#timer);
    this.#gestures.cancel();
    this.#touchpad.release();
    for (const [id, { x, y }] of this.#native) this.#sendNative(id, x, y, null);
    this.#native.clear();
    if (this.#buttons !== 0) this.#mouse(this.#last.x, this.#last.y, 0);
  }

  /** Stops listening; releases everything first. */
  dispose(): void {
    this.releaseAll();
    this.#abort.abort();
  }

  #pointer(event: PointerEvent): void {
    if (event.pointerType !== "touch") return;
    event.preventDefault();
    if (event.type === "pointerdown") this.#element.setPointerCapture?.(event.pointerId);
    if (this.#mode === "native") {
      this.#nativeTouch(event);
      return;
    }
    const { pointerId, clientX, clientY, timeStamp } = event;
    clearTimeout(this.#timer);
    switch (event.type) {
      case "pointerdown":
        this.#gestures.down(pointerId, clientX, clientY, timeStamp);
        break;
      case "pointermove":
        this.#gestures.move(pointerId, clientX, clientY);
        break;
      case "pointerup":
        this.#gestures.up(pointerId, timeStamp);
        break;
      default:
        this.#gestures.cancel();
    }
    this.#awaitLongPress(event);
  }

  #awaitLongPress(event: PointerEvent): void {
    if (event.type === "pointerdown") this.#restingSince = event.timeStamp;
    if (!this.#gestures.awaitsLongPress) return;
    const left = Math.max(0, LONG_PRESS_MS - (event.timeStamp - this.#restingSince));
    this.#timer = setTimeout(() => this.#gestures.elapsed(), left);
  }

  #gesture(gesture: Gesture): void {
    switch (gesture.type) {
      case "swipeUp":
        this.emit("keyboard", {});
        return;
      case "edgeSwipe":
        this.emit("panel", {});
        return;
      case "pinch":
        this.emit("zoom", { factor: gesture.factor, clientX: gesture.x, clientY: gesture.y });
        return;
      case "long":
        this.emit("buzz", {});
        break;
      default:
        break;
    }
    if (this.#mode === "touchpad") this.#touchpad.gesture(gesture);
    else this.#direct(gesture);
  }

  #direct(gesture: Gesture): void {
    switch (gesture.type) {
      case "tap":
        this.#click(gesture.x, gesture.y, BUTTON_OF_FINGERS[gesture.fingers] ?? 0);
        break;
      case "longRelease":
        this.#click(gesture.x, gesture.y, MouseButton.RIGHT);
        break;
      case "dragStart":
        this.#mouse(gesture.x, gesture.y, 0);
        this.#mouse(gesture.x, gesture.y, MouseButton.LEFT);
        break;
      case "dragMove":
        this.#mouse(gesture.x, gesture.y, MouseButton.LEFT);
        break;
      case "dragEnd":
        this.#mouse(gesture.x, gesture.y, 0);
        break;
      case "move":
        if (this.#zoomed()) this.emit("pan", { dx: gesture.dx, dy: gesture.dy });
        else this.#scroll(gesture.x, gesture.y, gesture.dy);
        break;
      case "scroll":
        this.#scroll(gesture.x, gesture.y, gesture.dy);
        break;
      case "moveEnd":
        this.#wheel.reset();
        break;
      default:
        break;
    }
  }

  #click(x: number, y: number, button: number): void {
    this.#mouse(x, y, 0);
    this.#mouse(x, y, button);
    this.#mouse(x, y, 0);
  }

  /** Fingers drag the content: down with the finger is up with the wheel. */
  #scroll(x: number, y: number, dy: number): void {
    const notches = this.#wheel.add(-dy);
    const button = notches < 0 ? MouseButton.SCROLL_UP : MouseButton.SCROLL_DOWN;
    for (let i = 0; i < Math.abs(notches); i++) {
      this.#mouse(x, y, button);
      this.#mouse(x, y, 0);
    }
  }

  #mouse(clientX: number, clientY: number, buttons: number): void {
    this.#last = { x: clientX, y: clientY };
    this.#buttons = buttons;
    this.emit("mouse", { ...this.#display.toPicture(clientX, clientY), buttons });
  }

  #nativeTouch(event: PointerEvent): void {
    const { pointerId, clientX, clientY } = event;
    if (event.type === "pointerdown") this.#native.set(pointerId, { x: clientX, y: clientY });
    else if (!this.#native.has(pointerId)) return;
    const lifted = event.type === "pointerup" || event.type === "pointercancel";
    if (lifted) this.#native.delete(pointerId);
    else this.#native.set(pointerId, { x: clientX, y: clientY });
    this.#sendNative(pointerId, clientX, clientY, lifted ? null : event);
  }

  #sendNative(id: number, clientX: number, clientY: number, event: PointerEvent | null): void {
    const scale = this.#display.scale;
    this.emit("touch", {
      id,
      ...this.#display.toPicture(clientX, clientY),
      radiusX: Math.floor((event?.width ?? 0) / 2 / scale),
      radiusY: Math.floor((event?.height ?? 0) / 2 / scale),
      angle: event?.twist ?? 0,
      // Screens that do not measure force report half or nothing; nothing would mean lifted.
      force: event === null ? 0 : event.pressure || 1,
    });
  }
}
