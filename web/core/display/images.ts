import { decodeBase64 } from "../base64.ts";
import { MAX_BUFFERED_BYTES, MAX_STREAMS } from "../protocol/limits.ts";
import { GuacamoleError, Status } from "../protocol/status.ts";

/** An image that is still arriving. */
export interface IncomingImage {
  readonly mask: number;
  readonly layer: number;
  readonly mimetype: string;
  readonly x: number;
  readonly y: number;
  readonly chunks: Uint8Array<ArrayBuffer>[];
  bytes: number;
}

/** Image streams by index: `img` opens, `blob` adds, `end` takes the whole. */
export class ImageStreams {
  readonly #streams = new Map<string, IncomingImage>();

  open(args: readonly string[]): void {
    const [stream = "", mask, layer, mimetype = "", x, y] = args;
    // Server-side indices come in two families of that size.
    if (this.#streams.size >= 2 * MAX_STREAMS) throw overrun("too many image streams");
    this.#streams.set(stream, {
      mask: Math.trunc(Number(mask)) || 0,
      layer: Math.trunc(Number(layer)) || 0,
      mimetype,
      x: Math.trunc(Number(x)) || 0,
      y: Math.trunc(Number(y)) || 0,
      chunks: [],
      bytes: 0,
    });
  }

  add(args: readonly string[]): void {
    const [stream = "", base64 = ""] = args;
    const image = this.#streams.get(stream);
    if (image === undefined) return;
    let chunk: Uint8Array<ArrayBuffer>;
    try {
      chunk = decodeBase64(base64);
    } catch {
      // A broken image is one missing tile, not the end of the session.
      this.#streams.delete(stream);
      return;
    }
    image.bytes += chunk.length;
    if (image.bytes > MAX_BUFFERED_BYTES) throw overrun("an image is too large");
    image.chunks.push(chunk);
  }

  take(args: readonly string[]): IncomingImage | null {
    const [stream = ""] = args;
    const image = this.#streams.get(stream) ?? null;
    this.#streams.delete(stream);
    return image;
  }

  clear(): void {
    this.#streams.clear();
  }
}

/** The chunks as one array; a single chunk as it is. */
export function joined(image: IncomingImage): Uint8Array<ArrayBuffer> {
  const [only] = image.chunks;
  if (image.chunks.length === 1 && only !== undefined) return only;
  const all = new Uint8Array(image.bytes);
  let at = 0;
  for (const chunk of image.chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function overrun(message: string): GuacamoleError {
  return new GuacamoleError(Status.CLIENT_OVERRUN, message, "server");
}
