import { encode, type Element } from "../protocol/encoder.ts";
import { TUNNEL_OPCODE } from "../protocol/opcodes.ts";
import { Parser } from "../protocol/parser.ts";
import { GuacamoleError, Status, parseStatus, statusFromWebSocket } from "../protocol/status.ts";
import { PING_INTERVAL_MS, TunnelBase, type TunnelOptions } from "./tunnel.ts";

const SUBPROTOCOL = "guacamole";
/** Timers may come a little early; the ping must not wait for the next one because of that. */
const PING_SLACK_MS = 50;

/**
 * Tunnel over a WebSocket: text frames of whole instructions, the tunnel's UUID first, pings as
 * instructions with an empty opcode, the status as reason of the close frame.
 */
export class WebSocketTunnel extends TunnelBase {
  readonly #url: string | URL;
  #socket: WebSocket | null = null;
  #lastPingAt = -Infinity;

  /** @param url Relative to the page, normally `"websocket-tunnel"`; `http` becomes `ws`. */
  constructor(url: string | URL, options: TunnelOptions = {}) {
    super(options);
    this.#url = url;
  }

  override connect(query: string): void {
    this.begin();
    try {
      this.#open(query);
    } catch (error) {
      this.close(new GuacamoleError(Status.SERVER_ERROR, String(error), "tunnel"));
    }
  }

  override send(opcode: string, ...args: readonly Element[]): void {
    if (!this.isOpen) return;
    this.#write(encode(opcode, ...args));
  }

  protected override release(): void {
    const socket = this.#socket;
    this.#socket = null;
    // Closing is orderly: the browser first sends what is buffered.
    if (socket !== null && socket.readyState <= WebSocket.OPEN) socket.close(1000);
  }

  protected override ping(): void {
    const now = performance.now();
    if (now - this.#lastPingAt < PING_INTERVAL_MS - PING_SLACK_MS) return;
    this.#lastPingAt = now;
    this.#write(encode(TUNNEL_OPCODE, "ping", Math.floor(now)));
  }

  #open(query: string): void {
    const url = new URL(this.#url, globalThis.document?.baseURI ?? globalThis.location?.href);
    url.protocol = url.protocol.replace(/^http/, "ws");
    url.search = query;
    const socket = new WebSocket(url.href, SUBPROTOCOL);
    this.#socket = socket;
    this.#lastPingAt = -Infinity;
    const parser = new Parser((opcode, args) => this.#instruction(opcode, args));

    // A socket we let go of may still report: only the current one counts.
    socket.onopen = () => {
      if (this.#socket === socket) this.ping();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (this.#socket !== socket) return;
      if (typeof event.data !== "string") {
        this.close(new GuacamoleError(Status.SERVER_ERROR, "binary frame", "tunnel"));
        return;
      }
      this.received(event.data.length);
      try {
        parser.receive(event.data);
      } catch (error) {
        if (!(error instanceof GuacamoleError)) throw error;
        this.close(error);
      }
      // Timers of hidden pages are slow, messages are not: they keep the pings going.
      this.ping();
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event);
    };
  }

  #closed(event: CloseEvent): void {
    const stated = parseStatus(event.reason);
    const code = stated ?? statusFromWebSocket(event.code);
    if (code === Status.SUCCESS && this.isOpen) {
      this.close(null);
      return;
    }
    // Closed before it opened is never a success, whatever the code says.
    const shown = code === Status.SUCCESS ? Status.UPSTREAM_UNAVAILABLE : code;
    const text = "WebSocket closed with code " + event.code;
    this.close(new GuacamoleError(shown, text, "tunnel", stated !== undefined));
  }

  #instruction(opcode: string, args: string[]): void {
    if (!this.connected) return;
    if (this.state === "connecting") {
      const [uuid] = args;
      const isUuid = opcode === TUNNEL_OPCODE && args.length === 1 && uuid !== undefined;
      // Gateways that do not tell a UUID start with the session's first instruction.
      if (opcode !== TUNNEL_OPCODE || isUuid) this.opened(isUuid ? uuid : null);
      if (isUuid) return;
    }
    if (opcode !== TUNNEL_OPCODE) {
      this.handler?.instruction(opcode, args);
    } else if (args[0] === "ping" && args[1] !== undefined) {
      this.pinged(performance.now() - Number(args[1]));
    }
  }

  #write(text: string): void {
    const socket = this.#socket;
    if (socket === null || socket.readyState !== WebSocket.OPEN) return;
    socket.send(text);
    this.sent(text.length);
  }
}
