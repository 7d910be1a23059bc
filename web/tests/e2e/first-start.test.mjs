// The very first start: an administrator whose printed password is good for one login, which has to choose another.
import assert from "node:assert/strict";
import { before } from "node:test";

import { look, signIn } from "./support/browser.mjs";
import { suite } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

const CHOSEN = "chosen at the first login";

suite("first-start", "the first start", [], (world) => {
  const { browser, daemon } = world;
  let printed = "";
  let page;

  before(async () => {
    await daemon.serve();
    printed = /log in as admin with the password (\S+)/.exec(daemon.printed)?.[1] ?? "";
    page = await browser.page();
  });

  world.test("prints a password that leads to choosing another", async () => {
    assert.match(printed, /^\w{20}$/);
    await page.goto(daemon.url);
    await signIn(page, { name: "admin", password: printed });
    const field = page.getByLabel("New password", { exact: true });
    await field.waitFor();
    await until("the field has the focus", () => field.evaluate((input) => input === document.activeElement));
    await look(page, "first-start-choose");
    await page.keyboard.type(CHOSEN);
    await page.keyboard.press("Tab");
    await page.getByLabel("New password again").focus();
    await page.keyboard.type("something else");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "not the same" }).waitFor();
  });

  world.test("takes the chosen one and says how to add a machine", async () => {
    await page.getByLabel("New password", { exact: true }).fill(CHOSEN);
    await page.getByLabel("New password again").fill(CHOSEN);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "No machines yet" }).waitFor();
    await page.getByText("guacd-lite connection add").waitFor();
  });

  world.test("knows the chosen password from then on, and no longer the printed one", async () => {
    const login = (password) =>
      fetch(new URL("api/tokens", daemon.url), {
        method: "POST",
        body: new URLSearchParams({ username: "admin", password }),
      });
    assert.equal((await login(printed)).status, 403);
    assert.equal((await login(CHOSEN)).status, 200);
  });
});
