import { setTimeout as rest } from "node:timers/promises";

/** After this long a condition is taken for one that never comes true. It is no measure of anything. */
const PATIENCE_MS = Number(process.env.E2E_PATIENCE_MS ?? 30_000);
const POLL_MS = 50;

/**
 * Waits until `condition` gives something and returns that. What it throws counts as "not yet".
 * @template T
 * @param {string} what What is waited for, for the message.
 * @param {() => T | Promise<T>} condition
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, condition) {
  const deadline = Date.now() + PATIENCE_MS;
  /** @type {unknown} */
  let last;
  for (;;) {
    try {
      const result = await condition();
      last = undefined;
      if (result) return /** @type {NonNullable<T>} */ (result);
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}${last ? ` (${last})` : ""}`, { cause: last });
    await rest(POLL_MS);
  }
}
