// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { LiveSession } from "../../app/state/live-session.svelte";
import { fileName, type Transfer, Transfers } from "../../app/state/transfers.svelte";
import { GuacamoleError, type ReadStream, Status } from "../../core";

/** Requests of the page, answered by the test. */
class FakeRequest {
  static made: FakeRequest[] = [];
  readonly headers: Record<string, string> = {};
  readonly upload: { onprogress?: (event: { loaded: number }) => void } = {};
  url = "";
  status = 0;
  responseText = "";
  body = new Blob();
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  constructor() {
    FakeRequest.made.push(this);
  }
  open(method: string, url: string): void {
    this.url = `${method} ${url}`;
  }
  setRequestHeader(name: string, value: string): void {
    this.headers[name] = value;
  }
  send(body: Blob): void {
    this.body = body;
  }
  abort(): void {
    this.onabort?.();
  }
  answer(status: number, body: unknown = null): void {
    this.status = status;
    this.responseText = JSON.stringify(body);
    this.onload?.();
  }
}

interface FakeStream {
  index: number;
  what: string;
  open: () => void;
  refuse: (code: number) => void;
  last: () => void;
  lastRefuses: (code: number) => void;
  ended: boolean;
}

const streams: FakeStream[] = [];

interface Deferred {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
}

function deferred(): Deferred {
  const made = {} as Deferred;
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

function stream(what: string): object {
  const opened = deferred();
  const last = deferred();
  opened.promise.catch(() => {});
  last.promise.catch(() => {});
  const error = (code: number): GuacamoleError => new GuacamoleError(code, "no", "stream", true);
  const made: FakeStream = {
    index: streams.length,
    what,
    open: opened.resolve,
    refuse: (code) => opened.reject(error(code)),
    last: last.resolve,
    lastRefuses: (code) => last.reject(error(code)),
    ended: false,
  };
  streams.push(made);
  return {
    index: made.index,
    opened: opened.promise,
    end: () => {
      made.ended = true;
      return last.promise;
    },
  };
}

const session = {
  openFile: (type: string, name: string) => stream(`file ${type} ${name}`),
  openObject: (object: number, type: string, name: string) => stream(`put ${object} ${type} ${name}`),
  requestFrom: vi.fn(),
  on: vi.fn(),
};

const MIB = 1024 * 1024;
const at = (index: number): FakeStream => streams[index] as FakeStream;
const request = (): FakeRequest => FakeRequest.made.at(-1) as FakeRequest;
const only = (transfers: Transfers): Transfer => transfers.list[0] as Transfer;
const file = (name: string, size: number): File => new File([new Uint8Array(size)], name, { type: "text/plain" });
const dropped = (...files: File[]): { files: File[]; folders: string[] } => ({ files, folders: [] });

/** Lets everything that is already resolved run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

let transfers: Transfers;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("XMLHttpRequest", FakeRequest);
  vi.stubGlobal("isSecureContext", true);
  streams.length = 0;
  FakeRequest.made.length = 0;
  transfers = new Transfers({ session, uuid: "u-1", name: "web-1" } as unknown as LiveSession);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a file for the machine", () => {
  it("goes in slices beside the tunnel when the machine is ready, with its progress", async () => {
    void transfers.upload(dropped(file("a/b 1.txt", 5 * MIB)));
    await settle();
    expect(at(0).what).toBe("file text/plain a/b 1.txt");
    expect(FakeRequest.made).toEqual([]);
    at(0).open();
    await settle();
    expect(request().url).toBe("POST api/session/tunnels/u-1/streams/0/a_b%201.txt");
    expect(request().headers).toEqual({ "Guacamole-Cookie": "1" });
    expect(request().body.size).toBe(4 * MIB);
    request().upload.onprogress?.({ loaded: MIB });
    expect(only(transfers)).toMatchObject({ state: "running", doneBytes: MIB, totalBytes: 5 * MIB });
    request().answer(204);
    await settle();
    expect([FakeRequest.made.length, request().body.size, at(0).ended]).toEqual([2, MIB, false]);
    request().answer(204);
    await settle();
    expect([at(0).ended, only(transfers).state]).toEqual([true, "running"]);
    at(0).last();
    await settle();
    expect(only(transfers)).toMatchObject({ state: "done", doneBytes: 5 * MIB });
    vi.advanceTimersByTime(5000);
    expect(transfers.list).toEqual([]);
  });

  it("goes into a folder, and may be empty", async () => {
    void transfers.upload(dropped(file("empty", 0)), { object: 3, path: "/docs" });
    await settle();
    expect(at(0).what).toBe("put 3 text/plain /docs/empty");
    at(0).open();
    await settle();
    expect(FakeRequest.made).toEqual([]);
    at(0).last();
    await settle();
    expect(only(transfers).state).toBe("done");
  });

  it.each([
    ["at once", (index: number) => at(index).refuse(Status.UNSUPPORTED), "File transfer is off for this machine."],
    ["on the way", (index: number) => {
      at(index).open();
      void settle().then(() => request().answer(403, { type: "STREAM_ERROR", statusCode: Status.CLIENT_FORBIDDEN }));
    }, "You may not read or write here."],
    ["by a network that is gone", (index: number) => {
      at(index).open();
      void settle().then(() => request().onerror?.());
    }, "The transfer stopped before its end."],
    ["at its end", (index: number) => {
      at(index).open();
      void settle().then(() => {
        request().answer(204);
        at(index).lastRefuses(Status.RESOURCE_CONFLICT);
      });
    }, "The file is locked."],
  ])("that is refused %s says why until it is dismissed", async (_, refuse, reason) => {
    void transfers.upload(dropped(file("x", 1)));
    await settle();
    refuse(0);
    await settle();
    await settle();
    await settle();
    expect(only(transfers)).toMatchObject({ state: "failed", reason });
    vi.advanceTimersByTime(60_000);
    transfers.remove(only(transfers));
    expect(transfers.list).toEqual([]);
  });

  it("can be called off, and ends at the machine", async () => {
    void transfers.upload(dropped(file("x", 1)));
    await settle();
    at(0).open();
    await settle();
    const abort = vi.spyOn(request(), "abort");
    transfers.remove(only(transfers));
    await settle();
    expect([abort.mock.calls.length, at(0).ended, transfers.list.length]).toEqual([1, true, 0]);
  });

  it("waits while two others go", async () => {
    void transfers.upload(dropped(file("a", 0), file("b", 0), file("c", 0)));
    await settle();
    expect(transfers.list.map(({ state }) => state)).toEqual(["running", "running", "waiting"]);
    transfers.remove(transfers.list[0] as Transfer);
    await settle();
    at(0).last();
    await settle();
    expect(transfers.list.map(({ name, state }) => [name, state])).toEqual([["b", "running"], ["c", "running"]]);
  });

  it("is not a folder", () => {
    void transfers.upload({ files: [], folders: ["photos"] });
    expect(only(transfers)).toMatchObject({ state: "failed", reason: "Folders cannot be sent. Send the files in it." });
  });
});

describe("a file of the machine's", () => {
  function incoming(): { stream: ReadStream; end: () => void; cancel: ReturnType<typeof vi.fn> } {
    const over = deferred();
    const cancel = vi.fn();
    const stream = { index: 4, follow: () => over.promise, cancel } as unknown as ReadStream;
    return { stream, end: over.resolve, cancel };
  }

  it("is a link that the browser follows, by a name that is one part of a path", async () => {
    const clicked: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      clicked.push(`${this.getAttribute("href")} as ${this.download}`);
    });
    const { stream, end } = incoming();
    void transfers.receive({ filename: "../etc/ü.txt", stream });
    await settle();
    expect(clicked).toEqual(["api/session/tunnels/u-1/streams/4/.._etc_%C3%BC.txt as .._etc_ü.txt"]);
    expect(only(transfers)).toMatchObject({ state: "running", totalBytes: null });
    end();
    await settle();
    expect(only(transfers).state).toBe("done");
  });

  it("can be called off", async () => {
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => {});
    const { stream, cancel } = incoming();
    void transfers.receive({ filename: "x", stream });
    await settle();
    transfers.remove(only(transfers));
    expect(cancel).toHaveBeenCalledOnce();
  });

  it.each([["a/b\\c", "a_b_c"], ["//", "_"], ["", "file"], ["..", "file"], ["\ud800x", "\ufffdx"], [".hidden", ".hidden"]])(
    "called %j is saved as %j",
    (name, saved) => expect(fileName(name)).toBe(saved),
  );
});
