import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Status } from "../../core/protocol/status.ts";
import { ChainedTunnel } from "../../core/tunnel/chain.ts";
import { connectQuery } from "../../core/tunnel/params.ts";
import { WebSocketTunnel } from "../../core/tunnel/websocket.ts";
import { GuacamoleError } from "../../core/protocol/status.ts";
import { Observer } from "./support/observer.ts";
import { ScriptedTunnel, settle } from "./support/tunnel.ts";

class FakeSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static last: FakeSocket;
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: string[] = [];
  closedWith: number | undefined;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    FakeSocket.last = this;
  }
  send(text: string): void {
    this.sent.push(text);
  }
  close(code?: number): void {
    this.readyState = 2;
    this.closedWith = code;
  }
  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  says(data: unknown): void {
    this.onmessage?.({ data });
  }
  ends(code: number, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

const URL_ = "http://gateway.test/app/websocket-tunnel";
const UUID = "0.,4.abcd;";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function opened(): { tunnel: WebSocketTunnel; seen: Observer; socket: FakeSocket } {
  const tunnel = new WebSocketTunnel(URL_);
  const seen = new Observer(tunnel);
  tunnel.connect("GUAC_ID=1");
  const socket = FakeSocket.last;
  socket.opens();
  socket.says(UUID);
  return { tunnel, seen, socket };
}

describe("WebSocketTunnel", () => {
  it("asks for the subprotocol at the address with the query", () => {
    const { socket } = opened();
    expect(socket.url).toBe("ws://gateway.test/app/websocket-tunnel?GUAC_ID=1");
    expect(socket.protocol).toBe("guacamole");
  });

  it("opens with the UUID and keeps it from the session", () => {
    const { tunnel, seen } = opened();
    expect(tunnel.uuid).toBe("abcd");
    expect(seen.states).toEqual(["connecting", "open"]);
    expect(seen.instructions).toEqual([]);
  });

  it("opens without a UUID when the first instruction is another", () => {
    const tunnel = new WebSocketTunnel(URL_);
    const seen = new Observer(tunnel);
    tunnel.connect("");
    FakeSocket.last.opens();
    FakeSocket.last.says("3.nop;");
    expect(tunnel.state).toBe("open");
    expect(tunnel.uuid).toBeNull();
    expect(seen.instructions).toEqual([["nop"]]);
  });

  it("does not take an early ping answer for the UUID", () => {
    const tunnel = new WebSocketTunnel(URL_);
    tunnel.connect("");
    FakeSocket.last.opens();
    FakeSocket.last.says("0.,4.ping,1.0;");
    expect(tunnel.state).toBe("connecting");
    FakeSocket.last.says(UUID);
    expect(tunnel.uuid).toBe("abcd");
  });

  it("pings every half second and measures the answer", () => {
    const { tunnel, socket, seen } = opened();
    vi.advanceTimersByTime(500);
    const ping = socket.sent.at(-1) ?? "";
    expect(ping).toMatch(/^0\.,4\.ping,\d+\.\d+;$/);
    vi.advanceTimersByTime(40);
    socket.says(ping);
    expect(tunnel.pingMs).toBeGreaterThanOrEqual(40);
    expect(seen.instructions).toEqual([]);
  });

  it("pings by what arrives when timers sleep, but not more often", () => {
    const { socket } = opened();
    vi.clearAllTimers();
    socket.sent.length = 0;
    vi.advanceTimersByTime(500);
    for (let i = 0; i < 5; i++) socket.says("3.nop;");
    expect(socket.sent).toHaveLength(1);
  });

  it("becomes unstable after 1.5 s, open again with data, and gives up after 15 s", () => {
    const { tunnel, seen, socket } = opened();
    vi.advanceTimersByTime(1500);
    expect(tunnel.state).toBe("unstable");
    socket.says("3.nop;");
    expect(tunnel.state).toBe("open");
    vi.advanceTimersByTime(15_000);
    expect(seen.errors[0]?.code).toBe(Status.UPSTREAM_TIMEOUT);
    expect(seen.states).toEqual(["connecting", "open", "unstable", "open", "unstable", "closed"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    [1000, "0", null],
    [1000, "", null],
    [1011, "519", Status.UPSTREAM_NOT_FOUND],
    [1008, "769", Status.CLIENT_UNAUTHORIZED],
    [1006, "", Status.UPSTREAM_NOT_FOUND],
    [1012, "", Status.UPSTREAM_UNAVAILABLE],
    [1011, "oops", Status.SERVER_ERROR],
  ])("reads close code %i with reason %j", (code, reason, status) => {
    const { tunnel, seen, socket } = opened();
    socket.ends(code, reason);
    expect(tunnel.state).toBe("closed");
    expect(seen.errors.map((error) => error.code)).toEqual(status === null ? [] : [status]);
  });

  it("closes on text that is not the protocol", () => {
    const { tunnel, seen, socket } = opened();
    socket.says("garbage");
    expect(tunnel.state).toBe("closed");
    expect(seen.errors[0]?.code).toBe(Status.SERVER_ERROR);
    expect(socket.closedWith).toBe(1000);
  });

  it("leaves nothing behind after disconnect and may connect again", () => {
    const { tunnel, seen, socket } = opened();
    tunnel.disconnect();
    expect(socket.closedWith).toBe(1000);
    expect(vi.getTimerCount()).toBe(0);
    socket.says("3.nop;");
    socket.ends(1006);
    expect(seen.errors).toEqual([]);
    tunnel.connect("");
    expect(tunnel.state).toBe("connecting");
  });

  it("sends only while open", () => {
    const tunnel = new WebSocketTunnel(URL_);
    tunnel.connect("");
    tunnel.send("nop");
    expect(FakeSocket.last.sent).toEqual([]);
    FakeSocket.last.opens();
    FakeSocket.last.says(UUID);
    tunnel.send("key", 65, true);
    expect(FakeSocket.last.sent.at(-1)).toBe("3.key,2.65,1.1;");
  });
});

describe("ChainedTunnel", () => {
  it("falls back when the first tunnel cannot be made", () => {
    const [first, second] = [new ScriptedTunnel(), new ScriptedTunnel()];
    const chain = new ChainedTunnel(first, second);
    const seen = new Observer(chain);
    chain.connect("q");
    first.fail(new GuacamoleError(Status.UPSTREAM_NOT_FOUND, "", "tunnel"));
    expect(second.query).toBe("q");
    second.open("u");
    second.says("3.nop;");
    expect(seen.states).toEqual(["connecting", "open"]);
    expect(seen.errors).toEqual([]);
    expect(seen.instructions).toEqual([["nop"]]);
    expect(chain.uuid).toBe("u");
  });

  it.each([
    ["a timeout", new GuacamoleError(Status.UPSTREAM_TIMEOUT, "", "tunnel")],
    ["a status the gateway stated", new GuacamoleError(Status.CLIENT_UNAUTHORIZED, "", "tunnel", true)],
  ])("does not fall back after %s", (_, error) => {
    const [first, second] = [new ScriptedTunnel(), new ScriptedTunnel()];
    const chain = new ChainedTunnel(first, second);
    const seen = new Observer(chain);
    chain.connect("q");
    first.fail(error);
    expect(second.state).toBe("idle");
    expect(seen.errors).toEqual([error]);
    expect(seen.states).toEqual(["connecting", "closed"]);
  });

  it("stays with a tunnel that opened", () => {
    const [first, second] = [new ScriptedTunnel(), new ScriptedTunnel()];
    const chain = new ChainedTunnel(first, second);
    const seen = new Observer(chain);
    chain.connect("q");
    first.open("u");
    first.fail(new GuacamoleError(Status.UPSTREAM_NOT_FOUND, "", "tunnel"));
    expect(second.state).toBe("idle");
    expect(seen.states).toEqual(["connecting", "open", "closed"]);
  });

  it("loads a tunnel once, and only when its turn comes", async () => {
    const [first, second] = [new ScriptedTunnel(), new ScriptedTunnel()];
    const load = vi.fn(() => Promise.resolve(second));
    const chain = new ChainedTunnel(first, load);
    const seen = new Observer(chain);
    for (const round of [1, 2]) {
      chain.connect("q" + round);
      first.fail(new GuacamoleError(Status.UPSTREAM_NOT_FOUND, "", "tunnel"));
      await settle();
      expect(second.query).toBe("q" + round);
      second.open("u" + round);
      expect(chain.uuid).toBe("u" + round);
      chain.disconnect();
    }
    expect(load).toHaveBeenCalledTimes(1);
    expect(seen.states).toEqual(["connecting", "open", "closed", "connecting", "open", "closed"]);
    expect(seen.errors).toEqual([]);
  });

  it("tells why the tunnel before failed when the next cannot be loaded", async () => {
    const first = new ScriptedTunnel();
    const chain = new ChainedTunnel(first, () => Promise.reject(new TypeError("no such script")));
    const seen = new Observer(chain);
    chain.connect("q");
    const error = new GuacamoleError(Status.UPSTREAM_UNAVAILABLE, "", "tunnel");
    first.fail(error);
    await settle();
    expect(seen.errors).toEqual([error]);
    expect(seen.states).toEqual(["connecting", "closed"]);
  });

  it("leaves a tunnel alone that arrives after the end", async () => {
    const [first, second] = [new ScriptedTunnel(), new ScriptedTunnel()];
    const chain = new ChainedTunnel(first, () => Promise.resolve(second));
    const seen = new Observer(chain);
    chain.connect("q");
    first.fail(new GuacamoleError(Status.UPSTREAM_NOT_FOUND, "", "tunnel"));
    chain.disconnect();
    await settle();
    expect(second.state).toBe("idle");
    expect(seen.errors).toEqual([]);
    expect(seen.states).toEqual(["connecting", "closed"]);
  });

  it("waits for a tunnel to load no longer than for an answer", () => {
    vi.useFakeTimers();
    try {
      const chain = new ChainedTunnel(() => new Promise(() => {}));
      const seen = new Observer(chain);
      chain.connect("q");
      vi.advanceTimersByTime(15_000);
      expect(seen.errors.map(({ code }) => code)).toEqual([Status.UPSTREAM_TIMEOUT]);
      expect(seen.states).toEqual(["connecting", "closed"]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("connectQuery", () => {
  const base = { dataSource: "mysql", id: "7", type: "connection", widthPx: 800.7, heightPx: 600, timezone: "Europe/Berlin" } as const;

  it("writes the parameters as the gateway names them", () => {
    expect(connectQuery({ ...base, dpi: 192, image: ["image/png"], extra: { GUAC_X: "a b" } })).toBe(
      "GUAC_DATA_SOURCE=mysql&GUAC_ID=7&GUAC_TYPE=c&GUAC_WIDTH=800&GUAC_HEIGHT=600&GUAC_DPI=192" +
        "&GUAC_IMAGE=image%2Fpng&GUAC_TIMEZONE=Europe%2FBerlin&GUAC_X=a+b",
    );
  });

  it("holds a token only when it is given", () => {
    expect(connectQuery(base)).not.toContain("token");
    expect(connectQuery({ ...base, token: "secret" })).toContain("token=secret");
  });
});
