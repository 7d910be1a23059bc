import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Display } from "../../core/display/display.ts";
import { Status } from "../../core/protocol/status.ts";
import { encode } from "../../core/protocol/encoder.ts";
import { Session } from "../../core/session/session.ts";
import { Files, INDEX_TYPE, join, trail } from "../../core/streams/files.ts";
import { ScriptedTunnel, settle } from "./support/tunnel.ts";

const display = { draw: () => undefined, endFrame: () => undefined, reset: () => undefined } as unknown as Display;

let tunnel: ScriptedTunnel;
let session: Session;
let files: Files;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  tunnel = new ScriptedTunnel();
  session = new Session(tunnel, { display });
  session.connect("q");
  tunnel.open("uuid");
  files = new Files(session);
});
afterEach(() => void vi.useRealTimers());

function answer(path: string, mimetype: string, content: string): void {
  tunnel.says(encode("body", 2, 7, mimetype, path) + encode("blob", 7, btoa(content)) + encode("end", 7));
}

describe("the files of a machine", () => {
  it("are announced and taken back", () => {
    const seen: unknown[] = [];
    session.on("filesystem", (event) => seen.push(event));
    session.on("undefine", (event) => seen.push(event));
    tunnel.says("10.filesystem,1.2,12.Shared Drive;8.undefine,1.2;");
    expect(seen).toEqual([{ object: 2, name: "Shared Drive" }, { object: 2 }]);
  });

  it("are listed, folders first and numbers in their order", async () => {
    const listing = files.list(2, "/");
    expect(tunnel.of("get")).toEqual([["get", "2", "/"]]);
    const octets = "application/octet-stream";
    answer("/", INDEX_TYPE, JSON.stringify({ "/b10": octets, "/b9": octets, "/dir/": INDEX_TYPE, "/a\"b": octets, "/": octets }));
    expect(await listing).toEqual([
      { path: "/dir/", name: "dir", folder: true },
      { path: '/a"b', name: 'a"b', folder: false },
      { path: "/b9", name: "b9", folder: false },
      { path: "/b10", name: "b10", folder: false },
    ]);
  });

  it.each([["not json"], ["[]"], ["null"], ["7"]])("are none where the list is %s", async (content) => {
    const listing = files.list(2, "/");
    answer("/", INDEX_TYPE, content);
    if (content === "not json") await expect(listing).rejects.toMatchObject({ code: Status.UPSTREAM_ERROR });
    else expect(await listing).toEqual([]);
  });

  it("that are no folder are not read as one", async () => {
    const listing = files.list(2, "/x");
    tunnel.says(encode("body", 2, 7, "application/octet-stream", "/x"));
    await expect(listing).rejects.toMatchObject({ code: Status.CLIENT_BAD_TYPE });
    expect(tunnel.of("ack")).toEqual([["ack", "7", "not a folder", String(Status.CLIENT_BAD_TYPE)]]);
  });

  it("come in the order they are asked for, and what nobody asked for is refused", async () => {
    const [first, second] = [files.open(2, "/x"), files.open(2, "/x")];
    tunnel.says(encode("body", 2, 1, "a/b", "/x") + encode("body", 2, 3, "a/b", "/x") + encode("body", 2, 5, "a/b", "/x"));
    expect([(await first).index, (await second).index]).toEqual([1, 3]);
    expect(tunnel.of("ack").map(([, index]) => index)).toEqual(["5"]);
  });

  it("that are refused say why, others are not waited for without end", async () => {
    const refused = files.open(2, '/a" is not available: x');
    const silent = files.open(2, "/silent");
    silent.catch(() => undefined);
    tunnel.says(encode("log", '"/a" is not available: x" is not available: CLIENT_FORBIDDEN (0x0303)'));
    await expect(refused).rejects.toMatchObject({ code: Status.CLIENT_FORBIDDEN, origin: "stream" });
    vi.advanceTimersByTime(15_000);
    await expect(silent).rejects.toMatchObject({ code: Status.UPSTREAM_TIMEOUT });
    expect(vi.getTimerCount()).toBe(1);
  });

  it("are not waited for when the session ends", async () => {
    const listing = files.list(2, "/");
    session.disconnect();
    await expect(listing).rejects.toMatchObject({ code: Status.RESOURCE_CLOSED });
    await settle();
  });

  it("have places that can be walked", () => {
    expect([join("/", "a"), join("/a/b", "c")]).toEqual(["/a", "/a/b/c"]);
    expect(trail("/a/b/")).toEqual([
      { name: "/", path: "/" },
      { name: "a", path: "/a" },
      { name: "b", path: "/a/b" },
    ]);
  });
});
