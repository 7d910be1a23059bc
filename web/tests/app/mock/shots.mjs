/**
 * Pictures of every page in both themes and two widths, for looking at:
 * `npm run build && node tests/app/mock/shots.mjs FOLDER [CHROMIUM]`.
 */
import { mkdirSync } from "node:fs";

import { chromium } from "playwright-core";

import { startMock } from "./server.mjs";

const folder = process.argv[2] ?? "test-results/shots";
const only = process.env.ONLY?.split(",");
mkdirSync(folder, { recursive: true });

const mock = await startMock();
const browser = await chromium.launch({
  executablePath: process.argv[3] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

const b64 = (id) => Buffer.from(`${id}\0c\0default`).toString("base64url");
const complaints = [];

async function visit(name, colorScheme, viewport, hash, act) {
  if (only && !only.includes(name)) return;
  const context = await browser.newContext({ colorScheme, viewport, hasTouch: viewport.width < 500, isMobile: viewport.width < 500, deviceScaleFactor: 1 });
  const page = await context.newPage();
  const label = `${name}-${colorScheme}-${viewport.width}`;
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(`${label}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`${label}: ${error.stack}`));
  await page.goto(mock.url + hash);
  const signIn = async (user = "admin") => {
    await page.getByLabel("User name").fill(user);
    await page.getByRole("textbox", { name: "Password" }).fill("demo");
    await page.getByRole("button", { name: "Sign in" }).click();
  };
  try {
    await act(page, signIn);
    await page.waitForTimeout(500);
  } catch (error) {
    complaints.push(`${label}: ${error.message}`);
  }
  await page.screenshot({ path: `${folder}/${label}.png` });
  await context.close();
}

const connected = (page) => page.locator('main[data-state="connected"]').waitFor({ timeout: 8000 });

for (const colorScheme of ["dark", "light"]) {
  for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
    const shot = (name, hash, act) => visit(name, colorScheme, viewport, hash, act);
    await shot("login", "", (page) => page.getByLabel("User name").waitFor());
    await shot("login-wrong", "", async (page) => {
      await page.getByLabel("User name").fill("admin");
      await page.getByRole("textbox", { name: "Password" }).fill("nope");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").waitFor();
    });
    await shot("home", "", async (page, signIn) => {
      await signIn();
      await page.getByRole("tree").waitFor();
    });
    await shot("search", "", async (page, signIn) => {
      await signIn();
      await page.getByRole("tree").waitFor();
      await page.getByRole("combobox").fill("d");
    });
    await shot("empty", "", async (page, signIn) => {
      await signIn("nobody");
      await page.getByText("No machines yet").waitFor();
    });
    await shot("prefs", "#/settings/preferences", async (page, signIn) => {
      await signIn();
      await page.getByText("Appearance").waitFor();
    });
    await shot("connecting", `#/client/${b64(25)}`, async (page, signIn) => {
      await signIn();
      await page.getByText("Connecting to").waitFor();
    });
    await shot("client", `#/client/${b64(1)}`, async (page, signIn) => {
      await signIn();
      await connected(page);
      await page.getByRole("button", { name: /Show the bar/ }).click();
    });
    await shot("panel", `#/client/${b64(1)}`, async (page, signIn) => {
      await signIn();
      await connected(page);
      await page.keyboard.down("Control");
      await page.keyboard.down("Alt");
      await page.keyboard.down("Shift");
      await page.keyboard.up("Shift");
      await page.keyboard.up("Alt");
      await page.keyboard.up("Control");
      await page.getByRole("complementary").waitFor();
    });
    await shot("prompt", `#/client/${b64(20)}`, async (page, signIn) => {
      await signIn();
      await page.getByRole("dialog").waitFor();
    });
    await shot("reconnect", `#/client/${b64(22)}`, async (page, signIn) => {
      await signIn();
      await connected(page);
      await page.locator('main[data-state="reconnecting"]').waitFor({ timeout: 8000 });
    });
    await shot("refused", `#/client/${b64(24)}`, async (page, signIn) => {
      await signIn();
      await page.getByRole("alertdialog").waitFor();
      await page.getByRole("button", { name: "Details" }).click();
    });
    await shot("frozen", `#/client/${b64(23)}`, async (page, signIn) => {
      await signIn();
      await connected(page);
      await page.locator('main[data-state="frozen"]').waitFor({ timeout: 12000 });
    });
  }
}

await browser.close();
mock.close();
for (const complaint of new Set(complaints)) console.log(complaint);
console.log(complaints.length === 0 ? "no complaints" : `${complaints.length} complaints`);
