import { describe, expect, it } from "vitest";

import { clientHref, decodeTarget, encodeTarget, formatRoute, parseRoute, type Route } from "../../app/router";

const target = { type: "c", id: "1", dataSource: "mysql" } as const;

describe("addresses of sessions", () => {
  it("are encoded as stock bookmarks are", () => {
    expect(encodeTarget(target)).toBe("MQBjAG15c3Fs");
    expect(decodeTarget("MQBjAG15c3Fs", "default")).toEqual(target);
  });

  it("survive identifiers in any script, without padding or signs that need escaping", () => {
    for (const id of ["1", "42", "ключ/?#", "日本語", "~~~>>>???", "😀"]) {
      for (const type of ["c", "g", "a"] as const) {
        const made = { type, id, dataSource: "mysql-shared" };
        const text = encodeTarget(made);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeTarget(text, "")).toEqual(made);
      }
    }
  });

  it("accept stock's padded form", () => {
    const padded = btoa("7\0g\0default");
    expect(decodeTarget(padded, "x")).toEqual({ type: "g", id: "7", dataSource: "default" });
  });

  it("that cannot be decoded are bare identifiers of connections", () => {
    for (const text of ["17", "not base64!", "", "MQ", encodeTarget(target).slice(0, 6)]) {
      expect(decodeTarget(text, "default")).toEqual({ type: "c", id: text, dataSource: "default" });
    }
    expect(decodeTarget(btoa("1\0x\0mysql"), "d").type).toBe("c");
  });
});

describe("routes", () => {
  it("of every page read back as they were written", () => {
    const routes: Route[] = [
      { page: "home" },
      { page: "preferences" },
      { page: "client", targets: [target] },
      { page: "client", targets: [target, { ...target, id: "2" }] },
    ];
    for (const route of routes) expect(parseRoute(formatRoute(route))).toEqual(route);
  });

  it("lead home from an empty address and with stock's sharing parameter", () => {
    for (const hash of ["", "#", "#/", "#/?key=abc"]) expect(parseRoute(hash)).toEqual({ page: "home" });
  });

  it("nobody knows are kept as they are", () => {
    expect(parseRoute("#/no/such/page")).toEqual({ page: "unknown", path: "/no/such/page" });
    expect(parseRoute("#/client/")).toEqual({ page: "unknown", path: "/client/" });
    expect(parseRoute("#/%E0%A4%A")).toMatchObject({ page: "unknown" });
  });

  it("take the data source of a bare identifier from the login", () => {
    expect(parseRoute("#/client/17", "sqlite")).toEqual({
      page: "client",
      targets: [{ type: "c", id: "17", dataSource: "sqlite" }],
    });
  });

  it("of one session are links", () => {
    expect(clientHref(target)).toBe("#/client/MQBjAG15c3Fs");
  });
});
