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
/** Another node may have room at once, and it takes a balancer some seconds to forget one that is gone. */
const LOST_DELAYS_MS = [250, 1000, 2000, 4000] as const;
const LONGEST_LOST_DELAY_MS = 5000;
/** Share by which a delay varies, so that the clients of a restarted gateway do not come at once. */
const JITTER = 0.2;

/** Whether a page should try again by itself after this error. Errors of one stream never are. */
export function isRetryable(error: GuacamoleError): boolean {
  return error.origin !== "stream" && RETRYABLE.has(error.code);
}

/**
 * Milliseconds to wait before try number `attempt` (0, 1, …), ± 20 %: 1, 2, 4, 8, then 15 s where the machine is the
 * trouble; as good as none, 1, 2, 4, then 5 s where the way to the gateway is. A full gateway (SERVER_BUSY) is asked
 * every 15 s from the start.
 */
export function retryDelayMs(attempt: number, error: GuacamoleError, random: () => number = Math.random): number {
  const [delays, longest] =
    error.origin === "tunnel" ? [LOST_DELAYS_MS, LONGEST_LOST_DELAY_MS] : [DELAYS_MS, LONGEST_DELAY_MS];
  const base = error.code === Status.SERVER_BUSY ? LONGEST_DELAY_MS : (delays[attempt] ?? longest);
  return Math.round(base * (1 - JITTER + 2 * JITTER * random()));
}
