import { beforeEach, describe, expect, it, vi } from "vitest";

import { operationOf } from "../../core/display/masks.ts";
import type { PaintEvent } from "../../core/display/messages.ts";
import { Painter } from "../../core/display/painter.ts";
import { transferByte } from "../../core/display/transfer.ts";
import { MAX_LAYERS } from "../../core/protocol/limits.ts";
import { Status } from "../../core/protocol/status.ts";
import { FakeCanvas, FakeCanvases, FakePath, ManualDecoder } from "./support/canvas.ts";
import { settle } from "./support/tunnel.ts";

vi.stubGlobal("Path2D", FakePath);

class Bench {
  readonly canvases = new FakeCanvases();
  readonly decoder = new ManualDecoder();
  readonly events: PaintEvent[] = [];
  readonly target = new FakeCanvas("page", 1, 1);
  readonly painter = new Painter((event) => this.events.push(event), {
    createSurface: this.canvases.create,
    decode: this.decoder.decode,
  });
  #frame = 0;

  constructor() {
    this.painter.command({ type: "canvas", canvas: this.target as unknown as HTMLCanvasElement });
    this.draw("size 0 100 80");
  }

  /** Instructions as words, one per line. */
  draw(...lines: string[]): void {
    const operations = lines.map((line) => {
      const [opcode = "", ...args] = line.split(" ");
      return [opcode, args] as const;
    });
    this.painter.command({ type: "draw", operations });
  }

  sync(): void {
    this.painter.command({ type: "sync", frame: this.#frame++ });
  }

  /** What was drawn on the surface of the root layer, or on the page, since last asked. */
  took(canvas: FakeCanvas = this.root): string[] {
    return canvas.calls.splice(0);
  }

  get root(): FakeCanvas {
    // The first surface is the empty one every layer starts with.
    return this.canvases.all[1] as FakeCanvas;
  }

  get frames(): number {
    return this.events.filter(({ type }) => type === "frame").length;
  }
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});

describe("order", () => {
  it("lets what follows an image wait for it, and answers the frame last", async () => {
    bench.draw("img 1 14 0 image/png 5 6", "blob 1 QUJD", "end 1", "rect 0 0 0 10 10", "cfill 14 0 255 0 0 255");
    bench.sync();
    expect(bench.decoder.waiting.map(({ type }) => type)).toEqual(["image/png 3"]);
    expect(bench.took()).toEqual([]);
    expect(bench.frames).toBe(0);
    bench.decoder.waiting[0]?.done("A");
    await settle();
    expect(bench.took()).toEqual(["draw A 5 6", "fill rgba(255,0,0,1) 0 0 10 10"]);
    expect(bench.frames).toBe(1);
    expect(bench.decoder.closed).toBe(1);
  });

  it("decodes side by side and draws in order", async () => {
    bench.draw("img 1 14 0 image/png 0 0", "img 3 14 0 image/jpeg 9 9", "blob 3 QUJD", "blob 1 QQ==", "end 1", "end 3");
    bench.sync();
    expect(bench.decoder.waiting).toHaveLength(2);
    bench.decoder.waiting[1]?.done("second");
    await settle();
    expect(bench.took()).toEqual([]);
    bench.decoder.waiting[0]?.done("first");
    await settle();
    expect(bench.took()).toEqual(["draw first 0 0", "draw second 9 9"]);
    expect(bench.frames).toBe(1);
  });

  it("goes on without an image that cannot be decoded", async () => {
    bench.draw("img 1 14 0 image/png 0 0", "blob 1 QUJD", "end 1", "png 14 0 1 2 QUI=", "png 14 0 0 0 ***");
    bench.sync();
    bench.decoder.waiting[0]?.fail();
    bench.decoder.waiting[1]?.done("old");
    await settle();
    expect(bench.took()).toEqual(["draw old 1 2"]);
    expect(bench.frames).toBe(1);
    expect(bench.events.some(({ type }) => type === "failed")).toBe(false);
  });

  it("joins the blobs of an image and forgets one with a broken blob", () => {
    bench.draw("img 1 14 0 image/png 0 0", "blob 1 QUJD", "blob 1 QUJD", "end 1", "img 1 14 0 image/png 0 0", "blob 1 *", "end 1");
    expect(bench.decoder.waiting.map(({ type }) => type)).toEqual(["image/png 6"]);
  });

  it("does not draw an image of the connection before", async () => {
    bench.draw("img 1 14 0 image/png 0 0", "blob 1 QUJD", "end 1");
    bench.painter.command({ type: "reset" });
    bench.draw("size 0 10 10");
    bench.decoder.waiting[0]?.done("late");
    await settle();
    expect(bench.canvases.all.flatMap(({ calls }) => calls)).not.toContain("draw late 0 0");
    expect(bench.decoder.closed).toBe(1);
  });
});

describe("drawing", () => {
  it("keeps a mask that reaches beyond inside the drawn rectangle", async () => {
    bench.draw("img 1 12 0 image/png 5 6", "blob 1 QUJD", "end 1", "img 1 4 0 image/png 5 6", "blob 1 QUJD", "end 1");
    for (const image of bench.decoder.waiting) image.done("A");
    await settle();
    expect(bench.took()).toEqual(["clear 5 6 8 4", "draw A 5 6", "clip", "draw A 5 6 [source-in]"]);
    expect(bench.root.context.globalCompositeOperation).toBe("source-over");
  });

  it("fills rectangles without a path and other shapes with one", () => {
    bench.draw(
      "rect 0 1 2 3 4", "cfill 12 0 1 2 3 255",
      "rect 0 1 2 3 4", "cfill 12 0 1 2 3 51",
      "start 0 0 0", "line 0 5 5", "curve 0 1 1 2 2 3 3", "arc 0 5 5 2 0 3.14 0", "close 0", "cfill 14 0 9 9 9 255",
    );
    expect(bench.took()).toEqual([
      "fill rgba(1,2,3,1) 1 2 3 4",
      "clip",
      "fill rgba(1,2,3,0.2) 1 2 3 4 [copy]",
      "fillPath rgba(9,9,9,1)",
    ]);
  });

  it("strokes with cap, join and thickness", () => {
    bench.draw("start 0 0 0", "line 0 5 5", "cstroke 14 0 1 2 3 9 8 7 255");
    expect(bench.took()).toEqual(["stroke rgba(9,8,7,1) 3 round round"]);
  });

  it.each([
    [0, 0, "butt bevel"],
    [1, 1, "round miter"],
    [2, 2, "square round"],
  ])("cap %i and join %i", (cap, join, words) => {
    bench.draw("start 0 0 0", "line 0 5 5", `cstroke 14 0 ${cap} ${join} 3 9 8 7 255`);
    expect(bench.took()).toEqual(["stroke rgba(9,8,7,1) 3 " + words]);
  });

  it("builds paths of lines, arcs and curves", () => {
    const path = FakePath.prototype;
    const spies = [path.moveTo, path.lineTo, path.arc, path.bezierCurveTo, path.closePath].map(({ name }) =>
      vi.spyOn(path, name as "moveTo"),
    );
    bench.draw("start 0 1 2", "line 0 3 4", "arc 0 5 6 7 0 1.5 1", "curve 0 1 2 3 4 5 6", "close 0", "cfill 14 0 9 9 9 255");
    expect(spies.map(({ mock }) => mock.calls)).toEqual([[[1, 2]], [[3, 4]], [[5, 6, 7, 0, 1.5, true]], [[1, 2, 3, 4, 5, 6]], [[]]]);
    vi.restoreAllMocks();
  });

  it("fills and strokes with what is on a layer", () => {
    bench.draw("rect -1 0 0 8 8", "cfill 14 -1 1 1 1 255");
    const pattern = "pattern of " + bench.canvases.all.at(-1)?.name;
    bench.draw("start 0 0 0", "line 0 5 5", "lfill 14 0 -1", "start 0 0 0", "line 0 5 5", "lstroke 14 0 1 2 3 -1");
    expect(bench.took()).toEqual(["fillPath " + pattern, "stroke " + pattern + " 3 round round"]);
  });

  it("clips, transforms and limits mitres", () => {
    bench.draw("rect 0 1 2 3 4", "clip 0", "transform 0 1 0 0 1 5 6", "identity 0", "set 0 miter-limit 4.5");
    expect(bench.took()).toEqual(["clip", "transform 1 0 0 1 5 6", "setTransform 1 0 0 1 0 0"]);
    expect(bench.root.context.miterLimit).toBe(4.5);
  });

  it("draws the images of old servers", async () => {
    bench.draw("jpeg 14 0 3 4 QUI=", "png 14 0 5 6 QUI=");
    expect(bench.decoder.waiting.map(({ type }) => type)).toEqual(["image/jpeg 2", "image/png 2"]);
    for (const image of bench.decoder.waiting) image.done("A");
    await settle();
    expect(bench.took()).toEqual(["draw A 3 4", "draw A 5 6"]);
  });

  it("copies between layers and within one", () => {
    bench.draw("rect -1 0 0 20 20", "cfill 14 -1 1 1 1 255", "copy -1 0 0 8 8 14 0 3 4", "copy 0 0 10 50 50 14 0 0 0");
    const buffer = bench.canvases.all.at(-1)?.name;
    expect(bench.took()).toEqual(["draw " + buffer + " 0 0 8 8 3 4 8 8", "draw s1 0 10 50 50 0 0 50 50"]);
  });

  it("copies an overlap with replacing masks by way of another surface", () => {
    bench.draw("copy 0 0 10 50 50 12 0 0 0");
    const between = bench.canvases.all.at(-1) as FakeCanvas;
    expect(between.calls).toEqual(["draw s1 0 10 50 50 0 0 50 50"]);
    expect(bench.took()).toEqual(["clear 0 0 50 50", "draw " + between.name + " 0 0 50 50 0 0 50 50"]);
  });

  it("lets buffers grow with what is drawn and keeps their content", () => {
    bench.draw("rect -1 0 0 10 10", "cfill 14 -1 1 1 1 255", "rect -1 0 0 100 10", "cfill 14 -1 1 1 1 255");
    const [, , , small, large] = bench.canvases.all;
    expect([small?.name, large?.width, large?.height]).toEqual(["s3", 128, 64]);
    expect(large?.calls[0]).toBe("draw s3 0 0");
  });

  it("combines pixels by truth tables", () => {
    bench.draw("rect -1 0 0 8 8", "cfill 14 -1 1 1 1 255", "transfer -1 0 0 4 4 3 0 1 1", "transfer -1 0 0 4 4 6 0 1 1", "transfer -1 0 0 4 4 5 0 1 1");
    expect(bench.took()).toEqual(["put 15 1 1", "get 1 1 4 4", "put 0 1 1"]);
  });

  it("saves and restores state, and never below the ground", () => {
    const ground = bench.root.context.depth;
    bench.draw("push 0", "push 0", "pop 0", "pop 0", "pop 0");
    expect(bench.root.context.depth).toBe(ground);
    bench.draw("push 0", "reset 0");
    expect(bench.root.context.depth).toBe(ground);
  });

  it.each(["copy", "cfill", "transfer", "cursor", "move 1", "size 0 x y", "arc 0 a b -1 c d", "blob", "end", "set 0", "transform 0", "nonsense 1"])(
    "survives %j with elements missing",
    (line) => {
      bench.draw(line);
      bench.sync();
      expect(bench.events.some(({ type }) => type === "failed")).toBe(false);
    },
  );

  it("refuses more layers than the limit, once", () => {
    for (let index = 1; index <= MAX_LAYERS + 1; index++) bench.draw("size " + index + " 1 1");
    const failures = bench.events.filter(({ type }) => type === "failed");
    expect(failures).toMatchObject([{ code: Status.CLIENT_OVERRUN }]);
  });

  it("refuses more pixels than the limit", () => {
    bench.draw("size 1 8192 8192", "size 2 8192 8192", "size 3 8192 8192");
    expect(bench.events.at(-1)).toMatchObject({ type: "failed", code: Status.CLIENT_OVERRUN });
  });
});

describe("showing", () => {
  beforeEach(() => {
    bench.sync();
    bench.took(bench.target);
  });

  it("gives the page the size of the root layer with the frame that brings it", () => {
    expect([bench.target.width, bench.target.height]).toEqual([100, 80]);
    bench.draw("size 0 50 40");
    expect(bench.target.width).toBe(100);
    bench.sync();
    expect([bench.target.width, bench.target.height]).toEqual([50, 40]);
    expect(bench.events.filter(({ type }) => type === "resize").at(-1)).toEqual({ type: "resize", widthPx: 50, heightPx: 40 });
  });

  it("shows only what changed", () => {
    bench.draw("copy 0 0 0 5 5 14 0 20 30");
    bench.sync();
    expect(bench.took(bench.target)).toEqual(["clear 20 30 5 5", "draw s1 20 30 5 5 20 30 5 5"]);
    bench.sync();
    expect(bench.took(bench.target)).toEqual([]);
  });

  it("puts child layers where they belong, in their order, with their opacity", () => {
    bench.draw("size 2 10 10", "size 1 30 30", "move 1 0 5 6 7", "move 2 1 1 1 0", "shade 2 51", "size 3 4 4", "move 3 0 0 0 1");
    bench.sync();
    const calls = bench.took(bench.target).filter((call) => call.startsWith("draw") || call.startsWith("translate"));
    const names = calls.filter((call) => call.startsWith("draw")).map((call) => call.split(" ")[1]);
    expect(calls.filter((call) => call.startsWith("translate"))).toEqual(["translate 0 0", "translate 5 6", "translate 1 1"]);
    expect(names).toHaveLength(4);
    expect(calls.at(-1)).toMatch(/@0\.2$/);
  });

  it("distorts a child", () => {
    bench.draw("size 1 30 30", "move 1 0 5 6 7", "distort 1 1 0.5 0 1 0 0");
    bench.sync();
    expect(bench.took(bench.target)).toContain("transform 1 0.5 0 1 0 0");
  });

  it("shows a change in a child where the child is", () => {
    bench.draw("size 1 30 30", "move 1 0 5 6 7");
    bench.sync();
    bench.took(bench.target);
    bench.draw("copy 1 0 0 3 3 14 1 10 10");
    bench.sync();
    expect(bench.took(bench.target)[0]).toBe("clear 15 16 3 3");
  });

  it("does not let a layer lie in itself", () => {
    bench.draw("move 1 2 0 0 0", "move 2 1 0 0 0", "size 1 5 5", "size 2 5 5", "copy 1 0 0 3 3 14 2 0 0");
    bench.sync();
    expect(bench.frames).toBe(2);
  });

  it("forgets what lay in a disposed layer", () => {
    bench.draw("size 1 9 9", "size 2 5 5", "move 2 1 0 0 0", "dispose 1", "dispose 0");
    bench.sync();
    expect(bench.took(bench.target).filter((call) => call.startsWith("draw"))).toHaveLength(1);
  });

  it("shows nothing while hidden but answers, and catches up", () => {
    bench.painter.command({ type: "visible", visible: false });
    bench.draw("copy 0 0 0 5 5 14 0 20 30");
    bench.sync();
    expect(bench.took(bench.target)).toEqual([]);
    expect(bench.frames).toBe(2);
    bench.painter.command({ type: "visible", visible: true });
    expect(bench.took(bench.target)[0]).toBe("clear 0 0 100 80");
  });

  it("makes a pointer image, the newest only, and none for no size", async () => {
    bench.draw("cursor 1 2 -1 0 0 16 16", "cursor 3 4 -1 0 0 8 8");
    await settle();
    expect(bench.events.filter(({ type }) => type === "cursor")).toMatchObject([{ hotX: 3, hotY: 4 }]);
    bench.draw("cursor 0 0 -1 0 0 0 0");
    expect(bench.events.at(-1)).toMatchObject({ type: "cursor", image: null });
  });

  it("takes a screenshot no larger than asked for", async () => {
    bench.painter.command({ type: "screenshot", id: 7, maxWidthPx: 50, maxHeightPx: 50, mimetype: "image/png" });
    await settle();
    const event = bench.events.at(-1) as Extract<PaintEvent, { type: "screenshot" }>;
    expect(event.id).toBe(7);
    expect(await event.image?.text()).toMatch(/50x40$/);
  });
});

describe("masks and transfer functions", () => {
  it.each([
    [0x1, "destination-in"], [0x2, "destination-out"], [0x4, "source-in"], [0x6, "source-atop"], [0x8, "source-out"],
    [0x9, "destination-atop"], [0xa, "xor"], [0xb, "destination-over"], [0xc, "copy"], [0xe, "source-over"], [0xf, "lighter"],
    [0x0, "source-over"],
  ])("mask %i is %s", (mask, operation) => {
    expect(operationOf(mask)).toBe(operation);
  });

  it.each<[string, number, (s: number, d: number) => number]>([
    ["BLACK", 0x0, () => 0], ["WHITE", 0xf, () => 255], ["SRC", 0x3, (s) => s], ["DEST", 0x5, (_, d) => d],
    ["NSRC", 0xc, (s) => ~s], ["NDEST", 0xa, (_, d) => ~d], ["AND", 0x1, (s, d) => s & d], ["NAND", 0xe, (s, d) => ~(s & d)],
    ["OR", 0x7, (s, d) => s | d], ["NOR", 0x8, (s, d) => ~(s | d)], ["XOR", 0x6, (s, d) => s ^ d], ["XNOR", 0x9, (s, d) => ~(s ^ d)],
    ["NSRC_AND", 0x4, (s, d) => ~s & d], ["NSRC_NAND", 0xb, (s, d) => ~(~s & d)], ["NSRC_OR", 0xd, (s, d) => ~s | d], ["NSRC_NOR", 0x2, (s, d) => ~(~s | d)],
  ])("function %s", (_, code, expected) => {
    for (const [s, d] of [[0x00, 0xff], [0x5a, 0x33], [0xff, 0xff], [0x0f, 0xf0]] as const) {
      expect(transferByte(code, s, d)).toBe(expected(s, d) & 0xff);
    }
  });
});
