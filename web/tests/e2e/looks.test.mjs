// Every page in dark and light, on a desk and on a phone: nothing sticks out. The pictures are for looking at.
import assert from "node:assert/strict";
import { before } from "node:test";

import { clientUrl, connected, look, signIn, stillPicture, typeLine } from "./support/browser.mjs";
import { SSH } from "./support/needs.mjs";
import { freePort } from "./support/ports.mjs";
import { suite, USER } from "./support/suite.mjs";

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const LOOKS = [
  { name: "dark", options: { colorScheme: "dark" } },
  { name: "light", options: { colorScheme: "light" } },
  { name: "phone", options: { colorScheme: "dark", ...PHONE } },
];

suite("looks", "what pages look like", SSH, (world) => {
  const { browser, daemon, sshd } = world;
  const ids = {};

  before(async () => {
    await sshd.start();
    await daemon.addUser(USER.name, USER.password, "--admin");
    const add = async (name, parameters, group) => {
      ids[name] = await daemon.addConnection(name, "ssh", { ...sshd.parameters, ...parameters }, { group });
    };
    await add("web-1", {}, "Europe/Berlin");
    await add("a machine with quite a long name, as people like to give them", {}, "Europe/Berlin");
    await add("refused", { port: await freePort() });
    await daemon.serve();
  });

  for (const { name, options } of LOOKS) {
    world.test(`login, home, preferences, session and error: ${name}`, async () => {
      const page = await browser.page(options);
      const shoot = async (what) => {
        await look(page, `looks-${name}-${what}`);
        const [inside, window] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
        assert.ok(inside <= window, `${what} is ${inside} pixels wide in a window of ${window}`);
      };
      await page.goto(daemon.url);
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await shoot("login");
      await signIn(page, USER);
      await page.getByRole("tree").waitFor();
      await shoot("home");
      await page.goto(`${daemon.url}#/settings/preferences`);
      await page.getByRole("heading", { name: "Preferences" }).waitFor();
      await shoot("preferences");
      await page.goto(clientUrl(daemon.url, ids["web-1"]));
      await connected(page);
      await typeLine(page, "ls -la --color /etc | head -20");
      await stillPicture(page);
      await page.getByRole("button", { name: "Show the bar of web-1" }).click();
      await page.getByRole("toolbar").waitFor();
      await shoot("session");
      await page.getByRole("button", { name: "Panel", exact: true }).click();
      await page.getByRole("complementary").waitFor();
      await shoot("panel");
      await page.goto(clientUrl(daemon.url, ids.refused));
      await page.getByRole("alertdialog").waitFor();
      await page.getByRole("button", { name: "Details" }).click();
      await shoot("error");
      await page.goto(`${daemon.url}#/`);
      await page.getByRole("link", { name: "Go back to web-1" }).waitFor();
      await shoot("home-used");
      await page.context().close();
    });
  }
});
