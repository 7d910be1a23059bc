import { GuacamoleError, type SessionEvents, Status, statusFromHttp } from "../../core";
import { type FileEntry, Files, join } from "../../core/streams/files";
import { OWN_PAGE } from "../api/client";
import { ApiError } from "../api/errors";
import { addMessages, t } from "../i18n";
import { files as messages } from "../i18n/en/files";
import { session as sessionMessages } from "../i18n/en/session";
import type { Dropped } from "./dropped";
import type { LiveSession } from "./live-session.svelte";
import { explain } from "./status";

addMessages(messages);
addMessages(sessionMessages);

/** A folder of a machine's, as the place of uploads. */
export interface Place {
  object: number;
  path: string;
}

/** Requests of more would stand in the way of proxies; Guacamole's page sends as much at once. */
const SLICE_BYTES = 4 * 1024 * 1024;
/** Uploads that go on at once; others wait for their turn. */
const MAX_UPLOADS = 2;
/** How long a transfer that went well stays in sight. */
const DONE_SHOWN_MS = 5000;
/** Time for the machine's last word about a file. Gateways that have none are taken at their silence. */
const LAST_WORD_MS = 15_000;
/** Links to content in memory are good for so long: browsers fetch it a moment after the click. */
const LINK_MS = 60_000;

/** One file on its way. */
export class Transfer {
  state = $state<"waiting" | "running" | "done" | "failed">("waiting");
  doneBytes = $state(0);
  /** Why it failed, for people. */
  reason = $state("");
  readonly abort = new AbortController();

  constructor(
    readonly id: number,
    readonly direction: "up" | "down",
    readonly name: string,
    /** Not known of what machines send. */
    readonly totalBytes: number | null,
  ) {}

  get over(): boolean {
    return this.state === "done" || this.state === "failed";
  }
}

/**
 * A name that is one part of an address and of a path, whatever the machine calls the file: no
 * separators, and never the folder itself or the one above.
 */
export function fileName(name: string): string {
  const one = name.replace(/[/\\\0]+/g, "_").toWellFormed();
  return /^\.*$/.test(one) ? "file" : one;
}

/** Files between this computer and the machine of one session. */
export class Transfers {
  list = $state.raw<readonly Transfer[]>([]);

  #nextId = 1;
  #running = 0;
  #waiting: (() => void)[] = [];
  #files: { session: object; files: Files } | null = null;

  constructor(private readonly live: LiveSession) {}

  /** Sends files: into a folder, or to where the machine puts what is dropped. */
  upload({ files, folders }: Dropped, place: Place | null = null): Promise<unknown> {
    for (const folder of folders) this.#fail(this.#add("up", folder, null), t("files.folder"));
    return Promise.all(files.map((file) => this.#upload(file, place)));
  }

  /** Saves what the machine sends. */
  async receive({ filename, stream }: Pick<SessionEvents["file"], "filename" | "stream">): Promise<void> {
    const transfer = this.#add("down", filename, null);
    transfer.abort.signal.addEventListener("abort", () => stream.cancel(Status.RESOURCE_CLOSED, "called off"));
    await this.#watch(transfer, async () => {
      transfer.state = "running";
      const over = stream.follow();
      over.catch(() => {});
      await save(this.#address(stream.index, filename), filename, transfer.abort.signal);
      await over;
    });
  }

  /** What is in a folder. */
  async browse({ object, path }: Place): Promise<FileEntry[]> {
    try {
      return await this.#filesOf().list(object, path);
    } catch (error) {
      throw new Error(this.#reason(error), { cause: error });
    }
  }

  /** Saves a file of the machine's. */
  async download(object: number, { path, name }: FileEntry): Promise<void> {
    try {
      await this.receive({ filename: name, stream: await this.#filesOf().open(object, path) });
    } catch (error) {
      const transfer = this.#add("down", name, null);
      await this.#watch(transfer, () => Promise.reject(error));
    }
  }

  /** Calls a transfer off, or takes one that is over away. */
  remove(transfer: Transfer): void {
    this.list = this.list.filter((each) => each !== transfer);
    transfer.abort.abort(new DOMException("called off", "AbortError"));
  }

  async #upload(file: File, place: Place | null): Promise<void> {
    const transfer = this.#add("up", file.name, file.size);
    await this.#watch(transfer, async () => {
      await this.#turn();
      try {
        transfer.abort.signal.throwIfAborted();
        transfer.state = "running";
        await this.#send(transfer, file, place);
      } finally {
        this.#running -= 1;
        this.#waiting.shift()?.();
      }
    });
  }

  async #turn(): Promise<void> {
    while (this.#running >= MAX_UPLOADS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }

  async #send(transfer: Transfer, file: File, place: Place | null): Promise<void> {
    const session = this.live.session;
    if (!session) throw new GuacamoleError(Status.RESOURCE_CLOSED, "the session is not connected", "stream");
    const type = file.type || "application/octet-stream";
    const stream = place
      ? session.openObject(place.object, type, join(place.path, file.name))
      : session.openFile(type, file.name);
    const { signal } = transfer.abort;
    let last: Promise<void>;
    try {
      await until(stream.opened, signal);
      const address = this.#address(stream.index, file.name);
      for (let at = 0; at < file.size; at += SLICE_BYTES) {
        const slice = file.slice(at, at + SLICE_BYTES);
        await post(address, slice, signal, (bytes) => (transfer.doneBytes = at + Math.min(bytes, slice.size)));
        transfer.doneBytes = at + slice.size;
      }
    } finally {
      last = stream.end();
    }
    await Promise.race([last, new Promise((resolve) => setTimeout(resolve, LAST_WORD_MS))]);
  }

  async #watch(transfer: Transfer, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      transfer.state = "done";
      setTimeout(() => this.remove(transfer), DONE_SHOWN_MS);
    } catch (error) {
      if (!transfer.abort.signal.aborted) this.#fail(transfer, this.#reason(error));
    }
  }

  #fail(transfer: Transfer, reason: string): void {
    transfer.state = "failed";
    transfer.reason = reason;
  }

  #add(direction: "up" | "down", name: string, totalBytes: number | null): Transfer {
    const transfer = new Transfer(this.#nextId++, direction, name, totalBytes);
    this.list = [...this.list, transfer];
    return transfer;
  }

  /** Requests to the files of the session that is live now. */
  #filesOf(): Files {
    const session = this.live.session;
    if (!session) throw new GuacamoleError(Status.RESOURCE_CLOSED, "the session is not connected", "stream");
    if (this.#files?.session !== session) this.#files = { session, files: new Files(session) };
    return this.#files.files;
  }

  #address(index: number, name: string): string {
    const uuid = encodeURIComponent(this.live.uuid ?? "");
    return `api/session/tunnels/${uuid}/streams/${index}/${encodeURIComponent(fileName(name))}`;
  }

  #reason(error: unknown): string {
    // A request that was cut says no more than that.
    let code: number = Status.RESOURCE_CLOSED;
    if (error instanceof GuacamoleError) code = error.code;
    else if (error instanceof ApiError) code = error.statusCode ?? statusFromHttp(error.httpStatus);
    return explain(code, "F", this.live.name || t("files.machine")).sentence;
  }
}

/** The outcome of `work`, or the end of waiting for it. */
function until<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
  });
}

/** Puts content into a stream of ours. The browser reads it from the disk as the gateway takes it. */
function post(address: string, body: Blob, signal: AbortSignal, onProgress: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const call = (): void => request.abort();
    const settle = (act: () => void): void => {
      signal.removeEventListener("abort", call);
      act();
    };
    request.open("POST", address);
    for (const [name, value] of Object.entries(OWN_PAGE)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => settle(() => (request.status < 300 ? resolve() : reject(errorOf(request))));
    request.onerror = () => settle(() => reject(new TypeError("the request was cut")));
    request.onabort = () => settle(() => reject(signal.reason as Error));
    signal.throwIfAborted();
    signal.addEventListener("abort", call, { once: true });
    request.send(body);
  });
}

function errorOf(request: XMLHttpRequest): ApiError {
  try {
    return ApiError.from(request.status, JSON.parse(request.responseText));
  } catch {
    return ApiError.from(request.status, null);
  }
}

/**
 * Lets the browser save a stream of the machine's: as a link to follow, so that the file goes to
 * the disk and not through the memory of the page.
 */
async function save(address: string, name: string, signal: AbortSignal): Promise<void> {
  if (isSecureContext) {
    follow(address, name);
    return;
  }
  // Without TLS browsers do not say whose link it is, and the gateway wants our header instead.
  const response = await fetch(address, { headers: OWN_PAGE, signal });
  if (!response.ok) throw ApiError.from(response.status, await response.json().catch(() => null));
  const content = URL.createObjectURL(await response.blob());
  follow(content, name);
  setTimeout(() => URL.revokeObjectURL(content), LINK_MS);
}

function follow(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = fileName(name);
  link.click();
}
