import { decodeBase64 } from "../base64.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";
import { Compositor } from "./compositor.ts";
import { decodeImage, type ImageDecode } from "./decode.ts";
import { Drawing } from "./drawing.ts";
import { ImageStreams, joined } from "./images.ts";
import { Layers } from "./layers.ts";
import type { PaintCommand, PaintEvent } from "./messages.ts";
import { OperationQueue } from "./queue.ts";
import { contextOf, createSurface, toBlob, type Context, type Surface, type SurfaceFactory } from "./surface.ts";

/** Parts of a {@link Painter} that tests replace. */
export interface PainterOptions {
  createSurface?: SurfaceFactory;
  decode?: ImageDecode;
}

/**
 * Turns drawing instructions into the picture: applies them in order to layers, decodes images side
 * by side, and shows each complete frame in one go. Runs in a page or in a worker alike.
 */
export class Painter {
  readonly #tell: (event: PaintEvent) => void;
  readonly #createSurface: SurfaceFactory;
  readonly #decode: ImageDecode;
  readonly #layers: Layers;
  readonly #compositor: Compositor;
  readonly #drawing: Drawing;
  readonly #images = new ImageStreams();
  readonly #queue: OperationQueue;
  #target: Surface | null = null;
  #context: Context | null = null;
  #visible = true;
  #epoch = 0;
  #cursors = 0;
  #failed = false;

  constructor(tell: (event: PaintEvent) => void, options: PainterOptions = {}) {
    this.#tell = tell;
    this.#createSurface = options.createSurface ?? createSurface;
    this.#decode = options.decode ?? decodeImage;
    this.#layers = new Layers(this.#createSurface);
    this.#compositor = new Compositor(this.#layers);
    this.#drawing = new Drawing(this.#layers, this.#compositor);
    this.#queue = new OperationQueue((error) => this.#fail(error));
  }

  /** Does what the display says. */
  command(command: PaintCommand): void {
    switch (command.type) {
      case "draw":
        for (const [opcode, args] of command.operations) this.#draw(opcode, args);
        break;
      case "sync":
        this.#queue.push(() => {
          this.#present();
          this.#tell({ type: "frame", frame: command.frame });
        });
        break;
      case "canvas":
        this.#target = command.canvas;
        this.#context = contextOf(command.canvas, true);
        this.#compositor.damageAll();
        break;
      case "visible":
        this.#visible = command.visible;
        this.#compositor.damageAll();
        if (this.#visible) this.#queue.push(() => this.#present());
        break;
      case "screenshot":
        this.#queue.push(() => void this.#screenshot(command));
        break;
      case "reset":
        this.#reset();
        break;
    }
  }

  #draw(opcode: string, args: readonly string[]): void {
    if (this.#failed) return;
    try {
      this.#route(opcode, args);
    } catch (error) {
      this.#fail(error);
    }
  }

  #route(opcode: string, args: readonly string[]): void {
    switch (opcode) {
      case "img":
        this.#images.open(args);
        break;
      case "blob":
        this.#images.add(args);
        break;
      case "end": {
        const image = this.#images.take(args);
        if (image !== null) this.#image(joined(image), image.mimetype, image.mask, image.layer, image.x, image.y);
        break;
      }
      case "png":
      case "jpeg":
        this.#legacyImage("image/" + opcode, args);
        break;
      case "cursor":
        this.#queue.push(() => this.#cursor(args));
        break;
      default:
        this.#queue.push(() => this.#drawing.apply(opcode, args));
    }
  }

  #legacyImage(mimetype: string, args: readonly string[]): void {
    const [mask, layer, x, y] = args.map((arg) => Math.trunc(Number(arg)) || 0);
    let data: Uint8Array<ArrayBuffer>;
    try {
      data = decodeBase64(args[4] ?? "");
    } catch {
      return;
    }
    this.#image(data, mimetype, mask ?? 0, layer ?? 0, x ?? 0, y ?? 0);
  }

  #image(data: Uint8Array<ArrayBuffer>, mimetype: string, mask: number, layer: number, x: number, y: number): void {
    const epoch = this.#epoch;
    const ready = this.#decode(data, mimetype).then((image) => () => {
      try {
        if (epoch !== this.#epoch) return;
        this.#drawing.image(this.#layers.get(layer), mask, x, y, image.source, image.widthPx, image.heightPx);
      } finally {
        image.close();
      }
    });
    this.#queue.pushPending(ready);
  }

  /** Shows what changed since the last frame. */
  #present(): void {
    const root = this.#layers.get(0);
    const target = this.#target;
    const context = this.#context;
    if (target === null || context === null || root.widthPx === 0 || root.heightPx === 0) return;
    if (target.width !== root.widthPx || target.height !== root.heightPx) {
      // Only now, with the new picture at hand: a canvas that changes size is blank.
      target.width = root.widthPx;
      target.height = root.heightPx;
      this.#compositor.damageAll();
      this.#tell({ type: "resize", widthPx: root.widthPx, heightPx: root.heightPx });
    }
    if (this.#visible) this.#compositor.present(context);
  }

  #cursor(args: readonly string[]): void {
    const [hotX = 0, hotY = 0, source = 0, sx = 0, sy = 0, width = 0, height = 0] = args.map(
      (arg) => Math.trunc(Number(arg)) || 0,
    );
    const turn = ++this.#cursors;
    if (width <= 0 || height <= 0 || width > MAX_CURSOR_PX || height > MAX_CURSOR_PX) {
      this.#tell({ type: "cursor", image: null, hotX: 0, hotY: 0 });
      return;
    }
    const surface = this.#createSurface(width, height);
    const layer = this.#layers.get(source);
    contextOf(surface).drawImage(layer.surface, sx, sy, width, height, 0, 0, width, height);
    toBlob(surface).then(
      (image) => {
        // Encoding may finish out of turn; only the newest pointer counts.
        if (turn === this.#cursors) this.#tell({ type: "cursor", image, hotX, hotY });
      },
      () => undefined,
    );
  }

  async #screenshot(command: Extract<PaintCommand, { type: "screenshot" }>): Promise<void> {
    let image: Blob | null = null;
    try {
      const { widthPx, heightPx } = this.#layers.get(0);
      const factor = Math.min(1, command.maxWidthPx / widthPx, command.maxHeightPx / heightPx);
      const [width, height] = [Math.round(widthPx * factor), Math.round(heightPx * factor)];
      if (width > 0 && height > 0) {
        const surface = this.#createSurface(width, height);
        this.#compositor.snapshot(contextOf(surface, true), width, height);
        image = await toBlob(surface, command.mimetype);
      }
    } catch {
      // No picture is an answer too.
    }
    this.#tell({ type: "screenshot", id: command.id, image });
  }

  #reset(): void {
    this.#epoch++;
    this.#cursors++;
    this.#failed = false;
    this.#queue.clear();
    this.#images.clear();
    this.#layers.clear();
    this.#compositor.damageAll();
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    const code = error instanceof GuacamoleError ? error.code : Status.SERVER_ERROR;
    const message = error instanceof Error ? error.message : String(error);
    this.#tell({ type: "failed", code, message });
  }
}

/** Browsers refuse pointer images beyond this. */
const MAX_CURSOR_PX = 128;
