import { Keysym } from "./keysyms.ts";

/** Modifiers whose state every key and pointer event tells. */
export type Modifier = "Shift" | "Control" | "Alt" | "Meta";

/** The flags of key and pointer events. */
export interface ModifierFlags {
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
}

export const MODIFIERS: readonly Modifier[] = ["Shift", "Control", "Alt", "Meta"];

const CODES: Readonly<Record<Modifier, readonly string[]>> = {
  Shift: ["ShiftLeft", "ShiftRight"],
  Control: ["ControlLeft", "ControlRight"],
  Alt: ["AltLeft", "AltRight"],
  Meta: ["MetaLeft", "MetaRight", "OSLeft", "OSRight"],
};

/** Codes of the keys that act as this modifier, with the one that stands for an unseen press. */
export function codesOf(modifier: Modifier): readonly string[] {
  return [...CODES[modifier], unseenCode(modifier)];
}

/** Name in the ledger of a modifier that went down where we could not see it. */
export function unseenCode(modifier: Modifier): string {
  return "unseen:" + modifier;
}

/** The modifier a key is, by its code. */
export function modifierOf(code: string): Modifier | null {
  return MODIFIERS.find((modifier) => CODES[modifier].includes(code)) ?? null;
}

export function flagOf(flags: ModifierFlags, modifier: Modifier): boolean {
  switch (modifier) {
    case "Shift":
      return flags.shiftKey;
    case "Control":
      return flags.ctrlKey;
    case "Alt":
      return flags.altKey;
    case "Meta":
      return flags.metaKey;
  }
}

/** The left-hand keysym of a modifier. */
export const LEFT_KEYSYM: Readonly<Record<Modifier, number>> = {
  Shift: Keysym.Shift_L,
  Control: Keysym.Control_L,
  Alt: Keysym.Alt_L,
  Meta: Keysym.Super_L,
};
