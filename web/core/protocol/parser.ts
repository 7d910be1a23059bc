import {
  MAX_ELEMENTS,
  MAX_ELEMENT_CODE_POINTS,
  MAX_INSTRUCTION_UNITS,
  MAX_LENGTH_DIGITS,
} from "./limits.ts";
import { GuacamoleError, Status } from "./status.ts";

/** Gets each whole instruction, in order. The array is the receiver's to keep. */
export type InstructionHandler = (opcode: string, args: string[]) => void;

const SURROGATE = /[\uD800-\uDFFF]/;
const ZERO = 48;
const NINE = 57;
const DOT = 46;
const COMMA = 44;
const SEMICOLON = 59;

/**
 * Streaming parser: text goes in split anywhere, whole instructions come out.
 *
 * Lengths on the wire are Unicode code points while strings here are UTF-16, so an element with
 * characters beyond the basic plane is longer in the string than its length says.
 */
export class Parser {
  readonly #handler: InstructionHandler;
  /** Text of the unfinished element. */
  #rest = "";
  /** Finished elements of the unfinished instruction. */
  #elements: string[] = [];
  /** UTF-16 units in `#elements`. */
  #units = 0;
  #dead = false;

  constructor(handler: InstructionHandler) {
    this.#handler = handler;
  }

  /**
   * Takes the next piece of text and hands over every instruction it completes.
   *
   * @throws GuacamoleError (SERVER_ERROR) when the text is not the protocol or breaks a limit;
   * afterwards the parser takes nothing more.
   */
  receive(text: string): void {
    if (this.#dead) this.#fail("text after a protocol error");
    const buffer = this.#rest === "" ? text : this.#rest + text;
    this.#rest = "";
    let position = 0;
    while (position < buffer.length) {
      const next = this.#element(buffer, position);
      if (next < 0) {
        this.#rest = buffer.slice(position);
        if (this.#rest.length + this.#units > MAX_INSTRUCTION_UNITS) this.#fail("instruction too long");
        return;
      }
      position = next;
    }
  }

  /** Reads one element at `start`. Returns where the next begins, or -1 when text is missing. */
  #element(buffer: string, start: number): number {
    let position = start;
    let length = 0;
    for (;;) {
      if (position >= buffer.length) return -1;
      const unit = buffer.charCodeAt(position++);
      if (unit === DOT) break;
      if (unit < ZERO || unit > NINE) this.#fail("length is not a number");
      if (position - start > MAX_LENGTH_DIGITS) this.#fail("length has too many digits");
      length = length * 10 + unit - ZERO;
    }
    if (position === start + 1) this.#fail("length is missing");
    if (length > MAX_ELEMENT_CODE_POINTS) this.#fail("element too long");

    const end = endOfElement(buffer, position, length);
    if (end < 0 || end >= buffer.length) return -1;
    const terminator = buffer.charCodeAt(end);
    if (terminator !== COMMA && terminator !== SEMICOLON) this.#fail("element is not terminated");
    if (this.#elements.length >= MAX_ELEMENTS) this.#fail("too many elements");

    this.#elements.push(buffer.slice(position, end));
    this.#units += end - position;
    if (this.#units > MAX_INSTRUCTION_UNITS) this.#fail("instruction too long");
    if (terminator === SEMICOLON) {
      const [opcode = "", ...args] = this.#elements;
      this.#elements = [];
      this.#units = 0;
      this.#handler(opcode, args);
    }
    return end + 1;
  }

  #fail(message: string): never {
    this.#dead = true;
    this.#rest = "";
    this.#elements = [];
    throw new GuacamoleError(Status.SERVER_ERROR, message, "tunnel");
  }
}

/** Index after `length` code points from `start`, or -1 when the buffer ends before. */
function endOfElement(buffer: string, start: number, length: number): number {
  const guess = start + length;
  if (guess > buffer.length) return -1;
  if (!SURROGATE.test(buffer.slice(start, guess))) return guess;
  let position = start;
  for (let count = 0; count < length; count++) {
    if (position >= buffer.length) return -1;
    const unit = buffer.codePointAt(position) ?? 0;
    position += unit > 0xffff ? 2 : 1;
  }
  return position;
}
