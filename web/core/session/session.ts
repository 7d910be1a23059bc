import { Display } from "../display/display.ts";
import { Emitter } from "../emitter.ts";
import { Keysym, keysymOf } from "../input/keysyms.ts";
import type { Element } from "../protocol/encoder.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";
import type { FlowControl, WriteStream } from "../streams/writer.ts";
import { connectQuery, type ConnectParams } from "../tunnel/params.ts";
import type { Tunnel, TunnelState } from "../tunnel/tunnel.ts";
import type {
  MouseState,
  SessionEvents,
  SessionState,
  SessionStats,
  TouchState,
} from "./events.ts";
import { Incoming } from "./incoming.ts";
import { StreamTable } from "./streams.ts";

/** Parts of a {@link Session} that can be chosen. */
export interface SessionOptions {
  /** Default: a display of its own that paints on the main thread. */
  display?: Display;
}

/** Keep-alive towards the machine's side; the gateway drops users silent for 15 s. */
const NOP_INTERVAL_MS = 5000;

/** One live connection as the browser sees it. A disconnected session may connect again. */
export class Session extends Emitter<SessionEvents> {
  readonly tunnel: Tunnel;
  readonly display: Display;
  readonly #streams: StreamTable;
  readonly #incoming: Incoming;
  #state: SessionState = "idle";
  #unstable = false;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  #lastNopAt = 0;
  #failed = false;

  constructor(tunnel: Tunnel, options: SessionOptions = {}) {
    super();
    this.tunnel = tunnel;
    this.display = options.display ?? new Display();
    this.#streams = new StreamTable((opcode, ...args) => this.#send(opcode, ...args));
    this.#incoming = new Incoming(this.display, this.#streams, {
      emit: (type, event) => this.emit(type, event),
      wants: (type) => this.hasListener(type),
      send: (opcode, ...args) => this.#send(opcode, ...args),
      firstFrame: () => {
        if (this.#state === "waiting") this.#setState("connected");
      },
      ended: (error) => this.#end(error),
    });
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Tunnel UUID: names the running session in the REST API. */
  get uuid(): string | null {
    return this.tunnel.uuid;
  }

  /** Milliseconds since something arrived. */
  get silentMs(): number {
    return this.tunnel.silentMs;
  }

  stats(): SessionStats {
    return {
      pingMs: this.tunnel.pingMs,
      pictureLagMs: this.#incoming.pictureLagMs,
      framesPainted: this.#incoming.framesPainted,
      bytesReceived: this.tunnel.bytesReceived,
      bytesSent: this.tunnel.bytesSent,
    };
  }

  /** Connects; text is taken as a ready-made query. Progress and failure come as events. */
  connect(params: ConnectParams | string): void {
    if (this.#state !== "idle" && this.#state !== "disconnected") {
      throw new Error("the session is connected already");
    }
    this.#failed = false;
    this.#unstable = false;
    this.#incoming.reset();
    this.tunnel.handler = {
      instruction: (opcode, args) => {
        this.#incoming.instruction(opcode, args);
        // Browsers slow the timers of hidden pages down to one a minute, but not what arrives.
        this.#stayAlive();
      },
      uuid: (uuid) => this.emit("uuid", uuid),
      error: (error) => this.#fail(error),
      state: (state) => this.#tunnelState(state),
    };
    this.#setState("connecting");
    this.tunnel.connect(typeof params === "string" ? params : connectQuery(params));
  }

  /** Leaves. The machine learns of it, then the tunnel closes. */
  disconnect(): void {
    this.#end(null);
  }

  /** @param keysym X11 keysym; characters beyond Latin-1 are 0x01000000 + code point. */
  sendKey(keysym: number, pressed: boolean): void {
    this.#send("key", keysym, pressed);
  }

  /** Presses and releases the key of each character; a line end is Return. */
  typeText(text: string): void {
    for (const character of text.replace(/\r\n?/g, "\n")) {
      const keysym = character === "\n" ? Keysym.Return : keysymOf(character);
      this.sendKey(keysym, true);
      this.sendKey(keysym, false);
    }
  }

  sendMouse(state: MouseState): void {
    this.#send("mouse", Math.floor(state.x), Math.floor(state.y), state.buttons);
  }

  sendTouch(touch: TouchState): void {
    const { id, x, y, radiusX, radiusY, angle, force } = touch;
    const [left, top, width, height] = [x, y, radiusX, radiusY].map(Math.floor) as [number, number, number, number];
    this.#send("touch", id, left, top, width, height, angle, force);
  }

  /** Asks for this picture size in device pixels; the machine may not be able to. */
  sendSize(widthPx: number, heightPx: number): void {
    this.#send("size", Math.floor(widthPx), Math.floor(heightPx));
  }

  /** Gives the machine new clipboard content; resolves when all of it was handed over. */
  async sendClipboard(data: string | Blob, mimetype?: string): Promise<void> {
    // Text must not wait for anything: the paste combination follows on the same tunnel.
    const type = mimetype ?? (typeof data === "string" ? "text/plain" : data.type || "text/plain");
    const bytes = typeof data === "string" ? data : new Uint8Array(await data.arrayBuffer());
    const stream = this.openClipboard(type);
    const written = stream.write(bytes);
    stream.end();
    await written;
  }

  /**
   * Answers a `required` prompt or changes a parameter live.
   *
   * @returns Resolves when the machine took the value; rejects when it refused.
   */
  async sendArgv(name: string, value: string, mimetype = "text/plain"): Promise<void> {
    const stream = this.openArgv(mimetype, name);
    await stream.write(value);
    stream.end();
    await stream.opened;
  }

  /** Not flow-controlled: gateways need not acknowledge clipboard data. */
  openClipboard(mimetype: string): WriteStream {
    return this.#open("free", "clipboard", [mimetype]);
  }

  openFile(mimetype: string, filename: string): WriteStream {
    return this.#open("acknowledged", "file", [mimetype, filename]);
  }

  /** A file for an object of the machine's, under its full name there. */
  openObject(object: number, mimetype: string, name: string): WriteStream {
    return this.#open("acknowledged", "put", [mimetype, name], [object]);
  }

  /** Asks an object of the machine's for what has this name there; it comes as a `body`, if at all. */
  requestFrom(object: number, name: string): void {
    this.#send("get", object, name);
  }

  openPipe(mimetype: string, name: string): WriteStream {
    return this.#open("acknowledged", "pipe", [mimetype, name]);
  }

  /** Not flow-controlled; the first acknowledgement (`opened`) tells whether the value was taken. */
  openArgv(mimetype: string, name: string): WriteStream {
    return this.#open("free", "argv", [mimetype, name]);
  }

  #open(flow: FlowControl, opcode: string, args: readonly string[], before: readonly number[] = []): WriteStream {
    if (!this.#live) {
      throw new GuacamoleError(Status.RESOURCE_CLOSED, "the session is not connected", "stream");
    }
    const stream = this.#streams.open(flow);
    this.#send(opcode, ...before, stream.index, ...args);
    return stream;
  }

  get #live(): boolean {
    return this.#state === "waiting" || this.#state === "connected";
  }

  #send(opcode: string, ...args: readonly Element[]): void {
    if (this.#live) this.tunnel.send(opcode, ...args);
  }

  #stayAlive(): void {
    const now = performance.now();
    if (now - this.#lastNopAt < NOP_INTERVAL_MS) return;
    this.#lastNopAt = now;
    this.#send("nop");
  }

  #tunnelState(state: TunnelState): void {
    const unstable = state === "unstable";
    if (unstable !== this.#unstable && state !== "closed") {
      this.#unstable = unstable;
      this.emit("unstable", unstable);
    }
    if (state === "open" && this.#state === "connecting") {
      this.#lastNopAt = performance.now();
      this.#keepAlive = setInterval(() => this.#stayAlive(), NOP_INTERVAL_MS);
      this.#setState("waiting");
    } else if (state === "closed") {
      this.#end(null);
    }
  }

  #fail(error: GuacamoleError): void {
    if (this.#failed || this.#state === "disconnected" || this.#state === "idle") return;
    this.#failed = true;
    this.emit("error", error);
  }

  #end(error: GuacamoleError | null): void {
    if (this.#state === "idle" || this.#state === "disconnected" || this.#state === "disconnecting") return;
    if (error !== null) this.#fail(error);
    this.#send("disconnect");
    clearInterval(this.#keepAlive);
    this.#setState("disconnecting");
    this.tunnel.disconnect();
    this.#streams.abortAll(
      error ?? new GuacamoleError(Status.RESOURCE_CLOSED, "the session ended", "stream"),
    );
    this.#setState("disconnected");
  }

  #setState(state: SessionState): void {
    const previous = this.#state;
    this.#state = state;
    this.emit("state", { state, previous });
  }
}

