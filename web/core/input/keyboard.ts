import { Emitter } from "../emitter.ts";
import { Compose } from "./compose.ts";
import { HeldKeys } from "./held.ts";
import { Keysym, isCharacter, keysymForKey, keysymOf } from "./keysyms.ts";
import { Ledger } from "./ledger.ts";
import {
  LEFT_KEYSYM,
  MODIFIERS,
  codeOf,
  flagOf,
  roleOf,
  unseenCode,
  type Modifier,
  type ModifierFlags,
  type Role,
} from "./modifiers.ts";
import { pasteCombination, usualPaste, type PasteCombination } from "./paste.ts";
import { detectPlatform, isApple, type Platform } from "./platform/detect.ts";
import { isPlainFor, usCharacters } from "./platform/us-layout.ts";

/** Events of a {@link Keyboard}. */
export interface KeyboardEvents {
  key: { keysym: number; pressed: boolean };
  /** Ctrl+Alt+Shift alone was pressed and released. */
  chord: Record<never, never>;
  /**
   * The user pasted. Send the clipboard, then call `resume()`, which sends the combination that was
   * held back. With no listener the combination goes out as any other.
   */
  paste: { data: DataTransfer | null; resume: () => void };
}

/** Settings of a {@link Keyboard}; all but `platform` may change at any time. */
export interface KeyboardOptions {
  /** Default: the one this page runs on. */
  platform?: Platform;
  /** What Command does on a Mac; default `ctrl`. */
  command?: "ctrl" | "super" | "local";
  /** Terminal: Cmd+C and Cmd+V become Ctrl+Shift+C and V; default false. */
  terminal?: boolean;
  /** Recognise the chord; default true. */
  chord?: boolean;
  /** True keeps the event in the page: neither sent nor prevented. */
  keepLocal?: (event: KeyboardEvent) => boolean;
}

/** Windows sends both halves of AltGr within a few milliseconds. */
const ALTGR_WAIT_MS = 50;
/** Ctrl, Alt and Shift held longer than this are meant for the machine. */
const CHORD_WAIT_MS = 1000;
/** Key code of events that belong to an input method. */
const KEYCODE_COMPOSING = 229;
const COMPOSING_KEYS: ReadonlySet<string> = new Set(["Dead", "Process", "Unidentified"]);

/** What the chord is made of. */
const CHORD: readonly Role[] = ["Control", "Alt", "Shift"];

/**
 * Browser key events in, keysyms out. The sink is the focused element over the picture, best a
 * transparent text area: it brings input methods, dead keys, phone keyboards and `paste` events.
 */
export class Keyboard extends Emitter<KeyboardEvents> {
  readonly options: KeyboardOptions;
  readonly #platform: Platform;
  readonly #apple: boolean;
  readonly #ledger = new Ledger((keysym, pressed) => this.emit("key", { keysym, pressed }));
  readonly #held = new HeldKeys((code, keysyms) => this.#ledger.press(code, keysyms));
  readonly #compose: Compose;
  readonly #abort = new AbortController();
  /** Which modifier each key that is down acts as. */
  readonly #roles = new Map<string, Role>();
  /** Modifiers of a finished chord that are still down mean nothing until they are up. */
  #muted = false;
  #paste: PasteCombination | null = null;

  constructor(sink: HTMLElement, options: KeyboardOptions = {}) {
    super();
    this.options = options;
    this.#platform = options.platform ?? detectPlatform();
    this.#apple = isApple(this.#platform);
    const signal = this.#abort.signal;
    const live = this.#platform === "android" || this.#platform === "ios";
    const target = {
      type: (text: string) => this.#type(text),
      backspace: (count: number) => {
        for (let i = 0; i < count; i++) this.#tap(Keysym.BackSpace);
      },
      composing: () => this.#useOption(),
    };
    this.#compose = new Compose(sink, target, live, signal);
    sink.addEventListener("keydown", (event) => this.#down(event), { signal });
    sink.addEventListener("keyup", (event) => this.#up(event), { signal });
    sink.addEventListener("paste", (event) => this.#pasted(event), { signal });
    const release = (): void => this.releaseAll();
    sink.addEventListener("blur", release, { signal });
    globalThis.addEventListener("pagehide", release, { signal });
    globalThis.addEventListener("blur", release, { signal });
    document.addEventListener("visibilitychange", () => document.hidden && release(), { signal });
    // Before the press itself is sent: it must meet the right modifiers.
    const press = (event: PointerEvent): void => {
      if (event.pointerType !== "touch" && document.activeElement === sink) this.sync(event);
    };
    document.addEventListener("pointerdown", press, { signal, capture: true });
  }

  /** Keysyms held down at the machine now, oldest first. */
  get pressed(): readonly number[] {
    return this.#ledger.keysyms;
  }

  /** Releases everything, newest first. */
  releaseAll(): void {
    this.#held.clear();
    this.#roles.clear();
    this.#paste = null;
    this.#muted = false;
    this.#compose.cancel();
    this.#ledger.releaseAll();
  }

  /** Presses in this order and releases in reverse: `combo(Keysym.Control_L, Keysym.Alt_L, Keysym.Delete)`. */
  combo(...keysyms: number[]): void {
    const added = keysyms.filter((keysym) => !this.#ledger.isDown(keysym));
    for (const keysym of added) this.emit("key", { keysym, pressed: true });
    for (const keysym of added.reverse()) this.emit("key", { keysym, pressed: false });
  }

  /** Repairs what differs between the modifiers of a pointer event and ours. */
  sync(flags: ModifierFlags): void {
    this.#held.commitAll("altgr", "option", "chord");
    this.#repair(flags, null);
  }

  /** Stops listening; releases everything first. */
  dispose(): void {
    this.releaseAll();
    this.#abort.abort();
  }

  #down(event: KeyboardEvent): void {
    if (this.options.keepLocal?.(event)) return;
    if (this.#belongsToComposition(event)) {
      this.#useOption();
      return;
    }
    const code = codeOf(event);
    const role = roleOf(event);
    if (event.repeat && this.#isDown(code)) {
      event.preventDefault();
      if (role === null) this.#ledger.repeat(code);
      return;
    }
    if (role !== null) {
      this.#modifierDown(event, code, role);
      return;
    }
    this.#held.commitAll("altgr", "chord");
    this.#repair(event, null);
    this.#keyDown(event, code);
  }

  #modifierDown(event: KeyboardEvent, code: string, role: Role): void {
    if (role === "Meta" && this.#apple && this.options.command === "local") return;
    event.preventDefault();
    if (!event.repeat) this.#muted = false;
    if (this.#isDown(code)) return;
    if (role === "AltGraph" || this.#isAltGr(event, code)) {
      // Windows made a Ctrl of its own to go with it: down, but nothing to send.
      if (this.#held.take("ControlLeft") !== undefined) this.#ledger.press("ControlLeft", []);
      this.#roles.delete("ControlLeft");
      this.#roles.set(code, "AltGraph");
      this.#ledger.press(code, [Keysym.ISO_Level3_Shift]);
      return;
    }
    this.#held.commitAll("altgr");
    this.#repair(event, role);
    this.#roles.set(code, role);
    const keysyms = [this.#modifierKeysym(event, role)];
    if (this.#completesChord(role)) this.#held.hold(code, keysyms, "chord", CHORD_WAIT_MS);
    else if (role === "Alt" && this.#apple) this.#held.hold(code, keysyms, "option");
    else if (code === "ControlLeft" && this.#platform === "windows") this.#held.hold(code, keysyms, "altgr", ALTGR_WAIT_MS);
    else this.#ledger.press(code, keysyms);
  }

  #keyDown(event: KeyboardEvent, code: string): void {
    if (event.key === "CapsLock" && this.#apple) {
      event.preventDefault();
      this.#tap(Keysym.Caps_Lock);
      return;
    }
    const command = this.#apple && event.metaKey;
    const combination = this.hasListener("paste")
      ? pasteCombination(event, this.#apple, this.options.terminal ?? false)
      : null;
    if (combination !== null) {
      // Not prevented: the browser answers with a `paste` event.
      if (event.repeat) event.preventDefault();
      else this.#paste = combination;
      return;
    }
    if (command && this.options.command === "local") return;

    const key = this.#effectiveKey(event);
    const keysym = this.#isSecureAttention(key) ? Keysym.Delete : keysymForKey(key, event.location);
    if (keysym === null) return;
    event.preventDefault();
    if (command) this.#tapUnderCommand(key, keysym);
    else if (this.#makesThirdLevel(event)) this.#without(["Control", "Alt"], () => this.#tap(keysym));
    else this.#ledger.press(code, [keysym]);
  }

  #up(event: KeyboardEvent): void {
    const code = codeOf(event);
    const role = this.#roles.get(code);
    if (this.#paste?.code === code) {
      // No paste event came: the combination is a key like any other.
      const combination = this.#paste;
      this.#paste = null;
      this.#sendPaste(combination);
    }
    if (event.key === "CapsLock" && this.#apple) this.#tap(Keysym.Caps_Lock);
    if (role !== undefined && this.#held.find("chord") && CHORD.includes(role)) {
      this.#chord();
      return;
    }
    const held = this.#held.get(code);
    if (held !== undefined) {
      if (held.used) this.#held.take(code);
      else this.#held.commit(code);
    }
    if (this.#isDown(code)) event.preventDefault();
    this.#ledger.release(code);
    this.#roles.delete(code);
    // Windows tells only one release of two Shift keys.
    if (role === "Shift" && this.#platform === "windows") this.#releaseRole("Shift");
    // Some systems count the key that goes up among the modifiers still down.
    this.#repair(event, role ?? null);
  }

  /** Makes ours what the flags of an event say. `own` is the modifier the event itself is about. */
  #repair(flags: ModifierFlags, own: Role | null): void {
    const altGr = this.#codesOf("AltGraph").length > 0;
    if (!MODIFIERS.some((modifier) => flagOf(flags, modifier))) this.#muted = false;
    for (const modifier of MODIFIERS) {
      if (modifier === own) continue;
      const down = this.#codesOf(modifier).length > 0;
      if (!flagOf(flags, modifier)) {
        if (down) this.#releaseRole(modifier);
      } else if (!down && !this.#muted && !(altGr && (modifier === "Control" || modifier === "Alt"))) {
        this.#pressUnseen(modifier);
      }
    }
  }

  #pressUnseen(modifier: Modifier): void {
    if (modifier === "Meta" && this.#apple && this.options.command === "local") return;
    const code = unseenCode(modifier);
    this.#roles.set(code, modifier);
    const asControl = modifier === "Meta" && this.#commandIsControl;
    const keysyms = [asControl ? Keysym.Control_L : LEFT_KEYSYM[modifier]];
    if (modifier === "Alt" && this.#apple) this.#held.hold(code, keysyms, "option");
    else this.#ledger.press(code, keysyms);
  }

  /** What the key is, once Option is taken into account. */
  #effectiveKey(event: KeyboardEvent): string {
    if (!this.#apple || this.#codesOf("Alt").length === 0) return event.key;
    if (isCharacter(event.key) && !event.ctrlKey && !event.metaKey) {
      this.#useOption();
      return event.key;
    }
    this.#held.commitAll("option");
    // Option turned the character into another one; with Ctrl or Command the key itself is meant.
    const plain = isCharacter(event.key) ? usCharacters(event.code) : "";
    return plain.charAt(event.shiftKey ? 1 : 0) || event.key;
  }

  /** Option made text: it is no Alt, and if one was sent it is taken back. */
  #useOption(): void {
    if (!this.#apple) return;
    for (const code of this.#codesOf("Alt")) {
      const keysyms = this.#ledger.get(code);
      if (keysyms !== undefined) {
        this.#ledger.release(code);
        this.#held.hold(code, keysyms, "option");
      }
      const held = this.#held.get(code);
      if (held?.reason === "option") held.used = true;
    }
  }

  #tapUnderCommand(key: string, keysym: number): void {
    const copies = this.options.terminal && this.#commandIsControl && key === "c";
    // No release arrives while Command is down, so press and release go together.
    if (copies) this.combo(Keysym.Shift_L, keysymOf("C"));
    else this.#tap(keysym);
  }

  /** Ctrl+Alt that made a character no plain key makes is AltGr in all but name. */
  #makesThirdLevel(event: KeyboardEvent): boolean {
    if (this.#platform !== "windows" || !isCharacter(event.key)) return false;
    const both = this.#codesOf("Control").length > 0 && this.#codesOf("Alt").length > 0;
    return both && !isPlainFor(event.code, event.key);
  }

  /** Runs `action` with these modifiers up. */
  #without(roles: readonly Role[], action: () => void): void {
    const lifted: [string, readonly number[]][] = [];
    for (const code of this.#ledger.codes.reverse()) {
      const role = this.#roles.get(code);
      const keysyms = this.#ledger.get(code);
      if (role === undefined || keysyms === undefined || !roles.includes(role)) continue;
      this.#ledger.release(code);
      lifted.unshift([code, keysyms]);
    }
    action();
    for (const [code, keysyms] of lifted) this.#ledger.press(code, keysyms);
  }

  #isSecureAttention(key: string): boolean {
    // Operating systems keep Ctrl+Alt+Del; Ctrl+Alt+End stands for it.
    return key === "End" && this.#codesOf("Control").length > 0 && this.#codesOf("Alt").length > 0;
  }

  #completesChord(role: Role): boolean {
    if (this.options.chord === false || !CHORD.includes(role)) return false;
    const roles = new Set(this.#roles.values());
    const onlyModifiers = this.#ledger.codes.every((code) => this.#roles.has(code));
    return onlyModifiers && CHORD.every((part) => roles.has(part)) && roles.size === CHORD.length;
  }

  #chord(): void {
    this.releaseAll();
    this.#muted = true;
    this.emit("chord", {});
  }

  #pasted(event: ClipboardEvent): void {
    const combination = this.#paste ?? usualPaste(this.options.terminal ?? false);
    this.#paste = null;
    if (!this.hasListener("paste")) return;
    event.preventDefault();
    let resumed = false;
    const resume = (): void => {
      if (!resumed) this.#sendPaste(combination);
      resumed = true;
    };
    this.emit("paste", { data: event.clipboardData, resume });
  }

  #sendPaste(combination: PasteCombination): void {
    const { Control_R, Shift_R } = Keysym;
    const right = (keysym: number): number => (keysym === Keysym.Shift_L ? Shift_R : Control_R);
    const missing = combination.modifiers.filter(
      (keysym) => !this.#ledger.isDown(keysym) && !this.#ledger.isDown(right(keysym)),
    );
    this.combo(...missing, combination.keysym);
  }

  #isAltGr(event: KeyboardEvent, code: string): boolean {
    return code === "AltRight" && event.location === 2 && this.#held.get("ControlLeft")?.reason === "altgr";
  }

  #modifierKeysym(event: KeyboardEvent, role: Role): number {
    if (role === "Meta" && this.#commandIsControl) return event.location === 2 ? Keysym.Control_R : Keysym.Control_L;
    return keysymForKey(role, event.location) ?? Keysym.ISO_Level3_Shift;
  }

  get #commandIsControl(): boolean {
    return this.#apple && (this.options.command ?? "ctrl") === "ctrl";
  }

  #belongsToComposition(event: KeyboardEvent): boolean {
    return event.isComposing || event.keyCode === KEYCODE_COMPOSING || COMPOSING_KEYS.has(event.key);
  }

  #codesOf(role: Role): string[] {
    return [...this.#roles].filter(([, other]) => other === role).map(([code]) => code);
  }

  #releaseRole(role: Role): void {
    for (const code of this.#codesOf(role).reverse()) {
      this.#held.take(code);
      this.#ledger.release(code);
      this.#roles.delete(code);
    }
  }

  #isDown(code: string): boolean {
    return this.#ledger.has(code) || this.#held.get(code) !== undefined;
  }

  #tap(keysym: number): void {
    this.emit("key", { keysym, pressed: true });
    this.emit("key", { keysym, pressed: false });
  }

  #type(text: string): void {
    for (const character of text) this.#tap(keysymOf(character));
  }
}
