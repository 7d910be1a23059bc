import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { RESULTS } from "./daemon.mjs";
import { need } from "./needs.mjs";
import { asPng, colours, difference, differenceAsPng, likeness, readPng } from "./pixels.mjs";
import { until } from "./until.mjs";

const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Asking who is logged in is answered like this when nobody is; Chromium reports that as an error. */
const NOT_LOGGED_IN = /^Failed to load resource: the server responded with a status of 403 .*\/api\/tokens$/;

/** Chromium with pages that keep note of everything they complain about. */
export class Browser {
  /** Errors, warnings and broken policies of all pages so far. */
  complaints = [];
  /** @type {import("playwright-core").Browser | null} */
  #browser = null;

  /** @param {string} program Another to start in its place, for one in a network namespace. */
  async start(program = need("chromium")) {
    this.#browser = await chromium.launch({ executablePath: program, args: ARGS });
  }

  async stop() {
    await this.#browser?.close();
  }

  /**
   * A page of a person who was never here.
   * @param {import("playwright-core").BrowserContextOptions & { expected?: RegExp[], prepare?: () => void }} options
   *   `expected`: complaints that are part of the test; `prepare`: runs in the page before anything of it.
   */
  async page({ expected = [], prepare, ...options } = {}) {
    const context = await this.#browser.newContext({
      viewport: { width: 1280, height: 800 },
      permissions: ["clipboard-read", "clipboard-write"],
      ...options,
    });
    context.setDefaultTimeout(30_000);
    const complain = (text) => {
      if (!NOT_LOGGED_IN.test(text) && !expected.some((each) => each.test(text))) this.complaints.push(text);
    };
    context.on("weberror", (error) => complain(`uncaught: ${error.error().stack}`));
    context.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      complain(`${message.text()} ${message.location().url}`);
    });
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) =>
        console.error(`policy ${event.effectiveDirective} broken by ${event.blockedURI} ${event.sample}`),
      );
    });
    if (prepare) await context.addInitScript(prepare);
    const page = await context.newPage();
    // Asking before the page is left while a session lives is right, and in the way here.
    page.on("dialog", (dialog) => void dialog.accept().catch(() => {}));
    return page;
  }

  /** Pages that are open now. */
  get pages() {
    return this.#browser?.contexts().flatMap((context) => context.pages()) ?? [];
  }
}

/**
 * Fills the login that is on the page, by keys alone.
 * @param {import("playwright-core").Page} page
 * @param {{ name: string, password: string }} user
 */
export async function signIn(page, { name, password }) {
  const field = page.getByLabel("User name");
  await until("the field for the name has the focus", () => field.evaluate((input) => input === document.activeElement));
  await page.keyboard.type(name);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
}

/**
 * Finds a machine by the search of the home page and opens it.
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function openByName(page, name) {
  const search = page.getByRole("combobox");
  await until("the search has the focus", () => search.evaluate((input) => input === document.activeElement));
  await page.getByRole("tree").waitFor();
  await page.keyboard.type(name);
  await page.getByRole("option", { selected: true }).filter({ hasText: name }).waitFor();
  await page.keyboard.press("Enter");
}

/**
 * Address of a connection's page, as people bookmark it.
 * @param {string} url Of the daemon.
 * @param {string} id
 */
export function clientUrl(url, id) {
  return `${url}#/client/${Buffer.from(`${id}\0c\0mysql`).toString("base64url")}`;
}

/**
 * Waits until the session on the page is connected, shows something and has the keyboard.
 * @param {import("playwright-core").Page} page
 */
export async function connected(page) {
  await page.locator('main[data-state="connected"]').waitFor();
  await until("the machine has the keyboard", () => page.evaluate(() => document.activeElement?.matches("textarea.sink")));
  await until("something is drawn", async () => colours(await picture(page)) > 1);
}

/**
 * The machine's picture as the browser shows it, without what the page lays over it.
 * @param {import("playwright-core").Page} page
 */
export async function picture(page) {
  const client = page.locator("main.client");
  await client.evaluate(cover, "hidden");
  try {
    return readPng(await page.getByTestId("display").screenshot({ caret: "initial" }));
  } finally {
    await client.evaluate(cover, "");
  }
}

/** Runs in the page. A style set by script breaks no policy; a style sheet would. */
function cover(client, visibility) {
  for (const child of client.children) {
    if (child.getAttribute("role") !== "application") child.style.visibility = visibility;
  }
}

/**
 * Waits until the picture stays the same, and gives it.
 * @param {import("playwright-core").Page} page
 */
export async function stillPicture(page) {
  let before = await picture(page);
  return until("the picture is still", async () => {
    const now = await picture(page);
    const same = difference(before, now) === 0;
    before = now;
    return same && now;
  });
}

/**
 * Waits until the browser shows exactly what the X server says it shows.
 * @param {import("playwright-core").Page} page
 * @param {import("./desktop.mjs").Screen} desktop
 * @param {string} name Of the files written when it never does.
 * @param {number} leastDb Likeness that is enough, where the server's own codec loses something.
 */
export async function sameAsServer(page, desktop, name, leastDb = Infinity) {
  let shown, real;
  try {
    await until("the picture is the server's own", async () => {
      real = await desktop.screenshot();
      shown = await picture(page);
      return difference(shown, real) === 0 || likeness(shown, real) >= leastDb;
    });
  } catch (error) {
    if (!shown || !real) throw error;
    writeFileSync(join(RESULTS, `${name}-shown.png`), asPng(shown));
    writeFileSync(join(RESULTS, `${name}-real.png`), asPng(real));
    writeFileSync(join(RESULTS, `${name}-difference.png`), differenceAsPng(real, shown));
    error.message += `: ${difference(shown, real)} pixels off, ${likeness(shown, real).toFixed(1)} dB, ${shown.width}x${shown.height} shown, ${real.width}x${real.height} real`;
    throw error;
  }
  return shown;
}

/**
 * Keeps what the page looks like, to be looked at.
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function look(page, name) {
  await page.screenshot({ path: join(RESULTS, `${name}.png`), animations: "disabled" });
}

/**
 * Types a line and ends it with Enter.
 * @param {import("playwright-core").Page} page
 * @param {string} line
 */
export async function typeLine(page, line) {
  await page.keyboard.type(line);
  await page.keyboard.press("Enter");
}
