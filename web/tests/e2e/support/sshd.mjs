import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";

import { find, need } from "./needs.mjs";
import { freePort } from "./ports.mjs";
import { killTree, run, start, stop } from "./processes.mjs";
import { until } from "./until.mjs";

/** Its part for files, where the system has it. */
const SFTP = find("sftp-server") ?? "none";

/** A real OpenSSH server, with keys of its own, for the user who runs the tests. */
export class Sshd {
  port = 0;
  /** @type {import("node:child_process").ChildProcess | null} */
  #child = null;
  #keys = 0;

  /**
   * @param {string} dir Gets keys, configuration and the home of the shells.
   * @param {{ namespace?: string, address?: string }} place Network namespace, and address there.
   */
  constructor(dir, { namespace, address = "127.0.0.1" } = {}) {
    this.namespace = namespace;
    this.address = address;
    this.dir = join(dir, "sshd");
    this.home = join(this.dir, "home");
    mkdirSync(this.home, { recursive: true });
    chmodSync(this.dir, 0o700);
  }

  /** Starts it: the first time with new keys and on a new port, later with the same again. */
  async start() {
    if (this.port === 0) {
      this.port = await freePort();
      await this.#key("client_key");
      await this.renewHostKey();
    }
    // Where OpenSSH gives up its rights; packages make it, images often lack it.
    if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const { namespace, address, port } = this;
    this.#child = start(need("sshd"), ["-D", "-e", "-f", this.#file("config")], { log: this.#file("log"), namespace });
    await until("sshd listens", () => listens(port, { namespace, address }));
  }

  /** A key that is not the one clients know. Takes effect at the next start. */
  async renewHostKey() {
    const hostKey = await this.#key(`host_key_${this.#keys++}`);
    const shell = [
      `HOME='${this.home}' HISTFILE=/dev/null LANG=C.UTF-8 PS1='$ ' TERM="$TERM"`,
      'PATH="$PATH" bash --norc --noprofile -i',
    ];
    const lines = [
      `Port ${this.port}`,
      `ListenAddress ${this.address}`,
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${this.#file("client_key")}.pub`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin prohibit-password",
      // Bash reads the start-up file of the person who runs the tests only in what it takes for a first shell.
      "SetEnv SHLVL=2",
      // Tests open sessions faster than people.
      "MaxStartups 100",
      `Subsystem sftp ${SFTP}`,
      `ForceCommand cd '${this.home}' && if [ "$SSH_ORIGINAL_COMMAND" = ${SFTP} ]; then exec ${SFTP}; else exec env -i ${shell.join(" ")}; fi`,
    ];
    writeFileSync(this.#file("config"), lines.join("\n") + "\n");
  }

  /** Parameters of a connection to it. */
  get parameters() {
    return {
      hostname: this.address,
      port: this.port,
      username: userInfo().username,
      "private-key": `@${this.#file("client_key")}`,
    };
  }

  /** Ends it at once, with every session. */
  async kill() {
    if (!this.#child) return;
    killTree(this.#child.pid, "SIGKILL");
    await stop(this.#child);
    this.#child = null;
  }

  /** A file in the home of the shells, for them to write to. @param {string} name */
  path(name) {
    return join(this.home, name);
  }

  /**
   * Waits until a shell has written this file and gives its text.
   * @param {string} name
   * @param {(text: string) => boolean} complete
   */
  async written(name, complete = (text) => text.endsWith("\n")) {
    return until(`the shell has written ${name}`, () => {
      const text = readFileSync(this.path(name), "utf8");
      return complete(text) && text;
    });
  }

  /**
   * Waits until a shell has opened this file, as `cat > name` does. What is typed before that belongs to the shell's
   * own line editor, which has other rules: an Enter there ends no line of `cat`.
   * @param {string} name
   */
  async opened(name) {
    await until(`the shell has opened ${name}`, () => existsSync(this.path(name)));
  }

  /** @param {string} name */
  #file(name) {
    return join(this.dir, name);
  }

  /** @param {string} name */
  async #key(name) {
    const path = this.#file(name);
    await run(need("ssh-keygen"), ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]);
    return path;
  }
}

/**
 * Whether somebody listens on this port.
 * @param {number} port
 * @param {{ namespace?: string, address?: string }} place
 * @returns {Promise<boolean>}
 */
export function listens(port, { namespace, address = "127.0.0.1" } = {}) {
  if (namespace !== undefined) {
    // Only a process in there sees it.
    const probe = run("bash", ["-c", `: </dev/tcp/${address}/${port}`], { namespace });
    return probe.then(() => true).catch(() => false);
  }
  return new Promise((resolve) => {
    const socket = connect(port, address);
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
