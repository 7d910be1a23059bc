// @vitest-environment happy-dom
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Keyboard, type KeyboardOptions } from "../../core/input/keyboard.ts";
import { Keysym, keysymForKey, keysymOf } from "../../core/input/keysyms.ts";
import { detectPlatform, type Platform } from "../../core/input/platform/detect.ts";

interface Row {
  readonly name: string;
  readonly platform?: Platform;
  readonly options?: KeyboardOptions;
  readonly events: readonly string[];
  readonly expect: string;
}

const NAMES = new Map<number, string>(Object.entries(Keysym).map(([name, keysym]) => [keysym, name]));

function nameOf(keysym: number): string {
  const known = NAMES.get(keysym);
  if (known !== undefined) return known;
  if (keysym >= 0x01000000) return String.fromCodePoint(keysym - 0x01000000);
  return keysym <= 0xff ? String.fromCodePoint(keysym) : "0x" + keysym.toString(16);
}

function locationOf(code: string): number {
  if (code.startsWith("Numpad")) return 3;
  if (!/^(Shift|Control|Alt|Meta)/.test(code)) return 0;
  return code.endsWith("Right") ? 2 : 1;
}

function flagsOf(flags: string): KeyboardEventInit {
  return {
    ctrlKey: flags.includes("C"),
    altKey: flags.includes("A"),
    shiftKey: flags.includes("S"),
    metaKey: flags.includes("M"),
    modifierAltGraph: flags.includes("G"),
    repeat: flags.includes("r"),
    isComposing: flags.includes("i"),
  };
}

class Bench {
  readonly sink = document.createElement("textarea");
  readonly seen: string[] = [];
  readonly keyboard: Keyboard;
  lastPrevented = false;

  constructor(options: KeyboardOptions) {
    document.body.append(this.sink);
    this.keyboard = new Keyboard(this.sink, options);
    this.keyboard.on("key", ({ keysym, pressed }) => this.seen.push((pressed ? "+" : "-") + nameOf(keysym)));
    this.keyboard.on("chord", () => this.seen.push("chord"));
    this.keyboard.on("paste", ({ resume }) => {
      this.seen.push("paste");
      resume();
      resume();
    });
  }

  play(line: string): void {
    const [verb = "", ...words] = line.split(" ");
    switch (verb) {
      case "down":
      case "up": {
        const [key = "", code = "", flags = ""] = words;
        const init = { key, code, location: locationOf(code), bubbles: true, cancelable: true, ...flagsOf(flags) };
        const event = new KeyboardEvent("key" + verb, init);
        Object.defineProperty(event, "getModifierState", { value: (name: string) => name === "AltGraph" && flags.includes("G") });
        Object.defineProperty(event, "isComposing", { value: flags.includes("i") });
        this.#dispatch(event);
        break;
      }
      case "wait":
        vi.advanceTimersByTime(Number(words[0]));
        break;
      case "blur":
        this.#dispatch(new FocusEvent("blur"));
        break;
      case "hidden":
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
        Object.defineProperty(document, "hidden", { value: false, configurable: true });
        break;
      case "click":
        this.keyboard.sync(new MouseEvent("pointerdown", flagsOf(words[0] ?? "")));
        break;
      case "compose":
        this.#compose("compositionstart", "");
        for (const text of words) this.#compose("compositionupdate", text);
        this.#compose("compositionend", words.at(-1) ?? "");
        break;
      case "input": {
        const [inputType = "", data] = words;
        const init = { inputType, data: data ?? null, bubbles: true, cancelable: true };
        this.#dispatch(new InputEvent("beforeinput", init));
        if (!this.lastPrevented) this.#dispatch(new InputEvent("input", init));
        break;
      }
      case "paste":
        this.#dispatch(new Event("paste", { cancelable: true }));
        break;
      default:
        throw new Error("unknown event " + line);
    }
  }

  #compose(type: string, data: string): void {
    const event = new Event(type);
    Object.defineProperty(event, "data", { value: data });
    this.#dispatch(event);
  }

  #dispatch(event: Event): void {
    this.sink.dispatchEvent(event);
    this.lastPrevented = event.defaultPrevented;
  }
}

function rows(file: string): Row[] {
  const path = fileURLToPath(new URL("../fixtures/keys/" + file + ".json", import.meta.url));
  return JSON.parse(readFileSync(path, "utf8")) as Row[];
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

for (const file of ["common", "linux", "windows", "mac", "android"] as const) {
  describe("keys on " + file, () => {
    it.each(rows(file))("$name", (row) => {
      const platform = row.platform ?? (file === "common" ? "linux" : file);
      const bench = new Bench({ platform, ...row.options });
      for (const line of row.events) bench.play(line);
      expect(bench.seen.join(" ")).toBe(row.expect);
      expect(bench.sink.value).toBe("");

      // Whatever happened, letting go leaves nothing down.
      bench.keyboard.dispose();
      const down = new Set<string>();
      for (const step of bench.seen) {
        if (step.startsWith("+")) down.add(step.slice(1));
        else if (step.startsWith("-")) down.delete(step.slice(1));
      }
      expect([...down]).toEqual([]);
      expect(vi.getTimerCount()).toBe(0);
    });
  });
}

describe("Keyboard", () => {
  it("prevents what it sends and leaves the rest to the page", () => {
    const bench = new Bench({ platform: "linux" });
    bench.play("down a KeyA");
    expect(bench.lastPrevented).toBe(true);
    bench.play("down AudioVolumeUp AudioVolumeUp");
    expect(bench.lastPrevented).toBe(false);
    bench.play("down Dead BracketLeft");
    expect(bench.lastPrevented).toBe(false);
  });

  it("does not prevent a paste combination, or no paste event would come", () => {
    const bench = new Bench({ platform: "linux" });
    bench.play("down v KeyV C");
    expect(bench.lastPrevented).toBe(false);
  });

  it("keeps local what it is told to", () => {
    const bench = new Bench({ platform: "linux", keepLocal: (event) => event.key === "F11" });
    bench.play("down F11 F11");
    expect(bench.seen).toEqual([]);
    expect(bench.lastPrevented).toBe(false);
  });

  it("repairs modifiers before a press of the mouse, while it has the focus", () => {
    const bench = new Bench({ platform: "linux" });
    const press = (): void => void document.dispatchEvent(new PointerEvent("pointerdown", { ctrlKey: true, pointerType: "mouse" }));
    press();
    expect(bench.seen).toEqual([]);
    bench.sink.focus();
    press();
    expect(bench.seen).toEqual(["+Control_L"]);
    bench.keyboard.dispose();
  });

  it("presses a combination in order and releases it in reverse", () => {
    const bench = new Bench({ platform: "linux" });
    bench.keyboard.combo(Keysym.Control_L, Keysym.Alt_L, Keysym.Delete);
    expect(bench.seen.join(" ")).toBe("+Control_L +Alt_L +Delete -Delete -Alt_L -Control_L");
  });

  it("sends a paste combination as any key when nobody listens", () => {
    const sink = document.createElement("textarea");
    const keyboard = new Keyboard(sink, { platform: "linux" });
    const keys: number[] = [];
    keyboard.on("key", ({ keysym }) => keys.push(keysym));
    const event = new KeyboardEvent("keydown", { key: "v", code: "KeyV", ctrlKey: true, cancelable: true });
    sink.dispatchEvent(event);
    expect(keys).toEqual([Keysym.Control_L, 0x76]);
    expect(event.defaultPrevented).toBe(true);
  });
});

describe("keysyms", () => {
  it.each([
    ["a", 0x61], ["ÿ", 0xff], ["Ā", 0x01000100], ["€", 0x010020ac], ["🙂", 0x0101f642], ["\n", 0xff0d], ["\t", 0xff09],
  ])("of the character %j", (text, keysym) => {
    expect(keysymOf(text)).toBe(keysym);
  });

  it("of keys that are no property by accident", () => {
    expect(keysymForKey("constructor", 0)).toBeNull();
    expect(keysymForKey("F25", 0)).toBeNull();
    expect(keysymForKey("F24", 0)).toBe(0xffd5);
  });
});

describe("detectPlatform", () => {
  it.each([
    ["MacIntel", "Macintosh", 0, "mac"],
    ["MacIntel", "Macintosh", 5, "ios"],
    ["Win32", "Windows NT 10.0", 10, "windows"],
    ["Linux x86_64", "X11; Linux", 0, "linux"],
    ["Linux armv8l", "Linux; Android 15", 5, "android"],
    ["iPhone", "iPhone; CPU iPhone OS", 5, "ios"],
  ])("takes %s with %s and %i touch points for the right one", (platform, userAgent, maxTouchPoints, expected) => {
    expect(detectPlatform({ platform, userAgent, maxTouchPoints } as Navigator)).toBe(expected);
  });
});
