/**
 * The worker that paints. Pages start it by its address and give it to `Display` (see README):
 * pixels and image data then never touch the main thread.
 */

import type { PaintCommand, PaintEvent } from "./messages.ts";
import { Painter } from "./painter.ts";

/** The part of the worker's global scope used here; the DOM types describe a page's. */
interface WorkerScope {
  postMessage(message: PaintEvent): void;
  onmessage: ((event: MessageEvent<PaintCommand>) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;
const painter = new Painter((event) => scope.postMessage(event));
scope.onmessage = (event) => painter.command(event.data);
scope.postMessage({ type: "ready" });
