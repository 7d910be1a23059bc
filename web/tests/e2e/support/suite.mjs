import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Browser, look } from "./browser.mjs";
import { Daemon, RESULTS } from "./daemon.mjs";
import { Desktop } from "./desktop.mjs";
import { lacking } from "./needs.mjs";
import { Sshd } from "./sshd.mjs";

/** Beyond this a test hangs. */
const HANG_MS = 120_000;

/** Who logs in. */
export const USER = { name: "ann", password: "correct horse battery" };

/**
 * A suite with a browser and a daemon of its own, skipped where programs are missing. Everything it
 * starts ends with it, and its last test says whether a page complained about anything.
 * @param {string} name Of logs and pictures.
 * @param {string} title
 * @param {readonly string[]} programs
 * @param {(world: World) => void} define
 */
export function suite(name, title, programs, define) {
  describe(title, { skip: lacking(...programs) }, () => {
    const world = new World(name);
    before(() => world.browser.start());
    after(() => world.stop());
    define(world);
    world.test("no page complained, and no policy was broken", () => {
      assert.deepEqual(world.browser.complaints, []);
    });
  });
}

/** What a suite works with. */
export class World {
  #stops = [];

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    for (const file of readdirSync(RESULTS)) {
      if (file.startsWith(`failed-${name}-`) || file === `${name}.log`) rmSync(join(RESULTS, file));
    }
    this.dir = mkdtempSync(join(tmpdir(), "guacd-lite-e2e-"));
    this.browser = new Browser();
    this.daemon = new Daemon(this.dir, name);
    this.sshd = new Sshd(this.dir);
    this.desktop = new Desktop(this.dir);
  }

  /**
   * A test; what its pages look like when it fails is kept.
   * @param {string} title A sentence.
   * @param {() => void | Promise<void>} body
   */
  test(title, body) {
    test(title, { timeout: HANG_MS }, async () => {
      try {
        await body();
      } catch (error) {
        const shots = this.browser.pages.map((page, index) =>
          look(page, `failed-${this.name}-${title.replaceAll(/\W+/g, "-").slice(0, 60)}-${index}`).catch(() => {}),
        );
        await Promise.all(shots);
        throw error;
      }
    });
  }

  /** To be done at the end, the latest first. @param {() => Promise<void>} stop */
  atEnd(stop) {
    this.#stops.unshift(stop);
  }

  async stop() {
    const failures = [];
    const stops = [() => this.browser.stop(), () => this.daemon.stop(), ...this.#stops];
    stops.push(() => this.sshd.kill(), () => this.desktop.stop());
    for (const stop of stops) await stop().catch((error) => failures.push(error));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
    if (failures.length > 0) throw new AggregateError(failures, String(failures[0]));
  }
}
