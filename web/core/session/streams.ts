import type { Element } from "../protocol/encoder.ts";
import { MAX_STREAMS } from "../protocol/limits.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";
import { ReadStream } from "../streams/reader.ts";
import { WriteStream, type FlowControl } from "../streams/writer.ts";

/** Sends one instruction of the session. */
export type Send = (opcode: string, ...args: readonly Element[]) => void;

/**
 * The streams of one session, both ways. Client and server count their indices separately, so
 * there are two tables.
 */
export class StreamTable {
  readonly #send: Send;
  readonly #incoming = new Map<number, ReadStream>();
  readonly #outgoing = new Map<number, WriteStream>();
  /** Indices that were used and freed, oldest first: a late answer rarely meets a new owner. */
  #freed: number[] = [];
  #next = 0;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Takes note of a stream the machine opened. An open one with that index ends. */
  accept(index: number, mimetype: string): ReadStream {
    this.#incoming.get(index)?.finish();
    const stream = new ReadStream(index, mimetype, {
      ack: (at, message, code) => this.#send("ack", at, message, code),
      release: (at, which) => {
        if (this.#incoming.get(at) === which) this.#incoming.delete(at);
      },
    });
    this.#incoming.set(index, stream);
    return stream;
  }

  /**
   * Makes a stream to the machine; the caller sends the instruction that opens it.
   *
   * @throws GuacamoleError (CLIENT_TOO_MANY) when all indices are in use.
   */
  open(flow: FlowControl): WriteStream {
    const index = this.#next < MAX_STREAMS ? this.#next++ : this.#freed.shift();
    if (index === undefined) {
      throw new GuacamoleError(Status.CLIENT_TOO_MANY, "too many open streams", "stream");
    }
    const stream = new WriteStream(
      index,
      {
        send: (opcode, ...args) => this.#send(opcode, ...args),
        release: (at, which) => this.#free(at, which),
      },
      flow,
    );
    this.#outgoing.set(index, stream);
    return stream;
  }

  blob(index: number, base64: string): void {
    this.#incoming.get(index)?.receive(base64);
  }

  end(index: number): void {
    this.#incoming.get(index)?.finish();
  }

  ack(index: number, message: string, code: number): void {
    this.#outgoing.get(index)?.acknowledge(message, code);
  }

  /** Ends every stream: the session is over. */
  abortAll(error: GuacamoleError): void {
    for (const stream of [...this.#incoming.values()]) stream.abort(error);
    for (const stream of [...this.#outgoing.values()]) stream.abort(error);
    this.#incoming.clear();
    this.#outgoing.clear();
    this.#freed = [];
    this.#next = 0;
  }

  #free(index: number, stream: WriteStream): void {
    if (this.#outgoing.get(index) !== stream || this.#freed.includes(index)) return;
    // The last answer to a stream comes after its end: it stays findable until the index is reused.
    this.#freed.push(index);
  }
}
