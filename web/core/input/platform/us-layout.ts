/**
 * Characters each key makes on a US keyboard, plain and with Shift. A character that differs under
 * Ctrl+Alt was made by a third level; and where a modifier turned the character into another one,
 * this says which key it was.
 */
const CHARACTERS: Readonly<Record<string, string>> = {
  Backquote: "`~", Digit1: "1!", Digit2: "2@", Digit3: "3#", Digit4: "4$", Digit5: "5%",
  Digit6: "6^", Digit7: "7&", Digit8: "8*", Digit9: "9(", Digit0: "0)", Minus: "-_", Equal: "=+",
  BracketLeft: "[{", BracketRight: "]}", Backslash: "\\|", Semicolon: ";:", Quote: "'\"",
  Comma: ",<", Period: ".>", Slash: "/?", Space: "  ",
};

const LETTER = /^Key([A-Z])$/;

/** Plain and shifted character of the key `code`, or an empty string for keys without. */
export function usCharacters(code: string): string {
  const letter = LETTER.exec(code)?.[1];
  if (letter !== undefined) return letter.toLowerCase() + letter;
  return Object.hasOwn(CHARACTERS, code) ? (CHARACTERS[code] ?? "") : "";
}

/** Whether the key `code` makes `character` without a third level, as far as can be told. */
export function isPlainFor(code: string, character: string): boolean {
  if (/^[\p{L}\d ]$/u.test(character)) return true;
  return usCharacters(code).includes(character);
}
