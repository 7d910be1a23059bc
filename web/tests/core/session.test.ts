import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Display, FrameDone } from "../../core/display/display.ts";
import { BLOB_BYTES } from "../../core/protocol/limits.ts";
import { GuacamoleError, Status, statusName } from "../../core/protocol/status.ts";
import { isRetryable, retryDelayMs } from "../../core/session/retry.ts";
import { Session } from "../../core/session/session.ts";
import type { ReadStream } from "../../core/streams/reader.ts";
import { sendFile } from "../../core/streams/files.ts";
import { readClipboard } from "../../core/streams/clipboard.ts";
import { ScriptedTunnel, settle } from "./support/tunnel.ts";

class FakeDisplay {
  readonly drawn: string[] = [];
  readonly frames: FrameDone[] = [];
  draw(opcode: string, args: readonly string[]): void {
    this.drawn.push([opcode, ...args].join(" "));
  }
  endFrame(_: number, done: FrameDone): void {
    this.frames.push(done);
  }
  reset(): void {
    this.drawn.length = 0;
    this.frames.length = 0;
  }
  showPeerPointer(x: number, y: number): void {
    this.drawn.push("peer " + x + " " + y);
  }
}

let tunnel: ScriptedTunnel;
let display: FakeDisplay;
let session: Session;
let states: string[];
let errors: GuacamoleError[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  tunnel = new ScriptedTunnel();
  display = new FakeDisplay();
  session = new Session(tunnel, { display: display as unknown as Display });
  states = [];
  errors = [];
  session.on("state", ({ state }) => states.push(state));
  session.on("error", (error) => errors.push(error));
});
afterEach(() => void vi.useRealTimers());

function connected(): void {
  session.connect("q");
  tunnel.open("uuid");
  tunnel.says("4.sync,1.1;");
  display.frames.shift()?.(null);
  tunnel.sent.length = 0;
}

describe("a session's life", () => {
  it("connects with the first painted frame", () => {
    session.connect("q");
    expect(session.state).toBe("connecting");
    tunnel.open("uuid");
    expect(session.state).toBe("waiting");
    tunnel.says("4.size,1.0,3.100,2.80;4.sync,2.42,1.2;");
    expect(session.state).toBe("waiting");
    expect(display.drawn).toEqual(["size 0 100 80"]);
    display.frames[0]?.(null);
    expect(session.state).toBe("connected");
    expect(tunnel.sent).toEqual([["sync", "42"]]);
  });

  it("answers each timestamp once", () => {
    connected();
    tunnel.says("4.sync,1.7;4.sync,1.7;");
    expect(tunnel.sent).toEqual([]);
    for (const done of display.frames) done(null);
    expect(tunnel.sent).toEqual([["sync", "7"]]);
    expect(session.stats().framesPainted).toBe(3);
    expect(session.stats().pictureLagMs).toBe(0);
  });

  it("does not answer a frame of the connection before", () => {
    connected();
    tunnel.says("4.sync,1.7;");
    const late = display.frames[0];
    session.disconnect();
    session.connect("q");
    tunnel.open("again");
    tunnel.sent.length = 0;
    late?.(null);
    expect(tunnel.sent).toEqual([]);
    expect(session.state).toBe("waiting");
  });

  it("says goodbye, then closes the tunnel", () => {
    connected();
    session.disconnect();
    expect(tunnel.sent).toEqual([["disconnect"]]);
    expect(tunnel.state).toBe("closed");
    expect(states).toEqual(["connecting", "waiting", "connected", "disconnecting", "disconnected"]);
    expect(errors).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ends with the machine's error, told once", () => {
    connected();
    tunnel.says("5.error,7.Aborted,3.519;10.disconnect;");
    expect(errors).toMatchObject([{ code: Status.UPSTREAM_NOT_FOUND, origin: "server", message: "Aborted" }]);
    expect(session.state).toBe("disconnected");
  });

  it("ends with the tunnel's error", () => {
    session.connect("q");
    tunnel.fail(new GuacamoleError(Status.SERVER_BUSY, "", "tunnel"));
    expect(errors).toMatchObject([{ code: Status.SERVER_BUSY, origin: "tunnel" }]);
    expect(states).toEqual(["connecting", "disconnecting", "disconnected"]);
  });

  it("ends when the picture cannot go on", () => {
    connected();
    tunnel.says("4.sync,1.7;");
    display.frames[0]?.(new GuacamoleError(Status.CLIENT_OVERRUN, "", "server"));
    expect(errors[0]?.code).toBe(Status.CLIENT_OVERRUN);
    expect(session.state).toBe("disconnected");
  });

  it("tells of silence and its end", () => {
    connected();
    const seen: boolean[] = [];
    session.on("unstable", (value) => seen.push(value));
    tunnel.become("unstable");
    tunnel.become("open");
    expect(seen).toEqual([true, false]);
  });

  it("keeps itself alive every five seconds", () => {
    connected();
    vi.advanceTimersByTime(10_000);
    expect(tunnel.sent).toEqual([["nop"], ["nop"]]);
  });

  it("keeps itself alive by what arrives when timers sleep", () => {
    connected();
    vi.clearAllTimers();
    vi.advanceTimersByTime(5000);
    tunnel.says("3.nop;3.nop;");
    expect(tunnel.sent).toEqual([["nop"]]);
  });

  it("tells names, people, prompts and the pointer of others; ignores the unknown", () => {
    connected();
    const seen: unknown[] = [];
    session.on("name", (name) => seen.push(name));
    session.on("joined", (who) => seen.push(["joined", who]));
    session.on("left", (who) => seen.push(["left", who]));
    session.on("required", ({ names }) => seen.push(names));
    session.on("multitouch", (touches) => seen.push(touches));
    session.on("pointer", (at) => seen.push(at));
    session.on("log", (text) => seen.push("log " + text));
    tunnel.says("4.name,4.host;3.msg,1.1,2.@a,3.Bob;3.msg,1.2,2.@a,0.;3.msg,2.99;8.required,8.username,8.password;");
    tunnel.says("3.set,1.0,11.multi-touch,2.10;5.mouse,2.10,2.20,1.0,1.5;7.unknown,1.1;3.log,2.hm;");
    expect(seen).toEqual([
      "host", ["joined", { userId: "@a", userName: "Bob" }], ["left", { userId: "@a", userName: "" }],
      ["username", "password"], 10, { x: 10, y: 20 }, "log hm",
    ]);
    expect(display.drawn).toContain("peer 10 20");
  });

  it("goes on when a listener throws", () => {
    connected();
    const report = vi.fn();
    vi.stubGlobal("reportError", report);
    const seen: string[] = [];
    session.on("name", () => {
      throw new Error("listener");
    });
    session.on("name", (name) => seen.push(name));
    tunnel.says("4.name,1.x;");
    expect(seen).toEqual(["x"]);
    expect(report).toHaveBeenCalledOnce();
    vi.unstubAllGlobals();
  });
});

describe("input", () => {
  it("goes out in the protocol's form, only while connected", () => {
    session.sendKey(65, true);
    connected();
    session.sendKey(0xffe1, true);
    session.sendMouse({ x: 1.9, y: 2, buttons: 5 });
    session.sendSize(1024.5, 768);
    session.sendTouch({ id: 1, x: 2.5, y: 3, radiusX: 4.5, radiusY: 5, angle: 0, force: 0.5 });
    expect(tunnel.sent).toEqual([
      ["key", "65505", "1"], ["mouse", "1", "2", "5"], ["size", "1024", "768"], ["touch", "1", "2", "3", "4", "5", "0", "0.5"],
    ]);
  });

  it("types text as keys", () => {
    connected();
    session.typeText("a\r\n€");
    expect(tunnel.sent.map((each) => each.slice(1).join(":"))).toEqual([
      "97:1", "97:0", "65293:1", "65293:0", "16785580:1", "16785580:0",
    ]);
  });
});

describe("streams to the machine", () => {
  it("sends the clipboard at once, in blobs that fit, so that keys may follow", () => {
    connected();
    void session.sendClipboard("x".repeat(BLOB_BYTES + 1));
    session.sendKey(1, true);
    expect(tunnel.sent.map(([opcode]) => opcode)).toEqual(["clipboard", "blob", "blob", "end", "key"]);
    expect(tunnel.sent[0]).toEqual(["clipboard", "0", "text/plain"]);
    expect(atob(tunnel.sent[1]?.[2] ?? "")).toHaveLength(BLOB_BYTES);
  });

  it("sends a clipboard that is no text with its type", async () => {
    connected();
    await session.sendClipboard(new Blob(["png"], { type: "image/png" }));
    expect(tunnel.sent[0]).toEqual(["clipboard", "0", "image/png"]);
  });

  it("paces a file by its acknowledgements", async () => {
    connected();
    const progress: number[] = [];
    const file = new File(["y".repeat(2 * BLOB_BYTES)], "notes.txt", { type: "text/plain" });
    const sent = sendFile(session, file, { onProgress: (bytes) => progress.push(bytes) });
    await settle();
    expect(tunnel.sent).toEqual([["file", "0", "text/plain", "notes.txt"]]);
    for (const blobs of [1, 2]) {
      tunnel.says("3.ack,1.0,2.OK,1.0;");
      await vi.waitFor(() => expect(tunnel.of("blob")).toHaveLength(blobs));
    }
    tunnel.says("3.ack,1.0,2.OK,1.0;");
    await sent;
    expect(progress).toEqual([2 * BLOB_BYTES]);
    await settle();
    expect(tunnel.of("end")).toEqual([["end", "0"]]);
  });

  it("rejects a file the machine refuses", async () => {
    connected();
    const sent = sendFile(session, new File(["x"], "x"));
    tunnel.says("3.ack,1.0,2.no,3.771;");
    await expect(sent).rejects.toMatchObject({ code: Status.CLIENT_FORBIDDEN, origin: "stream", message: "no" });
    expect(tunnel.of("end")).toEqual([]);
  });

  it("tells the last word about a file, which comes after its end", async () => {
    connected();
    const stream = session.openObject(3, "text/plain", "/notes.txt");
    expect(tunnel.sent).toEqual([["put", "3", "0", "text/plain", "/notes.txt"]]);
    const last = stream.end();
    tunnel.says("3.ack,1.0,2.OK,1.0;");
    await settle();
    expect(tunnel.of("end")).toEqual([["end", "0"]]);
    tunnel.says("3.ack,1.0,9.disk full,3.518;");
    await expect(last).rejects.toMatchObject({ code: 518, message: "disk full" });
    const kept = session.openObject(3, "text/plain", "/notes.txt");
    tunnel.says("3.ack,1.1,2.OK,1.0;");
    const word = kept.end();
    await settle();
    tunnel.says("3.ack,1.1,2.OK,1.0;");
    await expect(word).resolves.toBeUndefined();
  });

  it("stops a file that is called off", async () => {
    connected();
    const abort = new AbortController();
    const sent = sendFile(session, new File(["x".repeat(10)], "x"), { signal: abort.signal });
    abort.abort();
    tunnel.says("3.ack,1.0,2.OK,1.0;");
    await expect(sent).rejects.toMatchObject({ name: "AbortError" });
  });

  it("learns whether a parameter was taken, also after the stream ended", async () => {
    connected();
    const taken = session.sendArgv("password", "secret");
    await settle();
    expect(tunnel.sent.map(([opcode]) => opcode)).toEqual(["argv", "blob", "end"]);
    tunnel.says("3.ack,1.0,2.OK,1.0;");
    await expect(taken).resolves.toBeUndefined();
    const refused = session.sendArgv("color-scheme", "x");
    await settle();
    tunnel.says("3.ack,1.1,2.no,3.256;");
    await expect(refused).rejects.toMatchObject({ code: Status.UNSUPPORTED });
  });

  it("rejects what is open when the session ends", async () => {
    connected();
    const sent = sendFile(session, new File(["x"], "x"));
    session.disconnect();
    await expect(sent).rejects.toMatchObject({ code: Status.RESOURCE_CLOSED });
    expect(() => session.openPipe("a/b", "c")).toThrow(GuacamoleError);
  });

  it("reuses an index late and refuses the 513th open stream", () => {
    connected();
    const first = session.openFile("a/b", "c");
    first.end();
    expect(session.openFile("a/b", "c").index).toBe(1);
    for (let i = 2; i < 512; i++) session.openFile("a/b", "c");
    expect(() => {
      session.openFile("a/b", "c");
      session.openFile("a/b", "c");
    }).toThrow("too many open streams");
  });
});

describe("streams from the machine", () => {
  function next(type: "clipboard" | "file" | "pipe"): Promise<ReadStream> {
    return new Promise((resolve) => session.once(type, ({ stream }) => resolve(stream)));
  }

  it("refuses what nobody listens for", () => {
    connected();
    tunnel.says("4.file,1.0,10.text/plain,1.x;5.audio,1.2,9.audio/L16;5.video,1.4,1.0,9.video/mp4;");
    expect(tunnel.sent.map(([, index, , code]) => [index, code])).toEqual([["0", "256"], ["2", "783"], ["4", "783"]]);
  });

  it("keeps clipboard data until it is read, also when it ended before", async () => {
    connected();
    const arriving = next("clipboard");
    tunnel.says("9.clipboard,1.1,10.text/plain;4.blob,1.1,4.R3LD;4.blob,1.1,4.vMOf;3.end,1.1;");
    const stream = await arriving;
    expect(await readClipboard(stream)).toEqual({ type: "text", text: "Grüß" });
  });

  it("lets a file flow only while it is read, and acknowledges each blob when it was taken", async () => {
    connected();
    const arriving = next("file");
    tunnel.says("4.file,1.4,10.text/plain,1.x;");
    const stream = await arriving;
    expect(tunnel.of("ack")).toEqual([]);
    let release: () => void = () => undefined;
    const taken: number[] = [];
    const done = stream.pipe((chunk) => {
      taken.push(chunk.length);
      return new Promise((resolve) => (release = resolve));
    });
    expect(tunnel.of("ack")).toHaveLength(1);
    tunnel.says("4.blob,1.4,4.QUJD;");
    await settle();
    expect(tunnel.of("ack")).toHaveLength(1);
    release();
    await settle();
    expect(tunnel.of("ack")).toHaveLength(2);
    tunnel.says("3.end,1.4;");
    await done;
    expect(taken).toEqual([3]);
  });

  it("follows a file that the gateway hands to somebody else", async () => {
    connected();
    const arriving = next("file");
    tunnel.says("4.file,1.4,10.text/plain,1.x;");
    const over = (await arriving).follow();
    expect(tunnel.of("ack")).toEqual([]);
    tunnel.says("4.blob,1.4,0.;");
    await settle();
    expect(tunnel.of("ack")).toHaveLength(1);
    tunnel.says("3.end,1.4;");
    await expect(over).resolves.toBeUndefined();
  });

  it("refuses more than the limit", async () => {
    connected();
    const arriving = next("clipboard");
    tunnel.says("9.clipboard,1.1,10.text/plain;4.blob,1.1,4.QUJD;");
    const reading = (await arriving).text(2);
    await expect(reading).rejects.toMatchObject({ code: Status.CLIENT_OVERRUN });
    expect(tunnel.of("ack").at(-1)).toEqual(["ack", "1", "refused", String(Status.CLIENT_OVERRUN)]);
  });

  it("refuses blobs that are not base64", async () => {
    connected();
    const arriving = next("pipe");
    tunnel.says("4.pipe,1.1,10.text/plain,1.p;4.blob,1.1,1.*;");
    await expect((await arriving).text()).rejects.toMatchObject({ code: Status.CLIENT_BAD_REQUEST });
  });

  it("tells the value of a live parameter", async () => {
    connected();
    const seen: unknown[] = [];
    session.on("argv", (event) => seen.push(event));
    tunnel.says("4.argv,1.3,10.text/plain,9.font-size;4.blob,1.3,4.MTI=;3.end,1.3;");
    await settle();
    expect(seen).toEqual([{ name: "font-size", mimetype: "text/plain", value: "12" }]);
  });

  it("gives images to the display and later blobs with that index to the stream", async () => {
    connected();
    display.drawn.length = 0;
    tunnel.says("3.img,1.1,2.14,1.0,9.image/png,1.0,1.0;4.blob,1.1,4.QUJD;3.end,1.1;");
    expect(display.drawn).toEqual(["img 1 14 0 image/png 0 0", "blob 1 QUJD", "end 1"]);
    const arriving = next("clipboard");
    tunnel.says("9.clipboard,1.1,10.text/plain;4.blob,1.1,4.QUJD;3.end,1.1;");
    expect(await (await arriving).text()).toBe("ABC");
    expect(display.drawn).toHaveLength(3);
  });

  it("rejects a reader when the session ends", async () => {
    connected();
    const arriving = next("file");
    tunnel.says("4.file,1.4,10.text/plain,1.x;");
    const reading = (await arriving).blob();
    session.disconnect();
    await expect(reading).rejects.toBeInstanceOf(GuacamoleError);
  });
});

describe("trying again", () => {
  it("never follows a refusal", () => {
    const retried = Object.values(Status).filter((code) => isRetryable(new GuacamoleError(code, "", "server")));
    expect(retried.map(statusName)).toEqual([
      "SERVER_ERROR", "SERVER_BUSY", "UPSTREAM_TIMEOUT", "UPSTREAM_ERROR", "UPSTREAM_NOT_FOUND", "UPSTREAM_UNAVAILABLE", "CLIENT_TIMEOUT",
    ]);
    expect(isRetryable(new GuacamoleError(Status.SERVER_ERROR, "", "stream"))).toBe(false);
  });

  it("waits longer each time, never the same for all", () => {
    const middle = (): number => 0.5;
    const off = new GuacamoleError(Status.UPSTREAM_UNAVAILABLE, "", "server");
    const lost = new GuacamoleError(Status.UPSTREAM_UNAVAILABLE, "", "tunnel");
    const delays = (error: GuacamoleError): number[] => [0, 1, 2, 3, 4, 9].map((attempt) => retryDelayMs(attempt, error, middle));
    expect(delays(off)).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000]);
    expect(delays(lost)).toEqual([250, 1000, 2000, 4000, 5000, 5000]);
    expect(retryDelayMs(0, new GuacamoleError(Status.SERVER_BUSY, "", "tunnel"), middle)).toBe(15_000);
    expect([retryDelayMs(0, off, () => 0), retryDelayMs(0, off, () => 1)]).toEqual([800, 1200]);
  });
});
