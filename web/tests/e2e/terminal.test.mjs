// A terminal on a real OpenSSH: keys, text, sizes, clipboard, and the way without WebSocket.
import assert from "node:assert/strict";
import { before } from "node:test";

import { clientUrl, connected, look, openByName, signIn, stillPicture, typeLine } from "./support/browser.mjs";
import { SSH } from "./support/needs.mjs";
import { difference } from "./support/pixels.mjs";
import { suite, USER } from "./support/suite.mjs";
import { until } from "./support/until.mjs";

suite("terminal", "a terminal", SSH, (world) => {
  const { browser, daemon, sshd } = world;
  let id = "";
  let page;

  before(async () => {
    await sshd.start();
    await daemon.addUser(USER.name, USER.password, "--admin");
    id = await daemon.addConnection("web-1", "ssh", sshd.parameters, { grant: USER.name });
    await daemon.addConnection("web-2", "ssh", sshd.parameters, { grant: USER.name });
    await daemon.serve();
  });

  world.test("opens by name, and what is typed arrives", async () => {
    page = await browser.page();
    await page.goto(daemon.url);
    await signIn(page, USER);
    await openByName(page, "web-1");
    await connected(page);
    await typeLine(page, "echo $((6*7)) > answer; tput cols >> answer; tput lines >> answer; echo done >> answer");
    const [answer, columns, lines] = (await sshd.written("answer", (text) => text.endsWith("done\n"))).split("\n");
    assert.equal(answer, "42");
    assert.ok(Number(columns) > 100 && Number(lines) > 30, `${columns} columns, ${lines} lines in 1280x800 pixels`);
  });

  world.test("shows what the shell prints, letter by letter", async () => {
    await typeLine(page, "PS1=; exec dash");
    await typeLine(page, "stty -echo; PS1=; clear");
    // Nothing but the output is on the screen now, so equal output makes equal pictures.
    const shown = async (line, file) => {
      await typeLine(page, `clear; ${line}; echo x > ${file}`);
      await sshd.written(file);
      return stillPicture(page);
    };
    const computed = await shown("echo $((6*7))", "shown-1");
    await look(page, "terminal-42");
    assert.equal(difference(computed, await shown("echo 42", "shown-2")), 0);
    assert.notEqual(difference(computed, await shown("echo 43", "shown-3")), 0);
    await typeLine(page, "stty echo; exec bash --norc --noprofile");
  });

  world.test("resizes with the window", async () => {
    const size = async (file) => {
      await typeLine(page, `stty size > ${file}`);
      return (await sshd.written(file)).trim().split(" ").map(Number);
    };
    const [rows, columns] = await size("size-1");
    await page.setViewportSize({ width: 900, height: 600 });
    let tries = 0;
    await until("the terminal has fewer rows and columns", async () => {
      const [fewerRows, fewerColumns] = await size(`size-2-${tries++}`);
      return fewerRows < rows && fewerColumns < columns;
    });
    await page.setViewportSize({ width: 1280, height: 800 });
    await until("the terminal has as many as before", async () => {
      const now = await size(`size-3-${tries++}`);
      return now[0] === rows && now[1] === columns;
    });
  });

  world.test("draws colours, boxes and wide characters", async () => {
    const script = [
      "clear",
      "for i in 0 1 2 3 4 5 6 7; do printf \"\\e[3${i}m colour $i \\e[9${i}m bright \\e[4${i};97m ground \\e[0m\\n\"; done",
      "printf \"\\e[1mbold\\e[0m \\e[3mitalic\\e[0m \\e[4munderlined\\e[0m \\e[7mreversed\\e[0m \\e[9mstruck\\e[0m\\n\"",
      "printf \"┌──────┬──────┐\\n│ 漢字 │ äöüß │\\n├──────┼──────┤\\n│ €→✓  │ ░▒▓█ │\\n└──────┴──────┘\\n\"",
      "ls --color=always -la /usr | head -12",
      "echo x > drawn",
    ];
    for (const line of script) await typeLine(page, line);
    await sshd.written("drawn");
    await stillPicture(page);
    await look(page, "terminal-colours");
  });

  world.test("takes AltGr characters, dead keys and input methods", async () => {
    await typeLine(page, "cat > typed");
    await sshd.opened("typed");
    const keys = await page.context().newCDPSession(page);
    const key = (type, values) => keys.send("Input.dispatchKeyEvent", { type, ...values });
    const altGr = { key: "AltGraph", code: "AltRight", windowsVirtualKeyCode: 225, location: 2 };
    await key("rawKeyDown", altGr);
    await key("keyDown", { key: "€", code: "KeyE", text: "€", windowsVirtualKeyCode: 69 });
    await key("keyUp", { key: "€", code: "KeyE", windowsVirtualKeyCode: 69 });
    await key("keyUp", altGr);
    // A dead key, then what the input method makes of it and the letter.
    await key("rawKeyDown", { key: "Dead", code: "Quote", windowsVirtualKeyCode: 222 });
    await keys.send("Input.imeSetComposition", { text: "´", selectionStart: 1, selectionEnd: 1 });
    await keys.send("Input.insertText", { text: "é" });
    await key("keyUp", { key: "Dead", code: "Quote", windowsVirtualKeyCode: 222 });
    await keys.send("Input.imeSetComposition", { text: "かん", selectionStart: 2, selectionEnd: 2 });
    await keys.send("Input.insertText", { text: "漢字" });
    await page.keyboard.type("ñ😀");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Control+d");
    assert.equal(await sshd.written("typed"), "€é漢字ñ😀\n");
    await keys.detach();
  });

  world.test("lets go of modifiers when the page loses the keyboard", async () => {
    await typeLine(page, "cat > modifiers");
    await sshd.opened("modifiers");
    await page.keyboard.down("Control");
    await page.keyboard.down("Shift");
    // The keys go up somewhere else: no event tells.
    await page.evaluate(() => document.activeElement.blur());
    const keys = await page.context().newCDPSession(page);
    await page.evaluate(() => document.querySelector("textarea.sink").focus());
    for (const letter of "cd") {
      const values = { key: letter, code: `Key${letter.toUpperCase()}`, text: letter, modifiers: 0 };
      await keys.send("Input.dispatchKeyEvent", { type: "keyDown", ...values });
      await keys.send("Input.dispatchKeyEvent", { type: "keyUp", ...values, text: undefined });
    }
    await page.keyboard.up("Shift");
    await page.keyboard.up("Control");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Control+d");
    assert.equal(await sshd.written("modifiers"), "cd\n");
    await keys.detach();
  });

  world.test("pastes local text with one combination", async () => {
    await typeLine(page, "cat > pasted");
    await sshd.opened("pasted");
    await page.evaluate(() => navigator.clipboard.writeText("Grüße, 漢字 und 😀"));
    await page.keyboard.press("Control+Shift+V");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Control+d");
    assert.equal(await sshd.written("pasted"), "Grüße, 漢字 und 😀\n");
  });

  world.test("asks before it pastes several lines", async () => {
    await typeLine(page, "cat > lines");
    await sshd.opened("lines");
    await page.evaluate(() => navigator.clipboard.writeText("one\ntwo\nthree\n"));
    await page.keyboard.press("Control+Shift+V");
    const dialog = page.getByRole("dialog", { name: "Paste 3 lines?" });
    await dialog.waitFor();
    await look(page, "terminal-paste-question");
    await dialog.getByRole("button", { name: "Paste", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    await sshd.written("lines", (text) => text === "one\ntwo\nthree\n");
    await page.keyboard.press("Control+d");
  });

  world.test("brings what the machine copies to the local clipboard", async () => {
    await typeLine(page, "printf '\\e]52;c;%s\\a' $(printf 'kopiert, 漢字' | base64)");
    await until("the text is on the local clipboard", () =>
      page.evaluate(async () => (await navigator.clipboard.readText()) === "kopiert, 漢字"),
    );
  });

  world.test("works where WebSockets are blocked", async () => {
    const blocked = await browser.page({
      expected: [/WebSocket connection to .* failed/],
      prepare: () => {
        const { WebSocket } = globalThis;
        globalThis.WebSocket = class extends WebSocket {
          constructor(url, protocols) {
            super(String(url).replace("websocket-tunnel", "not-there"), protocols);
          }
        };
      },
    });
    const reads = [];
    blocked.on("request", (request) => reads.push(new URL(request.url())));
    await blocked.goto(clientUrl(daemon.url, id));
    await signIn(blocked, USER);
    await connected(blocked);
    await typeLine(blocked, "echo over http > http");
    assert.equal(await sshd.written("http"), "over http\n");
    assert.ok(reads.some((url) => url.pathname === "/tunnel" && url.search.startsWith("?read:")));
    await blocked.context().close();
  });
});
