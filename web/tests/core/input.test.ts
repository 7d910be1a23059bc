// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Display } from "../../core/display/display.ts";
import { Gestures, type Gesture } from "../../core/input/gestures.ts";
import { Pointer, buttonsOf } from "../../core/input/pointer.ts";
import { Touch, type TouchMode } from "../../core/input/touch.ts";
import { Wheel } from "../../core/input/wheel.ts";
import type { MouseState } from "../../core/session/events.ts";

/** A display of 1000 × 1000 pixels at the page's origin, one CSS pixel each. */
function display(): Display {
  return {
    element: document.createElement("div"),
    widthPx: 1000,
    heightPx: 1000,
    scale: 1,
    toPicture: (x: number, y: number) => ({ x: Math.floor(x), y: Math.floor(y) }),
  } as unknown as Display;
}

function pointerEvent(type: string, init: PointerEventInit): PointerEvent {
  return new PointerEvent(type, { bubbles: true, cancelable: true, pointerType: "mouse", ...init });
}

const line = ({ x, y, buttons }: MouseState): string => x + "," + y + ":" + buttons;

let frames: FrameRequestCallback[] = [];
beforeEach(() => {
  frames = [];
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => frames.push(callback));
  vi.stubGlobal("cancelAnimationFrame", () => undefined);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function nextFrame(): void {
  for (const callback of frames.splice(0)) callback(0);
}

describe("Pointer", () => {
  function bench(): { element: HTMLElement; seen: string[]; pointer: Pointer } {
    const element = document.createElement("textarea");
    document.body.append(element);
    const pointer = new Pointer(element, display());
    const seen: string[] = [];
    pointer.on("mouse", (state) => seen.push(line(state)));
    return { element, seen, pointer };
  }

  it("sends the newest move of a frame only", () => {
    const { element, seen } = bench();
    for (const x of [1, 2, 3]) element.dispatchEvent(pointerEvent("pointermove", { clientX: x, clientY: 5 }));
    expect(seen).toEqual([]);
    nextFrame();
    expect(seen).toEqual(["3,5:0"]);
  });

  it("sends buttons at once, with the position before", () => {
    const { element, seen } = bench();
    element.dispatchEvent(pointerEvent("pointerdown", { clientX: 10, clientY: 20, button: 0, buttons: 1 }));
    element.dispatchEvent(pointerEvent("pointermove", { clientX: 30, clientY: 20, buttons: 1 }));
    element.dispatchEvent(pointerEvent("pointerup", { clientX: 30, clientY: 20, button: 0, buttons: 0 }));
    expect(seen).toEqual(["10,20:0", "10,20:1", "30,20:1", "30,20:0"]);
  });

  it("notices a second button that has no event of its own", () => {
    const { element, seen } = bench();
    element.dispatchEvent(pointerEvent("pointerdown", { clientX: 1, clientY: 1, buttons: 1 }));
    element.dispatchEvent(pointerEvent("pointermove", { clientX: 1, clientY: 1, buttons: 3 }));
    element.dispatchEvent(pointerEvent("pointermove", { clientX: 1, clientY: 1, buttons: 0 }));
    expect(seen).toEqual(["1,1:0", "1,1:1", "1,1:5", "1,1:0"]);
  });

  it("maps buttons and the parts of a pen", () => {
    expect([1, 2, 4, 32, 8, 16].map(buttonsOf)).toEqual([1, 4, 2, 2, 0, 0]);
  });

  it("takes the focus, lets nothing navigate and opens no menu", () => {
    const { element } = bench();
    element.dispatchEvent(pointerEvent("pointerdown", { buttons: 1 }));
    expect(document.activeElement).toBe(element);
    for (const type of ["mousedown", "mouseup", "auxclick", "contextmenu"]) {
      const event = new MouseEvent(type, { button: 3, cancelable: true });
      element.dispatchEvent(event);
      expect(event.defaultPrevented, type).toBe(true);
    }
  });

  it("turns the wheel into presses of a button at the pointer", () => {
    const { element, seen } = bench();
    for (const deltaY of [110, -53]) {
      const event = new WheelEvent("wheel", { deltaY, cancelable: true });
      Object.defineProperties(event, { clientX: { value: 4 }, clientY: { value: 4 } });
      element.dispatchEvent(event);
      expect(event.defaultPrevented).toBe(true);
    }
    expect(seen).toEqual(["4,4:0", "4,4:16", "4,4:0", "4,4:16", "4,4:0", "4,4:8", "4,4:0"]);
  });

  it("ignores fingers", () => {
    const { element, seen } = bench();
    element.dispatchEvent(pointerEvent("pointerdown", { pointerType: "touch", buttons: 1 }));
    expect(seen).toEqual([]);
  });

  it("lets go of everything when told to", () => {
    const { element, seen, pointer } = bench();
    element.dispatchEvent(pointerEvent("pointerdown", { buttons: 5 }));
    pointer.dispose();
    expect(seen.at(-1)).toBe("0,0:0");
  });
});

describe("Wheel", () => {
  it.each([
    ["a notch per 53 pixels", [[53, 0]], [1]],
    ["three lines", [[3, 1]], [1]],
    ["a page", [[1, 2]], [5]],
    ["small steps that add up", [[20, 0], [20, 0], [20, 0]], [0, 0, 1]],
    ["the remainder kept", [[100, 0], [100, 0], [12, 0]], [1, 2, 1]],
    ["no debt from the other direction", [[52, 0], [-53, 0]], [0, -1]],
    ["a flood held back", [[1e9, 0]], [20]],
    ["nonsense", [[NaN, 0]], [0]],
  ])("counts %s", (_, steps, notches) => {
    const wheel = new Wheel();
    expect(steps.map(([delta = 0, mode]) => wheel.add(delta, mode))).toEqual(notches);
  });
});

type Step = ["down" | "up", number, number, number, number] | ["move", number, number, number] | ["long"] | ["cancel"];

function gestures(steps: readonly Step[]): string[] {
  const seen: string[] = [];
  const recogniser = new Gestures((gesture: Gesture) => {
    const { type, ...rest } = gesture;
    seen.push([type, ...Object.values(rest).map((value) => String(Math.round((value as number) * 100) / 100))].join(" "));
  });
  const last = new Map<number, [number, number]>();
  for (const step of steps) {
    switch (step[0]) {
      case "down":
        last.set(step[1], [step[2], step[3]]);
        recogniser.down(step[1], step[2], step[3], step[4]);
        break;
      case "move":
        recogniser.move(step[1], step[2], step[3]);
        break;
      case "up":
        recogniser.up(step[1], step[4]);
        break;
      case "long":
        recogniser.elapsed();
        break;
      case "cancel":
        recogniser.cancel();
    }
  }
  return seen;
}

describe("Gestures", () => {
  it.each<[string, Step[], string[]]>([
    ["a tap", [["down", 1, 100, 100, 0], ["up", 1, 100, 100, 80]], ["tap 1 100 100"]],
    ["a tap that trembles", [["down", 1, 100, 100, 0], ["move", 1, 104, 103], ["up", 1, 104, 103, 80]], ["tap 1 100 100"]],
    ["a second tap where the first was", [["down", 1, 100, 100, 0], ["up", 1, 0, 0, 80], ["down", 1, 110, 95, 300], ["up", 1, 0, 0, 380]], ["tap 1 100 100", "tap 1 100 100"]],
    ["a second tap elsewhere", [["down", 1, 100, 100, 0], ["up", 1, 0, 0, 80], ["down", 1, 200, 95, 300], ["up", 1, 0, 0, 380]], ["tap 1 100 100", "tap 1 200 95"]],
    ["a drag", [["down", 1, 100, 100, 0], ["up", 1, 0, 0, 80], ["down", 1, 102, 100, 200], ["move", 1, 150, 100], ["move", 1, 160, 100], ["up", 1, 0, 0, 900]], ["tap 1 100 100", "dragStart 100 100", "dragMove 150 100", "dragMove 160 100", "dragEnd 160 100"]],
    ["one finger that moves", [["down", 1, 100, 100, 0], ["move", 1, 100, 120], ["move", 1, 100, 130], ["up", 1, 0, 0, 400]], ["move 100 120 0 20", "move 100 130 0 10", "moveEnd"]],
    ["a long press", [["down", 1, 100, 100, 0], ["long"], ["up", 1, 0, 0, 700]], ["long 100 100", "longRelease 100 100"]],
    ["a long press that wanders off", [["down", 1, 100, 100, 0], ["long"], ["move", 1, 150, 100], ["up", 1, 0, 0, 700]], ["long 100 100"]],
    ["a tap with two fingers", [["down", 1, 100, 100, 0], ["down", 2, 200, 100, 20], ["up", 1, 0, 0, 90], ["up", 2, 0, 0, 100]], ["tap 2 200 100"]],
    ["a tap with three fingers", [["down", 1, 100, 100, 0], ["down", 2, 200, 100, 20], ["down", 3, 300, 100, 30], ["up", 1, 0, 0, 90], ["up", 2, 0, 0, 100], ["up", 3, 0, 0, 110]], ["tap 3 300 100"]],
    ["four fingers mean nothing", [["down", 1, 100, 100, 0], ["down", 2, 200, 100, 20], ["down", 3, 300, 100, 30], ["down", 4, 400, 100, 30], ["up", 1, 0, 0, 90], ["up", 2, 0, 0, 100], ["up", 3, 0, 0, 110], ["up", 4, 0, 0, 120]], []],
    ["two fingers that scroll", [["down", 1, 100, 100, 0], ["down", 2, 200, 100, 0], ["move", 1, 100, 130], ["move", 2, 200, 130], ["move", 1, 100, 140], ["up", 1, 0, 0, 300], ["move", 2, 200, 300], ["up", 2, 0, 0, 300]], ["scroll 150 130 30", "scroll 150 135 5"]],
    ["a pinch", [["down", 1, 100, 100, 0], ["down", 2, 200, 100, 0], ["move", 1, 50, 100], ["move", 2, 250, 100], ["up", 1, 0, 0, 300], ["up", 2, 0, 0, 300]], ["pinch 125 100 1.5", "pinch 150 100 1.33"]],
    ["what two fingers began they keep", [["down", 1, 100, 100, 0], ["down", 2, 200, 100, 0], ["move", 1, 100, 150], ["move", 1, 20, 150], ["up", 1, 0, 0, 300], ["up", 2, 0, 0, 300]], ["scroll 150 125 25", "scroll 110 125 0"]],
    ["three fingers up", [["down", 1, 100, 300, 0], ["down", 2, 200, 300, 0], ["down", 3, 300, 300, 0], ["move", 1, 100, 230], ["move", 2, 200, 230], ["move", 3, 300, 230], ["up", 1, 0, 0, 300]], ["swipeUp"]],
    ["a swipe from the left edge", [["down", 1, 5, 100, 0], ["move", 1, 40, 100], ["move", 1, 80, 100], ["up", 1, 0, 0, 200]], ["edgeSwipe"]],
    ["a move down at the left edge", [["down", 1, 5, 100, 0], ["move", 1, 8, 140], ["up", 1, 0, 0, 200]], ["move 8 140 3 40", "moveEnd"]],
    ["a second finger that ends a drag", [["down", 1, 100, 100, 0], ["up", 1, 0, 0, 50], ["down", 1, 100, 100, 100], ["move", 1, 150, 100], ["down", 2, 300, 100, 200], ["up", 2, 0, 0, 220], ["up", 1, 0, 0, 230]], ["tap 1 100 100", "dragStart 100 100", "dragMove 150 100", "dragEnd 150 100"]],
    ["fingers taken away", [["down", 1, 100, 100, 0], ["cancel"], ["up", 1, 0, 0, 50]], []],
  ])("knows %s", (_, steps, expected) => {
    expect(gestures(steps)).toEqual(expected);
  });
});

describe("Touch", () => {
  function bench(mode: TouchMode, zoomed = false): { touch: Touch; seen: string[]; finger: (type: string, x: number, y: number, id?: number, init?: PointerEventInit) => void } {
    const element = document.createElement("div");
    const touch = new Touch(element, display(), { mode, zoomed: () => zoomed });
    const seen: string[] = [];
    touch.on("mouse", (state) => seen.push(line(state)));
    touch.on("touch", ({ id, x, y, radiusX, radiusY, angle, force }) => seen.push(["touch", id, x, y, radiusX, radiusY, angle, force].join(" ")));
    touch.on("pan", ({ dx, dy }) => seen.push("pan " + dx + " " + dy));
    touch.on("zoom", ({ factor }) => seen.push("zoom " + factor));
    touch.on("buzz", () => seen.push("buzz"));
    const finger = (type: string, x: number, y: number, id = 1, init: PointerEventInit = {}): void => {
      element.dispatchEvent(pointerEvent("pointer" + type, { pointerType: "touch", pointerId: id, clientX: x, clientY: y, ...init }));
    };
    return { touch, seen, finger };
  }

  it("direct: a tap is a click there", () => {
    const { seen, finger } = bench("direct");
    finger("down", 50, 60);
    finger("up", 50, 60);
    expect(seen).toEqual(["50,60:0", "50,60:1", "50,60:0"]);
  });

  it("direct: a long press is a right click on release", () => {
    const { seen, finger } = bench("direct");
    finger("down", 50, 60);
    vi.advanceTimersByTime(500);
    expect(seen).toEqual(["buzz"]);
    finger("up", 50, 60);
    expect(seen).toEqual(["buzz", "50,60:0", "50,60:4", "50,60:0"]);
  });

  it("direct: two fingers tap the right button, three the middle one", () => {
    for (const [count, button] of [[2, 4], [3, 2]] as const) {
      const { seen, finger } = bench("direct");
      for (let id = 1; id <= count; id++) finger("down", 100, 100, id);
      for (let id = 1; id <= count; id++) finger("up", 100, 100, id);
      expect(seen).toEqual(["100,100:0", "100,100:" + button, "100,100:0"]);
    }
  });

  it("direct: one finger scrolls, and pans what is zoomed", () => {
    const plain = bench("direct");
    plain.finger("down", 50, 60);
    plain.finger("move", 50, 100);
    expect(plain.seen).toEqual(["50,100:8", "50,100:0", "50,100:8", "50,100:0"]);
    const zoomed = bench("direct", true);
    zoomed.finger("down", 50, 60);
    zoomed.finger("move", 50, 100);
    expect(zoomed.seen).toEqual(["pan 0 40"]);
  });

  it("direct: letting go of everything lifts the button of a drag", () => {
    const { touch, seen, finger } = bench("direct");
    finger("down", 50, 60);
    finger("up", 50, 60);
    finger("down", 50, 60);
    finger("move", 90, 60);
    touch.releaseAll();
    expect(seen.at(-2)).toBe("90,60:1");
    expect(seen.at(-1)).toBe("90,60:0");
  });

  it("touchpad: fingers move the pointer and click where it is", () => {
    const { seen, finger } = bench("touchpad");
    finger("down", 50, 60);
    finger("move", 50, 72);
    finger("up", 50, 72);
    finger("down", 10, 10);
    finger("up", 10, 10);
    expect(seen).toEqual(["500,524:0", "500,524:1", "500,524:0"]);
  });

  it("touchpad: a long press holds the button until the next tap", () => {
    const { seen, finger } = bench("touchpad");
    finger("down", 50, 60);
    vi.advanceTimersByTime(500);
    finger("up", 50, 60);
    finger("down", 50, 60);
    finger("up", 50, 60);
    expect(seen).toEqual(["buzz", "500,500:1", "500,500:0"]);
  });

  it("native: sends the touches themselves and lifts them", () => {
    const { touch, seen, finger } = bench("native");
    finger("down", 5, 6, 1, { width: 10, height: 8, pressure: 0.5 });
    finger("down", 50, 60, 2);
    finger("up", 5, 6, 1);
    touch.releaseAll();
    expect(seen).toEqual(["touch 1 5 6 5 4 0 0.5", "touch 2 50 60 0 0 0 1", "touch 1 5 6 0 0 0 0", "touch 2 50 60 0 0 0 0"]);
  });
});
