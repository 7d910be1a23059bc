import { Status } from "../protocol/status.ts";
import type { PaintCommand, PaintEvent } from "./messages.ts";
import { Painter } from "./painter.ts";

/** Where a display sends its commands. */
export interface PaintPort {
  /** Hands over the canvas of the page. */
  attach(canvas: HTMLCanvasElement): void;
  draw(opcode: string, args: readonly string[]): void;
  post(command: PaintCommand): void;
  close(): void;
}

/** Paints on the calling thread. */
export class LocalPort implements PaintPort {
  readonly #painter: Painter;

  constructor(tell: (event: PaintEvent) => void) {
    this.#painter = new Painter(tell);
  }

  attach(canvas: HTMLCanvasElement): void {
    this.#painter.command({ type: "canvas", canvas });
  }

  draw(opcode: string, args: readonly string[]): void {
    this.#painter.command({ type: "draw", operations: [[opcode, args]] });
  }

  post(command: PaintCommand): void {
    this.#painter.command(command);
  }

  close(): void {
    this.#painter.command({ type: "reset" });
  }
}

/**
 * Paints in a worker. Nothing is given away before the worker said that it runs, so a worker that
 * cannot start (policy, old browser) costs nothing: `onUnusable` gets the commands so far.
 */
export class WorkerPort implements PaintPort {
  readonly #worker: Worker;
  #ready = false;
  #closed = false;
  /** Commands from before the worker was ready. */
  #early: PaintCommand[] = [];
  #batch: [string, readonly string[]][] = [];
  #canvas: HTMLCanvasElement | null = null;

  constructor(worker: Worker, tell: (event: PaintEvent) => void, onUnusable: (early: PaintCommand[]) => void) {
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<PaintEvent>) => {
      if (this.#closed) return;
      if (event.data.type === "ready") this.#start();
      else tell(event.data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (this.#closed) return;
      if (this.#ready) {
        // Its layers are gone with it, so the picture cannot go on.
        this.close();
        tell({ type: "failed", code: Status.SERVER_ERROR, message: "the painting worker failed" });
        return;
      }
      this.#flush();
      const early = this.#early;
      this.close();
      onUnusable(early);
    };
  }

  attach(canvas: HTMLCanvasElement): void {
    this.#canvas = canvas;
    if (this.#ready) this.#transfer();
  }

  draw(opcode: string, args: readonly string[]): void {
    // One message per task instead of one per instruction.
    if (this.#batch.length === 0) queueMicrotask(() => this.#flush());
    this.#batch.push([opcode, args]);
  }

  post(command: PaintCommand): void {
    this.#flush();
    this.#send(command);
  }

  close(): void {
    this.#closed = true;
    this.#early = [];
    this.#worker.terminate();
  }

  #start(): void {
    this.#ready = true;
    if (this.#canvas !== null) this.#transfer();
    const early = this.#early;
    this.#early = [];
    for (const command of early) this.#send(command);
  }

  #transfer(): void {
    const canvas = this.#canvas;
    this.#canvas = null;
    if (canvas === null) return;
    const offscreen = canvas.transferControlToOffscreen();
    this.#worker.postMessage({ type: "canvas", canvas: offscreen } satisfies PaintCommand, [offscreen]);
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const operations = this.#batch;
    this.#batch = [];
    this.#send({ type: "draw", operations });
  }

  #send(command: PaintCommand): void {
    if (this.#closed) return;
    if (this.#ready) this.#worker.postMessage(command);
    else this.#early.push(command);
  }
}
