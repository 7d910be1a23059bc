// What goes wrong on the way to a machine is said in words, and nothing that was refused is repeated.
import assert from "node:assert/strict";
import { before } from "node:test";

import { clientUrl, connected, look, signIn, typeLine } from "./support/browser.mjs";
import { DESKTOP, SSH } from "./support/needs.mjs";
import { freePort } from "./support/ports.mjs";
import { suite, USER } from "./support/suite.mjs";

suite("errors", "what goes wrong", [...SSH, ...DESKTOP], (world) => {
  const { browser, daemon, sshd, desktop } = world;
  const ids = {};
  let page;

  /** Opens a machine and gives the card that says why there is none. */
  const problem = async (name, title) => {
    await page.goto(clientUrl(daemon.url, ids[name]));
    const card = page.getByRole("alertdialog", { name: title, exact: true });
    await card.waitFor();
    return { card, text: (await card.innerText()).replaceAll(/\s+/g, " "), state: await state() };
  };
  const state = () => page.locator("main.client").getAttribute("data-state");

  before(async () => {
    await sshd.start();
    await desktop.start();
    await daemon.addUser(USER.name, USER.password, "--admin");
    const ssh = sshd.parameters;
    const add = async (name, protocol, parameters) => (ids[name] = await daemon.addConnection(name, protocol, parameters));
    await add("good", "ssh", ssh);
    await add("refused", "ssh", { ...ssh, port: await freePort() });
    await add("nowhere", "ssh", { ...ssh, hostname: "no-such-host.invalid" });
    await add("wrong user", "ssh", { ...ssh, username: "nobody-at-all", password: "wrong" });
    await add("refused desk", "vnc", { ...desktop.parameters, port: await freePort() });
    await add("wrong desk", "vnc", { ...desktop.parameters, password: "wrong" });
    await daemon.serve();
    // A connection that is not there is asked for by name, too.
    page = await browser.page({ expected: [/ 404 .*\/connections\/4711$/] });
    await page.goto(daemon.url);
    await signIn(page, USER);
    await page.getByRole("tree").waitFor();
  });

  world.test("a refused port: turned away, tried again", async () => {
    const { text, state } = await problem("refused", "Turned away");
    assert.match(text, /refused refused the connection: it is off, or the service is not running\./);
    assert.equal(state, "reconnecting");
    assert.match(text, /Reconnecting… \(\d+\)/);
    await look(page, "error-refused");
  });

  world.test("an unknown host: cannot be found", async () => {
    const { text } = await problem("nowhere", "Cannot be found");
    assert.match(text, /The address of nowhere leads nowhere\./);
  });

  world.test("a user the machine does not know: sign-in refused, not tried again", async () => {
    const { text, state } = await problem("wrong user", "Sign-in refused");
    assert.match(text, /wrong user did not accept the user name or password\./);
    assert.equal(state, "ended");
    assert.doesNotMatch(text, /Reconnecting/);
  });

  world.test("a refused port of a desktop", async () => {
    const { text } = await problem("refused desk", "Turned away");
    assert.match(text, /refused desk refused the connection/);
  });

  world.test("a wrong password of a desktop: said, not tried again", async () => {
    const { text, state } = await problem("wrong desk", "Sign-in refused");
    assert.match(text, /wrong desk did not accept the user name or password\./);
    assert.doesNotMatch(text, /Reconnecting/);
    assert.equal(state, "ended");
    await look(page, "error-vnc-password");
  });

  world.test("a killed server: broke off, and back when it is back", async () => {
    await page.goto(clientUrl(daemon.url, ids.good));
    await connected(page);
    await typeLine(page, "echo before > before");
    await sshd.written("before");
    await sshd.kill();
    const card = page.getByRole("alertdialog");
    await card.waitFor();
    await look(page, "error-killed");
    assert.match(await card.innerText(), /Machine broke off|Turned away/);
    await sshd.start();
    await connected(page);
    await typeLine(page, "echo after > after");
    await sshd.written("after");
  });

  world.test("a changed host key: a stop that says so", async () => {
    await page.goto(daemon.url);
    await sshd.kill();
    await sshd.renewHostKey();
    await sshd.start();
    const { text, state } = await problem("good", "Not the machine it was");
    assert.match(text, /The key by which good is known has changed\./);
    assert.match(text, /host key \(SHA256:/);
    assert.equal(state, "ended");
    await look(page, "error-host-key");
  });

  world.test("a connection that does not exist: not there", async () => {
    ids.missing = "4711";
    const { text, state } = await problem("missing", "Not there");
    assert.match(text, /This connection is gone, or no longer yours to see\./);
    assert.equal(state, "ended");
  });
});
