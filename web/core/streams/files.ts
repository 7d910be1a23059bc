import { GuacamoleError, Status } from "../protocol/status.ts";
import type { Session } from "../session/session.ts";
import type { ReadStream } from "./reader.ts";

/** Media type of folders: the names in them, as JSON. */
export const INDEX_TYPE = "application/vnd.glyptodon.guacamole.stream-index+json";

/** Where every file system begins. */
export const ROOT = "/";

/** guacd is silent where there is nothing to give; nobody waits longer than this. */
const ANSWER_MS = 15_000;

/** A gateway's word that nothing comes; others leave it at silence. */
const REFUSAL = /^"([^]*)" is not available: .*\(0x([0-9A-Fa-f]{4})\)$/;

/** Bytes of a file read at once; a multiple of the blob size would save nothing. */
const SLICE_BYTES = 256 * 1024;

/** Settings of {@link sendFile}. */
export interface SendFileOptions {
  /** Default: the file's own name. */
  filename?: string;
  signal?: AbortSignal;
  onProgress?: (sentBytes: number, totalBytes: number) => void;
}

/** A file or folder of a machine's. */
export interface FileEntry {
  /** Full name, as the machine wants it back. */
  readonly path: string;
  /** Last part of the path, for people. Any text at all. */
  readonly name: string;
  readonly folder: boolean;
}

interface Waiter {
  readonly object: number;
  readonly path: string;
  settle(answer: { mimetype: string; stream: ReadStream } | GuacamoleError): void;
}

/** Files a machine offers, of one session. */
export class Files {
  readonly #session: Session;
  #waiters: Waiter[] = [];

  constructor(session: Session) {
    this.#session = session;
    session.on("body", ({ object, name, mimetype, stream }) => {
      const waiter = this.#waiters.find((each) => each.object === object && each.path === name);
      if (waiter) waiter.settle({ mimetype, stream });
      else stream.cancel(Status.RESOURCE_CLOSED, "nobody waits for it");
    });
    session.on("log", (text) => {
      const [, path, code = ""] = REFUSAL.exec(text) ?? [];
      const waiter = this.#waiters.find((each) => each.path === path);
      waiter?.settle(new GuacamoleError(Number.parseInt(code, 16), text, "stream", true));
    });
    session.on("state", ({ state }) => {
      if (state !== "disconnected") return;
      const over = new GuacamoleError(Status.RESOURCE_CLOSED, "the session ended", "stream");
      for (const waiter of [...this.#waiters]) waiter.settle(over);
    });
  }

  /** What is in a folder: folders first, then by name. */
  async list(object: number, path: string): Promise<FileEntry[]> {
    const { mimetype, stream } = await this.#get(object, path);
    if (mimetype !== INDEX_TYPE) {
      stream.cancel(Status.CLIENT_BAD_TYPE, "not a folder");
      throw new GuacamoleError(Status.CLIENT_BAD_TYPE, "not a folder", "stream");
    }
    return entriesOf(await stream.text());
  }

  /** A file's content, which flows when it is read. */
  async open(object: number, path: string): Promise<ReadStream> {
    return (await this.#get(object, path)).stream;
  }

  #get(object: number, path: string): Promise<{ mimetype: string; stream: ReadStream }> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        waiter.settle(new GuacamoleError(Status.UPSTREAM_TIMEOUT, "no answer", "stream"));
      }, ANSWER_MS);
      const waiter: Waiter = {
        object,
        path,
        settle: (answer) => {
          clearTimeout(late);
          this.#waiters = this.#waiters.filter((each) => each !== waiter);
          if (answer instanceof GuacamoleError) reject(answer);
          else resolve(answer);
        },
      };
      this.#waiters.push(waiter);
      this.#session.requestFrom(object, path);
    });
  }
}

/**
 * Pushes a file to the machine over the tunnel; rejects with an error of origin `stream` when refused. Gateways take
 * files faster by requests of their own, beside the tunnel.
 */
export async function sendFile(
  session: Session,
  file: Blob & { readonly name?: string },
  options: SendFileOptions = {},
): Promise<void> {
  const name = options.filename ?? file.name ?? "file";
  options.signal?.throwIfAborted();
  const stream = session.openFile(file.type || "application/octet-stream", name);
  try {
    await stream.opened;
    for (let at = 0; at < file.size; at += SLICE_BYTES) {
      options.signal?.throwIfAborted();
      const slice = file.slice(at, at + SLICE_BYTES);
      await stream.write(new Uint8Array(await slice.arrayBuffer()));
      options.onProgress?.(Math.min(at + SLICE_BYTES, file.size), file.size);
    }
  } finally {
    void stream.end();
  }
}

/** Full name of a file in a folder. */
export function join(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** Parts of a path with where each leads, the root first. */
export function trail(path: string): { name: string; path: string }[] {
  const parts = path.split("/").filter((part) => part !== "");
  return [
    { name: ROOT, path: ROOT },
    ...parts.map((name, at) => ({ name, path: ROOT + parts.slice(0, at + 1).join("/") })),
  ];
}

/** Reads a folder's list. What is no list in it is left out. */
function entriesOf(json: string): FileEntry[] {
  let index: unknown;
  try {
    index = JSON.parse(json);
  } catch {
    throw new GuacamoleError(Status.UPSTREAM_ERROR, "a folder that is not JSON", "stream");
  }
  if (typeof index !== "object" || index === null) return [];
  const entries = Object.entries(index).flatMap(([path, mimetype]) => {
    const name = path.replace(/\/+$/, "").replace(/^.*\//s, "");
    return name === "" ? [] : [{ path, name, folder: mimetype === INDEX_TYPE }];
  });
  const order = new Intl.Collator(undefined, { numeric: true });
  return entries.sort((a, b) => Number(b.folder) - Number(a.folder) || order.compare(a.name, b.name));
}
