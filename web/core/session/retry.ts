import { Status, type GuacamoleError } from "../protocol/status.ts";

/**
 * Codes after which trying again by itself is useful. Never after a refusal: repeating one could
 * lock an account, and the answer would be the same.
 */
const RETRYABLE: ReadonlySet<number> = new Set([
  Status.SERVER_ERROR,
  Status.SERVER_BUSY,
  Status.UPSTREAM_TIMEOUT,
  Status.UPSTREAM_ERROR,
  Status.UPSTREAM_NOT_FOUND,
  Status.UPSTREAM_UNAVAILABLE,
  Status.CLIENT_TIMEOUT,
]);

const DELAYS_MS = [1000, 2000, 4000, 8000] as const;
const LONGEST_DELAY_MS = 15_000;
/** Share by which a delay varies, so that the clients of a restarted gateway do not come at once. */
const JITTER = 0.2;

/** Whether a page should try again by itself after this error. Errors of one stream never are. */
export function isRetryable(error: GuacamoleError): boolean {
  return error.origin !== "stream" && RETRYABLE.has(error.code);
}

/**
 * Milliseconds to wait before try number `attempt` (0, 1, …): 1, 2, 4, 8, then 15 s, ± 20 %.
 * A full gateway (`code` SERVER_BUSY) is asked every 15 s from the start.
 */
export function retryDelayMs(attempt: number, code?: number, random: () => number = Math.random): number {
  const base = code === Status.SERVER_BUSY ? LONGEST_DELAY_MS : (DELAYS_MS[attempt] ?? LONGEST_DELAY_MS);
  return Math.round(base * (1 - JITTER + 2 * JITTER * random()));
}
