import { type GuacamoleError, isRetryable, retryDelayMs, Status } from "../../core";

/** After this long of failing nobody waits any more; the user decides. */
export const GIVE_UP_AFTER_MS = 5 * 60_000;

/** The session's own seat may still be counted on a node that died, until the others have cleared up after it. */
export const OWN_SEAT_MS = 60_000;

/** A certificate that nobody vouches for, in the gateway's words: its code is that of many a fault that passes. */
const NOT_TRUSTED = /\bcertificate (?:has changed|is not trusted|is none of)\b/;

/** When to try again by itself after a session was lost. One plan per run of failures. */
export class ReconnectPlan {
  #attempt = 0;
  #firstFailureMs: number | null = null;

  constructor(private readonly random: () => number = Math.random) {}

  /** Tries made since the last success. */
  get attempt(): number {
    return this.#attempt;
  }

  /**
   * Milliseconds until the next try, or `null` for none: refusals are never repeated, and five
   * minutes of failing are enough. "In use" is waited out while it may be the lost session itself.
   */
  next(error: GuacamoleError, nowMs: number): number | null {
    if (error.code === Status.RESOURCE_CONFLICT && this.#firstFailureMs !== null) {
      return nowMs - this.#firstFailureMs < OWN_SEAT_MS ? this.again(error, nowMs) : null;
    }
    return isRetryable(error) && !NOT_TRUSTED.test(error.message) ? this.again(error, nowMs) : null;
  }

  /** The same where the caller knows that the refusal was none. */
  again(error: GuacamoleError, nowMs: number): number | null {
    this.#firstFailureMs ??= nowMs;
    if (nowMs - this.#firstFailureMs >= GIVE_UP_AFTER_MS) return null;
    const delay = retryDelayMs(this.#attempt, error, this.random);
    this.#attempt += 1;
    return delay;
  }

  /** The session is back, or the user asked for a fresh start. */
  reset(): void {
    this.#attempt = 0;
    this.#firstFailureMs = null;
  }
}
