/** What an element may be made of. Booleans travel as `1` and `0`. */
export type Element = string | number | boolean;

const SURROGATE_PAIR = /[\uD800-\uDBFF][\uDC00-\uDFFF]/g;

/** Number of Unicode code points in `text`; a lone surrogate counts as one. */
export function codePointLength(text: string): number {
  const pairs = text.match(SURROGATE_PAIR);
  return pairs === null ? text.length : text.length - pairs.length;
}

function elementText(element: Element): string {
  if (typeof element === "string") return element;
  if (typeof element === "boolean") return element ? "1" : "0";
  if (!Number.isFinite(element)) throw new RangeError("an instruction cannot carry " + element);
  return String(element);
}

/**
 * One instruction as text: `LENGTH.VALUE` elements joined by commas, ended by a semicolon.
 * Lengths are code points.
 *
 * @throws RangeError for a number that is not finite.
 */
export function encode(opcode: string, ...args: readonly Element[]): string {
  let text = codePointLength(opcode) + "." + opcode;
  for (const arg of args) {
    const value = elementText(arg);
    text += "," + codePointLength(value) + "." + value;
  }
  return text + ";";
}
