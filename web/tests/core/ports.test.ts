import { beforeEach, describe, expect, it } from "vitest";

import type { PaintCommand, PaintEvent } from "../../core/display/messages.ts";
import { WorkerPort } from "../../core/display/ports.ts";
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
