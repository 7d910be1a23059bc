/**
 * Walks through the built pages in a browser against the stand-in server and says what went wrong:
 * `npm run build && node tests/app/mock/walk.mjs [CHROMIUM]`. Exit code 1 when anything did.
 */
import { chromium } from "playwright-core";

import { startMock } from "./server.mjs";

const sent = [];
const mock = await startMock({ connectMs: 50, log: (opcode, args) => sent.push([opcode, ...args].join(" ")) });
const browser = await chromium.launch({
  executablePath: process.argv[2] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

let failures = 0;
const b64 = (id) => Buffer.from(`${id}\0c\0default`).toString("base64url");

function expect(condition, what) {
  if (!condition) {
    failures += 1;
    console.log(`  FAILED: ${what}`);
  }
}

async function until(condition, what) {
  for (let i = 0; i < 80; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(false, what);
}

async function walk(name, hash, run, { user = "admin", ...options } = {}) {
  console.log(name);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(6000);
  page.on("pageerror", (error) => expect(false, error.stack));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|WebSocket connection/.test(message.text())) expect(false, message.text());
  });
  sent.length = 0;
  try {
    await page.goto(mock.url + hash);
    await page.getByLabel("User name").fill(user);
    await page.getByRole("textbox", { name: "Password" }).fill("demo");
    await page.keyboard.press("Enter");
    await run(page, context);
  } catch (error) {
    expect(false, error.message);
  }
  await context.close();
}

const state = (page, value, timeout = 8000) => page.locator(`main[data-state="${value}"]`).waitFor({ timeout });
const keys = () => sent.filter((line) => line.startsWith("key "));

async function chord(page) {
  for (const key of ["Control", "Alt", "Shift"]) await page.keyboard.down(key);
  for (const key of ["Shift", "Alt", "Control"]) await page.keyboard.up(key);
}

await walk("home: one word and Enter opens the best match", "", async (page) => {
  await page.getByRole("tree").waitFor();
  const focused = await page.evaluate(() => document.activeElement?.getAttribute("role"));
  expect(focused === "combobox", `search has the focus, not ${focused}`);
  await page.keyboard.type("web-2");
  await page.keyboard.press("Enter");
  await state(page, "connected");
  expect(page.url().endsWith(b64(2)), page.url());
});

await walk("home: the tree is worked by arrows", "", async (page) => {
  await page.getByRole("treeitem").first().focus();
  const name = () => page.evaluate(() => document.activeElement?.querySelector(".name")?.textContent);
  expect((await name()) === "Europe", `first is ${await name()}`);
  await page.keyboard.press("ArrowDown");
  expect((await name()) === "Databases", `second is ${await name()}`);
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowDown");
  expect((await name()) === "web-1", `after folding: ${await name()}`);
  await page.keyboard.press("Enter");
  await state(page, "connected");
});

await walk("session: keys arrive, the chord opens the panel and sends nothing that stays", `#/client/${b64(1)}`, async (page) => {
  await state(page, "connected");
  await page.getByTestId("display").waitFor();
  await page.keyboard.type("aB");
  await until(() => keys().length >= 4, `typed keys arrive: ${keys()}`);
  expect(keys().includes("key 97 1") && keys().includes("key 66 1"), `a and B: ${keys()}`);
  await chord(page);
  await page.getByRole("complementary", { name: "Panel" }).waitFor();
  await until(async () => (await page.evaluate(() => document.activeElement?.getAttribute("role"))) === "combobox", "the palette has the focus");
  const down = new Map();
  for (const line of keys()) down.set(line.split(" ")[1], line.split(" ")[2]);
  expect([...down.values()].every((pressed) => pressed === "0"), `nothing is down: ${keys()}`);
  await page.keyboard.press("Escape");
  await page.getByRole("complementary", { name: "Panel" }).waitFor({ state: "detached" });
  const before = keys().length;
  await page.keyboard.press("x");
  await until(() => keys().length === before + 2, "keys go to the machine again");
});

await walk("session: mouse, resize, full zoom", `#/client/${b64(1)}`, async (page) => {
  await state(page, "connected");
  await page.mouse.move(200, 300);
  await page.mouse.down();
  await page.mouse.up();
  await until(() => sent.some((line) => line === "mouse 200 300 1"), `press at its place: ${sent.filter((line) => line.startsWith("mouse"))}`);
  await page.setViewportSize({ width: 1000, height: 700 });
  await until(() => sent.includes("size 1000 700"), "the new size is asked for");
  await until(async () => (await page.getByTestId("display").boundingBox())?.width === 1000, "the picture has it");
});

await walk("session: pasted text goes ahead of its keys, several lines are asked about", `#/client/${b64(1)}`, async (page, context) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await state(page, "connected");
  await page.evaluate(() => navigator.clipboard.writeText("grüße"));
  await page.keyboard.press("Control+v");
  await until(() => sent.some((line) => line.startsWith("clipboard ")), "the clipboard is sent");
  await until(() => keys().some((line) => line === "key 118 1"), `then the keys: ${sent}`);
  expect(sent.findIndex((line) => line.startsWith("clipboard ")) < sent.findIndex((line) => line === "key 118 1"), "in this order");
  await page.evaluate(() => navigator.clipboard.writeText("one\ntwo\nthree"));
  await page.keyboard.press("Control+v");
  await page.getByRole("dialog", { name: "Paste 3 lines?" }).waitFor();
  await page.getByRole("button", { name: "Paste" }).click();
  await until(() => sent.filter((line) => line.startsWith("clipboard ")).length === 2, "sent after the answer");
  await until(() => keys().filter((line) => line === "key 118 1").length === 2, `with its keys: ${keys()}`);
});

await walk("session: a prompt is answered, a wrong answer is asked again", `#/client/${b64(20)}`, async (page) => {
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("User name").fill("me");
  await dialog.getByRole("textbox", { name: "Password" }).fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("That was not accepted").waitFor();
  await dialog.getByRole("textbox", { name: "Password" }).fill("secret");
  await page.keyboard.press("Enter");
  await state(page, "connected");
});

await walk("session: back by itself after the network was gone", `#/client/${b64(1)}`, async (page) => {
  await state(page, "connected");
  mock.setDown(true);
  await state(page, "reconnecting");
  await page.getByRole("alertdialog").waitFor();
  mock.setDown(false);
  await state(page, "connected", 20_000);
  await until(async () => (await page.getByTestId("display").count()) === 1, "one picture");
  await page.keyboard.press("q");
  await until(() => keys().includes("key 113 1"), "keys arrive again");
});

await walk("session: lives on while home is shown, and is gone back to", `#/client/${b64(5)}`, async (page) => {
  await state(page, "connected");
  await page.getByRole("button", { name: /Show the bar/ }).click();
  await page.getByRole("button", { name: /^Home/ }).click();
  const tile = page.getByRole("link", { name: "Go back to design desktop" });
  await tile.waitFor();
  const connects = () => sent.length;
  void connects();
  await tile.click();
  await state(page, "connected", 1000);
});

await walk("session: Ctrl+Alt+Del from the Keys menu; disconnect; open again", `#/client/${b64(1)}`, async (page) => {
  await state(page, "connected");
  await page.getByRole("button", { name: /Show the bar/ }).click();
  await page.getByRole("button", { name: "Keys", exact: true }).click();
  await page.getByRole("menuitem", { name: "Ctrl+Alt+Del" }).click();
  await until(() => keys().includes("key 65535 1") && keys().includes("key 65535 0"), `Delete arrives: ${keys()}`);
  await page.getByRole("button", { name: /Show the bar/ }).or(page.getByRole("toolbar")).first().waitFor();
  await chord(page);
  await page.getByRole("complementary", { name: "Panel" }).getByRole("button", { name: "Disconnect" }).click();
  await state(page, "ended");
  await page.getByRole("button", { name: "Open again" }).click();
  await state(page, "connected");
});

await walk("session: the chord finds another machine, the first stays alive", `#/client/${b64(1)}`, async (page) => {
  await state(page, "connected");
  await chord(page);
  await page.getByRole("complementary", { name: "Panel" }).waitFor();
  await page.keyboard.type("bastion");
  await page.keyboard.press("Enter");
  await until(() => page.url().endsWith(b64(8)), "the address changed");
  await state(page, "connected");
  await chord(page);
  await page.keyboard.type("web-1");
  await page.getByRole("option", { name: /web-1.*Running/ }).waitFor();
  await page.keyboard.press("Enter");
  await until(() => page.url().endsWith(b64(1)), "back again");
  await state(page, "connected", 500);
});

await walk("session: a refusal is not repeated", `#/client/${b64(24)}`, async (page) => {
  await state(page, "ended");
  await page.getByRole("heading", { name: "Sign-in refused" }).waitFor();
  await page.waitForTimeout(2500);
  await state(page, "ended", 100);
});

await walk("login: ends under a session, comes back over it", `#/client/${b64(1)}`, async (page) => {
  await state(page, "connected");
  mock.logOutAll();
  mock.setDown(true);
  await state(page, "reconnecting");
  mock.setDown(false);
  await page.getByRole("heading", { name: "Sign in" }).waitFor({ timeout: 20_000 });
  await page.getByLabel("User name").fill("admin");
  await page.getByRole("textbox", { name: "Password" }).fill("demo");
  await page.keyboard.press("Enter");
  await state(page, "connected", 20_000);
});

await walk("login: a second step keeps the first", "", async (page) => {
  await page.getByLabel("Code").fill("123456");
  await page.keyboard.press("Enter");
  await page.getByRole("tree").waitFor();
  await page.getByRole("button", { name: /Account/ }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await page.getByLabel("User name").waitFor();
}, { user: "otp" });

await walk("home: a single machine opens itself", "", async (page) => {
  await state(page, "connected");
}, { user: "single" });

await browser.close();
mock.close();
console.log(failures === 0 ? "all good" : `${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
