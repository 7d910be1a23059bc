// RDP desktops: a real xrdp with its clipboard, sizes and drive; FreeRDP's shadow server with NLA and its certificate.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before } from "node:test";

import { clientUrl, connected, look, openByName, sameAsServer, signIn, typeLine } from "./support/browser.mjs";
import { dropFiles, openFiles, savedFile } from "./support/files.mjs";
import { SHADOW, XRDP } from "./support/needs.mjs";
import { colours } from "./support/pixels.mjs";
import { Shadow, Xrdp } from "./support/rdp.mjs";
import { suite, USER } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

/** Both servers send RemoteFX, which loses a little. */
const LOSSY_DB = 39;
/** What is on three levels of a German keyboard, and behind a dead key. */
const TYPED = "second; äöüß €@{[]}\\ é";

suite("rdp", "an xrdp desktop", XRDP, (world) => {
  const { browser, daemon } = world;
  const desktop = new Xrdp(world.dir);
  world.atEnd(() => desktop.stop());
  let page;
  /** The drive, as the gateway has it. */
  const shared = (name) => join(world.dir, "drive", name);

  /** Presses the mouse in the middle of a window. */
  const click = async (name) => {
    const { x, y, width, height } = await desktop.window(name);
    await page.mouse.click(Math.round(x + width / 2), Math.round(y + height / 2));
    await until(`${name} has the focus`, async () => (await desktop.activeWindow()).includes(name));
  };

  before(async () => {
    await desktop.start();
    await daemon.addUser(USER.name, USER.password, "--admin");
    mkdirSync(shared("Download"), { recursive: true });
    const parameters = {
      ...desktop.parameters,
      "resize-method": "display-update",
      "server-layout": "de-de-qwertz",
      "enable-drive": "true",
      "drive-name": "shared",
      "drive-path": shared(""),
    };
    await daemon.addConnection("desk", "rdp", parameters, { grant: USER.name });
    await daemon.serve();
    const colourful = "for i in 1 2 3 4 5 6 7; do printf '\\033[3%sm line %s of coloured text\\033[0m\\n' $i $i; done";
    await desktop.showTerminal("writer", "60x12+20+60", `${colourful}; exec cat > ${desktop.path("written")}`);
    await desktop.showTerminal("second", "50x8+20+380", `exec cat > ${desktop.path("second")}`);
    await desktop.showPhotograph();
  });

  world.test("shows what the server shows", async () => {
    page = await browser.page();
    await page.goto(daemon.url);
    await signIn(page, USER);
    await openByName(page, "desk");
    await connected(page);
    await page.mouse.move(640, 500);
    const shown = await sameAsServer(page, desktop, "rdp", LOSSY_DB);
    assert.ok(colours(shown) > 1000, "a photograph is on the screen");
    await look(page, "rdp");
  });

  world.test("brings clicks and typed text to the right window", async () => {
    await click("writer");
    await typeLine(page, "first, $((6*7)) <ok>");
    await click("second");
    await typeLine(page, TYPED);
    await click("writer");
    await typeLine(page, "again");
    await desktop.written("second", (text) => text === `${TYPED}\n`);
    await desktop.written("written", (text) => text === "first, $((6*7)) <ok>\nagain\n");
  });

  world.test("takes the size of the window", async () => {
    for (const size of [{ width: 1000, height: 640 }, { width: 1280, height: 800 }]) {
      await page.setViewportSize(size);
      await until(`the desktop is ${size.width}x${size.height}`, async () => {
        const now = await desktop.size();
        return now.width === size.width && now.height === size.height;
      });
      const shown = await sameAsServer(page, desktop, `rdp-${size.width}`, LOSSY_DB);
      assert.deepEqual([shown.width, shown.height], [size.width, size.height]);
    }
    await look(page, "rdp-resized");
  });

  world.test("gives local text to the machine when it is pasted", async () => {
    await click("second");
    await page.evaluate(() => navigator.clipboard.writeText("von hier: Grüße €"));
    // The channel server may still be about to learn of the text: nothing is pasted then, and we press again.
    await until("the pasted line is written", async () => {
      await page.keyboard.press("Shift+Insert");
      await page.keyboard.press("Enter");
      return readFileSync(desktop.path("second"), "utf8").includes("von hier: Grüße €");
    });
  });

  world.test("brings what is marked on the machine to the local clipboard", async () => {
    await click("writer");
    await typeLine(page, "markiert-äöü");
    await desktop.written("written", (text) => text.endsWith("markiert-äöü\n"));
    const { x, y, height } = await desktop.window("writer");
    // Three clicks mark a line. The terminal has twelve: seven coloured ones, two typed before, and then ours.
    // xterm takes them for one mark only within a quarter of a second, which a busy machine may miss: then again.
    const marked = () => page.evaluate(async () => (await navigator.clipboard.readText()).trim() === "markiert-äöü");
    await until("the line is on the local clipboard", async () => {
      await page.mouse.click(x + 30, Math.round(y + (height * 9.5) / 12), { clickCount: 3 });
      for (let look = 0; look < 20; look += 1) {
        if (await marked()) return true;
        await page.waitForTimeout(50);
      }
      return false;
    });
  });

  world.test("shares its drive with the page", async () => {
    writeFileSync(shared("from the gateway.txt"), "Grüße\n");
    const panel = await openFiles(page);
    await panel.getByRole("group", { name: "Shared Drive" }).waitFor();
    await look(page, "rdp-files");
    const saved = await savedFile(page, () => panel.getByRole("button", { name: "Download from the gateway.txt" }).click());
    assert.equal(readFileSync(saved.path, "utf8"), "Grüße\n");
    await dropFiles(page, panel.getByRole("group"), [{ name: "from the page.txt", text: "hello\n" }]);
    await panel.getByRole("button", { name: "Download from the page.txt" }).waitFor();
    assert.equal(readFileSync(shared("from the page.txt"), "utf8"), "hello\n");
    await page.keyboard.press("Escape");
    await dropFiles(page, page.getByRole("application"), [{ name: "dropped.txt", text: "dropped\n" }]);
    await until("what was dropped is on the drive", () => readFileSync(shared("dropped.txt"), "utf8") === "dropped\n");
  });

  world.test("takes files from the drive and saves what is put into its download folder", async () => {
    const drive = desktop.drive("shared");
    await until("the machine sees the drive", () => existsSync(join(drive, "from the page.txt")));
    assert.equal(readFileSync(join(drive, "from the page.txt"), "utf8"), "hello\n");
    const saved = await savedFile(page, async () => {
      writeFileSync(join(drive, "Download", "for you.txt"), "Grüße\n");
    });
    assert.equal(saved.name, "for you.txt");
    assert.equal(readFileSync(saved.path, "utf8"), "Grüße\n");
  });
});

suite("rdp-nla", "an RDP server with NLA", SHADOW, (world) => {
  const { browser, daemon } = world;
  const desktop = new Shadow(world.dir);
  world.atEnd(() => desktop.stop());
  const ids = {};

  const opened = async (id) => {
    const page = await browser.page({ viewport: { width: 1024, height: 700 } });
    await page.goto(clientUrl(daemon.url, id));
    await signIn(page, USER);
    return page;
  };

  before(async () => {
    await desktop.start();
    await daemon.addUser(USER.name, USER.password, "--admin");
    const add = (name, more) => daemon.addConnection(name, "rdp", { ...desktop.parameters, ...more }, { grant: USER.name });
    ids.right = await add("right", { password: desktop.secret });
    ids.wrong = await add("wrong", { password: "wrong horse" });
    ids.asked = await add("asked", {});
    await daemon.serve();
    await desktop.showTerminal("writer", "60x12+20+60", `exec cat > ${desktop.path("written")}`);
  });

  world.test("lets the right password in", async () => {
    const page = await opened(ids.right);
    await connected(page);
    const { x, y, width, height } = await desktop.window("writer");
    await page.mouse.click(Math.round(x + width / 2), Math.round(y + height / 2));
    await typeLine(page, "over nla");
    await desktop.written("written", (text) => text === "over nla\n");
    await page.mouse.move(700, 600);
    await sameAsServer(page, desktop, "rdp-nla", LOSSY_DB);
    await look(page, "rdp-nla");
    await page.context().close();
  });

  world.test("refuses a wrong password, and that is said", async () => {
    const page = await opened(ids.wrong);
    await page.getByRole("heading", { name: "Sign-in refused" }).waitFor();
    await page.getByText("wrong did not accept the user name or password.").waitFor();
    await look(page, "rdp-wrong-password");
    await page.context().close();
  });

  world.test("asks for what is missing", async () => {
    const page = await opened(ids.asked);
    const dialog = page.getByRole("dialog", { name: "asked asks for your sign-in" });
    await dialog.waitFor();
    await look(page, "rdp-prompt");
    await dialog.getByLabel("Password").fill(desktop.secret);
    await dialog.getByRole("button", { name: "Continue" }).click();
    await connected(page);
    await page.context().close();
  });

  world.test("is refused when its certificate has changed, and that is said", async () => {
    await desktop.changeCertificate();
    const page = await opened(ids.right);
    await page.getByRole("heading", { name: "Not the machine it was" }).waitFor();
    await look(page, "rdp-changed-certificate");
    await page.context().close();
  });
});
