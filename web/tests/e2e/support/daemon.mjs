import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { run, start, stop } from "./processes.mjs";

export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
/** Pictures and logs of the last run. */
export const RESULTS = join(ROOT, "web/test-results/");
mkdirSync(RESULTS, { recursive: true });

/** What cargo has built. */
export const BUILT = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/");
const BINARY = process.env.GUACD_LITE ?? join(BUILT, "guacd-lite");

/** Settings in the environment of whoever runs the tests are not meant for the tests. */
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GUACD_LITE")));

/** Targets of tests are on this machine. */
ENV.GUACD_LITE_TARGETS_ALLOW = "127.0.0.0/8,::1";

/** The real daemon, with a database of its own. */
export class Daemon {
  /** Address for the browser, with a slash at its end. */
  url = "";
  /** Everything printed since the start. */
  printed = "";
  /** @type {import("node:child_process").ChildProcess | null} */
  #child = null;
  #log;

  /**
   * @param {string} dir A directory of its own.
   * @param {string} name Of its log in the test results.
   */
  constructor(dir, name) {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: cargo build --package guacd-lite`);
    this.dataDir = join(dir, "data");
    this.#log = join(RESULTS, `${name}.log`);
  }

  /**
   * `guacd-lite user add`.
   * @param {string} name
   * @param {string} password
   * @param {string[]} more
   */
  async addUser(name, password, ...more) {
    const args = ["user", "add", name, "--data-dir", this.dataDir, "--password-file", "-", ...more];
    await run(BINARY, args, { env: ENV, input: `${password}\n` });
  }

  /**
   * `guacd-lite connection add`.
   * @param {string} name
   * @param {"rdp" | "ssh" | "vnc"} protocol
   * @param {Record<string, string | number>} parameters
   * @param {{ group?: string, grant?: string }} options
   * @returns {Promise<string>} Its identifier.
   */
  async addConnection(name, protocol, parameters, { group, grant } = {}) {
    const args = ["connection", "add", name, "--data-dir", this.dataDir, "--protocol", protocol];
    for (const [key, value] of Object.entries(parameters)) args.push("--parameter", `${key}=${value}`);
    if (group !== undefined) args.push("--group", group);
    if (grant !== undefined) args.push("--grant", grant);
    const printed = String(await run(BINARY, args, { env: ENV }));
    const id = /^connection (\S+) /.exec(printed)?.[1];
    if (id === undefined) throw new Error(`no identifier in: ${printed}`);
    return id;
  }

  /**
   * Runs `guacd-lite serve` until it is ready; after {@link kill} on the same port again.
   * @param {{ guacd?: string, env?: NodeJS.ProcessEnv }} options Where gateways may connect, nowhere if nothing is
   *   said; further settings.
   */
  async serve({ guacd = "off", env = {} } = {}) {
    const listen = this.url === "" ? "127.0.0.1:0" : new URL(this.url).host;
    const args = ["serve", "--data-dir", this.dataDir, "--web-listen", listen, "--guacd-listen", guacd];
    await this.#start(args, { ...ENV, ...env }, guacd === "off" ? /is ready: (\S+)/ : /is ready: (\S+)[^]*guacd protocol on \S+/);
  }

  /**
   * Runs `guacd-lite demo` until it has said everything.
   * @param {NodeJS.ProcessEnv} env
   */
  async demo(env) {
    await this.#start(["demo", "--web-listen", "127.0.0.1:0"], { ...ENV, ...env }, /open\s+(\S+)[^]*Ctrl\+C ends it/);
  }

  /** Ends it as an operator would. */
  async stop() {
    if (this.#child) await stop(this.#child);
    this.#child = null;
    const log = existsSync(this.#log) ? readFileSync(this.#log, "utf8") : "";
    if (log.includes("panicked at")) throw new Error(`the daemon panicked, see ${this.#log}`);
  }

  /** Ends it as a crash would. */
  async kill() {
    if (this.#child) await stop(this.#child, "SIGKILL");
    this.#child = null;
  }

  /**
   * @param {string[]} args
   * @param {NodeJS.ProcessEnv} env
   * @param {RegExp} ready What it prints when it is ready; the first group is the address.
   */
  async #start(args, env, ready) {
    const child = start(BINARY, args, { env, log: this.#log, stdout: "pipe" });
    this.#child = child;
    this.printed = "";
    const lines = createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stdout) });
    this.url = await new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        this.printed += `${line}\n`;
        const url = ready.exec(this.printed)?.[1];
        if (url !== undefined) resolve(url);
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the daemon ended with ${code}, see ${this.#log}`)));
    });
  }
}
