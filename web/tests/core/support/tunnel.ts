import { Parser } from "../../../core/protocol/parser.ts";
import type { GuacamoleError } from "../../../core/protocol/status.ts";
import type { Tunnel, TunnelHandler, TunnelState } from "../../../core/tunnel/tunnel.ts";

/** A tunnel whose other end is the test. */
export class ScriptedTunnel implements Tunnel {
  handler: TunnelHandler | null = null;
  state: TunnelState = "idle";
  uuid: string | null = null;
  pingMs: number | null = null;
  silentMs = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly sent: string[][] = [];
  query = "";

  connect(query: string): void {
    this.query = query;
    this.become("connecting");
  }

  send(opcode: string, ...args: readonly (string | number | boolean)[]): void {
    this.sent.push([opcode, ...args.map((arg) => (typeof arg === "boolean" ? String(Number(arg)) : String(arg)))]);
  }

  disconnect(): void {
    if (this.state !== "closed") this.become("closed");
  }

  open(uuid: string): void {
    this.uuid = uuid;
    this.handler?.uuid(uuid);
    this.become("open");
  }

  become(state: TunnelState): void {
    this.state = state;
    this.handler?.state(state);
  }

  fail(error: GuacamoleError): void {
    this.state = "closed";
    this.handler?.error(error);
    this.handler?.state("closed");
  }

  /** The other end sends this text. */
  says(text: string): void {
    new Parser((opcode, args) => this.handler?.instruction(opcode, args)).receive(text);
  }

  /** Instructions sent with this opcode. */
  of(opcode: string): string[][] {
    return this.sent.filter(([sent]) => sent === opcode);
  }
}

/** Lets everything that is already resolved run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
