// Lost networks and a gateway that dies: the page says so, loses nothing silently, and comes back.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { before } from "node:test";

import { clientUrl, connected, look, signIn, typeLine } from "./support/browser.mjs";
import { Daemon } from "./support/daemon.mjs";
import { SSH } from "./support/needs.mjs";
import { Metadata } from "./support/metadata.mjs";
import { Network } from "./support/network.mjs";
import { suite, USER } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

/** What a browser says about a network that is not there. */
const LOST = [/net::ERR_/, /WebSocket connection to .* failed/];

suite("network", "a network that fails", SSH, (world) => {
  const { browser, daemon, sshd } = world;
  const network = new Network();
  const metadata = new Metadata();
  let page;

  const inState = (state) => page.locator(`main.client[data-state="${state}"]`).waitFor();

  before(async () => {
    await sshd.start();
    await daemon.addUser(USER.name, USER.password, "--admin");
    const id = await daemon.addConnection("web-1", "ssh", sshd.parameters);
    world.atEnd(() => metadata.stop());
    await daemon.serve({ env: await metadata.start() });
    world.atEnd(() => network.stop());
    page = await browser.page({ expected: LOST });
    await page.goto(clientUrl(await network.start(daemon.url), id));
    await signIn(page, USER);
    await connected(page);
  });

  world.test("refuses keys visibly while nothing arrives, and replays none", async () => {
    await typeLine(page, "cat > held");
    await sshd.opened("held");
    await typeLine(page, "before");
    await sshd.written("held");
    network.hold();
    await inState("frozen");
    await page.getByText("Waiting for the gateway…").waitFor();
    await page.keyboard.type("lost");
    await page.getByText("Keys do not arrive now").waitFor();
    await look(page, "network-frozen");
    network.release();
    await inState("connected");
    await typeLine(page, "after");
    await page.keyboard.press("Control+d");
    assert.equal(await sshd.written("held", (text) => text.endsWith("after\n")), "before\nafter\n");
  });

  world.test("comes back by itself after every connection was cut", async () => {
    network.cut();
    await inState("reconnecting");
    await connected(page);
    await typeLine(page, "echo back > back");
    await sshd.written("back");
    assert.equal(await page.getByLabel("User name").count(), 0);
  });

  world.test("tries a node that takes nobody again until it does, with the same login", async () => {
    metadata.announce("Freeze");
    await until("the node takes nobody", async () => (await fetch(`${daemon.url}readyz`)).status === 503);
    await typeLine(page, "echo kept > kept");
    await sshd.written("kept");
    network.cut();
    const card = page.getByRole("alertdialog");
    await card.getByText("Connection to the gateway lost").waitFor();
    await page.getByText(/Reconnecting… \([3-9]\)/).waitFor();
    await look(page, "network-refused");
    metadata.announce();
    await connected(page);
    await typeLine(page, "echo welcome > welcome");
    await sshd.written("welcome");
    assert.equal(await page.getByLabel("User name").count(), 0);
  });

  world.test("asks for the login over the picture after the gateway was killed, and goes on", async () => {
    await typeLine(page, "trap 'echo gone > gone' HUP EXIT; echo set > set");
    await sshd.written("set");
    await daemon.kill();
    await inState("reconnecting");
    await page.getByRole("alertdialog").waitFor();
    await look(page, "network-killed");
    await daemon.serve({ env: metadata.settings });
    await page.getByText("Your login ended. Sign in to go on where you were.").waitFor();
    await look(page, "network-login");
    await signIn(page, USER);
    await connected(page);
    await typeLine(page, "echo again > again");
    await sshd.written("again");
    await until("the shell of the first session has ended", () => existsSync(sshd.path("gone")));
  });

  world.test("goes on at another node after its own was killed", async () => {
    // The two share no logins, as they would in a cluster, so the second asks for one; the way back is the same.
    const other = new Daemon(world.dir, "network-other");
    world.atEnd(() => other.stop());
    await other.serve();
    await daemon.kill();
    await inState("reconnecting");
    await page.getByText("Connection to the gateway lost").waitFor();
    network.move(other.url);
    await page.getByText("Your login ended. Sign in to go on where you were.").waitFor();
    await signIn(page, USER);
    await connected(page);
    await typeLine(page, "echo moved > moved");
    await sshd.written("moved");
  });
});
