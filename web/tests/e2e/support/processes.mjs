import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readdirSync } from "node:fs";

import { until } from "./until.mjs";

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

// Also when a test is cut short nothing of ours stays behind.
process.on("exit", () => {
  for (const child of running) killTree(child.pid, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

/**
 * A command, or the same in a network namespace. The program keeps its process id there.
 * @param {string | undefined} namespace
 * @param {string} program
 * @param {readonly string[]} args
 * @returns {[string, string[]]}
 */
export function inside(namespace, program, args) {
  return namespace === undefined ? [program, [...args]] : ["ip", ["netns", "exec", namespace, program, ...args]];
}

/**
 * Starts a program that ends with the tests.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, log?: string, stdout?: "pipe", namespace?: string }} options `log`: file that gets
 *   what it prints; `namespace`: network namespace to run in.
 */
export function start(program, args, { env = process.env, log, stdout, namespace } = {}) {
  const file = log === undefined ? "ignore" : openSync(log, "a");
  const child = spawn(...inside(namespace, program, args), { env, stdio: ["ignore", stdout ?? file, file] });
  if (typeof file === "number") closeSync(file);
  running.add(child);
  child.once("exit", () => running.delete(child));
  child.once("error", () => running.delete(child));
  return child;
}

/**
 * Runs a program to its end.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, input?: string, namespace?: string }} options
 * @returns {Promise<Buffer>} What it printed.
 */
export async function run(program, args, { env = process.env, input = "", namespace } = {}) {
  const child = spawn(...inside(namespace, program, args), { env, stdio: ["pipe", "pipe", "pipe"] });
  running.add(child);
  /** @type {Buffer[]} */
  const printed = [];
  /** @type {Buffer[]} */
  const complaints = [];
  child.stdout.on("data", (chunk) => printed.push(chunk));
  child.stderr.on("data", (chunk) => complaints.push(chunk));
  // It may end without reading.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).finally(() => running.delete(child));
  if (code !== 0) throw new Error(`${program} ${args[0] ?? ""} ended with ${code}: ${Buffer.concat(complaints)}`);
  return Buffer.concat(printed);
}

/**
 * Ends a process and what it started, and waits until it is gone.
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
export async function stop(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const offspring = descendants(child.pid);
  child.kill(signal);
  await until(`${child.spawnfile} has ended`, () => child.exitCode !== null || child.signalCode !== null);
  for (const pid of offspring) killOne(pid, "SIGKILL");
}

/**
 * Ends a process tree at once.
 * @param {number | undefined} pid
 * @param {NodeJS.Signals} signal
 */
export function killTree(pid, signal) {
  for (const each of [...(pid === undefined ? [] : [pid]), ...descendants(pid)]) killOne(each, signal);
}

/**
 * Processes below `root`, by the parents the system tells.
 * @param {number | undefined} root
 * @returns {number[]}
 */
function descendants(root) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      // The name, in brackets, may hold spaces; the parent is the second field after it.
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // Gone between listing and reading.
    }
  }
  /** @type {number[]} */
  const found = [];
  for (const wave = root === undefined ? [] : [root]; wave.length > 0; ) {
    const below = children.get(/** @type {number} */ (wave.pop())) ?? [];
    found.push(...below);
    wave.push(...below);
  }
  return found;
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals} signal
 */
function killOne(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}
