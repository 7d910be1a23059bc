// What a newcomer does: one command, the address and login it prints, a terminal, a desktop.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before } from "node:test";

import { inked } from "./support/pixels.mjs";
import { connected, look, openByName, picture, signIn, stillPicture, typeLine } from "./support/browser.mjs";
import { suite } from "./support/suite.mjs";
import { find } from "./support/needs.mjs";
import { until } from "./support/until.mjs";

suite("demo", "the demo", [], (world) => {
  const { browser, daemon } = world;
  const home = join(world.dir, "home");
  const user = { name: "", password: "" };
  let page;

  before(async () => {
    mkdirSync(home);
    await daemon.demo({ HOME: home, SHELL: "/bin/bash", HISTFILE: "/dev/null" });
  });

  world.test("prints an address and a login", () => {
    user.name = /user\s+(\S+)/.exec(daemon.printed)?.[1] ?? "";
    user.password = /password\s+(\S+)/.exec(daemon.printed)?.[1] ?? "";
    assert.match(daemon.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.notEqual(user.name, "");
    assert.ok(user.password.length >= 16, "a random password");
  });

  world.test("logs in by keyboard and opens the terminal", async () => {
    page = await browser.page();
    await page.goto(daemon.url);
    await signIn(page, user);
    await openByName(page, "This machine: terminal");
    await connected(page);
  });

  world.test("computes what is typed by keys", async () => {
    const empty = await stillPicture(page);
    await typeLine(page, "echo $((6*7))");
    await typeLine(page, "echo $((6*7)) > answer");
    const answer = await until("the shell has written the answer", () => readFileSync(join(home, "answer"), "utf8"));
    assert.equal(answer, "42\n");
    const shown = await stillPicture(page);
    assert.notDeepEqual(shown.pixels, empty.pixels);
    await look(page, "demo-terminal");
  });

  if (find("Xvnc") !== null && find("openbox") !== null) {
    world.test("opens the desktop", async () => {
      await page.goto(daemon.url);
      await openByName(page, "This machine: desktop");
      await connected(page);
      await until("a terminal is on the desktop", async () => inked(await picture(page)) > 50_000);
      await stillPicture(page);
      await look(page, "demo-desktop");
    });
  }
});
