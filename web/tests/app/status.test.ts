import { beforeAll, describe, expect, it } from "vitest";

import { addMessages } from "../../app/i18n";
import { session } from "../../app/i18n/en/session";
import { digitsOf, explain, type Stage } from "../../app/state/status";
import { Status } from "../../core";

const codes = Object.values(Status);

beforeAll(() => addMessages(session));

describe("every status", () => {
  it("is one of 21", () => {
    expect(codes).toHaveLength(21);
  });

  it.each(codes.map((code) => [digitsOf(code), code] as const))("%s has a title, a sentence and an action", (_, code) => {
    for (const stage of ["G", "M", "F"] as Stage[]) {
      const text = explain(code, stage, "web-1");
      expect(text.title).not.toMatch(/status\.|\(|\{/);
      expect(text.sentence).toMatch(/^[A-Zw].*\.$/);
      expect(text.sentence).not.toMatch(/status\.|\{/);
      expect(text.actionLabel).not.toMatch(/action\./);
      expect(text.digits).toHaveLength(4);
    }
  });

  it("has a title of its own", () => {
    expect(new Set(codes.map((code) => explain(code, "M", "m").title)).size).toBe(21);
  });
});

describe("explaining a status", () => {
  it("tells the gateway from the machine", () => {
    expect(explain(Status.UPSTREAM_NOT_FOUND, "G", "web-1").sentence).toContain("gateway cannot be reached");
    expect(explain(Status.UPSTREAM_NOT_FOUND, "M", "web-1").sentence).toContain("web-1 leads nowhere");
    expect(explain(Status.UPSTREAM_UNAVAILABLE, "M", "web-1").sentence).toContain("web-1 refused");
  });

  it("offers to log in when the login ended, not when the machine refused", () => {
    expect(explain(Status.CLIENT_UNAUTHORIZED, "G", "m").action).toBe("login");
    expect(explain(Status.CLIENT_UNAUTHORIZED, "M", "m").action).toBe("again");
  });

  it("never offers to repeat what would be refused again", () => {
    for (const code of [Status.CLIENT_FORBIDDEN, Status.CLIENT_TOO_MANY, Status.RESOURCE_NOT_FOUND]) {
      expect(explain(code, "G", "m").action).toBe("home");
    }
  });

  it.each([
    ["the server's certificate has changed since the first connection", "Not the machine it was"],
    ["the server's certificate is none of the configured ones: its fingerprint is ab", "Not the machine it was"],
    ["the server's certificate is not trusted: self-signed", "Not known to be that machine"],
  ])("tells that %s", (message, title) => {
    const told = explain(Status.UPSTREAM_ERROR, "M", "dc-2", `no trusted TLS connection: ${message}`);
    expect(told).toMatchObject({ title, action: "home", quote: `no trusted TLS connection: ${message}` });
    expect(told.sentence).toContain("dc-2");
    expect(explain(Status.UPSTREAM_ERROR, "G", "dc-2", message).title).toBe("Machine broke off");
  });

  it("tells a changed host key from a wrong password by the gateway's words", () => {
    const changed = "the machine's host key (SHA256:abc) is not the one known for it";
    expect(explain(Status.CLIENT_UNAUTHORIZED, "M", "web-1", changed)).toMatchObject({ action: "home", quote: changed });
    const refused = explain(Status.CLIENT_UNAUTHORIZED, "M", "web-1", "the machine refused the login");
    expect(refused).toMatchObject({ action: "again", quote: "" });
  });

  it("shows an unknown code with its number", () => {
    const text = explain(0x0abc, "M", "m");
    expect(text.title).toContain("0ABC");
    expect(text.sentence).toContain("gateway");
  });

  it("shows names as they are, whatever they hold", () => {
    expect(explain(Status.UPSTREAM_ERROR, "M", "<b>{machine}</b>").sentence).toContain("<b>{machine}</b>");
  });
});
