import type { GuacamoleError } from "../../../core/protocol/status.ts";
import type { Tunnel, TunnelState } from "../../../core/tunnel/tunnel.ts";

/** Writes down what a tunnel tells. */
export class Observer {
  readonly states: TunnelState[] = [];
  readonly errors: GuacamoleError[] = [];
  readonly instructions: string[][] = [];
  readonly uuids: string[] = [];

  constructor(tunnel: Tunnel) {
    tunnel.handler = {
      state: (state) => this.states.push(state),
      error: (error) => this.errors.push(error),
      instruction: (opcode, args) => this.instructions.push([opcode, ...args]),
      uuid: (uuid) => this.uuids.push(uuid),
    };
  }
}
