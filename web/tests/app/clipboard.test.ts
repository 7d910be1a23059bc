import { afterEach, describe, expect, it, vi } from "vitest";

import { byteLength, firstBytes, linesOf, MachineClipboard } from "../../app/state/clipboard.svelte";
import type { Session } from "../../core";

function stubClipboard(writeText: (text: string) => Promise<void>) {
  const write = vi.fn(writeText);
  vi.stubGlobal("navigator", { clipboard: { writeText: write } });
  return write;
}

const text = (content: string): Blob => new Blob([content], { type: "text/plain" });

afterEach(() => vi.unstubAllGlobals());

describe("text to paste", () => {
  it("is cut between characters, never inside one", () => {
    expect(firstBytes("aäb", 2)).toBe("a");
    expect(firstBytes("aäb", 3)).toBe("aä");
    expect(firstBytes("😀x", 3)).toBe("");
    expect(firstBytes("😀x", 5)).toBe("😀x");
    expect(byteLength("😀")).toBe(4);
  });

  it("has lines, whatever ends them", () => {
    expect(linesOf("one")).toEqual(["one"]);
    expect(linesOf("one\n")).toEqual(["one"]);
    expect(linesOf("one\r\ntwo\rthree\nfour\n\n")).toEqual(["one", "two", "three", "four"]);
  });
});

describe("the clipboard of a machine", () => {
  it("reaches the local one", async () => {
    const write = stubClipboard(() => Promise.resolve());
    const clipboard = new MachineClipboard();
    await clipboard.fromMachine("text/plain", text("grüße"));
    expect(write).toHaveBeenCalledWith("grüße");
    expect(clipboard.text).toBe("grüße");
    expect(clipboard.stuck).toBe(false);
  });

  it("is tried again at later keys, and after three refusals a button is offered", async () => {
    const write = stubClipboard(() => Promise.reject(new Error("no gesture")));
    const clipboard = new MachineClipboard();
    await clipboard.fromMachine("text/plain", text("a"));
    await clipboard.flush();
    expect(clipboard.stuck).toBe(false);
    await clipboard.flush();
    expect(clipboard.stuck).toBe(true);
    await clipboard.flush();
    expect(write).toHaveBeenCalledTimes(3);
    write.mockResolvedValue();
    await clipboard.copyNow();
    expect(clipboard.stuck).toBe(false);
    await clipboard.flush();
    expect(write).toHaveBeenCalledTimes(4);
  });

  it("is not overwritten by pasting again what is old here", async () => {
    stubClipboard(() => Promise.reject(new Error("refused")));
    const session = { sendClipboard: vi.fn(() => Promise.resolve()) };
    const clipboard = new MachineClipboard();
    await clipboard.toMachine(session as unknown as Session, "mine");
    await clipboard.fromMachine("text/plain", text("newer, from the machine"));
    expect(clipboard.isNews("mine")).toBe(false);
    expect(clipboard.isNews("something else")).toBe(true);
  });
});
