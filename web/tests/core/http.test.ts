import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Status } from "../../core/protocol/status.ts";
import { HttpTunnel } from "../../core/tunnel/http.ts";
import { Observer } from "./support/observer.ts";

interface Request {
  readonly operation: string;
  readonly init: RequestInit;
  answer(response: Response): void;
  fail(): void;
}

const encoder = new TextEncoder();

/** A response whose body the test writes. */
function streaming(): { response: Response; says(text: string): void; bytes(data: Uint8Array): void; cancelled: () => boolean } {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (c) => void (controller = c),
    cancel: () => void (cancelled = true),
  });
  return {
    response: new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>),
    says: (text) => controller?.enqueue(encoder.encode(text)),
    bytes: (data) => controller?.enqueue(data),
    cancelled: () => cancelled,
  };
}

let requests: Request[] = [];

beforeEach(() => {
  requests = [];
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance"] });
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    return new Promise<Response>((resolve, reject) => {
      init.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
      requests.push({ operation: url.slice(url.indexOf("?") + 1), init, answer: resolve, fail: () => reject(new TypeError("network")) });
    });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function request(operation: string): Promise<Request> {
  for (let i = 0; i < 200; i++) {
    const at = requests.findIndex((each) => each.operation === operation);
    if (at >= 0) return requests.splice(at, 1)[0] as Request;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("no request " + operation + ", but " + requests.map((each) => each.operation).join());
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !holds(); i++) await new Promise((resolve) => setImmediate(resolve));
  expect(holds()).toBe(true);
}

async function opened(): Promise<{ tunnel: HttpTunnel; seen: Observer; first: Request }> {
  const tunnel = new HttpTunnel("http://gateway.test/app/tunnel", { headers: { "X-Own": "1" } });
  const seen = new Observer(tunnel);
  tunnel.connect("GUAC_ID=1");
  const connect = await request("connect");
  expect(connect.init.method).toBe("POST");
  expect(connect.init.body).toBe("GUAC_ID=1");
  connect.answer(new Response("uuid-1", { headers: { "Guacamole-Tunnel-Token": "t" } }));
  const first = await request("read:uuid-1:0");
  return { tunnel, seen, first };
}

function headersOf(each: Request): Record<string, string> {
  return each.init.headers as Record<string, string>;
}

describe("HttpTunnel", () => {
  it("opens with the UUID and shows the tunnel token from then on", async () => {
    const { tunnel, seen, first } = await opened();
    expect(tunnel.uuid).toBe("uuid-1");
    expect(seen.states).toEqual(["connecting", "open"]);
    expect(headersOf(first)).toMatchObject({ "Guacamole-Tunnel-Token": "t", "X-Own": "1" });
  });

  it("asks for the next read while the current one streams and moves on at its end marker", async () => {
    const { seen, first } = await opened();
    const body = streaming();
    first.answer(body.response);
    const second = await request("read:uuid-1:1");
    body.says("4.name,2.");
    // A character of several bytes may arrive in pieces.
    const euro = encoder.encode("€x;");
    body.bytes(euro.slice(0, 2));
    body.bytes(euro.slice(2));
    await until(() => seen.instructions.length === 1);
    expect(seen.instructions).toEqual([["name", "€x"]]);
    body.says("0.;3.nop;");
    const next = streaming();
    second.answer(next.response);
    await request("read:uuid-1:2");
    next.says("4.sync,1.5;");
    await until(() => seen.instructions.length === 2);
    expect(body.cancelled()).toBe(true);
    expect(seen.instructions[1]).toEqual(["sync", "5"]);
  });

  it("has one write in flight and gathers the rest", async () => {
    const { tunnel } = await opened();
    tunnel.send("key", 1, true);
    tunnel.send("key", 2, true);
    tunnel.send("key", 3, true);
    const write = await request("write:uuid-1");
    expect(write.init.body).toBe("3.key,1.1,1.1;");
    expect(requests).toEqual([]);
    write.answer(new Response(""));
    const rest = await request("write:uuid-1");
    expect(rest.init.body).toBe("3.key,1.2,1.1;3.key,1.3,1.1;");
  });

  it("keeps the tunnel alive with nop every half second", async () => {
    await opened();
    vi.advanceTimersByTime(500);
    expect((await request("write:uuid-1")).init.body).toBe("3.nop;");
  });

  it("takes an unknown tunnel while reading for the normal end", async () => {
    const { tunnel, seen, first } = await opened();
    first.answer(new Response("", { status: 404, headers: { "Guacamole-Status-Code": "516" } }));
    await until(() => tunnel.state === "closed");
    expect(seen.errors).toEqual([]);
  });

  it.each([
    ["its own status", new Response("", { status: 403, headers: { "Guacamole-Status-Code": "769", "Guacamole-Error-Message": "no" } }), Status.CLIENT_UNAUTHORIZED, true],
    ["400 alone", new Response("", { status: 400 }), Status.CLIENT_BAD_REQUEST, false],
    ["403 alone", new Response("", { status: 403 }), Status.CLIENT_FORBIDDEN, false],
    ["404 alone", new Response("", { status: 404 }), Status.RESOURCE_NOT_FOUND, false],
    ["429 alone", new Response("", { status: 429 }), Status.CLIENT_TOO_MANY, false],
    ["503 alone", new Response("", { status: 503 }), Status.SERVER_BUSY, false],
    ["500 alone", new Response("", { status: 500 }), Status.SERVER_ERROR, false],
  ])("fails to open with %s", async (_, response, code, stated) => {
    const tunnel = new HttpTunnel("http://gateway.test/tunnel");
    const seen = new Observer(tunnel);
    tunnel.connect("");
    (await request("connect")).answer(response);
    await until(() => tunnel.state === "closed");
    expect(seen.errors[0]).toMatchObject({ code, stated });
  });

  it("says that the gateway was not found when no answer comes", async () => {
    const tunnel = new HttpTunnel("http://gateway.test/tunnel");
    const seen = new Observer(tunnel);
    tunnel.connect("");
    (await request("connect")).fail();
    await until(() => tunnel.state === "closed");
    expect(seen.errors[0]?.code).toBe(Status.UPSTREAM_NOT_FOUND);
  });

  it("sends the last words with a request that outlives the page", async () => {
    const { tunnel } = await opened();
    tunnel.send("nop");
    await request("write:uuid-1");
    tunnel.send("disconnect");
    tunnel.disconnect();
    const last = await request("write:uuid-1");
    expect(last.init).toMatchObject({ body: "10.disconnect;", keepalive: true });
    expect(vi.getTimerCount()).toBe(0);
  });
});
