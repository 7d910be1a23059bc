/** The page that `browser.test.ts` opens: paints a known picture, or connects through the tunnels. */

import { ChainedTunnel, Display, HttpTunnel, Session, WebSocketTunnel, attachInput } from "../../../core/index.ts";
import paintUrl from "../../../core/display/paint.worker.ts?worker&url";

type Pixel = readonly [number, number, number, number];

interface ScriptPolicy {
  createScriptURL(url: string): string;
}
interface PolicyFactory {
  createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy;
}

/** What the test may call. */
export interface TestPage {
  paint(worker: boolean): Promise<Record<string, unknown>>;
  /** Draws nonsense; tells what made the picture give up, if anything did. */
  nonsense(instructions: number): Promise<string | null>;
  connect(): void;
  readonly log: string[];
  disconnect(): void;
}

const { trustedTypes } = window as unknown as { trustedTypes: PolicyFactory };
const workers = trustedTypes.createPolicy("workers", {
  createScriptURL(url) {
    if (url !== paintUrl) throw new TypeError("not our worker");
    return url;
  },
});

const pattern = (x: number, y: number): Pixel => [(x * 7 + y * 3) & 255, (x * y) & 255, (x ^ y) & 255, 255];

async function image(type: string, pixel: (x: number, y: number) => Pixel): Promise<string> {
  const context = new OffscreenCanvas(64, 64).getContext("2d");
  if (context === null) throw new Error("no canvas");
  const data = context.createImageData(64, 64);
  for (let at = 0; at < 64 * 64; at++) data.data.set(pixel(at % 64, at >> 6), at * 4);
  context.putImageData(data, 0, 0);
  const blob = await context.canvas.convertToBlob({ type, quality: 1 });
  let binary = "";
  for (const byte of new Uint8Array(await blob.arrayBuffer())) binary += String.fromCharCode(byte);
  return btoa(binary);
}

async function paint(worker: boolean): Promise<Record<string, unknown>> {
  const start = (): Worker => new Worker(workers.createScriptURL(paintUrl), { type: "module" });
  const display = new Display(worker ? { worker: start } : {});
  document.body.replaceChildren(display.element);
  const send = (text: string, ...more: string[]): void => {
    const [opcode = "", ...args] = text.split(" ");
    display.draw(opcode, [...args, ...more]);
  };
  const put = (mask: number, type: string, x: number, y: number, data: string): void => {
    send("img 1 " + mask + " 0 " + type + " " + x + " " + y);
    for (let at = 0; at < data.length; at += 8064) send("blob 1", data.slice(at, at + 8064));
    send("end 1");
  };
  const png = await image("image/png", pattern);
  send("size 0 256 200");
  send("rect 0 0 0 256 200");
  send("cfill 12 0 1 2 3 255");
  put(14, "image/png", 10, 20, png);
  put(12, "image/webp", 100, 20, await image("image/webp", () => [10, 200, 30, 255]));
  put(12, "image/png", 180, 20, await image("image/png", () => [0, 0, 0, 0]));
  send("copy 0 10 20 64 64 12 0 20 30");
  send("copy 0 20 30 64 64 14 -1 0 0");
  send("transfer -1 0 0 10 10 12 0 0 150");
  send("size 1 20 20");
  send("rect 1 0 0 20 20");
  send("cfill 14 1 255 255 0 255");
  send("move 1 0 200 150 1");
  send("shade 1 128");
  send("rect -2 0 0 16 16");
  send("cfill 14 -2 9 9 9 255");
  const pointer = new Promise((resolve) => display.once("cursor", resolve));
  send("cursor 3 4 -2 0 0 16 16");
  await display.flush();
  await pointer;

  const bitmap = await createImageBitmap(await display.screenshot());
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("no canvas");
  context.drawImage(bitmap, 0, 0);
  const at = (x: number, y: number): string => context.getImageData(x, y, 1, 1).data.join();
  let wrong = 0;
  for (let y = 0; y < 64; y++) {
    for (let x = 0; x < 64; x++) if (at(20 + x, 30 + y) !== pattern(x, y).join()) wrong++;
  }
  return {
    wrong,
    size: bitmap.width + "x" + bitmap.height,
    css: display.element.style.width + " " + display.element.style.height,
    background: at(2, 2),
    webp: at(110, 30),
    cleared: at(200, 40),
    inverted: at(1, 151),
    child: at(205, 155),
    cursor: /^url\("blob:.*"\) 3 4, default$/.test(display.element.style.cursor),
    inWorker: isGivenAway(document.querySelector("canvas")),
  };
}

const OPCODES = [
  "arc", "cfill", "clip", "close", "copy", "cstroke", "cursor", "curve", "dispose", "distort", "identity", "lfill", "line",
  "lstroke", "move", "pop", "push", "rect", "reset", "set", "shade", "size", "start", "transfer", "transform", "img", "blob",
  "end", "png", "jpeg", "nothing",
];
const ELEMENTS = [
  "0", "1", "2", "3", "-1", "-2", "12", "14", "10", "100", "255", "300", "-100", "0.5", "1e300", "-1e300", "1e400", "NaN", "",
  "x", "miter-limit", "image/png", "text/html", "QUJD", "***",
];

async function nonsense(instructions: number): Promise<string | null> {
  let state = 11;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const display = new Display();
  for (let i = 0; i < instructions; i++) {
    const args = Array.from({ length: next(10) }, () => ELEMENTS[next(ELEMENTS.length)] ?? "");
    display.draw(OPCODES[next(OPCODES.length)] ?? "", args);
  }
  return display.flush().then(
    () => null,
    (error: unknown) => String(error),
  );
}

/** Whether a worker has the canvas: then the page may no longer draw on it. */
function isGivenAway(canvas: HTMLCanvasElement | null): boolean {
  try {
    canvas?.getContext("2d");
    return false;
  } catch {
    return true;
  }
}

let session: Session | null = null;
const log: string[] = [];

function connect(): void {
  const display = new Display();
  const sink = document.createElement("textarea");
  Object.assign(sink.style, { position: "absolute", inset: "0", width: "100%", height: "100%", opacity: "0.01" });
  display.element.append(sink);
  document.body.style.margin = "0";
  document.body.replaceChildren(display.element);
  const tunnel = new ChainedTunnel(new WebSocketTunnel("websocket-tunnel"), new HttpTunnel("tunnel"));
  session = new Session(tunnel, { display });
  session.on("state", ({ state }) => log.push(state));
  session.on("error", (error) => log.push("error " + error.code));
  attachInput(session, sink, { pasteText: true, platform: "linux" });
  session.connect({ dataSource: "d", id: "1", type: "connection", widthPx: 640, heightPx: 480 });
  sink.focus();
}

const page: TestPage = { paint, nonsense, connect, log, disconnect: () => session?.disconnect() };
Object.assign(window, { page });
