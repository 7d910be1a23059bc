import type { Element } from "../protocol/encoder.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";
import type { Tunnel, TunnelHandler, TunnelState } from "./tunnel.ts";

/** A tunnel, or what loads one when its turn comes, since most pages never need the second. */
export type TunnelSource = Tunnel | (() => Promise<Tunnel>);

/** Time a tunnel may take to be loaded; as long as tunnels wait for an answer. */
const LOAD_TIMEOUT_MS = 15_000;

/**
 * Tries each tunnel in turn until one opens, then stays with it.
 *
 * The next one is tried only when a tunnel *could not be made*. A status the gateway stated itself
 * (wrong login, unknown connection, no such machine) came through a working tunnel and would be
 * the same through any other; and after a timeout the user has waited long enough.
 */
export class ChainedTunnel implements Tunnel {
  handler: TunnelHandler | null = null;
  readonly #tunnels: TunnelSource[];
  /** `null` while a tunnel is being loaded. */
  #current: Tunnel | null = null;
  /** Counts loads, so that one given up does nothing when it comes after all. */
  #load = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: TunnelState = "idle";
  #error: GuacamoleError | null = null;

  constructor(...tunnels: TunnelSource[]) {
    if (tunnels.length === 0) throw new RangeError("a chain needs a tunnel");
    this.#tunnels = tunnels;
  }

  get state(): TunnelState {
    return this.#state;
  }

  get uuid(): string | null {
    return this.#current?.uuid ?? null;
  }

  get pingMs(): number | null {
    return this.#current?.pingMs ?? null;
  }

  get silentMs(): number {
    return this.#current?.silentMs ?? 0;
  }

  get bytesReceived(): number {
    return this.#current?.bytesReceived ?? 0;
  }

  get bytesSent(): number {
    return this.#current?.bytesSent ?? 0;
  }

  connect(query: string): void {
    if (this.#state !== "idle" && this.#state !== "closed") {
      throw new Error("the tunnel is connected already");
    }
    this.#error = null;
    this.#setState("connecting");
    this.#try(0, query);
  }

  send(opcode: string, ...args: readonly Element[]): void {
    this.#current?.send(opcode, ...args);
  }

  disconnect(): void {
    if (this.#current !== null) this.#current.disconnect();
    else if (this.#state === "connecting") this.#close(null);
  }

  #try(position: number, query: string): void {
    const source = this.#tunnels[position];
    if (typeof source === "function") this.#fetch(source, position, query);
    else if (source !== undefined) this.#use(source, position, query);
  }

  #fetch(source: () => Promise<Tunnel>, position: number, query: string): void {
    this.#current = null;
    const load = ++this.#load;
    const fail = (code: number, message: string): void => {
      // Why the tunnel before could not be made tells more than why this one could not be loaded.
      if (load === this.#load) this.#close(this.#error ?? new GuacamoleError(code, message, "tunnel"));
    };
    this.#timer = setTimeout(() => fail(Status.UPSTREAM_TIMEOUT, "the tunnel took too long to load"), LOAD_TIMEOUT_MS);
    source().then(
      (tunnel) => {
        if (load !== this.#load) return;
        clearTimeout(this.#timer);
        this.#tunnels[position] = tunnel;
        this.#use(tunnel, position, query);
      },
      (error: unknown) => fail(Status.UPSTREAM_NOT_FOUND, String(error)),
    );
  }

  #use(tunnel: Tunnel, position: number, query: string): void {
    this.#current = tunnel;
    this.#error = null;
    tunnel.handler = {
      instruction: (opcode, args) => {
        if (this.#current === tunnel) this.handler?.instruction(opcode, args);
      },
      uuid: (uuid) => {
        if (this.#current === tunnel) this.handler?.uuid(uuid);
      },
      error: (error) => {
        if (this.#current === tunnel) this.#error = error;
      },
      state: (state) => {
        if (this.#current === tunnel) this.#follow(state, position, query);
      },
    };
    tunnel.connect(query);
  }

  #follow(state: TunnelState, position: number, query: string): void {
    if (state !== "closed") {
      if (state !== this.#state) this.#setState(state);
      return;
    }
    const error = this.#error;
    const mayFallBack =
      this.#state === "connecting" &&
      error !== null &&
      !error.stated &&
      error.code !== Status.UPSTREAM_TIMEOUT &&
      position + 1 < this.#tunnels.length;
    if (mayFallBack) {
      this.#try(position + 1, query);
      return;
    }
    this.#close(error);
  }

  #close(error: GuacamoleError | null): void {
    clearTimeout(this.#timer);
    this.#load++;
    this.#state = "closed";
    if (error !== null) this.handler?.error(error);
    if (this.#state === "closed") this.handler?.state("closed");
  }

  #setState(state: TunnelState): void {
    this.#state = state;
    this.handler?.state(state);
  }
}
