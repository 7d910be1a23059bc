// What the way to the first picture weighs, and that what is fetched later does come.
import assert from "node:assert/strict";
import { before } from "node:test";
import { gzipSync } from "node:zlib";

import { clientUrl, connected, openByName, signIn, typeLine } from "./support/browser.mjs";
import { SSH } from "./support/needs.mjs";
import { suite, USER } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

/** Gzipped bytes of script, all steps up to this one together. */
const BUDGETS = { login: 30_000, home: 65_000, picture: 75_000 };
/** Compressors differ a little. */
const TOLERANCE = 1.03;

suite("weight", "the weight of the app", SSH, (world) => {
  const { browser, daemon, sshd } = world;
  let id = "";

  /** Names of the scripts that the page asked for until `untilMs`, the painting worker's too. */
  const scripts = (page, untilMs = Infinity) =>
    page.evaluate((limit) => {
      const entries = performance.getEntriesByType("resource").filter((entry) => entry.startTime <= limit);
      return entries.map(({ name }) => new URL(name).pathname).filter((path) => path.endsWith(".js"));
    }, Math.min(untilMs, Number.MAX_SAFE_INTEGER));

  const named = (paths, name) => paths.some((path) => path.includes(`/${name}-`));

  async function gzippedBytes(paths) {
    const sizes = [...new Set(paths)].map(async (path) => {
      const response = await fetch(new URL(path, daemon.url));
      assert.equal(response.status, 200, path);
      return gzipSync(Buffer.from(await response.arrayBuffer()), { level: 9 }).length;
    });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  before(async () => {
    await sshd.start();
    await daemon.addUser(USER.name, USER.password, "--admin");
    id = await daemon.addConnection("web-1", "ssh", sshd.parameters, { grant: USER.name });
    await daemon.serve();
  });

  world.test("keeps the way from the login to the first picture light", async () => {
    const page = await browser.page({
      prepare: () => {
        // The first frame is answered just before what waits for it is asked for.
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (data) {
          if (String(data).startsWith("4.sync,")) globalThis.paintedAt ??= performance.now();
          return send.call(this, data);
        };
      },
    });
    const loaded = {};
    await page.goto(daemon.url);
    await page.getByLabel("User name").waitFor();
    loaded.login = await scripts(page);
    await signIn(page, USER);
    await page.getByRole("tree").waitFor();
    loaded.home = await scripts(page);
    await openByName(page, "web-1");
    await connected(page);
    loaded.picture = await scripts(page, await page.evaluate(() => globalThis.paintedAt));
    assert.ok(named(loaded.picture, "paint.worker"), "the worker paints, and counts");
    for (const [step, maxBytes] of Object.entries(BUDGETS)) {
      const bytes = await gzippedBytes(loaded[step]);
      console.log(`# ${step}: ${bytes} of ${maxBytes} bytes`);
      assert.ok(bytes <= maxBytes * TOLERANCE, `${step}: ${bytes} bytes of ${maxBytes}: ${loaded[step].join(" ")}`);
    }
    await until("what comes after the first picture is there", async () => {
      const all = await scripts(page);
      return ["Bar", "Problem", "touch"].every((name) => named(all, name));
    });
    const all = await scripts(page);
    assert.ok(!named(all, "painter") && !named(all, "http"), "what no page needs is not fetched");
    await page.context().close();
  });

  world.test("understands fingers", async () => {
    const page = await browser.page({ hasTouch: true });
    await page.goto(clientUrl(daemon.url, id));
    await signIn(page, USER);
    await connected(page);
    // The terminal tells where a button goes down.
    await typeLine(page, "printf '\\e[?1000h\\e[?1006h'; cat -v > touched");
    await sshd.opened("touched");
    await until("fingers are understood", async () => named(await scripts(page), "touch"));
    await page.touchscreen.tap(640, 400);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Control+d");
    assert.match(await sshd.written("touched", (text) => text.endsWith("\n")), /\^\[\[<0;\d+;\d+M\^\[\[<0;\d+;\d+m/);
    await page.context().close();
  });

  world.test("paints without a worker where browsers cannot", async () => {
    const page = await browser.page({
      prepare: () => {
        delete HTMLCanvasElement.prototype.transferControlToOffscreen;
      },
    });
    await page.goto(clientUrl(daemon.url, id));
    await signIn(page, USER);
    await connected(page);
    const all = await scripts(page);
    assert.ok(named(all, "painter") && !named(all, "paint.worker"), all.join(" "));
    await page.context().close();
  });
});
