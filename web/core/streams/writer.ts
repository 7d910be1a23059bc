import { encodeBase64 } from "../base64.ts";
import type { Element } from "../protocol/encoder.ts";
import { BLOB_BYTES } from "../protocol/limits.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";

/** What a {@link WriteStream} needs of its session. */
export interface WriteStreamOwner {
  send(opcode: string, ...args: readonly Element[]): void;
  release(index: number, stream: WriteStream): void;
}

interface Waiter {
  resolve(): void;
  reject(error: GuacamoleError): void;
}

/**
 * Whether each blob waits for the acknowledgement of the one before. Files and pipes do; clipboard
 * and parameter streams must not, because not every gateway acknowledges those.
 */
export type FlowControl = "acknowledged" | "free";

/** Data for the machine. */
export class WriteStream {
  readonly index: number;
  readonly #owner: WriteStreamOwner;
  readonly #flow: FlowControl;
  /** Those who wait for acknowledgements, oldest first. */
  #waiters: Waiter[] = [];
  #failure: GuacamoleError | null = null;
  #ended = false;
  #tail: Promise<void>;
  #last: Promise<void> = Promise.resolve();
  /** Resolves with the first acknowledgement; rejects when the machine refuses. */
  readonly opened: Promise<void>;

  constructor(index: number, owner: WriteStreamOwner, flow: FlowControl) {
    this.index = index;
    this.#owner = owner;
    this.#flow = flow;
    this.opened = this.#nextAck();
    // A refusal that nobody waits for shows in the next `write`.
    this.opened.catch(() => undefined);
    this.#tail = flow === "acknowledged" ? this.opened : Promise.resolve();
  }

  get closed(): boolean {
    return this.#ended || this.#failure !== null;
  }

  /**
   * Sends `data` (text as UTF-8) in blobs. Writes queue up behind each other; each resolves when
   * its last blob was taken.
   *
   * @returns Rejects with a {@link GuacamoleError} of origin `stream` when the machine refuses.
   */
  write(data: Uint8Array | string): Promise<void> {
    if (this.#ended) {
      return Promise.reject(new GuacamoleError(Status.RESOURCE_CLOSED, "the stream has ended", "stream"));
    }
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (this.#flow === "free") {
      if (this.#failure !== null) return Promise.reject(this.#failure);
      for (let at = 0; at < bytes.length; at += BLOB_BYTES) this.#blob(bytes, at);
      return Promise.resolve();
    }
    const done = this.#tail.then(() => this.#paced(bytes));
    done.catch(() => undefined);
    this.#tail = done;
    return done;
  }

  /**
   * Ends the stream once everything written so far was taken.
   *
   * @returns Resolves with the machine's last word, which not every gateway has; rejects when the machine refuses
   *   what it got.
   */
  end(): Promise<void> {
    if (this.closed) return this.#last;
    this.#ended = true;
    const finish = (): Promise<void> => {
      if (this.#failure !== null) throw this.#failure;
      this.#owner.send("end", this.index);
      const last = this.#nextAck();
      this.#owner.release(this.index, this);
      return last;
    };
    this.#last = this.#flow === "free" ? finish() : this.#tail.then(finish);
    this.#last.catch(() => undefined);
    return this.#last;
  }

  /** An `ack` for this stream arrived. @internal */
  acknowledge(message: string, code: number): void {
    if (code === Status.SUCCESS) this.#waiters.shift()?.resolve();
    else this.abort(new GuacamoleError(code, message, "stream", true));
  }

  /** Ends the stream with an error. @internal */
  abort(error: GuacamoleError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    const waiters = this.#waiters;
    this.#waiters = [];
    this.#owner.release(this.index, this);
    for (const waiter of waiters) waiter.reject(error);
  }

  async #paced(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += BLOB_BYTES) {
      if (this.#failure !== null) throw this.#failure;
      const taken = this.#nextAck();
      this.#blob(bytes, at);
      await taken;
    }
  }

  #blob(bytes: Uint8Array, at: number): void {
    this.#owner.send("blob", this.index, encodeBase64(bytes.subarray(at, at + BLOB_BYTES)));
  }

  #nextAck(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }
}
