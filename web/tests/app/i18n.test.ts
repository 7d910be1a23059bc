// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";

import { addMessages, ago, bytes, duration, t } from "../../app/i18n";
import { client } from "../../app/i18n/en/client";
import { common } from "../../app/i18n/en/common";
import { home } from "../../app/i18n/en/home";
import { inside } from "../../app/i18n/en/inside";
import { session } from "../../app/i18n/en/session";
import { format } from "../../app/i18n/format";

describe("messages", () => {
  it("fill values in", () => {
    expect(format("{a} and {b}", { a: "x", b: 1234 }, "en")).toBe("x and 1,234");
    expect(format("{a}", {}, "en")).toBe("{a}");
  });

  it("choose plurals", () => {
    const pattern = "{count, plural, =0 {none} one {# thing} other {# things}}";
    expect(format(pattern, { count: 0 }, "en")).toBe("none");
    expect(format(pattern, { count: 1 }, "en")).toBe("1 thing");
    expect(format(pattern, { count: 2000 }, "en")).toBe("2,000 things");
  });

  it("do not look into the values", () => {
    expect(format("{a}{b}", { a: "{b}", b: "$&" }, "en")).toBe("{b}$&");
  });

  it("of every page are complete sentences or words, without open ends", () => {
    for (const part of [common, inside, home, client, session]) {
      for (const [key, text] of Object.entries(part)) {
        expect(text.trim(), key).toBe(text);
        expect(text.split("{").length, key).toBe(text.split("}").length);
        expect(text, key).not.toMatch(/<\w/);
      }
    }
  });

  it("of a page are known once it is loaded", () => {
    expect(t("home.recent")).toBe("home.recent");
    addMessages(home);
    expect(t("home.recent")).toBe("Recent");
    expect(t("home.machines", { count: 1 })).toBe("1 machine");
  });
});

describe("figures", () => {
  it("of time read well", () => {
    expect(ago(0, 90_000)).toBe("1 minute ago");
    expect(ago(0, 86_400_000)).toBe("yesterday");
    expect(duration(3_900_000)).toBe("1 h 5 min");
    expect(duration(59_999)).toBe("59 s");
    expect(duration(-5)).toBe("0 s");
  });

  it("of size read well", () => {
    expect(bytes(1)).toBe("1 byte");
    expect(bytes(1_440_000)).toBe("1.4 MB");
    expect(bytes(262_144)).toBe("262 kB");
  });
});
