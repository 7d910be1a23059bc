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

/** What a key acts as. AltGr has no flag of its own in events. */
export type Role = Modifier | "AltGraph";

const ROLES: Readonly<Record<string, Role>> = {
  Shift: "Shift",
  Control: "Control",
  Alt: "Alt",
  Meta: "Meta",
  OS: "Meta",
  Super: "Meta",
  AltGraph: "AltGraph",
};

/** The modifier a key event is about, or `null` for all other keys. */
export function roleOf(event: KeyboardEvent): Role | null {
  // X11 calls Alt "Meta" while Shift is down.
  if (event.key === "Meta" && event.code.startsWith("Alt")) return "Alt";
  return Object.hasOwn(ROLES, event.key) ? (ROLES[event.key] ?? null) : null;
}

/** The physical key; browsers that do not tell it get one name per character. */
export function codeOf(event: KeyboardEvent): string {
  return event.code !== "" && event.code !== "Unidentified" ? event.code : "key:" + event.key;
}

/** Name in the ledger of a modifier that went down where we could not see it. */
export function unseenCode(modifier: Modifier): string {
  return "unseen:" + modifier;
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
