// Logging in and out, and what a login leaves behind in the browser: nothing a script could read.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { before } from "node:test";

import { clientUrl, connected, look, signIn, typeLine } from "./support/browser.mjs";
import { SSH } from "./support/needs.mjs";
import { suite, USER } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

const HOSTILE_NAME = `<img src=x onerror="document.title='broken'">`;

suite("login", "logging in", SSH, (world) => {
  const { browser, daemon, sshd } = world;
  let id = "";
  let page;
  /** Every address asked for, sockets included. */
  const addresses = [];

  const focusedName = () => page.evaluate(() => document.activeElement?.getAttribute("name"));

  before(async () => {
    await sshd.start();
    await daemon.addUser(USER.name, USER.password);
    await daemon.addUser("root", "another password", "--admin");
    id = await daemon.addConnection("web-1", "ssh", sshd.parameters, { grant: USER.name });
    await daemon.addConnection(HOSTILE_NAME, "ssh", sshd.parameters, { grant: USER.name });
    await daemon.addConnection("not for ann", "ssh", sshd.parameters, { grant: "root" });
    await daemon.serve();
    // A call without a login, made on purpose.
    page = await browser.page({ expected: [/ 403 .*\/connections$/] });
    page.on("request", (request) => addresses.push(request.url()));
    page.on("websocket", (socket) => addresses.push(socket.url()));
  });

  world.test("says in a sentence that the password is wrong, and keeps the name", async () => {
    await page.goto(clientUrl(daemon.url, id));
    await signIn(page, { name: USER.name, password: "wrong" });
    await page.getByRole("alert").filter({ hasText: "User name or password is not right." }).waitFor();
    await until("the password has the focus", async () => (await focusedName()) === "password");
    assert.equal(await page.getByLabel("User name").inputValue(), USER.name);
    assert.equal(await page.getByLabel("Password", { exact: true }).inputValue(), "");
    await look(page, "login-refused");
  });

  world.test("asks for the name when it is missing", async () => {
    await page.getByLabel("User name").fill("");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Enter your user name.").waitFor();
    await until("the name has the focus", async () => (await focusedName()) === "username");
  });

  world.test("leads to the page that was wanted", async () => {
    await signIn(page, USER);
    await connected(page);
    assert.equal(page.url(), clientUrl(daemon.url, id));
    await typeLine(page, "echo here > here; trap 'echo ended > ended' EXIT HUP");
    assert.equal(await sshd.written("here"), "here\n");
  });

  world.test("stays after a reload", async () => {
    await page.reload();
    await connected(page);
    assert.equal(await page.getByLabel("User name").count(), 0);
  });

  world.test("leaves no token where a script or a log could find it", async () => {
    const cookies = await page.context().cookies();
    assert.equal(cookies.length, 1);
    const [cookie] = cookies;
    assert.ok(cookie.httpOnly);
    assert.equal(cookie.sameSite, "Strict");
    const readable = await page.evaluate(async () => [
      document.cookie,
      location.href,
      JSON.stringify({ ...localStorage }),
      JSON.stringify({ ...sessionStorage }),
    ]);
    const log = readFileSync(new URL("../../test-results/login.log", import.meta.url), "utf8");
    for (const text of [...readable, ...addresses, log]) {
      assert.ok(!text.includes(cookie.value), `the token is in ${text.slice(0, 200)}`);
      assert.ok(!/[?&]token=/.test(text), `a token is in ${text.slice(0, 200)}`);
    }
    assert.equal(readable[0], "");
    assert.ok(!log.includes(USER.password));
  });

  world.test("shows hostile names as text, and only what one may use", async () => {
    await page.goto(daemon.url);
    const tree = page.getByRole("tree");
    await tree.getByText(HOSTILE_NAME).waitFor();
    assert.equal(await tree.getByText("not for ann").count(), 0);
    assert.equal(await page.title(), "guacd-lite");
  });

  world.test("ends with logging out, sessions included", async () => {
    await page.goto(clientUrl(daemon.url, id));
    await connected(page);
    await typeLine(page, "trap 'echo gone > gone' HUP EXIT; echo set > set");
    await sshd.written("set");
    // From the keyboard: the chord opens the palette, which finds the command.
    for (const key of ["Control", "Alt", "Shift"]) await page.keyboard.down(key);
    for (const key of ["Shift", "Alt", "Control"]) await page.keyboard.up(key);
    await page.getByRole("complementary").getByRole("combobox").waitFor();
    await page.keyboard.type("log out");
    await page.getByRole("option", { selected: true }).filter({ hasText: "Log out" }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByLabel("User name").waitFor();
    await until("the shell has ended", () => existsSync(sshd.path("gone")));
    const status = await page.evaluate(async () => {
      const answer = await fetch("api/session/data/mysql/connections", { headers: { "Guacamole-Cookie": "1" } });
      return answer.status;
    });
    assert.equal(status, 403);
  });

  world.test("forgets the name of who was here", async () => {
    assert.equal(await page.getByLabel("User name").inputValue(), "");
    await signIn(page, { name: "root", password: "another password" });
    await page.getByRole("tree").getByText("not for ann").waitFor();
  });
});
