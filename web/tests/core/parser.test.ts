import { describe, expect, it } from "vitest";

import { codePointLength, encode } from "../../core/protocol/encoder.ts";
import { MAX_ELEMENTS, MAX_ELEMENT_CODE_POINTS } from "../../core/protocol/limits.ts";
import { Parser } from "../../core/protocol/parser.ts";
import { GuacamoleError, Status } from "../../core/protocol/status.ts";

type Instruction = [string, ...string[]];

function parse(...pieces: string[]): Instruction[] {
  const found: Instruction[] = [];
  const parser = new Parser((opcode, args) => found.push([opcode, ...args]));
  for (const piece of pieces) parser.receive(piece);
  return found;
}

/** Numbers that look random and are the same every time. */
function* randoms(seed: number): Generator<number> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

const SAMPLE: Instruction[] = [
  ["size", "0", "1024", "768"],
  ["", "ping", "123"],
  ["name", "Größe 🙂 of ✨ 𝔘nicode"],
  ["nop"],
  ["blob", "1", "a".repeat(8064)],
  ["", ""],
  ["log", "4.fake;3.not,"],
];
const SAMPLE_TEXT = SAMPLE.map(([opcode, ...args]) => encode(opcode, ...args)).join("");

describe("Parser", () => {
  it("reads what the encoder writes", () => {
    expect(parse(SAMPLE_TEXT)).toEqual(SAMPLE);
  });

  it("gives the same instructions for every place to split", () => {
    const short = SAMPLE_TEXT.replace("a".repeat(8064), "").replace("8064.", "0.");
    const whole = parse(short);
    for (let at = 0; at <= short.length; at++) {
      expect(parse(short.slice(0, at), short.slice(at))).toEqual(whole);
    }
    expect(parse(...short.split(""))).toEqual(whole);
  });

  it("gives the same instructions for random splits of random text", () => {
    const random = randoms(7);
    const next = (below: number): number => Math.floor((random.next().value as number) * below);
    const alphabet = ["a", "ü", "€", "🙂", "𝔘", ".", ",", ";", "0", "9", "\u0000"];
    for (let round = 0; round < 200; round++) {
      const sent: Instruction[] = Array.from({ length: 1 + next(5) }, () => {
        const word = (): string => Array.from({ length: next(12) }, () => alphabet[next(alphabet.length)]).join("");
        return [word(), ...Array.from({ length: next(6) }, word)];
      });
      const text = sent.map(([opcode, ...args]) => encode(opcode, ...args)).join("");
      const pieces: string[] = [];
      for (let at = 0; at < text.length; ) {
        const size = 1 + next(9);
        pieces.push(text.slice(at, at + size));
        at += size;
      }
      expect(parse(...pieces)).toEqual(sent);
    }
  });

  it("counts an emoji as one", () => {
    expect(parse("1.🙂,2.🙂a;")).toEqual([["🙂", "🙂a"]]);
    expect(codePointLength("🙂a")).toBe(2);
    expect(codePointLength("\ud83d")).toBe(1);
  });

  it.each([
    ["a letter in the length", "x.abc;"],
    ["a sign in the length", "-1.a;"],
    ["no length", ".abc;"],
    ["a wrong terminator", "3.abc:"],
    ["a length that is too short", "2.abc;"],
    ["an endless length", "0".repeat(9)],
    ["a length beyond the limit", MAX_ELEMENT_CODE_POINTS + 1 + "."],
    ["one element too many", "1.a,".repeat(MAX_ELEMENTS) + "1.a;"],
  ])("refuses %s", (_, text) => {
    expect(() => parse(text)).toThrow(GuacamoleError);
    try {
      parse(text);
    } catch (error) {
      expect((error as GuacamoleError).code).toBe(Status.SERVER_ERROR);
    }
  });

  it("takes as many elements as the limit says", () => {
    expect(parse("1.a,".repeat(MAX_ELEMENTS - 1) + "1.a;")[0]).toHaveLength(MAX_ELEMENTS);
  });

  it("takes nothing more after an error", () => {
    const parser = new Parser(() => undefined);
    expect(() => parser.receive("x")).toThrow();
    expect(() => parser.receive("3.nop;")).toThrow();
  });

  it("bounds an instruction that never ends", () => {
    const parser = new Parser(() => undefined);
    const element = encode("x".repeat(900_000)).replace(";", ",");
    expect(() => {
      for (let i = 0; i < 10; i++) parser.receive(element);
    }).toThrow("instruction too long");
  });
});

describe("encode", () => {
  it("writes numbers and truth as the protocol does", () => {
    expect(encode("mouse", 1.5, -2, true, false)).toBe("5.mouse,3.1.5,2.-2,1.1,1.0;");
  });

  it("refuses numbers that are not", () => {
    expect(() => encode("size", NaN)).toThrow(RangeError);
  });
});
