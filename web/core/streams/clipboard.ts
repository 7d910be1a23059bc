import type { ReadStream } from "./reader.ts";

/** Content of a clipboard. */
export type ClipboardContent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "binary"; readonly blob: Blob };

/** Whether a media type is text: everything under `text/`. */
export function isText(mimetype: string): boolean {
  return mimetype.toLowerCase().startsWith("text/");
}

/**
 * Reads a clipboard stream to its end.
 *
 * @param limit Bytes; a longer one is refused with CLIENT_OVERRUN.
 */
export async function readClipboard(stream: ReadStream, limit?: number): Promise<ClipboardContent> {
  if (isText(stream.mimetype)) return { type: "text", text: await stream.text(limit) };
  const bytes = await stream.bytes(limit);
  return { type: "binary", blob: new Blob([bytes], { type: stream.mimetype }) };
}
