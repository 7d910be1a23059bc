// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { LiveSession, type SessionHost } from "../../app/state/live-session.svelte";
import { GuacamoleError, Status } from "../../core";

/** What a session of the client library looks like from outside, driven by the tests. */
interface FakeSession {
  tunnel: { sources: unknown[] };
  params: Record<string, unknown>;
  sent: string[];
  silentMs: number;
  disconnected: boolean;
  emit(type: string, event: unknown): void;
}

const made: FakeSession[] = [];

vi.mock("../../app/state/paint-worker", () => ({ startPaintWorker: () => null }));

vi.mock("../../core", async (original) => {
  class Events {
    listeners = new Map<string, ((event: unknown) => void)[]>();
    on(type: string, listener: (event: unknown) => void): void {
      this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]);
    }
    emit(type: string, event: unknown): void {
      for (const listener of this.listeners.get(type) ?? []) listener(event);
    }
  }
  class Display extends Events {
    widthPx = 640;
    heightPx = 480;
    dispose(): void {}
    screenshot(): Promise<Blob> {
      return Promise.reject(new Error("nothing to see"));
    }
  }
  class Session extends Events {
    params = {};
    sent: string[] = [];
    silentMs = 0;
    disconnected = false;
    constructor(readonly tunnel: { sources: unknown[] }) {
      super();
      made.push(this);
    }
    connect(params: object): void {
      this.params = params as Record<string, unknown>;
    }
    disconnect(): void {
      this.disconnected = true;
    }
    stats(): object {
      return { pingMs: 5, pictureLagMs: 0, framesPainted: 1, bytesReceived: 2, bytesSent: 3 };
    }
    sendSize(widthPx: number, heightPx: number): void {
      this.sent.push(`size ${widthPx} ${heightPx}`);
    }
    sendArgv(name: string, value: string): Promise<void> {
      this.sent.push(`argv ${name} ${value}`);
      return Promise.resolve();
    }
    sendKey(keysym: number, pressed: boolean): void {
      this.sent.push(`key ${keysym} ${pressed}`);
    }
  }
  class Tunnel {
    sources: unknown[];
    constructor(...sources: unknown[]) {
      this.sources = sources.filter((source) => typeof source !== "string");
    }
  }
  return {
    ...(await original<object>()),
    Display,
    Session,
    ChainedTunnel: Tunnel,
    WebSocketTunnel: Tunnel,
    HttpTunnel: Tunnel,
  };
});

function make(change: Partial<SessionHost> = {}) {
  const host = {
    api: { tunnelProtocol: vi.fn(() => Promise.reject(new Error("no such tunnel"))) },
    keepPictures: () => false,
    loginStillValid: () => Promise.resolve(true),
    notify: vi.fn(),
    ...change,
  };
  const session = new LiveSession({ type: "c", id: "7", dataSource: "d" }, host as unknown as SessionHost);
  session.resize({ widthPx: 800, heightPx: 600 });
  return { session, host };
}

const last = (): FakeSession => made.at(-1) as FakeSession;
const fail = (code: number, origin: "tunnel" | "server"): void => {
  last().emit("error", new GuacamoleError(code, "why", origin));
  last().emit("state", { state: "disconnected", previous: "connected" });
};

beforeEach(() => {
  vi.useFakeTimers();
  made.length = 0;
});

afterEach(() => vi.useRealTimers());

describe("a live session", () => {
  it("connects when it knows its size, and goes through the steps", () => {
    const { session } = make();
    expect(made).toHaveLength(1);
    expect(last().params).toMatchObject({ dataSource: "d", id: "7", type: "connection", widthPx: 800, heightPx: 600 });
    expect(session.state).toBe("connecting");
    last().emit("state", { state: "waiting", previous: "connecting" });
    expect(session.state).toBe("waiting");
    last().emit("state", { state: "connected", previous: "waiting" });
    expect(session.state).toBe("connected");
    expect(session.live).toBe(true);
  });

  it("knows what the machine offers for as long as it is connected to it", () => {
    const { session } = make();
    last().emit("multitouch", 10);
    last().emit("filesystem", { object: 0, name: "Shared Drive" });
    last().emit("filesystem", { object: 1, name: "/" });
    last().emit("undefine", { object: 1 });
    expect([session.touches, session.filesystems]).toEqual([10, [{ object: 0, name: "Shared Drive" }]]);
    session.open();
    expect([session.touches, session.filesystems]).toEqual([0, []]);
  });

  it("is unstable after 1.5 s of silence and frozen after 5", () => {
    const { session } = make();
    last().emit("state", { state: "connected", previous: "waiting" });
    for (const [silentMs, state] of [[1400, "connected"], [1600, "unstable"], [5000, "frozen"], [0, "connected"]] as const) {
      last().silentMs = silentMs;
      vi.advanceTimersByTime(500);
      expect(session.state).toBe(state);
    }
  });

  it("comes back by itself after a lost network, and says that it is a new session", () => {
    const { session, host } = make();
    last().emit("state", { state: "connected", previous: "waiting" });
    fail(Status.UPSTREAM_TIMEOUT, "tunnel");
    expect(session.state).toBe("reconnecting");
    expect(session.problem).toMatchObject({ code: Status.UPSTREAM_TIMEOUT, stage: "G" });
    vi.advanceTimersByTime(1300);
    expect(made).toHaveLength(2);
    last().emit("state", { state: "connected", previous: "waiting" });
    expect(session.state).toBe("connected");
    expect(session.problem).toBeNull();
    expect(host.notify).toHaveBeenCalledWith("newSession");
  });

  it("says which try it makes", async () => {
    const { session } = make();
    last().emit("state", { state: "connected", previous: "waiting" });
    expect(session.tries).toBe(0);
    for (const tries of [1, 2, 3]) {
      fail(Status.UPSTREAM_UNAVAILABLE, "tunnel");
      expect(session.tries).toBe(tries);
      await vi.advanceTimersByTimeAsync(6000);
    }
    last().emit("state", { state: "connected", previous: "waiting" });
    expect(session.tries).toBe(0);
  });

  it("goes on trying when a node did not know the login that is there", async () => {
    const { session } = make();
    last().emit("state", { state: "connected", previous: "waiting" });
    fail(Status.UPSTREAM_UNAVAILABLE, "tunnel");
    await vi.advanceTimersByTimeAsync(400);
    fail(Status.CLIENT_UNAUTHORIZED, "tunnel");
    await vi.advanceTimersByTimeAsync(0);
    expect([session.state, session.awaitingLogin]).toEqual(["reconnecting", false]);
    await vi.advanceTimersByTimeAsync(1300);
    expect(made).toHaveLength(3);
  });

  it("does not try another way than WebSockets once one came through", async () => {
    make();
    last().emit("state", { state: "connected", previous: "waiting" });
    const chains = made.map(({ tunnel }) => tunnel.sources.length);
    fail(Status.UPSTREAM_NOT_FOUND, "tunnel");
    await vi.advanceTimersByTimeAsync(400);
    chains.push(last().tunnel.sources.length);
    expect(chains).toEqual([2, 0]);
  });

  it("does not repeat a refusal", () => {
    const { session } = make();
    fail(Status.CLIENT_UNAUTHORIZED, "server");
    vi.advanceTimersByTime(600_000);
    expect(made).toHaveLength(1);
    expect(session.state).toBe("ended");
    expect(session.problem).toMatchObject({ code: Status.CLIENT_UNAUTHORIZED, stage: "M", message: "why" });
    expect(session.awaitingLogin).toBe(false);
  });

  it("keeps the reason when the end that follows names none", () => {
    const { session } = make();
    fail(Status.SESSION_CLOSED, "server");
    expect(session.problem?.code).toBe(Status.SESSION_CLOSED);
  });

  it("waits for the login when that is what ended", async () => {
    const { session } = make({ loginStillValid: () => Promise.resolve(false) });
    fail(Status.CLIENT_UNAUTHORIZED, "tunnel");
    await vi.advanceTimersByTimeAsync(0);
    expect(session.awaitingLogin).toBe(true);
    session.tryNow();
    expect(made).toHaveLength(2);
    expect(session.awaitingLogin).toBe(false);
  });

  it("gives up after five minutes of failing", () => {
    const { session } = make();
    for (let i = 0; i < 100 && session.state !== "ended"; i++) {
      fail(Status.UPSTREAM_UNAVAILABLE, "tunnel");
      vi.advanceTimersByTime(20_000);
    }
    expect(session.state).toBe("ended");
    expect(session.problem?.gaveUp).toBe(true);
  });

  it("tries at once when the network is back", () => {
    make();
    last().emit("state", { state: "connected", previous: "waiting" });
    for (let i = 0; i < 4; i++) {
      fail(Status.UPSTREAM_NOT_FOUND, "tunnel");
      if (i < 3) vi.advanceTimersByTime(20_000);
    }
    const before = made.length;
    window.dispatchEvent(new Event("online"));
    expect(made).toHaveLength(before + 1);
  });

  it("asks what the machine asks, and says so when the answer was wrong", async () => {
    const { session } = make();
    last().emit("required", { names: ["username", "password"] });
    await vi.advanceTimersByTimeAsync(0);
    expect(session.prompt?.again).toBe(false);
    expect(session.prompt?.fields.map((field) => field.type)).toEqual(["TEXT", "PASSWORD"]);
    await session.answer({ username: "u", password: "p" });
    expect(last().sent).toEqual(["argv username u", "argv password p"]);
    last().emit("required", { names: ["password"] });
    await vi.advanceTimersByTimeAsync(0);
    expect(session.prompt?.again).toBe(true);
  });

  it("ends when the user says so, and can be opened again", () => {
    const { session } = make();
    last().emit("state", { state: "connected", previous: "waiting" });
    session.disconnect();
    expect(last().disconnected).toBe(true);
    expect(session.state).toBe("ended");
    expect(session.problem?.code).toBe(Status.SUCCESS);
    session.tryNow();
    expect(made).toHaveLength(2);
  });

  it("does nothing after it was closed", () => {
    const { session } = make();
    fail(Status.UPSTREAM_TIMEOUT, "tunnel");
    session.close();
    vi.advanceTimersByTime(60_000);
    window.dispatchEvent(new Event("online"));
    session.tryNow();
    expect(made).toHaveLength(1);
  });

  it("does not listen to a connection it has left", () => {
    const { session } = make();
    const old = last();
    fail(Status.UPSTREAM_TIMEOUT, "tunnel");
    vi.advanceTimersByTime(1300);
    old.emit("state", { state: "connected", previous: "waiting" });
    old.emit("error", new GuacamoleError(Status.CLIENT_FORBIDDEN, "", "server"));
    expect(session.state).toBe("reconnecting");
    expect(session.problem?.code).toBe(Status.UPSTREAM_TIMEOUT);
  });

  it("presses keys in order and releases them in reverse", () => {
    const { session } = make();
    session.press(["Control_L", "Alt_L", "Delete"]);
    expect(last().sent).toEqual([
      "key 65507 true",
      "key 65513 true",
      "key 65535 true",
      "key 65535 false",
      "key 65513 false",
      "key 65507 false",
    ]);
  });
});
