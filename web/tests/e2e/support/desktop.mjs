import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { need } from "./needs.mjs";
import { readXwd } from "./pixels.mjs";
import { freePort } from "./ports.mjs";
import { run, start, stop } from "./processes.mjs";
import { until } from "./until.mjs";

/** VNC passwords have eight characters. */
const PASSWORD = "e2e-desk";

/** The screen of an X server, a window manager, and programs on it. */
export class Screen {
  /** @type {import("node:child_process").ChildProcess[]} */
  #children = [];
  #display = "";

  /**
   * @param {string} dir
   * @param {string} name
   * @param {string} [namespace] Network namespace of the server. Its programs reach it by its file.
   */
  constructor(dir, name, namespace) {
    this.namespace = namespace;
    this.dir = join(dir, name);
    mkdirSync(this.dir, { recursive: true });
  }

  /**
   * Starts an X server that says its number on its standard output.
   * @param {string} server
   * @param {readonly string[]} args
   * @param {NodeJS.ProcessEnv} env
   */
  async startServer(server, args, env = process.env) {
    const child = this.keep(start(server, args, { env, log: join(this.dir, "log"), stdout: "pipe", namespace: this.namespace }));
    const lines = createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stdout) });
    this.#display = await new Promise((resolve, reject) => {
      lines.once("line", (number) => resolve(`:${number}`));
      child.once("exit", () => reject(new Error(`${server} does not start, see ${this.dir}/log`)));
    });
  }

  /** A window manager and a background of two colours. */
  async furnish() {
    this.program("openbox");
    // It loses windows that come while it starts.
    await until("the window manager runs", async () =>
      (await this.run("xprop", ["-root", "_NET_CLIENT_LIST"])).includes("window id"),
    );
    await this.run("xsetroot", ["-mod", "8", "8", "-fg", "#2f4f6f", "-bg", "#1d2b3a"]);
  }

  /** Name of the display, as programs know it. */
  get display() {
    return this.#display;
  }

  /**
   * Ends a process with the screen.
   * @template {import("node:child_process").ChildProcess} T
   * @param {T} child
   */
  keep(child) {
    this.#children.push(child);
    return child;
  }

  /** A photograph in a window: colours that lossy codecs change. */
  async showPhotograph() {
    const photo = join(this.dir, "photo.png");
    await run(need("convert"), ["-seed", "7", "-size", "420x320", "plasma:orange-navy", "-blur", "0x1", photo]);
    this.program("display", ["-geometry", "+560+90", photo]);
    await this.window("photo");
  }

  /**
   * A terminal with a name that runs a shell command. What is marked and pasted there is the clipboard's.
   * @param {string} name
   * @param {string} geometry
   * @param {string} command
   */
  async showTerminal(name, geometry, command) {
    const look = ["-fa", "DejaVu Sans Mono", "-fs", "11", "-bg", "#10141a", "-fg", "#d6dee8"];
    look.push("-xrm", "*selectToClipboard: true");
    this.program("xterm", [...look, "-title", name, "-geometry", geometry, "-e", "sh", "-c", command]);
    await this.window(name);
  }

  /**
   * Waits for a window whose title has `name` and gives its place: x, y, width, height.
   * @param {string} name
   */
  async window(name) {
    const id = await until(`there is a window ${name}`, async () =>
      String(await this.run("xdotool", ["search", "--onlyvisible", "--name", name])).trim().split("\n").at(-1),
    );
    const text = String(await this.run("xwininfo", ["-id", id]));
    const value = (/** @type {string} */ key) => Number(new RegExp(`${key}:\\s*(-?\\d+)`).exec(text)?.[1]);
    return {
      x: value("Absolute upper-left X"),
      y: value("Absolute upper-left Y"),
      width: value("Width"),
      height: value("Height"),
    };
  }

  /** Title of the window that gets the keys. */
  async activeWindow() {
    return String(await this.run("xdotool", ["getactivewindow", "getwindowname"])).trim();
  }

  /** The server's own picture of its screen. */
  async screenshot() {
    return readXwd(await this.run("xwd", ["-root", "-silent"]));
  }

  /** Size of the screen now. */
  async size() {
    const [width, height] = String(await this.run("xdotool", ["getdisplaygeometry"])).trim().split(" ").map(Number);
    return { width, height };
  }

  /** Where programs of the desktop write to. @param {string} name */
  path(name) {
    return join(this.dir, name);
  }

  /**
   * Waits for what a program of the desktop writes.
   * @param {string} name
   * @param {(text: string) => boolean} complete
   */
  async written(name, complete) {
    return until(`the desktop has written ${name}`, () => {
      const text = readFileSync(this.path(name), "utf8");
      return complete(text) && text;
    });
  }

  /**
   * @param {string} program
   * @param {readonly string[]} args
   */
  run(program, args) {
    return run(need(program), args, { env: this.#env });
  }

  /**
   * Starts a program that stays.
   * @param {string} program
   * @param {readonly string[]} args
   */
  program(program, args = []) {
    return this.keep(start(need(program), args, { env: this.#env, log: join(this.dir, "log") }));
  }

  /** Ends everything, the server last. */
  async stop() {
    for (const child of this.#children.reverse()) await stop(child);
    this.#children = [];
  }

  get #env() {
    return { ...process.env, DISPLAY: this.#display, HOME: this.dir, LANG: "C.UTF-8" };
  }
}

/** A real TigerVNC with a desktop on it. */
export class Desktop extends Screen {
  port = 0;
  password = PASSWORD;

  /**
   * @param {string} dir
   * @param {{ namespace?: string, address?: string }} place Network namespace, and address there.
   */
  constructor(dir, { namespace, address = "127.0.0.1" } = {}) {
    super(dir, "desktop", namespace);
    this.address = address;
  }

  /** Starts the X server and what is on it. */
  async start() {
    const passwordFile = join(this.dir, "password");
    writeFileSync(passwordFile, await run(need("vncpasswd"), ["-f"], { input: `${PASSWORD}\n` }), { mode: 0o600 });
    this.port = await freePort();
    const args = ["-displayfd", "1", "-rfbport", String(this.port), "-interface", this.address];
    if (this.namespace === undefined) args.push("-localhost");
    args.push("-SecurityTypes", "VncAuth", "-rfbauth", passwordFile, "-geometry", "1024x700", "-depth", "24");
    args.push("-nolisten", "tcp", "-desktop", "tests", "-AlwaysShared", "-BlacklistThreshold", "1000");
    await this.startServer(need("Xvnc"), args);
    await this.furnish();
  }

  /** Parameters of a connection to it. */
  get parameters() {
    return { hostname: this.address, port: this.port, password: PASSWORD };
  }
}
