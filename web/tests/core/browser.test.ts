/**
 * The library in a real browser, under the policy our pages have: what a fake canvas cannot show.
 * Skipped, loudly, where no Chromium is installed (`CHROMIUM` names one elsewhere).
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { encode } from "../../core/protocol/encoder.ts";
import type { TestPage } from "./browser/page.ts";

const CANDIDATES = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = CANDIDATES.find((path) => path !== undefined && existsSync(path));
if (executablePath === undefined) console.warn("SKIPPED: tests/core/browser.test.ts needs Chromium");

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
  "worker-src 'self'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types workers";
const FIRST_FRAME =
  encode("size", 0, 640, 480) + encode("rect", 0, 0, 0, 640, 480) + encode("cfill", 14, 0, 0, 80, 0, 255) + encode("sync", 1, 1);

/** A gateway that knows only the HTTP tunnel and writes down what it gets. */
class Gateway {
  readonly server: Server;
  received = "";
  #reader: ServerResponse | null = null;
  #started = false;

  constructor(readonly root: string) {
    this.server = createServer((request, response) => this.#answer(request, response));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [path = "", query = ""] = (request.url ?? "").split("?");
    if (path === "/tunnel") this.#tunnel(query, request, response);
    else this.#file(path === "/" ? "/index.html" : path, response);
  }

  #tunnel(query: string, request: IncomingMessage, response: ServerResponse): void {
    if (query === "connect") {
      request.resume();
      response.setHeader("Guacamole-Tunnel-Token", "token").end("uuid-1");
    } else if (request.headers["guacamole-tunnel-token"] !== "token") {
      response.writeHead(400).end();
    } else if (query.startsWith("read:uuid-1:")) {
      // A read hands over to the next only after it brought something.
      const before = this.#reader;
      this.#reader = response;
      response.flushHeaders();
      if (!this.#started) response.write(FIRST_FRAME);
      this.#started = true;
      before?.end("0.;");
    } else {
      request.on("data", (chunk: Buffer) => (this.received += chunk.toString()));
      request.on("end", () => response.end());
    }
  }

  #file(path: string, response: ServerResponse): void {
    const file = join(this.root, path);
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const type = path.endsWith(".js") ? "text/javascript" : "text/html";
    response.writeHead(200, { "Content-Type": type, "Content-Security-Policy": POLICY }).end(readFileSync(file));
  }
}

describe.skipIf(executablePath === undefined)("in Chromium", () => {
  const outDir = mkdtempSync(join(tmpdir(), "core-browser-"));
  const gateway = new Gateway(outDir);
  const complaints: string[] = [];
  let browser: Browser | undefined;
  let page: Page;

  beforeAll(async () => {
    await build({
      configFile: false,
      root: fileURLToPath(new URL("./browser", import.meta.url)),
      base: "./",
      logLevel: "error",
      worker: { format: "es" },
      build: { outDir, emptyOutDir: true, target: "es2023", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
    });
    await new Promise<void>((resolve) => gateway.server.listen(0, "127.0.0.1", resolve));
    const launched = await chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox"] });
    browser = launched;
    const context = await launched.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
    page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    const { port } = gateway.server.address() as AddressInfo;
    await page.goto("http://127.0.0.1:" + port + "/");
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    gateway.server.closeAllConnections();
    gateway.server.close();
    rmSync(outDir, { recursive: true, force: true });
  });

  it.each([false, true])("paints exactly what was sent (in a worker: %s)", async (worker) => {
    const result = await page.evaluate((inWorker) => (window as unknown as { page: TestPage }).page.paint(inWorker), worker);
    expect(result).toEqual({
      wrong: 0,
      size: "256x200",
      css: "256px 200px",
      background: "1,2,3,255",
      webp: "10,200,30,255",
      cleared: "0,0,0,255",
      inverted: "245,254,255,255",
      child: "128,129,1,255",
      cursor: true,
      inWorker: worker,
    });
  }, 60_000);

  it("survives instructions that make no sense", async () => {
    expect(await page.evaluate(() => (window as unknown as { page: TestPage }).page.nonsense(5000))).toBeNull();
  }, 60_000);

  it("falls back to the HTTP tunnel and sends keys, pastes and clicks in order", async () => {
    await page.evaluate(() => (window as unknown as { page: TestPage }).page.connect());
    await page.waitForFunction(() => (window as unknown as { page: TestPage }).page.log.includes("connected"));
    await page.keyboard.press("Control+c");
    await page.evaluate(() => navigator.clipboard.writeText("ü"));
    await page.keyboard.press("Control+v");
    await page.keyboard.type("é€");
    await page.mouse.click(100, 120);
    await page.evaluate(() => (window as unknown as { page: TestPage }).page.disconnect());
    await expect.poll(() => gateway.received).toContain("10.disconnect;");
    const wanted = gateway.received.match(/\d+\.(key|mouse|clipboard|blob|end|sync|disconnect)[^;]*;/g);
    expect(wanted?.join("")).toBe(
      encode("sync", 1) +
        [[65507, 1], [99, 1], [99, 0], [65507, 0], [65507, 1]].map(([keysym = 0, down = 0]) => encode("key", keysym, down)).join("") +
        encode("clipboard", 0, "text/plain") + encode("blob", 0, "w7w=") + encode("end", 0) +
        [[118, 1], [118, 0], [65507, 0], [233, 1], [233, 0], [0x010020ac, 1], [0x010020ac, 0]]
          .map(([keysym = 0, down = 0]) => encode("key", keysym, down)).join("") +
        encode("mouse", 100, 120, 0) + encode("mouse", 100, 120, 1) + encode("mouse", 100, 120, 0) +
        encode("disconnect"),
    );
    // The one complaint is the socket this gateway does not have; the policy has none.
    const others = complaints.filter((text) => !text.includes("websocket-tunnel") && !text.includes("404"));
    expect(others).toEqual([]);
  }, 60_000);
});
