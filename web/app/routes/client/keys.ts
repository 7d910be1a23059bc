import type { KeysymName } from "../../../core";

/** Combinations the browser or the operating system keeps for itself, offered as menu entries. */
export const KEY_COMBINATIONS: readonly { name: string; keys: readonly KeysymName[] }[] = [
  { name: "Ctrl+Alt+Del", keys: ["Control_L", "Alt_L", "Delete"] },
  { name: "Alt+Tab", keys: ["Alt_L", "Tab"] },
  { name: "Alt+F4", keys: ["Alt_L", "F4"] },
  { name: "Super", keys: ["Super_L"] },
  { name: "Print", keys: ["Print"] },
  { name: "Esc", keys: ["Escape"] },
  { name: "F11", keys: ["F11"] },
];

/** Letters together with Ctrl that browsers keep: their keysyms are their character codes. */
export const CONTROL_LETTERS: readonly string[] = ["W", "T", "N"];

/** Every entry of the Keys menu with the keysyms it sends. */
export function keyMenu(): { name: string; keys: (KeysymName | number)[] }[] {
  return [
    ...KEY_COMBINATIONS.map((entry) => ({ name: entry.name, keys: [...entry.keys] })),
    ...CONTROL_LETTERS.map((letter) => ({
      name: `Ctrl+${letter}`,
      keys: ["Control_L" as const, letter.toLowerCase().charCodeAt(0)],
    })),
  ];
}
