// The home page with nothing but the keyboard: find, open, go back.
import assert from "node:assert/strict";
import { before } from "node:test";

import { connected, look, openByName, signIn, typeLine } from "./support/browser.mjs";
import { SSH } from "./support/needs.mjs";
import { suite, USER } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

suite("home", "the home page", SSH, (world) => {
  const { browser, daemon, sshd } = world;
  let page;

  const search = () => page.getByRole("combobox").first();
  const focusIn = (locator) => locator.evaluate((element) => element === document.activeElement);

  /** Opens the panel of a session by keys and runs what its palette finds. */
  const command = async (text) => {
    for (const key of ["Control", "Alt", "Shift"]) await page.keyboard.down(key);
    for (const key of ["Shift", "Alt", "Control"]) await page.keyboard.up(key);
    const palette = page.getByRole("complementary").getByRole("combobox");
    await until("the palette has the focus", () => focusIn(palette));
    await page.keyboard.type(text);
    await page.getByRole("option", { selected: true }).filter({ hasText: text }).waitFor();
    await page.keyboard.press("Enter");
  };

  before(async () => {
    await sshd.start();
    await daemon.addUser(USER.name, USER.password);
    await daemon.addUser("bob", "nothing to see", "--admin");
    await daemon.addUser("eve", "nothing at all");
    for (const [name, group] of [["web-1", "Europe/Berlin"], ["web-2", "Europe/Berlin"], ["db-1", "Europe"], ["printer", ""]]) {
      await daemon.addConnection(name, "ssh", sshd.parameters, { grant: USER.name, ...(group && { group }) });
    }
    await daemon.serve();
  });

  world.test("shows the groups as a tree, and the search has the focus", async () => {
    page = await browser.page({ colorScheme: "dark" });
    await page.goto(daemon.url);
    await signIn(page, USER);
    const tree = page.getByRole("tree");
    await tree.waitFor();
    await until("the search has the focus", () => focusIn(search()));
    const rows = await tree.getByRole("treeitem").evaluateAll((items) =>
      items.map((item) => `${item.getAttribute("aria-level")} ${item.querySelector(".name").textContent}`),
    );
    assert.deepEqual(rows, ["1 Europe", "2 Berlin", "3 web-1", "3 web-2", "2 db-1", "1 printer"]);
    await look(page, "home-first");
  });

  world.test("selects the best match and opens it with Enter", async () => {
    await page.keyboard.type("db");
    const best = page.getByRole("option", { selected: true });
    await best.filter({ hasText: "db-1" }).waitFor();
    await look(page, "home-search");
    await page.keyboard.press("Enter");
    await connected(page);
    await typeLine(page, "echo db > db");
    await sshd.written("db");
  });

  world.test("lets a session live on while one is elsewhere in the app", async () => {
    await typeLine(page, "echo $$ > shell-1");
    const shell = await sshd.written("shell-1");
    await command("Go home");
    await page.getByRole("link", { name: "Go back to db-1" }).waitFor();
    await look(page, "home-running");
    await until("the search has the focus", () => focusIn(search()));
    // What runs comes first, so going back is one key more.
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await connected(page);
    await typeLine(page, "echo $$ > shell-2");
    assert.equal(await sshd.written("shell-2"), shell);
  });

  world.test("ends a session by a command and offers it as recent", async () => {
    await command("Disconnect db-1");
    const card = page.getByRole("alertdialog", { name: "Session ended" });
    await card.waitFor();
    await until("the card has the focus", () => card.evaluate((element) => element.contains(document.activeElement)));
    await command("Go home");
    await page.getByRole("heading", { name: "Recent" }).waitFor();
    await page.getByRole("link", { name: "Open db-1" }).waitFor();
    assert.equal(await page.getByRole("link", { name: "Go back to db-1" }).count(), 0);
    await look(page, "home-recent");
  });

  world.test("is walked through by arrows", async () => {
    await page.getByRole("tree").waitFor();
    await until("the search has the focus", () => focusIn(search()));
    const row = (name) => page.getByRole("treeitem").filter({ hasText: name });
    for (let i = 0; i < 40 && !(await focusIn(row("Europe"))); i++) await page.keyboard.press("Tab");
    assert.ok(await focusIn(row("Europe")), "Tab leads to the tree");
    await page.keyboard.press("ArrowLeft");
    await until("the group is closed", async () => (await page.getByRole("treeitem").count()) === 2);
    await page.keyboard.press("ArrowRight");
    for (const name of ["Berlin", "web-1", "web-2"]) {
      await page.keyboard.press("ArrowDown");
      await until(`${name} has the focus`, () => focusIn(row(name)));
    }
    await page.keyboard.press("Enter");
    await connected(page);
    assert.match(await page.title(), /^web-2/);
  });

  world.test("comes back with the search at the same combination everywhere", async () => {
    await command("Go home");
    await page.getByRole("tree").waitFor();
    await page.getByRole("treeitem").first().focus();
    await page.keyboard.press("Control+k");
    assert.ok(await focusIn(search()));
    await page.keyboard.type("no such thing");
    await page.getByText("Nothing matches").waitFor();
    await page.context().close();
  });

  world.test("says what to do when there are no machines", async () => {
    page = await browser.page();
    await page.goto(daemon.url);
    await signIn(page, { name: "eve", password: "nothing at all" });
    await page.getByRole("heading", { name: "No machines yet" }).waitFor();
    await look(page, "home-empty");
    await page.context().close();
  });

  world.test("shows an administrator every machine", async () => {
    page = await browser.page();
    await page.goto(daemon.url);
    await signIn(page, { name: "bob", password: "nothing to see" });
    await openByName(page, "printer");
    await connected(page);
  });
});
