import { MAX_QUEUED_OPERATIONS } from "../protocol/limits.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";

interface Entry {
  run: (() => void) | null;
}

/**
 * Keeps drawing in order while images decode: what comes after an undecoded image waits for it,
 * images decode side by side.
 */
export class OperationQueue {
  #entries: Entry[] = [];
  #head = 0;
  #generation = 0;
  readonly #onError: (error: unknown) => void;

  /** @param onError Gets what an operation threw; the queue goes on with the next. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Nothing waits. */
  get idle(): boolean {
    return this.#head === this.#entries.length;
  }

  /** Runs `operation` after everything before it: at once when nothing waits. */
  push(operation: () => void): void {
    if (this.idle) this.#run(operation);
    else this.#add({ run: operation });
  }

  /** Holds what comes next until `ready` settles, then runs what it resolved to, if anything. */
  pushPending(ready: Promise<(() => void) | null>): void {
    const entry: Entry = { run: null };
    const generation = this.#generation;
    this.#add(entry);
    const settle = (run: () => void): void => {
      entry.run = run;
      if (generation === this.#generation) this.#drain();
      else run();
    };
    ready.then(
      (run) => settle(run ?? nothing),
      () => settle(nothing),
    );
  }

  /** Forgets what waits. An image still being decoded runs later, to be closed by its operation. */
  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#generation++;
  }

  #add(entry: Entry): void {
    if (this.#entries.length - this.#head >= MAX_QUEUED_OPERATIONS) {
      this.#onError(new GuacamoleError(Status.CLIENT_OVERRUN, "too much waits to be painted", "server"));
      return;
    }
    this.#entries.push(entry);
  }

  #drain(): void {
    for (;;) {
      const run = this.#entries[this.#head]?.run;
      if (run == null) break;
      this.#head++;
      this.#run(run);
    }
    if (this.idle) {
      this.#entries = [];
      this.#head = 0;
    }
  }

  #run(operation: () => void): void {
    try {
      operation();
    } catch (error) {
      this.#onError(error);
    }
  }
}

function nothing(): void {
  // An image that could not be decoded draws nothing.
}
