// The gateway of guac-tunnel's examples, with the stock JavaScript client in the browser and our guacd port behind.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before } from "node:test";

import { look, typeLine } from "./support/browser.mjs";
import { BUILT, RESULTS, ROOT } from "./support/daemon.mjs";
import { SSH } from "./support/needs.mjs";
import { inked, readPng } from "./support/pixels.mjs";
import { freePort } from "./support/ports.mjs";
import { start, stop } from "./support/processes.mjs";
import { suite } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

const GATEWAY = join(BUILT, "examples/gateway");
const PAGES = join(ROOT, "guac-tunnel/examples/pages/index.html");
const CLIENT = join(ROOT, "web/node_modules/guacamole-common-js/dist/esm/guacamole-common.js");
const TOKEN = "open-sesame";

suite("gateway", "the gateway example", SSH, (world) => {
  const { browser, daemon, sshd } = world;
  let url = "";
  let page;

  before(async () => {
    if (!existsSync(GATEWAY)) throw new Error(`${GATEWAY} is missing: cargo build -p guac-tunnel --examples`);
    await sshd.start();
    const guacd = await freePort();
    await daemon.serve({ guacd: `127.0.0.1:${guacd}` });
    const pages = join(world.dir, "pages");
    mkdirSync(pages);
    copyFileSync(PAGES, join(pages, "index.html"));
    copyFileSync(CLIENT, join(pages, "guacamole-common.js"));
    const port = await freePort();
    const parameters = { ...sshd.parameters };
    // guacd takes the key itself.
    parameters["private-key"] = readFileSync(parameters["private-key"].slice(1), "utf8");
    const machine = Object.entries(parameters).map((pair) => pair.join("="));
    const gateway = start(GATEWAY, [`127.0.0.1:${port}`, "127.0.0.1", String(guacd), pages, "ssh", ...machine], {
      env: { ...process.env, GATEWAY_TOKEN: TOKEN },
      log: join(RESULTS, "gateway-example.log"),
    });
    world.atEnd(() => stop(gateway));
    url = `http://127.0.0.1:${port}/`;
    await until("the gateway listens", () => fetch(url).then((answer) => answer.ok, () => false));
  });

  world.test("shows a picture of the machine, and keys arrive there", async () => {
    page = await browser.page();
    await page.goto(`${url}#${TOKEN}`);
    // Guacamole.Client.State.CONNECTED
    await page.locator('body[data-state="3"]').waitFor();
    await until("a prompt is drawn", async () => inked(readPng(await page.screenshot())) > 20);
    await typeLine(page, "echo through the gateway; echo $((6*7)) > answer");
    assert.equal(await sshd.written("answer"), "42\n");
    await until("what was typed is drawn", async () => inked(readPng(await page.screenshot())) > 1000);
    await look(page, "gateway");
  });

  world.test("refuses who does not know the token, by the status", async () => {
    const stranger = await browser.page();
    await stranger.goto(`${url}#guess`);
    await stranger.locator('body[data-error="769"]').waitFor({ state: "attached" });
  });
});
