// A desktop on a real TigerVNC: its pixels, keys, clicks, clipboard and size.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before } from "node:test";

import { connected, look, openByName, sameAsServer, signIn, typeLine } from "./support/browser.mjs";
import { DESKTOP } from "./support/needs.mjs";
import { colours } from "./support/pixels.mjs";
import { suite, USER } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

suite("desktop", "a desktop", DESKTOP, (world) => {
  const { browser, daemon, desktop } = world;
  let page;

  /** Presses the mouse in the middle of a window. */
  const click = async (name, options) => {
    const { x, y, width, height } = await desktop.window(name);
    await page.mouse.click(Math.round(x + width / 2), Math.round(y + height / 2), options);
    await until(`${name} has the focus`, async () => (await desktop.activeWindow()).includes(name));
  };

  before(async () => {
    await desktop.start();
    await daemon.addUser(USER.name, USER.password, "--admin");
    await daemon.addConnection("desk", "vnc", desktop.parameters, { grant: USER.name });
    await daemon.serve();
    const colourful = "for i in 1 2 3 4 5 6 7; do printf '\\033[3%sm line %s of coloured text\\033[0m\\n' $i $i; done";
    await desktop.showTerminal("writer", "60x12+20+60", `${colourful}; exec cat > ${desktop.path("written")}`);
    await desktop.showTerminal("second", "50x8+20+430", `exec cat > ${desktop.path("second")}`);
    await desktop.showPhotograph();
  });

  world.test("shows exactly what the server shows", async () => {
    page = await browser.page();
    await page.goto(daemon.url);
    await signIn(page, USER);
    await openByName(page, "desk");
    await connected(page);
    await page.mouse.move(640, 500);
    const shown = await sameAsServer(page, desktop, "desktop");
    assert.ok(colours(shown) > 1000, "a photograph is on the screen");
    await look(page, "desktop");
  });

  world.test("takes the size of the window", async () => {
    for (const size of [{ width: 1000, height: 640 }, { width: 1280, height: 800 }]) {
      await page.setViewportSize(size);
      await until(`the desktop is ${size.width}x${size.height}`, async () => {
        const now = await desktop.size();
        return now.width === size.width && now.height === size.height;
      });
      const shown = await sameAsServer(page, desktop, `desktop-${size.width}`);
      assert.deepEqual([shown.width, shown.height], [size.width, size.height]);
    }
  });

  world.test("brings clicks and typed text to the right window", async () => {
    await click("writer");
    await typeLine(page, "first, $((6*7)) <ok>");
    await click("second");
    await typeLine(page, "second; äöü €");
    await click("writer");
    await typeLine(page, "again");
    await desktop.written("second", (text) => text === "second; äöü €\n");
    await desktop.written("written", (text) => text === "first, $((6*7)) <ok>\nagain\n");
  });

  world.test("moves a window by dragging its title", async () => {
    const before = await desktop.window("second");
    const title = { x: before.x + 60, y: before.y - 10 };
    await page.mouse.move(title.x, title.y);
    await page.mouse.down();
    await page.mouse.move(title.x + 40, title.y + 30, { steps: 5 });
    await page.mouse.move(title.x + 120, title.y + 80, { steps: 5 });
    await page.mouse.up();
    await until("the window is where it was dragged", async () => {
      const now = await desktop.window("second");
      return now.x === before.x + 120 && now.y === before.y + 80;
    });
    await page.mouse.move(640, 560);
    await sameAsServer(page, desktop, "desktop-dragged");
  });

  world.test("follows a window that scrolls fast", async () => {
    const busy = `i=0; while [ $i -lt 400 ]; do echo "$i $(head -c 40 /dev/urandom | od -An -tx1 | head -1)"; i=$((i+1)); done; exec sleep 600`;
    await desktop.showTerminal("busy", "62x16+640+440", busy);
    await sameAsServer(page, desktop, "desktop-scrolled");
    await look(page, "desktop-busy");
  });

  world.test("gives local text to the machine when it is pasted", async () => {
    await click("second");
    await page.evaluate(() => navigator.clipboard.writeText("von hier: Grüße €"));
    await page.keyboard.press("Shift+Insert");
    // xterm asks for the clipboard and goes on reading keys meanwhile: Enter may overtake the text.
    await until("the pasted line is written", async () => {
      await page.keyboard.press("Enter");
      return readFileSync(desktop.path("second"), "utf8").split("\n").includes("von hier: Grüße €");
    });
  });

  world.test("brings what is marked on the machine to the local clipboard", async () => {
    await click("writer");
    await typeLine(page, "markiert-äöü");
    await desktop.written("written", (text) => text.endsWith("markiert-äöü\n"));
    const { x, y, height } = await desktop.window("writer");
    await sameAsServer(page, desktop, "desktop-marking");
    // Three clicks mark a line. The terminal has twelve: seven coloured ones, two typed before, and then ours.
    // xterm takes them for one mark only within a quarter of a second, which a busy machine may miss: then again.
    const marked = () => page.evaluate(async () => (await navigator.clipboard.readText()).trim() === "markiert-äöü");
    await until("the line is on the local clipboard", async () => {
      await page.mouse.click(x + 30, Math.round(y + (height * 9.5) / 12), { clickCount: 3 });
      for (let look = 0; look < 20; look += 1) {
        if (await marked()) return true;
        await page.waitForTimeout(50);
      }
      return false;
    });
  });
});
