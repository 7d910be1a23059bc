import { MAX_QUEUED_OPERATIONS } from "../protocol/limits.ts";
import { Status } from "../protocol/status.ts";
import type { PaintCommand, PaintEvent } from "./messages.ts";
import type { Painter } from "./painter.ts";

/** Where a display sends its commands. */
export interface PaintPort {
  /** Hands over the canvas of the page. */
  attach(canvas: HTMLCanvasElement): void;
  draw(opcode: string, args: readonly string[]): void;
  post(command: PaintCommand): void;
  close(): void;
}

/**
 * Paints on the calling thread. Pages whose worker paints need no painter here, so it is loaded
 * with the first port that does; commands wait for it.
 */
export class LocalPort implements PaintPort {
  readonly #tell: (event: PaintEvent) => void;
  #painter: Painter | null = null;
  #canvas: HTMLCanvasElement | null = null;
  /** Commands from before the painter was there. */
  #early: PaintCommand[] = [];
  #closed = false;
  #missing = false;

  constructor(tell: (event: PaintEvent) => void) {
    this.#tell = tell;
    this.#load();
  }

  attach(canvas: HTMLCanvasElement): void {
    this.#canvas = canvas;
    this.#painter?.command({ type: "canvas", canvas });
  }

  draw(opcode: string, args: readonly string[]): void {
    this.post({ type: "draw", operations: [[opcode, args]] });
  }

  post(command: PaintCommand): void {
    if (this.#painter !== null) this.#painter.command(command);
    else if (!this.#closed) this.#keep(command);
  }

  close(): void {
    this.#closed = true;
    this.#early = [];
    this.#painter?.command({ type: "reset" });
  }

  #load(): void {
    this.#missing = false;
    import("./painter.ts").then(
      ({ Painter }) => this.#start(new Painter(this.#tell)),
      () => {
        this.#missing = true;
        this.#fail(Status.SERVER_ERROR, "the painter could not be loaded");
      },
    );
  }

  #start(painter: Painter): void {
    if (this.#closed) return;
    this.#painter = painter;
    if (this.#canvas !== null) painter.command({ type: "canvas", canvas: this.#canvas });
    const early = this.#early;
    this.#early = [];
    for (const command of early) painter.command(command);
  }

  #keep(command: PaintCommand): void {
    // Another connection is another try.
    if (this.#missing && command.type === "reset") this.#load();
    if (this.#missing) this.#refuse(command);
    else if (this.#early.length < MAX_QUEUED_OPERATIONS) this.#early.push(command);
    else this.#fail(Status.CLIENT_OVERRUN, "too much waits to be painted");
  }

  #fail(code: number, message: string): void {
    if (this.#closed) return;
    const early = this.#early;
    this.#early = [];
    for (const command of early) this.#refuse(command);
    this.#tell({ type: "failed", code, message });
  }

  /** Whoever waits for a screenshot hears that there is none; the rest is told by `failed`. */
  #refuse(command: PaintCommand): void {
    if (command.type === "screenshot") this.#tell({ type: "screenshot", id: command.id, image: null });
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
