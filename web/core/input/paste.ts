import { Keysym, keysymOf } from "./keysyms.ts";

/** A paste combination, to be sent after the clipboard. */
export interface PasteCombination {
  readonly code: string;
  /** Left-hand keysyms of the modifiers it needs. */
  readonly modifiers: readonly number[];
  readonly keysym: number;
}

/** What a terminal or a desktop takes as "paste". */
export function usualPaste(terminal: boolean): PasteCombination {
  const modifiers = terminal ? [Keysym.Control_L, Keysym.Shift_L] : [Keysym.Control_L];
  return { code: "KeyV", modifiers, keysym: keysymOf(terminal ? "V" : "v") };
}

/**
 * The combination `event` is, if browsers paste on it: Ctrl+V, Ctrl+Shift+V, Shift+Insert, and with
 * Command on Apple's systems.
 */
export function pasteCombination(event: KeyboardEvent, apple: boolean, terminal: boolean): PasteCombination | null {
  const { ctrlKey, shiftKey, altKey, metaKey, code, key } = event;
  if (altKey || event.getModifierState("AltGraph")) return null;
  if (key === "Insert" && shiftKey && !ctrlKey && !metaKey && !apple) {
    return { code, modifiers: [Keysym.Shift_L], keysym: Keysym.Insert };
  }
  const isV = key === "v" || key === "V";
  if (isV && apple && metaKey && !ctrlKey) return { ...usualPaste(terminal || shiftKey), code };
  if (isV && !apple && ctrlKey && !metaKey) {
    const modifiers = shiftKey ? [Keysym.Control_L, Keysym.Shift_L] : [Keysym.Control_L];
    return { code, modifiers, keysym: keysymOf(key) };
  }
  return null;
}
