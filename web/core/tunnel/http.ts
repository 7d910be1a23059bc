import { encode, type Element } from "../protocol/encoder.ts";
import { TUNNEL_OPCODE } from "../protocol/opcodes.ts";
import { Parser } from "../protocol/parser.ts";
import { GuacamoleError, Status, parseStatus, statusFromHttp } from "../protocol/status.ts";
import { TunnelBase, type TunnelOptions } from "./tunnel.ts";

const TOKEN_HEADER = "Guacamole-Tunnel-Token";
const STATUS_HEADER = "Guacamole-Status-Code";
const MESSAGE_HEADER = "Guacamole-Error-Message";

/** Most bytes browsers let a request keep alive after the page is gone. */
const KEEPALIVE_BYTES = 64 * 1024;

/** Settings of an {@link HttpTunnel}. */
export interface HttpTunnelOptions extends TunnelOptions {
  /** Sent with each request. */
  headers?: Record<string, string>;
}

/**
 * Tunnel over plain requests: one long read after another, with the next one asked for while the
 * current one streams, and one write in flight at a time.
 */
export class HttpTunnel extends TunnelBase {
  readonly #url: string | URL;
  readonly #headers: Record<string, string>;
  #abort = new AbortController();
  #token = "";
  #buffer = "";
  #writing = false;

  /** @param url Relative to the page, normally `"tunnel"`. */
  constructor(url: string | URL, options: HttpTunnelOptions = {}) {
    super(options);
    this.#url = url;
    this.#headers = options.headers ?? {};
  }

  override connect(query: string): void {
    this.begin();
    this.#abort = new AbortController();
    this.#buffer = "";
    this.#writing = false;
    void this.#run(query, this.#abort.signal);
  }

  override send(opcode: string, ...args: readonly Element[]): void {
    if (!this.isOpen) return;
    this.#buffer += encode(opcode, ...args);
    void this.#flush(this.#abort.signal);
  }

  protected override ping(): void {
    // The reads bring no echo, so the ping is an instruction that keeps the tunnel alive.
    this.send("nop");
  }

  protected override release(): void {
    const rest = this.#buffer;
    this.#buffer = "";
    this.#abort.abort();
    if (rest !== "" && rest.length <= KEEPALIVE_BYTES && this.uuid !== null) {
      // The last words (`disconnect`) go out even when the page is closing.
      void fetch(this.#target("write:" + this.uuid), {
        ...this.#request("POST", rest),
        keepalive: true,
      }).catch(() => undefined);
    }
  }

  async #run(query: string, signal: AbortSignal): Promise<void> {
    try {
      const uuid = await this.#open(query, signal);
      if (signal.aborted) return;
      this.opened(uuid);
      await this.#readAll(uuid, signal);
    } catch (error) {
      if (signal.aborted) return;
      const failure =
        error instanceof GuacamoleError
          ? error
          : new GuacamoleError(Status.UPSTREAM_NOT_FOUND, String(error), "tunnel");
      // A tunnel the gateway no longer knows was closed by it: that is how a session ends here.
      const normalEnd = this.isOpen && failure.code === Status.RESOURCE_NOT_FOUND;
      this.close(normalEnd ? null : failure);
    }
  }

  async #open(query: string, signal: AbortSignal): Promise<string> {
    const sent = performance.now();
    const response = await fetch(this.#target("connect"), {
      ...this.#request("POST", query, "application/x-www-form-urlencoded; charset=UTF-8"),
      signal,
    });
    if (!response.ok) throw failureOf(response);
    this.#token = response.headers.get(TOKEN_HEADER) ?? "";
    const uuid = (await response.text()).trim();
    this.received(uuid.length);
    this.pinged(performance.now() - sent);
    return uuid;
  }

  async #readAll(uuid: string, signal: AbortSignal): Promise<void> {
    let count = 0;
    const request = (): Promise<Response> => {
      const answer = fetch(this.#target("read:" + uuid + ":" + count++), {
        ...this.#request("GET"),
        signal,
      });
      // Whoever awaits it sees the failure; until then it is not an unhandled one.
      answer.catch(() => undefined);
      return answer;
    };
    let next = request();
    while (!signal.aborted) {
      const current = await next;
      if (!current.ok) throw failureOf(current);
      next = request();
      await this.#read(current, signal);
    }
  }

  /** Hands over the instructions of one read until its end marker. */
  async #read(response: Response, signal: AbortSignal): Promise<void> {
    let ended = false;
    const parser = new Parser((opcode, args) => {
      if (!this.isOpen || ended) return;
      if (opcode !== TUNNEL_OPCODE) this.handler?.instruction(opcode, args);
      else if (args.length === 0) ended = true;
    });
    if (response.body === null) return;
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    try {
      while (!ended && !signal.aborted) {
        const { done, value } = await reader.read();
        if (signal.aborted || done) break;
        this.received(value.byteLength);
        parser.receive(decoder.decode(value, { stream: true }));
      }
    } finally {
      void reader.cancel().catch(() => undefined);
    }
  }

  async #flush(signal: AbortSignal): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      while (this.#buffer !== "" && !signal.aborted) {
        const text = this.#buffer;
        this.#buffer = "";
        const started = performance.now();
        const response = await fetch(this.#target("write:" + (this.uuid ?? "")), this.#request("POST", text));
        if (signal.aborted) return;
        if (!response.ok) throw failureOf(response);
        this.sent(text.length);
        this.pinged(performance.now() - started);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.close(
        error instanceof GuacamoleError
          ? error
          : new GuacamoleError(Status.UPSTREAM_NOT_FOUND, String(error), "tunnel"),
      );
    } finally {
      if (this.#abort.signal === signal) this.#writing = false;
    }
  }

  #request(method: string, body?: string, type = "application/octet-stream"): RequestInit {
    const headers: Record<string, string> = { ...this.#headers };
    if (this.uuid !== null) headers[TOKEN_HEADER] = this.#token;
    if (body !== undefined) headers["Content-Type"] = type;
    const init: RequestInit = { method, headers, cache: "no-store", credentials: "same-origin" };
    if (body !== undefined) init.body = body;
    return init;
  }

  #target(operation: string): string {
    const url = new URL(this.#url, globalThis.document?.baseURI ?? globalThis.location?.href);
    // The gateway compares the raw query, so it must not be encoded further.
    return url.origin + url.pathname + "?" + operation;
  }
}

function failureOf(response: Response): GuacamoleError {
  const stated = parseStatus(response.headers.get(STATUS_HEADER));
  const message = response.headers.get(MESSAGE_HEADER) ?? "HTTP status " + response.status;
  const code = stated ?? statusFromHttp(response.status);
  return new GuacamoleError(code, message, "tunnel", stated !== undefined);
}
