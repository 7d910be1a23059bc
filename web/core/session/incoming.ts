import type { Display } from "../display/display.ts";
import type { Element } from "../protocol/encoder.ts";
import { MAX_ARGV_BYTES } from "../protocol/limits.ts";
import { DRAWING_OPCODES } from "../protocol/opcodes.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";
import type { ReadStream } from "../streams/reader.ts";
import type { SessionEvents } from "./events.ts";
import type { StreamTable } from "./streams.ts";

/** What {@link Incoming} asks of its session. */
export interface IncomingHost {
  emit<K extends keyof SessionEvents>(type: K, event: SessionEvents[K]): void;
  wants(type: keyof SessionEvents): boolean;
  send(opcode: string, ...args: readonly Element[]): void;
  firstFrame(): void;
  /** The machine or the gateway ended the session. */
  ended(error: GuacamoleError | null): void;
}

type Handler = (args: readonly string[]) => void;

const USER_JOINED = 1;
const USER_LEFT = 2;

/** Text at `index`, empty when the peer sent fewer elements. */
function text(args: readonly string[], index: number): string {
  return args[index] ?? "";
}

/** Whole number at `index`; 0 when missing or not one. */
function int(args: readonly string[], index: number): number {
  const value = Math.trunc(Number(args[index]));
  return Number.isSafeInteger(value) ? value : 0;
}

/**
 * Takes the instructions of a session: drawing goes to the display, streams to the table, the
 * rest becomes events. Unknown instructions are ignored, as everywhere in the protocol.
 */
export class Incoming {
  readonly #display: Display;
  readonly #streams: StreamTable;
  readonly #host: IncomingHost;
  readonly #handlers: ReadonlyMap<string, Handler>;
  /** Streams whose blobs belong to the display. */
  readonly #images = new Set<string>();
  /** Counts connects, so that a frame of an earlier one is not answered in a later one. */
  #epoch = 0;
  #framesPainted = 0;
  /** When each frame not painted yet arrived, oldest first. */
  #unpainted: number[] = [];
  #lastAnswered = "";

  constructor(display: Display, streams: StreamTable, host: IncomingHost) {
    this.#display = display;
    this.#streams = streams;
    this.#host = host;
    this.#handlers = new Map<string, Handler>([
      ["ack", (args) => streams.ack(int(args, 0), text(args, 1), int(args, 2))],
      ["argv", (args) => this.#argv(args)],
      ["audio", (args) => this.#audio(args)],
      ["blob", (args) => this.#blob(args)],
      ["body", (args) => this.#body(args)],
      ["clipboard", (args) => this.#stream("clipboard", args, (mimetype, stream) => ({ mimetype, stream }))],
      ["disconnect", () => host.ended(null)],
      ["end", (args) => this.#endOfStream(args)],
      ["error", (args) => this.#error(args)],
      ["file", (args) => this.#stream("file", args, (mimetype, stream) => ({ mimetype, filename: text(args, 2), stream }))],
      ["filesystem", (args) => host.emit("filesystem", { object: int(args, 0), name: text(args, 1) })],
      ["log", (args) => host.emit("log", text(args, 0))],
      ["mouse", (args) => this.#pointer(args)],
      ["msg", (args) => this.#message(args)],
      ["name", (args) => host.emit("name", text(args, 0))],
      ["pipe", (args) => this.#stream("pipe", args, (mimetype, stream) => ({ mimetype, name: text(args, 2), stream }))],
      ["required", (args) => host.emit("required", { names: [...args] })],
      ["sync", (args) => this.#sync(args)],
      ["undefine", (args) => host.emit("undefine", { object: int(args, 0) })],
      ["video", (args) => this.#refuse(args, Status.CLIENT_BAD_TYPE)],
    ]);
  }

  get framesPainted(): number {
    return this.#framesPainted;
  }

  /** Age of the oldest frame that waits to be painted. */
  get pictureLagMs(): number {
    const [oldest] = this.#unpainted;
    return oldest === undefined ? 0 : performance.now() - oldest;
  }

  /** Forgets the connection before. */
  reset(): void {
    this.#epoch++;
    this.#images.clear();
    this.#framesPainted = 0;
    this.#unpainted = [];
    this.#lastAnswered = "";
    this.#display.reset();
  }

  instruction(opcode: string, args: string[]): void {
    if (DRAWING_OPCODES.has(opcode)) {
      if (opcode === "img") this.#images.add(text(args, 0));
      if (opcode === "set" && text(args, 0) === "0" && text(args, 1) === "multi-touch") {
        this.#host.emit("multitouch", int(args, 2));
      }
      this.#display.draw(opcode, args);
      return;
    }
    this.#handlers.get(opcode)?.(args);
  }

  #blob(args: readonly string[]): void {
    if (this.#images.has(text(args, 0))) this.#display.draw("blob", args);
    else this.#streams.blob(int(args, 0), text(args, 1));
  }

  #endOfStream(args: readonly string[]): void {
    if (this.#images.delete(text(args, 0))) this.#display.draw("end", args);
    else this.#streams.end(int(args, 0));
  }

  #body(args: readonly string[]): void {
    const [object, name] = [int(args, 0), text(args, 3)];
    this.#stream("body", args.slice(1), (mimetype, stream) => ({ object, mimetype, name, stream }));
  }

  #stream<K extends "audio" | "body" | "clipboard" | "file" | "pipe">(
    type: K,
    args: readonly string[],
    event: (mimetype: string, stream: ReadStream) => SessionEvents[K],
  ): void {
    const stream = this.#streams.accept(int(args, 0), text(args, 1));
    if (this.#host.wants(type)) this.#host.emit(type, event(stream.mimetype, stream));
    else stream.cancel(Status.UNSUPPORTED, "not supported by this page");
  }

  #audio(args: readonly string[]): void {
    if (this.#host.wants("audio")) this.#stream("audio", args, (mimetype, stream) => ({ mimetype, stream }));
    else this.#refuse(args, Status.CLIENT_BAD_TYPE);
  }

  #argv(args: readonly string[]): void {
    const stream = this.#streams.accept(int(args, 0), text(args, 1));
    const name = text(args, 2);
    stream.text(MAX_ARGV_BYTES).then(
      (value) => this.#host.emit("argv", { name, mimetype: stream.mimetype, value }),
      // An oversized or unfinished value was refused; the session goes on without it.
      () => undefined,
    );
  }

  #refuse(args: readonly string[], code: number): void {
    this.#host.send("ack", int(args, 0), "not supported by this page", code);
  }

  #error(args: readonly string[]): void {
    const code = int(args, 1);
    this.#host.ended(new GuacamoleError(code, text(args, 0), "server", true));
  }

  #pointer(args: readonly string[]): void {
    const position = { x: int(args, 0), y: int(args, 1) };
    this.#display.showPeerPointer(position.x, position.y);
    this.#host.emit("pointer", position);
  }

  #message(args: readonly string[]): void {
    const event = { userId: text(args, 1), userName: text(args, 2) };
    const code = int(args, 0);
    if (code === USER_JOINED) this.#host.emit("joined", event);
    else if (code === USER_LEFT) this.#host.emit("left", event);
  }

  #sync(args: readonly string[]): void {
    const epoch = this.#epoch;
    const stamp = text(args, 0);
    const frames = int(args, 1);
    this.#unpainted.push(performance.now());
    this.#display.endFrame(Number(stamp) || 0, (failure) => {
      if (epoch !== this.#epoch) return;
      if (failure !== null) {
        this.#host.ended(failure);
        return;
      }
      this.#framesPainted++;
      this.#unpainted.shift();
      // The same stamp twice would only tell the gateway what it knows.
      if (stamp !== this.#lastAnswered) this.#host.send("sync", stamp);
      this.#lastAnswered = stamp;
      this.#host.firstFrame();
      this.#host.emit("sync", { timestamp: Number(stamp) || 0, frames });
    });
  }
}
