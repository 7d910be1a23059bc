import { describe, expect, it } from "vitest";

import { type Candidate, fold, rank } from "../../app/state/search";

const make = (title: string, more: Partial<Candidate> = {}): Candidate => ({ key: title, title, ...more });
const titles = (candidates: Candidate[], query: string): string[] =>
  rank(candidates, query).map((match) => match.item.title);

describe("search", () => {
  it("puts prefix before word start before inside before letters in order", () => {
    const list = ["w-e-b", "cobweb", "old web", "web-1"].map((title) => make(title));
    expect(titles(list, "web")).toEqual(["web-1", "old web", "cobweb", "w-e-b"]);
  });

  it("leaves out what does not match", () => {
    expect(titles([make("web-1"), make("db")], "web")).toEqual(["web-1"]);
    expect(titles([make("web-1")], "bew")).toEqual([]);
  });

  it("wants every word, in title or other text", () => {
    const list = [make("web-1", { extra: "Europe ssh" }), make("web-2", { extra: "Asia ssh" })];
    expect(titles(list, "web asia")).toEqual(["web-2"]);
    expect(titles(list, "ssh")).toHaveLength(2);
    expect(titles(list, "web rdp")).toEqual([]);
  });

  it("prefers the title to other text", () => {
    expect(titles([make("box", { extra: "lab" }), make("lab-9")], "lab")).toEqual(["lab-9", "box"]);
  });

  it("decides between equal matches by the latest use, then length, then name", () => {
    const list = [make("web-3"), make("web-10"), make("web-1", { lastUsedMs: 5 }), make("web-2", { lastUsedMs: 9 })];
    expect(titles(list, "web")).toEqual(["web-2", "web-1", "web-3", "web-10"]);
  });

  it("shows everything, latest used first, when nothing is typed", () => {
    expect(titles([make("b"), make("a"), make("c", { lastUsedMs: 1 })], " ")).toEqual(["c", "a", "b"]);
  });

  it("boosts some candidates among equals", () => {
    expect(titles([make("web machine"), make("web session", { boost: 300 })], "web")).toEqual([
      "web session",
      "web machine",
    ]);
  });

  it("ignores case and accents", () => {
    expect(fold("Éclair Ünit")).toBe("eclair unit");
    expect(titles([make("Büro-PC")], "BURO")).toEqual(["Büro-PC"]);
  });

  it("marks the letters that matched", () => {
    expect(rank([make("old web")], "web")[0]?.marks).toEqual([4, 5, 6]);
  });

  it("keeps to its limit with thousands of candidates", () => {
    const list = Array.from({ length: 5000 }, (_, index) => make(`machine-${index}`));
    expect(rank(list, "machine", 50)).toHaveLength(50);
    expect(rank(list, "4321")[0]?.item.title).toBe("machine-4321");
  });
});
