// Files of a real OpenSSH: walked through, sent by drop, dialog and paste, and saved by the browser.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before } from "node:test";

import { clientUrl, connected, look, signIn, typeLine } from "./support/browser.mjs";
import { dropFiles, openFiles, savedFile } from "./support/files.mjs";
import { DESKTOP, SFTP } from "./support/needs.mjs";
import { suite, USER } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

/** Enough that no part of it may be kept as a whole. */
const LARGE_BYTES = 200 * 1024 * 1024;

async function digest(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

suite("files", "files", SFTP, (world) => {
  const { browser, daemon, sshd } = world;
  const name = "ü <b>&\"größer\".txt";
  let page;
  let panel;

  const arrived = (path, bytes) => until(`${path} is there`, () => statSync(sshd.path(path)).size === bytes);

  before(async () => {
    await sshd.start();
    mkdirSync(sshd.path("docs/inner"), { recursive: true });
    writeFileSync(sshd.path(`docs/${name}`), "Grüße\n");
    await daemon.addUser(USER.name, USER.password, "--admin");
    const parameters = { ...sshd.parameters, "enable-sftp": "true", "sftp-root-directory": sshd.home };
    const id = await daemon.addConnection("web-1", "ssh", parameters, { grant: USER.name });
    const closed = { ...parameters, "sftp-disable-upload": "true" };
    world.closed = await daemon.addConnection("web-2", "ssh", closed, { grant: USER.name });
    await daemon.serve();
    page = await browser.page();
    await page.goto(clientUrl(daemon.url, id));
    await signIn(page, USER);
    await connected(page);
  });

  world.test("are walked through, and saved by the browser", async () => {
    panel = await openFiles(page);
    await panel.getByRole("button", { name: "Open folder docs" }).click();
    await panel.getByRole("button", { name: "Open folder inner" }).click();
    await panel.getByText("This folder is empty.").waitFor();
    await panel.getByRole("navigation", { name: "Folder" }).getByRole("button", { name: "docs" }).click();
    await panel.getByRole("button", { name: `Download ${name}` }).waitFor();
    await look(page, "files-panel");
    const saved = await savedFile(page, () => panel.getByRole("button", { name: `Download ${name}` }).click());
    assert.equal(saved.name, "ü <b>&\"größer\".txt".replaceAll(/["<>]/g, "_"));
    assert.equal(await digest(saved.path), await digest(sshd.path(`docs/${name}`)));
    await page.getByText("Saved", { exact: true }).waitFor();
  });

  world.test("are sent into the folder that is open", async () => {
    const path = join(world.dir, "two words.bin");
    writeFileSync(path, randomBytes(5_000_000));
    const chooser = page.waitForEvent("filechooser");
    await panel.getByRole("button", { name: "Upload" }).click();
    await (await chooser).setFiles(path);
    await panel.getByRole("button", { name: "Download two words.bin" }).waitFor();
    assert.equal(await digest(sshd.path("docs/two words.bin")), await digest(path));
    await dropFiles(page, panel.getByRole("group"), [{ name: "dropped here.txt", text: "1\n" }]);
    await panel.getByRole("button", { name: "Download dropped here.txt" }).waitFor();
    await arrived("docs/dropped here.txt", 2);
  });

  world.test("of 200 MB go there and back, byte by byte, while the terminal answers", async () => {
    const path = join(world.dir, "large.bin");
    const block = randomBytes(1024 * 1024);
    writeFileSync(path, Buffer.concat(Array(LARGE_BYTES / block.length).fill(block)));
    const start = performance.now();
    const chooser = page.waitForEvent("filechooser");
    await panel.getByRole("button", { name: "Upload" }).click();
    await (await chooser).setFiles(path);
    await page.getByRole("progressbar", { name: "large.bin" }).waitFor();
    await look(page, "files-upload");
    await page.keyboard.press("Escape");
    await typeLine(page, "echo meanwhile > meanwhile");
    await sshd.written("meanwhile");
    assert.ok(!existsSync(sshd.path("docs/large.bin")) || statSync(sshd.path("docs/large.bin")).size < LARGE_BYTES);
    await arrived("docs/large.bin", LARGE_BYTES);
    console.log(`# up: ${(LARGE_BYTES / 1e6 / ((performance.now() - start) / 1000)).toFixed(1)} MB/s`);
    const sum = await digest(path);
    assert.equal(await digest(sshd.path("docs/large.bin")), sum);
    panel = await openFiles(page);
    await panel.getByRole("button", { name: "Open folder docs" }).click();
    const begin = performance.now();
    const saved = await savedFile(page, () => panel.getByRole("button", { name: "Download large.bin" }).click());
    console.log(`# down: ${(LARGE_BYTES / 1e6 / ((performance.now() - begin) / 1000)).toFixed(1)} MB/s`);
    assert.equal(await digest(saved.path), sum);
  });

  world.test("dropped on the picture or pasted go to the machine", async () => {
    await page.keyboard.press("Escape");
    await typeLine(page, "cd docs");
    await dropFiles(page, page.getByRole("application"), [{ name: "dropped.txt", text: "dropped\n" }]);
    await page.getByText("Sent", { exact: true }).waitFor();
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(["pasted\n"], "pasted.txt"));
      document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await until("both are there", () => ["dropped.txt", "pasted.txt"].every((each) =>
      existsSync(sshd.path(each)) || existsSync(sshd.path(`docs/${each}`))));
  });

  world.test("are refused where the machine takes none, and that is said", async () => {
    const other = await browser.page({ expected: [/status of 403/] });
    await other.goto(clientUrl(daemon.url, world.closed));
    await signIn(other, USER);
    await connected(other);
    await dropFiles(other, other.getByRole("application"), [{ name: "no.txt", text: "no\n" }]);
    await other.getByRole("alert").filter({ hasText: /^no\.txt: (You may not read or write here|File transfer is off for this machine)\.$/ }).waitFor({ state: "attached" });
    await look(other, "files-refused");
    await other.getByRole("button", { name: "Dismiss no.txt" }).click();
    await other.context().close();
  });
});

suite("desktop-files", "files beside a desktop", [...DESKTOP, ...SFTP], (world) => {
  const { browser, daemon, desktop, sshd } = world;

  before(async () => {
    await Promise.all([sshd.start(), desktop.start()]);
    mkdirSync(sshd.path("shown"));
    mkdirSync(sshd.path("incoming"));
    writeFileSync(sshd.path("shown/report.txt"), "Grüße\n");
    await daemon.addUser(USER.name, USER.password, "--admin");
    const own = Object.entries(sshd.parameters).map(([name, value]) => [`sftp-${name}`, value]);
    const parameters = {
      ...desktop.parameters,
      ...Object.fromEntries(own),
      "enable-sftp": "true",
      "sftp-root-directory": sshd.path("shown"),
      "sftp-directory": sshd.path("incoming"),
    };
    world.id = await daemon.addConnection("desk", "vnc", parameters, { grant: USER.name });
    await daemon.serve();
  });

  world.test("are in the panel, and dropped ones go where they should", async () => {
    const page = await browser.page();
    await page.goto(clientUrl(daemon.url, world.id));
    await signIn(page, USER);
    await connected(page);
    const panel = await openFiles(page);
    const saved = await savedFile(page, () => panel.getByRole("button", { name: "Download report.txt" }).click());
    assert.equal(readFileSync(saved.path, "utf8"), "Grüße\n");
    await dropFiles(page, panel.getByRole("group"), [{ name: "from the page.txt", text: "hello\n" }]);
    await panel.getByRole("button", { name: "Download from the page.txt" }).waitFor();
    assert.equal(readFileSync(sshd.path("shown/from the page.txt"), "utf8"), "hello\n");
    await look(page, "desktop-files");
    await page.keyboard.press("Escape");
    await dropFiles(page, page.getByRole("application"), [{ name: "dropped.txt", text: "dropped\n" }]);
    const dropped = sshd.path("incoming/dropped.txt");
    await until("what was dropped is there", () => existsSync(dropped) && readFileSync(dropped, "utf8") === "dropped\n");
  });
});
