import type { Display } from "../display/display.ts";
import { MouseButton, type MouseState } from "../session/events.ts";
import type { Gesture } from "./gestures.ts";
import { Wheel } from "./wheel.ts";

/** What a {@link Touchpad} does. */
export interface TouchpadTarget {
  mouse(state: MouseState): void;
  /** Move the picture by CSS pixels, so that the pointer stays in sight. */
  pan(dx: number, dy: number): void;
  zoomed(): boolean;
}

const SCROLL_NOTCH_PX = 20;
const BUTTON_OF_FINGERS: readonly number[] = [0, MouseButton.LEFT, MouseButton.RIGHT, MouseButton.MIDDLE];
/** Speed, in CSS pixels per event, at which the pointer moves twice as far as the finger. */
const DOUBLE_SPEED_PX = 12;
const MAX_GAIN = 4;

/** The picture as a touchpad: fingers move a pointer of its own, wherever they touch. */
export class Touchpad {
  readonly #display: Display;
  readonly #target: TouchpadTarget;
  readonly #wheel = new Wheel(SCROLL_NOTCH_PX);
  #x = NaN;
  #y = NaN;
  #buttons = 0;
  /** A long press keeps the left button down until the next tap. */
  #locked = false;
  #dragFrom = { x: 0, y: 0 };

  constructor(display: Display, target: TouchpadTarget) {
    this.#display = display;
    this.#target = target;
  }

  gesture(gesture: Gesture): void {
    switch (gesture.type) {
      case "tap":
        this.#tap(BUTTON_OF_FINGERS[gesture.fingers] ?? 0);
        break;
      case "long":
        this.#locked = true;
        this.#press(MouseButton.LEFT);
        break;
      case "dragStart":
        this.#dragFrom = gesture;
        this.#press(MouseButton.LEFT);
        break;
      case "dragMove":
        this.#move(gesture.x - this.#dragFrom.x, gesture.y - this.#dragFrom.y);
        this.#dragFrom = gesture;
        break;
      case "dragEnd":
        this.#press(0);
        break;
      case "move":
        this.#move(gesture.dx, gesture.dy);
        break;
      case "scroll":
        this.#scroll(gesture.dy);
        break;
      default:
        break;
    }
  }

  /** Lets go of the button. */
  release(): void {
    this.#locked = false;
    if (this.#buttons !== 0) this.#press(0);
  }

  #tap(button: number): void {
    if (this.#locked) {
      this.#locked = false;
      this.#press(0);
      return;
    }
    this.#press(button);
    this.#press(0);
  }

  #move(dx: number, dy: number): void {
    this.#place();
    const gain = Math.min(MAX_GAIN, 1 + Math.hypot(dx, dy) / DOUBLE_SPEED_PX) / this.#display.scale;
    const [x, y] = [this.#x + dx * gain, this.#y + dy * gain];
    this.#x = Math.min(Math.max(0, x), Math.max(0, this.#display.widthPx - 1));
    this.#y = Math.min(Math.max(0, y), Math.max(0, this.#display.heightPx - 1));
    if (this.#target.zoomed()) this.#target.pan(-dx, -dy);
    this.#press(this.#buttons);
  }

  #scroll(dy: number): void {
    const notches = this.#wheel.add(-dy);
    const button = notches < 0 ? MouseButton.SCROLL_UP : MouseButton.SCROLL_DOWN;
    for (let i = 0; i < Math.abs(notches); i++) {
      this.#press(this.#buttons | button);
      this.#press(this.#buttons & ~button);
    }
  }

  #press(buttons: number): void {
    this.#place();
    this.#buttons = buttons;
    this.#target.mouse({ x: Math.floor(this.#x), y: Math.floor(this.#y), buttons });
  }

  /** The pointer starts in the middle of the picture. */
  #place(): void {
    if (Number.isNaN(this.#x)) this.#x = this.#display.widthPx / 2;
    if (Number.isNaN(this.#y)) this.#y = this.#display.heightPx / 2;
  }
}
