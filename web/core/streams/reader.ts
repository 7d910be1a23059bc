import { decodeBase64 } from "../base64.ts";
import { MAX_BUFFERED_BYTES } from "../protocol/limits.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";

/** How a {@link ReadStream} answers the machine. */
export interface ReadStreamOwner {
  ack(index: number, message: string, code: number): void;
  /** The stream takes nothing more. */
  release(index: number, stream: ReadStream): void;
}

type Chunk = Uint8Array<ArrayBuffer>;

/**
 * Data the machine sends. The opening is acknowledged when a reader is called, so a file does not
 * flow before somebody wants it; each blob is acknowledged when it was taken.
 *
 * Clipboard data comes without waiting for acknowledgements: what arrives before a reader is kept,
 * up to a bound.
 */
export class ReadStream {
  readonly index: number;
  readonly mimetype: string;
  readonly #owner: ReadStreamOwner;
  readonly #waiting: Chunk[] = [];
  #waitingBytes = 0;
  #taken = false;
  #ended = false;
  #failure: GuacamoleError | null = null;
  #wake: (() => void) | null = null;

  constructor(index: number, mimetype: string, owner: ReadStreamOwner) {
    this.index = index;
    this.mimetype = mimetype;
    this.#owner = owner;
  }

  /** No more data will come. */
  get closed(): boolean {
    return this.#ended || this.#failure !== null;
  }

  /** The whole content; rejects with CLIENT_OVERRUN when more than `limit` bytes come. */
  async bytes(limit: number = MAX_BUFFERED_BYTES): Promise<Chunk> {
    const chunks: Chunk[] = [];
    let total = 0;
    await this.pipe((chunk) => {
      total += chunk.length;
      if (total > limit) {
        throw new GuacamoleError(Status.CLIENT_OVERRUN, "more than " + limit + " bytes", "stream");
      }
      chunks.push(chunk);
    });
    const all = new Uint8Array(total);
    let position = 0;
    for (const chunk of chunks) {
      all.set(chunk, position);
      position += chunk.length;
    }
    return all;
  }

  /** The whole content as UTF-8 text; bytes that are not UTF-8 become U+FFFD. */
  async text(limit?: number): Promise<string> {
    return new TextDecoder().decode(await this.bytes(limit));
  }

  /** The whole content as a blob, for downloads; no limit but the browser's. */
  async blob(onProgress?: (bytes: number) => void): Promise<Blob> {
    const chunks: Chunk[] = [];
    let total = 0;
    await this.pipe((chunk) => {
      chunks.push(chunk);
      total += chunk.length;
      onProgress?.(total);
    });
    return new Blob(chunks, { type: this.mimetype });
  }

  /** Resolves at the end of a stream whose content somebody else asks for and gets: the gateway, for a download. */
  follow(): Promise<void> {
    return this.pipe(() => undefined, false);
  }

  /**
   * Hands over chunk by chunk and resolves at the end. The machine waits for `onChunk`; when that
   * throws, the stream is refused and the promise rejects with what was thrown.
   *
   * @param ask Whether the machine is told to begin.
   */
  async pipe(onChunk: (chunk: Chunk) => void | Promise<void>, ask = true): Promise<void> {
    if (this.#taken) throw new Error("the stream has a reader already");
    this.#taken = true;
    if (ask && !this.closed) this.#owner.ack(this.index, "ready", Status.SUCCESS);
    for (;;) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) {
        if (this.#failure !== null) throw this.#failure;
        if (this.#ended) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      this.#waitingBytes -= chunk.length;
      try {
        await onChunk(chunk);
      } catch (error) {
        this.cancel(error instanceof GuacamoleError ? error.code : Status.SERVER_ERROR);
        throw error;
      }
      if (!this.closed) this.#owner.ack(this.index, "received", Status.SUCCESS);
    }
  }

  /** Refuses the stream. A reader waiting on it rejects with the same code. */
  cancel(code: number = Status.UNSUPPORTED, message = "refused"): void {
    if (this.closed) return;
    this.#owner.ack(this.index, message, code);
    this.#fail(new GuacamoleError(code, message, "stream"));
  }

  /** A `blob` arrived. @internal */
  receive(base64: string): void {
    if (this.closed) return;
    let chunk: Chunk;
    try {
      chunk = decodeBase64(base64);
    } catch {
      this.cancel(Status.CLIENT_BAD_REQUEST, "not base64");
      return;
    }
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > MAX_BUFFERED_BYTES) {
      this.cancel(Status.CLIENT_OVERRUN, "too much at once");
      return;
    }
    this.#waiting.push(chunk);
    this.#notify();
  }

  /** An `end` arrived. @internal */
  finish(): void {
    if (this.closed) return;
    this.#ended = true;
    this.#owner.release(this.index, this);
    this.#notify();
  }

  /** The session ended before the stream did. @internal */
  abort(error: GuacamoleError): void {
    if (!this.closed) this.#fail(error);
  }

  #fail(error: GuacamoleError): void {
    this.#failure = error;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#owner.release(this.index, this);
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
