/**
 * What is held down at the machine, by the physical key that did it. A repeat or a release uses
 * what the press sent, whatever layout or modifier changed since.
 */
export class Ledger {
  readonly #held = new Map<string, readonly number[]>();
  readonly #send: (keysym: number, pressed: boolean) => void;

  constructor(send: (keysym: number, pressed: boolean) => void) {
    this.#send = send;
  }

  /** Keysyms that are down, oldest first. */
  get keysyms(): number[] {
    return [...new Set([...this.#held.values()].flat())];
  }

  /** Codes of the keys that are down, oldest first. */
  get codes(): string[] {
    return [...this.#held.keys()];
  }

  has(code: string): boolean {
    return this.#held.has(code);
  }

  /** What the key `code` sent. */
  get(code: string): readonly number[] | undefined {
    return this.#held.get(code);
  }

  isDown(keysym: number): boolean {
    for (const keysyms of this.#held.values()) if (keysyms.includes(keysym)) return true;
    return false;
  }

  /** Presses; an empty list only remembers that the key is down. */
  press(code: string, keysyms: readonly number[]): void {
    this.release(code);
    this.#held.set(code, keysyms);
    for (const keysym of keysyms) this.#send(keysym, true);
  }

  /** Sends the press again, as a held key does. */
  repeat(code: string): void {
    for (const keysym of this.#held.get(code) ?? []) this.#send(keysym, true);
  }

  /** Releases what `code` pressed, unless another key holds the same keysym. */
  release(code: string): void {
    const keysyms = this.#held.get(code);
    if (keysyms === undefined) return;
    this.#held.delete(code);
    for (const keysym of [...keysyms].reverse()) if (!this.isDown(keysym)) this.#send(keysym, false);
  }

  /** Releases everything, newest first. */
  releaseAll(): void {
    for (const code of this.codes.reverse()) this.release(code);
  }
}
