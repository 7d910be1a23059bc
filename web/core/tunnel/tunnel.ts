import type { Element } from "../protocol/encoder.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";

/** `idle` → `connecting` → `open` ⇄ `unstable` (silence) → `closed`. A closed tunnel may connect again. */
export type TunnelState = "idle" | "connecting" | "open" | "unstable" | "closed";

/** What a tunnel tells its owner. */
export interface TunnelHandler {
  instruction(opcode: string, args: string[]): void;
  state(state: TunnelState): void;
  /** At most once per connect, just before the state becomes `closed`. */
  error(error: GuacamoleError): void;
  uuid(uuid: string): void;
}

/** Carries instructions between the browser and the gateway. */
export interface Tunnel {
  readonly state: TunnelState;
  /** Names the running session in the REST API; `null` until the gateway said it. */
  readonly uuid: string | null;
  /** Median round trip of the last ten pings in milliseconds, or `null` before the first. */
  readonly pingMs: number | null;
  /** Milliseconds since something arrived; 0 when not connected. */
  readonly silentMs: number;
  /** Characters received, which is bytes but for text beyond ASCII. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  handler: TunnelHandler | null;
  /** Connects with the parameters in `query` (see `connectQuery`). */
  connect(query: string): void;
  /** Sends one instruction; dropped unless the tunnel is open. */
  send(opcode: string, ...args: readonly Element[]): void;
  /** Closes without an error. What was sent before still goes out. */
  disconnect(): void;
}

/** Timing of a tunnel. */
export interface TunnelOptions {
  /** Silence until `unstable`; default 1500 ms. */
  unstableAfterMs?: number;
  /** Silence until closed with UPSTREAM_TIMEOUT; default 15000 ms. */
  timeoutMs?: number;
}

/** Interval of pings and of the look at the clock. */
export const PING_INTERVAL_MS = 500;
const DEFAULT_UNSTABLE_MS = 1500;
const DEFAULT_TIMEOUT_MS = 15_000;
const PINGS_KEPT = 10;

/**
 * The part all tunnels share: states, the watch over silence, counters. Heirs call
 * {@link received} for whatever arrives and {@link close} at the end.
 */
export abstract class TunnelBase implements Tunnel {
  handler: TunnelHandler | null = null;
  #state: TunnelState = "idle";
  #uuid: string | null = null;
  #bytesReceived = 0;
  #bytesSent = 0;
  #lastReceivedAt = 0;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #pings: number[] = [];
  readonly #unstableAfterMs: number;
  readonly #timeoutMs: number;

  constructor(options: TunnelOptions = {}) {
    this.#unstableAfterMs = options.unstableAfterMs ?? DEFAULT_UNSTABLE_MS;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  get state(): TunnelState {
    return this.#state;
  }

  get uuid(): string | null {
    return this.#uuid;
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  get pingMs(): number | null {
    if (this.#pings.length === 0) return null;
    const sorted = [...this.#pings].sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? null;
  }

  get silentMs(): number {
    return this.connected ? performance.now() - this.#lastReceivedAt : 0;
  }

  abstract connect(query: string): void;
  abstract send(opcode: string, ...args: readonly Element[]): void;

  disconnect(): void {
    this.close(null);
  }

  /** Connecting, open or unstable. */
  protected get connected(): boolean {
    return this.#state === "connecting" || this.isOpen;
  }

  protected get isOpen(): boolean {
    return this.#state === "open" || this.#state === "unstable";
  }

  /** Lets go of sockets and requests. Called once per connect, before the closing is told. */
  protected abstract release(): void;

  /** Called every {@link PING_INTERVAL_MS} while connected. */
  protected abstract ping(): void;

  /** Starts a connect: heirs call this first. */
  protected begin(): void {
    if (this.connected) throw new Error("the tunnel is connected already");
    this.#uuid = null;
    this.#pings = [];
    this.#bytesReceived = 0;
    this.#bytesSent = 0;
    this.#lastReceivedAt = performance.now();
    this.#ticker = setInterval(() => this.#tick(), PING_INTERVAL_MS);
    this.#setState("connecting");
  }

  /** Notes that `length` characters arrived. */
  protected received(length: number): void {
    this.#bytesReceived += length;
    this.#lastReceivedAt = performance.now();
    if (this.#state === "unstable") this.#setState("open");
  }

  protected sent(length: number): void {
    this.#bytesSent += length;
  }

  protected opened(uuid: string | null): void {
    if (this.#state !== "connecting") return;
    if (uuid !== null) {
      this.#uuid = uuid;
      this.handler?.uuid(uuid);
    }
    if (this.#state === "connecting") this.#setState("open");
  }

  protected pinged(roundTripMs: number): void {
    if (!Number.isFinite(roundTripMs) || roundTripMs < 0) return;
    this.#pings.push(roundTripMs);
    if (this.#pings.length > PINGS_KEPT) this.#pings.shift();
  }

  /** Ends the connect; `error` is told unless the end is a normal one. */
  protected close(error: GuacamoleError | null): void {
    if (!this.connected) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    this.#state = "closed";
    this.release();
    if (error !== null) this.handler?.error(error);
    // A handler may have connected again in answer to the error.
    if (this.#state === "closed") this.handler?.state("closed");
  }

  #tick(): void {
    const silentMs = this.silentMs;
    if (silentMs >= this.#timeoutMs) {
      this.close(new GuacamoleError(Status.UPSTREAM_TIMEOUT, "nothing arrived in time", "tunnel"));
      return;
    }
    if (silentMs >= this.#unstableAfterMs && this.#state === "open") this.#setState("unstable");
    this.ping();
  }

  #setState(state: TunnelState): void {
    this.#state = state;
    this.handler?.state(state);
  }
}
