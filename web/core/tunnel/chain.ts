import type { Element } from "../protocol/encoder.ts";
import { Status, type GuacamoleError } from "../protocol/status.ts";
import type { Tunnel, TunnelHandler, TunnelState } from "./tunnel.ts";

/**
 * Tries each tunnel in turn until one opens, then stays with it.
 *
 * The next one is tried only when a tunnel *could not be made*. A status the gateway stated itself
 * (wrong login, unknown connection, no such machine) came through a working tunnel and would be
 * the same through any other; and after a timeout the user has waited long enough.
 */
export class ChainedTunnel implements Tunnel {
  handler: TunnelHandler | null = null;
  readonly #tunnels: readonly Tunnel[];
  #current: Tunnel;
  #state: TunnelState = "idle";
  #error: GuacamoleError | null = null;

  constructor(...tunnels: Tunnel[]) {
    const [first] = tunnels;
    if (first === undefined) throw new RangeError("a chain needs a tunnel");
    this.#tunnels = tunnels;
    this.#current = first;
  }

  get state(): TunnelState {
    return this.#state;
  }

  get uuid(): string | null {
    return this.#current.uuid;
  }

  get pingMs(): number | null {
    return this.#current.pingMs;
  }

  get silentMs(): number {
    return this.#current.silentMs;
  }

  get bytesReceived(): number {
    return this.#current.bytesReceived;
  }

  get bytesSent(): number {
    return this.#current.bytesSent;
  }

  connect(query: string): void {
    if (this.#state !== "idle" && this.#state !== "closed") {
      throw new Error("the tunnel is connected already");
    }
    this.#setState("connecting");
    this.#try(0, query);
  }

  send(opcode: string, ...args: readonly Element[]): void {
    this.#current.send(opcode, ...args);
  }

  disconnect(): void {
    this.#current.disconnect();
  }

  #try(position: number, query: string): void {
    const tunnel = this.#tunnels[position];
    if (tunnel === undefined) return;
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
    this.#state = "closed";
    if (error !== null) this.handler?.error(error);
    if (this.#state === "closed") this.handler?.state("closed");
  }

  #setState(state: TunnelState): void {
    this.#state = state;
    this.handler?.state(state);
  }
}
