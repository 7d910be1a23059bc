import type { Display } from "../display/display.ts";
import { Emitter } from "../emitter.ts";
import { MouseButton, type MouseState } from "../session/events.ts";
import { Wheel } from "./wheel.ts";

/** Events of a {@link Pointer}. */
export interface PointerEvents {
  mouse: MouseState;
}

/** Bits of `PointerEvent.buttons`: left, right, middle, and the eraser end of a pen. */
const BUTTON_BITS: readonly (readonly [bit: number, button: number])[] = [
  [1, MouseButton.LEFT],
  [2, MouseButton.RIGHT],
  [4, MouseButton.MIDDLE],
  [32, MouseButton.MIDDLE],
];
/** Back and Forward, which must not leave the page. */
const NAVIGATION_BUTTONS: ReadonlySet<number> = new Set([3, 4]);

/** The protocol's buttons for those of a browser event. */
export function buttonsOf(bits: number): number {
  let buttons = 0;
  for (const [bit, button] of BUTTON_BITS) if (bits & bit) buttons |= button;
  return buttons;
}

/**
 * Mouse, pen and wheel over the picture. Moves are sent once a frame, the newest; buttons at once,
 * with the position before them. Touches are left to `Touch`.
 */
export class Pointer extends Emitter<PointerEvents> {
  readonly #element: HTMLElement;
  readonly #display: Display;
  readonly #abort = new AbortController();
  readonly #wheel = new Wheel();
  #state: MouseState = { x: 0, y: 0, buttons: 0 };
  #pending: { x: number; y: number } | null = null;
  #frame = 0;

  /** @param element What lies over the picture and gets the events, often the keyboard's sink. */
  constructor(element: HTMLElement, display: Display) {
    super();
    this.#element = element;
    this.#display = display;
    const signal = this.#abort.signal;
    element.addEventListener("pointerdown", (event) => this.#button(event), { signal });
    element.addEventListener("pointerup", (event) => this.#button(event), { signal });
    element.addEventListener("pointermove", (event) => this.#move(event), { signal });
    element.addEventListener("pointercancel", (event) => this.#cancel(event), { signal });
    element.addEventListener("wheel", (event) => this.#scroll(event), { signal, passive: false });
    const prevent = (event: Event): void => event.preventDefault();
    element.addEventListener("contextmenu", prevent, { signal });
    element.addEventListener("dragstart", prevent, { signal });
    // Keeps a press from moving the focus or selecting text; the press focuses the element itself.
    element.addEventListener("mousedown", prevent, { signal });
    for (const type of ["mouseup", "auxclick"] as const) {
      element.addEventListener(type, (event) => NAVIGATION_BUTTONS.has(event.button) && event.preventDefault(), { signal });
    }
  }

  /** Lets go of all buttons. */
  releaseAll(): void {
    this.#flushMove();
    if (this.#state.buttons !== 0) this.#set({ ...this.#state, buttons: 0 });
  }

  /** Stops listening; releases everything first. */
  dispose(): void {
    this.releaseAll();
    cancelAnimationFrame(this.#frame);
    this.#abort.abort();
  }

  #button(event: PointerEvent): void {
    if (event.pointerType === "touch") return;
    event.preventDefault();
    if (event.type === "pointerdown") {
      this.#element.focus({ preventScroll: true });
      // A drag that leaves the picture still ends here.
      this.#element.setPointerCapture?.(event.pointerId);
    }
    this.#at(event);
  }

  #move(event: PointerEvent): void {
    if (event.pointerType === "touch") return;
    if (buttonsOf(event.buttons) !== this.#state.buttons) {
      // With one button down, others change without an event of their own; and a release may
      // have been missed.
      this.#at(event);
      return;
    }
    this.#pending = this.#display.toPicture(event.clientX, event.clientY);
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#flushMove();
      });
    }
  }

  #cancel(event: PointerEvent): void {
    if (event.pointerType !== "touch") this.releaseAll();
  }

  #scroll(event: WheelEvent): void {
    event.preventDefault();
    this.#pending = this.#display.toPicture(event.clientX, event.clientY);
    this.#flushMove();
    const notches = this.#wheel.add(event.deltaY, event.deltaMode);
    const button = notches < 0 ? MouseButton.SCROLL_UP : MouseButton.SCROLL_DOWN;
    for (let i = 0; i < Math.abs(notches); i++) {
      this.emit("mouse", { ...this.#state, buttons: this.#state.buttons | button });
      this.emit("mouse", this.#state);
    }
  }

  /** Position first, then the buttons. */
  #at(event: PointerEvent): void {
    this.#pending = this.#display.toPicture(event.clientX, event.clientY);
    this.#flushMove();
    const buttons = buttonsOf(event.buttons);
    if (buttons !== this.#state.buttons) this.#set({ ...this.#state, buttons });
  }

  #flushMove(): void {
    const position = this.#pending;
    this.#pending = null;
    if (position === null || (position.x === this.#state.x && position.y === this.#state.y)) return;
    this.#set({ ...position, buttons: this.#state.buttons });
  }

  #set(state: MouseState): void {
    this.#state = state;
    this.emit("mouse", state);
  }
}
