// The whole drawing of a deployment on Azure, and what must survive there. `cargo xtask rehearsal` runs it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as rest } from "node:timers/promises";

import { Browser, clientUrl, connected, look, signIn, typeLine } from "../e2e/support/browser.mjs";
import { Desktop } from "../e2e/support/desktop.mjs";
import { run } from "../e2e/support/processes.mjs";
import { Sshd } from "../e2e/support/sshd.mjs";
import { until } from "../e2e/support/until.mjs";
import { PLACES, Rehearsal, obstacle } from "./drawing.mjs";

/** Longer than a managed database takes to fail over. */
const OUTAGE_S = Number(process.env.REHEARSAL_OUTAGE_S ?? 120);
/** Beyond this a test hangs. */
const HANG_MS = (OUTAGE_S + 240) * 1000;
/** What pages say while a node is gone. */
const LOST = [/net::ERR_/, /WebSocket connection to .* failed/, /status of 50[234]/];

const USER = { name: "ann", password: "correct horse battery" };

const why = obstacle();
if (why !== null) console.log(`# the rehearsal is left out: ${why}`);

describe("two nodes behind a balancer", { skip: why ?? false }, () => {
  const dir = mkdtempSync(join(tmpdir(), "guacd-lite-rehearsal-"));
  const rehearsal = new Rehearsal(dir);
  const { database, network, node1, node2 } = rehearsal;
  const browser = new Browser();
  const sshd = new Sshd(dir, { namespace: network.of("linux"), address: PLACES.linux });
  const desktop = new Desktop(dir, { namespace: network.of("desktop"), address: PLACES.desktop });
  /** @type {Record<string, string>} Identifiers of connections by name. */
  const ids = {};
  /** @type {import("playwright-core").Page} */
  let shell;
  /** @type {import("playwright-core").Page} */
  let screen;
  /** @type {import("playwright-core").BrowserContext} */
  let person;

  before(async () => {
    await rehearsal.start();
    await sshd.start();
    await desktop.start();
    await node1.command(["user", "add", USER.name, "--admin", "--password-file", "-"], `${USER.password}\n`);
    for (const [name, protocol, parameters] of [
      ["shell", "ssh", sshd.parameters],
      ["screen", "vnc", desktop.parameters],
      ["single", "ssh", sshd.parameters],
    ]) {
      const more = Object.entries(parameters).flatMap(([key, value]) => ["--parameter", `${key}=${value}`]);
      const printed = await node1.command(["connection", "add", name, "--protocol", protocol, ...more]);
      ids[name] = /^connection (\S+) /.exec(printed)[1];
    }
    await database.sql(`UPDATE guacamole_connection SET max_connections = 1 WHERE connection_id = ${ids.single}`);
    await browser.start(rehearsal.browser());
  });

  after(async () => {
    await browser.stop();
    await desktop.stop();
    await sshd.kill();
    await rehearsal.stop();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  /** A test that says how long it took and keeps what its pages looked like. */
  const it = (title, body) =>
    test(title, { timeout: HANG_MS }, async (context) => {
      const began = performance.now();
      try {
        await body(context);
      } catch (error) {
        for (const [index, page] of browser.pages.entries()) await look(page, `rehearsal-failed-${index}`).catch(() => {});
        throw error;
      } finally {
        context.diagnostic(`${seconds(began)} s`);
      }
    });

  /** The node that serves a connection now. */
  const server = async (name) => {
    // What a dead node had is listed until the others have cleared up after it.
    const [[place]] = await database.sql(
      "SELECT guacd_lite_node.name FROM guacd_lite_tunnel JOIN guacd_lite_node USING (node) " +
        `WHERE connection_id = ${ids[name]} ORDER BY started DESC LIMIT 1`,
    );
    return place === "node1" ? node1 : node2;
  };

  /** Rows of connection history that nobody has closed. */
  const open = async () => Number((await database.sql("SELECT COUNT(*) FROM guacamole_connection_history WHERE end_date IS NULL"))[0][0]);

  /** Whether the balancer, and so everybody new, sees a node as ready. */
  const ready = async (node) => {
    const args = ["-sk", "-o", "/dev/null", "-w", "%{http_code}", `https://${PLACES[node.place]}/readyz`];
    return String(await run("curl", args, { namespace: network.of("balancer") })) === "200";
  };

  /** Types into the shell and waits until its machine has done it. @param {string} mark */
  const shellAnswers = async (mark) => {
    await shell.bringToFront();
    await typeLine(shell, `echo ${mark} > ${mark}`);
    await sshd.written(mark);
  };

  it("lets people in through the balancer, to a shell and a desktop", async () => {
    shell = await browser.page({ expected: LOST, ignoreHTTPSErrors: true });
    person = shell.context();
    await shell.goto(clientUrl(rehearsal.url, ids.shell));
    await signIn(shell, USER);
    await connected(shell);
    await shellAnswers("first");
    screen = await person.newPage();
    await screen.goto(clientUrl(rehearsal.url, ids.screen));
    await connected(screen);
    await look(shell, "rehearsal-shell");
    await look(screen, "rehearsal-screen");
    assert.equal(await open(), 2);
  });

  it("brings them back on the other node within 30 s of a kill -9, without a login", async (context) => {
    const lost = await server("shell");
    // The only seat of a connection, taken on the node that will be lost.
    const seat = await person.newPage();
    await until("the seat is on the same node", async () => {
      await seat.goto("about:blank");
      await until("the seat is free", async () => (await database.sql("SELECT 1 FROM guacd_lite_tunnel")).length === 2);
      await seat.goto(clientUrl(rehearsal.url, ids.single));
      await connected(seat);
      return (await server("single")) === lost;
    });
    await shell.bringToFront();
    const began = performance.now();
    await lost.kill();
    for (const [name, page] of Object.entries({ shell, screen })) {
      await until("the other node serves it", async () => (await server(name)).place !== lost.place);
      await page.bringToFront();
      await connected(page);
    }
    const took = seconds(began);
    context.diagnostic(`back after ${took} s`);
    await look(shell, "rehearsal-after-kill");
    assert.notEqual((await server("shell")).place, lost.place);
    assert.equal(await shell.getByLabel("User name").count(), 0);
    await shellAnswers("second");
    assert.ok(took <= 30, `${took} s`);

    await seat.bringToFront();
    await until60("the seat is taken again", () => connectedNow(seat));
    assert.notEqual((await server("single")).place, lost.place);
    await seat.close();
    await until60("no row is open but those of the two pages", async () => (await open()) === 2);
    context.diagnostic(`rows closed and seat freed after ${seconds(began)} s`);
    assert.ok(seconds(began) <= 60, "no open row after 60 s");
    await lost.start();
    await until60("the balancer has it back", () => ready(lost));
  });

  it("drains a node without losing a live desktop", async (context) => {
    const leaving = await server("screen");
    const staying = leaving === node1 ? node2 : node1;
    const before_ = await database.sql("SELECT tunnel FROM guacd_lite_tunnel ORDER BY 1");
    leaving.terminate();
    await until("the balancer is told", async () => !(await ready(leaving)));
    // The balancer's probes have noticed by then.
    await rest(12_000);
    const page = await person.newPage();
    await page.goto(clientUrl(rehearsal.url, ids.single));
    await connected(page);
    assert.equal((await server("single")).place, staying.place);
    await page.close();
    await until60("its tunnel is gone", async () => (await database.sql("SELECT 1 FROM guacd_lite_tunnel")).length === 2);
    assert.deepEqual(await database.sql("SELECT tunnel FROM guacd_lite_tunnel ORDER BY 1"), before_, "the same tunnels live");
    assert.equal(leaving.ended, null);
    await screen.bringToFront();
    await connected(screen);
    await look(screen, "rehearsal-draining");
    // Whoever leaves by himself lets the node go before its time.
    for (const [name, each] of Object.entries({ shell, screen })) if ((await server(name)) === leaving) await each.reload();
    await connected(screen);
    await connected(shell);
    await until60("the node has ended", () => leaving.ended !== null);
    assert.equal(leaving.ended, 0);
    context.diagnostic("ended with status 0");
    await leaving.start();
    await until60("the balancer has it back", () => ready(leaving));
  });

  it(`keeps live desktops for ${OUTAGE_S} s without a database, and heals within 10 s`, async (context) => {
    const live = await database.sql("SELECT tunnel FROM guacd_lite_tunnel ORDER BY 1");
    await database.kill();
    const end = Date.now() + OUTAGE_S * 1000;
    for (let round = 1; Date.now() < end; round += 1) {
      await shellAnswers(`outage${round}`);
      assert.ok((await ready(node1)) && (await ready(node2)), "both stay ready");
      await rest(Math.max(0, Math.min(10_000, end - Date.now())));
    }
    await database.resume();
    const began = performance.now();
    for (const node of [node1, node2]) await until(`${node.place} lets people in`, () => logsIn(node));
    const took = seconds(began);
    context.diagnostic(`healed after ${took} s`);
    assert.ok(took <= 10, `${took} s`);
    await shellAnswers("healed");
    assert.deepEqual(await database.sql("SELECT tunnel FROM guacd_lite_tunnel ORDER BY 1"), live, "nobody lost anything");
    await until60("nobody was taken for dead", async () => (await database.sql("SELECT 1 FROM guacd_lite_node")).length === 2);
    await look(screen, "rehearsal-healed");
  });

  /** Whether the API of a node gives a token. */
  async function logsIn(node) {
    const form = `username=${USER.name}&password=${encodeURIComponent(USER.password)}`;
    const args = ["-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "-d", "@-", `https://${PLACES[node.place]}/api/tokens`];
    return String(await run("curl", args, { namespace: network.of("person"), input: form })) === "200";
  }
});

/** @param {number} began */
function seconds(began) {
  return Math.round((performance.now() - began) / 100) / 10;
}

/** Waits as long as {@link until} does, twice. @param {string} what @param {() => unknown} condition */
async function until60(what, condition) {
  await until(what, condition).catch(() => until(what, condition));
}

/** @param {import("playwright-core").Page} page */
async function connectedNow(page) {
  return (await page.locator('main[data-state="connected"]').count()) > 0;
}
