/** Why a modifier that is down was not sent yet. */
export type HoldReason =
  /** Left Ctrl on Windows: the first half of AltGr, or a Ctrl. */
  | "altgr"
  /** Option on a Mac: part of a character, or an Alt. */
  | "option"
  /** The third of Ctrl, Alt and Shift: the chord, or the start of a combination. */
  | "chord";

/** A modifier held back. */
export interface HeldKey {
  readonly code: string;
  readonly keysyms: readonly number[];
  readonly reason: HoldReason;
  /** Something came of it, so letting it go is no tap of the key. */
  used: boolean;
}

interface Entry {
  readonly key: HeldKey;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

/** Modifiers that are down but held back until it is clear what they are. */
export class HeldKeys {
  readonly #entries = new Map<string, Entry>();
  readonly #press: (code: string, keysyms: readonly number[]) => void;

  constructor(press: (code: string, keysyms: readonly number[]) => void) {
    this.#press = press;
  }

  /** Holds a key back, for at most `timeoutMs` if given; then it is sent. */
  hold(code: string, keysyms: readonly number[], reason: HoldReason, timeoutMs?: number): void {
    this.take(code);
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.commit(code), timeoutMs);
    this.#entries.set(code, { key: { code, keysyms, reason, used: false }, timer });
  }

  get(code: string): HeldKey | undefined {
    return this.#entries.get(code)?.key;
  }

  /** The key held for this reason. */
  find(reason: HoldReason): HeldKey | undefined {
    for (const { key } of this.#entries.values()) if (key.reason === reason) return key;
    return undefined;
  }

  /** Removes a key without sending it. */
  take(code: string): HeldKey | undefined {
    const entry = this.#entries.get(code);
    if (entry === undefined) return undefined;
    clearTimeout(entry.timer);
    this.#entries.delete(code);
    return entry.key;
  }

  /** Sends a key's press now. */
  commit(code: string): void {
    const key = this.take(code);
    if (key !== undefined) this.#press(key.code, key.keysyms);
  }

  /** Sends the presses of all keys held for one of `reasons`, oldest first. */
  commitAll(...reasons: readonly HoldReason[]): void {
    for (const { key } of [...this.#entries.values()]) if (reasons.includes(key.reason)) this.commit(key.code);
  }

  /** Forgets everything. */
  clear(): void {
    for (const code of [...this.#entries.keys()]) this.take(code);
  }
}
