import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { PaintCommand, PaintEvent } from "../../core/display/messages.ts";
import { LocalPort, WorkerPort } from "../../core/display/ports.ts";
import { MAX_QUEUED_OPERATIONS } from "../../core/protocol/limits.ts";
import { Status } from "../../core/protocol/status.ts";
import { settle } from "./support/tunnel.ts";

class FakeWorker {
  onmessage: ((event: { data: PaintEvent }) => void) | null = null;
  onerror: ((event: { preventDefault(): void }) => void) | null = null;
  readonly posted: PaintCommand[] = [];
  terminated = false;
  postMessage(command: PaintCommand): void {
    this.posted.push(command);
  }
  terminate(): void {
    this.terminated = true;
  }
  says(data: PaintEvent): void {
    this.onmessage?.({ data });
  }
  breaks(): void {
    this.onerror?.({ preventDefault: () => undefined });
  }
}

let worker: FakeWorker;
let told: PaintEvent[];
let early: PaintCommand[] | null;
let port: WorkerPort;
let given: number;

beforeEach(() => {
  worker = new FakeWorker();
  told = [];
  early = null;
  given = 0;
  port = new WorkerPort(worker as unknown as Worker, (event) => told.push(event), (commands) => (early = commands));
  const canvas = { transferControlToOffscreen: () => ({ given: ++given }) };
  port.attach(canvas as unknown as HTMLCanvasElement);
});

describe("WorkerPort", () => {
  it("gives nothing away before the worker runs, then everything in order", () => {
    port.draw("rect", ["0"]);
    port.post({ type: "sync", frame: 0 });
    expect(worker.posted).toEqual([]);
    expect(given).toBe(0);
    worker.says({ type: "ready" });
    expect(worker.posted.map(({ type }) => type)).toEqual(["canvas", "draw", "sync"]);
    expect(told).toEqual([]);
  });

  it("sends the instructions of one task in one message, before what follows them", async () => {
    worker.says({ type: "ready" });
    worker.posted.length = 0;
    port.draw("rect", ["0"]);
    port.draw("cfill", ["14"]);
    await settle();
    port.draw("copy", []);
    port.post({ type: "sync", frame: 1 });
    expect(worker.posted).toEqual([
      { type: "draw", operations: [["rect", ["0"]], ["cfill", ["14"]]] },
      { type: "draw", operations: [["copy", []]] },
      { type: "sync", frame: 1 },
    ]);
  });

  it("hands back what was not painted when the worker cannot start", () => {
    port.draw("rect", ["0"]);
    port.post({ type: "sync", frame: 0 });
    worker.breaks();
    expect(early).toEqual([{ type: "draw", operations: [["rect", ["0"]]] }, { type: "sync", frame: 0 }]);
    expect(given).toBe(0);
    expect(worker.terminated).toBe(true);
  });

  it("tells of a worker that breaks later, once", () => {
    worker.says({ type: "ready" });
    worker.breaks();
    worker.breaks();
    expect(told).toMatchObject([{ type: "failed" }]);
    expect(early).toBeNull();
  });

  it("hears nothing after it was closed", () => {
    worker.says({ type: "ready" });
    port.close();
    worker.says({ type: "frame", frame: 1 });
    expect(told).toEqual([]);
  });
});

describe("LocalPort", () => {
  const module = "../../core/display/painter.ts";
  const canvas = {} as HTMLCanvasElement;
  let painted: PaintCommand[];

  class FakePainter {
    command(command: PaintCommand): void {
      painted.push(command);
    }
  }

  beforeEach(() => (painted = []));
  afterEach(() => vi.doUnmock(module));

  it("keeps everything in order until the painter is there", async () => {
    vi.doMock(module, () => ({ Painter: FakePainter }));
    const local = new LocalPort((event) => told.push(event));
    local.draw("rect", ["0"]);
    local.attach(canvas);
    local.post({ type: "sync", frame: 0 });
    expect(painted).toEqual([]);
    await vi.waitUntil(() => painted.length > 0);
    local.draw("cfill", ["14"]);
    expect(painted.map(({ type }) => type)).toEqual(["canvas", "draw", "sync", "draw"]);
    expect(told).toEqual([]);
  });

  it("paints nothing of a display that was given up meanwhile", async () => {
    vi.doMock(module, () => ({ Painter: FakePainter }));
    const local = new LocalPort((event) => told.push(event));
    local.draw("rect", ["0"]);
    local.close();
    await vi.dynamicImportSettled();
    expect(painted).toEqual([]);
  });

  it("tells of a painter that cannot be loaded, and tries again with the next connection", async () => {
    vi.doMock(module, () => {
      throw new Error("gone");
    });
    const local = new LocalPort((event) => told.push(event));
    local.attach(canvas);
    local.post({ type: "screenshot", id: 1, maxWidthPx: 9, maxHeightPx: 9, mimetype: "image/png" });
    await vi.waitUntil(() => told.length > 1);
    local.post({ type: "screenshot", id: 2, maxWidthPx: 9, maxHeightPx: 9, mimetype: "image/png" });
    expect(told).toMatchObject([
      { type: "screenshot", id: 1, image: null },
      { type: "failed", code: Status.SERVER_ERROR },
      { type: "screenshot", id: 2, image: null },
    ]);

    vi.doMock(module, () => ({ Painter: FakePainter }));
    local.post({ type: "reset" });
    local.draw("rect", ["0"]);
    await vi.waitUntil(() => painted.length > 0);
    expect(painted.map(({ type }) => type)).toEqual(["canvas", "reset", "draw"]);
  });

  it("gives up rather than keep without end", () => {
    const local = new LocalPort((event) => told.push(event));
    for (let i = 0; i <= MAX_QUEUED_OPERATIONS; i++) local.draw("rect", []);
    expect(told).toMatchObject([{ type: "failed", code: Status.CLIENT_OVERRUN }]);
    local.close();
  });
});
