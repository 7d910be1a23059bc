import type { DecodedImage } from "../../../core/display/decode.ts";
import type { Surface } from "../../../core/display/surface.ts";

/** A canvas that writes down what is drawn, with the name of whose it is. */
export class FakeCanvas {
  readonly calls: string[] = [];
  readonly context: FakeContext;

  constructor(
    readonly name: string,
    public width: number,
    public height: number,
  ) {
    this.context = new FakeContext(this);
  }

  getContext(): FakeContext {
    return this.context;
  }

  convertToBlob({ type }: { type: string }): Promise<Blob> {
    return Promise.resolve(new Blob([this.name + " " + this.width + "x" + this.height], { type }));
  }
}

/** Names a thing given to `drawImage`. */
function nameOf(source: unknown): string {
  return source instanceof FakeCanvas ? source.name : String((source as { name?: string }).name);
}

export class FakeContext {
  globalCompositeOperation = "source-over";
  globalAlpha = 1;
  fillStyle = "";
  strokeStyle = "";
  lineWidth = 1;
  lineCap = "butt";
  lineJoin = "miter";
  miterLimit = 10;
  imageSmoothingQuality = "low";
  readonly #saved: { operation: string; alpha: number }[] = [];

  constructor(readonly canvas: FakeCanvas) {}

  #note(...words: unknown[]): void {
    const mode = this.globalCompositeOperation === "source-over" ? "" : " [" + this.globalCompositeOperation + "]";
    const alpha = this.globalAlpha === 1 ? "" : " @" + this.globalAlpha;
    this.canvas.calls.push(words.join(" ") + mode + alpha);
  }
  save(): void {
    this.#saved.push({ operation: this.globalCompositeOperation, alpha: this.globalAlpha });
  }
  restore(): void {
    const state = this.#saved.pop();
    if (state === undefined) return;
    this.globalCompositeOperation = state.operation;
    this.globalAlpha = state.alpha;
  }
  get depth(): number {
    return this.#saved.length;
  }
  drawImage(source: unknown, ...numbers: number[]): void {
    this.#note("draw", nameOf(source), ...numbers);
  }
  clearRect(...numbers: number[]): void {
    this.#note("clear", ...numbers);
  }
  fillRect(...numbers: number[]): void {
    this.#note("fill", this.fillStyle, ...numbers);
  }
  fill(): void {
    this.#note("fillPath", this.fillStyle);
  }
  stroke(): void {
    this.#note("stroke", this.strokeStyle, this.lineWidth, this.lineCap, this.lineJoin);
  }
  clip(): void {
    this.#note("clip");
  }
  beginPath(): void {}
  rect(): void {}
  translate(...numbers: number[]): void {
    this.#note("translate", ...numbers);
  }
  transform(...numbers: number[]): void {
    this.#note("transform", ...numbers);
  }
  setTransform(...numbers: number[]): void {
    this.#note("setTransform", ...numbers);
  }
  scale(...numbers: number[]): void {
    this.#note("scale", ...numbers);
  }
  createPattern(source: unknown): string {
    return "pattern of " + nameOf(source);
  }
  getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray } {
    this.#note("get", x, y, width, height);
    return { data: new Uint8ClampedArray(width * height * 4).fill(0x0f) };
  }
  putImageData(image: { data: Uint8ClampedArray }, x: number, y: number): void {
    this.#note("put", image.data[0], x, y);
  }
}

/** Makes surfaces named in the order they are made, and finds them again. */
export class FakeCanvases {
  readonly all: FakeCanvas[] = [];
  readonly create = (width: number, height: number): Surface => {
    const canvas = new FakeCanvas("s" + this.all.length, width, height);
    this.all.push(canvas);
    return canvas as unknown as Surface;
  };
}

/** A decoder whose images are done when the test says so. */
export class ManualDecoder {
  readonly waiting: { readonly type: string; done(name: string): void; fail(): void }[] = [];
  closed = 0;
  readonly decode = (data: Uint8Array, type: string): Promise<DecodedImage> =>
    new Promise((resolve, reject) => {
      this.waiting.push({
        type: type + " " + data.length,
        done: (name) =>
          resolve({ source: { name } as unknown as CanvasImageSource, widthPx: 8, heightPx: 4, close: () => this.closed++ }),
        fail: () => reject(new Error("broken")),
      });
    });
}

/** `Path2D` for places without one. */
export class FakePath {
  rect(): void {}
  moveTo(): void {}
  lineTo(): void {}
  arc(): void {}
  bezierCurveTo(): void {}
  closePath(): void {}
}
