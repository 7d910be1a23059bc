import { Emitter } from "../emitter.ts";
import { GuacamoleError } from "../protocol/status.ts";
import { CursorView } from "./cursor.ts";
import type { PaintCommand, PaintEvent } from "./messages.ts";
import { LocalPort, WorkerPort, type PaintPort } from "./ports.ts";

/** Events of a {@link Display}. */
export interface DisplayEvents {
  /** The picture has this many pixels now. */
  resize: { widthPx: number; heightPx: number };
  /** A frame is on the screen; `timestamp` is the gateway's. */
  paint: { timestamp: number };
  /** Pointer image changed; `null` = the machine hides it. */
  cursor: { url: string; hotX: number; hotY: number } | null;
}

/** Settings of a {@link Display}. */
export interface DisplayOptions {
  /**
   * Starts `display/paint.worker`, which then paints. Without it, or where workers cannot draw, the
   * main thread does.
   */
  worker?: () => Worker;
}

/** Settings of {@link Display.screenshot}. */
export interface ScreenshotOptions {
  maxWidthPx?: number;
  maxHeightPx?: number;
  /** Default `image/png`. */
  type?: string;
}

/** Called when a frame is on the screen, or with what made that impossible. */
export type FrameDone = (failure: GuacamoleError | null) => void;

interface OpenFrame {
  readonly timestamp: number;
  readonly done: FrameDone;
}

/**
 * The picture. Put {@link element} in the page; it is as large as the picture times {@link scale}.
 * Elements laid over it (a text area that takes the keys) show the machine's pointer with
 * `cursor: inherit` when they are inside.
 */
export class Display extends Emitter<DisplayEvents> {
  readonly element: HTMLElement;
  #canvas: HTMLCanvasElement;
  #port: PaintPort;
  readonly #cursor: CursorView;
  #widthPx = 0;
  #heightPx = 0;
  #scale = 1;
  #visible = true;
  #frames = new Map<number, OpenFrame>();
  #nextFrame = 0;
  #screenshots = new Map<number, (image: Blob | null) => void>();
  #nextScreenshot = 0;
  /** After a failure nothing more is painted until {@link reset}. */
  #failure: GuacamoleError | null = null;

  constructor(options: DisplayOptions = {}) {
    super();
    this.element = document.createElement("div");
    this.element.style.position = "relative";
    this.element.style.overflow = "hidden";
    this.#canvas = this.#newCanvas();
    this.#cursor = new CursorView(this.element);
    this.#port = this.#open(options.worker);
    this.#port.attach(this.#canvas);
  }

  get widthPx(): number {
    return this.#widthPx;
  }

  get heightPx(): number {
    return this.#heightPx;
  }

  /** CSS pixels per picture pixel. `1 / devicePixelRatio` is sharp. */
  get scale(): number {
    return this.#scale;
  }

  set scale(scale: number) {
    if (!(scale > 0) || !Number.isFinite(scale)) throw new RangeError("the scale must be positive");
    this.#scale = scale;
    this.#layout();
  }

  /** False stops showing frames (hidden tab), not the connection: frames are still answered. */
  get visible(): boolean {
    return this.#visible;
  }

  set visible(visible: boolean) {
    if (visible === this.#visible) return;
    this.#visible = visible;
    this.#port.post({ type: "visible", visible });
  }

  /** Whether the machine's pointer is the CSS cursor over {@link element}; default true. */
  get showCursor(): boolean {
    return this.#cursor.shown;
  }

  set showCursor(shown: boolean) {
    this.#cursor.shown = shown;
  }

  /** Page coordinates (`clientX`, `clientY`) as picture pixels, kept inside the picture. */
  toPicture(clientX: number, clientY: number): { x: number; y: number } {
    const box = this.element.getBoundingClientRect();
    const clamp = (value: number, size: number): number => Math.min(Math.max(0, Math.floor(value)), Math.max(0, size - 1));
    return {
      x: clamp((clientX - box.left) / this.#scale, this.#widthPx),
      y: clamp((clientY - box.top) / this.#scale, this.#heightPx),
    };
  }

  /** The picture as it is now, made smaller to fit the bounds; rejects when there is none. */
  screenshot(options: ScreenshotOptions = {}): Promise<Blob> {
    const id = this.#nextScreenshot++;
    return new Promise((resolve, reject) => {
      this.#screenshots.set(id, (image) => {
        if (image === null) reject(new Error("there is no picture"));
        else resolve(image);
      });
      const { maxWidthPx = Infinity, maxHeightPx = Infinity, type = "image/png" } = options;
      this.#port.post({ type: "screenshot", id, maxWidthPx, maxHeightPx, mimetype: type });
    });
  }

  /** Resolves when everything received so far is painted. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.endFrame(null, (failure) => (failure === null ? resolve() : reject(failure))),
    );
  }

  /** Takes one drawing instruction, in order. */
  draw(opcode: string, args: readonly string[]): void {
    if (this.#failure === null) this.#port.draw(opcode, args);
  }

  /** Ends a frame: shows all of it at once, then calls `done`. */
  endFrame(timestamp: number | null, done: FrameDone): void {
    if (this.#failure !== null) {
      done(this.#failure);
      return;
    }
    const frame = this.#nextFrame++;
    this.#frames.set(frame, { timestamp: timestamp ?? NaN, done });
    this.#port.post({ type: "sync", frame });
  }

  /** Another person's pointer is at this picture pixel. */
  showPeerPointer(x: number, y: number): void {
    this.#cursor.showPeer(x, y);
  }

  /** Starts over for a new connection. The last picture stays until a new one is complete. */
  reset(): void {
    this.#failure = null;
    this.#frames.clear();
    this.#cursor.reset();
    this.#port.post({ type: "reset" });
  }

  /** Gives back memory and worker; the display is of no use afterwards. */
  dispose(): void {
    for (const answer of this.#screenshots.values()) answer(null);
    this.#screenshots.clear();
    this.#frames.clear();
    this.#cursor.reset();
    this.#port.close();
    this.element.remove();
  }

  #open(makeWorker: (() => Worker) | undefined): PaintPort {
    const canDraw = typeof OffscreenCanvas !== "undefined" && "transferControlToOffscreen" in this.#canvas;
    if (makeWorker !== undefined && canDraw) {
      try {
        return new WorkerPort(makeWorker(), (event) => this.#hear(event), (early) => this.#fallBack(early));
      } catch {
        // The page's policy may refuse workers.
      }
    }
    return new LocalPort((event) => this.#hear(event));
  }

  #fallBack(early: readonly PaintCommand[]): void {
    this.#port = new LocalPort((event) => this.#hear(event));
    this.#port.attach(this.#canvas);
    for (const command of early) this.#port.post(command);
  }

  #newCanvas(): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.width = 1;
    canvas.height = 1;
    canvas.style.display = "block";
    canvas.style.width = "100%";
    canvas.style.height = "100%";
    this.element.append(canvas);
    return canvas;
  }

  #hear(event: PaintEvent): void {
    switch (event.type) {
      case "frame": {
        const frame = this.#frames.get(event.frame);
        this.#frames.delete(event.frame);
        frame?.done(null);
        if (frame !== undefined && !Number.isNaN(frame.timestamp)) this.emit("paint", { timestamp: frame.timestamp });
        break;
      }
      case "resize":
        this.#widthPx = event.widthPx;
        this.#heightPx = event.heightPx;
        this.#layout();
        this.emit("resize", { widthPx: event.widthPx, heightPx: event.heightPx });
        break;
      case "cursor": {
        const image = event.image && { blob: event.image, hotX: event.hotX, hotY: event.hotY };
        this.emit("cursor", this.#cursor.set(image));
        break;
      }
      case "screenshot":
        this.#screenshots.get(event.id)?.(event.image);
        this.#screenshots.delete(event.id);
        break;
      case "failed":
        this.#fail(new GuacamoleError(event.code, event.message, "server"));
        break;
      case "ready":
        break;
    }
  }

  #fail(failure: GuacamoleError): void {
    this.#failure = failure;
    const frames = [...this.#frames.values()];
    this.#frames.clear();
    for (const frame of frames) frame.done(failure);
  }

  #layout(): void {
    this.element.style.width = this.#widthPx * this.#scale + "px";
    this.element.style.height = this.#heightPx * this.#scale + "px";
    const deviceFactor = this.#scale * (globalThis.devicePixelRatio || 1);
    // Whole device pixels per picture pixel need no smoothing, and text stays crisp.
    const whole = Math.abs(deviceFactor - Math.round(deviceFactor)) < 1e-6 && deviceFactor >= 1;
    this.#canvas.style.imageRendering = whole ? "pixelated" : "auto";
    this.#cursor.scale = this.#scale;
  }
}
